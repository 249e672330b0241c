"""What is measured, held against arithmetic by hand; who is no language model; how sure a difference is."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutorial import evaluation
from lmtutorial.errors import InputError
from lmtutorial.ngram import NGram, Uniform
from lmtutorial.tokenizers import ByteTokenizer, CharTokenizer

POEM = "春眠不觉晓"  # 5 characters, 15 bytes of UTF-8


def test_characters_and_bytes_of_chinese_are_counted_apart():
    found = evaluation.evaluate(Uniform(256), ByteTokenizer(), POEM)
    assert (found.tokens, found.characters, found.bytes) == (15, 5, 15)


def test_guessing_bytes_costs_eight_bits_a_byte_and_three_times_that_a_chinese_character():
    found = evaluation.evaluate(Uniform(256), ByteTokenizer(), POEM)
    assert (found.bits_per_byte, found.bits_per_char) == pytest.approx((8, 24))


def test_guessing_among_the_characters_costs_a_third_of_its_bits_a_byte():
    found = evaluation.evaluate(Uniform(5), CharTokenizer.train(POEM), POEM)
    assert (found.bits_per_char, found.bits_per_byte) == pytest.approx((np.log2(5), np.log2(5) / 3))


@pytest.mark.equation("chain-rule", "lmtutorial.evaluation.evaluate")
@pytest.mark.equation("cross-entropy", "lmtutorial.evaluation.Evaluation")
def test_every_token_is_scored_given_those_before_it():
    # a b a b a: after a comes b, after b comes a; the first a has probability 3/5
    tokenizer = CharTokenizer.train("ab")
    model = NGram(tokenizer.encode("ababa"), 2, 2, "ml")
    found = evaluation.evaluate(model, tokenizer, "abab")
    assert found.nats.tolist() == pytest.approx([np.log(5 / 3), 0, 0, 0])
    assert found.nats_per_token == pytest.approx(np.log(5 / 3) / 4)


@pytest.mark.equation("perplexity", "lmtutorial.evaluation.Evaluation")
def test_the_perplexity_of_guessing_is_the_number_of_choices():
    assert evaluation.evaluate(Uniform(5), CharTokenizer.train(POEM), POEM).perplexity == pytest.approx(5)


@pytest.mark.equation("bits-per-char", "lmtutorial.evaluation.Evaluation")
@given(st.lists(st.floats(0, 50), min_size=1, max_size=20), st.integers(1, 100), st.integers(1, 400))
def test_perplexity_and_both_kinds_of_bits_tell_the_same_total(nats, characters, length):
    found = evaluation.Evaluation(np.array(nats), characters, length, seconds=1)
    total = sum(nats) / np.log(2)
    assert found.bits_per_char * characters == pytest.approx(total)
    assert found.bits_per_byte * length == pytest.approx(total)
    assert np.log2(found.perplexity) * found.tokens == pytest.approx(total, abs=1e-9)


def test_a_table_has_a_row_a_model_and_counts_the_tokens_held_for_impossible():
    tokenizer = CharTokenizer.train("abc")
    never_saw_c = NGram(tokenizer.encode("abab"), 1, 3, "ml")
    results = {name: evaluation.evaluate(m, tokenizer, "cab") for name, m in [("ml", never_saw_c), ("any", Uniform(3))]}
    table = evaluation.table(results)
    assert table["impossible_tokens"].to_dict() == {"ml": 1, "any": 0}
    assert table["bits_per_char"].to_dict() == pytest.approx({"ml": np.inf, "any": np.log2(3)})


class Slow(Uniform):
    """Takes its time."""

    def score(self, ids):
        time.sleep(0.05)
        return super().score(ids)


def test_the_seconds_are_those_that_scoring_took():
    assert 0.05 <= evaluation.evaluate(Slow(256), ByteTokenizer(), "a").seconds < 5


def test_an_empty_text_is_refused():
    with pytest.raises(InputError, match="no text to evaluate on"):
        evaluation.evaluate(Uniform(256), ByteTokenizer(), "")


def test_a_tokenizer_of_another_vocabulary_than_the_models_is_refused():
    with pytest.raises(InputError, match="the tokenizer has 256 symbols, the model 5"):
        evaluation.evaluate(Uniform(5), ByteTokenizer(), POEM)


class Dear(Uniform):
    """Asks 0.001 nats too much from the token at `place` on."""

    def __init__(self, vocab_size, place):
        super().__init__(vocab_size)
        self.place = place

    def score(self, ids):
        return super().score(ids) + 1e-3 * (np.arange(len(ids)) >= self.place)


class Peeking(Uniform):
    """Knows what comes `distance` tokens later, and sums to 1 all the same at the end of a text."""

    def __init__(self, vocab_size, distance):
        super().__init__(vocab_size)
        self.distance = distance

    def score(self, ids):
        nats = super().score(ids)
        nats[: -self.distance] += ids[self.distance :]
        return nats


class Unmasked(Uniform):
    """Reads all tokens but the last, those behind a place too, as a Transformer without its mask does."""

    def score(self, ids):
        return super().score(ids) + np.append(ids[1:-1], [0] * min(len(ids), 2))


class Lost(Uniform):
    """Its training went wrong."""

    def score(self, ids):
        return np.full(len(ids), np.nan)


@pytest.mark.parametrize("place", [0, 1, 16])
def test_a_model_whose_probabilities_do_not_sum_to_one_is_refused(place):
    with pytest.raises(InputError, match=rf"after {place} tokens the probabilities sum to 0\.999, not 1"):
        evaluation.check(Dear(5, place))


def test_a_model_that_gives_no_numbers_is_refused():
    with pytest.raises(InputError, match="sum to nan, not 1"):
        evaluation.check(Lost(5))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("vocab_size", [2, 50])
@pytest.mark.parametrize("distance", [1, 5])
def test_a_model_that_looks_ahead_is_refused_whatever_the_seed(vocab_size, distance, seed):
    with pytest.raises(InputError, match=r"looks ahead: token \d+ costs"):
        evaluation.check(Peeking(vocab_size, distance), seed)


def test_a_model_that_reads_what_it_is_to_predict_is_refused():
    with pytest.raises(InputError, match=r"sum to|looks ahead"):
        evaluation.check(Unmasked(5))


@pytest.mark.parametrize("model", [Uniform(1), Uniform(300), NGram([0, 1, 0, 1, 0, 2], 3, 4)])
def test_a_language_model_is_accepted(model):
    evaluation.check(model)


def test_a_rest_joins_the_last_block():
    assert evaluation.block_sums(np.arange(11), 3).tolist() == [0 + 1 + 2, 3 + 4 + 5, 6 + 7 + 8 + 9 + 10]


def test_a_text_shorter_than_a_block_is_one_block():
    assert evaluation.block_sums(np.arange(4), 10).tolist() == [6]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50), st.integers(1, 20))
def test_blocks_lose_nothing_and_none_is_short(values, size):
    sums = evaluation.block_sums(np.array(values), size)
    assert sums.sum() == sum(values)
    assert len(sums) == max(len(values) // size, 1)


def test_the_difference_is_the_first_models_cost_less_the_seconds_over_all_units():
    assert evaluation.paired_bootstrap([3, 5], [1, 2], [10, 40])[0] == pytest.approx((3 + 5 - 1 - 2) / 50)


def test_a_difference_that_is_the_same_everywhere_is_certain():
    units = np.array([10, 400, 37, 5])
    second = np.array([7.0, 1, 300, 2])
    assert evaluation.paired_bootstrap(second + 0.2 * units, second, units) == pytest.approx((0.2, 0.2, 0.2))


def test_the_interval_holds_the_true_difference_about_95_times_in_100():
    rng, covered = np.random.default_rng(0), 0
    for seed in range(300):
        units = rng.integers(50, 150, size=60)
        second = rng.normal(2, 0.5, size=60) * units
        first = second + (0.1 + rng.normal(0, 0.2, size=60)) * units
        _, low, high = evaluation.paired_bootstrap(first, second, units, seed, resamples=400)
        covered += low <= 0.1 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_blocks_that_are_hard_for_both_models_do_not_widen_the_interval():
    rng = np.random.default_rng(0)
    hardness, units = rng.lognormal(5, 1, size=100), np.full(100, 64)
    first, second = hardness + rng.normal(1, 1, size=100), hardness
    _, low, high = evaluation.paired_bootstrap(first, second, units)
    _, unpaired_low, unpaired_high = evaluation.paired_bootstrap(first, rng.permutation(second), units)
    assert 0 < low < high
    assert high - low < (unpaired_high - unpaired_low) / 20


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rng = np.random.default_rng(0)
    costs = rng.normal(size=20), rng.normal(size=20), np.ones(20)
    intervals = [evaluation.paired_bootstrap(*costs, seed=seed) for seed in (0, 0, 1)]
    assert intervals[0] == intervals[1] != intervals[2]


@pytest.mark.parametrize("lengths", [(3, 2, 3), (2, 3, 3), (3, 3, 2)])
def test_costs_of_different_blocks_cannot_be_paired(lengths):
    with pytest.raises(InputError, match="{}, {} and {} blocks cannot be paired".format(*lengths)):
        evaluation.paired_bootstrap(*(np.ones(length) for length in lengths))


@pytest.mark.parametrize("blocks", [0, 1])
def test_an_interval_needs_two_blocks(blocks):
    with pytest.raises(InputError, match="at least two blocks"):
        evaluation.paired_bootstrap(np.ones(blocks), np.ones(blocks), np.ones(blocks))
