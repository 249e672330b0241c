"""The exercises of chapter 4."""

from collections.abc import Callable

import numpy as np

from lmtutorial.data import Corpus
from lmtutorial.exercises import array, contest, exercise, number, require, there


@exercise("04-parameters")
def _parameters(answer: int) -> str:
    got, (V, E, U) = number(answer), (5_000, 128, 512)
    right = V * E + E * U + U * U + U + U * V + V
    require(got != right - V, "The output layer has a bias, too: one for each token.")
    require(got != right - U, "The recurrent layer has a bias, too: one for each unit.")
    require(got != right - U - V, "The biases are missing: U in the recurrent layer, V in the output layer.")
    require(got != right - U * U, "The recurrent matrix, U × U, is missing: the state comes in, too.")
    require(got != right + U, "One bias in the recurrent layer, not one for each of its two matrices.")
    require(got == right, f"{got:,.0f} is not it: V E for the embedding, E U + U U + U, and U V + V for the output.")
    return "Most of them belong to the vocabulary."


@exercise("04-loss")
def _loss(answer: float) -> str:
    got, V = number(answer), 10_000
    require(not np.isclose(got, np.log2(V), atol=0.02), "Those are bits; in nats the logarithm is natural.")
    require(not np.isclose(got, np.log10(V)), "The logarithm is the natural one: ln, in NumPy `np.log`.")
    require(not np.isclose(got, V), "That is the perplexity; the loss is its logarithm.")
    require(np.isclose(got, np.log(V), atol=0.02), f"All {V:,} tokens are equally likely: each costs -ln(1/{V}).")
    return "Just ln V. Look for this number whenever you start a training."


@exercise("04-windows")
def _windows(answer: Callable) -> str:
    ids, first, T = np.random.default_rng(0).permutation(50), np.array([3, 7, 20, 46]), 3
    got = there(answer(ids.copy(), first.copy(), T))
    require(
        isinstance(got, tuple | list | np.ndarray) and len(got) == 2,
        "Two arrays are asked for: return inputs, targets.",
    )
    inputs, targets = (np.asarray(part) for part in got)
    places = first[:, None] + np.arange(T)
    right = ids[places]
    require(inputs.shape == (4, T), f"The inputs should have shape (4, {T}); yours have {inputs.shape}.")
    require(targets.shape == (4, T), f"The targets should have shape (4, {T}); yours have {targets.shape}.")
    require(np.array_equal(inputs, right), "The inputs of row b should be ids[first[b] : first[b] + T].")
    require(not np.array_equal(targets, inputs), "Inputs and targets are the same: a model that copies would win.")
    require(
        not np.array_equal(targets, right + 1), "Add 1 to the places, not to the tokens: the next token may be any."
    )
    require(not np.array_equal(targets, ids[places - 1]), "The targets are one token behind; they must be ahead.")
    require(np.array_equal(targets, ids[places + 1]), "The target of a position should be the token after it.")
    return "The last window ends with the last token of the text, as its target."


@exercise("04-schedule")
def _schedule(answer: Callable) -> str:
    peak, warmup, total = 0.5, 10, 110
    got = [number(answer(step, peak, warmup, total), f"rate({step}, …)") for step in (0, 5, 10, 60, 110)]
    require(np.isclose(got[0], 0), f"It should start at 0; yours starts at {got[0]:g}.")
    require(np.isclose(got[1], peak / 2), f"Half way through the warm-up it should be peak / 2; yours is {got[1]:g}.")
    require(np.isclose(got[2], peak), f"At step `warmup` it should be the peak; yours is {got[2]:g}.")
    require(
        not np.isclose(got[3], peak * (1 + np.cos(np.pi * 60 / 110)) / 2),
        "The cosine begins when the warm-up ends: count from there, over total - warmup steps.",
    )
    require(not np.isclose(got[4], -peak), "Half a cosine runs from 1 to -1: add 1 and divide by 2.")
    require(np.isclose(got[4], 0), f"At step `total` it should be 0; yours is {got[4]:g}.")
    require(np.isclose(got[3], peak / 2), f"Half way down it should be peak / 2; yours is {got[3]:g}.")
    quarter = number(answer(35, peak, warmup, total), "rate(35, …)")
    require(not np.isclose(quarter, peak * 0.75), "That falls on a straight line; half a cosine is flat at both ends.")
    right = peak * (1 + np.cos(np.pi / 4)) / 2
    require(np.isclose(quarter, right), f"A quarter of the way down it should be {right:.4f}; yours is {quarter:.4f}.")
    return "With `final_rate` it is the package's schedule."


@exercise("04-top-p")
def _top_p(answer: Callable) -> str:
    p = np.array([0.125, 0.5, 0.0625, 0.25, 0.0625])  # sums of these are exact
    given = p.copy()
    got = array(answer(given, 0.6), p.shape, "The result")
    require(np.array_equal(given, p), "Your function changes the array that it is given; work on a copy.")
    require(not np.allclose(got, [0, 1, 0, 0, 0]), "0.5 alone does not reach 0.6: the token that crosses p is kept.")
    require(not np.allclose(got, [0, 0.5, 0, 0.25, 0]), "What is kept must sum to 1 again: divide by its sum.")
    require(np.isclose(got.sum(), 1), f"The result sums to {got.sum():.3g}, not to 1.")
    require(
        np.allclose(got, [0, 2 / 3, 0, 1 / 3, 0]),
        "For p = 0.6 the tokens with 0.5 and 0.25 should be left, in their own places.",
    )
    require(np.allclose(answer(p.copy(), 0.5), [0, 1, 0, 0, 0]), "0.5 does reach 0.5: one token is enough then.")
    require(np.allclose(answer(p.copy(), 1.0), p), "With p = 1 nothing should change.")
    kept = np.count_nonzero(answer(p.copy(), 0.9))
    require(kept == 4, f"For p = 0.9 four tokens are enough, one of the two equally likely; yours keeps {kept}.")
    return "It keeps few tokens where the model is sure and many where it is not."


@exercise("04-model")
def _model(answer: tuple, corpus: Corpus) -> str:
    from lmtutorial import rnn  # Keras, only where it is needed

    def configure(vocab_size: int, context: int, fields: dict) -> rnn.RNNConfig:
        return rnn.RNNConfig(vocab_size=vocab_size, **fields)

    return contest.enter(answer, corpus, configure, lambda config: rnn.RNNLM(config).count_params())
