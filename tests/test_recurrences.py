"""Each recurrence and its gradients by hand equal Keras' layer with the same weights, and central differences."""

import keras
import numpy as np
import pytest
from keras import ops

from lmtutorial import recurrences

LAYERS = {
    "rnn": (1, keras.layers.SimpleRNN, {}),
    "gru": (3, keras.layers.GRU, {"reset_after": True}),
    "lstm": (4, keras.layers.LSTM, {"unit_forget_bias": False}),
}
ON_JAX = keras.backend.backend() == "jax"
D = 3  # width of the inputs
every_cell = pytest.mark.parametrize("cell", LAYERS)
every_size = pytest.mark.parametrize(  # T, B, U
    "size", [pytest.param((7, 4, 5), marks=pytest.mark.jax), (1, 3, 2), (6, 1, 3), (4, 2, 1), (1, 1, 1)], ids=str
)


def arrays(cell, size, dtype="float32"):
    """Return inputs (B, T, D), kernel, recurrent kernel, bias and first states; then weights of all that comes out."""
    T, B, U = size
    wide, states = LAYERS[cell][0] * U, 2 if cell == "lstm" else 1
    bias = (2, wide) if cell == "gru" else (wide,)
    shapes = [(B, T, D), (D, wide), (U, wide), bias, *states * [(B, U)]], [(B, T, U), *states * [(B, U)]]
    rng = np.random.default_rng(0)
    return [[rng.normal(size=shape).astype(dtype) for shape in group] for group in shapes]


def by_hand(cell):
    def run(x, kernel, recurrent_kernel, bias, *states):
        U = recurrent_kernel.shape[0]
        extra = []
        if cell == "gru":  # Keras has two biases, of which only the candidate's stay apart
            extra = [bias[1, 2 * U :]]
            bias = bias[0] + ops.concatenate([bias[1, : 2 * U], 0 * bias[1, 2 * U :]])
        function = {"rnn": recurrences.simple_rnn, "gru": recurrences.gru, "lstm": recurrences.lstm}[cell]
        projected = ops.transpose(ops.matmul(x, kernel) + bias, (1, 0, 2))
        outputs, *last = function(projected, recurrent_kernel, *extra, *states)
        return ops.transpose(outputs, (1, 0, 2)), *last

    return run


def by_keras(cell):
    _, layer, options = LAYERS[cell]

    def run(x, kernel, recurrent_kernel, bias, *states):
        made = layer(recurrent_kernel.shape[0], return_sequences=True, return_state=True, **options)
        made.build(x.shape)
        weights = [kernel, recurrent_kernel, bias]
        fixed = [variable.value for variable in made.non_trainable_variables]
        return made.stateless_call(weights, fixed, x, initial_state=list(states))[0]

    return run


def gradients(run, values, upstream):
    """Return the gradients of the sum of all that `run` returns, weighted with `upstream`; what has None is unused."""

    def total(*tensors):
        results = zip(run(*tensors), upstream, strict=True)
        return sum(ops.sum(result * weight) for result, weight in results if weight is not None)

    if ON_JAX:
        import jax

        return jax.jit(jax.grad(total, argnums=tuple(range(len(values)))))(*values)
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = total(*tensors)
    return tape.gradient(result, tensors)


@every_cell
@every_size
def test_outputs_and_last_states_are_those_of_keras(cell, size):
    values, _ = arrays(cell, size)
    for ours, theirs in zip(by_hand(cell)(*values), by_keras(cell)(*values), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@every_cell
@every_size
def test_gradients_are_those_of_keras(cell, size):
    ours, theirs = (gradients(run(cell), *arrays(cell, size)) for run in (by_hand, by_keras))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


@every_cell
@pytest.mark.parametrize("used", [0, 1, -1], ids=["outputs", "first last state", "last last state"])
def test_gradients_are_those_of_keras_when_only_one_result_is_used(cell, used):
    values, upstream = arrays(cell, (5, 2, 3))
    alone = [weight if weight is upstream[used] else None for weight in upstream]
    ours, theirs = (gradients(run(cell), values, alone) for run in (by_hand, by_keras))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


@every_cell
def test_gradients_are_the_limits_of_differences(cell):
    values, upstream = arrays(cell, (4, 2, 3), "float64")  # not on JAX: Keras rounds to float32 there
    rng = np.random.default_rng(1)

    def total(place, direction, by):
        moved = [value + by * direction if i == place else value for i, value in enumerate(values)]
        return sum(float(ops.sum(out * weight)) for out, weight in zip(by_hand(cell)(*moved), upstream))

    for place, found in enumerate(gradients(by_hand(cell), values, upstream)):
        direction = rng.normal(size=values[place].shape)
        difference = (total(place, direction, 1e-5) - total(place, direction, -1e-5)) / 2e-5
        assert np.sum(np.asarray(found) * direction) == pytest.approx(difference, rel=1e-6)
