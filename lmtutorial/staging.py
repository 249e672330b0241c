"""What Jupyter Book reads of one edition: settings, pages, generated pages, and chapters with what they computed.

The stage has the repository's own paths. The Chinese chapters have the outputs of the English ones, which alone are
executed.
"""

import copy
import math
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from lmtutorial import (
    apipage,
    claimpage,
    contents,
    editions,
    equations,
    execution,
    ladder,
    outputs,
    phrases,
    playpage,
    statements,
)
from lmtutorial.files import read_yaml
from lmtutorial.phrases import ENGLISH, Phrases


def files(root: Path, executed: dict[str, Path], language: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file of an edition.

    Args:
        root: of the repository.
        executed: copies of chapters, by name.
        language: `en` or `zh`.
    """
    say, source, book = phrases.read(root, language), _source(root), root / "book"
    copies = {chapter: execution.read(path) for chapter, path in executed.items()}
    notebooks = {chapter: editions.chapter(root / "notebooks" / f"{chapter}.ipynb", say) for chapter in copies}
    texts = {f"book/{path.name}": [editions.page(path, say)] for path in sorted(book.glob("*.md"))}
    texts |= {f"notebooks/{chapter}.ipynb": _prose(notebook) for chapter, notebook in notebooks.items()}
    yield "_config.yml", config(root, say).encode()
    yield "_toc.yml", _contents(root, say).encode()
    yield "CONTRIBUTING.md", (root / "CONTRIBUTING.md").read_bytes()
    ours = {*texts, "book/_toc.yml"}
    for path in sorted(book.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and name.as_posix() not in ours and not {"__pycache__", "zh"} & {*name.parts}:
            yield name.as_posix(), path.read_bytes()
    yield "book/_generated/executions.md", executions_table(copies, say).encode()
    yield "book/_generated/api.md", apipage.page(source, say).encode()
    yield "book/_generated/equations.md", equations.page(notebooks, root / "tests", source, say).encode()
    if (book / "claims.yml").is_file():
        yield from claimpage.staged(root, texts, source, say)
        yield from ladder.staged(say)
    if (root / playpage.MANIFEST).is_file():
        yield from playpage.staged(root, say)
    for name, prose in texts.items():
        prose = statements.anchored(prose)
        if name.startswith("book/"):
            yield name, next(prose).encode()
        else:
            chapter = Path(name).stem
            notebook = with_outputs(notebooks[chapter], copies[chapter], say)
            yield name, nbformat.writes(_with_prose(notebook, prose)).encode()


def _prose(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def _with_prose(notebook: nbformat.NotebookNode, texts: Iterator[str]) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = next(texts)
    return notebook


def with_outputs(
    notebook: nbformat.NotebookNode, executed: nbformat.NotebookNode, say: Phrases = ENGLISH
) -> nbformat.NotebookNode:
    """Return `notebook` with the outputs that its cells, matched by id, have in `executed`."""
    ran = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    merged = copy.deepcopy(notebook)
    merged.metadata = {key: executed.metadata[key] for key in ("kernelspec", "language_info")}
    for cell in merged.cells:
        if cell.cell_type == "code":
            put_out, cell.execution_count = ran[cell.id].outputs, ran[cell.id].execution_count
            cell.outputs = outputs.in_chinese(put_out, say) if say.language == "zh" else put_out
    return merged


def executions_table(executed: dict[str, nbformat.NotebookNode], say: Phrases = ENGLISH) -> str:
    """Return, in Markdown, when and where each chapter was executed, how long it took, and with which versions."""
    head = ("chapter", "executed (UTC)", "seconds", "peak memory", "profile", "where")
    lines = [f"| {' | '.join(map(say, head))} |", "|---|---|--:|--:|---|---|"]
    versions = {}
    for chapter, notebook in executed.items():
        run = execution.note(notebook)
        versions |= {"python": run["python"]} | run["versions"]
        memory = f"{run['peak_memory_bytes'] / 2**20:.0f} MiB"
        where = say("{}, {} cores, {}").format(run["device"], run["cores"], run["system"])
        link = f"[{chapter}](../notebooks/{chapter}.ipynb)"
        cells = (link, run["when"][:16].replace("T", " "), f"{run['seconds']:.0f}", memory, run["profile"], where)
        lines.append(f"| {' | '.join(cells)} |")
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join([*lines, "", say("Versions: {}.").format(listed), ""])


def config(root: Path, say: Phrases = ENGLISH) -> str:
    """Return the settings of an edition: `_config.yml`, and what `book/zh/_config.yml` sets otherwise for Chinese."""
    text = (root / "_config.yml").read_text("utf-8")
    addresses = _addresses(yaml.safe_load(text))
    if say.language == "en":
        return _replaced(text, addresses)
    settings = yaml.safe_load(text)
    settings["html"]["baseurl"] += "zh/"
    _update(settings, read_yaml(root / "book" / "zh" / "_config.yml"))
    sphinx = settings["sphinx"]["config"]
    sphinx["editions_phrases"] = say.chinese["interface"]
    sphinx["html_search_options"] = {"synonyms": say.chinese["search"]}
    sphinx["editions_translated"] = sorted(
        path.relative_to(root).with_suffix("").as_posix().replace("/zh/", "/")
        for path in root.glob("*/zh/*")
        if path.suffix in (".md", ".ipynb")
    )
    return _replaced(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False, width=math.inf), addresses)


def _addresses(settings: dict) -> dict[str, str]:
    """Return what stands in the place of the repository's and the site's address, as the environment says."""
    ours = {"LMTUTORIAL_REPOSITORY": settings["repository"]["url"], "LMTUTORIAL_SITE": settings["html"]["baseurl"]}
    theirs = {address: os.environ.get(variable) or address for variable, address in ours.items()}
    return {ours: f"{other.rstrip('/')}/" if ours.endswith("/") else other for ours, other in theirs.items()}


def _replaced(text: str, addresses: dict[str, str]) -> str:
    for address, other in addresses.items():
        text = text.replace(address, other)
    return text


def _update(settings: dict, changes: dict) -> None:
    """Change `settings`, and what lies in them, by what `changes` says otherwise."""
    for name, value in changes.items():
        if isinstance(value, dict):
            _update(settings.setdefault(name, {}), value)
        else:
            settings[name] = value


def _contents(root: Path, say: Phrases) -> str:
    """Return the table of contents."""
    table = contents.read(root)
    for part in table["parts"]:
        part["caption"] = say(part["caption"])
    return yaml.safe_dump(table, allow_unicode=True, sort_keys=False)


def _source(root: Path) -> str:
    """Return the address under which the repository's files can be read."""
    repository = yaml.safe_load(config(root))["repository"]
    return f"{repository['url']}/blob/{repository['branch']}"
