"""Sweeps: the runs that `sweeps.yml` asks for, each one notebook executed by papermill, each leaving one record.

A run that has its record is not made again, so a sweep that was interrupted goes on when it is started again. Runs go
to processes of this machine or to the workers of a Dask cluster; a worker needs this package and nothing of the
repository, because the notebook travels with the run.
"""

import contextlib
import datetime
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import yaml

from lmtutorial.errors import InputError
from lmtutorial.execution import notebook_parameters, read, run_notebook
from lmtutorial.experiments import MEASURED, SCHEMA, code_version, identity, record_text
from lmtutorial.files import read_yaml, write_atomically

GIVEN = {"seed"}  # by the sweep, not by its points


@dataclass(frozen=True)
class Run:
    """One point of a sweep with one seed.

    Args:
        experiment: name of the notebook in `notebooks/experiments`.
        version: of the experiment.
        parameters: all of the notebook's, and the profile.
        seed: of the run.
    """

    experiment: str
    version: int
    parameters: dict[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """The name of its record: a hash of all the above."""
        return identity(self.experiment, self.version, self.parameters, self.seed)

    def __str__(self) -> str:
        values = " ".join(f"{name}={value}" for name, value in self.parameters.items() if name != "profile")
        return f"{self.experiment} {values} seed={self.seed}"


def experiments(folder: Path) -> dict[str, dict]:
    """Return what `folder`/sweeps.yml says of each experiment.

    Raises:
        InputError: there is no such file, or it is not of that form.
    """
    file = folder / "sweeps.yml"
    if not file.is_file():
        raise InputError(f"there is no {file}; change to the repository first")
    found = read_yaml(file)
    if not isinstance(found, dict):
        raise InputError(f"{file} must give experiments by name")
    for name, sweep in found.items():
        if not isinstance(sweep, dict) or not {"version", "points", "profiles"} <= sweep.keys():
            raise InputError(f"{file}: {name} needs version, points and profiles")
        profiles = sweep["profiles"]
        if not isinstance(profiles, dict) or not all(isinstance(each, dict | None) for each in profiles.values()):
            raise InputError(f"{file}: {name} needs profiles such as {{laptop: {{seeds: 5}}}}")
    return found


def runs(folder: Path, experiment: str, profile: str) -> list[Run]:
    """Return the runs that a sweep consists of, seed by seed, so that a part of it is a whole with fewer seeds.

    Args:
        folder: of the experiments' notebooks and `sweeps.yml`.
        experiment: its name.
        profile: smoke, laptop or gpu.

    Raises:
        InputError: there is no such experiment or profile, it has no points, or one names a parameter that the notebook
            lacks.
    """
    known = experiments(folder)
    if experiment not in known:
        raise InputError(f"there is no experiment {experiment!r}; there are {', '.join(known)}")
    sweep = known[experiment]
    if profile not in sweep["profiles"]:
        raise InputError(f"{experiment} has no profile {profile!r}; it has {', '.join(sweep['profiles'])}")
    changes = sweep["profiles"][profile] or {}
    defaults = notebook_parameters(folder / f"{experiment}.ipynb")
    points = list(_points(changes.get("points", sweep["points"]) or [], changes.get("seeds", 1)))
    if not points:
        raise InputError(f"sweeps.yml: {experiment} has no points for the profile {profile}")
    for point in (changes.get("parameters", {}), *(point for point, _ in points)):
        if unknown := point.keys() - (defaults.keys() - GIVEN):
            raise InputError(
                f"sweeps.yml: {experiment} has no parameter {', '.join(sorted(unknown))}; "
                f"it has {', '.join(sorted(defaults.keys() - GIVEN))}"
            )
    common = {name: value for name, value in defaults.items() if name not in GIVEN} | changes.get("parameters", {})
    found = [
        Run(experiment, sweep["version"], common | point | {"profile": profile}, seed)
        for seed in range(max(seeds for _, seeds in points))
        for point, seeds in points
        if seed < seeds
    ]
    names = [run.name for run in found]
    if twice := [run for run in found if names.count(run.name) > 1]:
        raise InputError(f"sweeps.yml: {twice[0]} stands there twice")
    return found


def names(folder: Path, asked: list[str]) -> list[str]:
    """Return the experiments asked for, each once; `all` are those of `sweeps.yml`.

    Raises:
        InputError: one is not there; the message lists those there are.
    """
    known = list(experiments(folder))
    if unknown := [name for name in asked if name not in (*known, "all")]:
        raise InputError(f"there is no experiment {unknown[0]!r}; there are {', '.join(known)}")
    return known if "all" in asked else list(dict.fromkeys(asked))


def conditions(only: list[str]) -> dict[str, Any]:
    """Return the values that texts such as `model=lstm` ask for, read as YAML.

    Raises:
        InputError: a text has no equals sign, or its value is no YAML.
    """
    if wrong := [text for text in only if "=" not in text]:
        raise InputError(f"--only takes NAME=VALUE, such as model=lstm; got {wrong[0]!r}")
    values = {}
    for text in only:
        name, _, value = text.partition("=")
        try:
            values[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # ValueError: a day that there is not
            raise InputError(f"--only takes a value in YAML; got {text!r}") from None
    return values


def choose(folder: Path, asked: list[str], profile: str, only: list[str]) -> list[Run]:
    """Return the runs of several sweeps that meet all conditions, such as `model=lstm` and `seed=0`.

    Raises:
        InputError: as `names`, `runs` and `conditions`, or nothing is left.
    """
    wanted = conditions(only)
    chosen = [
        run
        for name in names(folder, asked)
        for run in runs(folder, name, profile)
        if wanted.items() <= {**run.parameters, "seed": run.seed}.items()
    ]
    if not chosen:
        raise InputError(f"no run of {', '.join(asked)} has {' and '.join(only)}; see --dry-run")
    return chosen


def _points(groups: list[dict], seeds: int) -> Iterator[tuple[dict, int]]:
    """Yield the points, and their numbers of seeds, of groups such as {model: [rnn, lstm], width: 64, seeds: 1}.

    A group has all combinations of its lists.
    """
    for group in groups:
        values = {name: value for name, value in group.items() if name != "seeds"}
        lists = [value if isinstance(value, list) else [value] for value in values.values()]
        for combination in itertools.product(*lists):
            yield dict(zip(values, combination)), group.get("seeds", seeds)


class Target:
    """Where records and executed notebooks go: a folder, or any address that fsspec knows, such as s3://bucket/runs.

    Raises:
        InputError: it cannot be reached or written.
    """

    def __init__(self, address: str):
        import fsspec

        self.address = address
        try:
            self.files, self.path = fsspec.url_to_fs(address)
            self.local = "file" in self.files.protocol
            self.files.makedirs(self.path, exist_ok=True)
            if self.local and not os.access(self.path, os.W_OK):
                raise PermissionError("no permission to write")
        except (OSError, ImportError, ValueError) as error:
            raise InputError(f"{address} cannot be written: {error}") from None

    def holds(self, name: str) -> bool:
        """Whether there is a file `name`, such as x01_ladder/0123456789abcdef.json."""
        return self.files.exists(f"{self.path}/{name}")

    def write(self, name: str, text: str) -> None:
        """Write a file so that nobody ever sees a part of it."""
        path = f"{self.path}/{name}"
        if self.local:
            return write_atomically(Path(path), text.encode())
        self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        unfinished = f"{path}.{os.getpid()}.part"
        self.files.pipe_file(unfinished, text.encode())
        self.files.mv(unfinished, path)


def perform(run: Run, notebook: str, records: str, notebooks: str, replace: bool = False) -> str | None:
    """Execute one run and write its record; this is what a worker does.

    Args:
        run: what to run.
        notebook: text of the experiment's notebook.
        records, notebooks: addresses of the targets.
        replace: a record that is there already.

    Returns:
        None, or what went wrong, in words.
    """
    kept, executed = Target(records), Target(notebooks)
    began, when = time.monotonic(), datetime.datetime.now(datetime.UTC)
    with tempfile.TemporaryDirectory(prefix="lmtutorial-") as folder:
        source, partial = Path(folder, f"{run.experiment}.ipynb"), Path(folder, "executed.ipynb")
        source.write_text(notebook, "utf-8")
        values = {name: value for name, value in run.parameters.items() if name != "profile"} | {"seed": run.seed}
        log = Path(folder, "log")
        status, peak = run_notebook(source, partial, values, log)
        name, see = f"{run.experiment}/{run.name}", ""
        if partial.exists():
            executed.write(f"{name}.ipynb", partial.read_text("utf-8"))
            see = f"; see {notebooks}/{name}.ipynb"
        if status:
            return f"{run}: {_last_error(partial, log)}{see}"
        found = _found(read(partial))
    if found is None:
        return f"{run}: the notebook ended without saying what it measured"
    code = "\n".join(cell.source for cell in nbformat.reads(notebook, 4).cells if cell.cell_type == "code")
    record = found | {
        "schema": SCHEMA,
        "experiment": run.experiment,
        "version": run.version,
        "parameters": run.parameters,
        "seed": run.seed,
        "code": code_version(code),
        "seconds": round(time.monotonic() - began, 2),
        "peak_memory_bytes": peak,
        "when": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if replace or not kept.holds(f"{name}.json"):
        kept.write(f"{name}.json", record_text(record))
    return None


def _last_error(partial: Path, log: Path) -> str:
    """Return what ended a notebook, in one line: its error, or the last that papermill said."""
    outputs = [output for cell in read(partial).cells for output in cell.get("outputs", [])] if partial.exists() else []
    errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    said = log.read_text("utf-8", "replace").split("\n")
    return " ".join((errors or [line for line in said if line][-1:] or ["it was killed"])[0].split())


def _found(executed: nbformat.NotebookNode) -> dict[str, Any] | None:
    """Return what `experiments.measured` put into an executed notebook."""
    outputs = (output for cell in executed.cells for output in cell.get("outputs", []))
    return next((dict(output.data[MEASURED]) for output in outputs if MEASURED in output.get("data", {})), None)


def sweep(
    chosen: list[Run],
    folder: Path,
    records: str,
    notebooks: str,
    workers: int = 1,
    scheduler: str | None = None,
    replace: bool = False,
) -> list[str]:
    """Make the runs that have no record yet; say on standard error how far it is, and return what went wrong.

    Args:
        chosen: the runs.
        folder: of the experiments' notebooks.
        records, notebooks: where records and executed notebooks go: folders or fsspec addresses.
        workers: runs at a time on this machine.
        scheduler: address of a Dask scheduler whose workers make the runs instead.
        replace: make the runs that have a record, too, and put the new one in its place.

    Raises:
        InputError: a target cannot be written, or the scheduler cannot be reached.
    """
    kept = Target(records)
    Target(notebooks)
    there = [kept.holds(f"{run.experiment}/{run.name}.json") for run in chosen]
    waiting = [run for run, held in zip(chosen, there) if replace or not held]
    fate = "which are replaced" if replace else "which stay"
    print(f"{len(chosen)} runs; {sum(there)} of them have records, {fate}", file=sys.stderr)
    texts = {name: (folder / f"{name}.ipynb").read_text("utf-8") for name in {run.experiment for run in waiting}}
    errors, began = [], time.monotonic()
    with _pool(workers, scheduler) as (submit, completed):
        jobs = {submit(perform, run, texts[run.experiment], records, notebooks, replace): run for run in waiting}
        for done, job in enumerate(completed(jobs), start=1):
            try:
                error = job.result()
            except Exception as raised:  # of the worker or of its target: the other runs go on
                error = f"{jobs[job]}: {type(raised).__name__}: {raised}"
            errors += [error] if error else []
            left = (time.monotonic() - began) * (len(waiting) - done) / done
            outcome = "FAILED" if error else "done"
            print(f"{done}/{len(waiting)} {outcome} {jobs[job]} · {_time(left)} left", file=sys.stderr, flush=True)
    return errors


@contextlib.contextmanager
def _pool(workers: int, scheduler: str | None) -> Iterator[tuple[Callable, Callable]]:
    """Yield how a job is submitted, and how jobs are waited for; leaving it early drops what has not begun."""
    if scheduler is None:
        with ThreadPoolExecutor(workers) as pool:  # a thread only waits for the process that runs its notebook
            try:
                yield pool.submit, as_completed
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for child in psutil.Process().children():
                    child.terminate()
                raise
        return
    try:
        import distributed
    except ModuleNotFoundError:
        raise InputError("a scheduler needs Dask; install lmtutorial[cluster]") from None
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"the scheduler {scheduler} cannot be reached: {error}") from None
    with client:
        yield lambda *job: client.submit(*job, pure=False, retries=2), distributed.as_completed


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
