"""Training speed of recurrent language models and GPTs: tokens a second against PyTorch and Keras' own layers.

    python benchmarks/train.py [--json] [--quick] [--rounds N] [--only PREFIX]

Needs PyTorch beside the book's environment: pip install torch==2.13.0 (a CPU build), and for the GPTs transformers.

All sides train the same model (embedding, one recurrent layer, softmax over the vocabulary) on random windows with
AdamW and the gradient clipped to norm 1; a step includes drawing the batch. `…-article` has the article's sizes
(embedding 256, 1,024 units, context 64, batch 64, vocabulary 10,000), `…-small` 128 units and 65 symbols. PyTorch is
measured eager and compiled, and the faster of the two is the peer. `…-keras` has `keras.layers` in the peer's place,
compiled by XLA like ours. Each side is a process of its own; they are measured in turn.

The GPTs have GPT-2's architecture and 65 symbols: `gpt-small` has the size of the preset `nanogpt-cpu` (4 layers,
4 heads, width 128, context 64, batch 12), `gpt-medium` has 6 layers, 8 heads, width 256, context 256, batch 16. The
peer is Hugging Face's GPT-2 with PyTorch's fused attention, eager or compiled. `…-flops` has the model's floating-point
operations a second (`costs.training_flops`) beside the rate of products of square matrices in the same framework:
`ratio` is the share.

Where there is an NVIDIA GPU both sides compute on it, and `gpt-gpu` is measured, too: the preset `nanogpt-gpu`, its
products in bfloat16; the peer also with CUDA graphs. `gpt-gpu-memory` is the most of the GPU's memory that each holds.
"""

import argparse
import itertools
import shutil
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
GPTS = {  # configuration, batch, steps a measurement
    "gpt-small": ({"layers": 4, "heads": 4, "width": 128, "context": 64}, 12, 20),
    "gpt-medium": ({"layers": 6, "heads": 8, "width": 256, "context": 256}, 16, 2),
}
ON_GPU = bool(shutil.which("nvidia-smi"))
PRODUCTS = (8192, "bfloat16") if ON_GPU else (2048, "float32")  # rows and columns of the matrices, and their kind
if ON_GPU:
    GPTS["gpt-gpu"] = ({"layers": 6, "heads": 6, "width": 384, "context": 256, "dropout": 0.2}, 64, 50)


def ours(cell: str, size: str) -> Callable[[], float]:
    from lmtutorial.rnn import RNNLM, RNNConfig
    from lmtutorial.training import Trained, TrainingConfig, Windows

    embedding, units, vocabulary, _ = SIZES[size]
    config = TrainingConfig(batch=BATCH, context=CONTEXT, learning_rate=1e-3)
    trained = Trained(RNNLM(RNNConfig(vocabulary, cell, embedding, units)), config)
    windows = Windows(np.random.default_rng(0).integers(vocabulary, size=100_000), config)
    steps = itertools.count()
    return lambda: trained.train_on_batch(*windows[next(steps)])


def keras_layers(cell: str, size: str) -> Callable[[], float]:
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

    def step() -> float:
        ids = draw.integers(vocabulary, size=(BATCH, CONTEXT + 1), dtype=np.int32)
        return model.train_on_batch(ids[:, :-1], ids[:, 1:])

    return step


def pytorch(cell: str, size: str, compiled: bool) -> Callable[[], float]:
    import torch
    from torch import nn

    torch.set_default_device("cuda" if ON_GPU else "cpu")
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

    def step() -> torch.Tensor:
        ids = torch.randint(vocabulary, (BATCH, CONTEXT + 1))
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def our_gpt(name: str) -> Callable[[], float]:
    import keras

    from lmtutorial.gpt import GPT, GPTConfig
    from lmtutorial.training import Trained, TrainingConfig, Windows

    shape, batch, _ = GPTS[name]
    precision = "mixed_bfloat16" if ON_GPU else "float32"
    config = TrainingConfig(batch=batch, context=shape["context"], learning_rate=1e-3, precision=precision)
    keras.config.set_dtype_policy(precision)
    trained = Trained(GPT(GPTConfig(65, **shape)), config)
    windows = Windows(np.random.default_rng(0).integers(65, size=100_000), config)
    steps = itertools.count()
    return lambda: trained.train_on_batch(*windows[next(steps)])


