"""The Chinese edition beside the English one: what is translated, what is stale, and that the code is the same.

`notebooks/zh/X.ipynb` has the cells of `notebooks/X.ipynb`, matched by id. A cell of code is identical, but for the
alternative text of its figure and for its prompts. A cell of Markdown is a translation, and carries the hash of the
English cell that it translates. `book/zh/X.md` likewise consists of the sections of `book/X.md`, each after a comment
with its name and that hash. CONTRIBUTING says how one translates.
"""

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from lmtutorial import contents, typography
from lmtutorial.errors import InputError
from lmtutorial.execution import read as read_notebook
from lmtutorial.files import read_text, sha256, write_atomically

NOTE, ALTERNATIVE = "i18n", ("mystnb", "image", "alt")  # places in a cell's metadata
ALT = "alt:"  # before the id of a cell: the alternative text of its figure
MARK = re.compile(r"^<!-- i18n: (\S+)(?: ([0-9a-f]+))? -->\n", re.M)
HEADING = re.compile(r"^(?:\([\w-]+\)=\n)*#{1,6} +(.*)$", re.M)  # with the targets before it
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.M | re.S)
TERMS = "book/zh/terms.yml"


@dataclass(frozen=True)
class Passage:
    """What is translated as a whole: a cell of Markdown, a section of a page, or the alternative text of a figure.

    `source` is the hash of the English that a translation translates, if that was recorded.
    """

    text: str
    source: str | None = None


def pairs(root: Path) -> list[tuple[Path, Path]]:
    """Return each English file of the edition and where its Chinese one is or will be.

    Raises:
        InputError: `root` is not the repository.
    """
    pages = contents.pages(root)
    english = [root / f"{page}{'.ipynb' if page.startswith('notebooks/') else '.md'}" for page in pages]
    return [(root / "README.md", root / "README.zh.md"), *((path, path.parent / "zh" / path.name) for path in english)]


def fingerprint(text: str) -> str:
    """Return the hash of an English passage."""
    return sha256(text.strip().encode())[:12]


def passages(path: Path) -> dict[str, Passage]:
    """Return the passages of a file of either language, by name, in their order.

    Raises:
        InputError: the file is missing or broken.
    """
    if path.suffix == ".md":
        return _sections(path)
    found = {}
    for cell in read_notebook(path).cells:
        source = _noted(cell, NOTE, "src")
        if cell.cell_type == "markdown":
            found[cell.id] = Passage(cell.source, source)
        elif alternative := _noted(cell, *ALTERNATIVE):
            found[ALT + cell.id] = Passage(alternative, source)
    return found


