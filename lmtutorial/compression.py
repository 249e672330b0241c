"""Prediction is compression: an arithmetic coder driven by any language model.

A token of probability p costs about -log2 p bits (Shannon 1948); the coder is that of Witten, Neal & Cleary (1987),
"Arithmetic coding for data compression". All its arithmetic is on integers, and the model's log-probabilities are first
rounded to 1/64 nat, so that a last-bit difference between two machines hardly ever garbles a file; if it does, the
file's SHA-256 tells.
"""

import decimal
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from lmtutorial import data, ngram
from lmtutorial.errors import InputError
from lmtutorial.evaluation import LanguageModel
from lmtutorial.files import sha256

Progress = Callable[
    [Iterable, int], Iterable
]  # passes on the items of an iterable of known length, showing how far it is

HALF, QUARTER = 1 << 47, 1 << 46  # of the coder's interval
SCALE = 1 << 24  # about the sum of a step's integer frequencies
PARTS = 64  # of a nat, to which costs are rounded: 1e-5 nats a token lost
MAGIC = b"lmtutorial compressed file 1\n"
DAMAGED = "the compressed file is truncated or damaged; use a whole copy"


@functools.cache
def _frequency_table() -> np.ndarray:
    """Integer frequencies of the costs 0, 1/64, 2/64, … nats; decimal arithmetic is the same on every machine."""
    with decimal.localcontext(decimal.Context(prec=30)):
        shares = ((decimal.Decimal(-k) / PARTS).exp() for k in range(17 * PARTS))  # e^-17 is under 1/SCALE
        return np.array([max(1, int(SCALE * share)) for share in shares])


def frequencies(logits: np.ndarray) -> np.ndarray:
    """Return positive integers (V,) in proportion to the softmax of `logits` (V,)."""
    logits = np.asarray(logits, dtype=np.float64)
    top = logits.max()
    cost = top + np.log(np.exp(logits - top).sum()) - logits
    table = _frequency_table()
    return table[np.minimum(np.rint(cost * PARTS), len(table) - 1).astype(np.int64)]


class _Interval:
    """The coder's interval low…high, doubled whenever its place is settled."""

    def __init__(self):
        self.low, self.high = 0, 2 * HALF - 1

    def narrow(self, ends: np.ndarray, token: int) -> Iterator[int]:
        """Shrink to the token's share; yield what is taken off before each doubling.

        That is 0 in the lower half, HALF in the upper one, QUARTER in the middle, where the next bit is still open.
        """
        start, end, total = int(ends[token - 1]) if token else 0, int(ends[token]), int(ends[-1])
        width = self.high - self.low + 1
        self.low, self.high = self.low + width * start // total, self.low + width * end // total - 1
        while (offset := self._settled()) is not None:
            self.low, self.high = 2 * (self.low - offset), 2 * (self.high - offset) + 1
            yield offset

    def _settled(self) -> int | None:
        if self.high < HALF:
            return 0
        if self.low >= HALF:
            return HALF
        return QUARTER if self.low >= QUARTER and self.high < HALF + QUARTER else None

    def token_at(self, value: int, ends: np.ndarray) -> int:
        """Return the token whose share holds `value`."""
        share = ((value - self.low + 1) * int(ends[-1]) - 1) // (self.high - self.low + 1)
        return int(np.searchsorted(ends, share, side="right"))


def encode(model: LanguageModel, ids: Iterable[int]) -> bytes:
    """Return the code of the tokens `ids`, to be decoded with the same model."""
    interval, bits, open_bits = _Interval(), [], 0
    state, logits = model.start()
    for token in ids:
        for offset in interval.narrow(np.cumsum(frequencies(logits)), token):
            if offset == QUARTER:
                open_bits += 1
                continue
            bit = offset == HALF
            bits += [bit] + open_bits * [not bit]
            open_bits = 0
        state, logits = model.step(state, token)
    last = interval.low >= QUARTER
    bits += [last] + (open_bits + 1) * [not last]
    return np.packbits(np.array(bits, dtype=bool)).tobytes()


