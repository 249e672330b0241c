"""Text to integer ids and back: characters, bytes, words, byte-pair encoding.

Every tokenizer has `encode(text) -> ids`, `decode(ids) -> text`, `vocab_size`, `save(path)`; `load(path)` gives
it back. The vocabulary size always comes from the tokenizer, never from a constant.
"""

import json
import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import tokenizers

from lmtutorial.errors import InputError
from lmtutorial.files import read_text, write_atomically

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
AT_ONCE = 2**16  # characters that are turned into ids at a time: the memory beside the text and its ids is bounded


class Tokenizer(ABC):
    """What all tokenizers share: ids are `int32`, files are JSON with a `"type"`."""

    type: ClassVar[str]
    vocab_size: int
    longest: int | None = None  # the most tokens that a prompt may have; None: any number

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """Return the ids of `text`, shape (T,), int32."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; bytes that are not UTF-8 become U+FFFD."""

    @abstractmethod
    def to_dict(self) -> dict:
        """Return what `from_dict` needs, ready for JSON."""

    def save(self, path: Path) -> None:
        """Write the tokenizer to the JSON file `path`."""
        text = json.dumps({"type": self.type, **self.to_dict()}, ensure_ascii=False)
        write_atomically(Path(path), text.encode())

    def _checked(self, ids: Iterable[int]) -> np.ndarray:
        ids = np.fromiter(ids, dtype=np.int64)
        if ids.size and (ids.min() < 0 or ids.max() >= self.vocab_size):
            raise InputError(f"ids must lie in 0…{self.vocab_size - 1}; got {ids.min()}…{ids.max()}")
        return ids


class CharTokenizer(Tokenizer):
    """One id per character of a fixed alphabet.

    Args:
        alphabet: the characters, their position being their id.
        unknown: give characters outside the alphabet the last id, decoded as U+FFFD; without it they are an error.

    Example:
        >>> tokenizer = CharTokenizer.train("to be or not to be")
        >>> tokenizer.vocab_size
        7
        >>> tokenizer.decode(tokenizer.encode("robot"))
        'robot'
    """

    type = "char"

    def __init__(self, alphabet: str, unknown: bool = False):
        if not isinstance(alphabet, str) or len(set(alphabet)) != len(alphabet) or not alphabet:
            raise InputError("the alphabet must be a non-empty string of different characters")
        if not isinstance(unknown, bool):
            raise InputError(f"unknown must be True or False; got {unknown!r}")
        _utf8(alphabet)
        self.alphabet = alphabet
        self.unknown = unknown
        self.vocab_size = len(alphabet) + unknown
        self._points = np.array([ord(c) for c in alphabet], dtype=np.int64)
        self._sorted = np.argsort(self._points)

    @classmethod
    def train(cls, text: str, unknown: bool = False) -> "CharTokenizer":
        """Return a tokenizer whose alphabet is every character of `text`, sorted."""
        return cls("".join(sorted(set(text))), unknown)

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of `text`.

        Raises:
            InputError: characters outside the alphabet, unless `unknown`; the message names them.
        """
        ids = np.empty(len(text), dtype=np.int32)
        for begin in range(0, len(text), AT_ONCE):
            part = text[begin : begin + AT_ONCE]
            points = np.frombuffer(part.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
            place = np.searchsorted(self._points, points, sorter=self._sorted)
            found = self._sorted[np.minimum(place, len(self.alphabet) - 1)]
            missing = self._points[found] != points
            if missing.any() and not self.unknown:
                strange = "".join(sorted(set(text) - set(self.alphabet)))
                problem = f"{len(strange)} characters are not in the alphabet: {strange[:20]!r}"
                raise InputError(f"{problem}; leave them out, or train with unknown=True")
            ids[begin : begin + AT_ONCE] = np.where(missing, len(self.alphabet), found)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`."""
        symbols = self.alphabet + UNKNOWN
        return "".join(symbols[i] for i in self._checked(ids))

    def to_dict(self) -> dict:
        return {"alphabet": self.alphabet, "unknown": self.unknown}


