"""The exercises of chapter 6."""

import ast
from collections.abc import Callable
from math import comb

import numpy as np

from lmtutorial import sandbox
from lmtutorial.exercises import WrongAnswerError, exercise, number, require, there


@exercise("06-f1")
def _f1(answer: float) -> str:
    got, right = number(answer), 4 / 11
    require(not np.isclose(got, 2 / 9), "That is the precision: the recall, 2 of 2, counts as much.")
    require(not np.isclose(got, 1), "That is the recall alone: seven words too many cost precision.")
    require(not np.isclose(got, (2 / 9 + 1) / 2), "The harmonic mean is asked for: 2 P R / (P + R).")
    require(not np.isclose(got, 6 / 13), "The article a is left out before words are compared, on both sides.")
    require(not np.isclose(got, 100 * right, atol=0.5), "As a share, not in percent.")
    require(np.isclose(got, right, atol=5e-3), f"{got:.3f} is not it: 2 m / (|answer| + |wanted|), with m = 2.")
    return "The same as 2 P R / (P + R), with P = 2/9 and R = 1."


@exercise("06-pass")
def _pass(answer: Callable) -> str:
    got = number(answer(10, 3, 2))
    require(not np.isclose(got, 1 - 0.7**2), "Samples are drawn without putting them back: this estimate is biased.")
    require(not np.isclose(got, comb(7, 2) / comb(10, 2)), "That is the chance that *none* of the k passes.")
    require(not np.isclose(got, comb(3, 2) / comb(10, 2)), "That is the chance that *all* of the k pass.")
    require(not np.isclose(got, 0.3), "That is pass@1, whatever k is.")
    for n, c, k in ((10, 3, 2), (5, 0, 5), (5, 5, 1), (5, 4, 3), (20, 1, 20), (200, 7, 100)):
        got, right = number(answer(n, c, k)), 1 - comb(n - c, k) / comb(n, k)
        require(np.isclose(got, right), f"For n = {n}, c = {c}, k = {k} it should be {right:.4f}; yours is {got:.4f}.")
    return "With fewer than k wrong samples it is 1: k of them cannot all be wrong."


@exercise("06-mask")
def _mask(answer: Callable) -> str:
    T, s = 6, 3
    got = np.asarray(there(answer(T, s)))
    require(got.shape == (T, T), f"The mask should have shape (T, T) = ({T}, {T}); yours has {got.shape}.")
    got, place = got.astype(bool), np.arange(T)
    causal, right = place <= place[:, None], (place <= place[:, None]) | (place < s)
    require(not np.array_equal(got, ~right), "The polarity is reversed: true means that it may look.")
    require(not np.array_equal(got, causal), "That is the usual triangle: the source may be read in both directions.")
    require(not np.array_equal(got, right.T), "Rows and columns are exchanged: row t says where position t looks.")
    require(
        not np.array_equal(got, causal | (place <= s)),
        "Off by one: the source has the places 0 to s - 1; yours shows everybody the first token of the target.",
    )
    require(not (got & ~right).any(), "A position sees a target token that comes later.")
    require(np.array_equal(got, right), "Row t should be true for all columns of the source, and for all up to t.")
    require(np.array_equal(np.asarray(answer(4, 0)).astype(bool), np.tri(4, dtype=bool)), "It is wrong for s = 0.")
    return "With s = 0 it is a GPT, with s = T an encoder: one mask between both."


