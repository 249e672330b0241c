"""Many tokens in one call: drawing a token and going on from it is a loop that is compiled as a whole.

A compiled program is handed every variable and every part of the state at each call, which takes longer than a small
model computes. Inside the loop a window does not move, either: it has room at its end.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from lmtutorial.backends import compiled

AT_ONCE = 32  # tokens in one call, at most


def several(model) -> Callable:
    """Return the compiled function that `NeuralLM.write` calls.

    It takes the draws (B, AT_ONCE), the temperature, how many tokens to write, the logits (B, V) of the first, and the
    state; it returns the tokens (B, AT_ONCE), the logits after the last, and the state.
    """

    def write(draws, temperature, count, logits, *state):
        end = state[0].shape[1] if model.window else 0

        def go_on(i, tokens, logits, *state):
            token = drawn(logits, ops.take(draws, i, axis=1), temperature)[:, None]
            logits, state = model.after(token, state, end + i)
            return i + 1, ops.slice_update(tokens, (0, i), token), logits, *state

        none, tokens = ops.zeros((), dtype="int32"), ops.zeros(draws.shape, dtype="int32")
        # Variables become values here: read inside the loop, TensorFlow would make them part of what it carries.
        values = [(variable, ops.convert_to_tensor(variable.value)) for variable in model.variables]
        with keras.StatelessScope(state_mapping=values):
            start = none, tokens, logits, *(map(_longer, state) if model.window else state)
            _, tokens, logits, *state = ops.while_loop(lambda i, *_: i < count, go_on, start)
        if model.window:
            state = [_moved(part, count) for part in state]
        return tokens, logits, *state

    return compiled(model, write)


def drawn(logits, draws, temperature):
    """Return the tokens (B,) at which cumulative probabilities first exceed the draws.

    Args:
        logits: (B, V).
        draws: (B,) numbers from [0, 1).
        temperature: that divides the logits; 0 takes the likeliest token.
    """
    cumulative = ops.cumsum(ops.softmax(logits / ops.maximum(temperature, 1e-9)), axis=-1)
    below = ops.sum(ops.cast(cumulative <= draws[:, None] * cumulative[:, -1:], "int32"), axis=-1)
    chosen = ops.minimum(below, logits.shape[-1] - 1)  # a draw of nearly 1 may have been rounded to 1
    return ops.where(temperature > 0, chosen, ops.cast(ops.argmax(logits, axis=-1), "int32"))


def _longer(part):
    """Return a part of a window's state with room for AT_ONCE tokens at its end; a count of tokens stays as it is."""
    return part if len(part.shape) == 1 else ops.pad(part, [(0, 0), (0, AT_ONCE)] + [(0, 0)] * (len(part.shape) - 2))


def _moved(part, count):
    """Return it at its old length, moved on by `count` tokens."""
    if len(part.shape) == 1:
        return part
    shape = (part.shape[0], part.shape[1] - AT_ONCE, *part.shape[2:])
    return ops.slice(part, (0, count) + (0,) * (len(shape) - 2), shape)


def padded(draws: np.ndarray) -> np.ndarray:
    """Return draws (B, n) in 32 bits, filled up to (B, AT_ONCE)."""
    return np.pad(draws, ((0, 0), (0, AT_ONCE - draws.shape[1]))).astype(np.float32)
