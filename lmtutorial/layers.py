"""The parts of a Transformer block: attention with a causal mask, positions, norms, the feed-forward network.

Shapes: `B` batch, `T` positions that are read now, `S` positions in the window, `D` width of the model, `H` heads, `K`
key/value heads, `d` channels of a head, `F` width of the feed-forward network.
"""

import math

import keras
import numpy as np
from keras import ops

from lmtutorial.backends import gpu

KeysValues = tuple  # both (B, S, K, d)
PART = 64  # queries that a processor takes at a time in training


def sinusoids(length: int, width: int) -> np.ndarray:
    """Return the table (length, width) of sinusoidal positions, equation 3.4 (Vaswani et al. 2017).

    Columns 2i and 2i + 1 are the sine and the cosine of position / 10000^(2i / width).
    """
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1)
    return table[:, :width].astype(np.float32)


def rotate(x, positions, base: float = 10_000.0):
    """Return `x` turned by its positions: rotary positions, equation 3.5 (Su et al. 2021).

    Channels i and i + d/2 are a point of the plane, turned by position / base^(2i / d) radians. A product of a query
    and a key turned so depends on how far apart they are, not on where they stand.

    Args:
        x: (B, T, H, d) queries or keys, d even.
        positions: (T,) or (B, T) whole numbers.
        base: the slowest wave is almost 2π `base` positions long.
    """
    return _turned(x, *_waves(positions, x.shape[-1], base))


def _waves(positions, width: int, base: float):
    """Return the cosines and sines (…, T, 1, d/2) that turn channels at `positions`."""
    half = width // 2
    frequency = base ** (-np.arange(half, dtype=np.float32) / half)
    angles = ops.cast(positions, "float32")[..., None, None] * frequency
    return ops.cos(angles), ops.sin(angles)


