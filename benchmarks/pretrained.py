"""SmolLM2-135M-Instruct in our own GPT against Hugging Face's Llama, on the same dequantised weights.

    python benchmarks/pretrained.py [--json] [--quick] [--rounds N] [--only PREFIX]

Needs PyTorch and transformers beside the book's environment: pip install torch==2.13.0 transformers (CPU builds).

`decode-smollm2` is tokens a second of one greedy text, 128 after a prompt of 64, in float32, against `generate`;
`-bandwidth` holds it against the memory's measured bandwidth over the bytes of weights that a token reads (a ratio of
1: all of it); `-bfloat16` and `-int8` (Keras' own, of the blocks) hold lower precision against our float32. `load-` is
seconds from the start of a process to the first token, the first time (converted, compiled) and again; `memory-` the
peak then. `logits-` is the largest difference on 64 tokens, against the 5e-4 that are allowed. `perplexity-` is
WikiText-2's test part from its beginning, as published, in windows of 512 tokens that begin 256 apart, each token
scored once with the most tokens before it: both sides score the same tokens, and the ratio should be 1.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import numpy as np
import side_by_side

from lmtutorial import data

MODEL, PROMPT, NEW, WINDOW, STRIDE = "smollm2", 64, 128, 512, 256
SIDES = ("ours", "bfloat16", "int8", "hugging-face", "memory")
PER_TOKEN = 4 * 134_515_008  # bytes: every weight once; the embedding is the output matrix too


def folder() -> Path:
    return data.cache_file(MODEL).with_suffix("")


def ids(count: int) -> np.ndarray:
    """Return the first tokens of WikiText-2's test part."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(folder() / "tokenizer.json"))
    return np.array(tokenizer.encode(data.load("wikitext2").test[: 10 * count]).ids[:count])


def ours(side: str):
    from lmtutorial import commands

    pretrained = commands.neural("pretrained", large=True)  # as the command does: XLA keeps what it compiled
    import keras

    if side == "bfloat16":
        keras.config.set_dtype_policy("bfloat16")
    model, _ = pretrained.load(MODEL, context=WINDOW)
    if side == "int8":
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dense):
                layer.quantize("int8", type_check=False)  # ours is Keras' layer with another order of sums
    return model


def theirs():
    import torch
    from transformers import LlamaForCausalLM

    torch.set_grad_enabled(False)
    return LlamaForCausalLM.from_pretrained(folder(), dtype=torch.float32).eval()


def writer(side: str) -> Callable[[np.ndarray, int], None]:
    """Return what writes a number of tokens after a prompt, always the likeliest."""
    if side == "hugging-face":
        import torch

        model = theirs()
        options = {"do_sample": False, "use_cache": True, "pad_token_id": 0, "eos_token_id": None}
        return lambda prompt, new: model.generate(torch.tensor(prompt[None]), max_new_tokens=new, **options)
    model = ours(side)

    def write(prompt: np.ndarray, new: int) -> None:
        state, logits = model.read(prompt)
        if new > 1:  # the first is known already
            model.write(state, logits[None], np.zeros((1, new)), temperature=0)

    return write


def serve(side: str, what: str, *rest: str) -> None:
    if side == "memory":
        side_by_side.serve(lambda: bandwidth() / PER_TOKEN)
    elif what == "decode":
        write, prompt, new = writer(side), ids(PROMPT), int(rest[0])
        side_by_side.serve(side_by_side.rate(lambda: write(prompt, new), new))
    elif what == "start":
        writer(side)(np.arange(PROMPT), 1)
        print(json.dumps([time.time() - float(rest[0]), side_by_side.peak_memory()]))
    else:
        print(json.dumps(score(side, ids(int(rest[0])), rest[1])))


