"""Chapter 3's equations against Keras' layers, the package's, its costs, and the backend's gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from lmtutorial import costs, layers
from lmtutorial.gpt import GPT, GPTConfig

CHAPTER = "03_transformer_math"
B, T, D, H, d, F, V = 2, 7, 12, 4, 3, 20, 11
close = {"rtol": 0, "atol": 1e-5}


def normal(*shape, scale=1.0):
    return (scale * np.random.default_rng(sum(shape)).normal(size=shape)).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def weights(kv_heads=H):
    """Random weights of a block, under the chapter's names."""
    inner = kv_heads * d
    shapes = {"Q": (D, H * d), "K": (D, inner), "V": (D, inner), "O": (H * d, D), "1": (D, F), "2": (F, D)}
    p = {f"W_{name}": normal(*shape, scale=0.3) for name, shape in shapes.items()}
    p |= {f"b_{name}": normal(shape[1], scale=0.3) for name, shape in shapes.items()}
    norms = {f"{name}_{i}": start + normal(D, scale=0.2) for i in "12" for name, start in (("gain", 1), ("shift", 0))}
    return p | norms


def package_attention(kv_heads=H, head_width=d, rotary_base=None):
    return layers.Attention(H, kv_heads, head_width, True, rotary_base, False, "zeros", "zeros")


def package_feed_forward():
    return layers.FeedForward(F, "gelu", True, "zeros", "zeros")


def reading(x):
    """Return what an attention layer or a block of the package reads: rows, their places, and a causal mask."""
    return ops.convert_to_tensor(x), ops.arange(T), ops.convert_to_tensor(np.tri(T, dtype=bool))


def with_weights(layer, p):
    """Build the attention layer or the feed-forward network if it is not built, and give it the chapter's weights."""
    if not layer.built:
        layer.build((B, T, D))
    if isinstance(layer, layers.Attention):
        parts = {"Q": layer.query, "K": layer.key, "V": layer.value, "O": layer.output_layer}
    else:
        parts = {"1": layer.up, "2": layer.down}
    for name, part in parts.items():
        part.set_weights([p[f"W_{name}"], p[f"b_{name}"]])
    return layer


@pytest.mark.equation("attention", "keras.ops.dot_product_attention")
def test_attention_is_that_of_keras(equations):
    q, k, v = (normal(B, T, H, d, scale=s) for s in (1, 2, 3))
    mixed, _ = equations["attention"](*(np.swapaxes(each, 1, 2) for each in (q, k, v)))
    np.testing.assert_allclose(np.swapaxes(mixed, 1, 2), array(ops.dot_product_attention(q, k, v)), **close)


@pytest.mark.equation("causal-mask", "lmtutorial.layers.attend")
def test_masked_attention_and_its_weights_are_those_of_the_package(equations):
    q, k, v = (normal(B, T, H, d, scale=s) for s in (1, 2, 3))
    mask = equations["causal_mask"](T)
    ours = equations["attention"](*(np.swapaxes(each, 1, 2) for each in (q, k, v)), mask)
    mixed, seen = layers.attend(*map(ops.convert_to_tensor, (q, k, v, mask)))
    np.testing.assert_allclose(np.swapaxes(ours[0], 1, 2), array(mixed), **close)
    np.testing.assert_allclose(ours[1], array(seen), **close)
    assert not ours[1][..., ~mask].any()


@pytest.mark.equation("multi-head", "lmtutorial.layers.Attention")
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_several_heads_are_those_of_the_package(equations, kv_heads):
    x, p = normal(B, T, D), weights(kv_heads)
    ours = equations["multi_head"](x, p, H, kv_heads, equations["causal_mask"](T))
    output, _, seen = with_weights(package_attention(kv_heads), p)(*reading(x))
    np.testing.assert_allclose(ours[0], array(output), **close)
    np.testing.assert_allclose(ours[1], array(seen), **close)


