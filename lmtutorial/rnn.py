"""Recurrent language models: an embedding, stacked SimpleRNN, GRU or LSTM layers, and a softmax over the vocabulary.

One configuration covers the article's `RNNModel` and everything that chapter 4 trains.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lmtutorial.errors import InputError
from lmtutorial.neural import NeuralLM, State
from lmtutorial.recurrences import gru, lstm, simple_rnn

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WARM_UP = 1024  # tokens that a part of a long text reads before the first that it scores
PART = 4096  # tokens that such a part scores, at least


@dataclass(frozen=True)
class RNNConfig:
    """The shape of an `RNNLM`.

    Args:
        vocab_size: V.
        cell: `rnn`, `gru` or `lstm`.
        embedding: E, width of the token embedding.
        units: U, width of every recurrent layer.
        layers: L, how many are stacked.
        dropout: share of each layer's outputs that training sets to zero.
        tie_embeddings: use the embedding as the output matrix too (Press and Wolf 2017); needs E = U.

    Raises:
        InputError: a value makes no sense; the message says which.
    """

    vocab_size: int
    cell: str = "lstm"
    embedding: int = 64
    units: int = 400
    layers: int = 1
    dropout: float = 0.0
    tie_embeddings: bool = False

    def __post_init__(self):
        if self.cell not in GATES:
            raise InputError(f"there is no cell {self.cell!r}; there are {', '.join(GATES)}")
        for name in ("vocab_size", "embedding", "units", "layers"):
            if not getattr(self, name) >= 1:
                raise InputError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and less than 1; got {self.dropout}")
        if self.tie_embeddings and self.embedding != self.units:
            raise InputError(
                f"tied embeddings need embedding = units; got embedding {self.embedding} and units {self.units}"
            )


class Recurrent(keras.layers.Layer):
    """One recurrent layer, in two halves: `project` knows no time, `call` runs through it.

    Weights, in Keras' order of gates (z, r, candidate for the GRU; i, f, candidate, o for the LSTM): `kernel`
    (D, G U), `recurrent_kernel` (U, G U), `bias` (G U,), and for the GRU `recurrent_bias` (U,). The LSTM's forget gate
    starts with bias 1 (Jozefowicz et al. 2015).

    Args:
        cell: `rnn`, `gru` or `lstm`.
        units: U.
    """

    def __init__(self, cell: str, units: int, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units

    def build(self, input_shape):
        wide = GATES[self.cell] * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], wide), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, wide), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(wide,), initializer=self._first_bias, name="bias")
        if self.cell == "gru":
            self.recurrent_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="recurrent_bias")

    def _first_bias(self, shape, dtype=None):
        bias = np.zeros(shape)
        if self.cell == "lstm":
            bias[self.units : 2 * self.units] = 1
        return ops.convert_to_tensor(bias, dtype=dtype)

    def initial_state(self, batch: int) -> State:
        """Return zeros (B, U): the hidden state, and for the LSTM its cell."""
        return tuple(ops.zeros((batch, self.units), dtype=self.compute_dtype) for _ in range(1 + (self.cell == "lstm")))

    def project(self, x):
        """Return x kernel + bias, (…, G U), for inputs (…, D)."""
        return ops.matmul(x, self.kernel) + self.bias

    def call(self, projected, state: State):
        """Return the outputs (T, B, U) for projected inputs (T, B, G U), and the state after the last."""
        kernel = ops.copy(self.recurrent_kernel)  # TensorFlow's custom gradients take no variable
        match self.cell:
            case "rnn":
                outputs, *state = simple_rnn(projected, kernel, *state)
            case "gru":
                outputs, *state = gru(projected, kernel, ops.copy(self.recurrent_bias), *state)
            case "lstm":
                outputs, *state = lstm(projected, kernel, *state)
        return outputs, tuple(state)


class RNNLM(NeuralLM):
    """A recurrent language model: chapters 2 and 4 (Mikolov et al. 2010; Zaremba et al. 2014).

    Args:
        config: its shape.

    Example:
        >>> model = RNNLM(RNNConfig(vocab_size=65, cell="gru", embedding=8, units=16))
        >>> logits, state = model(np.zeros((2, 5), dtype="int32"))
        >>> logits.shape == (2, 5, 65), state[0].shape == (2, 16)
        (True, True)
    """

    def __init__(self, config: RNNConfig):
        super().__init__(config.vocab_size, name="rnn")
        self.config = config
        self.recurrent = [Recurrent(config.cell, config.units, name=f"layer_{i}") for i in range(config.layers)]
        self.dropout = keras.layers.Dropout(config.dropout)
        self.embedding = self.add_weight(
            shape=(config.vocab_size, config.embedding), initializer="uniform", name="embedding"
        )
        if not config.tie_embeddings:
            self.output_kernel = self.add_weight(
                shape=(config.units, config.vocab_size), initializer="glorot_uniform", name="output_kernel"
            )
        self.output_bias = self.add_weight(shape=(config.vocab_size,), initializer="zeros", name="output_bias")
        for i, layer in enumerate(self.recurrent):
            layer.build((None, None, config.units if i else config.embedding))
        self.built = True

    def initial_state(self, batch: int) -> State:
        return tuple(part for layer in self.recurrent for part in layer.initial_state(batch))

    def call(self, ids, state: State | None = None, training: bool = False):
        state = self.initial_state(ids.shape[0]) if state is None else state
        each, after = len(state) // self.config.layers, ()
        x = self._projected(ops.transpose(ids), self.recurrent[0])
        for i, layer in enumerate(self.recurrent):
            x, new = layer(layer.project(x) if i else x, state[i * each : (i + 1) * each])
            x, after = self.dropout(x, training=training), after + new
        return self._logits(ops.transpose(x, (1, 0, 2))), after

    def _projected(self, ids, layer: Recurrent):
        """Return the first layer's projected inputs (T, B, G U) of `ids` (T, B).

        A projected row of the embedding is a row of the projected embedding: where the text is longer than the
        vocabulary, the table is projected and not the text.
        """
        if self.vocab_size < ids.shape[0] * ids.shape[1]:
            return ops.take(layer.project(self.embedding), ids, axis=0)
        return layer.project(ops.take(self.embedding, ids, axis=0))

    def _logits(self, x):
        kernel = ops.transpose(self.embedding) if self.config.tie_embeddings else self.output_kernel
        return ops.cast(ops.matmul(x, kernel) + self.output_bias, "float32")

    def score(self, ids: np.ndarray) -> np.ndarray:
        """Return the cost in nats of each of the (T,) tokens given the tokens before it, shape (T,).

        The state is carried along, so a short text is scored exactly. A text of more than 8,192 tokens is cut into
        parts that are read side by side, each from 1,024 tokens before its first one.
        """
        nats = np.full(len(ids), np.log(self.vocab_size))
        ids = np.asarray(ids, dtype=np.int32)
        inputs, targets = ids[:-1], ids[1:]
        parts = max(1, len(inputs) // PART)
        size = -(-len(inputs) // parts)
        first = np.arange(parts) * size
        read_from = np.maximum(first - WARM_UP, 0)
        costs = self._side_by_side(inputs, targets, read_from, size + WARM_UP * (parts > 1))
        for begin, read, row in zip(first, read_from, costs):
            part = nats[1 + begin : 1 + begin + size]
            part[:] = row[begin - read :][: len(part)]
        return nats

    def _side_by_side(self, inputs, targets, begin, length):
        """Return the costs (B, length) of `targets` from each of the places `begin` (B,) on; past the end, rubbish."""
        chunk = _chunk(length, len(begin) * self.vocab_size)
        steps = range(0, length, chunk)
        place = np.minimum(begin[:, None] + np.arange(len(steps) * chunk), max(len(inputs) - 1, 0))
        state, costs = self.initial_state(len(begin)), []
        for step in steps:
            at = place[:, step : step + chunk]
            found, *state = self._costs(inputs[at], targets[at], *state)
            costs.append(ops.convert_to_numpy(found))
        return np.concatenate(costs, axis=1) if costs else np.empty((len(begin), 0))


def _chunk(length: int, row: int) -> int:
    """Return how many times to run through at once: a power of two, whose logits of `row` a time fit in 64 MiB."""
    wanted, allowed = max(length, 1).bit_length(), (2**24 // row).bit_length() - 1
    return 2 ** max(0, min(wanted, allowed, 9))
