"""Weights in 8 bits: every dense kernel as whole numbers from -127 to 127, with one scale for each output column.

A product is then `x W ≈ (x Q) s`: the scale of a column comes out of its sum (Dettmers et al. 2022, without their
treatment of outliers). Activations, norms and embeddings stay as they are.
"""

import keras
import numpy as np
from keras import ops

from lmtutorial.errors import InputError
from lmtutorial.gpt import GPT
from lmtutorial.layers import product, replace
from lmtutorial.lora import Adapted


def rounded(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 8-bit integers (rows, columns) and the scales (columns,) whose products are `kernel`, almost.

    Example:
        >>> integers, scales = rounded(np.array([[0.5, 127.0], [-1.0, 30.2]]))
        >>> integers.tolist(), (integers * scales).round(2).tolist()
        ([[64, 127], [-127, 30]], [[0.5, 127.0], [-1.0, 30.0]])
    """
    kernel = np.asarray(kernel, dtype=np.float32)
    scales = np.maximum(np.abs(kernel).max(axis=0), np.finfo(np.float32).tiny * 127) / 127
    return np.rint(kernel / scales).astype(np.int8), scales


class Int8Dense(keras.layers.Layer):
    """A dense layer whose kernel is kept in 8 bits.

    Args:
        dense: the layer, built, in whose place it stands.
    """

    def __init__(self, dense: keras.layers.Dense, **kwargs):
        super().__init__(**kwargs)
        integers, scales = rounded(dense.kernel)
        self.kernel = self.add_weight(
            integers.shape, dtype="int8", trainable=False, initializer="zeros", name="kernel", autocast=False
        )
        self.scales = self.add_weight(scales.shape, trainable=False, initializer="zeros", name="scales")
        self.kernel.assign(integers)
        self.scales.assign(scales)
        self.bias = dense.bias
        self.built = True

    def call(self, x):
        """Return the product (…, out) with `x` (…, in)."""
        y = product(x, ops.cast(self.kernel, x.dtype)) * self.scales
        return y if self.bias is None else y + self.bias


def quantize(model: GPT) -> None:
    """Put 8-bit layers in the place of all dense layers of the model's blocks.

    Raises:
        InputError: the model has none, because it was quantised before; or it has adapters.
    """
    found = [
        (part, name, layer)
        for block in model.blocks
        for part in (block.attention, block.feed_forward)
        for name, layer in vars(part).items()
        if isinstance(layer, (keras.layers.Dense, Adapted))
    ]
    if any(isinstance(layer, Adapted) for _, _, layer in found):
        raise InputError("the model has adapters; merge them before quantising it")
    if not found:
        raise InputError("the model has no dense layers left to quantise")
    for part, name, layer in found:
        replace(part, name, Int8Dense(layer, name=layer.name))
    model.forget_compiled()


def weight_bytes(model: keras.Model) -> int:
    """Return the bytes of all weights of a model, as they are kept."""
    return sum(int(np.prod(w.shape)) * np.dtype(_plain(w.dtype)).itemsize for w in model.weights)


def _plain(dtype: str) -> str:
    return "float16" if dtype == "bfloat16" else dtype  # NumPy has no bfloat16; it is as wide
