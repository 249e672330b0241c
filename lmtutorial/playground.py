"""The playground's models: trained with the book's own means, measured before and after rounding, exported.

    python -m lmtutorial.playground        # or `make playground`; goes on where it was interrupted

Runs are kept in `runs/playground`, what the page loads in `book/_static/playground/models`. All networks of the English
page have about as many weights and are trained on as many characters, each by its own recipe.
"""

import dataclasses
from collections import Counter
from pathlib import Path

from lmtutorial import data, presets, tokenizers
from lmtutorial.checkpoints import KINDS
from lmtutorial.training import train

RUNS = Path("runs", "playground")
STEPS = 5000  # of 12 windows of 64 characters: the stated budget of a model that is called fully trained
MINUTE = 1200  # steps of the GPT in a minute of processor time; the manifest says what it really took
CHARACTERS = 4000  # of the Chinese vocabulary; all rarer ones are one unknown


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one model of the playground comes about: a preset, with the fields of its model and training that differ."""

    preset: str
    model: dict = dataclasses.field(default_factory=dict)
    training: dict = dataclasses.field(default_factory=lambda: {"steps": STEPS})
    corpus: str = "tinyshakespeare"


RECIPES = {
    "lstm": Recipe("lstm-small"),
    "gpt": Recipe("laptop"),
    "gpt-minute": Recipe("laptop", training={"steps": MINUTE}),
    "rnn": Recipe("rnn-small"),
    "tang": Recipe("laptop", model={"width": 96}, corpus="tang"),
}


def run(name: str) -> Path:
    """Train a model, or go on with it; return the folder of the run."""
    recipe, folder = RECIPES[name], RUNS / name
    preset, corpus = presets.find(recipe.preset), data.load(recipe.corpus)
    tokenizer = _tokenizer(corpus)
    config = KINDS[preset.kind][0](vocab_size=tokenizer.vocab_size, **preset.model | recipe.model)
    training = dataclasses.replace(preset.training, **recipe.training)
    train(training, config, tokenizer.encode(corpus.train), tokenizer.encode(corpus.validation), tokenizer, folder)
    return folder


def _tokenizer(corpus: data.Corpus) -> tokenizers.CharTokenizer:
    """Return a tokenizer of the most frequent characters of a corpus."""
    frequent = [character for character, _ in Counter(corpus.train).most_common(CHARACTERS)]
    return tokenizers.CharTokenizer("".join(sorted(frequent)), unknown=not set(corpus.validation) <= set(frequent))


if __name__ == "__main__":
    for name in RECIPES:
        run(name)