@pytest.mark.equation("multi-head", "keras.layers.MultiHeadAttention")
def test_several_heads_are_those_of_keras(equations):
    x, p = normal(B, T, D), weights()
    layer = keras.layers.MultiHeadAttention(H, d)
    layer.build(x.shape, x.shape)
    kernels = [part for name in "QKV" for part in (p[f"W_{name}"].reshape(D, H, d), p[f"b_{name}"].reshape(H, d))]
    layer.set_weights([*kernels, p["W_O"].reshape(H, d, D), p["b_O"]])
    ours, _ = equations["multi_head"](x, p, H, H, equations["causal_mask"](T))
    np.testing.assert_allclose(ours, array(layer(x, x, use_causal_mask=True)), **close)


@pytest.mark.equation("sinusoidal", "lmtutorial.layers.sinusoids")
@pytest.mark.parametrize("width", [2, 8, 9])
def test_the_waves_are_those_of_the_package(equations, width):
    np.testing.assert_allclose(equations["sinusoidal"](50, width), layers.sinusoids(50, width), **close)


@pytest.mark.equation("rotary", "lmtutorial.layers.rotate")
@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_turning_is_that_of_the_package(equations, base):
    x, positions = normal(B, T, H, 6), np.arange(T) + 3
    ours = equations["rotary"](np.swapaxes(x, 1, 2), positions, base)
    theirs = layers.rotate(ops.convert_to_tensor(x), ops.convert_to_tensor(positions), base)
    np.testing.assert_allclose(np.swapaxes(ours, 1, 2), array(theirs), **close)


@pytest.mark.equation("rotary", "lmtutorial.layers.Attention")
def test_rotary_attention_is_that_of_the_package(equations):
    x = normal(B, T, D)
    p = {name: value for name, value in weights().items() if name[2:] in "QKVO"}
    p["W_Q"], p["W_K"], p["W_V"] = (normal(D, 16, scale=s) for s in (0.3, 0.4, 0.5))
    p["b_Q"], p["b_K"], p["b_V"], p["W_O"] = normal(16), normal(16), normal(16), normal(16, D)
    layer = with_weights(package_attention(H, 4, 10_000.0), p)
    ours, _ = equations["multi_head"](
        x, p, H, H, equations["causal_mask"](T), lambda heads: equations["rotary"](heads, np.arange(T))
    )
    np.testing.assert_allclose(ours, array(layer(*reading(x))[0]), atol=1e-4)


@pytest.mark.equation("layer-norm", "keras.layers.LayerNormalization")
def test_the_layer_norm_is_that_of_keras(equations):
    x, gain, shift = normal(B, T, D), normal(D), normal(D, scale=2)
    layer = keras.layers.LayerNormalization(epsilon=1e-5)
    layer.build(x.shape)
    layer.set_weights([gain, shift])
    np.testing.assert_allclose(equations["layer_norm"](x, gain, shift), array(layer(x)), **close)


@pytest.mark.equation("rms-norm", "keras.layers.RMSNormalization")
def test_the_rms_norm_is_that_of_keras(equations):
    x, gain = normal(B, T, D), normal(D)
    layer = keras.layers.RMSNormalization(epsilon=1e-5)
    layer.build(x.shape)
    layer.set_weights([gain])
    np.testing.assert_allclose(equations["rms_norm"](x, gain), array(layer(x)), **close)


@pytest.mark.equation("feed-forward", "lmtutorial.layers.FeedForward")
def test_the_feed_forward_network_is_that_of_the_package(equations):
    x, p = normal(B, T, D), weights()
    expected = with_weights(package_feed_forward(), p)(ops.convert_to_tensor(x))
    np.testing.assert_allclose(equations["feed_forward"](x, p), array(expected), **close)


