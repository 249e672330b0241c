"""The exercises of chapter 8."""

from collections.abc import Callable

import numpy as np

from lmtutorial.exercises import array, exercise, number, require, there
from lmtutorial.scaling import Law


@exercise("08-energy")
def _energy(answer: float) -> str:
    got, right = number(answer), 6 * 1e8 * 2e9 / (0.35 * 400e12) * 500 / 3.6e6

    def near(value: float) -> bool:
        return bool(np.isclose(got, value, rtol=1e-2))

    require(not near(1000 * right), "Those are watt-hours: divide by 1,000.")
    require(not near(3.6e6 * right), "Those are joules: a kilowatt-hour has 3.6 million.")
    require(not near(right / 0.5), "Those are kilowatt-hours at 1,000 W; the card draws 500.")
    require(not near(0.35 * right), "Only 35 % of the operations are used: divide by 0.35.")
    require(not near(0.35**2 * right), "A lower share takes longer: divide by 0.35 instead of multiplying by it.")
    require(not near(right / 3), "2 N D is the forward pass; with the backward pass it is 6 N D.")
    require(not near(right / 6), "The 6 is missing: two operations a parameter forward, four backward.")
    require(near(right), f"{got:,.4g} is not it: 6 N D / (share × rate) are seconds; times watts, joules.")
    return "A kettle boils ten times with it; the cooling and everything that was tried before come on top."


@exercise("08-best")
def _best(answer: Callable) -> str:
    law = Law(floor=1.3, size=30.0, size_exponent=0.35, text=400.0, text_exponent=0.45)
    constants = law.size, law.size_exponent, law.text, law.text_exponent
    (right, tokens), flops = law.best_split(6e13), 6e13
    got = number(answer(*constants, flops), "The size")

    def near(value: float) -> bool:
        return bool(np.isclose(got, value, rtol=1e-2))

    require(not near(tokens), "Those are the tokens; the parameters are asked for.")
    require(not near(law.best_split(6 * flops)[0]), "The 6 is missing: N D = operations / 6.")
    ratio = law.text_exponent * law.text / (law.size_exponent * law.size)
    upside_down = (flops / 6) ** (0.45 / 0.8) * ratio ** (1 / 0.8)
    require(not near(upside_down), "A ratio is upside down: where A is larger, size matters more.")
    require(not near((flops / 6) ** 0.5), "Half each is best only where both powers are alike.")
    require(near(right), f"Set the derivative of the loss along 6 N D = operations to zero; N is not {got:,.4g}.")
    require(
        np.isclose(answer(*constants, 100 * flops) / got, 100 ** (0.45 / 0.8), rtol=1e-2),
        "With a hundred times the operations, N should grow by 100^(β / (α + β)).",
    )
    return "Size and text grow together, each by a power of the compute; which grows faster, the exponents say."


@exercise("08-int8")
def _int8(answer: Callable) -> str:
    kernel = np.random.default_rng(0).normal(size=(64, 3)) * np.array([0.01, 1, 100])
    got = there(answer(kernel.copy()))
    require(isinstance(got, tuple | list) and len(got) == 2, "Two arrays are asked for: integers and scales.")
    integers, scales = map(np.asarray, got)
    require(integers.dtype == np.int8, f"The integers should be int8; they are {integers.dtype}.")
    require(integers.shape == kernel.shape, f"One integer for each weight, please: {kernel.shape}.")
    require(scales.size > 1, "One scale for the whole matrix rounds the small column to nothing: one for each column.")
    require(scales.shape == (3,), f"One scale for each output column, (3,); yours have {scales.shape}.")
    error = np.abs(integers * scales - kernel) / np.abs(kernel).max(axis=0) * 127
    require(error.max() < 200, "Some weights have the wrong sign: 128 is -128 in eight bits. Scale to 127.")
    require(error.max() <= 1.01, f"The worst weight is off by {error.max():.1f} steps; half a step should be enough.")
    require(error.max() <= 0.51, "Round to the nearest integer; `astype` cuts the digits off.")
    require(np.abs(integers).max(axis=0).min() == 127, "Use all of the range: the largest of a column becomes 127.")
    return "A quarter of the memory, and the scales come in once, after the sum. A column of zeros: any scale but 0."


