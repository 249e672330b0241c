"""What ties a result to the run that made it: the code it depends on, the machine, and its way into the prose."""

import ast
import datetime
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmtutorial
from lmtutorial.errors import InputError
from lmtutorial.files import sha256, write_atomically

PACKAGE = Path(lmtutorial.__file__).parent
IN_REPOSITORY = PACKAGE.parent / "notebooks" / "experiments" / "results"
RESULTS = IN_REPOSITORY if IN_REPOSITORY.is_dir() else PACKAGE / "records"
REPORTED = ("numpy", "keras", "tensorflow", "jax", "tokenizers", "papermill", "jupyter-book")


def imported_modules(source: str) -> set[str]:
    """Return the modules of this package that Python `source` imports, by their bare names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {parts[1] for name in names if (parts := name.split("."))[0] == "lmtutorial" and len(parts) > 1}
    return {name for name in found if _files(name)}


def code_version(source: str) -> str:
    """Return a hash of `source` and of every module of this package that it imports, directly or not.

    Two runs with equal hashes ran the same code of ours; a change elsewhere in the package leaves it alone.
    """
    modules, waiting = set(), imported_modules(source)
    while waiting:
        modules |= waiting
        waiting = set().union(*(imported_modules(_module_text(name)) for name in waiting)) - modules
    parts = [source, *(name + "\n" + _module_text(name) for name in sorted(modules))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _files(name: str) -> list[Path]:
    """Return the files of a module: one, or all of a folder."""
    return [path for path in (PACKAGE / f"{name}.py",) if path.exists()] or sorted((PACKAGE / name).glob("*.py"))


def _module_text(name: str) -> str:
    return "\n".join(path.read_text("utf-8") for path in _files(name))


def machine() -> dict[str, Any]:
    """Return where a run takes place: Python, platform, processor, cores, and the versions of the main packages."""
    versions = {}
    for name in REPORTED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "versions": versions,
    }


def _processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_record(
    folder: Path,
    parameters: dict[str, Any],
    seed: int,
    metrics: dict[str, float],
    units: dict[str, str],
    data: dict[str, str],
    protocol: dict[str, Any],
    seconds: float,
    source: str,
) -> Path:
    """Write what a run of an experiment found to `folder`, in a file named by what was run; return its path.

    Args:
        folder: of the experiment's records; its name is the experiment's.
        parameters: the point of the sweep, ready for JSON.
        seed: of the run.
        metrics: what was measured.
        units: of each metric.
        data: name and SHA-256 of the text.
        protocol: how a text was scored: the model's `window`, the `stride` from one to the next, and whether a state is
            carried along instead.
        seconds: that the run took.
        source: Python that ran; with the modules it imports it makes the code version.

    Raises:
        InputError: a metric has no unit or is no finite number, or there is a record of this run already.
    """
    for name, value in metrics.items():
        if name not in units or not math.isfinite(value):
            raise InputError(f"the metric {name} needs a unit and a finite value; it is {value}")
    code = code_version(source)
    run = {"experiment": folder.name, "parameters": parameters, "seed": seed, "code": code}
    path = folder / f"{sha256(json.dumps(run, sort_keys=True).encode())[:16]}.json"
    if path.exists():
        raise InputError(f"{path} holds a record of this very run; remove it to run again")
    where = machine()
    record = run | {
        "schema": 1,
        "metrics": metrics,
        "units": units,
        "data": data,
        "protocol": protocol,
        "versions": {"python": where["python"]} | where["versions"],
        "backend": sys.modules["keras"].backend.backend() if "keras" in sys.modules else None,
        "device": where["device"],
        "cores": where["cores"],
        "seconds": seconds,
        "peak_memory_bytes": _peak_memory(),
        "when": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    write_atomically(path, (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return path


def _peak_memory() -> int:
    """Return the most bytes that this process ever held."""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_records(experiment: str) -> pd.DataFrame:
    """Return an experiment's records, one a row: parameters, metrics, and `seed`, `seconds`, `device`, `when`, ….

    They come from the repository, or from the installed package, which carries them along.

    Raises:
        InputError: there are none.
    """
    records = [json.loads(path.read_text("utf-8")) for path in sorted((RESULTS / experiment).glob("*.json"))]
    if not records:
        raise InputError(f"there are no records of {experiment} in {RESULTS}")
    plain = ("seed", "seconds", "backend", "device", "cores", "when")
    return pd.DataFrame([r["parameters"] | r["metrics"] | {name: r[name] for name in plain} for r in records])


def glue(name: str, value: Any) -> None:
    """Make `value` quotable in the book's text as ``{glue:text}`name` ``.

    The value goes into the executed notebook as metadata of an invisible output, in the form that MyST-NB reads, so
    that a chapter needs no Sphinx to run. Numbers can be formatted where they are quoted: ``{glue:text}`name:.2f` ``.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if isinstance(value, np.generic):
        value = value.item()  # NumPy's own text form cannot be formatted
    prefix = "application/papermill.record/"
    bundle, metadata = InteractiveShell.instance().display_formatter.format(value)
    hidden = {prefix + kind: content for kind, content in bundle.items()}
    display(hidden, raw=True, metadata={**metadata, "scrapbook": {"name": name, "mime_prefix": prefix}})