@pytest.mark.equation("pre-norm", "lmtutorial.layers.Block")
@pytest.mark.equation("post-norm", "lmtutorial.layers.Block")
@pytest.mark.parametrize("order", ["pre_norm", "post_norm"])
def test_a_block_is_that_of_the_package(equations, order):
    x, p = normal(B, T, D), weights()
    norms = [keras.layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
    block = layers.Block(package_attention(), package_feed_forward(), norms, order == "pre_norm", 0.0)
    block.build(x.shape)
    for name, norm in zip("12", norms, strict=True):
        norm.set_weights([p[f"gain_{name}"], p[f"shift_{name}"]])
    with_weights(block.attention, p)
    with_weights(block.feed_forward, p)
    expected, *_ = block(*reading(x))
    np.testing.assert_allclose(equations[order](x, p, H, equations["causal_mask"](T)), array(expected), **close)


@pytest.mark.equation("tied-output", "lmtutorial.gpt.GPT")
def test_the_output_is_that_of_a_model_without_blocks_in_between(equations):
    model = GPT(GPTConfig(vocab_size=V, context=T, layers=1, width=D, heads=H, zero_outputs=True))
    W_e, W_p = normal(V, D), normal(T, D)
    model.embedding.assign(W_e)
    model.position_embedding.assign(W_p)
    gain, shift = normal(D), normal(D, scale=2)
    model.final_norm.set_weights([gain, shift])
    ids = np.random.default_rng(0).integers(V, size=(B, T))
    x = W_e[ids] + W_p  # the block begins by adding nothing
    ours = equations["tied_output"](x, W_e, gain, shift)
    np.testing.assert_allclose(ours, array(ops.softmax(model(ids)[0])), **close)


@pytest.mark.equation("attention-gradient", "lmtutorial.layers.attend")
def test_the_gradient_is_the_backends(equations):
    q, k, v, weight = (normal(1, T, 1, d, scale=s) for s in (1, 2, 3, 4))
    mask = equations["causal_mask"](T)

    def total(q, k, v):
        return ops.sum(layers.attend(q, k, v, ops.convert_to_tensor(mask))[0] * weight)

    if keras.backend.backend() == "jax":
        import jax

        expected = jax.grad(total, argnums=(0, 1, 2))(q, k, v)
    else:
        import tensorflow as tf

        tensors = [tf.constant(each) for each in (q, k, v)]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = total(*tensors)
        expected = tape.gradient(value, tensors)
    rows = [each[0, :, 0].astype("float64") for each in (q, k, v)]
    _, A = equations["attention"](*rows, mask)
    ours = equations["attention_gradient"](weight[0, :, 0], *rows, A)
    for got, right in zip(ours, expected, strict=True):
        np.testing.assert_allclose(got, array(right)[0, :, 0], rtol=1e-4, atol=1e-5)


SHAPES = [GPTConfig(vocab_size=V, context=T, layers=3, width=D, heads=H), GPTConfig(V, 5, 1, 16, 2, hidden=10)]


@pytest.mark.equation("parameter-count", "lmtutorial.costs.parameters")
@pytest.mark.parametrize("c", SHAPES)
def test_the_parameters_are_those_of_costs(equations, c):
    assert equations["parameter_count"](c.vocab_size, c.context, c.layers, c.width, c.hidden) == costs.parameters(c)


@pytest.mark.equation("flops", "lmtutorial.costs.flops")
@pytest.mark.parametrize("c", SHAPES)
def test_the_operations_are_those_of_costs(equations, c):
    assert equations["forward_flops"](c.vocab_size, c.layers, c.width, c.hidden, 5) == costs.flops(c, 5)


@pytest.mark.equation("activations", "lmtutorial.costs.activation_bytes")
@pytest.mark.parametrize("c", SHAPES)
def test_the_activations_are_those_of_costs(equations, c):
    numbers = equations["activation_numbers"](c.vocab_size, c.layers, c.width, c.heads, c.hidden, 3, 5)
    assert 4 * numbers == costs.activation_bytes(c, 3, 5)


@pytest.mark.equation("cache-size", "lmtutorial.costs.cache_bytes")
@pytest.mark.parametrize("c", SHAPES)
def test_the_cache_is_that_of_costs(equations, c):
    ours = equations["cache_size"](c.layers, 3, c.context, c.num_kv_heads, c.head_width, 2)
    assert ours == costs.cache_bytes(c, 3, 2)