def score(side: str, tokens: np.ndarray, file: str) -> float:
    """Return the cost in nats of a token, the first left out; write the logits of the first to `file`."""
    first = tokens[None, :PROMPT]
    if side == "ours":
        model = ours(side)
        np.save(file, np.asarray(model(first.astype("int32"))[0]))
        return float(model.score(tokens, STRIDE)[1:].mean())
    import torch

    model, costs = theirs(), []
    np.save(file, model(torch.tensor(first)).logits.numpy())
    for begin in range(0, len(tokens) - 1, STRIDE):
        window = torch.tensor(tokens[begin : begin + WINDOW + 1])
        found = torch.nn.functional.cross_entropy(model(window[None, :-1]).logits[0], window[1:], reduction="none")
        costs.extend(found[len(costs) - begin :].tolist())
        if begin + WINDOW + 1 >= len(tokens):
            break
    return float(np.mean(costs))


def bandwidth() -> float:
    """Return the bytes a second that both cores read from memory: the largest of several sums of 512 MiB."""
    import torch

    values, best = torch.ones(2**27), 0.0
    for _ in range(5):
        start = time.perf_counter()
        values.sum()
        best = max(best, 4 * len(values) / (time.perf_counter() - start))
    return best


def start(side: str, cache: str | None = None) -> list[float]:
    """Return seconds from the start of a process to its first token, and the MiB that it took at most."""
    with patch.dict(os.environ, {"LMTUTORIAL_CACHE": cache} if cache else {}):
        return side_by_side.fresh(__file__, "--serve", side, "start", time.time())


def decoding(options: argparse.Namespace, peer: str) -> Iterator[dict]:
    new = 32 if options.quick else NEW
    sides = SIDES if not options.quick else ("ours", "hugging-face", "memory")
    found = side_by_side.in_turn(__file__, sides, ("decode", new), options.rounds)
    yield side_by_side.line("decode-smollm2", (found["ours"], found["hugging-face"]), "tokens/s", peer, True)
    pair = found["ours"], found["memory"]
    yield side_by_side.line("decode-smollm2-bandwidth", pair, "tokens/s", "memory bandwidth", True)
    for side in sides[1:-2]:
        yield side_by_side.line(f"decode-smollm2-{side}", (found[side], found["ours"]), "tokens/s", "float32", True)


def starting(options: argparse.Namespace, peer: str) -> Iterator[dict]:
    rounds = 1 if options.quick else options.rounds // 2 or 1
    again = side_by_side.interleaved(rounds, lambda: start("ours"), lambda: start("hugging-face"))
    again = [[list(values) for values in zip(*side)] for side in again]
    if not options.quick:
        with tempfile.TemporaryDirectory() as cache:
            first = [start("ours", cache)[0]]
        yield side_by_side.line("load-smollm2-first", (first, again[1][0][:1]), "s", f"{peer}, again")
    yield side_by_side.line("load-smollm2-again", (again[0][0], again[1][0]), "s", peer)
    yield side_by_side.line("memory-smollm2", (again[0][1], again[1][1]), "MiB", peer)


def agreement(options: argparse.Namespace, peer: str) -> Iterator[dict]:
    count, costs, logits = 2000 if options.quick else 20_000, [], []
    with tempfile.TemporaryDirectory() as place:
        for side in ("ours", "hugging-face"):
            file = os.path.join(place, f"{side}.npy")
            costs.append(side_by_side.fresh(__file__, "--serve", side, "score", count, file))
            logits.append(np.load(file))
    largest = float(np.abs(logits[0] - logits[1]).max())
    yield side_by_side.line("logits-smollm2", ([largest], [5e-4]), "nats", "the largest allowed difference")
    perplexities = [[float(np.exp(cost))] for cost in costs]
    yield side_by_side.line("perplexity-smollm2", perplexities, "perplexity", peer)


def lines(options: argparse.Namespace) -> Iterator[dict]:
    side_by_side.needs("transformers", "pip install transformers")
    if not (folder() / "config.json").is_file():
        start("ours")  # fetches and converts
    peer = f"transformers {version('transformers')}"
    for prefixes, part in {
        ("decode",): decoding,
        ("load", "memory"): starting,
        ("logits", "perplexity"): agreement,
    }.items():
        if any(prefix.startswith(options.only) or options.only.startswith(prefix) for prefix in prefixes):
            yield from part(options, peer)


if __name__ == "__main__":
    side_by_side.main(__doc__, "32 tokens, float32 only, 2,000 tokens of text", serve, lines)
