"""A book of two tiny chapters, to build in seconds what the real one builds in minutes."""

import shutil

import nbformat
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOC = """format: jb-book
root: book/index
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/one
      - file: notebooks/two
      - file: book/status
"""


def write_chapter(root, name, code, prose="Some prose."):
    """Write `notebooks/NAME.ipynb`: a title, a cell of parameters, and `code`."""
    cells = [
        new_markdown_cell(f"# Chapter {name}\n\n{prose}", id="title"),
        new_code_cell("seed = 0", id="parameters", metadata={"tags": ["parameters"]}),
        new_code_cell(code, id="code"),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), root / "notebooks" / f"{name}.ipynb")


def write_book(root):
    """Write the whole book to the folder `root`."""
    (root / "notebooks" / "profiles").mkdir(parents=True)
    (root / "notebooks" / "profiles" / "laptop.yml").write_text("one: {}\n")
    (root / "notebooks" / "profiles" / "smoke.yml").write_text("one:\n  seed: 7\n")
    (root / "book").mkdir()
    (root / "book" / "_toc.yml").write_text(TOC)
    (root / "book" / "index.md").write_text("# A tiny book\n")
    shutil.copy(ROOT / "book" / "status.md", root / "book")
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, root / "book" / name)
    (root / "book" / "references.bib").write_text("")
    for name in ("_config.yml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, root)
    write_chapter(root, "one", "print('one', seed)")
    write_chapter(root, "two", "print('two', seed)")
