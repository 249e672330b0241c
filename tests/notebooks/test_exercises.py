"""Every exercise in both directions: its solution passes; the untouched cell and typical mistakes get a helpful no."""

import re

import nbformat
import numpy as np
import pytest
from conftest import ROOT

from lmtutorial import data, evaluation, exercises, ngram, tokenizers
from lmtutorial.errors import InputError

TEXT = "\n".join(f"{i} times it was the best and {i * i} times the worst of times" for i in range(2000))


@pytest.fixture(scope="module")
def corpus():
    return data.Corpus("made up", TEXT, TEXT[::-1][:20_000][::-1].replace("best", "last"), "", "", "")


def cells(tag):
    """Return (exercise, source) of all chapters' cells with `tag`."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            if tag in cell.metadata.get("tags", []):
                found.append((re.findall(r'exercises\.check\("([^"]+)"', cell.source)[0], cell.source))
    return found


def outcome(source, corpus):
    """Run a cell as a chapter would; return what its check found."""
    *_, last = source.rstrip().split("\n\n")
    names = {"np": np, "corpus": corpus, "exercises": exercises}
    names |= {"ngram": ngram, "tokenizers": tokenizers, "evaluation": evaluation}
    exec(source.removesuffix(last), names)
    return eval(last.strip(), names)


@pytest.mark.parametrize(("name", "source"), cells("solution"))
def test_the_solution_passes(name, source, corpus):
    found = outcome(source, corpus)
    assert found.passed, found
    assert str(found).startswith("✓ ")


@pytest.mark.parametrize(("name", "source"), cells("exercise"))
def test_the_untouched_exercise_says_what_to_replace(name, source, corpus):
    found = outcome(source, corpus)
    assert not found.passed
    assert "replace the `...`" in found.message


def test_every_check_is_asked_by_a_chapter():
    exercises.load()
    assert {name for name, _ in cells("exercise")} == exercises.CHECKS.keys()


class Counting:
    """A bigram model without smoothing: some tokens are impossible."""

    def __init__(self, ids, vocab_size):
        self.vocab_size, self.model = vocab_size, ngram.NGram(ids, 3, vocab_size, "ml")

    def score(self, ids):
        return self.model.score(ids)


class TooGenerous(Counting):
    def score(self, ids):
        return np.full(len(ids), 0.1)


class LookingAhead(Counting):
    def score(self, ids):
        return np.where(np.append(ids[1:], -1) == ids, 0.1, np.log(self.vocab_size))


class Uniform(Counting):
    def score(self, ids):
        return np.full(len(ids), np.log(self.vocab_size))


class Unigram(Counting):
    def __init__(self, ids, vocab_size):
        self.vocab_size, self.model = vocab_size, ngram.train("unigram", ids, vocab_size)


class OneNumber(Counting):
    def score(self, ids):
        return np.float64(3.0)


MISTAKES = [
    ("01-perplexity", lambda p: -np.log(p).mean(), "its exponential"),
    ("01-perplexity", lambda p: np.exp(-np.log(p).sum()), "average"),
    ("01-perplexity", lambda p: np.exp(-np.log2(p).mean()), "Bits and nats"),
    ("01-perplexity", lambda p: (1 / p).mean(), "average the logarithms"),
    ("01-perplexity", lambda p: 2 ** -np.log(p).mean(), "Bits and nats"),
    ("01-perplexity", lambda p: np.exp(np.log(p).mean()), "minus sign"),
    ("01-perplexity", lambda p: np.exp(-np.log(p)), "one a token"),
    ("01-perplexity", lambda p: 7, "7 is not the result"),
    ("01-perplexity", lambda p: "seven", "one number"),
    ("01-perplexity", lambda q, r: 1, "TypeError"),
    ("01-bits", lambda nats, tokens, characters: nats * tokens / characters, "divide by ln 2"),
    ("01-bits", lambda nats, tokens, characters: nats / np.log(2), "per token"),
    ("01-bits", lambda nats, tokens, characters: nats / np.log(2) * characters / tokens, "upside down"),
    ("01-bits", lambda nats, tokens, characters: nats * np.log(2) * tokens / characters, "instead of multiplying"),
    ("01-kneser-ney", 0.52, "Keep the form"),
    ("01-kneser-ney", {"or": 1, "to": 0}, "discount of 0.6"),
    ("01-kneser-ney", {"or": 0.4, "to": 0.24}, "add what"),
    ("01-kneser-ney", {"or": 0.52, "to": 0}, "Nothing is impossible"),
    ("01-kneser-ney", {"or": 0.5, "to": 0.2}, "left neighbours"),
    ("01-kneser-ney", {"or": 0.6, "to": 0.2}, "is not 0.6"),
    ("01-kneser-ney", {"or": 0.52, "to": 0.4}, "only δ"),
    ("01-additive", lambda pairs, alpha: pairs / pairs.sum(axis=1, keepdims=True), "0 was divided by 0"),
    ("01-additive", lambda pairs, alpha: (pairs + alpha) / (pairs + alpha).sum(axis=0), "a row is a context"),
    ("01-additive", lambda pairs, alpha: (pairs + alpha) / (pairs.sum(axis=1)[:, None] + alpha), "should sum to 1"),
    ("01-additive", lambda pairs, alpha: np.full(pairs.shape, 1 / len(pairs)), "smoothed differently"),
    ("01-additive", lambda pairs, alpha: pairs.sum(), "shape"),
    ("01-order", 9, "from 1 to 8"),
    ("01-order", "three", "one number"),
    ("01-order", 1, "some order needs less"),
    ("01-model", Counting, "impossible"),
    ("01-model", TooGenerous, "sum to"),
    ("01-model", LookingAhead, "looks ahead"),
    ("01-model", Uniform, "unigram model costs"),
    ("01-model", Unigram, "unigram model costs"),
    ("01-model", OneNumber, "one number a token"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # 0/0 is one of the mistakes
@pytest.mark.parametrize(("name", "answer", "hint"), MISTAKES)
def test_a_typical_mistake_is_named(name, answer, hint, corpus):
    found = exercises.check(name, answer, **({"corpus": corpus} if name == "01-order" else {}))
    assert not found.passed
    assert hint in found.message
    assert str(found).startswith("✗ ")


def test_the_order_that_is_best_on_the_training_text_is_named_as_that_mistake(corpus):
    assert "held-out text" in exercises.check("01-order", 8, corpus=corpus).message


def test_an_unknown_exercise_lists_the_known_ones():
    with pytest.raises(InputError, match="01-perplexity"):
        exercises.check("01-nothing", 1)
