"""The exercises of chapter 9."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from lmtutorial import claims, verdicts
from lmtutorial.errors import InputError
from lmtutorial.exercises import WrongAnswerError, array, exercise, number, require, softmax, there
from lmtutorial.experiments import load_records


@exercise("09-bits")
def _bits(answer: float) -> str:
    got, right = number(answer), np.log2(40) / 2.9
    require(not np.isclose(got, np.log2(40)), "That is per token: divide by the characters of a token.")
    require(not np.isclose(got, np.log(40) / 2.9), "Those are nats: a bit is ln 2 of them.")
    require(not np.isclose(got, 40 / 2.9), "A perplexity is no sum: take its logarithm before you divide.")
    require(not np.isclose(got, 2.9 * np.log2(40)), "Upside down: a character costs less than a token.")
    require(np.isclose(got, right, atol=0.01), f"{got:g} is not it: bits of a token are log₂ of its perplexity.")
    return "A perplexity of 40 beats one of 4.2 here: log₂ 4.2 is 2.07 bits per character."


@exercise("09-temperature")
def _temperature(answer: Callable) -> str:
    logits, tau = np.array([2.0, 1.0, -1.0]), 0.5
    got = array(answer(logits.copy(), tau), (3,), "The result")
    right = softmax(logits / tau)
    require(not np.allclose(got, softmax(logits * tau)), "Divide by the temperature: below 1 it must sharpen.")
    require(not np.allclose(got, softmax(logits)), "The temperature changes nothing in your answer.")
    require(not np.allclose(got, softmax(logits) / tau), "Scale the logits before the softmax, not what comes out.")
    require(np.isclose(got.sum(), 1), f"Probabilities sum to 1; yours to {got.sum():.3g}.")
    require(np.allclose(got, right), "It should be softmax(logits / temperature).")
    require(
        np.allclose(answer(logits.copy(), 2.0), softmax(logits / 2)), "At temperature 2 it is wrong: use the argument."
    )
    big = np.array([2000.0, 1999.0])
    for tau in (1.0, 0.5):
        found = answer(big.copy(), tau)
        require(np.allclose(found, softmax(big / tau)), "Large logits overflow: subtract the largest before exp.")
    return "At temperature 0 this divides by zero: its limit is greedy decoding."


@exercise("09-repeated")
def _repeated(answer: Callable) -> str:
    got = number(answer("abcabcabc", 3), "The share")
    require(not np.isclose(got, 3 / 7), "Count the sequences that stood there before, not the different ones.")
    require(not np.isclose(got, 1), "The first time a sequence stands there, it repeats nothing.")
    require(not np.isclose(got, 4 / 9), "A text of 9 characters has 7 sequences of 3, not 9.")
    require(not np.isclose(got, 4), "A share, please: divide by the number of sequences.")
    require(
        np.isclose(got, 4 / 7), f"In “abcabcabc”, 4 of 7 sequences of three repeat an earlier one; you find {got:g}."
    )
    require(np.isclose(number(answer("abcdef", 3)), 0), "In “abcdef” nothing repeats.")
    require(np.isclose(number(answer("aaaaaa", 3)), 3 / 4), "In “aaaaaa” 3 of 4 repeat: an earlier one may overlap.")
    return "Ten is a good length for characters: shorter sequences repeat in every text."


@exercise("09-interval")
def _interval(answer: Callable) -> str:
    rng = np.random.default_rng(1)
    level = rng.normal(0, 1, 12)  # of a seed: both runs share it
    one, other = level + rng.normal(0.3, 0.05, 12), level
    got = array(answer(one, other), (2,), "The interval")
    drawn = rng.integers(12, size=(20_000, 12))
    low, high = np.percentile((one - other)[drawn].mean(axis=1), [2.5, 97.5])
    require(got[0] <= got[1], "The lower bound comes first.")
    require(not np.allclose(got, [-high, -low], atol=0.01), "It should be the first minus the second.")
    require(got[1] > got[0], "Both bounds are equal: draw seeds again, with replacement.")
    require(got[1] - got[0] < 0.2, "Too wide: draw the same seeds for both, for their runs share the seed.")
    require(
        not np.allclose(got, np.percentile(one - other, [2.5, 97.5]), atol=0.01),
        "That is where single differences lie; the question is where their mean does.",
    )
    right = f"It should be near [{low:.3f}, {high:.3f}]: of many such means, where the middle 95 % lie."
    require(np.allclose(got, [low, high], atol=0.003), right)
    return "Unpaired, the same twelve pairs of runs could not tell the two apart."


@exercise("09-choose")
def _choose(answer: Callable) -> str:
    rows = pd.DataFrame(
        {
            "model": ["small", "slow", "large", "best", "wasteful"],
            "parameters": [10, 10, 1000, 90, 100],
            "seconds": [1, 100, 1, 50, 60],
            "nats_per_char": [2.0, 1.5, 1.4, 1.6, 1.9],
        }
    )
    got = there(answer(rows, 100, 60))
    require(isinstance(got, str), f"Return the name of one model; you returned a {type(got).__name__}.")
    require(got != "large", "“large” has more parameters than allowed.")
    require(got != "slow", "“slow” trains longer than allowed.")
    require(got != "small", "“small” fits, but another that fits predicts better: fewer nats.")
    require(got != "wasteful", "“wasteful” is the largest and slowest that fits, not the best.")
    require(got == "best", f"{got!r} is not the best that fits.")
    require(answer(rows, 10, 1) == "small", "A limit may be reached: ≤, not <.")
    return "Within the limits, by what was measured: no taste needed."


@exercise("09-claim")
def _claim(answer: dict) -> str:
    there(answer)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "claims.yml")
        file.write_text(yaml.safe_dump([answer], allow_unicode=True), "utf-8")
        found, problems = claims.read(file)
    require(not problems, f"No claim yet: {'; '.join(problems)}.")
    require(found[0].seeds >= 3, "Ask for three seeds at least: one run is an anecdote.")
    try:
        verdict = verdicts.judge(found[0], load_records)
    except InputError as error:
        raise WrongAnswerError(f"The records do not decide it: {error}.") from None
    return f"The records say: {verdict.word}, effect {verdict.amounts} {verdict.unit}, {verdict.seeds} seeds."
