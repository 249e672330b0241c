"""Counting models: against arithmetic by hand, a second implementation with dictionaries, KenLM and NLTK."""

from collections import Counter
from itertools import pairwise

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams

from lmtutorial import evaluation, ngram
from lmtutorial.errors import InputError
from lmtutorial.ngram import METHODS, NGram, Uniform

VOCABULARY = 6
INTERPOLATED = ("absolute", "kn", "mkn")
orders = st.integers(1, 5)
methods = st.sampled_from(METHODS)
training_texts = st.lists(st.integers(0, VOCABULARY - 2), min_size=5, max_size=60)  # the last token is never seen
any_texts = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12)


def probabilities(model, *context):
    """Return the distribution of the token after `context`, by stepping."""
    state, _ = model.start()
    for token in context:
        state, _ = model.step(state, token)
    return model.distribution(state)


# A hand-worked corpus: 0 1 0 1 0 2 over the vocabulary 0…3, order 2.
#   unigrams: 0 three times, 1 twice, 2 once          bigrams: 01 twice, 10 twice, 02 once
#   after 0 come 1, 1, 2; after 1 come 0, 0; nothing comes after 2 or 3
#   left neighbours: of 0 the text's start and 1, of 1 only 0, of 2 only 0, of 3 none; four in all
# One discount for the bigrams, two of count 2 and one of count 1: D = n1/(n1 + 2 n2) = 1/(1 + 4) = 1/5.
HAND = [0, 1, 0, 1, 0, 2]
ABSOLUTE = np.array([35, 23, 11, 3]) / 72  # D = 1/(1 + 2) = 1/3: (3 - D)/6 + 3 D/6 · 1/4 = 32/72 + 3/72, …
KN = np.array([15, 7, 7, 3]) / 32  # counts 2, 1, 1: D = 2/(2 + 2) = 1/2: (2 - D)/4 + 3 D/4 · 1/4 = 12/32 + 3/32, …
MKN = np.array([6, 4, 4, 2]) / 16  # no count is 3, so D = 1/2, 1: (2 - 1)/4 + (1 + 1/2 + 1/2)/4 · 1/4 = 4/16 + 2/16, …
ONE_AND_TWO = np.array([0, 2, 1, 0])
BY_HAND = {
    "ml": {0: ONE_AND_TWO / 3, 1: [1, 0, 0, 0], 2: [1 / 4] * 4},
    "additive": {0: np.array([1, 3, 2, 1]) / 7, 1: np.array([3, 1, 1, 1]) / 6, 2: [1 / 4] * 4},
    # after 0: counts less 1/5 over 3, and 2/5 over 3 for the unigrams; after 1: (2 - 1/5)/2 and 1/5 over 2
    "absolute": {0: [0, 9 / 15, 4 / 15, 0] + 2 / 15 * ABSOLUTE, 1: [9 / 10, 0, 0, 0] + ABSOLUTE / 10, 2: ABSOLUTE},
    "kn": {0: [0, 9 / 15, 4 / 15, 0] + 2 / 15 * KN, 1: [9 / 10, 0, 0, 0] + KN / 10, 2: KN},
    # after 0: (2 - 1)/3, (1 - 1/2)/3, and (1 + 1/2)/3 for the unigrams; after 1: (2 - 1)/2 and 1/2
    "mkn": {0: [0, 1 / 3, 1 / 6, 0] + MKN / 2, 1: [1 / 2, 0, 0, 0] + MKN / 2, 2: MKN},
}


@pytest.mark.equation("maximum-likelihood", "lmtutorial.ngram.NGram")
@pytest.mark.equation("additive", "lmtutorial.ngram.NGram")
@pytest.mark.equation("interpolated", "lmtutorial.ngram.NGram")
@pytest.mark.equation("continuation", "lmtutorial.ngram.NGram")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("context", [0, 1, 2])
def test_the_hand_worked_corpus_gives_the_probabilities_worked_out_above(method, context):
    model = NGram(HAND, order=2, vocab_size=4, method=method)
    np.testing.assert_allclose(probabilities(model, context), BY_HAND[method][context], rtol=1e-12)


def test_alpha_is_what_additive_smoothing_adds_to_every_count():
    model = NGram(HAND, order=1, vocab_size=4, method="additive", alpha=0.5)
    np.testing.assert_allclose(probabilities(model), np.array([3.5, 2.5, 1.5, 0.5]) / 8)


