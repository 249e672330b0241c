"""The table of contents, `book/_toc.yml`: which pages and chapters the book has, in their order."""

from pathlib import Path
from typing import Any

from lmtutorial.errors import InputError
from lmtutorial.files import read_yaml


def read(root: Path) -> dict[str, Any]:
    """Return the table as Jupyter Book wants it: `root`, and `parts` of `chapters`, each with its `file`.

    Raises:
        InputError: `root` is not the repository.
    """
    file = root / "book" / "_toc.yml"
    if not file.is_file():
        raise InputError("there is no book/_toc.yml; change to the repository first")
    return read_yaml(file)


def pages(root: Path) -> list[str]:
    """Return the paths of all pages, without their suffix."""
    contents = read(root)
    return [contents["root"], *(entry["file"] for part in contents["parts"] for entry in part["chapters"])]


def chapters(root: Path) -> list[str]:
    """Return the names of the chapters: the pages that are notebooks."""
    return [file.removeprefix("notebooks/") for file in pages(root) if file.startswith("notebooks/")]
