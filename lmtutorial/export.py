"""Models in files that the playground's engine reads: weights, alphabet and configuration in a safetensors file each.

Beside them lies `manifest.json`: for every model its file, the file's SHA-256, and how it was trained. Matrices are
kept in 32 or 16 bits, or in 8 with a scale for every output column: what the engine undoes when it loads.
"""

import copy
import dataclasses
import json
import re
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy

from lmtutorial import checkpoints, quantization
from lmtutorial.errors import InputError
from lmtutorial.files import read_json, sha256, write_atomically
from lmtutorial.neural import NeuralLM
from lmtutorial.ngram import NGram, Table
from lmtutorial.tokenizers import CharTokenizer, Tokenizer

DTYPES = ("float32", "float16", "int8")
MANIFEST = "manifest.json"
SCALES = ".scales"  # ends the name of an 8-bit matrix' scales
READ = {  # fields of a configuration that the engine knows some values of
    "positions": ("learned", "rotary", "none"),
    "norm_first": (True,),
    "mlp": ("gelu", "relu", "relu2"),
}


def export(run: Path, folder: Path, dtype: str = "int8") -> dict:
    """Write the best model of a run, under the name of the run; return its entry of the manifest.

    Raises:
        InputError: the run holds no model or one that the engine cannot read, or there is no such `dtype`.
    """
    model, tokenizer, note = checkpoints.read_noted(run)
    trained = {name: note[name] for name in ("step", "training", "data", "backend")}
    content = neural(model, tokenizer, dtype)
    return write(folder, checkpoints.name_of(run), content, {"dtype": dtype, "trained": trained})


def write(folder: Path, name: str, content: bytes, entry: dict) -> dict:
    """Write a model's file, and its entry into the folder's manifest, in place of an older one of that name."""
    folder = Path(folder)
    path, manifest = folder / f"{name}.safetensors", folder / MANIFEST
    entry = {"file": path.name, "sha256": sha256(content), "bytes": len(content)} | entry
    write_atomically(path, content)
    models = read_json(manifest) if manifest.is_file() else {}
    text = json.dumps(models | {name: entry}, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(manifest, f"{text}\n".encode())
    return entry


def neural(model: NeuralLM, tokenizer: Tokenizer, dtype: str) -> bytes:
    """Return the file of a network.

    Raises:
        InputError: the engine does not know such a network, or there is no such `dtype`.
    """
    config = dataclasses.asdict(model.config)
    for field, known in READ.items():
        if config.get(field, known[0]) not in known:
            raise InputError(f"the engine cannot read {field} {config[field]!r}")
    if config.get("embedding") != config.get("width", config.get("embedding")):
        raise InputError("the engine cannot read an embedding of another width than the model")
    if config.get("num_kv_heads") != config.get("heads"):
        raise InputError("the engine cannot read heads that share keys and values")
    return _file(stored(weights(model), dtype), {"kind": model.name, **config}, tokenizer)


def counted(model: NGram, tokenizer: Tokenizer) -> bytes:
    """Return the file of an n-gram model that interpolates.

    An n-gram is four bytes: last token, probability, share left to shorter contexts, number of continuations.

    Raises:
        InputError: the model does not interpolate, or its vocabulary has more than 255 tokens.
    """
    if model.method not in ("absolute", "kn", "mkn") or model.vocab_size > 255:
        raise InputError("the engine reads n-gram models that interpolate, with at most 255 tokens")
    step, tensors = nats(model), {}
    for n, table in enumerate(model.tables, start=1):
        counts = np.bincount(table.keys // model.vocab_size, minlength=len(table.reserved))
        tensors[f"order_{n}/tokens"] = (table.keys % model.vocab_size).astype(np.uint8)
        tensors[f"order_{n}/probabilities"] = _coded(table.probability, step)
        tensors[f"order_{n}/reserved"] = _coded(table.reserved, step)
        tensors[f"order_{n}/continuations"] = counts.astype(np.uint8)
    config = {"kind": "ngram", "order": model.order, "vocab_size": model.vocab_size, "nats": step}
    return _file(tensors, config, tokenizer)


def weights(model: NeuralLM) -> dict[str, np.ndarray]:
    """Return the weights of a network by the names that the engine knows them by."""
    return {name: np.asarray(variable, dtype=np.float32) for name, variable in named(model).items()}


def stored(weights: dict[str, np.ndarray], dtype: str) -> dict[str, np.ndarray]:
    """Return weights as a file holds them: in 8 bits, a matrix has a scale for each output column (its last axis).

    Raises:
        InputError: there is no such `dtype`.
    """
    if dtype not in DTYPES:
        raise InputError(f"there is no dtype {dtype!r}; there are {', '.join(DTYPES)}")
    if dtype != "int8":
        return {name: value.astype(dtype) for name, value in weights.items()}
    kept = {}
    for name, value in weights.items():
        if value.ndim < 2:
            kept[name] = value
            continue
        kept[name], kept[name + SCALES] = quantization.rounded(value)
    return kept


def read(content: bytes) -> NeuralLM:
    """Return the network that a reader of the file `content` gets."""
    fields = description(content)["config"]
    config, model = checkpoints.KINDS[fields.pop("kind")]
    model, kept = model(config(**fields)), safetensors.numpy.load(content)
    for name, variable in named(model).items():
        variable.assign(kept[name].astype(np.float32) * kept.get(name + SCALES, 1))
    return model


def description(content: bytes) -> dict:
    """Return the configuration and the alphabet in a file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["model"])


def rounded(model: NGram) -> NGram:
    """Return an n-gram model with the numbers that a reader of its file gets; its distributions sum to about 1."""
    step, same = nats(model), copy.copy(model)
    same.tables = [_rounded_table(table, step) for table in model.tables]
    return same


def nats(model: NGram) -> float:
    """Return the nats from one code of a probability to the next: 255 of them reach the least."""
    least = min(min(table.probability.min(), table.reserved.min()) for table in model.tables)
    return float(-np.log(least) / 255)


def _rounded_table(table: Table, step: float) -> Table:
    probability, reserved = (np.exp(-_coded(p, step).astype(float) * step) for p in (table.probability, table.reserved))
    return dataclasses.replace(table, probability=probability, reserved=reserved)


def _coded(probabilities: np.ndarray, step: float) -> np.ndarray:
    return np.rint(-np.log(probabilities) / step).astype(np.uint8)


def named(model: NeuralLM) -> dict[str, keras.Variable]:
    """Return the weights by the names of our layers; what a norm calls its parts differs between Keras' versions."""
    found = {}
    for variable in model.variables:
        if not variable.path.startswith("seed_generator"):
            name = re.sub("^(rnn|gpt)/", "", variable.path)
            found[re.sub("/gamma$", "/scale", re.sub("/beta$", "/bias", name))] = variable
    return found


def _file(tensors: dict[str, np.ndarray], config: dict, tokenizer: Tokenizer) -> bytes:
    if not isinstance(tokenizer, CharTokenizer):
        raise InputError(f"the engine reads characters; this model's tokenizer is of kind {tokenizer.type!r}")
    alphabet = [tokenizer.decode([i]) for i in range(tokenizer.vocab_size)]
    model = json.dumps({"config": config, "alphabet": alphabet}, ensure_ascii=False)
    return safetensors.numpy.save(tensors, metadata={"model": model})
