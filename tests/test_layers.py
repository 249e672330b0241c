"""Attention, positions, norms and the feed-forward network against their definitions, NumPy and Keras' own layers."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from lmtutorial import layers
from lmtutorial.layers import Attention, Block, FeedForward, attend, attend_causally, norm, rotate, sinusoids

B, T, D, H, K, d, F = 2, 6, 8, 4, 2, 6, 10
PLACES = np.arange(T, dtype="int32")
CAUSAL = np.tril(np.ones((T, T), dtype=bool))
every_mlp = pytest.mark.parametrize("kind", ["relu", "relu2", "gelu", "swiglu"])


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def lively(layer, seed=3):
    """Return the layer with weights that say much."""
    for variable in layer.trainable_variables:
        variable.assign(drawn(*variable.shape, seed=(seed := seed + 1)))
    return layer


def attention(heads=H, kv_heads=K, bias=True, rotary_base=None, normalize=None):
    """Return a layer that is built, with weights that say much."""
    fields = {"bias": bias, "rotary_base": rotary_base, "normalize": normalize}
    layer = Attention(heads, kv_heads, d, **fields, initializer="normal", output_initializer="normal")
    layer.build((None, None, D))
    return lively(layer)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def output(layer, x):
    return np.asarray(layer(x, PLACES, CAUSAL)[0])


def close(found, expected, atol=1e-4):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=atol)


# --- positions


@pytest.mark.parametrize("width", [1, 2, 7, 8])
def test_sinusoids_are_sines_and_cosines_of_slower_and_slower_waves(width):
    table = sinusoids(50, width)
    assert (table.shape, table.dtype) == ((50, width), np.float32)
    for position, column in itertools.product(range(50), range(width)):
        wave = np.cos if column % 2 else np.sin
        assert table[position, column] == pytest.approx(wave(position / 10_000 ** (column // 2 * 2 / width)), abs=1e-6)


@pytest.mark.jax
@pytest.mark.parametrize("base", [10_000.0, 10.0])
def test_a_rotation_multiplies_complex_numbers_by_powers_of_e(base):
    x, positions = drawn(B, T, H, d), np.array([[0, 1, 2, 3, 4, 5], [9, 4, 4, 0, 70, 1]])
    frequency = base ** (-2 * np.arange(d // 2) / d)
    turned = (x[..., : d // 2] + 1j * x[..., d // 2 :]) * np.exp(1j * positions[..., None, None] * frequency)
    close(rotate(x, positions, base), np.concatenate([turned.real, turned.imag], axis=-1))


def test_a_rotation_keeps_norms_and_turns_the_first_position_not_at_all():
    x = drawn(B, T, H, d)
    turned = np.asarray(rotate(x, np.arange(T)))
    close(np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1))
    close(turned[:, 0], x[:, 0], atol=0)
    assert np.abs(turned - x)[:, 1:].max(axis=(0, 2, 3)).min() > 0.5


def test_products_of_turned_queries_and_keys_depend_on_their_distance_only():
    query, key = drawn(H, d), drawn(H, d, seed=1)
    places = np.arange(0, 100, 10)
    product = {
        (i, j): np.asarray(ops.sum(rotate(query[None], np.array([i])) * rotate(key[None], np.array([j])), axis=-1))
        for i, j in itertools.product(places, places)
    }
    for (i, j), (k, n) in itertools.combinations(product, 2):
        if i - j == k - n:
            close(product[i, j], product[k, n])
    assert np.abs(product[30, 10] - product[10, 30]).max() > 0.1


def test_shifting_all_positions_changes_no_rotary_attention():
    query, key, value = (drawn(B, T, H, d, seed=seed) for seed in range(3))
    here, there, mixed_up = (
        np.asarray(attend(rotate(query, at), rotate(key, at), value, CAUSAL)[0])
        for at in (PLACES, 500 + PLACES, -PLACES)
    )
    close(there, here, atol=1e-3)
    assert np.abs(mixed_up - here).max() > 0.1


# --- products


@pytest.mark.jax
@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 8), (1, 1, 7), (2, 1, 8), (1, 3, 8)])
def test_a_product_is_the_same_by_halves(shape):
    x, kernel = drawn(*shape), drawn(shape[-1], 5, seed=1)
    found = layers.product(x, kernel)
    assert found.shape == (*shape[:-1], 5)
    close(found, x @ kernel)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 8), (2, 3, 8)])
def test_a_dense_layer_is_keras_own(shape, bias):
    ours = lively(layers.dense("one", 8, 5, bias, "normal"))
    theirs = keras.layers.Dense(5, use_bias=bias)
    theirs.build((None, 8))
    theirs.set_weights(ours.get_weights())
    close(ours(drawn(*shape)), theirs(drawn(*shape)))


# --- attention


@pytest.mark.jax
@pytest.mark.parametrize("batched", [False, True])
def test_attention_is_the_softmax_of_scaled_products(batched):
    query, key, value = (drawn(B, T, H, d, seed=seed) for seed in range(3))
    mask = np.random.default_rng(3).random((B, T, T)) < 0.5
    mask = (mask if batched else mask[0]) | np.eye(T, dtype=bool)
    mixed, weights = attend(query, key, value, ops.convert_to_tensor(mask))
    scores = np.einsum("bthd,bshd->bhts", query, key) / np.sqrt(d)
    expected = softmax(np.where(np.broadcast_to(mask, (B, T, T))[:, None], scores, -np.inf))
    close(weights, expected)
    close(mixed, np.einsum("bhts,bshd->bthd", expected, value))


@pytest.mark.jax
def test_every_key_and_value_head_serves_its_group_of_query_heads():
    query, key, value = drawn(B, T, H, d), drawn(B, T, K, d, seed=1), drawn(B, T, K, d, seed=2)
    repeated = attend(query, np.repeat(key, H // K, axis=2), np.repeat(value, H // K, axis=2), CAUSAL)
    for ours, theirs in zip(attend(query, key, value, CAUSAL), repeated):
        close(ours, theirs)


@pytest.mark.jax
@pytest.mark.parametrize("device", [None, "a GPU"])
@pytest.mark.parametrize("heads", [H, K])
@pytest.mark.parametrize("last", [1, T - 1, T])
def test_training_attends_to_the_same_on_every_device(last, heads, device, monkeypatch):
    monkeypatch.setattr(layers, "gpu", lambda: device)
    monkeypatch.setattr(layers, "PART", 4)
    query, key, value = drawn(B, last, H, d), drawn(B, T, heads, d, seed=1), drawn(B, T, heads, d, seed=2)
    batched = np.stack([CAUSAL, CAUSAL & (PLACES > 0) | np.eye(T, dtype=bool)])
    for mask in (CAUSAL[-last:], batched[:, -last:]):
        close(attend_causally(query, key, value, mask), attend(query, key, value, mask)[0])


@pytest.mark.parametrize("device", [None, "a GPU"])
def test_training_keeps_no_weights(device, monkeypatch):
    monkeypatch.setattr(layers, "gpu", lambda: device)
    layer, x = attention(), drawn(B, T, D)
    expected, _, weights = layer(x, PLACES, CAUSAL)
    found, _, nothing = layer(x, PLACES, CAUSAL, training=True)
    close(found, expected)
    assert nothing is None
    assert weights.shape == (B, H, T, T)


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("heads", [H, K])
def test_queries_may_be_fewer_than_keys(heads, last):
    query, key, value = drawn(B, T, H, d), drawn(B, T, heads, d, seed=1), drawn(B, T, heads, d, seed=2)
    for whole, part in zip(attend(query, key, value, CAUSAL), attend(query[:, -last:], key, value, CAUSAL[-last:])):
        axis = 1 if whole.shape[1] == T else 2
        close(part, np.take(np.asarray(whole), range(T - last, T), axis=axis))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_the_mask_hides_has_weight_zero_whatever_its_score(dtype):
    query = ops.full((1, 2, 1, 2), 100, dtype=dtype)
    key = ops.convert_to_tensor([[[[-100, -100]], [[100, 100]]]], dtype=dtype)
    _, weights = attend(query, key, key, CAUSAL[:2, :2])
    assert ops.convert_to_numpy(ops.cast(weights, "float32")).tolist() == [[[[1, 0], [0, 1]]]]


@pytest.mark.jax
@pytest.mark.parametrize("bias", [True, False])
def test_attention_is_keras_own(bias):
    ours, x = attention(kv_heads=H, bias=bias), drawn(B, T, D)
    theirs = keras.layers.MultiHeadAttention(H, d, use_bias=bias)
    theirs.build(x.shape, x.shape)
    for name in ("query", "key", "value", "output"):
        dense = getattr(ours, "output_layer" if name == "output" else name)
        for variable, target in zip(dense.weights, getattr(theirs, f"{name}_dense").weights, strict=True):
            target.assign(np.reshape(variable, target.shape))
    close(output(ours, x), theirs(x, x, use_causal_mask=True))


def test_grouped_attention_is_attention_with_repeated_heads():
    few, many, x = attention(kv_heads=K), attention(kv_heads=H), drawn(B, T, D)
    for variable, target in zip(few.trainable_variables, many.trainable_variables, strict=True):
        value = np.asarray(variable)
        if value.shape != tuple(target.shape):
            value = np.repeat(value.reshape(*value.shape[:-1], K, d), H // K, axis=-2).reshape(target.shape)
        target.assign(value)
    close(output(few, x), output(many, x))


@pytest.mark.jax
def test_normalised_queries_and_keys_make_attention_blind_to_the_scale_of_its_inputs():
    plain, normalised = (attention(normalize=normalize, rotary_base=100.0, bias=False) for normalize in (None, 1e-6))
    x = drawn(B, T, D)
    close(normalised(20 * x, PLACES, CAUSAL)[2], normalised(x, PLACES, CAUSAL)[2])
    assert np.abs(np.asarray(plain(20 * x, PLACES, CAUSAL)[2]) - np.asarray(plain(x, PLACES, CAUSAL)[2])).max() > 0.2


def test_without_positions_and_mask_permuted_inputs_give_permuted_outputs():
    given, order, free = drawn(B, T, D), np.array([3, 0, 5, 1, 4, 2]), np.ones((T, T), dtype=bool)

    def moved(layer, added=0):
        straight, permuted = (np.asarray(layer(x + added, PLACES, free)[0]) for x in (given, given[:, order]))
        return np.abs(permuted - straight[:, order]).max()

    assert moved(attention()) < 1e-4
    assert moved(attention(), added=sinusoids(T, D)) > 0.1
    assert moved(attention(rotary_base=10_000.0)) > 0.1


# --- norms, feed-forward network, block


@pytest.mark.jax
@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_is_its_formula(kind, bias):
    layer, x = norm(kind, 0.1, bias, "some_norm"), drawn(B, T, D)
    layer.build(x.shape)
    lively(layer)
    gamma, *beta = (np.asarray(variable) for variable in layer.trainable_variables)
    assert len(beta) == (bias and kind == "layer")
    centred = x - x.mean(axis=-1, keepdims=True) if kind == "layer" else x
    expected = gamma * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 0.1) + sum(beta)
    close(layer(x), expected)


def gelu(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


NONLINEAR = {"relu": lambda x: np.maximum(x, 0), "relu2": lambda x: np.maximum(x, 0) ** 2, "gelu": gelu}


@pytest.mark.jax
@every_mlp
@pytest.mark.parametrize("bias", [True, False])
def test_a_feed_forward_network_is_its_formula(kind, bias):
    layer, x = FeedForward(F, kind, bias, "normal", "normal"), drawn(B, T, D)
    layer.build((None, None, D))
    lively(layer)

    def dense(part, x):
        return x @ np.asarray(part.kernel) + (np.asarray(part.bias) if bias else 0)

    if kind == "swiglu":
        gate = dense(layer.gate, x)
        hidden = gate / (1 + np.exp(-gate)) * dense(layer.up, x)
    else:
        hidden = NONLINEAR[kind](dense(layer.up, x))
    close(layer(x), dense(layer.down, hidden))
    assert len(layer.trainable_variables) == (3 if kind == "swiglu" else 2) * (2 if bias else 1)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_adds_each_branch_to_what_it_read_and_normalises_before_or_after(norm_first):
    first, second = norm("layer", 1e-5, True, "first"), norm("rms", 1e-5, True, "second")
    mixing, feed_forward = (
        Attention(H, K, d, True, None, False, "normal", "normal"),
        FeedForward(F, "gelu", True, "normal", "normal"),
    )
    block = Block(mixing, feed_forward, (first, second), norm_first, dropout=0.5)
    block.build((None, None, D))
    lively(block)
    x = drawn(B, T, D)

    if norm_first:
        middle = x + output(mixing, first(x))
        expected = middle + feed_forward(second(middle))
    else:
        middle = first(x + output(mixing, x))
        expected = second(middle + feed_forward(middle))
    close(output(block, x), expected)
    assert np.abs(np.asarray(block(x, PLACES, CAUSAL, training=True)[0]) - np.asarray(expected)).max() > 0.1
