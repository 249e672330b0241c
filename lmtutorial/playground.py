"""The playground's models and what the page shows before they load: trained, rounded, measured, exported.

    python -m lmtutorial.playground        # or `make playground`; goes on where it was interrupted

Runs are kept in `runs/playground`; what the page loads goes to `book/_static/playground/models`, with a manifest that
says how each model was trained and what it was measured to lose by rounding. All networks of the English page have
about as many weights and read as many characters in training, each by its own recipe.
"""

import dataclasses
from collections import Counter
from pathlib import Path

import keras
import numpy as np

from lmtutorial import checkpoints, data, export, ngram, presets, tokenizers
from lmtutorial.generation import softmax
from lmtutorial.playpage import PROMPTS, SHOWN
from lmtutorial.training import train

RUNS = Path("runs", "playground")
PAGE = Path("book", "_static", "playground")
STEPS = 5000  # of 12 windows of 64 characters: the stated budget of what is called fully trained
MINUTE = 700  # steps that take the GPT about a minute on the two cores of the book's records
CHARACTERS = 4000  # of the Chinese vocabulary; all rarer ones are one unknown


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one model of the playground comes about: a preset, with what differs.

    Args:
        preset: by name; or the name of an n-gram model.
        corpus: the text, by name.
        steps: of training; 0 leaves the weights as they are drawn.
        model: fields of the configuration that differ from the preset's.
    """

    preset: str
    corpus: str = "tinyshakespeare"
    steps: int = STEPS
    model: dict = dataclasses.field(default_factory=dict)


RECIPES = {
    "lstm": Recipe("lstm-small"),
    "gpt": Recipe("laptop"),
    "rnn": Recipe("rnn-small"),
    "tang": Recipe("laptop", "tang", model={"width": 96}),
    "gpt-minute": Recipe("laptop", steps=MINUTE),
    "gpt-untrained": Recipe("laptop", steps=0),
    "ngram": Recipe("mkn5"),
}


def make(name: str, folder: Path) -> None:
    """Train one model, or go on with it, and write its file and its entry of the manifest to `folder`."""
    recipe = RECIPES[name]
    corpus = data.load(recipe.corpus)
    tokenizer = _tokenizer(corpus)
    if recipe.preset in presets.PRESETS:
        model, trained = _network(recipe, corpus, tokenizer, RUNS / name)
        content, parameters = export.neural(model, tokenizer, "int8"), model.count_params()
    else:
        model, trained = ngram.train(recipe.preset, tokenizer.encode(corpus.train), tokenizer.vocab_size), {}
        content, parameters = export.counted(model, tokenizer), sum(len(table.keys) for table in model.tables)
    costs = {"float32": float(model.score(tokenizer.encode(corpus.validation)).mean())}
    model = _Normalised(model) if isinstance(model, ngram.NGram) else export.read(content)
    costs["int8"] = float(model.score(tokenizer.encode(corpus.validation)).mean())
    measured = {"text": corpus.name, "sha256": corpus.sha256, "split": "validation", "nats_per_char": costs}
    trained = {"preset": recipe.preset, "text": corpus.name, **trained}
    entry = {"dtype": "int8", "parameters": parameters, "trained": trained, "measured": measured}
    export.write(folder, name, content, entry | {"default": _default(model, tokenizer, PROMPTS[recipe.corpus])})
    print(f"{name}: {len(content):,} bytes, {costs['float32']:.4f} → {costs['int8']:.4f} nats a character", flush=True)


def _network(recipe: Recipe, corpus: data.Corpus, tokenizer, folder: Path):
    """Return the trained model with its best weights, and what the manifest says of its training."""
    preset = presets.find(recipe.preset)
    config = checkpoints.KINDS[preset.kind][0](vocab_size=tokenizer.vocab_size, **preset.model | recipe.model)
    if not recipe.steps:
        keras.utils.set_random_seed(preset.training.seed)
        return checkpoints.build(config), {"step": 0, "seconds": 0.0}
    training = dataclasses.replace(preset.training, steps=recipe.steps)
    ids, validation = (tokenizer.encode(text) for text in (corpus.train, corpus.validation))
    _, log = train(training, config, ids, validation, tokenizer, folder)
    model, _ = checkpoints.read_model(folder)
    best = min(log, key=lambda entry: entry["val_loss"])
    return model, {"step": best["step"], "seconds": log[-1]["seconds"], "training": dataclasses.asdict(training)}


def _tokenizer(corpus: data.Corpus) -> tokenizers.CharTokenizer:
    """Return a tokenizer of the most frequent characters of a corpus."""
    frequent = [character for character, _ in Counter(corpus.train).most_common(CHARACTERS)]
    return tokenizers.CharTokenizer("".join(sorted(frequent)), unknown=not set(corpus.validation) <= set(frequent))


class _Normalised:
    """An n-gram model rounded as in its file, whose predictions sum to 1 again, as the browser makes them."""

    def __init__(self, model: ngram.NGram):
        self.model = export.rounded(model)

    def start(self):
        return self.model.start()

    def step(self, state, token: int):
        return self.model.step(state, token)

    def score(self, ids) -> np.ndarray:
        costs, (state, logits) = [], self.start()
        for token in ids:
            costs.append(np.log(np.exp(logits).sum()) - logits[token])
            state, logits = self.step(state, token)
        return np.array(costs)


def _default(model, tokenizer, prompt: str) -> dict:
    """Return what the page shows before it has loaded the model: what its prompt costs, and what comes next."""
    ids = tokenizer.encode(prompt)
    state, logits = model.start()
    for token in ids:
        state, logits = model.step(state, token)
    p = softmax(np.asarray(logits, dtype=np.float64))
    likeliest = np.argsort(-p, kind="stable")[:SHOWN]
    return {
        "bits": (model.score(ids) / np.log(2)).round(4).tolist(),
        "next": [[tokenizer.decode([i]), round(float(p[i]), 6)] for i in likeliest],
        "entropy": round(float(-(p * np.log2(np.maximum(p, 1e-300))).sum()), 6),
    }


if __name__ == "__main__":
    for name in RECIPES:
        make(name, PAGE / "models")
