"""The exercises of chapter 7."""

import json
from collections.abc import Callable

import numpy as np

from lmtutorial.exercises import exercise, number, require, there


@exercise("07-hours")
def _hours(answer: float) -> str:
    got, right = number(answer), 6 * 500e6 * 10e9 / (0.4 * 300e12) / 3600

    def near(value: float) -> bool:
        return bool(np.isclose(got, value, rtol=1e-2))

    require(not near(3600 * right), "Those are seconds: divide by 3,600.")
    require(not near(right / 24), "Those are days; hours are asked for.")
    require(not near(0.4 * right), "Only 40 % of the operations are used: divide by 0.4.")
    require(not near(0.16 * right), "A lower share takes longer: divide by 0.4 instead of multiplying by it.")
    require(not near(right / 3), "2 N D is the forward pass; the backward pass costs about twice as much: 6 N D.")
    require(not near(right / 6), "The 6 is missing: two operations a parameter forward, four backward.")
    require(near(right), f"{got:,.4g} is not it: 6 × parameters × tokens / (share × operations a second) / 3,600.")
    return "Less than three days on one GPU; the tokens are harder to come by than the hours."


@exercise("07-epsilon")
def _epsilon(answer: float) -> str:
    got, square = number(answer), 4e-4
    right = np.sqrt((square + 1e-5) / (square + 1e-6))

    def near(value: float) -> bool:
        return bool(abs(got - value) < 5e-5)

    require(not near(right**2), "The norm divides by the *root* of the mean square.")
    require(not near(1 / right), "The other way round: a smaller ε divides by less, so the result is larger.")
    require(
        not near(right - 1) and not near(100 * (right - 1)), "That is by how much it is too large; give the factor."
    )
    require(not near(np.sqrt(10)), "ε is *added* to the mean square; by itself it is no factor.")
    require(not near(1), "It is not much, but the fourth digit shows it: (mean square + ε) under the root.")
    require(near(right), f"{got:.6g} is not it: √((mean square + 1e-5) / (mean square + 1e-6)).")
    return (
        "One percent, in the first norm, where x is small: too little for a text to show, enough for a test of logits."
    )


@exercise("07-split")
def _split(answer: Callable) -> str:
    D, H, d = 8, 2, 4  # not 3 heads, so that the three kernels are not mistaken for them
    query, key, value = np.arange(3 * D * D, dtype=float).reshape(3, D, D)
    got = there(answer(np.concatenate([query, key, value], axis=1), H))
    require(isinstance(got, (list, tuple, np.ndarray)) and len(got) == 3, "Three kernels are asked for.")
    got = [np.asarray(kernel) for kernel in got]
    shapes = {kernel.shape for kernel in got}
    require(shapes != {(D, D)}, "The heads need an axis of their own: (D, H, d), not (D, D).")
    require(shapes == {(D, H, d)}, f"The shapes should be (D, H, d) = {(D, H, d)}; yours are {sorted(shapes)}.")
    right = [kernel.reshape(D, H, d) for kernel in (query, key, value)]
    turned = [kernel.T.reshape(D, H, d) for kernel in (query, key, value)]
    swapped = [kernel.reshape(D, d, H).swapaxes(1, 2) for kernel in (query, key, value)]
    require(not np.array_equal(got, turned), "Do not transpose: GPT-2's kernels are (in, out), as ours are.")
    require(not np.array_equal(got, swapped), "A head's channels stand side by side: the head is the slower axis.")
    require(not np.array_equal(got, right[::-1]), "The order is query, key, value.")
    require(not np.array_equal(got[0], got[1]), "The three kernels are not the same part of `c_attn`.")
    mixed = np.concatenate([query, key, value], axis=1).reshape(3, D, H, d)
    require(not np.array_equal(got, mixed), "The kernels stand side by side: split the columns, not the rows.")
    require(np.array_equal(got, right), "The shapes are right, but the numbers are not: split axis 1, then reshape.")
    return "A reshape costs nothing; that the order is right, only a test of logits tells."