def decode(model: LanguageModel, code: bytes, count: int) -> Iterator[int]:
    """Yield the `count` tokens whose code is `code`.

    Raises:
        InputError: `code` ends before so many tokens.
    """
    bits, interval, value = _bits(code), _Interval(), 0
    for _ in range(HALF.bit_length()):
        value = 2 * value + next(bits)
    state, logits = model.start()
    for _ in range(count):
        ends = np.cumsum(frequencies(logits))
        token = interval.token_at(value, ends)
        for offset in interval.narrow(ends, token):
            value = 2 * (value - offset) + next(bits)
        yield token
        state, logits = model.step(state, token)


def _bits(code: bytes) -> Iterator[int]:
    """Yield the bits of `code`, then the zeros that a decoder reads ahead; no whole code needs more."""
    yield from np.unpackbits(np.frombuffer(code, dtype=np.uint8)).tolist()
    yield from itertools.repeat(0, HALF.bit_length() - 2)
    raise InputError(DAMAGED)


def _silent(items: Iterable, total: int) -> Iterable:
    return items


def compress(content: bytes, model: str, data_name: str, progress: Progress = _silent) -> bytes:
    """Return `content` as a compressed file that names the model it needs.

    Args:
        content: any bytes.
        model: name of a byte-level n-gram model, as `ngram.train` takes it.
        data_name: the corpus, or the file, on whose training split it is trained.
        progress: wraps the iteration over bytes.

    Raises:
        InputError: there is no such model or corpus.
    """
    text = _training_text(data_name)
    code = encode(_byte_model(model, text), progress(content, len(content)))
    header = {"model": model, "data": data_name, "data_sha256": sha256(text)}
    header |= {"bytes": len(content), "sha256": sha256(content), "code_bytes": len(code)}
    return MAGIC + json.dumps(header).encode() + b"\n" + code


def decompress(file: bytes, progress: Progress = _silent) -> bytes:
    """Return the bytes that `compress` made `file` of.

    Raises:
        InputError: `file` is not such a file, is truncated or damaged, or its training text is not the one here.
    """
    header, code = _parse(file)
    text = _training_text(header["data"])
    if sha256(text) != header["data_sha256"]:
        raise InputError(
            f"the file was made with another text of the name {header['data']!r}; it cannot be decoded here"
        )
    trained = _byte_model(header["model"], text)
    content = bytes(progress(decode(trained, code, header["bytes"]), header["bytes"]))
    if sha256(content) != header["sha256"]:
        raise InputError("the compressed file is damaged: its content does not have the SHA-256 that it names")
    return content


def _parse(file: bytes) -> tuple[dict, bytes]:
    if not file.startswith(MAGIC):
        raise InputError("this is no file of `lmtutorial compress`")
    head, _, code = file[len(MAGIC) :].partition(b"\n")
    kinds = {"model": str, "data": str, "data_sha256": str, "bytes": int, "sha256": str, "code_bytes": int}
    try:
        header = json.loads(head)
        whole = all(type(header[key]) is kind for key, kind in kinds.items())
    except (ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole or len(code) != header["code_bytes"] or header["bytes"] < 0:
        raise InputError(DAMAGED)
    return header, code


def _training_text(data_name: str) -> bytes:
    known = data_name in data.REGISTRY or not os.path.exists(data_name)  # the latter is for `load` to say
    if not known and not os.path.isfile(data_name):  # a stranger's file must not have a whole disk read
        raise InputError(f"{data_name} is no file; a model for compression learns from a named text or from one file")
    corpus = data.load(data_name)
    if not corpus.train:
        raise InputError(f"{data_name} has no training split; choose another corpus")
    return corpus.train.encode()


def _byte_model(model: str, text: bytes) -> LanguageModel:
    return ngram.train(model, np.frombuffer(text, dtype=np.uint8), vocab_size=256)
