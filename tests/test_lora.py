"""Low-rank adapters: they begin as nothing, only they train, and merged they give the same logits."""

import numpy as np
import pytest

from lmtutorial import lora
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPT, GPTConfig
from lmtutorial.training import TrainingConfig

V, S = 13, 12
LLAMA = {"positions": "rotary", "norm": "rms", "mlp": "swiglu", "bias": False, "num_kv_heads": 2, "head_width": 6}
IDS = np.random.default_rng(0).integers(V, size=(2, S)).astype("int32")
CONFIG = TrainingConfig(steps=60, batch=8, context=6, learning_rate=0.02, warmup=5, weight_decay=0.0)
EXAMPLES = [([word, 1, 2], [3 + word % 2]) for word in range(5, V)]  # label: whether the first token is odd
variants = pytest.mark.parametrize("fields", [{}, LLAMA], ids=["gpt2", "llama"])


def model_of(fields):
    model = GPT(GPTConfig(V, S, layers=2, width=16, heads=4, **fields))
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if len(variable.shape) == 2:
            variable.assign(rng.normal(size=variable.shape) / variable.shape[0] ** 0.5)
    return model


def logits_of(model):
    return np.asarray(model(IDS)[0])


def values_of(variables):
    return {variable.path: np.asarray(variable).copy() for variable in variables}


@pytest.mark.jax
@variants
def test_adapters_begin_as_nothing_train_alone_and_merge(fields):
    model = model_of(fields)
    before, weights = logits_of(model), values_of(model.variables)
    model.step(model.start()[0], 3)  # compiled before there were adapters
    lora.adapt(model, rank=2, layers=[*lora.ATTENTION, "up"])
    np.testing.assert_allclose(logits_of(model), before, rtol=0, atol=1e-6)
    assert len(model.trainable_variables) == 2 * 2 * 5
    losses = lora.fine_tune(model, EXAMPLES, CONFIG)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    after = values_of(model.variables)
    for path, value in weights.items():
        np.testing.assert_array_equal(after[path], value, err_msg=path)
    adapted, stepped = logits_of(model), model.step(model.start()[0], 3)[1]
    assert np.abs(adapted - before).max() > 0.1
    lora.merge(model)
    np.testing.assert_allclose(logits_of(model), adapted, rtol=0, atol=1e-4)
    np.testing.assert_allclose(model.step(model.start()[0], 3)[1], stepped, rtol=0, atol=1e-4)
    assert values_of(model.variables).keys() == weights.keys()
    assert len(model.trainable_variables) == len(weights)


@pytest.mark.jax
def test_a_merged_model_with_dropout_trains_on():
    model = model_of({"dropout": 0.1})
    before = [variable.path for variable in model.trainable_variables]
    lora.adapt(model)
    lora.merge(model)
    assert not [variable.path for variable in model.trainable_variables if "int" in variable.dtype]
    assert [variable.path for variable in model.trainable_variables] == before
    assert np.isfinite(lora.fine_tune(model, EXAMPLES, TrainingConfig(steps=1, batch=2, context=6, warmup=0)))


def test_labels_are_learnt_and_chosen_by_likelihood():
    model = model_of(LLAMA)
    lora.adapt(model, rank=4)
    lora.fine_tune(model, EXAMPLES, CONFIG)
    costs = np.array([lora.choose(model, given, [[3], [4]]) for given, _ in EXAMPLES])
    assert (costs.argmin(axis=1) == [learnt[0] - 3 for _, learnt in EXAMPLES]).mean() > 0.8


def test_only_what_is_to_be_learnt_costs():
    inputs, targets, weights = lora._batch([([5, 6, 7], [8, 9]), ([1], [2])], T=6)
    np.testing.assert_array_equal(inputs, [[5, 6, 7, 8, 9, 0], [1, 2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(targets[weights > 0], [8, 9, 2])
    assert weights.mean() == pytest.approx(1)


def test_the_first_loss_is_what_the_examples_cost():
    model = model_of({})
    config = TrainingConfig(steps=1, batch=4, context=6, learning_rate=1e-9, warmup=0)
    rows = np.random.default_rng((0, 0)).integers(len(EXAMPLES), size=4)
    costs = [lora.choose(model, EXAMPLES[row][0], [EXAMPLES[row][1]])[0] for row in rows]
    lora.adapt(model)
    assert lora.fine_tune(model, EXAMPLES, config) == [pytest.approx(np.mean(costs), abs=1e-4)]


def test_what_makes_no_sense_is_refused():
    model = model_of({})
    for arguments, message in [
        ({"rank": 0}, "the rank must be at least 1; got 0"),
        ({"layers": ["gate"]}, "the model has no layers called gate"),
    ]:
        with pytest.raises(InputError) as error:
            lora.adapt(model, **arguments)
        assert str(error.value) == message
    lora.adapt(model)
    for examples, message in [
        ([], "there are no examples to learn from"),
        ([([1], [])], "an example needs at least one token that is given and one to learn"),
        ([([1] * 5, [2, 3, 4])], "an example of 8 tokens is longer than the context of 6"),
    ]:
        with pytest.raises(InputError) as error:
            lora.fine_tune(model, examples, CONFIG)
        assert str(error.value) == message
    with pytest.raises(InputError, match="the model has adapters; merge them before adding others"):
        lora.adapt(model)
