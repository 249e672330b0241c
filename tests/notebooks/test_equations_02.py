"""Chapter 2's equations against Keras' layers, the package's recurrences, and the backend's gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from lmtutorial import recurrences

CHAPTER = "02_rnn_math"
T, B, E, U, V = 7, 3, 4, 5, 6
close = {"rtol": 0, "atol": 1e-5}


def normal(*shape, scale=1.0):
    return (scale * np.random.default_rng(sum(shape)).normal(size=shape)).astype("float32")


def gradients(function, *arrays):
    """Return the gradient of the number `function(*arrays)` with respect to each array, by the backend."""
    if keras.backend.backend() == "jax":
        import jax

        return [np.array(g) for g in jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)]
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, tensors)]


def by_keras(layer, x, weights, states):
    """Return all states (T, B, U) of a Keras layer for inputs x (T, B, E)."""
    layer.build((B, T, E))
    layer.set_weights(weights)
    outputs = layer(x.transpose(1, 0, 2), initial_state=[ops.convert_to_tensor(state) for state in states])
    return ops.convert_to_numpy(outputs).transpose(1, 0, 2)


@pytest.mark.equation("rnn-step", "keras.layers.SimpleRNN")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_step_is_that_of_simple_rnn(equations, activation):
    x, h, weights = normal(T, B, E), normal(B, U), [normal(E, U), normal(U, U), normal(U)]
    f = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[activation]
    expected = by_keras(keras.layers.SimpleRNN(U, activation=activation, return_sequences=True), x, weights, [h])
    for e, right in zip(x, expected, strict=True):
        h = equations["rnn_step"](e, h, *weights, f)
        np.testing.assert_allclose(h, right, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("rnn-output", "keras.layers.Dense")
def test_the_output_is_a_dense_layer_with_softmax(equations):
    h, W, b = normal(B, U), normal(U, V), normal(V)
    layer = keras.layers.Dense(V, activation="softmax")
    layer.build((B, U))
    layer.set_weights([W, b])
    np.testing.assert_allclose(equations["rnn_output"](h, W, b), ops.convert_to_numpy(layer(h)), **close)


def test_softmax_does_not_overflow(equations):
    np.testing.assert_allclose(equations["softmax"](np.array([1e4, 0.0])), [1, 0])


@pytest.fixture
def logits_and_targets():
    return normal(T, B, V), np.random.default_rng(0).integers(V, size=(T, B))


def cross_entropy(logits, targets):
    return ops.mean(ops.sparse_categorical_crossentropy(targets, logits, from_logits=True))


@pytest.mark.equation("rnn-loss", "keras.losses.SparseCategoricalCrossentropy")
def test_the_loss_is_the_mean_cross_entropy(equations, logits_and_targets):
    logits, targets = logits_and_targets
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets, logits)
    np.testing.assert_allclose(equations["rnn_loss"](equations["softmax"](logits), targets), expected, **close)


@pytest.mark.equation("softmax-gradient", "keras.ops.sparse_categorical_crossentropy")
def test_the_gradient_at_the_logits_is_the_backends(equations, logits_and_targets):
    logits, targets = logits_and_targets
    (expected,) = gradients(lambda logits: cross_entropy(logits, targets), logits)
    np.testing.assert_allclose(equations["softmax_gradient"](equations["softmax"](logits), targets), expected, **close)


@pytest.fixture
def network(equations, logits_and_targets):
    """A tanh network with all gradients, by the chapter's functions and by the package's recurrence."""
    _, targets = logits_and_targets
    inputs, h = np.random.default_rng(1).integers(V, size=(T, B)), normal(B, U)
    shapes = {"W_e": (V, E), "W_xh": (E, U), "W_hh": (U, U), "b_h": (U,), "W_yh": (U, V), "b_y": (V,)}
    p = {name: normal(*shape) for name, shape in shapes.items()}

    H = [h]
    for token in inputs:
        H.append(equations["rnn_step"](p["W_e"][token], H[-1], p["W_xh"], p["W_hh"], p["b_h"]))
    H = np.array(H)
    d_s = equations["softmax_gradient"](equations["rnn_output"](H[1:], p["W_yh"], p["b_y"]), targets)
    d_a, d_h = equations["hidden_gradients"](d_s, H, p["W_hh"], p["W_yh"])
    ours = {**equations["weight_gradients"](p, inputs, H, d_s, d_a), "a": d_a, "h": d_h}

    def loss(a, h, W_e, W_xh, W_hh, b_h, W_yh, b_y):
        x = ops.matmul(ops.take(W_e, inputs, axis=0), W_xh) + b_h + a
        states, _ = recurrences.simple_rnn(x, W_hh, h)
        return cross_entropy(ops.matmul(states, W_yh) + b_y, targets)

    theirs = gradients(loss, np.zeros((T, B, U), "float32"), h, *p.values())
    return ours, dict(zip(["a", "h", *p], theirs, strict=True))


@pytest.mark.equation("bptt-delta", "lmtutorial.recurrences.simple_rnn")
def test_what_arrives_at_the_states_is_what_the_package_finds(network):
    ours, theirs = network
    for name in ("a", "h"):
        np.testing.assert_allclose(ours[name], theirs[name], **close, err_msg=name)


@pytest.mark.equation("bptt-weights", "lmtutorial.recurrences.simple_rnn")
def test_the_weights_gradients_are_those_of_the_package(network):
    ours, theirs = network
    for name in ("W_e", "W_xh", "W_hh", "b_h", "W_yh", "b_y"):
        np.testing.assert_allclose(ours[name], theirs[name], **close, err_msg=name)


@pytest.fixture
def path():
    """The states (T + 1, U) of one sequence, its recurrent kernel, and ∂h_T/∂h_0 by the package's recurrence."""
    x, W, h = normal(T, 1, U, scale=0.3), normal(U, U, scale=0.4), normal(1, U)
    states, _ = recurrences.simple_rnn(*map(ops.convert_to_tensor, (x, W, h)))
    H = np.concatenate([h[None], ops.convert_to_numpy(states)])[:, 0]
    rows = [gradients(lambda h, i=i: recurrences.simple_rnn(x, W, h)[0][-1, 0, i], h)[0][0] for i in range(U)]
    return H, W, np.array(rows)


