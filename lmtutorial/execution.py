"""Chapters executed by papermill, each in a process of its own, and again only when something that matters changed.

What matters is a chapter's code cells, its parameters, the modules of this package that it imports, the records of the
experiments that it names, and the locked versions of everything else. Prose is not executed: editing it costs no run.
"""

import ast
import contextlib
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat

from lmtutorial.errors import InputError
from lmtutorial.experiments import RESULTS, code_version, machine
from lmtutorial.files import alone, read_yaml

NOTE = "lmtutorial"  # the entry in an executed notebook's metadata that says how it was made


class ChapterError(Exception):
    """A chapter could not be executed; the message names the cell, the traceback and the partly executed notebook."""


def read(path: Path) -> nbformat.NotebookNode:
    """Return the notebook at `path`.

    Raises:
        InputError: there is none, or the file is no notebook.
    """
    try:
        notebook = nbformat.read(path, 4)
        nbformat.validate(notebook)
        return notebook
    except FileNotFoundError:
        raise InputError(f"there is no notebook {path}") from None
    except Exception as error:  # nbformat raises several kinds for what is not a notebook
        raise InputError(f"{path} is no notebook ({type(error).__name__})") from None


def parameters(root: Path, profile: str, chapter: str) -> dict[str, Any]:
    """Return the papermill parameters that `notebooks/profiles/PROFILE.yml` gives a chapter.

    Raises:
        InputError: there is no such profile (the message lists those there are), or its file is not of that form.
    """
    folder = root / "notebooks" / "profiles"
    file = folder / f"{profile}.yml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yml")))
        raise InputError(f"there is no profile {profile!r}; there are {known}")
    chapters = read_yaml(file) or {}
    if not isinstance(chapters, dict):
        raise InputError(f"{file} must give parameters by chapter")
    return chapters.get(chapter) or {}


def notebook_parameters(path: Path) -> dict[str, Any]:
    """Return names and defaults of a notebook's parameters: the literals of its cell tagged `parameters`.

    Raises:
        InputError: as `read`, or there is no such cell, or it does more than give names to literals.
    """
    for cell in read(path).cells:
        if "parameters" in cell.metadata.get("tags", []):
            try:
                lines = [line for line in ast.parse(cell.source).body if isinstance(line, ast.Assign)]
                return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
            except (SyntaxError, ValueError, AttributeError):
                message = f"{path}: the cell tagged parameters must give literals to names, such as seed = 0"
                raise InputError(message) from None
    raise InputError(f"{path} has no cell tagged parameters")


def key(root: Path, notebook: nbformat.NotebookNode, values: dict[str, Any]) -> str:
    """Return a hash of all that the outputs of `notebook` depend on."""
    cells = [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    python = re.sub(r"^(\s*)[%!].*", r"\1pass", "\n".join(source for _, source in cells), flags=re.M)  # magics
    try:
        version = code_version(python)
    except SyntaxError:
        version = python  # the kernel will say which cell it is in, and what is wrong
    parts = [json.dumps([cells, values], sort_keys=True), version, _text(root / "requirements.lock")]
    parts += [_text(path) for path in sorted(RESULTS.glob("*/*.json")) if path.parent.name in python]
    return hashlib.sha256("\0".join([*parts, sys.version]).encode()).hexdigest()


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def execute(root: Path, chapter: str, profile: str) -> Path:
    """Execute `notebooks/CHAPTER.ipynb` unless that was done already; return the executed copy.

    The copy replaces the one before only when it is complete. How it was made stands in its metadata.

    Raises:
        ChapterError: a cell failed.
    """
    source = root / "notebooks" / f"{chapter}.ipynb"
    notebook, values = read(source), parameters(root, profile, chapter)
    done, now = root / "_build" / "executed" / f"{chapter}.ipynb", key(root, notebook, values)
    with alone(source):
        if done.exists() and note(read(done)).get("key") == now:
            return done
        partial = done.with_suffix(".partial.ipynb")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        status, peak = run_notebook(source, partial, values)
        if status:
            raise ChapterError(_failure(chapter, partial))
        executed = read(partial)
        executed.metadata[NOTE] = {
            "key": now,
            "profile": profile,
            "when": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 1),
            "peak_memory_bytes": peak,
            **machine(),
        }
        nbformat.write(executed, partial)
        os.replace(partial, done)
    return done


def note(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what `execute` wrote of how `notebook` was made; {} if it did not make it."""
    return notebook.metadata.get(NOTE, {})


def run_notebook(source: Path, target: Path, values: dict[str, Any], log: Path | None = None) -> tuple[int, int]:
    """Run papermill in a child process, which ends with this one.

    Args:
        source, target: the notebook, and its executed copy.
        values: of its parameters.
        log: file for what the child says, instead of showing it with its progress.

    Returns:
        Its exit status, and the peak memory in bytes of it and its kernel.
    """
    command = [sys.executable, "-m", "lmtutorial.execution", source, target, json.dumps(values), "" if log else "show"]
    with open(log, "wb") if log else contextlib.nullcontext() as said:
        environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=said)
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    finally:
        child.stdin.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * (1024 if sys.platform == "linux" else 1)


def _failure(chapter: str, partial: Path) -> str:
    """Say which cell failed and how, from the partly executed notebook."""
    try:
        cells = read(partial).cells
    except InputError:
        return f"{chapter}: it did not start, or could not be written; see the lines above"
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                trace = "\n".join(output.traceback)
                return f"{chapter}: cell {cell.id!r} failed\n{trace}\nThe partly executed notebook is {partial}"
    return f"{chapter}: execution ended early; what there is of it is {partial}"


def _papermill(source: str, target: str, values: str, progress: str) -> int:
    """Execute one notebook in this process, showing progress if so told; return the exit status."""
    import papermill

    threading.Thread(target=_end_with_parent, daemon=True).start()
    label = {"desc": Path(source).stem, "file": sys.stderr, "mininterval": 1, "disable": not progress}
    given = (source, target, json.loads(values))
    options = {"kernel_name": "python3", "cwd": Path(source).parent, "progress_bar": label}
    try:
        try:
            papermill.execute_notebook(*given, **options)
        except RuntimeError as error:
            if "before replying" not in str(error):
                raise
            papermill.execute_notebook(*given, **options)  # kernels that start at once may have chosen the same ports
    except papermill.PapermillExecutionError:
        return 1
    except OSError as error:  # such as a full disk
        print(f"\n{target}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _end_with_parent() -> None:
    """Wait for the end of standard input, which is a pipe from the parent, and end this process."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(_papermill(*sys.argv[1:]))