@pytest.mark.equation("discount", "lmtutorial.ngram.discounts")
def test_ordinary_kneser_ney_takes_one_discount_off_every_count():
    # n1 = 4, n2 = 2: 4/(4 + 4)
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 3, 4, 9])
    assert ngram.discounts(counts, modified=False).tolist() == [0, 0.5, 0.5, 0.5]


@pytest.mark.equation("modified-discounts", "lmtutorial.ngram.discounts")
def test_modified_kneser_ney_has_three_discounts():
    # n1 = 4, n2 = 2, n3 = 2, n4 = 1, Y = 1/2: 1 - 2 Y 2/4, 2 - 3 Y 2/2, 3 - 4 Y 1/2
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 3, 4, 9])
    assert ngram.discounts(counts, modified=True).tolist() == [0, 0.5, 0.5, 2]


@pytest.mark.parametrize("counts", [[1, 1, 2], [2, 3, 4], [1, 2] + 10 * [3]], ids=["no 3", "no 1", "negative"])
def test_modified_discounts_that_cannot_be_estimated_are_a_half_for_each_count(counts):
    assert ngram.discounts(np.array(counts), modified=True).tolist() == [0, 0.5, 1, 1.5]


def test_one_discount_that_cannot_be_estimated_is_a_half():
    assert ngram.discounts(np.array([1, 1, 3]), modified=False).tolist() == [0, 0.5, 0.5, 0.5]


def brute_force(ids, order, vocab_size, method):
    """Return p(token, context) with dictionaries, straight from the formula of interpolated discounting."""
    counts = {}
    for n in range(1, order + 1):
        grams = list(zip(*(ids[i:] for i in range(n))))
        if n < order and method != "absolute":  # distinct left neighbours, the start of the text being one
            grams = [gram[1:] for gram in set(zip(*(["start", *ids][i:] for i in range(n + 1))))]
        counts[n] = Counter(grams)

    def discount(n, count):
        having = Counter(counts[n].values())
        n1, n2, n3, n4 = (having[c] for c in (1, 2, 3, 4))
        if method != "mkn":
            return n1 / (n1 + 2 * n2) if n1 and n2 else 0.5
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            estimated = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if min(estimated) > 0:
                return estimated[min(count, 3) - 1]
        return min(count, 3) / 2

    def p(token, context):
        n = len(context) + 1
        shorter = p(token, context[1:]) if context else 1 / vocab_size
        after = {gram[-1]: count for gram, count in counts[n].items() if gram[:-1] == context}
        if not after:
            return shorter
        kept = after[token] - discount(n, after[token]) if token in after else 0
        reserved = sum(discount(n, count) for count in after.values())
        return (kept + reserved * shorter) / sum(after.values())

    return p


def brute_force_scores(ids, order, vocab_size, method, text):
    p = brute_force(ids, order, vocab_size, method)
    return [-np.log(p(token, tuple(text[max(0, i - order + 1) : i]))) for i, token in enumerate(text)]


@pytest.mark.equation("interpolated", "lmtutorial.ngram.NGram")
@pytest.mark.equation("continuation", "lmtutorial.ngram.NGram")
@settings(max_examples=200)
@given(training_texts, any_texts, orders, st.sampled_from(INTERPOLATED))
def test_scores_are_those_of_the_formula_worked_with_dictionaries(ids, text, order, method):
    scores = NGram(ids, order, VOCABULARY, method).score(text)
    np.testing.assert_allclose(scores, brute_force_scores(ids, order, VOCABULARY, method, text), rtol=1e-9)


def test_estimated_modified_discounts_enter_the_model_at_every_order():
    ids = (np.random.default_rng(0).geometric(0.3, size=400) % 12).tolist()  # skewed, so that every count occurs
    model = NGram(ids, 3, 12, "mkn")
    np.testing.assert_allclose(model.score(ids[:60]), brute_force_scores(ids, 3, 12, "mkn", ids[:60]), rtol=1e-9)
    assert all(table.reserved[0] % 0.5 for table in model.tables)


@given(training_texts, any_texts, orders, methods)
def test_probabilities_sum_to_one_whatever_came_before(ids, context, order, method):
    assert probabilities(NGram(ids, order, VOCABULARY, method), *context).sum() == pytest.approx(1, abs=1e-9)


