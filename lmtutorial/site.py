"""The site: chapters executed, both editions staged and built by Jupyter Book, then put in place at once.

The stages are `_build/stage/en` and `_build/stage/zh`; the site has English at its root and Chinese below `zh/`. It
replaces the one before only when everything succeeded.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lmtutorial import contents, editions, execution, policy, staging
from lmtutorial.errors import InputError
from lmtutorial.files import alone


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
    with alone(root / "_config.yml"):
        return _execute_and_build(root, profile)


def _execute_and_build(root: Path, profile: str) -> int:
    try:
        executed = {chapter: execution.execute(root, chapter, profile) for chapter in contents.chapters(root)}
    except execution.ChapterError as error:
        print(f"{error}\nThe site was left as it was.", file=sys.stderr)
        return 1
    site = root / "_build" / "site"
    stages = {language: root / "_build" / "stage" / language for language in editions.languages(root)}
    _finish_interrupted_move(site)
    version = "\n".join(
        write_stage(dict(staging.files(root, executed, language)), stage) for language, stage in stages.items()
    )
    stamp = site.with_name("site.version")
    if site.is_dir() and stamp.is_file() and stamp.read_text() == version:
        print("The site is up to date.")
    elif _build_stages(stages.values()):
        stamp.unlink(missing_ok=True)
        _put_in_place({language: stage / "_build" / "html" for language, stage in stages.items()}, site)
        stamp.write_text(version)
    else:
        print("The site was left as it was.", file=sys.stderr)
        return 1
    print(f"Open {site / 'index.html'}, or run `make serve`.")
    return 0


def write_stage(files: dict[str, bytes], stage: Path) -> str:
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


def _build_stages(stages: Iterable[Path]) -> bool:
    """Build the stages at the same time; say whether all succeeded."""
    print("Building the site …", flush=True)
    with ThreadPoolExecutor() as pool:
        return all(list(pool.map(_build_stage, stages)))


def _build_stage(stage: Path) -> bool:
    """Build the staged pages, every warning an error; say whether that succeeded. The output goes to a log beside.

    Sphinx keeps a state, which is of no use after a build that failed or was interrupted, because it forgets warnings.
    """
    log, unfinished = stage.with_suffix(".log"), stage.with_suffix(".unfinished")
    if unfinished.exists() or _of_the_future(stage / "_build"):
        shutil.rmtree(stage / "_build", ignore_errors=True)
    unfinished.touch()
    if jupyter_book(stage, log, "-W", "-n", "--keep-going"):
        unfinished.unlink()
        return True
    said = log.read_text("utf-8", "replace").splitlines()
    print("\n".join(line for line in said if "WARNING" in line or "ERROR" in line), file=sys.stderr)
    print(f"Jupyter Book failed; its output is in {log}.", file=sys.stderr)
    return False


def _of_the_future(folder: Path) -> bool:
    """Whether the clock was set back since Sphinx worked here: by its times it would find nothing changed."""
    return any(path.stat().st_mtime > time.time() for path in folder.rglob("environment.pickle"))


def jupyter_book(stage: Path, log: Path, *options: str) -> bool:
    """Run Jupyter Book in the folder `stage`, its output going to `log`; say whether it succeeded."""
    program = Path(sysconfig.get_path("scripts")) / "jupyter-book"
    with open(log, "wb") as file:
        command = [program, "build", ".", *options]
        return subprocess.run(command, cwd=stage, stdout=file, stderr=subprocess.STDOUT).returncode == 0


def _put_in_place(built: dict[str, Path], site: Path) -> None:
    """Replace `site` by copies of what was built; the old one stays whole until the new one is complete.

    Sphinx' notes on its build stay behind: but for them, two builds of the same are alike to the byte.
    """
    new, old = site.with_name("site.new"), site.with_name("site.old")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(built["en"], new, ignore=shutil.ignore_patterns(".buildinfo"))
    if "zh" in built:  # with the English edition's MathJax
        shutil.copytree(built["zh"], new / "zh", ignore=shutil.ignore_patterns(".buildinfo", "mathjax"))
    _drop_old_images(new)
    policy.seal(new)
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        os.replace(site, old)
    os.replace(new, site)
    shutil.rmtree(old, ignore_errors=True)


def _drop_old_images(site: Path) -> None:
    """Remove images that no page shows any more: Sphinx keeps those of earlier builds."""
    pages = "".join(page.read_text("utf-8") for page in site.rglob("*.html"))
    for image in site.rglob("_images/*"):
        if image.name not in pages:
            image.unlink()


def _finish_interrupted_move(site: Path) -> None:
    """Put the old site back if the last build was killed between its two moves."""
    old = site.with_name("site.old")
    if old.is_dir() and not site.exists():
        os.replace(old, site)
