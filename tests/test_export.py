"""Export: what is rounded and how much, what the manifest says, what is refused. The engine: tests/playground."""

import json

import numpy as np
import pytest
import safetensors.numpy

from lmtutorial import cli, export, ngram, onnxexport
from lmtutorial.checkpoints import BEST, build, describe, fingerprint, save
from lmtutorial.errors import InputError
from lmtutorial.files import sha256
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import RNNConfig
from lmtutorial.tokenizers import ByteTokenizer, CharTokenizer

TOKENIZER = CharTokenizer("abcdefgh")
GPT = GPTConfig(8, context=8, layers=1, width=8, heads=2)


def write_run(folder, config=GPT, tokenizer=TOKENIZER):
    """A run's folder, as training leaves it."""
    model = build(config)
    note = describe(model) | {
        "tokenizer": fingerprint(tokenizer),
        "step": 3,
        "training": {"steps": 3},
        "data": "d",
        "backend": "b",
    }
    folder.mkdir()
    save(folder / BEST, model.variables, note)
    tokenizer.save(folder / "tokenizer.json")
    return model


def test_a_column_of_8_bits_is_off_by_half_its_scale_at_most():
    weights = {"kernel": np.random.default_rng(0).normal(size=(50, 7)) * np.arange(7), "bias": np.ones(7)}
    kept = export.stored(weights, "int8")
    assert (kept["kernel"].dtype, kept["kernel.scales"].shape, kept["bias"].dtype) == (np.int8, (7,), np.float64)
    off = np.abs(kept["kernel"] * kept["kernel.scales"] - weights["kernel"]).max(axis=0)
    assert (off <= kept["kernel.scales"] / 2 + 1e-9).all()
    assert np.abs(kept["kernel"][:, 1:]).max(axis=0).tolist() == [127] * 6


@pytest.mark.parametrize("dtype", export.DTYPES)
def test_a_file_is_read_as_the_model_that_was_written_but_for_rounding(dtype):
    before = build(GPT)
    after = export.read(export.neural(before, TOKENIZER, dtype))
    assert after.config == GPT
    kept = export.stored(export.weights(before), dtype)
    for name, value in export.weights(after).items():
        assert np.array_equal(value, kept[name] * kept.get(f"{name}.scales", np.float32(1)))


def test_the_same_model_makes_the_same_file():
    model = build(GPT)
    assert len({export.neural(model, TOKENIZER, "int8") for _ in range(5)}) == 1


def test_rounded_counts_still_sum_to_about_one_and_leave_the_model_alone():
    model = ngram.train("mkn3", np.random.default_rng(0).integers(8, size=500), 8)
    before = model.tables[2].probability.copy()
    rounded = export.rounded(model)
    state, _ = rounded.start()
    for token in (1, 2, 3):
        state, _ = rounded.step(state, token)
        assert rounded.distribution(state).sum() == pytest.approx(1, abs=0.05)
    assert np.array_equal(model.tables[2].probability, before)


def test_the_command_writes_models_and_a_manifest_with_their_hashes(tmp_path, capsys):
    for name, config in [("one", GPT), ("two", RNNConfig(8, "gru", 4, 6))]:
        write_run(tmp_path / name, config)
        assert cli.main(["export", str(tmp_path / name), "--to", str(tmp_path / "to"), "--dtype", "float16"]) == 0
    manifest = json.loads((tmp_path / "to" / "manifest.json").read_text("utf-8"))
    assert list(manifest) == ["one", "two"]
    for entry in manifest.values():
        content = (tmp_path / "to" / entry["file"]).read_bytes()
        assert (entry["sha256"], entry["bytes"], entry["dtype"]) == (sha256(content), len(content), "float16")
        assert entry["trained"] == {"step": 3, "training": {"steps": 3}, "data": "d", "backend": "b"}
    assert "one.safetensors" in capsys.readouterr().out
    kept = safetensors.numpy.load((tmp_path / "to" / "two.safetensors").read_bytes())
    assert kept["layer_0/recurrent_bias"].dtype == np.float16


def test_runs_given_as_checkpoints_keep_their_own_names(tmp_path, monkeypatch):
    monkeypatch.setattr(onnxexport, "convert", lambda model: b"")
    for name in ("one", "two"):
        write_run(tmp_path / name)
    given = [str(tmp_path / name / BEST) for name in ("one", "two")]
    assert cli.main(["export", *given, "--to", str(tmp_path / "to"), "--onnx"]) == 0
    files = {path.name for path in (tmp_path / "to").iterdir()}
    assert files == {"manifest.json", "one.safetensors", "two.safetensors", "one.onnx", "two.onnx"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (GPTConfig(8, width=8, heads=2, positions="sinusoidal"), "positions 'sinusoidal'"),
        (GPTConfig(8, width=8, heads=2, mlp="swiglu"), "mlp 'swiglu'"),
        (GPTConfig(8, width=8, heads=2, norm_first=False), "norm_first False"),
        (GPTConfig(8, width=8, heads=2, num_kv_heads=1), "share keys and values"),
        (GPTConfig(8, width=8, heads=2, embedding=4, tie_embeddings=False), "another width"),
    ],
)
def test_what_the_engine_cannot_read_is_refused(config, message):
    with pytest.raises(InputError, match=message):
        export.neural(build(config), TOKENIZER, "int8")


def test_bad_input_is_one_line(tmp_path, capsys):
    write_run(tmp_path / "run")
    write_run(tmp_path / "bytes", GPTConfig(256, width=8, heads=2), ByteTokenizer())
    for arguments, said in [
        ([str(tmp_path / "none")], "there is no file"),
        ([str(tmp_path)], "holds no trained model"),
        ([str(tmp_path / "run"), "--dtype", "int4"], "there is no dtype 'int4'"),
        ([str(tmp_path / "bytes")], "tokenizer is of kind 'byte'"),
    ]:
        assert cli.main(["export", *arguments, "--to", str(tmp_path / "to")]) == 2
        errors = capsys.readouterr().err
        assert said in errors
        assert errors.count("\n") == 1
    assert not (tmp_path / "to").exists()
    with pytest.raises(InputError, match="interpolate"):
        export.counted(ngram.train("ml2", [0, 1, 2], 3), TOKENIZER)
