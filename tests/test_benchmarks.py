"""Benchmarks run and print what they promise. How fast we are is for the benchmarks themselves to say."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from lmtutorial.data import cache_file

FIELDS = {"name", "ours", "peer", "unit", "ratio", "low", "high", "peer_name"}
SHAKESPEARE = cache_file("shakespeare")  # before a test's own cache hides it


def test_the_ngram_benchmark_prints_one_json_line_a_measurement():
    if not SHAKESPEARE.is_file():
        pytest.skip("no Shakespeare in the cache: run `lmtutorial data fetch shakespeare`")
    script = ROOT / "benchmarks" / "ngram.py"
    options = ["--json", "--quick", "--characters", "5000", "--rounds", "1", "--only", "train-"]
    environment = {**os.environ, "LMTUTORIAL_CACHE": str(SHAKESPEARE.parent)}
    done = subprocess.run(
        [sys.executable, script, *options], env=environment, check=True, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines if "counter" not in line["name"]] == ["train-char-5", "train-word-5"]
    for line in lines:
        assert line.keys() == FIELDS
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"], rel=0.01)
