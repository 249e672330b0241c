"""Many tokens in one call are the tokens of as many calls."""

import functools

import numpy as np
import pytest
from keras import ops

from lmtutorial import checkpoints, generation, writing
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import RNNConfig
from lmtutorial.tokenizers import CharTokenizer

LETTERS = CharTokenizer("abcdefghij")
V = LETTERS.vocab_size
CONFIGS = {
    "gpt": GPTConfig(V, 40, layers=2, width=8, heads=2),
    "rotary gpt with shared heads": GPTConfig(V, 40, layers=2, width=8, heads=2, num_kv_heads=1, positions="rotary"),
    "lstm": RNNConfig(V, "lstm", 3, 4, layers=2),
    "rnn": RNNConfig(V, "rnn", 3, 4),
}
SAMPLERS = {"as it is": [], "temperature": [generation.temperature(0.7)], "greedy": [generation.greedy]}
every_model = pytest.mark.parametrize("name", CONFIGS)


@functools.cache  # no test changes it, and compiling takes longest
def shared(name):
    return lively(name)


def lively(name):
    model, rng = checkpoints.build(CONFIGS[name]), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


@pytest.mark.jax
@every_model
@pytest.mark.parametrize("temperature", [0, 0.5, 1])
def test_many_tokens_are_drawn_and_read_as_one_by_one(name, temperature):
    model, draws = shared(name), np.random.default_rng(1).random((2, 70))
    states, logits = zip(*(model.read(prompt) for prompt in ([1, 2, 3], [4])))
    state, logits = model.join(states), np.array(logits)
    tokens, after, last = model.write(state, logits, draws, temperature)
    for place in range(70):
        if temperature:
            rows = [generation.draw(row / temperature, u) for row, u in zip(logits, draws[:, place])]
        else:
            rows = logits.argmax(axis=1)
        np.testing.assert_array_equal(tokens[:, place], rows)
        state, logits = model.advance(state, rows)
    np.testing.assert_allclose(last, logits, rtol=0, atol=1e-4)
    for ours, theirs in zip(after, state, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@every_model
def test_a_text_goes_on_where_another_call_ended(name):
    model, draws = shared(name), np.random.default_rng(1).random((1, 9))
    state, logits = model.read([1, 2, 3])
    whole, *_ = model.write(state, logits[None], draws, 1)
    first, state, logits = model.write(state, logits[None], draws[:, :4], 1)
    rest, *_ = model.write(state, logits, draws[:, 4:], 1)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), whole)


@every_model
def test_nothing_is_drawn_from_a_broken_model(name):
    model = lively(name)
    variable = model.trainable_variables[0]
    variable.assign(np.full(variable.shape, np.nan))
    with pytest.raises(InputError, match="nothing can be drawn from logits whose largest is nan"):
        generation.generate(model, LETTERS, ["abc"], 3)
    state, _ = model.start()
    with pytest.raises(InputError, match="nothing can be drawn"):
        model.write(state, np.zeros((1, V), dtype="float32"), np.zeros((1, 3)), 1)


@pytest.mark.parametrize("value", [-np.inf, np.nan, np.inf])
def test_nothing_is_drawn_where_one_row_of_several_is_broken(value):
    model = shared("lstm")
    logits = np.zeros((2, V), dtype="float32")
    logits[0] = value
    with pytest.raises(InputError, match=f"nothing can be drawn from logits whose largest is {value}"):
        model.write(model.initial_state(2), logits, np.zeros((2, 3)), 1)


@pytest.mark.jax
def test_the_draw_is_the_place_in_the_cumulative_distribution():
    logits = np.log(np.array([[0.25, 0.5, 0.25]], dtype="float32"))
    for u, token in [(0, 0), (0.24, 0), (0.26, 1), (0.74, 1), (0.76, 2), (1, 2)]:
        assert int(writing.drawn(logits, np.array([u], dtype="float32"), np.float32(1))[0]) == token
    assert int(writing.drawn(logits, np.zeros(1, dtype="float32"), np.float32(0))[0]) == 1


def test_of_equally_likely_tokens_greedy_takes_the_first():
    logits = ops.convert_to_tensor([[0.0, 2.0, 2.0]])
    assert int(writing.drawn(logits, np.zeros(1, dtype="float32"), np.float32(0))[0]) == 1


@every_model
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_generation_writes_what_streaming_does(name, sampler):
    model, prompts = shared(name), ["abc", "j"]
    texts = generation.generate(model, LETTERS, prompts, 60, SAMPLERS[sampler], seed=3)
    streamed = ["", ""]
    for row, piece in generation.stream(model, LETTERS, prompts, 60, SAMPLERS[sampler], seed=3):
        streamed[row] += piece
    assert texts == streamed
    assert all(map(len, texts))


@pytest.mark.parametrize(
    "how",
    [
        {"stop": ["a"]},
        {"sampler": [generation.top_k(2)]},
        {"sampler": [generation.temperature(2), *SAMPLERS["greedy"]]},
    ],
)
def test_what_looks_at_every_token_gets_every_token(how, monkeypatch):
    model = shared("gpt")
    monkeypatch.setattr(model, "write", None)
    assert generation.generate(model, LETTERS, ["abc"], 5, **how) is not None
