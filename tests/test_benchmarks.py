"""Benchmarks run and print what they promise. How fast we are is for the benchmarks themselves to say."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from lmtutorial.data import cache_file

FIELDS = {"name", "ours", "peer", "unit", "ratio", "low", "high", "peer_name"}
SHAKESPEARE, SMOLLM2 = map(cache_file, ("shakespeare", "smollm2"))  # before a test's own cache hides them


def lines_of(name, *options, **environment):
    """Run a benchmark and return what it prints as JSON, by line."""
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--json", "--quick", *options]
    done = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_ngram_benchmark_prints_one_json_line_a_measurement():
    if not SHAKESPEARE.is_file():
        pytest.skip("needs the network: Shakespeare is not in the cache (`lmtutorial data fetch shakespeare`)")
    options = ["--characters", "5000", "--rounds", "1", "--only", "train-"]
    lines = lines_of("ngram", *options, LMTUTORIAL_CACHE=str(SHAKESPEARE.parent))
    assert [line["name"] for line in lines if "counter" not in line["name"]] == ["train-char-5", "train-word-5"]
    for line in lines:
        assert line.keys() == FIELDS
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"], rel=0.01)


@pytest.mark.slow
def test_the_benchmark_of_what_grows_measures_every_step_of_records_and_text():
    if not SHAKESPEARE.is_file():
        pytest.skip("needs the network: Shakespeare is not in the cache (`lmtutorial data fetch shakespeare`)")
    lines = lines_of("scale", LMTUTORIAL_CACHE=str(SHAKESPEARE.parent))
    steps = {"records": ["claims", "staging", "page"], "text": ["load", "pieces", "encode", "windows"]}
    assert [line["name"] for line in lines] == [f"{part}-{step}" for part, of in steps.items() for step in of]
    assert all(line["peak_mb"] > 0 for line in lines)


WORKER = """
import sys
sys.path.insert(0, "{folder}")
import side_by_side
ticks = iter(range(100))
side_by_side.serve(lambda: 10 * (sys.argv[2] == "ours") + next(ticks))
"""


def test_sides_are_measured_in_turn_after_a_warm_up(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import side_by_side

    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(folder=ROOT / "benchmarks"))
    found = side_by_side.in_turn(script, ["ours", "peer"], (), rounds=3)
    assert found == {"ours": [11, 12, 13], "peer": [1, 2, 3]}


@pytest.mark.parametrize("name", ["train", "generate", "pretrained"])
def test_without_the_peer_a_benchmark_says_how_to_get_it(name):
    code = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv.pop(0); runpy.run_path(sys.argv[0], None, '__main__')"
    )
    script = ROOT / "benchmarks" / f"{name}.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parent)}
    done = subprocess.run([sys.executable, "-c", code, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "the peer is missing: pip install torch==2.13.0"


def test_the_training_benchmark_prints_one_json_line_a_measurement():
    pytest.importorskip("torch", reason="PyTorch, the peer, is not installed: pip install torch==2.13.0")
    lines = lines_of("train", "--rounds", "1", "--only", "rnn-small")
    assert [line["name"] for line in lines] == ["rnn-small", "rnn-small-keras"]
    for line in lines:
        assert line.keys() == FIELDS
        assert line["ratio"] == pytest.approx(line["ours"] / line["peer"], rel=0.01)


@pytest.mark.slow
def test_the_pretrained_benchmark_prints_one_json_line_a_measurement(real_data):
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"{package}, the peer, is not installed: pip install {package}")
    if not (SMOLLM2.with_suffix("") / "config.json").is_file():
        pytest.skip("needs the network: SmolLM2 is not in the cache (`lmtutorial eval --model smollm2`)")
    places = {"LMTUTORIAL_CACHE": str(SMOLLM2.parent), "LMTUTORIAL_DATA": str(real_data)}
    lines = lines_of("pretrained", "--rounds", "1", "--only", "logits", **places)
    assert [line["name"] for line in lines] == ["logits-smollm2", "perplexity-smollm2"]
    for line in lines:
        assert line.keys() == FIELDS
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"], rel=0.01)


@pytest.mark.slow
def test_the_quantisation_benchmark_prints_one_json_line_a_measurement():
    lines = {line["name"]: line for line in lines_of("quantize", "--rounds", "1")}
    assert list(lines) == ["decode-small", "decode-small-float32", "memory-small", "error-small"]
    for line in lines.values():
        assert line.keys() == FIELDS
    assert 3.5 < lines["memory-small"]["ratio"] < 4
    assert 0 < lines["error-small"]["ours"] < 0.1
