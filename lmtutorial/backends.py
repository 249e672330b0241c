"""The one place where the backends differ: compiling a function that calls a model."""

from collections.abc import Callable

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
