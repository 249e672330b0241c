"""The site: chapters executed, pages staged under `_build/stage`, built by Jupyter Book, then put in place at once.

The stage has the repository's own paths, so that the Colab and edit buttons come out right. The finished site replaces
the one before only when everything succeeded.
"""

import copy
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from lmtutorial import claimpage, equations, execution, ladder, playpage, statements
from lmtutorial.errors import InputError


def build(root: Path, profile: str = "laptop") -> int:
    """Execute what changed, build what changed, and say where the site is.

    Args:
        root: of the repository.
        profile: papermill parameters, `notebooks/profiles/PROFILE.yml`.

    Returns:
        0, or 1 where a chapter or the build failed; the old site then stays as it was.

    Raises:
        InputError: `root` is not the repository, or there is no such profile.
    """
    if not (root / "_config.yml").is_file():
        raise InputError(f"{root} is not the book's folder (it has no _config.yml); change to it first")
    try:
        executed = {chapter: execution.execute(root, chapter, profile) for chapter in chapters(root)}
    except execution.ChapterError as error:
        print(f"{error}\nThe site was left as it was.", file=sys.stderr)
        return 1
    site, stage, log = (root / "_build" / name for name in ("site", "stage/en", "book.log"))
    _finish_interrupted_move(site)
    version = _write_stage(dict(_staged_files(root, executed)), stage)
    stamp = site.with_name("site.version")
    if site.is_dir() and stamp.is_file() and stamp.read_text() == version:
        print("The site is up to date.")
    elif _jupyter_book(stage, log):
        stamp.unlink(missing_ok=True)
        _put_in_place(stage / "_build" / "html", site)
        stamp.write_text(version)
    else:
        print(f"Jupyter Book failed; its output is in {log}. The site was left as it was.", file=sys.stderr)
        return 1
    print(f"Open {site / 'index.html'}, or run `make serve`.")
    return 0


def chapters(root: Path) -> list[str]:
    """Return the names of the chapters in the table of contents, in its order."""
    contents = yaml.safe_load((root / "book" / "_toc.yml").read_text("utf-8"))
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    return [file.removeprefix("notebooks/") for file in files if file.startswith("notebooks/")]


