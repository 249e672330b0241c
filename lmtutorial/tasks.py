"""Metrics and prompts of chapter 6, for the chapter and for experiment x12, which measure the same."""

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from lmtutorial.errors import InputError

LABELS = ("negative", "positive")
WORDINGS = {  # other ways to ask: what stands around a review, and the two words after it
    "statement": ("{}\nThis review is", " negative", " positive"),
    "question": ("Is this review positive or negative?\n{}\nAnswer:", " negative", " positive"),
    "good_or_bad": ("{}\nIn one word, it was", " bad", " good"),
}


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the bounds of the 95 % interval of a share, `right` of `count` (Wilson 1927).

    Raises:
        InputError: there are no cases, or more right ones than cases.
    """
    if not (count >= 1 and 0 <= right <= count):
        raise InputError(f"an interval needs cases, and no more right ones than there are; got {right} of {count}")
    z, p = 1.959964, right / count
    centre, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max((centre - half) / (1 + z * z / count), 0.0), min((centre + half) / (1 + z * z / count), 1.0)


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the bounds of the 95 % interval of the mean of `values`, one an item, by 10,000 resamples of items."""
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        raise InputError("there are no values to take the mean of")
    rows = np.random.default_rng(seed).integers(len(values), size=(10_000, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def words(answer: str) -> list[str]:
    """Return the words of an answer as SQuAD compares them: in lower case, no punctuation, no articles."""
    plain = "".join(" " if c in string.punctuation else c for c in answer.lower())
    return [word for word in plain.split() if word not in ("a", "an", "the")]


def exact_match(answer: str, wanted: str) -> float:
    """Return 1 where the words of both are the same, else 0."""
    return float(words(answer) == words(wanted))


def f1(answer: str, wanted: str) -> float:
    """Return the harmonic mean of precision and recall of the words, each counted as often as it stands there.

    Reference: Rajpurkar et al. 2016, SQuAD.
    """
    got, right = Counter(words(answer)), Counter(words(wanted))
    if not got or not right:
        return float(got == right)
    common = (got & right).total()
    return 2 * common / (got.total() + right.total())


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the unbiased estimate that one of `k` samples passes, when `correct` of `samples` did (Chen et al. 2021).

    Raises:
        InputError: the numbers make no sense.
    """
    if not (0 <= correct <= samples and 1 <= k <= samples):
        raise InputError(f"of {samples} samples {correct} cannot be right, or {k} cannot be drawn")
    return 1 - math.comb(samples - correct, k) / math.comb(samples, k)


class NaiveBayes:
    """Which label made these words? Words are drawn independently, counts smoothed by 1.

    Args:
        examples: texts by label.

    Example:
        >>> NaiveBayes({"good": ["fine work"], "bad": ["poor work"]})("such fine things")
        'good'
    """

    def __init__(self, examples: Mapping[str, Sequence[str]]):
        self.counts = {label: Counter(w for t in texts for w in words(t)) for label, texts in examples.items()}
        self.known = set().union(*self.counts.values())
        total = sum(map(len, examples.values()))
        self.priors = {label: math.log(len(texts) / total) for label, texts in examples.items()}

    def __call__(self, text: str) -> str:
        """Return the likeliest label; words that no example has say nothing."""

        def likelihood(label: str) -> float:
            counts = self.counts[label]
            size = counts.total() + len(self.known)
            known = [word for word in words(text) if word in self.known]
            return self.priors[label] + sum(math.log((counts[word] + 1) / size) for word in known)

        return max(self.counts, key=likelihood)


def sentiment_prompt(text: str, examples: Sequence[tuple[str, str]] = ()) -> str:
    """Return the text after which the model says a label: shown examples, each with its label, then `text`."""
    shown = "".join(f"Review: {example}\nSentiment: {label}\n\n" for example, label in examples)
    return f"{shown}Review: {text}\nSentiment:"


def question_prompt(text: str, question: str) -> list[dict[str, str]]:
    """Return the conversation that asks for an answer out of `text`."""
    return [{"role": "user", "content": f"{text}\n\n{question} Answer with a few words from the text."}]


def summary_prompt(text: str) -> list[dict[str, str]]:
    """Return the conversation that asks for a summary of `text`."""
    return [{"role": "user", "content": f"Summarize this text in one sentence.\n\n{text}"}]


def translation_prompt(text: str, examples: Sequence[tuple[str, str]]) -> str:
    """Return the text after which the model translates: shown pairs, then `text`."""
    return (
        "".join(f"English: {source}\nChinese: {target}\n\n" for source, target in examples)
        + f"English: {text}\nChinese:"
    )


def sentences(text: str) -> list[str]:
    """Return the sentences of a plain text."""
    return re.split(r"(?<=[.!?])\s+", text.strip())


def best_sentence(text: str, question: str) -> str:
    """Return the sentence that shares most words with the question: a baseline that reads nothing."""
    asked = set(words(question))
    return max(sentences(text), key=lambda sentence: len(asked & set(words(sentence))))


def completed(prompt: str, text: str) -> str:
    """Return the function that begins with `prompt` and goes on with `text`: up to the first line at the margin."""
    lines = []
    for line in text.splitlines():
        if line.strip() and not line.startswith((" ", "\t")):
            break
        lines.append(line)
    return prompt + "\n".join(lines) + "\n"


def pairs(text: str) -> list[tuple[str, str]]:
    """Return the source and target strings of a part of the corpus `jupyterlab-zh`, a pair a line."""
    return [tuple(line.split("\t")) for line in text.splitlines()]
