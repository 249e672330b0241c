"""Samplers against their definitions; texts against a loop written here; beam search against trying everything."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutorial import compression, generation
from lmtutorial.errors import InputError
from lmtutorial.generation import (
    beam_search,
    draw,
    generate,
    greedy,
    min_p,
    repetition_penalty,
    softmax,
    stream,
    temperature,
    top_k,
    top_p,
)
from lmtutorial.gpt import GPT, GPTConfig
from lmtutorial.ngram import NGram, Uniform
from lmtutorial.rnn import RNNLM, RNNConfig
from lmtutorial.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer

RHYME = "a cat sat; a bat sat; a cat bats a rat. "
LETTERS = CharTokenizer.train(RHYME)
KN = NGram(LETTERS.encode(RHYME), 3, LETTERS.vocab_size)
BYTES = ByteTokenizer()
HAN = "生存還是毀滅，這是一個問題。é🙂" * 3
MERGED = BPETokenizer.train(HAN, 300)


@pytest.fixture(scope="module")
def rnn():
    """Return a small LSTM with weights large enough for opinions."""
    model = RNNLM(RNNConfig(LETTERS.vocab_size, "lstm", embedding=4, units=6))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


@pytest.fixture(scope="module")
def gpt():
    """Return a small Transformer with opinions, and a window shorter than the texts."""
    model = GPT(GPTConfig(LETTERS.vocab_size, context=7, layers=1, width=8, heads=2))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(
            rng.normal(size=variable.shape) / (variable.shape[0] if "kernel" in variable.path else 1) ** 0.5
        )
    return model


class Reciting(Uniform):
    """After one token says `ids`, one after the other, whatever is said in between."""

    def __init__(self, vocab_size, ids):
        super().__init__(vocab_size)
        self.ids = list(ids)

    def start(self):
        return 0, np.zeros(self.vocab_size)

    def step(self, state, token):
        logits = np.full(self.vocab_size, -np.inf)
        logits[self.ids[state]] = 0
        return state + 1, logits


def recite(tokenizer, ids, **options):
    """Return the pieces in which `ids` are streamed."""
    ids = list(ids)
    model = Reciting(tokenizer.vocab_size, ids)
    return [piece for _, piece in stream(model, tokenizer, [tokenizer.decode([0])], len(ids), **options)]


# --- samplers


def read_only(values):
    array = np.array(values, dtype=np.float32)
    array.flags.writeable = False  # a sampler that writes to its logits fails
    return array


some_logits = st.lists(st.integers(-8, 8) | st.floats(-8, 8, width=32) | st.just(-np.inf), min_size=1, max_size=8)
some_logits = some_logits.filter(lambda values: max(values) > -np.inf).map(read_only)
shares = st.floats(0.001, 1)


def is_kept(kept, logits):
    """Return which logits were kept; all others must be -inf."""
    assert np.isin(kept, [-np.inf, *logits]).all()
    np.testing.assert_array_equal(kept[kept > -np.inf], logits[kept > -np.inf])
    return kept > -np.inf


@given(some_logits, st.floats(0.01, 100))
def test_temperature_divides(logits, tau):
    np.testing.assert_allclose(temperature(tau)(logits, ()), logits.astype(float) / tau, rtol=1e-6)


@given(some_logits, st.data())
def test_top_k_keeps_those_that_fewer_than_k_are_likelier_than(logits, data):
    k = data.draw(st.integers(1, len(logits)))
    expected = [sum(other > logit for other in logits) < k and logit > -np.inf for logit in logits]
    assert is_kept(top_k(k)(logits, ()), logits).tolist() == expected


@given(some_logits, shares)
def test_top_p_keeps_the_shortest_list_of_the_likeliest_that_reaches_p(logits, p):
    kept = is_kept(top_p(p)(logits, ()), logits)
    order = sorted(np.flatnonzero(logits > -np.inf), key=lambda i: (-logits[i], i))
    probabilities = softmax(logits.astype(float))[order]
    assert np.flatnonzero(kept).tolist() == sorted(order[: kept.sum()])
    assert probabilities[: kept.sum()].sum() >= p - 1e-9
    assert probabilities[: kept.sum() - 1].sum() < p + 1e-9


def test_top_p_keeps_no_more_than_it_needs():
    assert top_p(0.5)(np.zeros(2), ()).tolist() == [0, -np.inf]


@pytest.mark.parametrize("spread", [1, 5, 40])
def test_top_p_of_1_keeps_everything(spread):
    logits = np.random.default_rng(0).normal(0, spread, size=1000).astype(np.float32)
    np.testing.assert_array_equal(top_p(1)(logits, ()), logits)


@given(some_logits, shares)
def test_min_p_keeps_those_at_least_p_times_as_likely_as_the_likeliest(logits, p):
    kept = is_kept(min_p(p)(logits, ()), logits)
    share = np.exp(logits.astype(float) - logits.max())
    assert (share[kept] >= p * (1 - 1e-5)).all()
    assert (share[~kept] < p * (1 + 1e-5)).all()


@given(some_logits, st.floats(0.1, 10), st.data())
def test_the_repetition_penalty_divides_positive_and_multiplies_negative_logits_once(logits, theta, data):
    past = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=9).map(tuple))
    expected = logits.astype(float)
    for token in set(past):
        expected[token] *= 1 / theta if logits[token] > 0 else theta
    np.testing.assert_allclose(repetition_penalty(theta)(logits, past), expected, rtol=1e-6)


@given(some_logits)
def test_greedy_keeps_the_likeliest_with_the_smallest_id(logits):
    assert np.flatnonzero(greedy(logits, ()) > -np.inf).tolist() == [list(logits).index(max(logits))]


@given(some_logits)
def test_greedy_is_top_1_up_to_ties(logits):
    kept = np.flatnonzero(top_k(1)(logits, ()) > -np.inf)
    assert np.flatnonzero(greedy(logits, ()) > -np.inf)[0] == kept[0]
    assert len(kept) == list(logits).count(max(logits))


NEUTRAL = [temperature(1), top_k(1000), top_p(1), min_p(0), repetition_penalty(1)]


@pytest.mark.parametrize("place", range(5))
def test_a_neutral_sampler_changes_nothing(place):
    logits = read_only(np.random.default_rng(0).normal(size=1000))
    np.testing.assert_array_equal(NEUTRAL[place](logits, (3, 4)), logits)


# --- the draw


@given(some_logits)
def test_draws_are_as_frequent_as_the_tokens_are_probable(logits):
    drawn = [draw(logits, (i + 0.5) / 1000) for i in range(1000)]
    share = np.bincount(drawn, minlength=len(logits)) / 1000
    np.testing.assert_allclose(share, softmax(logits), atol=1.001e-3)
    assert (share[logits == -np.inf] == 0).all()


@pytest.mark.parametrize(("u", "token"), [(0, 1), (0.4999, 1), (0.5, 3), (np.nextafter(1, 0), 3)])
def test_no_end_of_the_interval_draws_what_is_impossible(u, token):
    assert draw(np.array([-np.inf, 0, -np.inf, 0, -np.inf]), u) == token


@pytest.mark.parametrize("logits", [[0, np.nan], [np.inf, 0], [-np.inf, -np.inf]])
def test_logits_that_make_no_probabilities_are_refused(logits):
    with pytest.raises(InputError, match="nothing can be drawn from logits whose largest is"):
        draw(np.array(logits), 0.5)


# --- texts


def alone(model, prompt, tokens, sampler, seed, place):
    """Return the text that `generate` should write in `place`, token by token in a batch of one."""
    state, logits = model.start()
    past = LETTERS.encode(prompt).tolist()
    for token in past:
        state, logits = model.step(state, token)
    rng = np.random.default_rng((seed, place))
    for _ in range(tokens):
        for transform in sampler:
            logits = transform(logits, past)
        past.append(draw(logits, rng.random()))
        state, logits = model.step(state, past[-1])
    return LETTERS.decode(past)[len(prompt) :]


SAMPLER = [repetition_penalty(1.1), temperature(0.9), top_k(8), top_p(0.9)]


@pytest.mark.jax
@pytest.mark.parametrize("sampler", [[], [greedy], SAMPLER], ids=["plain", "greedy", "all"])
@pytest.mark.parametrize("kind", ["rnn", "gpt", "ngram"])
def test_a_text_in_a_batch_is_the_text_alone(kind, sampler, rnn, gpt):
    model = {"rnn": rnn, "gpt": gpt, "ngram": KN}[kind]
    prompts = ["a cat", "a", "rat sat"]
    texts = generate(model, LETTERS, prompts, 20, sampler, seed=5)
    assert texts == [alone(model, prompt, 20, sampler, 5, place) for place, prompt in enumerate(prompts)]
    assert generate(model, LETTERS, prompts[:1], 20, sampler, seed=5) == texts[:1]


def test_the_same_seed_writes_the_same_text_and_another_seed_another(rnn):
    texts = [generate(rnn, LETTERS, ["a", "a"], 20, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][0] != texts[0][1]


def favour(letter):
    """Return a sampler that makes `letter` certain."""

    def favoured(logits, past):
        logits = logits.copy()
        logits[LETTERS.encode(letter)] = logits.max() + 1000
        return logits

    return favoured


def test_the_last_sampler_has_the_last_word():
    assert generate(KN, LETTERS, ["a"], 3, [favour("b"), favour("c")]) == ["ccc"]


def test_samplers_see_the_prompt_and_what_was_written():
    seen = []
    generate(
        KN, LETTERS, ["a c"], 3, [lambda logits, past: seen.append(LETTERS.decode(past)) or favour("b")(logits, past)]
    )
    assert seen == ["a c", "a cb", "a cbb"]


def test_pieces_come_as_soon_as_they_are_certain_and_make_the_text(rnn):
    pieces = list(stream(rnn, LETTERS, ["a", "cat"], 10, SAMPLER, seed=3))
    assert [row for row, _ in pieces] == 10 * [0, 1]
    texts = ["".join(piece for row, piece in pieces if row == place) for place in range(2)]
    assert texts == generate(rnn, LETTERS, ["a", "cat"], 10, SAMPLER, seed=3)


@pytest.mark.jax
def test_a_text_longer_than_the_window_comes_back_from_its_code(gpt):
    ids = LETTERS.encode(RHYME).tolist()
    code = compression.encode(gpt, ids)
    assert list(compression.decode(gpt, code, len(ids))) == ids
    assert 8 * len(code) == pytest.approx(gpt.score(np.array(ids)).sum() / np.log(2), abs=16)


# --- whole characters


@pytest.mark.parametrize("tokenizer", [BYTES, MERGED], ids=["byte", "bpe"])
def test_characters_of_several_bytes_come_out_whole(tokenizer):
    pieces = recite(tokenizer, tokenizer.encode(HAN))
    assert "".join(pieces) == HAN
    assert generation.UNKNOWN not in "".join(pieces)


def test_a_character_is_held_back_until_its_last_byte():
    assert recite(BYTES, "a詞🙂".encode()) == ["a", "詞", "🙂"]


def test_characters_come_out_whole_after_bytes_that_make_none():
    assert "".join(recite(BYTES, b"\xff\xff\xff" + "詞".encode())) == 3 * generation.UNKNOWN + "詞"


@given(st.sampled_from([BYTES, MERGED]), st.lists(st.integers(0, 255), min_size=1, max_size=12))
def test_whatever_is_written_is_what_its_tokens_decode_to(tokenizer, ids):
    assert "".join(recite(tokenizer, ids)) == tokenizer.decode(ids)


@pytest.mark.parametrize("ids", [b"a\xe8", b"a\xe8\xa9", b"\xf0\x9f\x99"])
def test_a_character_cut_off_by_the_end_is_shown_as_such(ids):
    assert "".join(recite(BYTES, ids)) == ids.decode(errors="replace")


# --- stop strings


def stopped(text, stop):
    """Return `text`, read character by character, up to the first stop string that is complete."""
    for end in range(1, len(text) + 1):
        if begins := [text[:end].find(s) for s in stop if s in text[:end]]:
            return text[: min(begins)]
    return text


@given(st.text("abc", min_size=1, max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_a_text_ends_before_the_first_stop_string(text, stop):
    letters = CharTokenizer("abc")
    assert "".join(recite(letters, letters.encode(text), stop=stop)) == stopped(text, stop)


@given(st.text("abc", min_size=1, max_size=12), st.text("abc", min_size=1, max_size=4))
def test_a_text_ends_before_a_stop_string_in_any_cut_into_tokens(text, stop):
    merged = BPETokenizer.train("abcabcab bcabca cab", 262)
    written = "".join(recite(merged, merged.encode(text), stop=[stop]))
    assert written == text.partition(stop)[0]


@pytest.mark.parametrize(
    ("text", "stop", "pieces"),
    [
        ("aabaac", ["aac"], ["aab"]),
        ("aaab", ["ab"], ["a", "a"]),
        ("ababb", ["abac"], ["ab", "abb"]),
        ("aba", ["abac"], ["aba"]),  # held back to the end, then released
        ("abc", ["bcd", "c"], ["a", "b"]),
    ],
)
def test_only_what_may_begin_a_stop_string_is_held_back(text, stop, pieces):
    letters = CharTokenizer("abcd")
    assert recite(letters, letters.encode(text), stop=stop) == pieces


def test_a_stop_string_in_the_prompt_ends_nothing(rnn):
    assert generate(rnn, LETTERS, ["a."], 3, [favour("b")], stop=["a."]) == ["bbb"]


def test_a_text_that_stopped_lets_the_others_go_on(rnn):
    free = generate(rnn, LETTERS, ["a", "b"], 30, seed=1)
    assert generate(rnn, LETTERS, ["a", "b"], 30, seed=1, stop=[free[0][3:6]]) == [
        stopped(text, [free[0][3:6]]) for text in free
    ]


# --- beam search


@pytest.mark.parametrize("prompt", ["a", "cab"])
def test_enough_beams_find_everything_in_its_order(prompt):
    letters = CharTokenizer("abc")
    model = NGram(letters.encode("abacabccab"), 3, 3)
    beams = beam_search(model, letters, prompt, tokens=3, beams=27)
    texts = ["".join(text) for text in product("abc", repeat=3)]
    scored = {text: -model.score(letters.encode(prompt + text))[len(prompt) :].sum() for text in texts}
    assert {beam.text: beam.log_probability for beam in beams} == pytest.approx(scored)
    assert all(first.log_probability >= second.log_probability for first, second in pairwise(beams))


def test_one_beam_is_greedy(rnn, gpt):
    for model in (rnn, gpt, KN):
        (beam,) = beam_search(model, LETTERS, "a c", tokens=12, beams=1)
        assert [beam.text] == generate(model, LETTERS, ["a c"], 12, [greedy])


@pytest.mark.jax
@pytest.mark.parametrize("kind", ["rnn", "gpt"])
def test_the_log_probability_of_a_beam_is_the_models_score(kind, rnn, gpt):
    model = {"rnn": rnn, "gpt": gpt}[kind]
    for beam in beam_search(model, LETTERS, "a c", tokens=8, beams=4):
        score = model.score(LETTERS.encode("a c" + beam.text))[3:].sum()
        assert beam.log_probability == pytest.approx(-score, abs=1e-4)


def test_each_step_keeps_the_best_beams(rnn):
    found = beam_search(rnn, LETTERS, "a", tokens=2, beams=3)
    candidates = [beam.text + letter for beam in beam_search(rnn, LETTERS, "a", 1, 3) for letter in LETTERS.alphabet]
    score = {text: -rnn.score(LETTERS.encode("a" + text))[1:].sum() for text in candidates}
    assert [beam.text for beam in found] == sorted(candidates, key=score.get, reverse=True)[:3]


def test_what_is_impossible_is_no_beam():
    never_saw_c = NGram([0, 1, 0, 1], 2, 3, "ml")
    assert [beam.text for beam in beam_search(never_saw_c, CharTokenizer("abc"), "a", 3, 9)] == ["bab"]


# --- refusals

WITH_UNKNOWN = CharTokenizer(LETTERS.alphabet[:-1], unknown=True)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: temperature(0), "the temperature must be positive; got 0 (for the likeliest token only, use greedy)"),
        (lambda: temperature(-1.5), "the temperature must be positive; got -1.5 ("),
        (lambda: temperature(np.nan), "the temperature must be positive; got nan ("),
        (lambda: temperature(np.inf), "the temperature must be positive; got inf ("),
        (lambda: top_k(0), "top-k must be a whole number of at least 1; got 0"),
        (lambda: top_k(2.5), "top-k must be a whole number of at least 1; got 2.5"),
        (lambda: top_k(4)(np.zeros(3), ()), "top-k of 4 is more than the vocabulary's 3 tokens"),
        (lambda: top_p(0), "top-p must be more than 0 and at most 1; got 0"),
        (lambda: top_p(1.01), "top-p must be more than 0 and at most 1; got 1.01"),
        (lambda: top_p(np.nan), "top-p must be more than 0 and at most 1; got nan"),
        (lambda: min_p(-0.1), "min-p must be between 0 and 1; got -0.1"),
        (lambda: min_p(1.1), "min-p must be between 0 and 1; got 1.1"),
        (lambda: repetition_penalty(0), "the repetition penalty must be positive; got 0"),
        (lambda: repetition_penalty(-1), "the repetition penalty must be positive; got -1"),
        (lambda: generate(KN, LETTERS, [], 5), "there is no prompt to go on from"),
        (lambda: generate(KN, LETTERS, ["a", ""], 5), "the prompt is empty; give it at least one character"),
        (lambda: generate(KN, LETTERS, ["a+b"], 5), "1 characters are not in the alphabet: '+'; leave them out, or"),
        (
            lambda: generate(KN, WITH_UNKNOWN, ["a+"], 5),
            "the prompt holds characters that the model does not know: '+'",
        ),
        (lambda: generate(KN, LETTERS, ["a"], 0), "at least one token must be written; got 0"),
        (lambda: generate(KN, LETTERS, ["a"], 5, seed=-1), "the seed must not be negative; got -1"),
        (lambda: generate(KN, LETTERS, ["a"], 5, stop=["b", ""]), "an empty stop string would end every text"),
        (lambda: beam_search(KN, LETTERS, "a", 0, 1), "beam search needs at least one token and one beam; got 0 and 1"),
        (lambda: beam_search(KN, LETTERS, "a", 1, 0), "beam search needs at least one token and one beam; got 1 and 0"),
        (lambda: beam_search(KN, LETTERS, "", 1, 1), "the prompt is empty; give it at least one character"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(ask, message):
    with pytest.raises(InputError) as error:
        ask()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
