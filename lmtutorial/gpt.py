"""GPT: a decoder-only Transformer whose variants are fields of one configuration.

The article's model, GPT-2 and the Llama family are configurations of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from keras import ops

from lmtutorial.backends import alike, compiled
from lmtutorial.errors import InputError
from lmtutorial.layers import Attention, Block, FeedForward, dense, follow, norm, sinusoids
from lmtutorial.neural import NeuralLM, State

CHOICES = {
    "positions": ("learned", "sinusoidal", "rotary", "none"),
    "norm": ("layer", "rms"),
    "mlp": ("gelu", "relu", "relu2", "swiglu"),
}
AT_ONCE = 2**22  # logits that are computed at once when a text is scored, at most
ROOM, PROMPT = 256, 64  # the narrowest state and the shortest prompt that are compiled; the next are 4 times as long


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a `GPT`.

    Args:
        vocab_size: V.
        context: S, the tokens of its window: the most that it looks at.
        layers: L blocks.
        width: D, of the residual stream.
        heads: H, of attention.
        num_kv_heads: K, heads of keys and values; each serves H / K heads. None: as many as heads.
        head_width: d, of a head. None: D / H.
        hidden: F, width of the feed-forward network. None: 4 D.
        embedding: E, width of the token embedding; another than D is projected to D. None: D.
        positions: `learned` (a table), `sinusoidal` (beside embeddings times √D), `rotary` or `none`.
        rotary_base: of rotary positions.
        norm: `layer` or `rms`.
        norm_first: normalise before attention and feed-forward network; if not, after adding what they return.
        epsilon: added to the variance by every norm.
        mlp: `gelu`, `relu`, `relu2` or `swiglu`.
        bias: whether products and norms have one.
        qk_norm: normalise queries and keys.
        zero_outputs: start both products that write to the residual stream at zero, not at 0.02 / √(2 L).
        tie_embeddings: use the embedding as the output matrix too.
        dropout: share of the embedded tokens and of each branch that training sets to zero.

    Raises:
        InputError: a value makes no sense, or two do not fit; the message names both.
    """

    vocab_size: int
    context: int = 64
    layers: int = 4
    width: int = 128
    heads: int = 4
    num_kv_heads: int | None = None
    head_width: int | None = None
    hidden: int | None = None
    embedding: int | None = None
    positions: str = "learned"
    rotary_base: float = 10_000.0
    norm: str = "layer"
    norm_first: bool = True
    epsilon: float = 1e-5
    mlp: str = "gelu"
    bias: bool = True
    qk_norm: bool = False
    zero_outputs: bool = False
    tie_embeddings: bool = True
    dropout: float = 0.0

    def __post_init__(self):
        for name, value in {"num_kv_heads": self.heads, "hidden": 4 * self.width, "embedding": self.width}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in ("vocab_size", "context", "layers", "width", "heads", "num_kv_heads", "hidden", "embedding"):
            if not getattr(self, name) >= 1:
                raise InputError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"there is no {name} {getattr(self, name)!r}; there are {', '.join(choices)}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and less than 1; got {self.dropout}")
        for name in ("epsilon", "rotary_base"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be a positive number; got {getattr(self, name)}")
        if self.heads % self.num_kv_heads:
            raise InputError(f"{self.heads} heads cannot share {self.num_kv_heads} key/value heads evenly")
        if self.head_width is None:
            if self.width % self.heads:
                raise InputError(f"the width {self.width} cannot be divided by {self.heads} heads; set head_width")
            object.__setattr__(self, "head_width", self.width // self.heads)
        if not self.head_width >= 1:
            raise InputError(f"head_width must be at least 1; got {self.head_width}")
        if self.positions == "rotary" and self.head_width % 2:
            raise InputError(f"rotary positions need an even head_width; got {self.head_width}")
        if self.tie_embeddings and self.embedding != self.width:
            raise InputError(
                f"tied embeddings need embedding = width; got embedding {self.embedding} and width {self.width}"
            )


def normal(stddev: float) -> keras.initializers.Initializer:
    """Return an initializer that draws anew for every matrix; without a generator Keras' repeats itself (chapter 5)."""
    return keras.initializers.RandomNormal(stddev=stddev, seed=keras.random.SeedGenerator())


class GPT(NeuralLM):
    """A decoder-only Transformer: chapters 3 and 5 (Radford et al. 2018, 2019; Touvron et al. 2023).

    Its state is a value: the tokens of the window (B, S), the last ones at the end; how many of them count (B,); and
    the keys and the values of every block (B, S, K, d). When the window is full, its older half is forgotten and the
    rest is read again, so that a token is always predicted from at least S / 2 tokens before it, or all there are.
    While a text is short, generation keeps a narrower state, which grows with it.

    Args:
        config: its shape.
        initializer: of all kernels and tables, as Keras takes them; None: as GPT-2's.

    Example:
        >>> model = GPT(GPTConfig(vocab_size=65, context=8, layers=2, width=16, heads=2))
        >>> logits, state = model(np.zeros((2, 5), dtype="int32"))
        >>> logits.shape == (2, 5, 65), state[2].shape == (2, 8, 2, 8)
        (True, True)
    """

    def __init__(self, config: GPTConfig, initializer: str | Callable | None = None):
        super().__init__(config.vocab_size, name="gpt")
        c = self.config = config
        self.window = c.context
        self.stride = (c.context + 1) // 2
        self.initializer = initializer
        draw = initializer or normal(0.02)
        self.embedding = self.add_weight((c.vocab_size, c.embedding), initializer=draw, name="embedding")
        if c.positions == "learned":
            self.position_embedding = self.add_weight((c.context, c.width), initializer=draw, name="position_embedding")
        if c.embedding != c.width:
            self.projection = dense("projection", c.embedding, c.width, True, draw)
        self.blocks = [self._block(f"block_{i}") for i in range(c.layers)]
        if c.norm_first:
            self.final_norm = self._norm("final_norm")
            self.final_norm.build((None, c.width))
        if not c.tie_embeddings:
            self.output_kernel = self.add_weight((c.width, c.vocab_size), initializer=draw, name="output_kernel")
        self.dropout = keras.layers.Dropout(c.dropout)
        self.built = True

    def _norm(self, name: str) -> keras.layers.Layer:
        return norm(self.config.norm, self.config.epsilon, self.config.bias, name)

    def _block(self, name: str) -> Block:
        c = self.config
        first = self.initializer or normal(0.02)
        last = self.initializer or ("zeros" if c.zero_outputs else normal(0.02 / math.sqrt(2 * c.layers)))
        base = c.rotary_base if c.positions == "rotary" else None
        normalize = c.epsilon if c.qk_norm else None
        attention = Attention(
            c.heads, c.num_kv_heads, c.head_width, c.bias, base, normalize, first, last, name="attention"
        )
        feed_forward = FeedForward(c.hidden, c.mlp, c.bias, first, last, name="feed_forward")
        norms = self._norm("attention_norm"), self._norm("feed_forward_norm")
        block = Block(attention, feed_forward, norms, c.norm_first, c.dropout, name=name)
        block.build((None, None, c.width))
        return block

    def initial_state(self, batch: int, room: int | None = None) -> State:
        c = self.config
        room = room or self.window
        caches = (
            ops.zeros((batch, room, c.num_kv_heads, c.head_width), dtype=self.compute_dtype)
            for _ in range(2 * c.layers)
        )
        return ops.zeros((batch, room), dtype="int32"), ops.zeros((batch,), dtype="int32"), *caches

    def start(self) -> tuple[State, np.ndarray]:
        return self.initial_state(1, self._length(ROOM, 0)), np.zeros(self.vocab_size, dtype=np.float32)

    def join(self, states: Sequence[State]) -> State:
        room = max(state[0].shape[1] for state in states)
        return super().join([self._widened(state, room) for state in states])

    def _length(self, shortest: int, tokens: int) -> int:
        """Return the shortest compiled length, `shortest` or 4, 16, … times that, which holds `tokens`."""
        while shortest < tokens:
            shortest *= 4
        return min(shortest, self.window)

    def _widened(self, state: State, room: int) -> State:
        """Return the same state with room for more tokens."""
        tokens, length, *caches = state
        if tokens.shape[1] == room:
            return state
        empty, _, *places = self.initial_state(len(tokens), room)
        return follow(empty, tokens), length, *map(follow, places, caches)

    def __call__(self, ids, *arguments, **options):
        self._refuse_too_long(ids)  # here, because Keras wraps what `call` raises in lines of its own
        return super().__call__(ids, *arguments, **options)

    def _refuse_too_long(self, ids) -> None:
        if ids.shape[1] > self.window:
            raise InputError(f"{ids.shape[1]} tokens do not fit in a window of {self.window} positions")

    def call(self, ids, state: State | None = None, training: bool = False):
        """Return the logits (B, T, V) of the token after each of `ids` (B, T), and the state after the last.

        With a state, there must be room in its window for T more; `advance` makes room.

        Raises:
            InputError: T is more than the window.
        """
        state = self._widened(state, self.window) if state else None
        x, state, _ = self._read(ids, state, training)
        return self._logits(x), state

    def attention(self, ids):
        """Return the attention weights (B, L, H, T, T) on `ids` (B, T): row t says where position t looks."""
        self._refuse_too_long(ids)
        return ops.stack(self._read(ids, None, False)[2], axis=1)

    def _read(self, ids, state: State | None, training: bool, blocks: Sequence[Callable] | None = None, at=None):
        """Return the residual stream (B, T, D) after the last block, the state, and each block's weights.

        `blocks` are called in the place of the model's own; they may return no weights. `at` is as in `after`.
        """
        B, T = ids.shape
        S = state[0].shape[1] if state else T
        place, positions, first = ops.arange(S), ops.arange(T), S - T if at is None else at
        mask = place <= first + positions[:, None]
        pasts = [None] * len(self.blocks)
        if state:
            tokens, length, *caches = state
            positions = length[:, None] + positions
            mask = mask & (place >= first - length[:, None])[:, None]
            pasts = list(zip(caches[::2], caches[1::2]))
        x = self.dropout(self._embed(ids, positions), training=training)
        caches, weights = [], []
        for block, past in zip(blocks or self.blocks, pasts):
            x, cache, *seen = block(x, positions, mask, past, at, training=training)
            caches.extend(cache)
            weights.extend(seen)
        if self.config.norm_first:
            x = self.final_norm(x)
        if not state:
            tokens, length, *pasts = self.initial_state(B)
            caches = [follow(past, cache) for past, cache in zip(pasts, caches)]
        return x, (follow(tokens, ids, at), length + T, *caches), weights

    def _embed(self, ids, positions):
        """Return the embedded tokens (B, T, D), with what tells their positions unless attention does."""
        table = ops.cast(self.embedding, self.compute_dtype)
        if self.vocab_size < ids.shape[0] * ids.shape[1]:  # the gradient of a product is faster than a gather's
            x = ops.matmul(ops.one_hot(ids, self.vocab_size, dtype=self.compute_dtype), table)
        else:
            x = ops.take(table, ids, axis=0)
        if self.config.embedding != self.config.width:
            x = self.projection(x)
        match self.config.positions:
            case "learned":
                table = self.position_embedding
            case "sinusoidal":
                table = sinusoids(self.window, self.config.width)
                x = x * math.sqrt(self.config.width)  # nearer to the waves, which go up to 1 (Vaswani et al. 2017)
            case _:
                return x
        return x + ops.take(ops.cast(table, x.dtype), ops.maximum(positions, 0), axis=0)

    def _logits(self, x):
        kernel = ops.transpose(self.embedding) if self.config.tie_embeddings else self.output_kernel
        return ops.cast(ops.matmul(x, ops.cast(kernel, x.dtype)), "float32")

    def read(self, ids: Sequence[int]) -> tuple[State, np.ndarray]:
        if not len(ids):
            return self.start()
        begin = -(-max(len(ids) - self.window, 0) // self.stride) * self.stride
        state, logits = self._fill(np.asarray(ids, dtype=np.int32)[None, begin:], np.array([len(ids) - begin]))
        return state, logits[0]

    def advance(self, state: State, tokens: Sequence[int]) -> tuple[State, np.ndarray]:
        return super().advance(self.roomy(state)[0], tokens)

    def roomy(self, state: State) -> tuple[State, int]:
        length, room = ops.convert_to_numpy(state[1]), state[0].shape[1]
        if (full := length == room).any():
            if room < self.window:
                state = self._widened(state, self._length(ROOM, room + 1))
            else:
                state, _ = self._fill(state[0], np.where(full, self.window - self.stride, length))
            return self.roomy(state)
        return state, int(room - length.max())

    def _fill(self, tokens, length: np.ndarray) -> tuple[State, np.ndarray]:
        """Return the state after the last `length` (B,) of `tokens` (B, T), and the logits (B, V) there."""
        read = self._length(PROMPT, length.max())
        nothing, _, *caches = self.initial_state(len(tokens), self._length(ROOM, read))
        padded = np.pad(tokens, ((0, 0), (read, 0)))[:, -read:]
        begin = ops.convert_to_tensor(length - read, dtype="int32")
        x, state, _ = self._read(padded, (nothing, begin, *caches), False, self._alike)
        return state, ops.convert_to_numpy(self._last(x))

    @cached_property
    def _alike(self):
        """The blocks, compiled one by one, which takes no time: only what is called for every token is worth more."""
        return alike(self.blocks, lambda block, *inputs, **options: block(*inputs, **options)[:2])

    @cached_property
    def _last(self):
        return compiled(self, lambda x: self._logits(x[:, -1]))

    def after(self, ids, state: State, at=None):
        x, state, _ = self._read(ids, state, False, self._alike, at)
        return self._logits(x[:, -1]), state

    def score(self, ids: np.ndarray, stride: int | None = None) -> np.ndarray:
        """Return the cost in nats of each of the (T,) tokens given the tokens before it, shape (T,).

        Windows of S tokens begin `stride` tokens apart, and each scores the tokens that the one before it did not: one
        has at least S - `stride` tokens before it, or all there are. The default, S / 2, is what `step` sees.

        Raises:
            InputError: the stride is not from 1 to S.
        """
        stride = self.stride if stride is None else stride
        if not 1 <= stride <= self.window:
            raise InputError(f"the stride must be from 1 to the window's {self.window} tokens; got {stride}")
        nats, ids = np.full(len(ids), np.log(self.vocab_size)), np.asarray(ids, dtype=np.int32)
        windows = 1 + -(-max(len(ids) - 1 - self.window, 0) // stride)
        batch = min(max(AT_ONCE // self.window // max(self.vocab_size, 256), 1), 2 ** (windows - 1).bit_length())
        for first in range(0, windows if len(ids) > 1 else 0, batch):
            begin = np.arange(first, first + batch)[:, None] * stride
            place = np.minimum(begin + np.arange(self.window), len(ids) - 2)
            costs = ops.convert_to_numpy(self._costs(ids[place], ids[place + 1])[0])
            for row, start in zip(costs[: windows - first], begin[:, 0]):
                known = self.window - stride if start else 0
                part = nats[1 + start + known : 1 + start + self.window]
                part[:] = row[known:][: len(part)]
        return nats