def hugging_face(name: str, compiled: bool, graphs: bool = False) -> Callable[[], float]:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_default_device("cuda" if ON_GPU else "cpu")
    shape, batch, _ = GPTS[name]
    dropout = shape.get("dropout", 0)
    config = GPT2Config(
        vocab_size=65,
        n_positions=shape["context"],
        n_embd=shape["width"],
        n_layer=shape["layers"],
        n_head=shape["heads"],
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=0,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="sdpa",
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=ON_GPU)
    model = torch.compile(model, mode="reduce-overhead" if graphs else None) if compiled else model

    def step() -> torch.Tensor:
        ids = torch.randint(65, (batch, shape["context"] + 1))
        with torch.autocast("cuda", torch.bfloat16, enabled=ON_GPU):
            logits = model(ids[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def products() -> Callable[[], float]:
    import keras

    size, dtype = PRODUCTS
    matrix = keras.ops.cast(keras.random.normal((size, size)), dtype)
    return lambda: keras.ops.matmul(matrix, matrix)[0, 0]


def gpu_memory(side: str) -> float:
    """Return the most MiB of the GPU's memory that arrays and tensors of this process ever took."""
    if side != "ours":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


SIDES = {
    "ours": ours,
    "keras": keras_layers,
    "eager": lambda cell, size: pytorch(cell, size, compiled=False),
    "compiled": lambda cell, size: pytorch(cell, size, compiled=True),
}


GPT_SIDES = {
    "ours": our_gpt,
    "eager": lambda name: hugging_face(name, compiled=False),
    "compiled": lambda name: hugging_face(name, compiled=True),
}
if ON_GPU:
    GPT_SIDES["graphs"] = lambda name: hugging_face(name, compiled=True, graphs=True)


def serve(side: str, name: str, size: str = "") -> None:
    if side == "products":  # so many operations
        step, steps, items = products(), 5, 2 * PRODUCTS[0] ** 3
    elif name in GPTS:
        (shape, batch, steps), step = GPTS[name], GPT_SIDES[side](name)
        items = batch * shape["context"]
    else:
        step, steps, items = SIDES[side](name, size), SIZES[size][3], BATCH * CONTEXT

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            last = step()
        float(last)  # waits for what a GPU has not done yet
        seconds = time.perf_counter() - start
        return gpu_memory(side) if size == "memory" else steps * items / seconds

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
    for name in ("gpt-small",) if options.quick else GPTS:
        if name.startswith(options.only):
            yield from gpt_lines(name, options)


def gpt_lines(name: str, options: argparse.Namespace) -> Iterator[dict]:
    from lmtutorial import costs
    from lmtutorial.gpt import GPTConfig

    side_by_side.needs("transformers", "pip install transformers")
    found, best = side_by_side.against_pytorch(__file__, [*GPT_SIDES, "products"], (name,), options)
    peer = f"transformers {version('transformers')}, torch {version('torch')} {best}"
    yield side_by_side.line(name, (found["ours"], found[best]), "tokens/s", peer, more_is_better=True)
    shape = GPTS[name][0]
    each = costs.training_flops(GPTConfig(65, **shape), shape["context"]) / shape["context"]
    rates = [rate * each / 1e9 for rate in found["ours"]], [rate / 1e9 for rate in found["products"]]
    yield side_by_side.line(f"{name}-flops", rates, "GFLOP/s", "products of matrices", more_is_better=True)
    if name == "gpt-gpu":
        held = side_by_side.in_turn(__file__, ("ours", best), (name, "memory"), 1)
        yield side_by_side.line(f"{name}-memory", (held["ours"], held[best]), "MiB", peer)


if __name__ == "__main__":
    side_by_side.main(__doc__, "the small sizes only, PyTorch eager only: within two minutes", serve, lines)