@given(training_texts, any_texts, orders, methods)
def test_stepping_through_a_text_gives_exactly_its_scores(ids, text, order, method):
    model = NGram(ids, order, VOCABULARY, method)
    state, logits = model.start()
    costs = []
    for token in text:
        costs.append(-logits[token])
        state, logits = model.step(state, token)
    assert costs == model.score(text).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_a_state_is_a_value_that_stepping_leaves_alone(method):
    model = NGram(HAND, order=3, vocab_size=4, method=method)
    state, _ = model.step(model.start()[0], 0)
    _, before = model.step(state, 1)
    model.step(model.step(state, 2)[0], 3)
    _, again = model.step(state, 1)
    assert again.tolist() == before.tolist()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [1, 2, 5])
def test_every_method_is_a_causal_language_model(method, order):
    evaluation.check(NGram(np.arange(200) ** 2 % 7, order, vocab_size=8, method=method))


def test_uniform_costs_the_logarithm_of_the_vocabulary_everywhere():
    model = Uniform(8)
    assert model.score([3, 0, 7]).tolist() == [np.log(8)] * 3


def test_uniform_has_equal_logits_at_the_start_and_after_a_step():
    model = Uniform(8)
    state, first = model.start()
    _, second = model.step(state, 5)
    assert first.tolist() == second.tolist() == [0] * 8


def kenlm_scores(path, words):
    """Return (log10 probability, length of the n-gram found, whether unknown) of every word."""
    config = kenlm.Config()
    config.show_progress = False
    return list(kenlm.Model(str(path), config).full_scores(" ".join(words), bos=False, eos=False))


@pytest.mark.parametrize("method", INTERPOLATED)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_kenlm_reads_our_arpa_file_and_gives_the_same_scores(order, method, tmp_path):
    rng = np.random.default_rng(order)
    ids, text = rng.geometric(0.15, size=3000) % 25, rng.integers(30, size=2000)  # 25 to 29 are never seen
    text[500:1500] = ids[:1000]
    model = NGram(ids, order, 30, method)
    model.write_arpa(tmp_path / "model.arpa")
    theirs = kenlm_scores(tmp_path / "model.arpa", map(str, text))
    assert {length for _, length, _ in theirs} == set(range(1, order + 1))  # seen and unseen n-grams of every order
    assert not any(unknown for _, _, unknown in theirs)
    np.testing.assert_allclose([p for p, _, _ in theirs], -model.score(text) / np.log(10), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["ml", "additive"])
def test_arpa_is_refused_for_methods_that_do_not_back_off(method, tmp_path):
    with pytest.raises(InputError, match=f"back off to shorter contexts; '{method}' does not"):
        NGram(HAND, 2, 4, method).write_arpa(tmp_path / "model.arpa")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_nltk_agrees_where_its_definition_is_ours(order, monkeypatch):
    """NLTK's `KneserNeyInterpolated` differs from ours in three points, which are made equal here.

    - It takes one fixed discount off every order above the unigrams, where ours is estimated for each order, and none
      off the unigrams, so that an unseen token is impossible: `discounts` is replaced by the same.
    - It counts left neighbours inside the text only, so that what stands at the very start can have none. Here NLTK
      is given one n-gram more of every order, the one that begins with the marker "<s>".
    - It has no step to the uniform distribution: without a unigram discount, ours takes none either.
    """
    discount = 0.7
    by_order = iter([np.zeros(4)] + order * [np.array([0, discount, discount, discount])])
    monkeypatch.setattr(ngram, "discounts", lambda counts, modified: next(by_order))
    rng = np.random.default_rng(order)
    ids, text = rng.geometric(0.3, size=300) % 8, rng.integers(8, size=60)
    text[30:] = ids[:30]
    ours = NGram(ids, order, 8, "kn")

    words = [str(i) for i in ids]
    start = [("<s>", *words[: n - 1]) for n in range(2, order + 1)]
    theirs = KneserNeyInterpolated(order, discount)
    theirs.fit([everygrams(words, max_len=order), start], ["<s>", *words])
    symbols = [str(i) for i in text]
    expected = [theirs.score(word, symbols[max(0, i - order + 1) : i]) for i, word in enumerate(symbols)]
    np.testing.assert_allclose(np.exp(-ours.score(text)), expected, rtol=1e-9)


