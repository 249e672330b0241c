"""What was saved comes back; whatever else is in a file is refused in one line, and changes nothing."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
import safetensors

from lmtutorial import checkpoints
from lmtutorial.checkpoints import BEST, LAST, TOKENIZER
from lmtutorial.errors import InputError
from lmtutorial.experiments import PACKAGE
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import RNNConfig
from lmtutorial.tokenizers import ByteTokenizer, CharTokenizer

ALPHABET = CharTokenizer("abcde")
GPT = GPTConfig(ALPHABET.vocab_size, context=4, layers=2, width=4, heads=2)
CONFIG = RNNConfig(ALPHABET.vocab_size, "gru", embedding=2, units=3, dropout=0.1)


@pytest.fixture
def model():
    return checkpoints.build(CONFIG)


@pytest.fixture
def folder(model, tmp_path):
    """Return a run's folder with the best weights of `model`, and its tokenizer."""
    note = checkpoints.describe(model) | {"tokenizer": checkpoints.fingerprint(ALPHABET)}
    checkpoints.save(tmp_path / BEST, model.variables, note)
    ALPHABET.save(tmp_path / TOKENIZER)
    return tmp_path


def weights(model):
    return [np.asarray(variable).copy() for variable in model.variables]


def refusal(function, *arguments):
    """Return the one line with which `function` refuses its arguments."""
    with pytest.raises(InputError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_and_note_come_back(model, tmp_path):
    checkpoints.save(tmp_path / "new" / "file", model.variables, {"step": 3, "text": "詞\n"})
    values, note = checkpoints.read(tmp_path / "new" / "file")
    other = checkpoints.build(CONFIG)
    assert not np.array_equal(other.embedding, model.embedding)
    checkpoints.restore(tmp_path, other.variables, values)
    assert note == {"step": 3, "text": "詞\n"}
    for ours, theirs in zip(weights(other), weights(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


TIED = [RNNConfig(ALPHABET.vocab_size, cell, 3, 3, layers=2, tie_embeddings=True) for cell in ("rnn", "gru", "lstm")]
LLAMA = {"positions": "rotary", "norm": "rms", "mlp": "swiglu", "num_kv_heads": 1, "qk_norm": True, "bias": False}
GPTS = [
    GPT,
    dataclasses.replace(GPT, embedding=3, norm_first=False, tie_embeddings=False),
    dataclasses.replace(GPT, **LLAMA),
]


@pytest.mark.parametrize("config", [*TIED, *GPTS], ids=["rnn", "gru", "lstm", "gpt2", "article", "llama"])
def test_model_and_tokenizer_come_back(config, tmp_path):
    model = checkpoints.build(config)
    note = checkpoints.describe(model) | {"tokenizer": checkpoints.fingerprint(ALPHABET)}
    checkpoints.save(tmp_path / BEST, model.variables, note)
    ALPHABET.save(tmp_path / TOKENIZER)
    read, tokenizer = checkpoints.read_model(tmp_path)
    assert (read.config, tokenizer.alphabet) == (model.config, "abcde")
    np.testing.assert_array_equal(read(np.array([[0, 4, 2]]))[0], model(np.array([[0, 4, 2]]))[0])


def test_a_file_may_hold_more_than_the_model_such_as_the_optimisers_state(folder, model):
    _, note = checkpoints.read(folder / BEST)
    checkpoints.save(folder / LAST, [*model.variables, keras.Variable(np.ones(2), name="momentum")], note)
    read, _ = checkpoints.read_model(folder / LAST)
    np.testing.assert_array_equal(read.embedding, model.embedding)


def test_the_file_is_plain_safetensors(folder, model):
    with safetensors.safe_open(folder / BEST, framework="numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("layer_0/kernel"), model.recurrent[0].kernel)
        assert json.loads(file.metadata()["note"])["config"]["units"] == 3


def test_nothing_is_pickled():
    pickles = re.compile(r"^\s*(import|from) (pickle|dill|joblib|shelve)\b|allow_pickle=True|torch\.load", re.M)
    assert not [path for path in PACKAGE.rglob("*.py") if pickles.search(path.read_text("utf-8"))]


def test_what_cannot_be_written_leaves_the_old_file(folder, model):
    before = (folder / BEST).read_bytes()
    with pytest.raises(TypeError):
        checkpoints.save(folder / BEST, model.variables, {"what": object()})
    assert (folder / BEST).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [BEST, TOKENIZER]


def test_a_file_truncated_anywhere_is_refused(folder):
    content = (folder / BEST).read_bytes()
    for length in range(len(content)):
        (folder / BEST).write_bytes(content[:length])
        assert "is no checkpoint, or only a part of one" in refusal(checkpoints.read, folder / BEST)


def test_a_file_with_a_byte_changed_anywhere_is_refused(folder):
    content = (folder / BEST).read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        (folder / BEST).write_bytes(changed)
        assert str(folder / BEST) in refusal(checkpoints.read, folder / BEST)


@pytest.mark.parametrize("content", [b"", b"to be or not to be", bytes(100), b"\xff" * 100, b"\2" + bytes(7) + b"{}"])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    (tmp_path / BEST).write_bytes(content)
    assert "is no checkpoint" in refusal(checkpoints.read_model, tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RNNConfig(5, "gru", 2, units=4), "rnn/output_kernel has shape (3, 5) instead of (4, 5)"),
        (RNNConfig(5, "lstm", 2, 3), "layer_0/kernel has shape (2, 9) instead of (2, 12)"),
        (RNNConfig(5, "gru", 2, 3, layers=2), "it lacks layer_1/bias, layer_1/kernel, layer_1/recurrent_bias"),
    ],
    ids=["units", "cell", "layers"],
)
def test_weights_of_another_configuration_are_refused_and_change_nothing(config, message, folder):
    values, _ = checkpoints.read(folder / BEST)
    other = checkpoints.build(config)
    before = weights(other)
    said = refusal(checkpoints.restore, folder / BEST, other.variables, values)
    assert said == f"{folder / BEST} is a checkpoint of another configuration: {message}"
    for ours, kept in zip(weights(other), before, strict=True):
        np.testing.assert_array_equal(ours, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": 5}, "gpt/position_embedding has shape (4, 4) instead of (5, 4)"),
        ({"hidden": 8}, "block_0/feed_forward/up/kernel has shape (4, 16) instead of (4, 8)"),
        (
            {"layers": 3},
            "it lacks block_2/attention/key/bias, block_2/attention/key/kernel, block_2/attention/output/bias",
        ),
        ({"tie_embeddings": False}, "it lacks gpt/output_kernel"),
    ],
    ids=str,
)
def test_weights_of_another_gpt_are_refused(change, message, tmp_path):
    checkpoints.save(tmp_path / BEST, checkpoints.build(GPT).variables, {})
    values, _ = checkpoints.read(tmp_path / BEST)
    other = checkpoints.build(dataclasses.replace(GPT, **change))
    said = refusal(checkpoints.restore, tmp_path / BEST, other.variables, values)
    assert said.startswith(f"{tmp_path / BEST} is a checkpoint of another configuration: {message}")


@pytest.mark.parametrize("other", [CharTokenizer("edcba"), CharTokenizer("abcd", unknown=True), ByteTokenizer()])
def test_another_tokenizer_is_refused(other, folder):
    other.save(folder / TOKENIZER)
    said = refusal(checkpoints.read_model, folder)
    assert said == f"{folder / BEST} was trained with another tokenizer than {folder / TOKENIZER}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "oracle"}, "holds a model that this version does not know ('oracle')"),
        ({"config": {"depth": 3}}, "holds a model that this version does not know (RNNConfig"),
        ({"config": {"vocab_size": "many"}}, "holds a model that this version does not know ('>=' not"),
        ({"config": {"vocab_size": 0}}, "vocab_size must be at least 1; got 0"),
        ({"tokenizer": None}, "was trained with another tokenizer"),
    ],
)
def test_a_note_that_means_nothing_is_refused(change, message, folder, model):
    _, note = checkpoints.read(folder / BEST)
    checkpoints.save(folder / BEST, model.variables, note | change)
    assert message in refusal(checkpoints.read_model, folder)


@pytest.mark.parametrize("note", [{}, [], None, {"kind": "rnn"}])
def test_a_note_of_something_else_is_refused(note, folder, model):
    checkpoints.save(folder / BEST, model.variables, note)
    assert "holds a model that this version does not know" in refusal(checkpoints.read_model, folder)


def test_a_note_without_tokenizer_is_refused(folder, model):
    checkpoints.save(folder / BEST, model.variables, checkpoints.describe(model))
    assert "was trained with another tokenizer" in refusal(checkpoints.read_model, folder)


def test_a_run_has_its_folders_name_however_it_is_given(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for given in (folder, folder / BEST, ".", BEST):
        assert checkpoints.name_of(given) == folder.name


@pytest.mark.parametrize(
    ("gone", "asked", "message"),
    [
        (BEST, "", "holds no trained model (there is no best.safetensors)"),
        (BEST, BEST, "there is no file"),
        (TOKENIZER, "", "there is no file"),
    ],
)
def test_a_missing_file_is_named(gone, asked, message, folder):
    (folder / gone).unlink()
    assert message in refusal(checkpoints.read_model, folder / asked)
