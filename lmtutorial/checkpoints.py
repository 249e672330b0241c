"""Trained models in files: weights and a note in one safetensors file, beside the tokenizer's JSON.

A run's folder holds `tokenizer.json`, `last.safetensors` (with the optimiser's state: training goes on from it),
`best.safetensors` (the weights with the lowest validation loss) and `log.jsonl`. Every file is written whole or not at
all, and what it holds is hashed: a damaged one is refused.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy

from lmtutorial import tokenizers
from lmtutorial.errors import InputError
from lmtutorial.files import read_bytes, write_atomically
from lmtutorial.gpt import GPT, GPTConfig
from lmtutorial.neural import NeuralLM
from lmtutorial.rnn import RNNLM, RNNConfig

KINDS = {"rnn": (RNNConfig, RNNLM), "gpt": (GPTConfig, GPT)}  # a model's name, its configuration and its class
LAST, BEST, TOKENIZER = "last.safetensors", "best.safetensors", "tokenizer.json"


def build(config) -> NeuralLM:
    """Return a new model of a configuration, whichever kind it is."""
    return next(model(config) for kind, model in KINDS.values() if isinstance(config, kind))


def describe(model: NeuralLM) -> dict:
    """Return what `read_model` needs to build `model` again, ready for JSON."""
    return {"kind": model.name, "config": dataclasses.asdict(model.config)}


def save(path: Path, variables: Sequence[keras.Variable], note: dict) -> None:
    """Write the values of `variables` and `note` (ready for JSON) to `path`."""
    values = {name: np.asarray(variable) for name, variable in _named(variables).items()}
    text = json.dumps(note)
    header = {"note": text, "sha256": _digest(values, text)}
    write_atomically(path, safetensors.numpy.save(values, metadata=header))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Return the values and the note of a checkpoint.

    Raises:
        InputError: there is no such file, it is no checkpoint, or it is damaged.
    """
    content = read_bytes(path)
    try:
        values = safetensors.numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        text, digest = header["note"], header["sha256"]
        note = json.loads(text)
    except Exception as error:  # the library raises several kinds for what is not safetensors
        raise InputError(f"{path} is no checkpoint, or only a part of one ({error})") from None
    if digest != _digest(values, text):
        raise InputError(f"{path} is damaged: its content is not what was written")
    return values, note


def restore(path: Path, variables: Sequence[keras.Variable], values: dict[str, np.ndarray]) -> None:
    """Give `variables` the values that were read from `path`.

    Raises:
        InputError: names or shapes are others; nothing was changed then.
    """
    named = _named(variables)
    if missing := sorted(named.keys() - values.keys()):
        raise InputError(f"{path} is a checkpoint of another configuration: it lacks {', '.join(missing[:3])}")
    for name, variable in named.items():
        if tuple(variable.shape) != values[name].shape:
            shapes = f"{values[name].shape} instead of {tuple(variable.shape)}"
            raise InputError(f"{path} is a checkpoint of another configuration: {name} has shape {shapes}")
    for name, variable in named.items():
        variable.assign(values[name])


def name_of(run: Path) -> str:
    """Return the name of a run, given as its folder or as one of its checkpoints: the folder's name."""
    run = Path(run).resolve()
    return run.name if run.is_dir() else run.parent.name


def read_model(path: Path) -> tuple[NeuralLM, tokenizers.Tokenizer]:
    """Return the model and the tokenizer of a run's folder (its best weights) or of one of its checkpoints.

    Raises:
        InputError: there is none, it is damaged, or the tokenizer beside it is another one.
    """
    model, tokenizer, _ = read_noted(path)
    return model, tokenizer


def read_noted(path: Path) -> tuple[NeuralLM, tokenizers.Tokenizer, dict]:
    """Return what `read_model` does, with its errors, and the checkpoint's note."""
    path = Path(path)
    if path.is_dir():
        path = path / BEST
        if not path.is_file():
            raise InputError(f"{path.parent} holds no trained model (there is no {BEST})")
    values, note = read(path)
    try:
        config, model = KINDS[note["kind"]]
        model = model(config(**note["config"]))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds a model that this version does not know ({error})") from None
    restore(path, model.variables, values)
    tokenizer = tokenizers.load(path.with_name(TOKENIZER))
    if fingerprint(tokenizer) != note.get("tokenizer"):
        raise InputError(f"{path} was trained with another tokenizer than {path.with_name(TOKENIZER)}")
    return model, tokenizer, note


def fingerprint(tokenizer: tokenizers.Tokenizer) -> str:
    """Return a hash of what a tokenizer does."""
    fields = json.dumps({"type": tokenizer.type, **tokenizer.to_dict()}, sort_keys=True)
    return hashlib.sha256(fields.encode("utf-8", "surrogatepass")).hexdigest()


def _named(variables: Sequence[keras.Variable]) -> dict[str, keras.Variable]:
    """Return the variables by path; Keras numbers seed generators through the whole process, we through the model."""
    named, seeds = {}, 0
    for variable in variables:
        name = variable.path
        if re.match(r"seed_generator(_\d+)?/", name):
            name, seeds = f"seed_{seeds}", seeds + 1
        named[name] = variable
    return named


def _digest(values: dict[str, np.ndarray], note: str) -> str:
    digest = hashlib.sha256(note.encode("utf-8", "surrogatepass"))
    for name, value in sorted(values.items()):
        digest.update(f"{name} {value.dtype} {value.shape}\0".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