def with_outputs(notebook: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return `notebook` with the outputs that its cells, matched by id, have in `executed`."""
    ran = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    merged = copy.deepcopy(notebook)
    merged.metadata = {key: executed.metadata[key] for key in ("kernelspec", "language_info")}
    for cell in merged.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = ran[cell.id].outputs, ran[cell.id].execution_count
    return merged


def executions_table(executed: dict[str, nbformat.NotebookNode]) -> str:
    """Return, in Markdown, when and where each chapter was executed, how long it took, and with which versions."""
    lines = ["| chapter | executed (UTC) | seconds | peak memory | profile | where |", "|---|---|--:|--:|---|---|"]
    versions = {}
    for chapter, notebook in executed.items():
        run = execution.note(notebook)
        versions |= {"python": run["python"]} | run["versions"]
        memory = f"{run['peak_memory_bytes'] / 2**20:.0f} MiB"
        where = f"{run['device']}, {run['cores']} cores, {run['system']}"
        link = f"[{chapter}](../notebooks/{chapter}.ipynb)"
        cells = (link, run["when"][:16].replace("T", " "), f"{run['seconds']:.0f}", memory, run["profile"], where)
        lines.append(f"| {' | '.join(cells)} |")
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join([*lines, "", f"Versions: {listed}.", ""])


def _staged_files(root: Path, executed: dict[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the path in the stage and the content of every file that Jupyter Book reads."""
    yield "_config.yml", _config(root).encode()
    yield "_toc.yml", (root / "book" / "_toc.yml").read_bytes()
    yield "CONTRIBUTING.md", (root / "CONTRIBUTING.md").read_bytes()
    for path in sorted((root / "book").rglob("*")):
        if path.is_file() and path.name != "_toc.yml" and not {"__pycache__", "zh"} & {*path.relative_to(root).parts}:
            yield path.relative_to(root).as_posix(), _with_anchors(path)
    copies = {chapter: execution.read(path) for chapter, path in executed.items()}
    notebooks = {chapter: execution.read(root / "notebooks" / f"{chapter}.ipynb") for chapter in copies}
    yield "book/_generated/executions.md", executions_table(copies).encode()
    yield "book/_generated/equations.md", equations.page(notebooks, root / "tests", _source(root)).encode()
    if (root / "book" / "claims.yml").is_file():
        yield from claimpage.staged(root, copies, _source(root))
        yield from ladder.staged()
    if (root / playpage.MANIFEST).is_file():
        yield from playpage.staged(root)
    for chapter, ran in copies.items():
        merged = with_outputs(notebooks[chapter], ran)
        prose = [cell for cell in merged.cells if cell.cell_type == "markdown"]
        for cell, text in zip(prose, statements.anchored([cell.source for cell in prose])):
            cell.source = text
        yield f"notebooks/{chapter}.ipynb", nbformat.writes(merged).encode()


def _with_anchors(path: Path) -> bytes:
    """Return a file of the book; in a page, every sentence that states a claim can be linked to."""
    if path.suffix != ".md":
        return path.read_bytes()
    return next(statements.anchored([path.read_text("utf-8")])).encode()


def _source(root: Path) -> str:
    """Return the address under which the repository's files can be read."""
    repository = yaml.safe_load(_config(root))["repository"]
    return f"{repository['url']}/blob/{repository['branch']}"


def _config(root: Path) -> str:
    """Return `_config.yml`, its addresses replaced by LMTUTORIAL_REPOSITORY and LMTUTORIAL_SITE where those are set."""
    text = (root / "_config.yml").read_text("utf-8")
    settings = yaml.safe_load(text)
    for variable, address in [
        ("LMTUTORIAL_REPOSITORY", settings["repository"]["url"]),
        ("LMTUTORIAL_SITE", settings["html"]["baseurl"]),
    ]:
        text = text.replace(address, os.environ.get(variable) or address)
    return text


def _write_stage(files: dict[str, bytes], stage: Path) -> str:
    """Make `stage` hold just `files`, leaving what is unchanged untouched; return a hash of them all.

    Jupyter Book keeps its own state in `stage/_build`; a file that is gone makes it start afresh.
    """
    there = [path for path in stage.rglob("*") if path.is_file() and path.relative_to(stage).parts[0] != "_build"]
    for path in there:
        if path.relative_to(stage).as_posix() not in files:
            path.unlink()
            shutil.rmtree(stage / "_build", ignore_errors=True)
    for name, content in files.items():
        path = stage / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    hashes = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _jupyter_book(stage: Path, log: Path) -> bool:
    """Build the staged pages, every warning an error; say whether that succeeded. The output goes to `log`."""
    print("Building the site …", flush=True)
    unfinished = stage.with_name(f"{stage.name}.unfinished")
    if unfinished.exists():  # the state of a build that failed or was interrupted forgets warnings: start afresh
        shutil.rmtree(stage / "_build", ignore_errors=True)
    unfinished.touch()
    program = Path(sysconfig.get_path("scripts")) / "jupyter-book"
    command = [program, "build", ".", "-W", "-n", "--keep-going"]
    with open(log, "wb") as file:
        done = subprocess.run(command, cwd=stage, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        unfinished.unlink()
    else:
        warnings = [
            line for line in log.read_text("utf-8", "replace").splitlines() if "WARNING" in line or "ERROR" in line
        ]
        print("\n".join(warnings), file=sys.stderr)
    return done.returncode == 0


def _put_in_place(built: Path, site: Path) -> None:
    """Replace `site` by a copy of `built`; the old one stays whole until the new one is complete."""
    new, old = site.with_name("site.new"), site.with_name("site.old")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(built, new)
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        os.replace(site, old)
    os.replace(new, site)
    shutil.rmtree(old, ignore_errors=True)


def _finish_interrupted_move(site: Path) -> None:
    """Put the old site back if the last build was killed between its two moves."""
    old = site.with_name("site.old")
    if old.is_dir() and not site.exists():
        os.replace(old, site)