@exercise("06-rouge")
def _rouge(answer: Callable) -> str:
    written, wanted = (
        ["the", "cat", "that", "sat", "on", "the", "mat", "slept"],
        ["on", "the", "mat", "the", "cat", "sat"],
    )
    got = number(answer(written, wanted))
    require(not np.isclose(got, 2 * 6 / 14), "The order counts: a subsequence, not the words in common.")
    require(not np.isclose(got, 3 / 8), "That is the precision alone.")
    require(not np.isclose(got, 3 / 6), "That is the recall alone.")
    require(
        np.isclose(got, 2 * 3 / 14), f"For {written} and {wanted} it should be {2 * 3 / 14:.4f}; yours is {got:.4f}."
    )
    gaps = number(answer(list("axbxc"), list("abc")))
    require(not np.isclose(gaps, 2 / 8), "Other words may stand in between: a subsequence is no substring.")
    require(np.isclose(gaps, 6 / 8), f"For a x b x c and a b c it should be 0.75; yours is {gaps:.4f}.")
    for one, other in (("xyzabcd", "abzcdxyz"), ("abzcdxyz", "xyzabcd")):  # a b c d, not the block x y z
        got = number(answer(list(one), list(other)))
        require(
            np.isclose(got, 8 / 15),
            f"For {' '.join(one)} and {' '.join(other)} it should be {8 / 15:.4f}; yours is {got:.4f}. The longest "
            "subsequence, not the first one found and not the longest block: try both ways at each word.",
        )
    require(number(answer(["a"], ["b"])) == 0, "With nothing in common it should be 0.")
    return "The package rouge-score does this too, after cutting off the words' endings if asked."


@exercise("06-calibrate")
def _calibrate(answer: Callable) -> str:
    scores = np.array([-3.0, -1.6875, -1.625, -1.5625, -1.25, -1.0, 0.25, 0.5, 1.5])
    unlabelled = np.array([9.0, -2.0, -1.5, -1.75])
    right = scores > -1.625
    got = np.asarray(there(answer(scores.copy(), unlabelled.copy())))
    require(got.shape == scores.shape, f"One Boolean a text: shape {scores.shape}; yours has {got.shape}.")
    require(got.dtype == bool or set(got.tolist()) <= {0, 1}, "Booleans are asked for: True or False for each text.")
    got = got.astype(bool)
    require(not np.array_equal(got, scores >= -1.625), "Like the median is not more positive than it: >, not ≥.")
    require(
        not (np.array_equal(got, scores > -1.75) or np.array_equal(got, scores > -1.5)),
        "The median of an even number of scores is half way between the two in the middle: `np.median`.",
    )
    require(not np.array_equal(got, scores > 0), "That is the threshold 0, not calibrated: use the unlabelled texts.")
    require(
        not np.array_equal(got, scores > np.median(scores)),
        "The median of the texts to judge is another one: what if all of them are positive?",
    )
    require(not np.array_equal(got, scores > unlabelled.mean()), "One odd text moves the mean; the median stays.")
    require(not np.array_equal(got, scores < -1.625), "Reversed: a large score is positive.")
    require(np.array_equal(got, right), f"For {scores} and {unlabelled} it should be {right}; yours is {got}.")
    return "It assumes that half of the unlabelled texts are positive; where they are not, take their share's quantile."


@exercise("06-program")
def _program(answer: str) -> str:
    there(answer)
    require(isinstance(answer, str), "A program is asked for, as a string.")
    try:
        last = "\n".join(ast.unparse(part) for part in ast.parse(answer).body[-1:])
    except (SyntaxError, ValueError) as error:
        raise WrongAnswerError(f"Python cannot read your program: {error}") from None
    require(
        last == "assert False",
        "The last line should be `assert False`: the test that is wrong, in no block and no function.",
    )
    outcome = sandbox.run(answer, seconds=2)
    require(outcome.kind != "passed", "The sandbox counts it as passed! Please open an issue with your program.")
    words = {"forbidden": "tried what is forbidden", "time": "did not end", "output": "printed too much"}
    require(outcome.kind == "failed", f"Your program {words.get(outcome.kind)}; a naive runner would notice, too.")
    require(outcome.exit_code == 0, f"A naive runner would notice, too: the exit code is {outcome.exit_code}, not 0.")
    return "It leaves with exit code 0 before its test: only reaching the end is a pass."
