"""The exercises of chapter 5."""

from collections.abc import Callable

import numpy as np

from lmtutorial.data import Corpus
from lmtutorial.exercises import array, contest, exercise, number, require, there


@exercise("05-parameters")
def _parameters(answer: int) -> str:
    got, (V, D, L, S) = number(answer), (65, 128, 4, 64)
    block = 4 * D * D + 8 * D * D + 2 * D
    right = V * D + S * D + L * block + D
    require(got != right + V * D, "The embedding is the output matrix, too: it counts once.")
    require(got != right - S * D, "The table of positions, S × D, is missing.")
    require(got != right - D, "The final norm is missing: another D numbers.")
    require(got != right - (2 * L + 1) * D, "The norms are missing: two in each block and one at the end, D each.")
    require(got != right - (L - 1) * block, "The four blocks have weights of their own; you counted one.")
    require(got != right - L * 3 * D * D, "Attention has four matrices: query, key, value and output.")
    require(
        got != right - L * 4 * D * D, "Attention is missing, or half of the feed-forward network: it has two matrices."
    )
    require(got == right, f"{got:,.0f} is not it: V D + S D + L (4 D D + 8 D D + 2 D) + D.")
    return "The blocks hold nearly all of them; at GPT-2's vocabulary the embedding would hold far more."


@exercise("05-cache")
def _cache(answer: int) -> str:
    got, right = number(answer), 2 * 12 * 8 * 1024 * 12 * 64 * 2
    require(got != right / 4, "That counts numbers of one kind: keys *and* values are kept, of two bytes each.")
    require(got != right / 2, "That is half of it: keys *and* values are kept, and 16 bits are two bytes.")
    require(got != right * 2, "16 bits are two bytes, not four.")
    require(got != right / 8, "That is one text; there are eight.")
    require(got != right / 12, "Every layer has keys and values of its own, and every head, too.")
    require(got == right, f"{got:,.0f} is not it: 2 × layers × texts × window × heads × channels × bytes.")
    return "288 MiB, more than the 237 MiB of this model's weights (GPT-2's smallest) in 16 bits."


@exercise("05-mask")
def _mask(answer: Callable) -> str:
    length, T, S = 3, 2, 6
    got = np.asarray(there(answer(length, T, S)))
    require(got.shape == (T, S), f"The mask should have shape (T, S) = ({T}, {S}); yours has {got.shape}.")
    places = length + np.arange(T)
    right = np.arange(S) <= places[:, None]
    got = got.astype(bool)
    require(not np.array_equal(got, ~right), "The polarity is reversed: true means that it may look.")
    require(not np.array_equal(got, np.arange(S) < places[:, None]), "A token may look at itself, too: ≤, not <.")
    require(
        not np.array_equal(got, np.arange(S) <= np.arange(T)[:, None]),
        "The new tokens do not stand at the beginning: the first one has place `length`.",
    )
    require(
        not np.array_equal(got, np.arange(S) <= places[:, None] + 1),
        "Off by one: the first new token has place `length`, and sees the places 0 to `length`.",
    )
    require(
        not np.array_equal(got, np.tile(np.arange(S) < length + T, (T, 1))),
        "New tokens must not see each other's future: row t ends at place length + t.",
    )
    require(np.array_equal(got, right), "Row t should be true for the places 0 to length + t, and only there.")
    full = np.asarray(answer(0, 4, 4)).astype(bool)
    require(np.array_equal(full, np.tri(4, dtype=bool)), "With an empty cache it should be the usual triangle.")
    return "With T = 1 it is a generated token, with length = 0 a prompt: one mask for both."


@exercise("05-accumulate")
def _accumulate(answer: Callable) -> str:
    gradients, tokens = np.array([[1.0, -2.0], [4.0, 0.5], [0.0, 3.0]]), np.array([6, 1, 3])
    got, right = array(answer(gradients.copy(), tokens.copy()), (2,), "The gradient"), tokens @ gradients / tokens.sum()
    require(not np.allclose(got, gradients.sum(axis=0)), "A sum of means is not a mean: the step would be too large.")
    require(
        not np.allclose(got, gradients.mean(axis=0)),
        "A small part weighs as much as a large one so: weight each by its tokens.",
    )
    require(not np.allclose(got, tokens @ gradients), "Divide by all tokens: it is the gradient of a mean.")
    require(not np.allclose(got, tokens @ gradients / 3), "Divide by the number of tokens, not of parts.")
    require(np.allclose(got, right), f"For {gradients.tolist()} with {tokens.tolist()} tokens it should be {right}.")
    return "Parts of equal size make it a plain mean, and that is why the package asks for equal parts."


