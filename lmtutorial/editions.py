"""The English and the Chinese edition of the site: pages and chapters in the reader's language.

Both have the same pages at the same paths, the Chinese ones below `/zh/`, so that a page's other language is one folder
away. A passage without a Chinese text that is up to date is shown in English, with a note, and never in an outdated
translation.
"""

import re
from pathlib import Path

import nbformat

from lmtutorial import i18n
from lmtutorial.execution import read as read_notebook
from lmtutorial.files import read_text
from lmtutorial.phrases import Phrases

NOTE = "There is no up-to-date translation of this part; this is the English."


def languages(root: Path) -> list[str]:
    """Return the languages in which the book can be built."""
    return ["en", "zh"] if (root / "book" / "zh").is_dir() else ["en"]


def translation(path: Path) -> Path:
    """Return where the Chinese version of an English file is or will be."""
    return path.parent / "zh" / path.name


def page(path: Path, say: Phrases) -> str:
    """Return the Markdown of the page `path` in a language."""
    if say.language == "en":
        return read_text(path)
    return "\n\n".join(_texts(path, say).values()) + "\n"


def chapter(path: Path, say: Phrases) -> nbformat.NotebookNode:
    """Return the notebook `path` with its texts in a language; the code is the English notebook's."""
    notebook = read_notebook(path)
    if say.language == "en":
        return notebook
    texts = _texts(path, say)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = texts[cell.id]
            continue
        shown = cell.metadata.get("mystnb", {})
        if alternative := texts.get(i18n.ALT + cell.id):
            shown.image.alt = alternative
        for prompt in {"code_prompt_show", "code_prompt_hide"} & shown.keys():
            shown[prompt] = say(shown[prompt], "prompts")
    return notebook


def _texts(path: Path, say: Phrases) -> dict[str, str]:
    """Return the passages of a file in Chinese; where several in a row are in English, the first has a note."""
    chinese = i18n.passages(translation(path)) if translation(path).is_file() else {}
    texts, noted = {}, False
    for name, passage in i18n.passages(path).items():
        if i18n.state(passage, chinese.get(name)) == "translated":
            texts[name] = _at_home(chinese[name].text)
            noted &= name.startswith(i18n.ALT)
        elif name.startswith(i18n.ALT):
            texts[name] = passage.text
        else:
            texts[name] = _in_english(passage.text, "" if noted else say(NOTE))
            noted = True
    return texts


def _at_home(text: str) -> str:
    """Return a Chinese text with links as from the English file's folder: the stage has no folders `zh`."""
    return re.sub(r"(\.\./(?:book|notebooks))/zh/", r"\1/", re.sub(r"(?<![\w./])\.\./(?=\.\./)", "", text))


def _in_english(text: str, note: str) -> str:
    """Return an English passage for a Chinese page, marked as English below its headings, after a `note` if any."""
    parts = []
    for heading, body in i18n.parts(text):
        parts += [heading, f":::{{note}}\n{note}\n:::" if note else ""]
        parts.append(f'<div lang="en">\n\n{body.strip()}\n\n</div>' if body.strip() else "")
        note = ""
    return "\n\n".join(part for part in parts if part)
