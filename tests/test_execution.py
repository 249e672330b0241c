"""Chapters are executed when something that matters changed, and never leave half an execution behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mini import write_book, write_chapter

from lmtutorial import execution
from lmtutorial.errors import InputError
from lmtutorial.execution import ChapterError, execute, note, read


@pytest.fixture
def book(tmp_path):
    write_book(tmp_path)
    return tmp_path


def output(path):
    return "".join(
        out.text for cell in read(path).cells for out in cell.get("outputs", []) if out.get("name") == "stdout"
    )


def test_a_chapter_is_executed_and_the_copy_says_how(book):
    done = execute(book, "one", "laptop")
    assert output(done) == "one 0\n"
    made = note(read(done))
    assert made["profile"] == "laptop"
    assert made["seconds"] > 0
    assert 20e6 < made["peak_memory_bytes"] < 4e9
    assert made["python"] == sys.version.split()[0]


def test_a_profile_gives_its_parameters(book):
    assert output(execute(book, "one", "smoke")) == "one 7\n"


def test_only_what_matters_makes_a_chapter_run_again(book):
    first = note(read(execute(book, "one", "laptop")))
    assert note(read(execute(book, "one", "laptop"))) == first
    write_chapter(book, "one", "print('one', seed)", prose="Other prose.")
    assert note(read(execute(book, "one", "laptop"))) == first
    write_chapter(book, "one", "print('three', seed)")
    assert output(execute(book, "one", "laptop")) == "three 0\n"


def test_the_key_follows_code_parameters_package_and_locked_versions(book, monkeypatch):
    notebook = read(book / "notebooks" / "one.ipynb")
    keys = [execution.key(book, notebook, {}), execution.key(book, notebook, {"seed": 1})]
    monkeypatch.setattr(execution, "code_version", lambda source: "another")
    keys.append(execution.key(book, notebook, {}))
    (book / "requirements.lock").write_text("numpy==1.0")
    keys.append(execution.key(book, notebook, {}))
    notebook.cells[2].source += "\n%pip install nothing\nif True:\n    %time 1"
    keys.append(execution.key(book, notebook, {}))
    assert len(set(keys)) == 5


def test_the_key_follows_the_records_of_the_experiments_that_are_named(book, tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "RESULTS", tmp_path / "results")
    notebook = read(book / "notebooks" / "one.ipynb")
    notebook.cells[2].source += "\nread_records('x01_ladder')"
    keys = []
    for name in ("", "x02_long_range", "x01_ladder"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "record.json").write_text("{}")
        keys.append(execution.key(book, notebook, {}))
    assert keys[0] == keys[1] != keys[2]


def test_of_two_at_once_the_second_waits_and_finds_it_done(book, monkeypatch):
    run, started = execution.run_notebook, []

    def slow(*arguments):
        started.append(arguments)
        time.sleep(0.5)
        return run(*arguments)

    monkeypatch.setattr(execution, "run_notebook", slow)
    with ThreadPoolExecutor() as pool:
        done, same = pool.map(lambda _: execute(book, "one", "laptop"), range(2))
    assert len(started) == 1
    assert done == same
    assert output(done) == "one 0\n"


def test_a_failing_cell_is_named_with_its_traceback_and_the_old_copy_stays(book):
    done = execute(book, "one", "laptop")
    before = done.read_bytes()
    write_chapter(book, "one", "print('begun')\n1 / 0")
    with pytest.raises(ChapterError) as failure:
        execute(book, "one", "laptop")
    partial = done.with_suffix(".partial.ipynb")
    message = str(failure.value)
    assert "one: cell 'code' failed" in message
    assert "ZeroDivisionError" in message
    assert str(partial) in message
    assert "begun" in output(partial)
    assert done.read_bytes() == before


def test_a_kernel_that_does_not_come_up_is_started_again_and_one_that_dies_later_is_not(monkeypatch):
    import papermill

    answers, calls = [RuntimeError("Kernel died before replying to kernel_info"), None, RuntimeError("Kernel died")], []

    def execute(*given, **options):
        calls.append((given, options["kernel_name"]))
        if answer := answers.pop(0):
            raise answer

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    monkeypatch.setattr(execution, "_end_with_parent", lambda: None)
    assert execution._papermill("one.ipynb", "partial.ipynb", '{"seed": 1}', "") == 0
    assert calls == 2 * [(("one.ipynb", "partial.ipynb", {"seed": 1}), "python3")]
    with pytest.raises(RuntimeError, match="Kernel died"):
        execution._papermill("one.ipynb", "partial.ipynb", "{}", "")


def test_a_disk_that_is_full_is_named_and_what_was_cut_off_is_no_riddle(book, tmp_path, monkeypatch, capsys):
    import papermill

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", full)
    monkeypatch.setattr(execution, "_end_with_parent", lambda: None)
    assert execution._papermill("one.ipynb", "partial.ipynb", "{}", "") == 2
    assert capsys.readouterr().err == "\npartial.ipynb: No space left on device\n"
    (tmp_path / "partial.ipynb").write_text('{"cells": [')
    assert "could not be written; see the lines above" in execution._failure("one", tmp_path / "partial.ipynb")


def test_a_syntax_error_is_named_like_any_other_failure(book):
    write_chapter(book, "one", "print(")
    with pytest.raises(ChapterError, match="cell 'code' failed"):
        execute(book, "one", "laptop")


def test_a_killed_execution_leaves_the_old_copy_and_the_next_one_finishes(book):
    done = execute(book, "one", "laptop")
    before = done.read_bytes()
    write_chapter(book, "one", "import time\nprint('slow', flush=True)\ntime.sleep(2)")
    code = "import pathlib, sys\nfrom lmtutorial.execution import execute\n"
    code += "execute(pathlib.Path(sys.argv[1]), 'one', 'laptop')"
    child = subprocess.Popen([sys.executable, "-c", code, book], start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(2)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert done.read_bytes() == before
    assert output(execute(book, "one", "laptop")) == "slow\n"


def test_an_unknown_profile_lists_the_known_ones(book):
    with pytest.raises(InputError, match="laptop, smoke"):
        execute(book, "one", "huge")


@pytest.mark.parametrize(
    ("text", "message"),
    [("one: [", r"broken\.yml is no YAML"), ("[one]", r"broken\.yml must give parameters by chapter")],
)
def test_a_broken_profile_is_named(book, text, message):
    (book / "notebooks" / "profiles" / "broken.yml").write_text(text)
    with pytest.raises(InputError, match=message):
        execute(book, "one", "broken")


def test_a_missing_or_broken_notebook_is_named(book):
    with pytest.raises(InputError, match=r"there is no notebook .*three\.ipynb"):
        execute(book, "three", "laptop")
    (book / "notebooks" / "three.ipynb").write_text("{")
    with pytest.raises(InputError, match="is no notebook"):
        execute(book, "three", "laptop")
