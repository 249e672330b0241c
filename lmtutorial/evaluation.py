"""One protocol for all models, and what is measured through it.

A language model is anything with `vocab_size` and `score(ids) -> nats per token`; what generates has `start()` and
`step(state, token)` too. Perplexity is per token, so it depends on the tokenizer; bits per character and bits per
byte divide the same total by what every tokenizer leaves alone. Equations 1.2 to 1.4 of the book.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lmtutorial.errors import InputError
from lmtutorial.tokenizers import Tokenizer

if TYPE_CHECKING:
    import pandas as pd


class LanguageModel(Protocol):
    """What `evaluate`, `check`, the compressor and the generators ask of a model."""

    vocab_size: int

    def score(self, ids: np.ndarray) -> np.ndarray:
        """Return the cost in nats of each of the (T,) tokens given all tokens before it, shape (T,)."""

    def start(self) -> tuple[Any, np.ndarray]:
        """Return the state before any token, and the logits (V,) of the first token."""

    def step(self, state: Any, token: int) -> tuple[Any, np.ndarray]:
        """Return the state after `token`, and the logits (V,) of the next; `state` itself stays as it is."""


@dataclass(frozen=True)
class Evaluation:
    """What a full pass over a text found.

    Args:
        nats: (T,) cost of each token.
        characters, bytes: length of the text, in Unicode characters and in bytes of UTF-8.
        seconds: that scoring took.
    """

    nats: np.ndarray
    characters: int
    bytes: int
    seconds: float

    @property
    def tokens(self) -> int:
        """How many tokens were scored."""
        return len(self.nats)

    @property
    def nats_per_token(self) -> float:
        """Cross-entropy per token, in nats."""
        return float(self.nats.mean())

    @property
    def perplexity(self) -> float:
        """exp(nats per token): comparable only between models that share a tokenizer."""
        return float(np.exp(self.nats_per_token))

    @property
    def bits_per_char(self) -> float:
        """Total cost in bits over the characters of the text."""
        return float(self.nats.sum() / np.log(2) / self.characters)

    @property
    def bits_per_byte(self) -> float:
        """Total cost in bits over the bytes of the text."""
        return float(self.nats.sum() / np.log(2) / self.bytes)

    def figures(self) -> dict[str, float | int]:
        """Return all of them by name, totals too; `impossible_tokens` had probability 0 and make costs infinite."""
        return {
            "nats_per_token": self.nats_per_token,
            "nats": float(self.nats.sum()),
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
            "perplexity": self.perplexity,
            "tokens": self.tokens,
            "characters": self.characters,
            "bytes": self.bytes,
            "impossible_tokens": int(np.isinf(self.nats).sum()),
            "seconds": round(self.seconds, 4),
        }


def table(results: dict[str, Evaluation]) -> "pd.DataFrame":
    """Return the table that all chapters share: one row a model, the figures of `Evaluation.figures` as columns."""
    import pandas as pd  # takes longer to import than all else here

    return pd.DataFrame([result.figures() for result in results.values()], index=list(results))


def evaluate(model: LanguageModel, tokenizer: Tokenizer, text: str) -> Evaluation:
    """Score all of `text`, every token given everything before it.

    Raises:
        InputError: `text` is empty, or its tokens and the model's vocabulary do not fit.
    """
    if not text:
        raise InputError("there is no text to evaluate on")
    if tokenizer.vocab_size != model.vocab_size:
        raise InputError(f"the tokenizer has {tokenizer.vocab_size} symbols, the model {model.vocab_size}")
    ids = tokenizer.encode(text)
    start = time.perf_counter()
    nats = model.score(ids)
    return Evaluation(nats, len(text), len(text.encode()), time.perf_counter() - start)


def check(model: LanguageModel, seed: int = 0) -> None:
    """Refuse a model whose scores are not those of a language model.

    Tried after 0, 1 and 16 random tokens, with every possible next token and one more behind it: their probabilities
    must sum to 1 within 1e-4, and the scores of the tokens before must not change by more than 1e-4 nats with them.
    Takes 3 V scores.

    Raises:
        InputError: one of the two fails; the message gives the numbers.
    """
    text = np.random.default_rng(seed).integers(model.vocab_size, size=17)
    tried = {}
    for length in (0, 1, 16):
        texts = (np.append(text[:length], (token, text[-1])) for token in range(model.vocab_size))
        tried[length] = costs = np.array([model.score(ids) for ids in texts])
        moved = ~np.isclose(costs[:, :length], costs[0, :length], rtol=0, atol=1e-4, equal_nan=True)
        if moved.any():
            other, place = np.argwhere(moved)[0]
            raise InputError(
                f"the model looks ahead: token {place} costs {costs[0, place]:.4f} nats, "
                f"but {costs[other, place]:.4f} after a change to token {length}"
            )
    for length, costs in tried.items():
        total = float(np.exp(-costs[:, length]).sum())
        if not abs(total - 1) < 1e-4:
            raise InputError(f"not a language model: after {length} tokens the probabilities sum to {total:.6g}, not 1")


def block_sums(values: np.ndarray, size: int) -> np.ndarray:
    """Sum `values` (T,) over consecutive blocks of `size`; a shorter rest joins the last block."""
    return np.add.reduceat(values, np.arange(0, max(len(values) - size + 1, 1), size))


def paired_bootstrap(
    first: np.ndarray, second: np.ndarray, units: np.ndarray, seed: int = 0, resamples: int = 10_000
) -> tuple[float, float, float]:
    """Compare two models on the same documents or blocks.

    The blocks are drawn anew with replacement, the same draw for both models, so that a hard block weighs on both.

    Args:
        first, second: (G,) cost of each block for the two models, in nats or bits.
        units: (G,) what to divide by: tokens, characters or bytes of each block.
        seed: of the draws.
        resamples: how many.

    Returns:
        The difference first - second per unit, and the ends of its 95 % interval (percentile method).

    Raises:
        InputError: fewer than two blocks, or lengths that differ.
    """
    if not len(first) == len(second) == len(units):
        raise InputError(f"{len(first)}, {len(second)} and {len(units)} blocks cannot be paired")
    if len(units) < 2:
        raise InputError("an interval needs at least two blocks")
    difference, units = np.subtract(first, second), np.asarray(units, dtype=float)
    draws = np.random.default_rng(seed).multinomial(len(units), np.full(len(units), 1 / len(units)), size=resamples)
    low, high = np.percentile(draws @ difference / (draws @ units), [2.5, 97.5])
    return float(difference.sum() / units.sum()), float(low), float(high)
