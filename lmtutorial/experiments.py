"""What ties a result to the run that made it: the code it depends on, the machine, and its way into the prose."""

import ast
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
from lmtutorial.files import read_json, sha256

PACKAGE = Path(lmtutorial.__file__).parent
IN_REPOSITORY = PACKAGE.parent / "notebooks" / "experiments" / "results"
RESULTS = IN_REPOSITORY if IN_REPOSITORY.is_dir() else PACKAGE / "records"
SCHEMA = 2
FIELDS = {  # of a record, and their kinds; CONTRIBUTING says what each means
    "schema": int,
    "experiment": str,
    "version": int,
    "parameters": dict,
    "seed": int,
    "metrics": dict,
    "units": dict,
    "data": dict,
    "protocol": dict,
    "code": str,
    "versions": dict,
    "backend": str | None,
    "device": str,
    "cores": int,
    "seconds": int | float,
    "peak_memory_bytes": int,
    "when": str,
}
MEASURED = "application/vnd.lmtutorial.measured+json"
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
    """Return where a run takes place: Python, platform, processor, cores, and the versions of the main packages.

    The device is the GPU where this process computes on one.
    """
    versions, device = {}, None
    for name in REPORTED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "keras" in sys.modules:
        from lmtutorial.backends import gpu  # takes seconds to import where Keras was not

        device = gpu()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device or _processor(),
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


def measured(
    metrics: dict[str, tuple[float, str]],
    data: tuple[str, str],
    protocol: dict[str, Any] | None = None,
) -> None:
    """Say in an experiment's notebook what its run found; `lmtutorial sweep` makes the record of it.

    The notebook shows the metrics as a table; everything else goes along as data of the same output.

    Args:
        metrics: value and unit of each.
        data: name and SHA-256 of the text.
        protocol: how a text was scored: the model's `window`, the `stride` from one to the next, and whether a state is
            carried along instead.

    Raises:
        InputError: a metric is no finite number.
    """
    from IPython.display import display

    values = {name: float(value) for name, (value, _) in metrics.items()}
    wrong = [f"{name} = {value}" for name, value in values.items() if not math.isfinite(value)]
    if wrong:
        raise InputError(f"a metric must be a finite number; got {', '.join(wrong)}")
    where = machine()
    found = {
        "metrics": values,
        "units": {name: unit for name, (_, unit) in metrics.items()},
        "data": {"name": data[0], "sha256": data[1]},
        "protocol": protocol or {},
        "versions": {"python": where["python"]} | where["versions"],
        "backend": sys.modules["keras"].backend.backend() if "keras" in sys.modules else None,
        "device": where["device"],
        "cores": where["cores"],
    }
    table = "\n".join(f"{name:32} {value:12.6g} {found['units'][name]}" for name, value in values.items())
    display({"text/plain": table, MEASURED: found}, raw=True)


def identity(experiment: str, version: int, parameters: dict[str, Any], seed: int) -> str:
    """Return the name of a run's record: a hash of what was run, not of what came out.

    The experiment's `version` (`sweeps.yml`) is raised by hand when its code changes in a way that changes results: a
    hash of the code would throw away hours of runs for a comment. What code ran stands in the record.
    """
    run = {"experiment": experiment, "version": version, "parameters": parameters, "seed": seed}
    return sha256(json.dumps(run, sort_keys=True).encode())[:16]


def name_of(record: dict[str, Any]) -> str:
    """Return the name of a record with its experiment's, such as x01_ladder/0123456789abcdef."""
    run = (record[field] for field in ("experiment", "version", "parameters", "seed"))
    return f"{record['experiment']}/{identity(*run)}"


def record_text(record: dict[str, Any]) -> str:
    """Return a record as it stands in its file: keys sorted, one a line.

    Raises:
        InputError: it does not follow the schema.
    """
    validate(record, "this run")
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def validate(record: Any, where: str) -> None:
    """Refuse what is no record of this schema.

    Args:
        record: parsed JSON.
        where: its file, for the message.

    Raises:
        InputError: a field is missing, unknown or of the wrong kind, or a metric has no unit.
    """
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        has = record.get("schema") if isinstance(record, dict) else None
        raise InputError(f"{where} is no record of schema {SCHEMA} (its schema: {has}); run it again with --rerun")
    if record.keys() != FIELDS.keys():
        missing, unknown = sorted(FIELDS.keys() - record.keys()), sorted(record.keys() - FIELDS.keys())
        raise InputError(
            f"{where}: fields missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    for name, kind in FIELDS.items():
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise InputError(f"{where}: the field {name} is {record[name]!r}, which is not of the right kind")
    for name, value in record["metrics"].items():
        if not isinstance(value, int | float) or not math.isfinite(value) or name not in record["units"]:
            raise InputError(f"{where}: the metric {name} needs a unit and a finite value; it is {value!r}")


def load_record(path: Path) -> dict[str, Any]:
    """Return the record in the file `path`.

    Raises:
        InputError: it holds no record of this schema, or another run's.
    """
    record = read_json(path)
    validate(record, str(path))
    named = name_of(record)
    if f"{path.parent.name}/{path.stem}" != named:
        raise InputError(f"{path} holds the run {named}; a file is named by its run")
    return record


def load_records(experiment: str, folder: Path | None = None) -> list[dict[str, Any]]:
    """Return the records of an experiment below `folder` (the book's own), by name; none is an empty list.

    Those of its newest version only: what was run before the version was raised no longer counts.

    Raises:
        InputError: as `load_record`, of any version.
    """
    found = [load_record(path) for path in sorted(((folder or RESULTS) / experiment).glob("*.json"))]
    newest = max((record["version"] for record in found), default=0)
    return [record for record in found if record["version"] == newest]


def read_records(experiment: str, profile: str = "laptop") -> pd.DataFrame:
    """Return an experiment's records, one a row: parameters, metrics, and `seed`, `seconds`, `device`, `when`, ….

    They come from the repository, or from the installed package, which carries them along. A parameter that shares its
    name with a metric or a field is the column `asked_NAME`, such as `asked_seconds`.

    Args:
        experiment: its name.
        profile: of the sweep.

    Raises:
        InputError: there are none.
    """
    table = records_table([experiment], profile)
    if table.empty:
        raise InputError(f"there are no records of {experiment} ({profile}); run `lmtutorial sweep {experiment}`")
    return table


def records_table(names: list[str], profile: str, conditions: dict[str, Any] | None = None) -> pd.DataFrame:
    """Return the records of several experiments, one a row as in `read_records`, of a profile and of some conditions.

    Args:
        names: of the experiments.
        profile: of the sweep.
        conditions: values of parameters, or of the seed.
    """
    wanted = (conditions or {}) | {"profile": profile}
    records = [
        record
        for name in names
        for record in load_records(name)
        if wanted.items() <= {**record["parameters"], "seed": record["seed"]}.items()
    ]
    return pd.DataFrame([_row(record) for record in records])


def _row(record: dict[str, Any]) -> dict[str, Any]:
    plain = ("experiment", "seed", "seconds", "backend", "device", "cores", "when")
    found = record["metrics"] | {name: record[name] for name in plain}
    asked = {f"asked_{name}" if name in found else name: value for name, value in record["parameters"].items()}
    return asked | found


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
