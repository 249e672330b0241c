"""Training speed of SimpleRNN, GRU and LSTM language models: tokens a second against PyTorch and Keras' own layers.

    python benchmarks/train.py [--json] [--quick] [--rounds N] [--only PREFIX]

Needs PyTorch beside the book's environment: pip install torch==2.13.0 (a CPU build).

All sides train the same model (embedding, one recurrent layer, softmax over the vocabulary) on random windows with
AdamW and the gradient clipped to norm 1; a step includes drawing the batch. `…-article` has the article's sizes
(embedding 256, 1,024 units, context 64, batch 64, vocabulary 10,000), `…-small` 128 units and 65 symbols. PyTorch is
measured eager and compiled, and the faster of the two is the peer. `…-keras` has `keras.layers` in the peer's place,
compiled by XLA like ours. Each side is a process of its own; they are measured in turn.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import numpy as np
import side_by_side

CELLS = ("rnn", "gru", "lstm")
SIZES = {  # embedding, units, vocabulary, steps a measurement
    "small": (128, 128, 65, 30),
    "article": (256, 1024, 10_000, 2),
}
BATCH, CONTEXT = 64, 64


def ours(cell: str, size: str) -> Callable[[], None]:
    from lmtutorial.rnn import RNNLM, RNNConfig
    from lmtutorial.training import Trained, TrainingConfig, Windows

    embedding, units, vocabulary, _ = SIZES[size]
    config = TrainingConfig(batch=BATCH, context=CONTEXT, learning_rate=1e-3)
    trained = Trained(RNNLM(RNNConfig(vocabulary, cell, embedding, units)), config)
    windows = Windows(np.random.default_rng(0).integers(vocabulary, size=100_000), config)
    steps = itertools.count()
    return lambda: trained.train_on_batch(*windows[next(steps)])


def keras_layers(cell: str, size: str) -> Callable[[], None]:
    import keras

    embedding, units, vocabulary, _ = SIZES[size]
    layer = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    model = keras.Sequential(
        [
            keras.Input((CONTEXT,), batch_size=BATCH, dtype="int32"),
            keras.layers.Embedding(vocabulary, embedding),
            layer(units, return_sequences=True),
            keras.layers.Dense(vocabulary),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, global_clipnorm=1.0), loss, jit_compile=True)
    draw = np.random.default_rng(0)

    def step() -> None:
        ids = draw.integers(vocabulary, size=(BATCH, CONTEXT + 1), dtype=np.int32)
        model.train_on_batch(ids[:, :-1], ids[:, 1:])

    return step


def pytorch(cell: str, size: str, compiled: bool) -> Callable[[], None]:
    import torch
    from torch import nn

    embedding, units, vocabulary, _ = SIZES[size]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(vocabulary, embedding)
            self.recurrent = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](embedding, units, batch_first=True)
            self.head = nn.Linear(units, vocabulary)

        def forward(self, ids):
            return self.head(self.recurrent(self.embed(ids))[0])

    model = torch.compile(Model()) if compiled else Model()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def step() -> None:
        ids = torch.randint(vocabulary, (BATCH, CONTEXT + 1))
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


SIDES = {
    "ours": ours,
    "keras": keras_layers,
    "eager": lambda cell, size: pytorch(cell, size, compiled=False),
    "compiled": lambda cell, size: pytorch(cell, size, compiled=True),
}


def serve(side: str, cell: str, size: str) -> None:
    step, steps = SIDES[side](cell, size), SIZES[size][3]

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return steps * BATCH * CONTEXT / (time.perf_counter() - start)

    side_by_side.serve(measure)


def lines(options: argparse.Namespace) -> Iterator[dict]:
    for size, cell in itertools.product(("small",) if options.quick else SIZES, CELLS):
        name = f"{cell}-{size}"
        if not name.startswith(options.only):
            continue
        found, best = side_by_side.against_pytorch(__file__, SIDES, (cell, size), options)
        for suffix, side, peer in [
            ("", best, f"torch {version('torch')} {best}"),
            ("-keras", "keras", f"keras.layers {version('keras')}"),
        ]:
            pair = found["ours"], found[side]
            yield side_by_side.line(name + suffix, pair, "tokens/s", peer, more_is_better=True)


if __name__ == "__main__":
    side_by_side.main(__doc__, "the small sizes only, PyTorch eager only: within a minute", serve, lines)
