"""n-gram models on Shakespeare: training seconds and peak memory against NLTK, tokens scored a second against KenLM.

    python benchmarks/ngram.py [--json] [--quick] [--characters N] [--rounds N] [--only PREFIX]

Training starts from the same list of strings, characters or words, for both, and ends with a model of interpolated
Kneser–Ney; ours has its probabilities by then, NLTK's only its counts. NLTK is given n-grams from `zip`, faster than
its `everygrams`, in pieces so that no list of all is kept, and no garbage collector runs. `train-…` calls `fit`, as its
documentation says; `train-…-counter` hands it a counter filled directly, which skips looking each token up in the
vocabulary. Every such measurement is a process of its own, and its memory is the peak of all of it: Python, the
libraries that this side needs, the tokens, the model.
"""

import argparse
import functools
import gc
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import side_by_side

ORDERS = {"char": range(1, 9), "word": range(1, 6)}
NLTK, KENLM = f"nltk {version('nltk')}", f"kenlm {version('ufal-kenlm')}"
NLTK_CHARACTERS = 20_000  # of training text where NLTK is to score: every token costs it a walk through all contexts
NLTK_TOKENS = 50
SCORERS = {
    "score-char-5": f"{KENLM} full_scores",
    "score-char-5-sum": f"{KENLM} score, the sum only",
    "score-char-5-nltk": f"{NLTK} score, {NLTK_TOKENS} tokens",
}


def write_tokens(folder: str, characters: str) -> None:
    """Write the tokens of each split and unit to a file; those who are measured need not load what makes them."""
    from lmtutorial import data, tokenizers

    corpus = data.load("shakespeare")
    for split in ("train", "validation"):
        text = getattr(corpus, split)[: int(characters)]
        for unit, tokens in {"char": text, "word": tokenizers.WordTokenizer.pattern.findall(text)}.items():
            Path(folder, f"{split}-{unit}").write_text("\0".join(tokens), encoding="utf-8", newline="")


def read_tokens(folder: str, name: str) -> list[str]:
    return Path(folder, name).read_bytes().decode().split("\0")


def to_ids(tokens: list[str], names: dict[str, int]):
    import numpy as np

    return np.fromiter(map(names.__getitem__, tokens), dtype=np.int32, count=len(tokens))


def train_ours(tokens: list[str], order: int):
    from lmtutorial import ngram

    names = {token: i for i, token in enumerate(sorted(set(tokens)))}
    return ngram.NGram(to_ids(tokens, names), order, len(names), "kn")


def pieces(tokens: list[str], order: int) -> Iterator[tuple]:
    """Yield all n-grams for n = 1…order, ten thousand at a time."""
    for n in range(1, order + 1):
        grams = zip(*(itertools.islice(tokens, i, None) for i in range(n)))
        while piece := tuple(itertools.islice(grams, 10_000)):
            yield piece


def nltk_lm():
    import nltk.lm

    nltk.lm.counter.MAX_NGRAMS = 10**12  # it would refuse the higher orders of the whole text
    return nltk.lm


def train_fit(tokens: list[str], order: int):
    model = nltk_lm().KneserNeyInterpolated(order)
    model.fit(pieces(tokens, order), tokens)
    return model


def train_counter(tokens: list[str], order: int):
    lm = nltk_lm()
    counter = lm.NgramCounter(pieces(tokens, order))
    return lm.KneserNeyInterpolated(order, vocabulary=lm.Vocabulary(tokens), counter=counter)


TRAINERS = {"ours": train_ours, "fit": train_fit, "counter": train_counter}


def measure_training(folder: str, side: str, unit: str, order: str) -> list[float]:
    """Return seconds and peak MiB."""
    tokens = read_tokens(folder, f"train-{unit}")
    TRAINERS[side](tokens[:100], 2)  # importing is not training
    gc.disable()
    start = time.perf_counter()
    _model = TRAINERS[side](tokens, int(order))  # kept, so that tidying up is not timed
    return [time.perf_counter() - start, side_by_side.peak_memory()]


