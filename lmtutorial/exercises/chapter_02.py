"""The exercises of chapter 2."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lmtutorial.exercises import array, exercise, number, require, there


@exercise("02-parameters")
def _parameters(answer: Callable) -> str:
    V, E, U = 7, 11, 13
    got = number(answer(V, E, U), "The count")
    table, inward, recurrent, outward, biases = V * E, E * U, U * U, U * V, U + V
    right = table + inward + recurrent + outward + biases
    missing = {
        right - table: "The embedding is missing: a row of E numbers for each of V tokens.",
        right - inward: "W_xh is missing: E numbers come in for each of U units.",
        right - recurrent: "W_hh is missing: every unit sees every unit.",
        right - outward: "W_yh is missing: V outputs look at U units each.",
        right - biases: "The two biases are missing.",
        right - U: "b_h is missing.",
        right - V: "b_y is missing.",
    }
    require(got not in missing, missing.get(got, ""))
    require(got == right, f"For V, E, U = {V}, {E}, {U} the count is not {got:g}; go through the table of shapes.")
    return "The length of the text is not in it: the same weights serve every position."


@exercise("02-distance")
def _distance(answer: int) -> str:
    got = number(answer, "The distance")
    require(got != 65, "0.9 to the power 65 is still a little more than 1/1000.")
    require(np.isfinite(got) and got > 0, f"k is a number of steps, so it is positive; yours is {got:.4g}.")
    require(not np.isclose(got, np.log(1e-3) / np.log(0.9)), "Almost: k is a whole number of steps, so round up.")
    require(got == int(got), f"k is a whole number of steps; yours is {got:.4g}.")
    require(got > 65, f"After {got:g} steps the bound is {0.9**got:.4f}; it should be below 0.001.")
    require(got < 67, f"After {got:g} steps it is below 1/1000, but it was earlier, too: the first k is asked for.")
    return "And that is the best case: the slopes of tanh make it shorter."


@exercise("02-states")
def _states(answer: Callable) -> str:
    rng = np.random.default_rng(0)
    T, B, U = 5, 2, 3
    x, W, h_0 = rng.normal(size=(T, B, U)), rng.normal(size=(U, U)), rng.normal(size=(B, U))

    def run(step: Callable, first: np.ndarray = h_0) -> np.ndarray:
        H = [first]
        for row in x:
            H.append(step(row, H[-1]))
        return np.array(H[1:])

    got = answer(x.copy(), W.copy(), h_0.copy())
    require(np.shape(got) != (T + 1, B, U), "One state too many: h_0 is given, the states after each input are wanted.")
    require(np.shape(got) != (B, U), "Only the last state came back; collect the state after each input.")
    got = array(got, (T, B, U), "The result")
    require(not np.allclose(got, np.tanh(x + h_0 @ W)), "Each step starts from h_0: carry the new state to the next.")
    require(
        not np.allclose(got, run(lambda row, h: np.tanh(row + h @ W.T))), "W_hh is transposed: rows are `h @ W_hh`."
    )
    require(not np.allclose(got, run(lambda row, h: row + h @ W)), "Without tanh this is a linear network.")
    require(not np.allclose(got, np.tanh(x)), "The state before is not used at all: add `h @ W_hh`.")
    right = run(lambda row, h: np.tanh(row + h @ W))
    from_zero = run(lambda row, h: np.tanh(row + h @ W), 0 * h_0)
    require(not np.allclose(got, from_zero), "The first state before is `h`, as given, not zero.")
    require(not np.allclose(got[1:], right[:-1]), "Off by one: append the state *after* each input.")
    require(np.allclose(got, right, atol=1e-5), "The shape is right, the numbers are not.")  # 32 bits will do
    return "Those are the states of `keras.layers.SimpleRNN`, too."


@exercise("02-bptt")
def _bptt(answer: Callable) -> str:
    rng = np.random.default_rng(0)
    T, B, U = 5, 2, 3
    W, H = rng.normal(size=(U, U)), np.tanh(rng.normal(size=(T + 1, B, U)))
    d_H = rng.normal(size=(T, B, U))

    def gradient(first: int = 0, end: int = T, back: Any = W.T, slope: bool = True, before: int = 0) -> np.ndarray:
        total, d_h = np.zeros((U, U)), np.zeros((B, U))
        for t in reversed(range(first, end)):
            d_a = (d_H[t] + d_h) * (1 - H[t + 1] ** 2 if slope else 1)
            d_h = d_a @ back
            total += H[t + before].T @ d_a
        return total

    got = array(answer(d_H.copy(), H.copy(), W.copy()), (U, U), "The gradient")
    mistakes = [
        (gradient(end=T - 1), "The last time step is dropped: `reversed(range(T))` begins at T - 1."),
        (gradient(first=1), "The first time step is dropped: the loop must come down to t = 0."),
        (gradient(back=0 * W), "What comes back from the next step is missing: add `d_a @ W_hh.T` one step earlier."),
        (gradient(back=W), "On the way back W_hh is transposed."),
        (gradient(slope=False), "The slope of tanh is missing: multiply by 1 - h²."),
        (gradient(before=1), "W_hh was multiplied by the state *before*: H[t], where H[0] is h_0."),
        (gradient().T, "The result is transposed: rows of W_hh belong to the state before."),
    ]
    for wrong, hint in mistakes:
        require(not np.allclose(got, wrong), hint)
    require(np.allclose(got, gradient()), "The shape is right, the numbers are not: compare with central differences.")
    return "Backpropagation through time, in a handful of lines."


@exercise("02-clip")
def _clip(answer: Callable) -> str:
    large, small = [np.array([3.0, 0.0]), np.array([[0.0, 12.0]])], [np.array([0.1, 0.2]), np.array([[0.0, 0.2]])]
    given = [g.copy() for g in large]
    got = there(answer(given, 1.0))
    require(isinstance(got, list | tuple) and len(got) == 2, "A list with as many arrays as came in is asked for.")
    require(
        all(np.array_equal(a, b) for a, b in zip(given, large)),
        "Your function changes the arrays that it is given; return new ones.",
    )
    norms = [np.linalg.norm(g) for g in large]
    total = np.hypot(*norms)
    by_itself = [g / norm for g, norm in zip(large, norms)]
    by_value = [np.clip(g, -1, 1) for g in large]

    def equal(expected: list) -> bool:
        return all(np.shape(a) == b.shape and np.allclose(a, b) for a, b in zip(got, expected))

    require(
        not (equal(by_itself) or equal(by_value)),
        "The direction changed: every array was cut by itself. One factor for all, from the norm of all together.",
    )
    require(not equal(large), "The norm was above the limit, and nothing was scaled.")
    require(not equal([g / total**2 for g in large]), "The norm is the *root* of the sum of squares.")
    require(equal([g / total for g in large]), "The norm of all together should be the limit afterwards.")
    got = answer([g.copy() for g in small], 1.0)
    require(equal(small), "A gradient below the limit stays as it is; yours was scaled: min(1, …).")
    got = answer([g.copy() for g in large], 6.0)
    require(equal([g * 6 / total for g in large]), "With another limit than 1 it is wrong: the factor is θ/‖g‖.")
    middle = [10 * g for g in small]  # its norm is 3
    got = answer([g.copy() for g in middle], 6.0)
    require(equal(middle), "A norm of 3 is below a limit of 6, and yours was scaled: compare ‖g‖, not ‖g‖², with θ.")
    return "The direction is kept, whatever the limit."


@exercise("02-forget-bias")
def _forget_bias(answer: float) -> str:
    got, keep = number(answer, "The bias"), 0.5 ** (1 / 100)
    right = np.log(keep / (1 - keep))
    require(not np.isclose(got, keep, atol=0.003), "That is the gate; its bias goes through σ: solve σ(b) = f for b.")
    require(not np.isclose(got, -right, atol=0.05), "The sign: a gate above one half has a positive bias.")
    require(not np.isclose(got, 0, atol=0.01), "σ(0) = 1/2 keeps half after *one* step.")
    require(
        not np.isclose(got, np.log10(keep / (1 - keep)), atol=0.02), "The natural logarithm belongs to e, not log10."
    )
    left = (1 / (1 + np.exp(-got))) ** 100
    require(
        np.isclose(got, right, atol=0.007),
        f"With a bias of {got:.4g}, {left:.4g} of the cell is left after 100 tokens, not 0.5; three digits are enough.",
    )
    return "With the usual bias of 1, less than 1e-13 would be left."


@exercise("02-survive")
def _survive(answer: Callable) -> str:
    U, k = 48, 100
    found = []
    for seed in range(25):  # draws differ by orders of magnitude
        W = array(answer(U, np.random.default_rng(seed)), (U, U), "W_hh")
        x = 0.1 * np.random.default_rng(100 + seed).normal(size=(2 * k, U))
        h, J = np.zeros(U), np.eye(U)
        for t, row in enumerate(x):
            with np.errstate(all="ignore"):
                h = np.maximum(0, h @ W + row)
            if not h.max() < 1e9:  # NaN, too
                break
            if t >= k:
                J = J @ (W * (h > 0))
        found.append(np.linalg.norm(J, 2) if h.max() < 1e9 else np.inf)
    norm = float(np.median(found))
    require(np.isfinite(norm), f"The state itself explodes, in {np.isinf(found).sum()} of {len(found)} draws.")
    require(norm > 0.01, f"It vanishes: after {k} steps the norm is {norm:.1e}. ReLU stops what comes to an idle unit.")
    require(norm < 100, f"It explodes: after {k} steps the norm is {norm:.1e}.")
    return f"After {k} steps the norm is {norm:.2g} (median of {len(found)} draws): it neither vanishes nor explodes."