@exercise("08-per-byte")
def _per_byte(answer: Callable) -> str:
    runs = [  # nats per token, tokens, bytes
        {"name": "characters", "nats": 1.6, "tokens": 1000, "bytes": 1000},
        {"name": "word parts", "nats": 4.4, "tokens": 300, "bytes": 1000},
        {"name": "many word parts", "nats": 5.9, "tokens": 240, "bytes": 1000},
        {"name": "poems by character", "nats": 4.9, "tokens": 400, "bytes": 1200},
    ]
    got = there(answer(runs))
    require(got != "characters", "The lowest loss per *token*: but its tokens are short, so it pays for more of them.")
    require(got != "many word parts", "The fewest tokens; but each costs more.")
    require(got != "poems by character", "Its total is largest: 4.9 × 400 nats, for 1,200 bytes.")
    require(got == "word parts", f"{got!r} is not the one with the fewest nats per byte.")
    other = [run | {"bytes": 3 * run["bytes"] if run["name"].startswith("poems") else run["bytes"]} for run in runs]
    require(answer(other) == "poems by character", "Divide by the bytes: the texts need not be equally long.")
    return "1.32 nats per byte, at a perplexity of 81 per token; the characters' is 5."


@exercise("08-min-p")
def _min_p(answer: Callable) -> str:
    p = np.array([0.15, 0.5, 0.04, 0.3, 0.01])
    given = p.copy()
    got = array(answer(given, 0.1), p.shape, "The result")
    require(np.array_equal(given, p), "Your function changes the array that it is given; work on a copy.")
    kept = np.array([0.15, 0.5, 0, 0.3, 0])
    require(not np.allclose(got, kept), "What is kept must sum to 1 again.")
    right = kept / kept.sum()
    require(not np.allclose(got, np.sort(right)[::-1]), "Every token keeps its place: do not return them sorted.")
    require(got[2] == 0, "0.04 is less than a tenth of the likeliest, 0.5: it goes.")
    require(np.allclose(got, right), f"For {p} and 0.1 it should be {right.round(3)}; yours is {got.round(3)}.")
    flat = np.asarray(answer(np.full(20, 0.05), 0.1))
    require(np.allclose(flat, 0.05), "Twenty equally likely tokens are all kept: the threshold is relative.")
    half = np.asarray(answer(np.array([0.125, 0.5, 0.25, 0.125]), 0.5))  # exact
    require(half[1] < 1, "*At least* half as likely: what is exactly half as likely stays: ≥, not >.")
    require(np.allclose(half, [0, 2 / 3, 1 / 3, 0]), "With a share of 0.5 it is wrong: p ≥ share × the largest.")
    return "Where the model is sure, almost nothing is left to draw from; where it is not, almost everything."


@exercise("08-predict")
def _predict(answer: Callable) -> str:
    rng = np.random.default_rng(2)
    for seed, law in enumerate((Law(1.1, 25.0, 0.4, 500.0, 0.5), Law(0.4, 9.0, 0.2, 90.0, 0.3))):
        N, D = (grid.ravel() for grid in np.meshgrid([1e4, 4e4, 1e5, 4e5, 1e6], [1e5, 3e5, 1e6, 3e6]))
        losses = law(N, D) + rng.normal(0, 0.002, len(N))
        got, right = number(answer(N.copy(), D.copy(), losses.copy(), 4e6, 6e6), "The prediction"), law(4e6, 6e6)
        require(
            not np.isclose(got, losses.min(), atol=1e-9), "The best loss so far is no prediction: a larger model gains."
        )
        least, most = losses.min() - 3 * (np.ptp(losses)), losses.min()
        require(least < got < most + 0.01, f"{got:.3f} nats for a larger model; the best of the points is {most:.3f}.")
        require(
            abs(got - right) < 0.05,
            f"Law {seed + 1} gives {right:.3f}, you predict {got:.3f}. A power of N or D alone is not enough: the "
            "losses level off at what the other leaves, and at a floor.",
        )
    return "Within 0.05 nats, for a model four times as large as any that was trained. On real runs, expect worse."
