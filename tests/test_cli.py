"""The command line as its users meet it: figures, files, and one clear line for bad input."""

import json
import math
import subprocess
import sys

import pytest

from lmtutorial import data
from lmtutorial.cli import main

TEXT = "it was the best of times, it was the worst of times,\n" * 60


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file


def test_eval_prints_its_figures_as_json(text, capsys):
    assert main(["eval", "--model", "kn3", "--data", str(text), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"nats_per_token", "bits_per_char", "perplexity", "tokens", "seconds"} <= figures.keys()
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    assert figures["tokens"] == len(TEXT) - int(len(TEXT) * 0.9) - (len(TEXT) - int(len(TEXT) * 0.95))


def test_the_uniform_model_costs_the_logarithm_of_the_alphabet(text, capsys):
    main(["eval", "--model", "uniform", "--data", str(text), "--json"])
    assert json.loads(capsys.readouterr().out)["bits_per_char"] == pytest.approx(math.log2(len(set(TEXT))))


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe:300"])
def test_every_level_scores_the_whole_held_out_text(text, level, capsys):
    assert main(["eval", "--model", "mkn2", "--data", str(text), "--level", level, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    bits = figures["nats_per_token"] * figures["tokens"] / math.log(2)
    assert figures["bits_per_char"] == pytest.approx(bits / figures["characters"])


def test_without_json_eval_prints_a_table(text, capsys):
    main(["eval", "--data", str(text)])
    assert "bits per char" in capsys.readouterr().out


def test_infinite_figures_become_null_and_are_counted(tmp_path, capsys):
    file = tmp_path / "text.txt"
    file.write_text("ab" * 400 + "ba" + "bb" * 10)
    main(["eval", "--model", "ml2", "--data", str(file), "--split", "test", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["perplexity"] is None
    assert figures["impossible_tokens"] > 0


def test_characters_that_never_occur_in_training_are_counted_and_said(tmp_path, capsys):
    file = tmp_path / "text.txt"
    file.write_text("ab" * 500 + "ü" * 60)
    main(["eval", "--data", str(file), "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["tokens"] > 0
    assert "never occur in training" in captured.err


@pytest.fixture
def small_corpus(text, monkeypatch):
    corpus = data.load(text)
    monkeypatch.setattr(data, "load", lambda name: corpus)


@pytest.mark.parametrize("content", [b"", b"it was the best", bytes(range(256)), "词元".encode()])
def test_decompress_restores_any_file(small_corpus, tmp_path, content, capsys):
    file = tmp_path / "notes.bin"
    file.write_bytes(content)
    assert main(["compress", str(file), "--model", "kn3"]) == 0
    file.unlink()
    assert main(["decompress", f"{file}.lm"]) == 0
    assert file.read_bytes() == content


def test_nothing_is_written_over(small_corpus, tmp_path, capsys):
    file = tmp_path / "notes"
    file.write_text("it was")
    main(["compress", str(file)])
    file.write_text("something else")
    assert main(["decompress", f"{file}.lm"]) == 2
    assert file.read_text() == "something else"
    assert main(["compress", str(file), "--model", "kn2"]) == 2
    assert "move it away" in capsys.readouterr().err


def test_a_compressed_file_names_its_model(small_corpus, tmp_path, capsys):
    file = tmp_path / "notes"
    file.write_text("it was")
    main(["compress", str(file), "--model", "kn3"])
    assert b'"model": "kn3"' in (tmp_path / "notes.lm").read_bytes()


BAD = {
    "unknown command": ["nothing"],
    "unknown data set": ["eval", "--data", "nothing"],
    "unknown model": ["eval", "--model", "gpt9", "--data", "TEXT"],
    "order 0": ["eval", "--model", "kn0", "--data", "TEXT"],
    "order beyond the text": ["eval", "--model", "kn99999", "--data", "TEXT"],
    "unknown level": ["eval", "--level", "syllable", "--data", "TEXT"],
    "level without size": ["eval", "--level", "bpe", "--data", "TEXT"],
    "too small a vocabulary": ["eval", "--level", "bpe:10", "--data", "TEXT"],
    "too large a vocabulary": ["eval", "--level", "bpe:99999999999999999999999", "--data", "TEXT"],
    "empty text": ["eval", "--data", "EMPTY"],
    "binary file as text": ["eval", "--data", "BINARY"],
    "empty folder as text": ["eval", "--data", "FOLDER"],
    "folder to compress": ["compress", "FOLDER"],
    "no file to compress": ["compress", "ABSENT"],
    "unknown compressor's model": ["compress", "TEXT", "--model", "zip", "--data", "TEXT"],
    "not a compressed file": ["decompress", "TEXT"],
    "not a compressed file, though named so": ["decompress", "WRONG.lm"],
    "no compressed file": ["decompress", "ABSENT.lm"],
    "unknown data set to fetch": ["data", "fetch", "nothing"],
    "unknown data set's path": ["data", "path", "nothing"],
    "not the book's folder": ["book"],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    for file, content in {"TEXT": TEXT.encode(), "EMPTY": b"", "BINARY": b"a\0b", "WRONG.lm": b"PK"}.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "FOLDER").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    try:
        code = main(BAD[name])
    except SystemExit as stopped:  # argparse's own way out
        code = stopped.code
    captured = capsys.readouterr()
    said = [line for line in captured.err.splitlines() if not line.startswith("usage:")]
    assert (code, captured.out, len(said)) == (2, "", 1), captured
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_optional_package_is_named_with_the_extra_that_brings_it(tmp_path):
    code = "import sys; sys.modules['yaml'] = None\nfrom lmtutorial.cli import main; sys.exit(main(['book']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "lmtutorial: building the book needs yaml; install lmtutorial[book]\n"


def test_data_list_names_every_text(capsys):
    main(["data", "list"])
    out = capsys.readouterr().out
    assert all(name in out for name in data.REGISTRY)
