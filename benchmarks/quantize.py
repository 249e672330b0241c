"""Weights in 8 bits: our `quantization` against Keras' own `quantize("int8")`, on the same models.

    python benchmarks/quantize.py [--json] [--quick] [--rounds N] [--size small] [--size smollm2]

`small` has the size of the preset `laptop` and random weights; `smollm2` is SmolLM2-135M-Instruct, which is fetched
once. Both sides quantise the dense layers of the blocks, with a scale for each output column; Keras rounds the
activations, too.

`decode-…` is tokens a second of one text, one token after another; `decode-…-float32` holds ours against the model as
it was. `memory-…` is MiB of weights, against float32. `error-…` is how far the costs of tokens are from those of the
model as it was, the root of the mean square, in nats; `loss-smollm2` is nats per token on WikiText-2's test part.
"""

import argparse
from collections.abc import Iterator

import keras
import numpy as np
import side_by_side

from lmtutorial import data, gpt, presets, pretrained, quantization
from lmtutorial.checkpoints import build

PROMPT, NEW = 32, 32
PEER = f"Keras {keras.version()}"


def original(size: str) -> tuple[gpt.GPT, np.ndarray]:
    """Return a model and the tokens that it is measured on."""
    if size == "smollm2":
        model, tokenizer = pretrained.load("smollm2", context=256)
        return model, tokenizer.encode(data.load("wikitext2").test[:10_000])[:1024]
    keras.utils.set_random_seed(0)
    config = gpt.GPTConfig(vocab_size=65, **presets.find("laptop").model | {"zero_outputs": False})
    model, rng = build(config), np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(size=weight.shape) / weight.shape[0] ** 0.5)
    return model, rng.integers(65, size=1024)


def copy(model: gpt.GPT) -> gpt.GPT:
    other = build(model.config)
    for new, old in zip(other.weights, model.weights):
        new.assign(old)
    return other


def by_keras(model: gpt.GPT) -> None:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            layer.quantize("int8", type_check=False)  # ours is Keras' layer with another order of sums


def writer(model: gpt.GPT, ids: np.ndarray):
    """Return a measurement of tokens a second after a prompt."""

    def write() -> None:
        state, _ = start
        for token in ids[PROMPT : PROMPT + NEW]:
            state, _ = model.step(state, token)

    start = model.read(ids[:PROMPT])
    write()  # compiles
    return side_by_side.rate(write, NEW)


def of_size(size: str, rounds: int) -> Iterator[dict]:
    model, ids = original(size)
    ours, theirs = copy(model), copy(model)
    quantization.quantize(ours)
    by_keras(theirs)
    before, *after = (some.score(ids)[1:] for some in (model, ours, theirs))
    speed = {name: writer(some, ids) for name, some in {"float32": model, "ours": ours, "keras": theirs}.items()}
    for peer, name, called in ((PEER, f"decode-{size}", "keras"), ("float32", f"decode-{size}-float32", "float32")):
        pair = side_by_side.interleaved(rounds, speed["ours"], speed[called])
        yield side_by_side.line(name, pair, "tokens/s", peer, more_is_better=True)
    sizes = [[quantization.weight_bytes(some) / 2**20] for some in (ours, model)]
    yield side_by_side.line(f"memory-{size}", sizes, "MiB", "float32")
    errors = [[float(np.sqrt(np.mean((costs - before) ** 2)))] for costs in after]
    yield side_by_side.line(f"error-{size}", errors, "nats", PEER)
    if size == "smollm2":
        yield side_by_side.line("loss-smollm2", [[float(costs.mean())] for costs in after], "nats/token", PEER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", action="append", choices=("small", "smollm2"), help="repeatable; default both")
    options = side_by_side.parse(parser, "the small model only")
    sizes = options.size or (["small"] if options.quick else ["small", "smollm2"])
    side_by_side.show((line for size in sizes for line in of_size(size, options.rounds)), options.json)


if __name__ == "__main__":
    main()
