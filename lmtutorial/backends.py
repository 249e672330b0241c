"""What is done otherwise on TensorFlow than on JAX: compiling a function that calls a model, and naming the GPU."""

from collections.abc import Callable, Sequence
from functools import partial

import keras

from lmtutorial.errors import InputError


def on_jax() -> bool:
    """Return whether Keras computes with JAX; if not, it is with TensorFlow.

    Raises:
        InputError: it is with neither.
    """
    if (name := keras.backend.backend()) not in ("tensorflow", "jax"):
        raise InputError(f"models run on TensorFlow and JAX; Keras' backend is {name}: set KERAS_BACKEND")
    return name == "jax"


def compiled(model: keras.Model, function: Callable) -> Callable:
    """Return `function(*tensors)`, which may call `model`, compiled by XLA.

    It is compiled once for every combination of shapes that it is called with. The model's variables are read at every
    call, not when it is compiled, so that training may go on in between.

    Raises:
        InputError: as `on_jax`.
    """
    if on_jax():
        import jax

        @jax.jit
        def pure(values, *tensors):
            with keras.StatelessScope(state_mapping=list(zip(model.variables, values))):
                return function(*tensors)

        return lambda *tensors: pure([variable.value for variable in model.variables], *tensors)

    import tensorflow as tf

    traced, by_shape = tf.function(function, jit_compile=True, autograph=False), {}

    def call(*tensors):
        tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        if shapes not in by_shape:  # `traced` would look for it at every call, which takes longer than a small step
            by_shape[shapes] = traced.get_concrete_function(*tensors)
        return by_shape[shapes](*tensors)

    return call


def alike(layers: Sequence[keras.Layer], function: Callable) -> list[Callable]:
    """Return for each of `layers` what `function(layer, *tensors, training=…)` returns, compiled.

    The first layer is traced and compiled, once for every combination of shapes; the others are calls of the same
    program with other weights. Inside a function that is `compiled` itself it is traced only.

    Args:
        layers: built, and alike but for the values of their weights.
        function: of a layer, tensors of any shapes, and whether the layer trains.

    Raises:
        InputError: as `on_jax`.
    """
    first = layers[0]

    def pure(values, *tensors, training):
        with keras.StatelessScope(state_mapping=list(zip(first.variables, values, strict=True))):
            return function(first, *tensors, training=training)

    if on_jax():
        import jax

        once = jax.jit(pure, static_argnames="training")
    else:
        import tensorflow as tf

        once = tf.function(pure, jit_compile=True, autograph=False)

    def call(layer, *tensors, training):
        values = [keras.ops.convert_to_tensor(variable.value) for variable in layer.variables]
        return once(values, *tensors, training=training)

    return [partial(call, layer) for layer in layers]


def gpu() -> str | None:
    """Return the name of the GPU that Keras computes on, or None where it computes on the processor.

    Raises:
        InputError: as `on_jax`.
    """
    if on_jax():
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else None

    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0])["device_name"] if found else None
