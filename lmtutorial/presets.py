"""Named models with their training: what the book, the command line and the experiments mean by `lstm-small`."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from lmtutorial import data, tokenizers
from lmtutorial.checkpoints import KINDS
from lmtutorial.errors import InputError
from lmtutorial.neural import NeuralLM
from lmtutorial.training import TrainingConfig, train


@dataclass(frozen=True)
class Preset:
    """A model, how it is trained, and on what.

    Args:
        title: one line for people.
        kind: of model, a key of `checkpoints.KINDS`.
        model: fields of its configuration, without the vocabulary's size.
        training: its training.
        corpus: the text, by name.
        level: of the tokenizer: `char`, `byte`, `word` or `bpe:SIZE`.
    """

    title: str
    kind: str
    model: dict
    training: TrainingConfig = field(default_factory=TrainingConfig)
    corpus: str = "tinyshakespeare"
    level: str = "char"


PRESETS = {
    "rnn-small": Preset(
        "SimpleRNN by character, 0.8 million parameters",
        "rnn",
        {"cell": "rnn", "embedding": 64, "units": 820},
        TrainingConfig(learning_rate=2e-3),
    ),
    "gru-small": Preset(
        "GRU by character, 0.8 million parameters",
        "rnn",
        {"cell": "gru", "embedding": 64, "units": 465},
    ),
    "lstm-small": Preset(
        "LSTM by character, 0.8 million parameters",
        "rnn",
        {"cell": "lstm", "embedding": 64, "units": 400},
    ),
    "article-rnn": Preset(
        "the article's RNNModel: vocabulary 10,000, embedding 256, SimpleRNN of 1,024 units, batch 64",
        "rnn",
        {"cell": "rnn", "embedding": 256, "units": 1024},
        TrainingConfig(steps=300, batch=64, context=64, learning_rate=1e-3, evaluate_every=50),
        "shakespeare",
        "bpe:10000",
    ),
    "nanogpt-cpu": Preset(
        "nanoGPT's small GPT by character: learned positions, LayerNorm, GELU, AdamW; 0.8 million parameters",
        "gpt",
        {"bias": False},
        TrainingConfig(learning_rate=3e-3),
    ),
    "laptop": Preset(
        "the same size and tokens with what was found since: rotary positions, normalised queries and keys, Muon, …",
        "gpt",
        {
            "positions": "rotary",
            "qk_norm": True,
            "norm": "rms",
            "mlp": "relu2",
            "bias": False,
            "zero_outputs": True,
        },
        TrainingConfig(optimizer="muon"),
    ),
    "nanogpt-gpu": Preset(
        "nanoGPT's GPT for one GPU by character: 10.7 million parameters, products in bfloat16",
        "gpt",
        {"context": 256, "layers": 6, "heads": 6, "width": 384, "bias": False, "dropout": 0.2},
        TrainingConfig(
            steps=5000, batch=64, context=256, learning_rate=1e-3, precision="mixed_bfloat16", evaluate_every=250
        ),
    ),
    "article-transformer": Preset(
        "the article's TransformerModel: vocabulary 10,000, embedding 256, 6 layers, 8 heads of 64, width 1,024",
        "gpt",
        {
            "layers": 6,
            "heads": 8,
            "head_width": 64,
            "width": 1024,
            "hidden": 1024,
            "embedding": 256,
            "positions": "sinusoidal",
            "mlp": "relu",
            "norm_first": False,
            "epsilon": 1e-6,
            "tie_embeddings": False,
            "dropout": 0.1,
        },
        TrainingConfig(steps=300, batch=64, context=64, learning_rate=3e-4, evaluate_every=150),
        "shakespeare",
        "bpe:10000",
    ),
    "gpt2": Preset(
        "GPT-2's smallest shape, by word parts: 124 million parameters",
        "gpt",
        {"context": 1024, "layers": 12, "heads": 12, "width": 768},
        TrainingConfig(
            steps=2000, batch=32, context=1024, learning_rate=6e-4, precision="mixed_bfloat16", accumulate=4
        ),
        "shakespeare",
        "bpe:50257",
    ),
}


def find(name: str) -> Preset:
    """Return the preset `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def run(preset: Preset, folder: Path | None = None, **changes) -> tuple[NeuralLM, tokenizers.Tokenizer, list[dict]]:
    """Train a preset on its corpus, or go on with its run in `folder`.

    Args:
        preset: what to train.
        folder: for checkpoints and the log; without one nothing is written.
        changes: fields of `TrainingConfig` to change, such as `seed` or `steps`.

    Returns:
        The model with its last weights, its tokenizer, and the log.
    """
    corpus = data.load(preset.corpus)
    if not (corpus.train and corpus.validation):
        raise InputError(f"{preset.corpus} has no training or no validation split; choose another corpus")
    tokenizer = tokenizers.train(preset.level, corpus.train, corpus.validation)
    ids, validation = (tokenizer.encode(text) for text in (corpus.train, corpus.validation))
    config = KINDS[preset.kind][0](vocab_size=tokenizer.vocab_size, **preset.model)
    training = dataclasses.replace(preset.training, **changes)
    model, log = train(training, config, ids, validation, tokenizer, folder)
    return model, tokenizer, log
