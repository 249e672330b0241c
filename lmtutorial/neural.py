"""What neural language models share: state as a value, and one compiled step that makes them `LanguageModel`s."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from lmtutorial.backends import compiled

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

    @cached_property
    def _step(self):
        def step(ids, *state):
            logits, state = self(ids, state or None)
            return logits[:, -1], *state

        return compiled(self, step)

    @cached_property
    def _costs(self):
        """Compiled: the costs (B, T) of `targets` after each of `ids`, both (B, T), and the state after the last."""

        def costs(ids, targets, *state):
            logits, state = self(ids, state or None)
            chosen = ops.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
            return ops.logsumexp(logits, axis=-1) - chosen, *state

        return compiled(self, costs)