def _noted(cell: nbformat.NotebookNode, *names: str) -> str | None:
    """Return the text at a place in a cell's metadata; None if there is none, or something else."""
    value = cell.metadata
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _sections(path: Path) -> dict[str, Passage]:
    """Cut a page at its marks, which a Chinese one has, or else at its headings, each named by its text."""
    text = read_text(path)
    start, *rest = MARK.split(text)
    if rest:
        if start.strip():
            raise InputError(
                f"{path} must begin with a comment <!-- i18n: SECTION -->; `lmtutorial i18n sync` writes it"
            )
        names, sources, texts = rest[::3], rest[1::3], rest[2::3]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise InputError(f"{path} has two sections {twice}; a section is named once")
        return {name: Passage(text.strip(), source) for name, source, text in zip(names, sources, texts)}
    found = {}
    for heading, body in parts(text):
        name = plain = re.sub(r"\W+", "-", HEADING.sub(r"\1", heading).lower()).strip("-") or "top"
        number = 1
        while name in found:
            number += 1
            name = f"{plain}-{number}"
        found[name] = Passage((heading + body).strip())
    return found


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Cut Markdown before its headings; yield each heading, "" for a text before the first, and what follows it."""
    hidden = FENCE.sub(lambda match: re.sub(r"[^\n]", "x", match[0]), text)
    headings = list(HEADING.finditer(hidden))
    starts = [match.start() for match in headings] + [len(text)]
    if text[: starts[0]].strip():
        yield "", text[: starts[0]]
    for match, end in zip(headings, starts[1:]):
        yield match[0], text[match.end() : end]


def state(english: Passage, chinese: Passage | None) -> str:
    """Return how far a passage is: translated, stale, not accepted, untranslated or missing."""
    if chinese is None:
        return "missing"
    if chinese.source is None:
        return "not accepted" if typography.is_chinese(chinese.text) else "untranslated"
    return "translated" if chinese.source == fingerprint(english.text) else "stale"


def check(root: Path, chosen: Iterable[tuple[Path, Path]]) -> list[str]:
    """Return all that is wrong with the Chinese files there are, each in a line that says what to do."""
    terms = typography.read_terms(root / TERMS)
    found = _glossary(root, terms) + _orphans(root)
    for english, chinese in chosen:
        if not chinese.exists():
            continue
        places = (english, english if chinese.suffix == ".md" else chinese)  # the site puts pages in the English place
        folders = tuple(path.parent.relative_to(root).as_posix().strip(".") for path in places)
        name, theirs = chinese.relative_to(root).as_posix(), passages(chinese)
        accept_it = f"then `lmtutorial i18n accept {name}"
        advice = {
            "missing": f"is missing; `lmtutorial i18n sync {name}` adds it",
            "untranslated": f"is not translated; translate it, {accept_it} %s`",
            "not accepted": f"is not accepted; compare it with the English, {accept_it} %s`",
            "stale": f"is stale, the English has changed; bring it up to date, {accept_it} %s`",
        }
        for passage, text in passages(english).items():
            where = state(text, theirs.get(passage))
            if where in advice:
                found.append(f"{name} {passage} {advice[where].replace('%s', passage)}")
            if where in ("translated", "not accepted"):
                wrong = typography.problems(text.text, theirs[passage].text, terms, folders)
                found += [f"{name} {passage}: {problem}" for problem in wrong]
        found += [f"{name} {problem}; `lmtutorial i18n sync {name}`" for problem in _structure(english, chinese, terms)]
    return found


def _glossary(root: Path, terms: typography.Terms) -> list[str]:
    """Return what the table of terms lacks of the glossary, and the Chinese glossary of the table."""
    pages = [root / "book" / "glossary.md", root / "book" / "zh" / "glossary.md"]
    english, chinese = (
        re.findall(r"^(\S.*)\n(?= +\S)", read_text(page), re.M) if page.is_file() else [] for page in pages
    )
    found = [f"{TERMS} lacks {name}, which the glossary has; add it" for name in english if name not in terms.names]
    if chinese:
        there = {re.sub(r"（.*）$", "", name) for name in chinese}  # the English name follows in parentheses
        right = [terms.names[name] for name in english if name in terms.names]
        found += [f"book/zh/glossary.md lacks the entry {name}; add it" for name in right if name not in there]
    return found


def _orphans(root: Path) -> list[str]:
    """Return the Chinese files that translate nothing."""
    there = [*(root / "book" / "zh").glob("*.md"), *(root / "notebooks" / "zh").glob("*.ipynb")]
    extra = sorted({*there} - {chinese for _, chinese in pairs(root)})
    return [f"{file.relative_to(root)} translates no file of book/_toc.yml; remove it" for file in extra]


def _structure(english: Path, chinese: Path, terms: typography.Terms) -> list[str]:
    """Return how the cells or sections of the Chinese file differ from what `sync` would make of them."""
    if chinese.suffix == ".md":
        wanted, there = ({name: None for name in passages(path)} for path in (english, chinese))
    else:
        wanted, there = (
            {cell.id: cell for cell in notebook.cells}
            for notebook in (synced_notebook(english, chinese, terms), read_notebook(chinese))
        )
    found = [f"{name} is not in the English file" for name in there if name not in wanted]
    common = [name for name in wanted if name in there]
    if [name for name in there if name in wanted] != common:
        found.append("has another order than the English file")
    for name in common:
        ours, right = there[name], wanted[name]
        if ours and ours.cell_type == "code" and ours.source != right.source:
            found.append(f"{name} differs from the English file in its code")
        elif ours and (ours.metadata != right.metadata or ours.get("outputs")):
            found.append(f"{name} differs from the English file in its metadata or has outputs")
    missing = [name for name in wanted if name not in there and wanted[name] and wanted[name].cell_type == "code"]
    return found + [f"{name} is missing" for name in missing]


def synced_notebook(english: Path, chinese: Path, terms: typography.Terms) -> nbformat.NotebookNode:
    """Return the English notebook with the Chinese texts there are; an untranslated passage is in English."""
    notebook = copy.deepcopy(read_notebook(english))
    theirs = passages(chinese) if chinese.exists() else {}
    for cell in notebook.cells:
        name = cell.id if cell.cell_type == "markdown" else ALT + cell.id
        kept = _kept(theirs.get(name))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            for prompt in ("code_prompt_show", "code_prompt_hide"):
                if prompt in cell.metadata.get("mystnb", {}):
                    cell.metadata.mystnb[prompt] = _prompt(cell.metadata.mystnb[prompt], terms)
        if kept and cell.cell_type == "markdown":
            cell.source = kept.text
        elif kept and _noted(cell, *ALTERNATIVE):
            cell.metadata.mystnb.image.alt = kept.text
        if kept and kept.source:
            cell.metadata[NOTE] = {"src": kept.source}
    return notebook


def _kept(chinese: Passage | None) -> Passage | None:
    """Return a passage unless it is only the English of some time ago."""
    return chinese if chinese and (chinese.source or typography.is_chinese(chinese.text)) else None


def _prompt(english: str, terms: typography.Terms) -> str:
    if english not in terms.prompts:
        raise InputError(f"{TERMS} has no Chinese for the prompt {english!r}; add it under `prompts`")
    return terms.prompts[english]


def page(texts: dict[str, Passage]) -> str:
    """Write a Chinese page: its sections, each after its mark."""
    marks = {name: f"{name} {passage.source}" if passage.source else name for name, passage in texts.items()}
    return "\n".join(f"<!-- i18n: {marks[name]} -->\n{passage.text}\n" for name, passage in texts.items())


def sync(root: Path, english: Path, chinese: Path) -> list[str]:
    """Bring all of a Chinese file but its texts up to date; make the file if there is none.

    Returns:
        What was dropped because the English file has it no more, so that nothing is lost unseen.
    """
    theirs, ours = passages(chinese) if chinese.exists() else {}, passages(english)
    if chinese.suffix == ".md":
        new = page({name: _kept(theirs.get(name)) or passage for name, passage in ours.items()})
    else:
        new = nbformat.writes(synced_notebook(english, chinese, typography.read_terms(root / TERMS))) + "\n"
    if not chinese.exists() or read_text(chinese) != new:
        write_atomically(chinese, new.encode())
    return [f"{name}: {text.text}" for name, text in theirs.items() if name not in ours and _kept(text)]


def accept(english: Path, chinese: Path, names: list[str] | None = None) -> list[str]:
    """Record that passages translate what the English file says now; without names, all that are translated.

    Returns:
        The names of those whose record is new.

    Raises:
        InputError: a name is no passage of both files.
    """
    ours, theirs = passages(english), passages(chinese)
    if names is None:
        names = [
            name
            for name, passage in theirs.items()
            if name in ours and (_kept(passage) or not typography.needs_translation(passage.text))
        ]
    unknown = [name for name in names if name not in ours or name not in theirs]
    if unknown:
        raise InputError(
            f"{chinese} has no {', '.join(unknown)} that the English file has; `lmtutorial i18n sync` first"
        )
    hashes = {name: fingerprint(ours[name].text) for name in names}
    new = [name for name in names if theirs[name].source != hashes[name]]
    if chinese.suffix == ".md":
        recorded = {name: Passage(text.text, hashes.get(name, text.source)) for name, text in theirs.items()}
        write_atomically(chinese, page(recorded).encode())
    else:
        notebook = read_notebook(chinese)
        for cell in notebook.cells:
            name = cell.id if cell.cell_type == "markdown" else ALT + cell.id
            if name in hashes:
                cell.metadata[NOTE] = {"src": hashes[name]}
        write_atomically(chinese, (nbformat.writes(notebook) + "\n").encode())
    return new
