"""Recurrent models against Keras' layers; their states; costs of long texts, cut into parts, as in one stream."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutorial import evaluation, rnn
from lmtutorial.errors import InputError
from lmtutorial.rnn import GATES, RNNLM, RNNConfig

V, E, U = 5, 3, 4
IDS = np.random.default_rng(0).integers(V, size=(2, 12)).astype(np.int32)
TEXT = np.random.default_rng(1).integers(V, size=1001)
every_cell = pytest.mark.parametrize("cell", GATES)


def lively(cell="gru", **fields):
    """Return a model that says much, and forgets most of what it read within some dozen tokens."""
    model = RNNLM(RNNConfig(**{"vocab_size": V, "cell": cell, "embedding": E, "units": U} | fields))
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * (0.3 if "recurrent" in variable.path else 1))
    return model


def logits_of(model, ids, state=None):
    return np.asarray(model(ids, state)[0])


def costs(logits, targets):
    """Return the costs (T,) of `targets` (T,) by `logits` (T, V)."""
    return np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(targets)), targets]


def in_one_stream(model, ids):
    """Return what `score` should."""
    return np.append(np.log(V), costs(logits_of(model, ids[None, :-1])[0], ids[1:]))


@every_cell
@pytest.mark.parametrize("layers", [1, 2])
def test_a_model_is_an_embedding_keras_layers_and_a_dense_layer(cell, layers):
    model = lively(cell, layers=layers)
    x = np.asarray(model.embedding)[IDS]
    kind = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    for ours in model.recurrent:
        theirs = kind(U, return_sequences=True)
        theirs.build(x.shape)
        kernel, recurrent_kernel, bias, *extra = (np.asarray(variable) for variable in ours.weights)
        if cell == "gru":
            bias = np.stack([bias, np.append(np.zeros(2 * U), extra[0])])
        theirs.set_weights([kernel, recurrent_kernel, bias])
        x = theirs(x)
    expected = np.asarray(x) @ np.asarray(model.output_kernel) + np.asarray(model.output_bias)
    np.testing.assert_allclose(logits_of(model, IDS), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "layers", "tied", "expected"),
    [
        ("rnn", 1, False, V * E + (E + U + 1) * U + (U + 1) * V),
        ("lstm", 1, False, V * E + 4 * (E + U + 1) * U + (U + 1) * V),
        ("gru", 1, False, V * E + 3 * (E + U + 1) * U + U + (U + 1) * V),
        ("lstm", 3, False, V * E + 4 * (E + U + 1) * U + 2 * 4 * (2 * U + 1) * U + (U + 1) * V),
        ("rnn", 1, True, V * U + (2 * U + 1) * U + V),
    ],
)
def test_parameters_are_as_many_as_the_formula_says(cell, layers, tied, expected):
    config = RNNConfig(V, cell, U if tied else E, U, layers, tie_embeddings=tied)
    assert RNNLM(config).count_params() == expected


@every_cell
def test_a_later_token_changes_no_earlier_logit(cell):
    model = lively(cell, layers=2)
    changed = IDS.copy()
    changed[:, 7] = (changed[:, 7] + 1) % V
    before, after = logits_of(model, IDS), logits_of(model, changed)
    np.testing.assert_allclose(after[:, :7], before[:, :7], rtol=0, atol=1e-6)
    assert np.abs(after[:, 7:] - before[:, 7:]).max(axis=(0, 2)).min() > 1e-4


@every_cell
def test_two_halves_with_the_state_passed_on_are_the_whole(cell):
    model = lively(cell, layers=2)
    first, state = model(IDS[:, :5])
    second = logits_of(model, IDS[:, 5:], state)
    np.testing.assert_allclose(np.append(first, second, axis=1), logits_of(model, IDS), rtol=0, atol=1e-5)


@pytest.mark.jax
@every_cell
def test_steps_are_the_whole(cell):  # a step looks its token up, a text longer than the vocabulary is looked up last
    model = lively(cell, layers=2)
    state, found = model.initial_state(2), []
    for tokens in IDS.T:
        state, logits = model.advance(state, tokens)
        found.append(logits)
    np.testing.assert_allclose(np.stack(found, axis=1), logits_of(model, IDS), rtol=0, atol=1e-5)


def test_a_step_of_one_sequence_is_a_step_of_a_batch_of_one():
    model = lively()
    (state, logits), (states, batch) = model.step(model.start()[0], 3), model.advance(model.initial_state(1), [3])
    np.testing.assert_array_equal(logits, batch[0])
    np.testing.assert_array_equal(state[0], states[0])


@every_cell
def test_the_state_passed_in_stays_as_it_is(cell):
    model = lively(cell)
    state, _ = model.step(model.start()[0], 1)
    before = [np.array(part) for part in state]
    model.step(state, 2)
    model(IDS[:1], state)
    for part, kept in zip(state, before):
        np.testing.assert_array_equal(part, kept)


def test_states_are_joined_and_selected_by_row():
    model = lively("lstm")
    states = [model.step(model.start()[0], token)[0] for token in (1, 2)]
    chosen = model.select(model.join(states), [1, 0, 1])
    for part, first, second in zip(chosen, *states):
        np.testing.assert_array_equal(part, np.concatenate([second, first, second]))


@pytest.mark.jax
@every_cell
def test_it_is_a_language_model(cell):
    evaluation.check(lively(cell))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 64, 65, 66, 512, 513, 514, 1001])
def test_the_costs_of_a_text_are_those_of_one_stream(length):
    model = lively("rnn")
    expected = in_one_stream(model, TEXT[:length]) if length else np.empty(0)
    np.testing.assert_allclose(model.score(TEXT[:length]), expected, rtol=0, atol=1e-4)


@pytest.mark.jax
@every_cell
def test_the_costs_of_a_long_text_cut_into_parts_are_those_of_one_stream(cell, monkeypatch):
    monkeypatch.setattr(rnn, "PART", 300)
    monkeypatch.setattr(rnn, "WARM_UP", 100)
    model = lively(cell)
    np.testing.assert_allclose(model.score(TEXT), in_one_stream(model, TEXT), rtol=0, atol=1e-4)


@pytest.mark.parametrize("length", [3, 4, 5, 6, 8, 9, 12])  # 12: the fifth part of three tokens has none left
def test_parts_that_do_not_divide_a_text_leave_no_token_out(length, monkeypatch):
    monkeypatch.setattr(rnn, "PART", 2)
    model = lively("rnn")
    np.testing.assert_allclose(model.score(TEXT[:length]), in_one_stream(model, TEXT[:length]), rtol=0, atol=1e-4)


def test_a_chunk_of_a_large_vocabulary_is_shorter():
    assert rnn._chunk(1000, row=2**24 // 8) == 8


@given(st.integers(0, 10_000), st.integers(1, 2**26))
def test_a_chunk_is_a_power_of_two_whose_logits_fit(length, row):
    chunk = rnn._chunk(length, row)
    assert chunk.bit_count() == 1
    assert chunk == 1 or chunk * row <= 2**24


@pytest.mark.jax
def test_compiled_functions_see_weights_that_changed():
    model = lively()
    model.score(TEXT[:9])
    for variable in model.trainable_variables:
        variable.assign(-0.5 * np.asarray(variable))
    np.testing.assert_allclose(model.score(TEXT[:9]), in_one_stream(model, TEXT[:9]), rtol=0, atol=1e-4)


def test_tied_embeddings_are_the_output_matrix_transposed():
    tied, free = lively(embedding=U, tie_embeddings=True), lively(embedding=U)
    for variable in tied.trainable_variables:
        next(v for v in free.trainable_variables if v.path == variable.path).assign(variable)
    free.output_kernel.assign(np.asarray(tied.embedding).T)
    np.testing.assert_allclose(logits_of(tied, IDS), logits_of(free, IDS), rtol=0, atol=1e-6)


def test_dropout_drops_only_in_training():
    plain, dropping = lively(), lively(dropout=0.5)
    np.testing.assert_array_equal(logits_of(dropping, IDS), logits_of(plain, IDS))
    assert np.abs(np.asarray(dropping(IDS, training=True)[0]) - logits_of(plain, IDS)).max() > 0.1


def test_the_forget_gates_bias_starts_at_one_and_all_others_at_zero():
    bias = RNNLM(RNNConfig(V, "lstm", E, U)).recurrent[0].bias
    assert np.asarray(bias).reshape(4, U).tolist() == [U * [0], U * [1], U * [0], U * [0]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "elman"}, "there is no cell 'elman'; there are rnn, gru, lstm"),
        ({"vocab_size": 0}, "vocab_size must be at least 1; got 0"),
        ({"embedding": 0}, "embedding must be at least 1; got 0"),
        ({"units": -1}, "units must be at least 1; got -1"),
        ({"layers": 0}, "layers must be at least 1; got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1; got 1.0"),
        ({"dropout": float("nan")}, "dropout must be at least 0 and less than 1; got nan"),
        ({"tie_embeddings": True}, "tied embeddings need embedding = units; got embedding 64 and units 400"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InputError) as error:
        RNNConfig(**{"vocab_size": V} | fields)
    assert str(error.value) == message
