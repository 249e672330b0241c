"""The formulas of costs against the frameworks' own counts, and against what is published about GPT-2 and GPT-3."""

import math

import keras
import numpy as np
import pytest

from lmtutorial import costs
from lmtutorial.gpt import GPT, GPTConfig

SMALL = {"vocab_size": 61, "context": 16, "layers": 2, "width": 24, "heads": 4}
VARIANTS = [
    {},
    {"layers": 3, "heads": 1},
    {"num_kv_heads": 2},
    {"num_kv_heads": 1, "head_width": 10},
    {"hidden": 50},
    {"embedding": 7, "tie_embeddings": False},
    {"tie_embeddings": False},
    {"positions": "sinusoidal"},
    {"positions": "rotary"},
    {"positions": "none"},
    {"norm": "rms"},
    {"norm_first": False},
    {"norm_first": False, "norm": "rms", "bias": False},
    {"bias": False},
    {"qk_norm": True},
    {"qk_norm": True, "num_kv_heads": 2, "bias": False},
    {"mlp": "swiglu"},
    {"mlp": "swiglu", "bias": False, "norm": "rms", "positions": "rotary", "num_kv_heads": 2, "hidden": 40},
    {"mlp": "relu"},
    {"mlp": "relu2", "zero_outputs": True, "dropout": 0.1},
]
GPT2 = GPTConfig(vocab_size=50257, context=1024, layers=12, width=768, heads=12)
GPT3 = GPTConfig(vocab_size=50257, context=2048, layers=96, width=12288, heads=96)


@pytest.fixture(params=VARIANTS, ids=lambda changes: ",".join(f"{k}={v}" for k, v in changes.items()) or "gpt2")
def model(request):
    return GPT(GPTConfig(**SMALL | request.param))


def test_parameters_are_those_that_keras_counts(model):
    assert costs.parameters(model.config) == model.count_params()


@pytest.mark.parametrize("batch", [1, 3])
def test_the_cache_is_the_keys_and_values_of_the_state(model, batch):
    _, _, *caches = model.initial_state(batch)
    arrays = [keras.ops.convert_to_numpy(array) for array in caches]
    assert costs.cache_bytes(model.config, batch) == sum(array.nbytes for array in arrays)
    assert costs.cache_bytes(model.config, batch, bytes=2) == sum(array.size for array in arrays) * 2


def counted_flops(model, ids):
    """Return the operations that the backend counts in the model's forward pass."""
    if keras.backend.backend() == "jax":
        import jax

        def logits(values, ids):
            with keras.StatelessScope(state_mapping=list(zip(model.variables, values))):
                return model(ids)[0]

        compiled = jax.jit(logits).lower([variable.value for variable in model.variables], ids).compile()
        return compiled.cost_analysis()["flops"]
    import tensorflow as tf

    function = tf.function(lambda ids: model(ids)[0], autograph=False).get_concrete_function(tf.constant(ids))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    counted = tf.compat.v1.profiler.profile(function.graph, options=options).total_float_ops
    sums = [operation for operation in function.graph.get_operations() if operation.type == "Einsum"]
    return counted + sum(map(einsum_flops, sums))  # which the profiler does not know


def einsum_flops(operation):
    """Return a multiplication and an addition for every combination of indices."""
    inputs = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes = {}
    for letters, tensor in zip(inputs, operation.inputs, strict=True):
        sizes |= dict(zip(letters, tensor.shape, strict=True))
    return 2 * math.prod(sizes.values())


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_flops_are_those_that_the_framework_counts_within_four_percent(changes):
    """The framework counts the operations of norms, softmax and activations, too, and counts them as one each."""
    sizes = {"vocab_size": 600, "context": 32, "layers": 2, "width": 128, "heads": 4}
    wider = {name: 8 * changes[name] for name in ("hidden", "head_width", "embedding") if name in changes}
    model = GPT(GPTConfig(**sizes | changes | wider))
    ratio = counted_flops(model, np.zeros((1, 32), "int32")) / costs.flops(model.config, 32)
    assert 1 <= ratio < 1.04


def test_training_takes_three_times_the_operations_of_reading():
    assert costs.training_flops(GPT2, 100) == 3 * costs.flops(GPT2, 100)


def test_operations_grow_with_the_square_of_the_length_by_attention_alone():
    once, twice = (costs.flops(GPT2, length) for length in (512, 1024))
    assert twice - 2 * once == 12 * 4 * 768 * (1024**2 - 2 * 512**2)


def test_the_published_sizes_come_out():
    assert costs.parameters(GPT2) == 124_439_808
    assert costs.parameters(GPT3) / 1e6 == pytest.approx(174_600, abs=10)  # Brown et al. 2020, table D.1


def test_activations_are_the_arrays_that_the_formula_names():
    B, T, D, H, F, V = 2, 16, 24, 4, 96, 61
    streams, weights, hidden = 8 * B * T * D, B * H * T * T, 2 * B * T * F  # 8: two norms, q, k, v and mixed
    ends = 2 * B * T * D + B * T * V
    assert costs.activation_bytes(GPTConfig(**SMALL), B, T) == 4 * (2 * (streams + weights + hidden) + ends)


def test_a_batch_keeps_as_many_activations_as_its_sequences_one_by_one(model):
    assert costs.activation_bytes(model.config, 6, 9, 2) == 3 * costs.activation_bytes(model.config, 2, 9, 2)