def load_kenlm(model, path: Path):
    import kenlm

    model.write_arpa(path)
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def measure_scoring(folder: str, rounds: str) -> dict[str, side_by_side.Pair]:
    """Return tokens of held-out text a second, of ours and of each peer."""
    from lmtutorial import ngram

    train, held_out = read_tokens(folder, "train-char"), read_tokens(folder, "validation-char")
    names = {token: i for i, token in enumerate(sorted({*train, *held_out}))}
    ids, sentence = to_ids(held_out, names), " ".join(str(names[token]) for token in held_out)
    ours = ngram.NGram(to_ids(train, names), 5, len(names), "kn")
    peer = load_kenlm(ours, Path(folder, "model.arpa"))
    small = ngram.NGram(to_ids(train[:NLTK_CHARACTERS], names), 5, len(names), "kn")
    small_peer = train_fit(train[:NLTK_CHARACTERS], 5)
    grams = list(zip(*(held_out[i : NLTK_TOKENS + i] for i in range(5))))
    calls = [
        (ours, lambda: [p for p, _, _ in peer.full_scores(sentence, bos=False, eos=False)], len(ids)),
        (ours, lambda: peer.score(sentence, bos=False, eos=False), len(ids)),
        (small, lambda: [small_peer.score(gram[-1], gram[:-1]) for gram in grams], len(grams)),
    ]
    if abs(sum(calls[0][1]()) * math.log(10) / -ours.score(ids).sum() - 1) > 1e-3:
        sys.exit("KenLM's scores are not ours; their speed cannot be compared")

    def measure(model, call: Callable, count: int) -> side_by_side.Pair:
        sides = side_by_side.rate(lambda: model.score(ids), len(ids)), side_by_side.rate(call, count)
        return side_by_side.interleaved(int(rounds), *sides)

    gc.disable()
    return {name: measure(*sides) for name, sides in zip(SCORERS, calls)}


fresh = functools.partial(side_by_side.fresh, __file__, "--measure")
MEASURES = {"tokens": write_tokens, "training": measure_training, "scoring": measure_scoring}


def training_lines(folder: str, unit: str, order: int, peer: str, options: argparse.Namespace) -> Iterator[dict]:
    name = f"{unit}-{order}" + "-counter" * (peer == "counter")
    if not any(f"{kind}-{name}".startswith(options.only) for kind in ("train", "memory")):
        return
    ours, theirs = side_by_side.interleaved(
        options.rounds, *(lambda side=side: fresh("training", folder, side, unit, order) for side in ("ours", peer))
    )
    for kind, unit_name, mine, its in zip(("train", "memory"), ("s", "MiB"), zip(*ours), zip(*theirs)):
        yield side_by_side.line(f"{kind}-{name}", (mine, its), unit_name, f"{NLTK} {peer}")


def lines(folder: str, options: argparse.Namespace) -> Iterator[dict]:
    fresh("tokens", folder, options.characters)
    for unit, peer in itertools.product(ORDERS, ("fit", "counter")):
        yield from training_lines(folder, unit, 5, peer, options)
    if any(name.startswith(options.only) for name in SCORERS):
        for name, pair in fresh("scoring", folder, options.rounds).items():
            yield side_by_side.line(name, pair, "tokens/s", SCORERS[name], more_is_better=True)
    for unit, orders in () if options.quick else ORDERS.items():
        for order in sorted(set(orders) - {5}):
            yield from training_lines(folder, unit, order, "fit", options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--characters", type=int, help="cut the texts, for both sides; the whole by default")
    parser.add_argument("--only", default="", metavar="PREFIX", help="measure only lines whose names begin so")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = side_by_side.parse(parser, "100,000 characters, order 5 only: within a minute", rounds=3, quick_rounds=3)
    if options.measure:
        measure, *arguments = options.measure
        print(json.dumps(MEASURES[measure](*arguments)))
        return
    options.characters = options.characters or (100_000 if options.quick else 10**9)
    with tempfile.TemporaryDirectory() as folder:
        wanted = (fields for fields in lines(folder, options) if fields["name"].startswith(options.only))
        side_by_side.show(wanted, options.json)


if __name__ == "__main__":
    main()