class ByteTokenizer(Tokenizer):
    """One id per byte of the UTF-8 text: nothing to train, nothing unknown.

    Example:
        >>> ByteTokenizer().encode("词").tolist()
        [232, 175, 141]
    """

    type = "byte"
    vocab_size = 256

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(_utf8(text), dtype=np.uint8).astype(np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        return self._checked(ids).astype(np.uint8).tobytes().decode("utf-8", "replace")

    def to_dict(self) -> dict:
        return {}


class WordTokenizer(Tokenizer):
    """One id per frequent word; everything else is spelled in bytes, so that nothing is lost and nothing unknown.

    A word takes along the space before it, as in GPT-2. Ids 0 to 255 are bytes, the words follow. Because every
    text can be spelled, its bits per character may be compared with those of any other tokenizer.

    Args:
        words: the vocabulary, without the bytes.
    """

    type = "word"
    pattern = re.compile(r" ?\w+| ?[^\w\s]|\s")

    def __init__(self, words: list[str]):
        if isinstance(words, str) or len(set(words)) != len(words):
            raise InputError("the words of a vocabulary must be a list of different strings")
        self.words = list(words)
        self.vocab_size = 256 + len(self.words)
        self._ids = {word: [256 + i] for i, word in enumerate(self.words)}
        self._bytes = [_utf8(word) for word in self.words]

    @classmethod
    def train(cls, text: str, min_count: int = 2) -> "WordTokenizer":
        """Return a tokenizer of the words that `text` holds at least `min_count` times, most frequent first."""
        counts = Counter(cls.pattern.findall(text))
        frequent = [(-n, word) for word, n in counts.items() if n >= min_count]
        return cls([word for _, word in sorted(frequent)])

    def encode(self, text: str) -> np.ndarray:
        _utf8(text)
        ids = []
        for piece in self.pattern.findall(text):
            ids.extend(self._ids.get(piece) or piece.encode())
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        ids = self._checked(ids).tolist()
        return b"".join(bytes([i]) if i < 256 else self._bytes[i - 256] for i in ids).decode("utf-8", "replace")

    def to_dict(self) -> dict:
        return {"words": self.words}


class BPETokenizer(Tokenizer):
    """Byte-pair encoding over bytes, as in GPT-2 (Sennrich et al. 2016; Radford et al. 2019).

    The library `tokenizers` does the work. Every byte is in the vocabulary, so nothing is unknown.

    Args:
        model: a byte-level tokenizer of that library.
    """

    type = "bpe"

    def __init__(self, model: tokenizers.Tokenizer):
        self.model = model
        self.vocab_size = model.get_vocab_size()

    @classmethod
    def train(cls, text: str, vocab_size: int) -> "BPETokenizer":
        """Return a tokenizer with `vocab_size` symbols (fewer if `text` has no more pairs to merge).

        Raises:
            InputError: `vocab_size` is under 256, the number of bytes.
        """
        if vocab_size < 256:
            raise InputError(f"a byte-level vocabulary has at least 256 symbols; got {vocab_size}")
        model = tokenizers.Tokenizer(tokenizers.models.BPE())
        model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
        model.train_from_iterator(_passages(text), trainer)
        return cls(model)

    def encode(self, text: str) -> np.ndarray:
        ids = array("i")
        for passage in _passages(text):
            ids.extend(self.model.encode(passage).ids)
        return np.frombuffer(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        return self.model.decode(self._checked(ids).tolist(), skip_special_tokens=False)

    def to_dict(self) -> dict:
        return {"model": json.loads(self.model.to_str())}


class PretrainedTokenizer(BPETokenizer):
    """The tokenizer that a published model came with, and how it writes a conversation.

    Args:
        model: of the library `tokenizers`.
        vocab_size: V of the model, which may have unused ids behind the tokenizer's.
        longest: the model's window in tokens.
        end: the token that ends a text or an answer, such as `<|im_end|>`.
        template: of a conversation, in Jinja; None: the model was not taught conversations.

    Raises:
        InputError: the tokenizer has more symbols than the model.
    """

    type = "pretrained"

    def __init__(
        self, model: tokenizers.Tokenizer, vocab_size: int, longest: int, end: str | None, template: str | None
    ):
        super().__init__(model)
        if self.vocab_size > vocab_size:
            raise InputError(f"the tokenizer has {self.vocab_size} symbols, the model only {vocab_size}")
        self.vocab_size, self.longest, self.end, self.template = vocab_size, longest, end, template

    def encode(self, text: str) -> np.ndarray:
        _utf8(text)
        return np.array(self.model.encode(text, add_special_tokens=False).ids, dtype=np.int32)

    def chat(self, messages: list[dict[str, str]]) -> str:
        """Return the prompt after which the model writes the next answer of a conversation.

        Args:
            messages: each has a `role`, such as `system`, `user` or `assistant`, and its `content`.

        Raises:
            InputError: the model has no template, the template refuses the messages, or jinja2 is not installed.
        """
        if self.template is None:
            raise InputError("this model has no chat template: give it a text to go on with")
        try:
            from jinja2 import TemplateError
            from jinja2.sandbox import ImmutableSandboxedEnvironment
        except ModuleNotFoundError as error:
            raise InputError(f"a chat template needs {error.name}; install lmtutorial[pretrained]") from None
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        try:
            template = environment.from_string(self.template)
            return template.render(messages=messages, add_generation_prompt=True, eos_token=self.end, bos_token="")
        except TemplateError as error:
            raise InputError(f"the chat template cannot write these messages: {error}") from None

    def to_dict(self) -> dict:
        fields = {"vocab_size": self.vocab_size, "longest": self.longest, "end": self.end, "template": self.template}
        return super().to_dict() | fields


def train(level: str, text: str, other: str = "") -> Tokenizer:
    """Return a new tokenizer for `text` by level: `char`, `byte`, `word`, or `bpe:SIZE`.

    Args:
        level: which kind.
        text: to learn from, the training text.
        other: text that must be encoded later; characters that it holds and `text` does not are one unknown of `char`.

    Raises:
        InputError: there is no such level.
    """
    kind, _, size = level.partition(":")
    match kind:
        case "char" if not size:
            return CharTokenizer.train(text, unknown=not set(other) <= set(text))
        case "byte" if not size:
            return ByteTokenizer()
        case "word" if not size:
            return WordTokenizer.train(text)
        case "bpe" if size.isdecimal():
            return BPETokenizer.train(text, int(size))
    raise InputError(f"there is no level {level!r}; there are char, byte, word and bpe:SIZE, such as bpe:1000")


def load(path: Path) -> Tokenizer:
    """Return the tokenizer in the JSON file `path`.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    text = read_text(Path(path))
    try:
        fields = json.loads(text)
        match fields.pop("type"):
            case "char" | "byte" | "word" as kind:
                return {"char": CharTokenizer, "byte": ByteTokenizer, "word": WordTokenizer}[kind](**fields)
            case "bpe":
                return BPETokenizer(tokenizers.Tokenizer.from_str(json.dumps(fields["model"])))
            case "pretrained":
                model = tokenizers.Tokenizer.from_str(json.dumps(fields.pop("model")))
                return PretrainedTokenizer(model, **fields)
            case other:
                raise InputError(f"{path} holds an unknown type of tokenizer, {other!r}")
    except InputError:
        raise
    except Exception as error:  # the library raises bare Exception for a bad model
        raise InputError(f"{path} holds no tokenizer ({error})") from None


def _passages(text: str) -> Iterator[str]:
    """Cut a text where byte-pair encoding begins a new word in any case: before a lone space or line end."""
    before_space, begin = re.compile(r"(?<=\S)(?=[ \n]\S)"), 0
    while begin < len(text):
        cut = before_space.search(text, begin + AT_ONCE)
        passage = text[begin : cut.start() if cut else None]
        _utf8(passage, begin)
        yield passage
        begin += len(passage)


def _utf8(text: str, begin: int = 0) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        place = begin + error.start  # `text` may be a part that begins there
        raise InputError(f"character {place} is half of a surrogate pair, which is no Unicode text") from None
