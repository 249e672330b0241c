"""Sweeps: what runs they consist of, that every run leaves one whole record, and what happens when something fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

from lmtutorial import sweeps
from lmtutorial.cli import main
from lmtutorial.errors import InputError
from lmtutorial.experiments import RESULTS, load_records, name_of

TOY = """
import time
from lmtutorial.experiments import measured
if word == "bad":
    raise ValueError("a bad word")
time.sleep(pause)
measured({"letters": (len(word) + seed, "1")}, ("toy", ""))
"""
PROGRAMS = Path(sys.executable).parent
SWEEPS = """
x90_toy:
  version: 1
  points: [{word: [a, bb, ccc]}]
  profiles:
    laptop: {seeds: 2}
    smoke: {seeds: 1, parameters: {pause: 0.0}, points: [{word: [a, bad, ccc]}]}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with one experiment that takes no time."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "notebooks" / "experiments"
    folder.mkdir(parents=True)
    (folder / "sweeps.yml").write_text(SWEEPS)
    cells = [nbformat.v4.new_code_cell('word = "a"\npause = 0.0\nseed = 0', metadata={"tags": ["parameters"]})]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(TOY)], metadata=kernel)
    nbformat.write(notebook, folder / "x90_toy.ipynb")
    return folder


def heed_ctrl_c():
    """Undo, in a child, what a shell does to jobs in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def records(place):
    return {path.name: json.loads(path.read_text()) for path in Path(place).glob("x90_toy/*.json")}


def test_a_sweep_is_all_points_with_all_seeds_and_names_every_parameter(folder):
    runs = sweeps.runs(folder, "x90_toy", "laptop")
    assert [(run.parameters["word"], run.seed) for run in runs] == [
        (word, seed) for seed in (0, 1) for word in ("a", "bb", "ccc")
    ]
    assert runs[0].parameters == {"word": "a", "pause": 0.0, "profile": "laptop"}
    assert len({run.name for run in runs}) == 6


def test_conditions_choose_runs(folder):
    chosen = sweeps.choose(folder, ["all"], "laptop", ["word=bb", "seed=1"])
    assert [(run.parameters["word"], run.seed) for run in chosen] == [("bb", 1)]


def test_a_profile_that_says_nothing_is_every_point_once(folder):
    (folder / "sweeps.yml").write_text(SWEEPS.replace("laptop: {seeds: 2}", "laptop:"))
    assert [run.seed for run in sweeps.runs(folder, "x90_toy", "laptop")] == [0, 0, 0]


def test_an_experiment_named_twice_is_run_once(folder):
    assert sweeps.names(folder, ["x90_toy", "x90_toy"]) == ["x90_toy"]
    assert len(sweeps.choose(folder, ["x90_toy", "x90_toy"], "laptop", [])) == 6


@pytest.mark.parametrize("text", ["seed = 2 * 3", "seed =", "a.seed = 3"])
def test_parameters_that_are_no_literals_are_refused(folder, text):
    cell = nbformat.v4.new_code_cell(text, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "x90_toy.ipynb")
    with pytest.raises(InputError, match=r"x90_toy\.ipynb: the cell tagged parameters must give literals to names"):
        sweeps.runs(folder, "x90_toy", "laptop")


@pytest.mark.parametrize("writes", [True, False])
def test_a_failed_run_points_to_its_notebook_only_where_there_is_one(folder, monkeypatch, writes):
    def fail(source, target, values, log):
        log.write_text("it broke")
        if writes:
            target.write_bytes(source.read_bytes())
        return 1, 0

    monkeypatch.setattr(sweeps, "run_notebook", fail)
    (first, *_), text = sweeps.runs(folder, "x90_toy", "laptop"), (folder / "x90_toy.ipynb").read_text()
    error = sweeps.perform(first, text, "out", "out")
    assert "it broke" in error
    assert (
        (f"; see out/x90_toy/{first.name}.ipynb" in error) == writes == Path(f"out/x90_toy/{first.name}.ipynb").exists()
    )


def test_a_target_is_asked_once_whether_it_holds_a_run(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(sweeps.Target, "holds", lambda self, name: asked.append(name) or True)
    assert sweeps.sweep(sweeps.runs(folder, "x90_toy", "laptop"), folder, "out", "out") == []
    assert len(asked) == 6


@pytest.mark.slow
def test_a_sweep_resumes_and_deleted_records_come_back_the_same(folder, capsys):
    assert main(["sweep", "x90_toy", "--to", "out", "--workers", "2"]) == 0
    first = records("out")
    assert sorted(record["metrics"]["letters"] for record in first.values()) == [1, 2, 2, 3, 3, 4]
    assert len(list(Path("out/x90_toy").glob("*.ipynb"))) == 6
    gone = sorted(first)[:2]
    for name in gone:
        Path("out/x90_toy", name).unlink()
    capsys.readouterr()
    assert main(["sweep", "x90_toy", "--to", "out"]) == 0
    assert "6 runs; 4 of them have records, which stay" in capsys.readouterr().err
    again = records("out")
    assert {name: record["metrics"] for name, record in again.items()} == {
        name: record["metrics"] for name, record in first.items()
    }
    assert all((again[name] == first[name]) == (name not in gone) for name in first)


@pytest.mark.slow
def test_a_run_that_fails_leaves_the_others_alone_and_says_where_it_is(folder, capsys):
    assert main(["sweep", "x90_toy", "--profile", "smoke"]) == 1
    assert sorted(record["parameters"]["word"] for record in records("_build/smoke").values()) == ["a", "ccc"]
    last = capsys.readouterr().err.splitlines()[-1]
    assert "word=bad" in last
    assert "ValueError: a bad word; see _build/smoke/x90_toy/" in last
    assert Path(last.rpartition("see ")[2]).is_file()


@pytest.mark.slow
def test_a_record_is_replaced_only_when_told_so(folder, capsys):
    arguments = ["sweep", "x90_toy", "--only", "word=a", "--only", "seed=0", "--to", "out"]
    assert main(arguments) == 0
    path = next(Path("out/x90_toy").glob("*.json"))
    path.write_text("kept")
    assert main(arguments) == 0
    assert path.read_text() == "kept"
    assert main([*arguments, "--rerun"]) == 0
    assert "1 of them have records, which are replaced" in capsys.readouterr().err
    assert json.loads(path.read_text())["metrics"] == {"letters": 1}


@pytest.mark.slow
def test_ctrl_c_ends_the_running_notebooks_and_keeps_what_is_done(folder):
    (folder / "sweeps.yml").write_text(SWEEPS.replace("points: [{word: [a", "points: [{pause: [0.0, 60.0], word: [a"))
    command = [PROGRAMS / "lmtutorial", "sweep", "x90_toy", "--to", "out"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as child:
        while "3/" not in child.stderr.readline():
            assert child.poll() is None
        time.sleep(1)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 130
        assert time.monotonic() - began < 15
    assert len(records("out")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x91"], "there is no experiment 'x91'; there are x90_toy"),
        (["x90_toy", "--profile", "huge"], "x90_toy has no profile 'huge'; it has laptop, smoke"),
        (["x90_toy", "--only", "word"], "--only takes NAME=VALUE"),
        (["x90_toy", "--only", "word=["], "--only takes a value in YAML; got 'word=['"),
        (["x90_toy", "--only", "word=2026-02-31"], "--only takes a value in YAML; got 'word=2026-02-31'"),
        (["x90_toy", "--only", "word=zz"], "no run of x90_toy has word=zz"),
        (["x90_toy", "--workers", "0"], "--workers must be at least 1"),
        (["x90_toy", "--to", "/proc/nothing"], "/proc/nothing cannot be written"),
        (["x90_toy", "--to", "nonsense://there"], "nonsense://there cannot be written"),
        (["x90_toy", "--scheduler", "tcp://127.0.0.1:1"], "the scheduler tcp://127.0.0.1:1 cannot be reached"),
    ],
)
def test_bad_input_is_one_line_and_nothing_runs(folder, capsys, arguments, message):
    assert main(["sweep", *arguments]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"lmtutorial: {message}")
    assert not list(Path().rglob("*.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SWEEPS.replace("word: [a, bb", "wrod: [a, bb"),
            "sweeps.yml: x90_toy has no parameter wrod; it has pause, word",
        ),
        (SWEEPS.replace("version: 1", "edition: 1"), "x90_toy needs version, points and profiles"),
        ("x90_toy: [", "is no YAML"),
        (SWEEPS.replace("[{word: [a, bb, ccc]}]", "[]"), "x90_toy has no points for the profile laptop"),
        (SWEEPS.replace("[{word: [a, bb, ccc]}]", ""), "x90_toy has no points for the profile laptop"),
        (SWEEPS.replace("[a, bb, ccc]", "[]"), "x90_toy has no points for the profile laptop"),
        (SWEEPS.replace("{seeds: 2}", "2"), "x90_toy needs profiles such as"),
        (SWEEPS.partition("laptop:")[0], "x90_toy needs profiles such as"),
        (SWEEPS.replace("[a, bb, ccc]", "[a, a]"), "x90_toy word=a pause=0.0 seed=0 stands there twice"),
    ],
)
def test_a_sweep_file_that_makes_no_sense_is_refused(folder, text, message):
    (folder / "sweeps.yml").write_text(text)
    with pytest.raises(InputError, match=message):
        sweeps.choose(folder, ["x90_toy"], "laptop", [])


def test_outside_of_the_repository_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "x90_toy"]) == 2
    assert "change to the repository first" in capsys.readouterr().err


def test_a_target_may_be_any_address_that_fsspec_knows():
    target = sweeps.Target("memory://sweep-test")
    assert not target.holds("x90_toy/one.json")
    target.write("x90_toy/one.json", "{}")
    assert target.holds("x90_toy/one.json")
    assert [Path(name).name for name in target.files.ls("/sweep-test/x90_toy", detail=False)] == ["one.json"]


@pytest.mark.slow
def test_on_a_dask_cluster_every_record_is_there_once_though_a_worker_and_the_client_die(folder, tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed")
    (folder / "sweeps.yml").write_text(
        SWEEPS.replace("laptop: {seeds: 2}", "laptop: {seeds: 4, parameters: {pause: 0.5}}")
    )
    scheduler = [Path(sys.executable).with_name("dask"), "scheduler", "--port", "0", "--no-dashboard"]
    note = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    started = [subprocess.Popen([*scheduler, "--scheduler-file", note], **quiet)]
    try:
        worker = [
            Path(sys.executable).with_name("dask"),
            "worker",
            "--scheduler-file",
            note,
            "--nthreads",
            "1",
            "--no-nanny",
        ]
        started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
        while not note.exists():
            time.sleep(0.1)
        address = json.loads(note.read_text())["address"]
        place = str(tmp_path / "out")
        command = [PROGRAMS / "lmtutorial", "sweep", "x90_toy", "--to", place, "--scheduler", address]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as client:
            while "2/" not in client.stderr.readline():
                assert client.poll() is None
            os.kill(started[1].pid, signal.SIGKILL)
            client.send_signal(signal.SIGINT)
            assert client.wait(timeout=60) == 130
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert len(records(place)) == 12
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", list(sweeps.experiments(ROOT / "notebooks" / "experiments")))
def test_the_books_own_experiments_can_be_run_and_their_records_belong_to_them(name):
    folder = ROOT / "notebooks" / "experiments"
    parameters = sweeps.notebook_parameters(folder / f"{name}.ipynb")
    assert "seed" in parameters
    assert len(parameters) <= 8
    asked = {
        f"{name}/{run.name}" for profile in ("smoke", "laptop", "gpu") for run in sweeps.runs(folder, name, profile)
    }
    assert {name_of(record) for record in load_records(name)} <= asked


def test_every_experiment_has_a_notebook_and_every_notebook_a_sweep():
    folder = ROOT / "notebooks" / "experiments"
    assert {path.stem for path in folder.glob("x*.ipynb")} == set(sweeps.experiments(folder))
    assert {path.name for path in RESULTS.glob("x*")} <= set(sweeps.experiments(folder))