def test_keys_too_wide_to_be_packed_give_the_same_model(monkeypatch):
    sorts, argsort = [], np.argsort
    monkeypatch.setattr(np, "argsort", lambda keys: sorts.append(len(keys)) or argsort(keys))
    wide = 1 << 54
    ids = (np.random.default_rng(0).geometric(0.3, size=200) % 10 * (wide // 10)).tolist()
    scores = NGram(ids, 3, wide, "kn").score(ids[:50])
    assert sorts == [199, 198]  # of the orders 2 and 3: a key and a place have no room in 63 bits
    np.testing.assert_allclose(scores, brute_force_scores(ids, 3, wide, "kn", ids[:50]), rtol=1e-9)


def test_an_empty_training_text_is_refused():
    with pytest.raises(InputError, match="the text is empty"):
        NGram([], 1, 4)


def test_a_training_text_shorter_than_the_order_is_refused():
    with pytest.raises(InputError, match="has 2 tokens, fewer than the order 3"):
        NGram([0, 1], 3, 4)


@pytest.mark.parametrize("method", METHODS)
def test_a_training_text_as_long_as_the_order_is_enough(method):
    model = NGram([0, 1, 2], 3, 4, method)
    assert np.argmax(probabilities(model, 0, 1)) == 2


@pytest.mark.parametrize("order", [0, -1])
def test_an_order_below_one_is_refused(order):
    with pytest.raises(InputError, match=f"at least 1; got {order}"):
        NGram(HAND, order, 4)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_training_ids_outside_the_vocabulary_are_refused(wrong):
    with pytest.raises(InputError, match="ids must lie in 0…3"):
        NGram([0, wrong, 1], 2, 4)


@pytest.mark.parametrize("model", [Uniform(4), NGram(HAND, 2, 4)], ids=["uniform", "n-gram"])
@pytest.mark.parametrize("wrong", [-1, 4])
def test_scored_ids_outside_the_vocabulary_are_refused(model, wrong):
    with pytest.raises(InputError, match="ids must lie in 0…3"):
        model.score([0, wrong])


@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_step_to_a_token_outside_the_vocabulary_is_refused(wrong):
    model = NGram(HAND, 2, 4)
    with pytest.raises(InputError, match="ids must lie in 0…3"):
        model.step(model.start()[0], wrong)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no method 'good-turing'; there are ml, additive, absolute, kn, mkn"):
        NGram(HAND, 2, 4, "good-turing")


@pytest.mark.parametrize("alpha", [0, -1])
def test_adding_nothing_to_every_count_is_refused(alpha):
    with pytest.raises(InputError, match="must be positive"):
        NGram(HAND, 2, 4, "additive", alpha)


@pytest.mark.parametrize(("method", "order"), [("ml", 2), ("additive", 1), ("absolute", 4), ("kn", 5), ("mkn", 3)])
def test_a_name_is_a_method_and_an_order(method, order):
    model = ngram.train(f"{method}{order}", HAND, 4)
    assert (model.method, model.order, model.vocab_size) == (method, order, 4)


def test_the_name_unigram_is_the_additive_model_without_context():
    assert ngram.train("unigram", HAND, 4).score(HAND).tolist() == NGram(HAND, 1, 4, "additive").score(HAND).tolist()


def test_the_name_uniform_is_the_model_that_knows_nothing():
    assert isinstance(ngram.train("uniform", HAND, 4), Uniform)


@pytest.mark.parametrize("name", ["", "gpt", "kn", "5", "KN3", "kn-1", "kn3x", "foo3", "kn" + 5000 * "9"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=r"there are uniform, unigram, mlN, additiveN, absoluteN, knN, mknN"):
        ngram.train(name, HAND, 4)


def test_a_name_with_order_zero_is_refused():
    with pytest.raises(InputError, match="at least 1; got 0"):
        ngram.train("kn0", HAND, 4)


def test_a_name_with_a_very_high_order_is_refused():
    ids = 50 * [0, 1]
    assert ngram.train("kn32", ids, 4).order == 32
    with pytest.raises(InputError, match="the order of kn33 is too high: choose at most 32, such as kn5"):
        ngram.train("kn33", ids, 4)


def test_more_context_costs_less_on_the_text_it_was_trained_on():
    ids = np.random.default_rng(0).integers(3, size=200).cumsum() % 7
    costs = [NGram(ids, order, 7, "kn").score(ids).mean() for order in (1, 2, 3, 4, 5)]
    assert all(longer < shorter for shorter, longer in pairwise(costs))
