"""Weights in 8 bits: how far they are off, what is computed with them, and what they weigh."""

import numpy as np
import pytest

from lmtutorial import lora, quantization
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=11, context=16, layers=2, width=32, heads=2)


@pytest.fixture(params=[True, False])
def model(request):
    model = GPT(GPTConfig(**vars(CONFIG) | {"bias": request.param}))
    rng = np.random.default_rng(0)
    for weight in model.weights:  # biases too: they start at zero
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def test_rounding_is_off_by_half_a_step_of_each_column_at_most():
    kernel = np.random.default_rng(0).normal(size=(50, 7)) * 10.0 ** np.arange(-3, 4)
    integers, scales = quantization.rounded(kernel)
    assert integers.dtype == np.int8
    assert (np.abs(integers).max(axis=0) == 127).all()
    assert (np.abs(integers * scales - kernel) <= scales * 0.501).all()


def test_a_column_of_zeros_stays_zero():
    integers, scales = quantization.rounded(np.zeros((3, 2)))
    assert not (integers * scales).any()


def test_a_quantised_model_predicts_as_one_with_rounded_kernels(model):
    ids = np.random.default_rng(1).integers(11, size=40)
    rounded = GPT(model.config)
    for new, old in zip(rounded.weights, model.weights):
        is_kernel = new.path.endswith("kernel")
        new.assign(np.multiply(*quantization.rounded(old)) if is_kernel else old)
    before = model.score(ids)
    quantization.quantize(model)
    after = model.score(ids)
    np.testing.assert_allclose(after, rounded.score(ids), atol=1e-4)
    assert 0 < np.abs(after - before).max() < 0.5


def test_it_generates_what_it_scores(model):
    quantization.quantize(model)
    ids = np.random.default_rng(2).integers(11, size=12)
    state, logits, costs = *model.start(), []
    for token in ids:
        costs.append(np.log(np.exp(logits).sum()) - logits[token])
        state, logits = model.step(state, token)
    np.testing.assert_allclose(costs, model.score(ids), atol=1e-4)


def test_a_kernel_takes_a_quarter(model):
    before = quantization.weight_bytes(model)
    assert before == 4 * model.count_params()
    kernels = [w for w in model.weights if w.path.endswith("kernel")]
    numbers, columns = (sum(int(f(w.shape)) for w in kernels) for f in (np.prod, lambda shape: shape[1]))
    quantization.quantize(model)
    assert quantization.weight_bytes(model) == before - 3 * numbers + 4 * columns


def test_a_model_with_adapters_is_left_as_it_is(model):
    lora.adapt(model, layers=["query"])
    before = quantization.weight_bytes(model)
    with pytest.raises(InputError, match="merge them"):
        quantization.quantize(model)
    assert quantization.weight_bytes(model) == before


def test_nothing_is_quantised_twice(model):
    quantization.quantize(model)
    with pytest.raises(InputError, match="no dense layers"):
        quantization.quantize(model)


def test_a_quantised_model_takes_no_adapters():
    model = GPT(CONFIG)
    quantization.quantize(model)
    with pytest.raises(InputError, match="adapt it before"):
        lora.adapt(model)
