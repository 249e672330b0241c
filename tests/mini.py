"""A book of two tiny chapters, to build in seconds what the real one builds in minutes; and a record of no run."""

import shutil

import nbformat
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lmtutorial import editions, i18n
from lmtutorial.experiments import SCHEMA

TOC = """format: jb-book
root: book/index
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/one
      - file: notebooks/two
      - file: book/status
"""

CLAIM = {
    "id": "lstm-beats-rnn",
    "statement": {"en": "An LSTM is better.", "zh": "LSTM 更好。"},
    "origin": "folklore",
    "experiment": "x",
    "metric": "nats",
    "better": "lower",
    "claimed": {"where": {"model": "lstm"}},
    "other": {"where": {"model": "rnn"}},
    "compare": "difference",
    "margin": 0.01,
    "seeds": 3,
}


def record(seed, metrics, experiment="x", version=1, unit="nat/char", **parameters):
    """A record of a run on this laptop."""
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "version": version,
        "parameters": {"profile": "laptop"} | parameters,
        "seed": seed,
        "metrics": metrics,
        "units": dict.fromkeys(metrics, unit),
        "data": {},
        "protocol": {},
        "code": "",
        "versions": {},
        "backend": None,
        "device": "",
        "cores": 1,
        "seconds": 1.0,
        "peak_memory_bytes": 1,
        "when": "2026-11-24T10:00:00Z",
    }


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


def write_chinese_edition(root):
    """Add a Chinese edition: the first chapter and the first page are translated, the rest is not."""
    (root / "book" / "zh").mkdir()
    for name in ("_config.yml", "phrases.yml", "terms.yml"):
        shutil.copy(ROOT / "book" / "zh" / name, root / "book" / "zh")
    pages = [(root / "book" / "index.md", {"a-tiny-book": "# 一本小书\n\n见[第一章](../../notebooks/zh/one.ipynb)。"})]
    pages.append((root / "notebooks" / "one.ipynb", {"title": "# 第一章\n\n语言模型预测下一个词元。"}))
    for english, texts in pages:
        chinese = editions.translation(english)
        i18n.sync(root, english, chinese)
        translate(chinese, texts)
        i18n.accept(english, chinese)


def translate(chinese, texts):
    """Put `texts` in the place of the passages of a Chinese file, which keep their hashes."""
    if chinese.suffix == ".md":
        there = i18n.passages(chinese)
        new = {name: i18n.Passage(texts.get(name, passage.text), passage.source) for name, passage in there.items()}
        chinese.write_text(i18n.page(new), "utf-8")
        return
    notebook = nbformat.read(chinese, 4)
    for cell in notebook.cells:
        cell.source = texts.get(cell.id, cell.source)
    nbformat.write(notebook, chinese)