def _turned(x, cosine, sine):
    first, second = ops.split(x, 2, axis=-1)
    cosine, sine = ops.cast(cosine, x.dtype), ops.cast(sine, x.dtype)
    return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def attend(query, key, value, mask):
    """Return softmax(Q Kᵀ / √d) V (B, T, H, d), equations 3.1 and 3.2, and the attention weights (B, H, T, S).

    Args:
        query: (B, T, H, d).
        key, value: (B, S, K, d); each of the K heads serves H / K heads of the queries (Ainslie et al. 2023).
        mask: (T, S) or (B, T, S), true where the query may look.
    """
    B, T, H, d = query.shape
    S, K = key.shape[1:3]
    query = ops.reshape(query, (B, T, K, H // K, d)) / math.sqrt(d)
    scores = ops.cast(ops.einsum("btkgd,bskd->bkgts", query, key), "float32")
    mask = mask if len(mask.shape) == 2 else mask[:, None, None]
    scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores) if S > 1 else ops.ones_like(scores)  # of one position Keras would warn
    weights = ops.cast(weights, value.dtype)
    mixed = ops.einsum("bkgts,bskd->btkgd", weights, value)
    return ops.reshape(mixed, (B, T, H, d)), ops.reshape(weights, (B, H, T, S))


def attend_causally(query, key, value, mask):
    """Return what `attend` returns first, where the T queries are the last of the S positions and none looks ahead.

    A GPU never writes the weights to its memory (Dao et al. 2022). A processor takes `PART` queries at a time, and only
    the keys up to the last of them: what it would compute of the others the mask hides.
    """
    T, S = query.shape[1], key.shape[1]
    if gpu():
        group = query.shape[2] // key.shape[2]
        key, value = (ops.repeat(part, group, axis=2) for part in (key, value))
        mask = mask[None, None] if len(mask.shape) == 2 else mask[:, None]
        return ops.dot_product_attention(query, key, value, mask=mask)
    parts = []
    for first in range(0, T, PART):
        last = min(first + PART, T)
        seen = S - T + last
        part, _ = attend(query[:, first:last], key[:, :seen], value[:, :seen], mask[..., first:last, :seen])
        parts.append(part)
    return ops.concatenate(parts, axis=1)


def product(x, kernel):
    """Return `x` (…, rows) times `kernel` (rows, columns).

    A single row waits for the kernel to come from memory, and XLA has one core read it. As two products, of one half of
    the rows each, it is read by two cores at once.
    """
    rows, columns = kernel.shape
    if any(length != 1 for length in x.shape[:-1]) or rows % 2:
        return ops.matmul(x, kernel)
    halves = ops.matmul(ops.reshape(x, (2, 1, rows // 2)), ops.reshape(kernel, (2, rows // 2, columns)))
    return ops.reshape(ops.sum(halves, axis=0), (*x.shape[:-1], columns))


class Dense(keras.layers.Dense):
    """Keras' layer, without an activation, by `product`."""

    def call(self, x, training=None):
        """Return the product (…, columns) with `x` (…, rows), and the bias added."""
        x = product(x, self.kernel)
        return x if self.bias is None else x + self.bias


def dense(name: str, rows: int, columns: int, bias: bool, initializer) -> Dense:
    """Return a new layer, built."""
    layer = Dense(columns, use_bias=bias, kernel_initializer=initializer, name=name)
    layer.build((None, rows))
    return layer


def replace(part: keras.layers.Layer, name: str, layer: keras.layers.Layer) -> None:
    """Put `layer` in the place of the layer `name` of `part`, which is built."""
    part._tracker.unlock()  # as Keras' own `Dense.enable_lora` does: a built layer takes no others
    part._tracker.untrack(getattr(part, name))
    setattr(part, name, layer)
    part._tracker.lock()


def norm(kind: str, epsilon: float, bias: bool, name: str) -> keras.layers.Layer:
    """Return a new `layer` (Ba et al. 2016) or `rms` (Zhang and Sennrich 2019) norm, equations 3.8 and 3.9."""
    if kind == "rms":
        return keras.layers.RMSNormalization(epsilon=epsilon, name=name)
    return keras.layers.LayerNormalization(epsilon=epsilon, center=bias, name=name)


class Attention(keras.layers.Layer):
    """Multi-head self-attention, equation 3.3: every position looks at itself and at those before it.

    Args:
        heads: H.
        kv_heads: K, a divisor of H.
        head_width: d.
        bias: whether the four products have one.
        rotary_base: of rotary positions; None leaves queries and keys unturned.
        normalize: epsilon of the norm that brings every query and key to a root mean square of 1 before they are turned
            (Henry et al. 2020); None leaves them as they are.
        initializer, output_initializer: of the first three kernels, and of the last.
    """

    def __init__(
        self, heads, kv_heads, head_width, bias, rotary_base, normalize, initializer, output_initializer, **kwargs
    ):
        super().__init__(**kwargs)
        self.heads, self.kv_heads, self.head_width, self.bias = heads, kv_heads, head_width, bias
        self.rotary_base, self.normalize = rotary_base, normalize
        self.initializer, self.output_initializer = initializer, output_initializer

    def build(self, input_shape):
        width, read, kept = input_shape[-1], self.heads * self.head_width, self.kv_heads * self.head_width
        self.query = dense("query", width, read, self.bias, self.initializer)
        self.key = dense("key", width, kept, self.bias, self.initializer)
        self.value = dense("value", width, kept, self.bias, self.initializer)
        self.output_layer = dense("output", read, width, self.bias, self.output_initializer)
        if self.normalize:
            self.query_norm = keras.layers.RMSNormalization(epsilon=self.normalize, name="query_norm")
            self.key_norm = keras.layers.RMSNormalization(epsilon=self.normalize, name="key_norm")
            self.query_norm.build((None, self.head_width))
            self.key_norm.build((None, self.head_width))

    def call(self, x, positions, mask, past: KeysValues | None = None, at=None, training: bool = False):
        """Return the output (B, T, D), the keys and values of the window, and the weights; None in training.

        Args:
            x: (B, T, D).
            positions: (T,) or (B, T).
            mask: as `attend` wants it.
            past: keys and values (B, S, K, d) of what was before `x`.
            at: the place in `past` where those of `x` go; None: its end, and the oldest T make room for them.
        """
        B, T, _ = x.shape
        query = ops.reshape(self.query(x), (B, T, self.heads, self.head_width))
        key = ops.reshape(self.key(x), (B, T, self.kv_heads, self.head_width))
        value = ops.reshape(self.value(x), (B, T, self.kv_heads, self.head_width))
        if self.normalize:
            query, key = self.query_norm(query), self.key_norm(key)
        if self.rotary_base:
            waves = _waves(positions, self.head_width, self.rotary_base)
            query, key = _turned(query, *waves), _turned(key, *waves)
        if past is not None:
            key, value = follow(past[0], key, at), follow(past[1], value, at)
        if training:
            mixed, weights = attend_causally(query, key, value, mask), None
        else:
            mixed, weights = attend(query, key, value, mask)
        return self.output_layer(ops.reshape(mixed, (B, T, -1))), (key, value), weights


def follow(window, new, at=None):
    """Return `window` (B, S, …) with `new` (B, T, …) from place `at` on; None: at its end, without its T oldest."""
    if at is not None:
        return ops.slice_update(window, (0, at) + (0,) * (len(window.shape) - 2), new)
    return ops.concatenate([window[:, new.shape[1] :], new], axis=1)


class FeedForward(keras.layers.Layer):
    """Two products with a nonlinearity between them, at every position alone, equation 3.10.

    Args:
        hidden: F.
        kind: `relu`, `relu2` (its square, So et al. 2021), `gelu` (by tanh, as in GPT-2), or `swiglu`, whose hidden
            layer is multiplied by a gate (Shazeer 2020).
        bias: whether the products have one.
        initializer, output_initializer: of the kernels into the hidden layer, and out of it.
    """

    def __init__(self, hidden, kind, bias, initializer, output_initializer, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.kind, self.bias = hidden, kind, bias
        self.initializer, self.output_initializer = initializer, output_initializer

    def build(self, input_shape):
        width = input_shape[-1]
        self.up = dense("up", width, self.hidden, self.bias, self.initializer)
        if self.kind == "swiglu":
            self.gate = dense("gate", width, self.hidden, self.bias, self.initializer)
        self.down = dense("down", self.hidden, width, self.bias, self.output_initializer)

    def call(self, x):
        """Return the output (…, D) for `x` (…, D)."""
        if self.kind == "swiglu":
            return self.down(ops.silu(self.gate(x)) * self.up(x))
        return self.down(ACTIVATIONS[self.kind](self.up(x)))


ACTIVATIONS = {
    "relu": ops.relu,
    "relu2": lambda x: ops.square(ops.relu(x)),
    "gelu": lambda x: ops.gelu(x, approximate=True),
}


class Block(keras.layers.Layer):
    """Attention, then the feed-forward network, each added to what it read, equations 3.6 and 3.7.

    Args:
        attention, feed_forward: the two layers.
        norms: two layers; first thing in a branch where `norm_first` (Xiong et al. 2020), else after the addition.
        norm_first: which of the two.
        dropout: share of each branch's outputs that training sets to zero.
    """

    def __init__(self, attention, feed_forward, norms, norm_first, dropout, **kwargs):
        super().__init__(**kwargs)
        self.attention, self.feed_forward = attention, feed_forward
        self.norms, self.norm_first = norms, norm_first
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, input_shape):
        for layer in (self.attention, self.feed_forward, *self.norms):
            layer.build(input_shape)

    def call(self, x, positions, mask, past: KeysValues | None = None, at=None, training: bool = False):
        """Return x (B, T, D) after the block, and what `Attention` returns beside its output."""
        read = self.norms[0](x) if self.norm_first else x
        branch, new, weights = self.attention(read, positions, mask, past, at, training=training)
        x = x + self.dropout(branch, training=training)
        x = x if self.norm_first else self.norms[0](x)
        branch = self.feed_forward(self.norms[1](x) if self.norm_first else x)
        x = x + self.dropout(branch, training=training)
        return (x if self.norm_first else self.norms[1](x)), new, weights