@exercise("05-decay")
def _decay(answer: Callable) -> str:
    matrices = {
        "embedding": (65, 32),
        "positions": (2, 3),
        "query/kernel": (32, 32),
        "kernel_of_three_axes": (3, 32, 32),
    }
    others = {"attention_norm/gamma": (32,), "embedding_norm/scale": (32,), "query/bias": (32,), "temperature": ()}
    got = there(answer(matrices | others))
    require(not isinstance(got, str), "A set of names is asked for, not one name.")
    got = set(got)
    require(got != matrices.keys() | others.keys(), "That is all of them: norms and biases should stay as they are.")
    require(got != set(others), "The other way round: those are the ones that stay as they are.")
    require("attention_norm/gamma" not in got, "A norm's scale should stay as it is: it is no product of matrices.")
    require("embedding_norm/scale" not in got, "`embedding_norm/scale` has one axis: look at shapes, not at names.")
    require("query/bias" not in got, "A bias should stay as it is.")
    require("temperature" not in got, "A single number, of shape (), should stay as it is.")
    require("embedding" in got, "The embedding is a matrix, too, and decays here as in nanoGPT.")
    require("positions" in got, "The table of positions has two axes, too: look at shapes, not at names or sizes.")
    require("kernel_of_three_axes" in got, "Keras keeps heads as an axis of their own: three axes are a matrix, too.")
    require(got == matrices.keys(), f"It should be {sorted(matrices)}; yours is {sorted(got)}.")
    return "Two axes or more: no list of names is needed."


@exercise("05-step")
def _step(answer: Callable) -> str:
    draw = np.random.default_rng(5)
    query, key, value = draw.normal(size=(3, 4))
    keys, values = draw.normal(size=(2, 6, 4))
    given = [query.copy(), key.copy(), value.copy(), keys.copy(), values.copy()]
    got = there(answer(*given))
    require(isinstance(got, tuple | list) and len(got) == 3, "Three arrays are asked for: return output, keys, values.")
    same = all(np.array_equal(a, b) for a, b in zip(given, (query, key, value, keys, values)))
    require(same, "Your function changes an array that it is given (`/=`, `+=`); make a new one.")
    output, new_keys, new_values = (np.asarray(part) for part in got)
    require(new_keys.shape == new_values.shape == (7, 4), "Keys and values should be one row longer than before.")
    require(np.allclose(new_keys[-1], key) and np.allclose(new_keys[:-1], keys), "The new key belongs at the end.")
    require(np.allclose(new_values[-1], value) and np.allclose(new_values[:-1], values), "The new value likewise.")
    require(output.shape == (4,), f"The output should have shape (d,) = (4,); yours has {output.shape}.")

    def attended(keys, values, scale):
        weights = np.exp(scale * keys @ query)
        return weights / weights.sum() @ values

    require(not np.allclose(output, attended(keys, values, 0.5)), "The new position must see itself, too.")
    require(not np.allclose(output, attended(new_keys, new_values, 1.0)), "The scores are not divided by √d.")
    require(not np.allclose(output, attended(new_keys, new_values, 0.25)), "Divide the scores by √d, not by d.")
    require(not np.allclose(output, new_keys @ query / 2 @ new_values), "The softmax is missing.")
    require(np.allclose(output, attended(new_keys, new_values, 0.5)), "The output is not softmax(K q / √d) V.")
    return "No mask: what comes later is not in the cache yet."


@exercise("05-model")
def _model(answer: tuple, corpus: Corpus) -> str:
    from lmtutorial import costs, gpt  # Keras, only where it is needed

    def configure(vocab_size: int, context: int, fields: dict) -> gpt.GPTConfig:
        return gpt.GPTConfig(vocab_size=vocab_size, **{"context": context} | fields)

    return contest.enter(answer, corpus, configure, costs.parameters)