@pytest.mark.equation("jacobian-product", "lmtutorial.recurrences.simple_rnn")
def test_the_jacobian_product_is_what_the_package_sends_back(equations, path):
    H, W, expected = path
    *_, last = equations["jacobians"](H, W, lambda h: 1 - h**2)
    np.testing.assert_allclose(last, expected, **close)


@pytest.mark.equation("jacobian-bound", "lmtutorial.recurrences.simple_rnn")
def test_the_norm_of_the_jacobian_stays_below_the_bound(equations, path):
    H, W, expected = path
    *_, bound = equations["jacobian_bounds"](H, W, lambda h: 1 - h**2)
    assert np.linalg.norm(expected, 2) <= bound <= np.linalg.norm(W, 2) ** T


@pytest.mark.equation("clipping", "keras.optimizers.Optimizer")
@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_clipping_is_the_optimisers_global_clipnorm(equations, limit):
    given = {"W": normal(U, U), "b": normal(U)}
    weights = [keras.Variable(np.zeros_like(g)) for g in given.values()]
    optimiser = keras.optimizers.SGD(learning_rate=1.0, global_clipnorm=limit)
    optimiser.apply([ops.convert_to_tensor(g) for g in given.values()], weights)
    for ours, weight in zip(equations["clip"](given, limit).values(), weights, strict=True):
        np.testing.assert_allclose(ours, -ops.convert_to_numpy(weight + 0.0), **close)


