"""The exercises of chapter 3."""

from collections.abc import Callable

import numpy as np

from lmtutorial.exercises import array, exercise, number, require, softmax, there


@exercise("03-block-parameters")
def _block_parameters(answer: Callable) -> str:
    D, F = 12, 50
    got = number(answer(D, F), "The count")
    products, biases, norms = 4 * D * D + 2 * D * F, 4 * D + F + D, 4 * D
    right = products + biases + norms
    missing = {
        right - norms: "The two norms are missing, γ and β each; or attention's four biases, which are as many.",
        right - biases: "The biases are missing: D for each of attention's four products, F and D in the network.",
        right - biases - norms: "Biases and norms are missing.",
        right - norms // 2: "Count again what the norms have: two norms, each with γ and β.",
        right - D * D: "One of attention's matrices is missing: queries, keys, values, *and* the output.",
        right - D * F: "The feed-forward network has two matrices.",
        right - D: "One bias of D numbers is missing: four products of attention have one, and the network's second.",
    }
    require(got not in missing, missing.get(got, ""))
    require(got == right, f"For D, F = {D}, {F} the count is not {got:g}; go through the matrices one by one.")
    return "The number of heads is not in it: they share the same D columns out among them."


@exercise("03-scale")
def _scale(answer: float) -> str:
    got = number(answer, "The divisor")
    require(got > 0, "The divisor is a positive number.")
    require(not np.isclose(got, 8), "√64 would be right for entries of variance 1; these have variance 4.")
    require(not np.isclose(got, 16), "A product of two numbers of variance 4 each has variance 16, not 4.")
    require(not np.isclose(got, 1024), "1024 is the variance of a score; dividing by x divides the variance by x².")
    require(not np.isclose(got, 64), "The standard deviation is the root of d times the variance of one term.")
    require(np.isclose(got, 32), f"Divided by {got:g}, the scores would have variance {1024 / got**2:.3g}.")
    return "So √d is right only for queries and keys of variance 1; some models normalise them for that reason."


@exercise("03-causal")
def _causal(answer: Callable) -> str:
    rng = np.random.default_rng(0)
    T, d = 5, 4
    q, k, v = rng.normal(size=(3, T, d))
    v = v[:, :3]
    z, past = q @ k.T, np.tril(np.ones((T, T), bool))

    def mixed(z: np.ndarray, mask: np.ndarray, axis: int = -1) -> np.ndarray:
        return softmax(np.where(mask, z, -1e9), axis) @ v

    got = array(answer(q.copy(), k.copy(), v.copy()), (T, 3), "The result")
    require(
        not np.isnan(got).all(axis=-1)[1:].any(),
        "NaN: 0 times ∞, or a row without a key. Put −∞ by `np.where`, and let a position see itself.",
    )
    root = d**0.5
    mistakes = [
        (mixed(z / root, np.ones((T, T), bool)), "Every position sees the future: the mask is missing."),
        (mixed(z / root, ~np.tril(np.ones((T, T), bool), -1)), "The polarity is wrong: you hide the past."),
        (mixed(z / root, ~past), "The polarity is wrong: you hide the past."),
        (mixed(z, past), "The division by √d is missing."),
        (mixed(z / d, past), "Divide by the *root* of d."),
        (mixed(z.T / root, past), "Rows of the scores belong to queries: q @ k.T."),
        (mixed(z / root, past, axis=0), "The softmax is over the keys: the last axis."),
        (np.where(past, softmax(z / root), 0) @ v, "Masked after the softmax, the weights no longer sum to 1."),
        (softmax(np.where(past, z / root, 0)) @ v, "A score of 0 is not forbidden: e⁰ is 1. Use −∞."),
    ]
    for wrong, hint in mistakes:
        require(not np.allclose(got, wrong), hint)
    strict = np.tril(np.ones((T, T), bool), -1)
    require(
        np.isfinite(got).all() and not np.allclose(got[1:], mixed(z / root, strict)[1:]),
        "A position may see itself, too: s ≤ t. Else the first one sees nothing at all.",
    )
    require(np.allclose(got, mixed(z / root, past)), "The shape is right, the numbers are not.")
    return "That is the heart of every GPT."


