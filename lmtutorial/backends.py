"""The one place where the backends differ: compiling a function that calls a model, and naming the GPU."""

from collections.abc import Callable, Sequence
from functools import partial

import keras


def compiled(model: keras.Model, function: Callable) -> Callable:
    """Return `function(*tensors)`, which may call `model`, compiled by XLA.

    It is compiled once for every combination of shapes that it is called with. The model's variables are read at every
    call, not when it is compiled, so that training may go on in between. Works on TensorFlow and JAX.
    """
    if keras.backend.backend() == "jax":
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
    """
    first = layers[0]

    def pure(values, *tensors, training):
        with keras.StatelessScope(state_mapping=list(zip(first.variables, values, strict=True))):
            return function(first, *tensors, training=training)

    if keras.backend.backend() == "jax":
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
    """Return the name of the GPU that Keras computes on, or None where it computes on the processor."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else None

    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0])["device_name"] if found else None