def gated(cell):
    """Inputs (T, B, E), their kernel and bias, the recurrent parameters, and the first states of a gated cell."""
    wide = {"lstm": 4, "gru": 3}[cell] * U
    extra, states = ([normal(U)], 1) if cell == "gru" else ([], 2)
    first = [normal(B, U), normal(B, U, scale=0.5)][:states]
    return normal(T, B, E), normal(E, wide), normal(wide), [normal(U, wide, scale=0.5), *extra], first


def run_lstm(equations, x, W_hh, h, c):
    H, C, gates = [h], [c], []
    for row in x:
        h, c, gate = equations["lstm_step"](row, h, c, W_hh)
        H.append(h)
        C.append(c)
        gates.append(gate)
    return np.array(H), np.array(C), gates


def run_gru(equations, x, W_hh, b_hh, h):
    H, gates = [h], []
    for row in x:
        h, gate = equations["gru_step"](row, h, W_hh, b_hh)
        H.append(h)
        gates.append(gate)
    return np.array(H), gates


@pytest.mark.equation("lstm-gates", "keras.layers.LSTM")
@pytest.mark.equation("lstm-cell", "keras.layers.LSTM")
def test_the_lstm_is_that_of_keras(equations):
    x, W_x, b, (W_hh,), states = gated("lstm")
    H, _, _ = run_lstm(equations, x @ W_x + b, W_hh, *states)
    layer = keras.layers.LSTM(U, return_sequences=True)
    np.testing.assert_allclose(H[1:], by_keras(layer, x, [W_x, W_hh, b], states), **close)


@pytest.mark.equation("gru-gates", "keras.layers.GRU")
@pytest.mark.equation("gru-state", "keras.layers.GRU")
def test_the_gru_is_that_of_keras(equations):
    x, W_x, b, (W_hh, b_hh), states = gated("gru")
    H, _ = run_gru(equations, x @ W_x + b, W_hh, b_hh, *states)
    both = np.stack([b, np.concatenate([np.zeros(2 * U), b_hh])])
    layer = keras.layers.GRU(U, return_sequences=True, reset_after=True)
    np.testing.assert_allclose(H[1:], by_keras(layer, x, [W_x, W_hh, both], states), **close)


@pytest.mark.equation("lstm-backward", "lmtutorial.recurrences.lstm")
def test_the_lstm_sends_back_what_the_package_does(equations):
    x, W_x, b, (W_hh,), states = gated("lstm")
    x, weight = x @ W_x + b, normal(T, B, U)
    H, C, gates = run_lstm(equations, x, W_hh, *states)
    d_h, d_c, d_x = np.zeros((B, U)), np.zeros((B, U)), []
    for t in reversed(range(T)):
        d_a, d_h, d_c = equations["lstm_step_back"](weight[t] + d_h, d_c, C[t], C[t + 1], gates[t], W_hh)
        d_x.insert(0, d_a)
    d_W = sum(H[t].T @ d_x[t] for t in range(T))
    theirs = gradients(lambda *given: ops.sum(recurrences.lstm(*given)[0] * weight), x, W_hh, *states)
    for ours, right in zip([np.array(d_x), d_W, d_h, d_c], theirs, strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("gru-backward", "lmtutorial.recurrences.gru")
def test_the_gru_sends_back_what_the_package_does(equations):
    x, W_x, b, (W_hh, b_hh), states = gated("gru")
    x, weight = x @ W_x + b, normal(T, B, U)
    H, gates = run_gru(equations, x, W_hh, b_hh, *states)
    d_h, d_x, d_W, d_b = np.zeros((B, U)), [], 0, 0
    for t in reversed(range(T)):
        d_a, d_m, d_h = equations["gru_step_back"](weight[t] + d_h, H[t], gates[t], W_hh)
        d_x.insert(0, d_a)
        d_W, d_b = d_W + H[t].T @ d_m, d_b + d_m[:, -U:].sum(axis=0)
    theirs = gradients(lambda *given: ops.sum(recurrences.gru(*given)[0] * weight), x, W_hh, b_hh, *states)
    for ours, right in zip([np.array(d_x), d_W, d_b, d_h], theirs, strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-5, atol=1e-5)