@exercise("03-rotary")
def _rotary(answer: Callable) -> str:
    rng = np.random.default_rng(0)
    T, d, base = 6, 8, 10_000.0
    x, positions = rng.normal(size=(T, d)), np.arange(T) + 3

    def turned(step: float = 2.0, sign: int = 1, pairs: bool = False, at: np.ndarray = positions) -> np.ndarray:
        angles = sign * at[:, None] * base ** (-step * np.arange(d // 2) / d)
        cos, sin = np.cos(angles), np.sin(angles)
        a, b = (x[:, 0::2], x[:, 1::2]) if pairs else (x[:, : d // 2], x[:, d // 2 :])
        parts = [a * cos - b * sin, b * cos + a * sin]
        return np.stack(parts, axis=-1).reshape(T, d) if pairs else np.concatenate(parts, axis=-1)

    got = array(answer(x.copy(), positions.copy()), (T, d), "The result")
    mistakes = [
        (x, "Nothing was turned."),
        (turned(sign=-1), "Turned the other way round: look at the signs of the sines."),
        (turned(step=1.0), "The frequencies fall too slowly: ω_i = b^(−2i/d)."),
        (turned(at=np.arange(T)), "Row t stands at positions[t], not at t: use the positions that are given."),
        (turned(pairs=True), "Neighbouring channels were paired; here channel i goes with channel i + d/2."),
    ]
    for wrong, hint in mistakes:
        require(not np.allclose(got, wrong), hint)
    lengths, before = np.linalg.norm(got, axis=-1), np.linalg.norm(x, axis=-1)
    require(np.allclose(lengths, before), "The length of a row changed; turning keeps it. Check the four products.")
    require(np.allclose(got, turned()), "The shape is right, the numbers are not: ω_i = 10000^(−2i/d), i from 0.")
    return "Both pairings are in use; weights trained with one cannot be used with the other."


@exercise("03-softmax-back")
def _softmax_back(answer: Callable) -> str:
    rng = np.random.default_rng(0)
    A, d_A = softmax(rng.normal(size=(3, 5))), rng.normal(size=(3, 5))
    got = array(answer(A.copy(), d_A.copy()), (3, 5), "The gradient")
    weighted = (A * d_A).sum(axis=-1, keepdims=True)
    mistakes = [
        (A * d_A, "What the softmax divides by depends on every score: take off the weighted mean of the row."),
        (A * (1 - A) * d_A, "That is the derivative of each weight by its own score; it moves with the others, too."),
        (A * (d_A - d_A.mean(axis=-1, keepdims=True)), "The mean to take off is weighted by A."),
        (d_A - weighted, "Multiplied by A it would be right: a weight of 0 passes nothing."),
        (A * (d_A - (A * d_A).sum(axis=0)), "The sum is over the keys of one query: the last axis."),
        (A * (d_A - (A * d_A).sum()), "The sum is over each row by itself: axis=-1, keepdims=True."),
        (A * (d_A + weighted), "The sign: the weighted mean is taken off."),
    ]
    for wrong, hint in mistakes:
        require(not np.allclose(got, wrong), hint)
    require(np.allclose(got, A * (d_A - weighted)), "The shape is right, the numbers are not: try central differences.")
    return "Each row sums to zero: raising all scores of a row alike changes nothing."


@exercise("03-cache")
def _cache(answer: int) -> str:
    got = number(answer, "The number of tokens")
    right = 2**33 // (2 * 32 * 8 * 128 * 2)  # 65,536
    hints = {
        2 * right: "Keys *and* values are kept. (Or is that the bytes of one token? Divide 8 GiB by them.)",
        right / 4: "Only the 8 key/value heads are kept, not all 32.",
        right / 2: "Almost: is a number two bytes long, or four?",
        right * 32: "Each of the 32 layers keeps its own.",
        right * 8: "There are 8 key/value heads of 128 channels each.",
        right / 2**30 * 1e9: "A GiB is 2³⁰ bytes.",
    }
    for wrong, hint in hints.items():
        require(not np.isclose(got, wrong, rtol=1e-3), hint)
    require(got == right, f"Not {got:,.6g}: how many bytes does one token take, in all layers?")
    return "One token takes 128 KiB. With 32 key/value heads only a quarter of the tokens would fit."


@exercise("03-previous")
def _previous(answer: Callable) -> str:
    T = 40
    answered = there(answer(T))
    require(
        isinstance(answered, tuple | list | np.ndarray) and len(answered) == 2, "Return two arrays: queries and keys."
    )
    width = np.shape(answered[0])[-1] if np.ndim(answered[0]) == 2 else 0
    require(0 < width <= 16, f"Queries should have shape ({T}, d) with d at most 16; yours is {np.shape(answered[0])}.")
    q, k = (array(each, (T, width), what) for each, what in zip(answered, ("The queries", "The keys"), strict=True))
    scores = np.where(np.tril(np.ones((T, T), bool)), q @ k.T / width**0.5, -np.inf)
    weights = softmax(scores)
    before, itself = np.diagonal(weights, -1), np.diagonal(weights)[1:]
    require(itself.min() < 0.5, "Most of the weight lies on the position itself: shift the queries by one.")
    t = int(before.argmin()) + 1
    seen = int(weights[t].argmax())
    require(seen == t - 1, f"Position {t} looks most at {seen}, not at {t - 1}: query t should match key t − 1.")
    require(
        before.min() >= 0.9,
        f"Position {t} gives {before.min():.2f} to the one before it, not 0.9. Larger scores are sharper.",
    )
    return f"At least {before.min():.3f} of every position's weight lies on the one before it."