@exercise("07-merge")
def _merge(answer: Callable) -> str:
    rank = {("l", "o"): 1, ("e", "r"): 0, ("a", "a"): 2, ("lo", "w"): 3}
    cases = [
        (list("lower"), [*"low", "er"], "Take the pair of the lowest *rank*, not the one that is first, and no other."),
        (list("lerer"), ["l", "er", "er"], "Merge the pair at every place where it stands."),
        (list("aaa"), ["aa", "a"], "Of `aaa`, the first two are merged, from left to right, and each is used once."),
        (["e", "r", "te", "r"], ["er", "te", "r"], "A pair is two whole symbols: te and r are not e and r."),
        (["l", "ow"], ["l", "ow"], "A pair is two symbols, not what they are when joined: lo and w are not l and ow."),
        (list("xyz"), list("xyz"), "Without a pair that has a rank, the list stays as it is."),
        (["a"], ["a"], "A single symbol has no pair and stays as it is."),
    ]
    for symbols, right, hint in cases:
        given = list(symbols)
        got = there(answer(given, rank))
        require(given == symbols, "Your function changes the list that it is given; make a new one.")
        require(not isinstance(got, str), "A list of symbols is asked for, not a string.")
        require("".join(got) == "".join(symbols), f"Symbols were lost: {symbols} became {list(got)}.")
        require(list(got) == right, f"{symbols} should become {right}, not {list(got)}. {hint}")
    return "Call it until nothing changes, and it is the tokenizer of GPT-2."


@exercise("07-events")
def _events(answer: Callable) -> str:
    pieces = ["To be", "\n", "", "data: ", "[DONE] ", "or \u00e9"]
    lines = [f"data: {json.dumps({'choices': [{'text': piece}]})}" for piece in pieces]
    got = there(answer([*(line for event in lines for line in (event, "")), "data: [DONE]", "", lines[0]]))
    require(isinstance(got, str), "A text is asked for: join the pieces.")
    right = "".join(pieces)
    require(got != right + pieces[0], "After `data: [DONE]` nothing counts: stop there.")
    require(
        got != right.replace("data: ", ""), "Take `data: ` from the beginning of a line only; a text may hold it, too."
    )
    require(got != "".join(pieces[:4]), "A text may hold `[DONE]`, too: only the line `data: [DONE]` ends it.")
    require(got != right.replace("[DONE] ", ""), "A text may hold `[DONE]`, too: compare the whole line.")
    require(got != pieces[0], "That is the first piece only.")
    require(got != right.replace("\n", ""), "A piece may be a line break: do not strip the text.")
    require(got == right, f"It should be {right!r}; yours is {got!r}.")
    return "That is all that a streaming client does, apart from reading the lines as they come."


@exercise("07-option")
def _option(answer: Callable) -> str:
    # by sum, by mean over tokens, over characters and over bytes, another answer wins each time
    log_p = [np.array([-3.0]), np.array([-2.0] * 4), np.array([-5.0, -5.5]), np.array([-4.0] * 3)]
    answers = ["ab", "abcdefgh", "\u8bcd\u8bed\u6a21\u578b\u7ae0", "abcdefghijklmn"]
    got = there(answer(log_p, answers))
    places = {
        "That is the sum of the log probabilities, `acc`: long answers are punished for being long.": [
            p.sum() for p in log_p
        ],
        "That divides by tokens; another tokenizer would choose another answer. Divide by characters.": [
            p.mean() for p in log_p
        ],
        "That divides by bytes of UTF-8; `acc_norm` counts characters.": [
            p.sum() / len(a.encode()) for p, a in zip(log_p, answers)
        ],
    }
    right = int(np.argmax([p.sum() / len(a) for p, a in zip(log_p, answers)]))
    require(not isinstance(got, str), "The place of the answer is asked for, counted from 0, not its text.")
    require(np.ndim(got) == 0, "One place is asked for: the position of the chosen answer.")
    for hint, scores in places.items():
        require(got != int(np.argmax(scores)), hint)
    require(got != right + 1, "Places are counted from 0, as Python does.")
    require(got == right, f"{got} is not it: the sum of `log_p` divided by the answer's characters, the largest.")
    log_p = [np.array([-6.0]), np.array([-1.0, -2.0]), np.array([-4.0, -4.0, -4.0])]
    got = answer(log_p, ["abc", "abd", "abcdef"])
    require(got == 1, f"Of sums −6, −3, −12 with 3, 3, 6 characters, place 1 (from 0) is the largest; yours is {got}.")
    return "Say which of the two you report before you look: they disagree often."
