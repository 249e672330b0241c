"""What neural language models share: state as a value, and one compiled step that makes them `LanguageModel`s."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from lmtutorial import writing
from lmtutorial.backends import compiled
from lmtutorial.errors import InputError

State = tuple[Any, ...]


class NeuralLM(keras.Model):
    """A Keras model of logits that generates and scores through the book's protocol.

    A state is a tuple of arrays whose first axis is the sequence of the batch; nothing is changed in place. Before the
    first token of a text there is nothing to look at, and the prediction is uniform: that token costs ln V nats.

    Args:
        vocab_size: V.
        name: of the Keras model, and of its weights in a file.

    Attributes:
        window: the most tokens that it looks at; None: its state carries any number along.
        stride: tokens from one window to the next where a text is longer.
    """

    window: int | None = None
    stride: int | None = None

    def __init__(self, vocab_size: int, name: str):
        super().__init__(name=name)
        self.vocab_size = vocab_size

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """Return the state of `batch` sequences before any token."""

    @abstractmethod
    def call(self, ids, state: State | None = None, training: bool = False):
        """Return the logits (B, T, V) of the token after each of `ids` (B, T), and the state after the last."""

    @abstractmethod
    def score(self, ids: np.ndarray) -> np.ndarray:
        """Return the cost in nats of each of the (T,) tokens given the tokens before it, shape (T,)."""

    def start(self) -> tuple[State, np.ndarray]:
        """Return the state of one sequence before any token, and the logits (V,) of the first: all equal."""
        return self.initial_state(1), np.zeros(self.vocab_size, dtype=np.float32)

    def step(self, state: State, token: int) -> tuple[State, np.ndarray]:
        """Return the state of one sequence after `token`, and the logits (V,) of the next."""
        state, logits = self.advance(state, [token])
        return state, logits[0]

    def read(self, ids: Sequence[int]) -> tuple[State, np.ndarray]:
        """Return the state of one sequence after the tokens `ids`, and the logits (V,) of the next."""
        state, logits = self.start()
        for token in ids:
            state, logits = self.step(state, token)
        return state, logits

    def advance(self, state: State, tokens: Sequence[int]) -> tuple[State, np.ndarray]:
        """Return the state of B sequences after a token (B,) each, and the logits (B, V) of the next."""
        logits, *state = self._step(np.asarray(tokens, dtype=np.int32)[:, None], *state)
        return tuple(state), ops.convert_to_numpy(logits)

    def write(
        self, state: State, logits: np.ndarray, draws: np.ndarray, temperature: float
    ) -> tuple[np.ndarray, State, np.ndarray]:
        """Draw tokens, each from the logits after the one before it: the same as `advance` does, in fewer calls.

        Args:
            state: of B sequences.
            logits: (B, V) of the next token.
            draws: (B, N) numbers from [0, 1): where in the cumulative distribution the tokens lie.
            temperature: that divides the logits; 0 takes the likeliest token.

        Returns:
            The tokens (B, N), the state after them, and the logits (B, V) of the next.

        Raises:
            InputError: the largest of a row of logits is not finite.
        """
        written = []
        while draws.shape[1]:
            _finite(logits)
            state, room = self.roomy(state)
            count = min(draws.shape[1], writing.AT_ONCE, room)
            these = writing.padded(draws[:, :count])
            tokens, logits, *state = self._several(these, np.float32(temperature), np.int32(count), logits, *state)
            written.append(ops.convert_to_numpy(tokens)[:, :count])
            state, draws = tuple(state), draws[:, count:]
        return np.concatenate(written, axis=1), state, _finite(logits)

    def roomy(self, state: State) -> tuple[State, int]:
        """Return a state with room for another token in every sequence, and for how many there is room at least."""
        return state, writing.AT_ONCE

    def join(self, states: Sequence[State]) -> State:
        """Return the state of a batch of several sequences, from one state each."""
        return tuple(ops.concatenate(parts, axis=0) for parts in zip(*states))

    def select(self, state: State, rows: Sequence[int]) -> State:
        """Return the state of the sequences `rows`, which may come several times or not at all."""
        return tuple(ops.take(part, ops.convert_to_tensor(rows, dtype="int32"), axis=0) for part in state)

    def forget_compiled(self) -> None:
        """Have what was compiled compiled again, after a layer was replaced: it would go on with the old weights."""
        for name in [name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)]:
            del self.__dict__[name]

    def after(self, ids, state: State, at=None):
        """Return the logits (B, V) after `ids` (B, T), and the state; traced, not compiled.

        Args:
            ids: the next tokens.
            state: before them; there must be room for them.
            at: the place in a window's state where they go; None: its end, and what was there moves on.
        """
        logits, state = self(ids, state)
        return logits[:, -1], state

    @cached_property
    def _step(self):
        def step(ids, *state):
            logits, state = self.after(ids, state)
            return logits, *state

        return compiled(self, step)

    @cached_property
    def _several(self):
        return writing.several(self)

    @cached_property
    def _costs(self):
        """Compiled: the costs (B, T) of `targets` after each of `ids`, both (B, T), and the state after the last."""

        def costs(ids, targets, *state):
            logits, state = self(ids, state or None)
            chosen = ops.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
            return ops.logsumexp(logits, axis=-1) - chosen, *state

        return compiled(self, costs)


def _finite(logits) -> np.ndarray:
    """Return the logits (B, V) as an array; raise InputError if the largest of a row is not finite."""
    logits = ops.convert_to_numpy(logits)
    largest = logits.max(axis=-1)
    if len(bad := largest[~np.isfinite(largest)]):
        raise InputError(f"nothing can be drawn from logits whose largest is {bad[0]}")
    return logits
