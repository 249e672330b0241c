"""Files of tensors that others published, read one tensor at a time: safetensors and GGUF.

Nothing is memory-mapped and nothing unpickled. A header is believed only where the file holds what it claims.
"""

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lmtutorial.errors import InputError
from lmtutorial.files import replacing

SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
}  # in NumPy; bfloat16 is the upper half of float32
SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd"))  # GGUF's numbers of types, in `struct`
STRING, ARRAY = 8, 9
LONGEST_HEADER = 2**28


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file.

    Args:
        path: of the file.
        shape: rows first.
        begin, size: where its bytes are in the file.
        decode: makes float32 of them, in any shape.
    """

    path: Path
    shape: tuple[int, ...]
    begin: int
    size: int
    decode: Callable[[np.ndarray], np.ndarray]

    def read(self) -> np.ndarray:
        """Return its values as float32."""
        with open(self.path, "rb") as file:
            file.seek(self.begin)
            return self.decode(np.fromfile(file, np.uint8, self.size)).reshape(self.shape)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    Raises:
        InputError: it is no such file, is truncated, or holds numbers that are no floats.
    """
    with _opened(path) as file:
        total = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > LONGEST_HEADER:
            raise InputError(f"{path} is no safetensors file")
        if length > total - 8:
            raise InputError(f"{path} is truncated: its header claims {length} bytes of {total}")
        try:
            header = json.loads(file.read(length))
            entries = {name: header[name] for name in header if name != "__metadata__"}
            return {name: _safetensor(path, total, 8 + length, name, **entry) for name, entry in entries.items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is no safetensors file ({error})") from None


def _safetensor(path: Path, total: int, data: int, name: str, dtype: str, shape: list, data_offsets: list) -> Tensor:
    if dtype not in SAFETENSORS:
        raise InputError(f"{path}: {name} holds {dtype}; weights are floats of 16 to 64 bits")
    (begin, end), kind = data_offsets, np.dtype(SAFETENSORS[dtype])
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise InputError(f"{path} is damaged: {name} has shape {tuple(shape)} and bytes {begin} to {end}")
    if end - begin != math.prod(shape) * kind.itemsize:
        raise InputError(f"{path} is damaged: {name} of shape {tuple(shape)} has {end - begin} bytes")
    if not 0 <= data + begin <= data + end <= total:
        raise InputError(f"{path} is truncated: {name} would end at byte {data + end} of {total}")

    def decode(content: np.ndarray) -> np.ndarray:
        values = content.view(kind)
        return (
            (values.astype(np.uint32) << 16).view(np.float32)
            if dtype == "BF16"
            else values.astype(np.float32, copy=False)
        )

    return Tensor(path, tuple(shape), data + begin, end - begin, decode)


def write_safetensors(path: Path, shapes: dict[str, tuple[int, ...]], read: Callable[[str], np.ndarray]) -> None:
    """Write float32 arrays to `path`, one after the other: `read(name)` is asked for each when its turn comes.

    Raises:
        OSError: the folder cannot be written; as after an error of `read`, nothing is left behind.
    """
    header, begin = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        end = begin + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in shapes:
            np.ascontiguousarray(read(name), dtype="<f4").tofile(file)


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the metadata of a GGUF file (version 2 or 3) by key, and its tensors by name.

    The package `gguf` knows the kinds of numbers and how to make floats of them.

    Raises:
        InputError: it is no such file, or its header claims more than it holds; or `gguf` is not installed.
    """
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
    except ModuleNotFoundError as error:
        raise InputError(f"reading GGUF needs {error.name}; install lmtutorial[pretrained]") from None
    with _opened(path) as file:
        header = _Header(path, file)
        version, tensors, pairs = header.begin()
        if version not in (2, 3):
            raise InputError(f"{path} is GGUF of version {version}; 2 and 3 are read")
        metadata = {header.string(): header.value(header.number("I")) for _ in range(pairs)}
        found = [header.tensor() for _ in range(tensors)]
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1:
            raise InputError(f"{path} is damaged: its alignment is {alignment!r}")
        data = -(-file.tell() // alignment) * alignment
    made = {}
    for name, shape, kind, offset in found:
        try:
            kind = GGMLQuantizationType(kind)
            block, size = GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError):
            raise InputError(f"{path}: {name} holds numbers of an unknown kind, {kind}") from None
        if not shape or 0 in shape or shape[-1] % block:
            raise InputError(f"{path} is damaged: {name} has shape {shape}, in blocks of {block}")
        row = shape[-1] // block * size
        size = math.prod(shape[:-1]) * row
        if data + offset + size > header.total:
            raise InputError(f"{path} is truncated: {name} would end at byte {data + offset + size} of {header.total}")
        made[name] = Tensor(path, shape, data + offset, size, partial(_dequantized, quants.dequantize, kind, row))
    return metadata, made


def _dequantized(dequantize: Callable, kind: int, row: int, content: np.ndarray) -> np.ndarray:
    return np.asarray(dequantize(content.reshape(-1, row), kind), dtype=np.float32)


class _Header:
    """The beginning of a GGUF file, read from front to end."""

    def __init__(self, path: Path, file):
        self.path, self.file, self.total = path, file, os.fstat(file.fileno()).st_size

    def begin(self) -> tuple[int, int, int]:
        """Return the version, and the numbers of tensors and of pairs of metadata."""
        if self.file.read(4) != b"GGUF":
            raise InputError(f"{self.path} is no GGUF file")
        version, tensors, pairs = self.number("I"), self.number("Q"), self.number("Q")
        return version, tensors, pairs

    def bytes(self, count: int) -> bytes:
        if count > self.total - self.file.tell():
            raise InputError(f"{self.path} is truncated: its header claims more than its {self.total} bytes")
        return self.file.read(count)

    def number(self, kind: str):
        return struct.unpack(f"<{kind}", self.bytes(struct.calcsize(f"<{kind}")))[0]

    def string(self) -> str:
        return self.bytes(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int):
        """Return a value of one of GGUF's types: a number, a string or a list."""
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            raise InputError(f"{self.path} is damaged: there is no type of metadata {kind}")
        kind, count = self.number("I"), self.number("Q")
        if kind == ARRAY:
            raise InputError(f"{self.path} has lists of lists in its metadata, which no model needs")
        if kind in SCALARS:
            content = self.bytes(count * struct.calcsize(f"<{SCALARS[kind]}"))
            return list(struct.unpack(f"<{count}{SCALARS[kind]}", content))
        return [self.value(kind) for _ in range(count)]

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Return a tensor's name, shape (rows first), kind of numbers, and place behind the header."""
        name = self.string()
        shape = tuple(self.number("Q") for _ in range(self.number("I")))[::-1]
        return name, shape, self.number("I"), self.number("Q")


def _opened(path: Path):
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
