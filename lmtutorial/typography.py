"""Chinese text beside its English: terms, punctuation, emphasis, and whether both refer to the same things."""

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

from lmtutorial.errors import InputError
from lmtutorial.files import read_yaml

CHINESE = "[\u3400-\u9fff]"
MARKDOWN = (
    MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).use(myst_block_plugin).use(myst_role_plugin)
).disable("text_join")  # so that an asterisk that was asked for, \*, is no `text`
DIRECTIVES = [  # those that hold prose, opened so that it is read; and the links of cards
    (r"^```\{(?:glossary|note|tip|warning|admonition)\} *(.*)\n((?:.*\n)*?)```$", r"\1\n\n\2\n"),
    (r"^:{3,}(?:\{[\w-]+\})? *(.*)$", r"\n\1\n"),
    (r"^:link: (.*)$", r"[](\1)"),
    (r"^:[\w-]+:.*$", ""),
]
HALF = {",": "，", ";": "；", ":": "：", "?": "？", "!": "！", "(": "（", ")": "）", ".": "。"}
HALF_WIDTH = re.compile(
    rf"(?<={CHINESE})\s?[,;:?!.](?=\s|$|{CHINESE})|[,;:?!](?=\s?{CHINESE})"
    rf"|(?<={CHINESE})\s?[()]|[()](?=\s?{CHINESE})"
)
SHAPE = re.compile(r"\((?:[A-Z]|(?=[^()]*,)[A-Za-z0-9·+×, ]*)\)")  # (T, B, U) is code, though it looks like prose
WORD = r"(?<![A-Za-z0-9_-])%s(?![A-Za-z0-9_-])"


@dataclass(frozen=True)
class Terms:
    """The table `book/zh/terms.yml`: English names in Chinese, other words for them, and prompts of cells."""

    names: dict[str, str]
    wrong: dict[str, str]  # a word that must not be used, and what to write instead
    prompts: dict[str, str]


@dataclass
class Content:
    """What Markdown holds.

    `blocks` are the texts of its paragraphs, headings and cells of tables, with a placeholder for each piece of code,
    formula and role, and without quotations in English; `headings` are pairs of level and text.
    """

    blocks: list[str] = field(default_factory=list)
    headings: list[tuple[str, str]] = field(default_factory=list)
    formulas: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    directives: set[str] = field(default_factory=set)  # those without prose, such as what a page includes
    asterisks: list[str] = field(default_factory=list)  # texts in which an asterisk would be printed


def read_terms(file: Path) -> Terms:
    """Return the table of terms.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    entries = read_yaml(file)
    try:
        names = {
            english: entry if isinstance(entry, str) else entry["zh"] for english, entry in entries["terms"].items()
        }
        wrong = {
            word: entry["zh"]
            for entry in entries["terms"].values()
            if not isinstance(entry, str)
            for word in entry["not"]
        }
        return Terms(names, wrong, dict(entries["prompts"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{file} is no table of terms and prompts ({type(error).__name__}: {error})") from None


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in `text`."""
    return bool(re.search(CHINESE, text))


def needs_translation(text: str) -> bool:
    """Whether Markdown holds words: more than code, formulas, roles and quotations."""
    return any(re.search("[a-z]{3}", block) for block in content(text).blocks)


def content(markdown: str, folder: str = "") -> Content:
    """Take Markdown apart; relative links and paths count from `folder`, and both languages' files count as one."""
    for pattern, opened in DIRECTIVES:
        markdown = re.sub(pattern, opened, markdown, flags=re.M)
    found, level = Content(), None
    for token in MARKDOWN.parse(markdown):
        if token.type == "heading_open":
            level = token.tag
        elif token.type == "html_block":
            found.links |= _addresses(token.content, folder)
        elif token.type == "fence" and token.info.startswith("{"):
            found.directives.add(" ".join(f"{token.info} {token.content}".split()))
        elif token.type.startswith("math_block"):
            found.formulas.add(" ".join(f"{token.content} {token.info}".split()))
        elif token.type == "inline":
            block = _inline(token.children, found, folder)
            found.blocks.append(block)
            if level:
                found.headings.append((level, block))
            level = None
    return found


def _inline(tokens: list[Any], found: Content, folder: str) -> str:
    """Return the text of one block; add to `found` what it refers to."""
    parts, emphasised = [], None
    for token in tokens:
        if token.type in ("em_open", "em_close"):
            quoted = "".join(parts[emphasised:]) if token.type == "em_close" else ""
            if quoted and not is_chinese(quoted):
                parts[emphasised:] = ["~"]
            emphasised = len(parts)
        elif token.type == "code_inline":
            parts.append("`")
        elif token.type.startswith("math_inline"):
            found.formulas.add(" ".join(token.content.split()))
            parts.append("$")
        elif token.type == "myst_role":
            path, mark, name = token.content.rpartition("::")
            found.roles.add(f"{{{token.meta['name']}}}`{_target(path, folder) if mark else ''}{mark}{name}`")
            parts.append("@")
        elif token.type in ("link_open", "image"):
            found.links.add(_target(token.attrs.get("href") or token.attrs.get("src"), folder))
            parts.append(token.content)
        elif token.type == "html_inline":
            found.links |= _addresses(token.content, folder)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif token.type in ("text", "text_special"):
            parts.append(token.content)
            if token.type == "text" and "*" in token.content:
                found.asterisks.append(token.content)
    return "".join(parts)


def _addresses(html: str, folder: str) -> set[str]:
    return {_target(address, folder) for address in re.findall(r'\b(?:href|src)="([^"]*)"', html)}


def _target(address: str, folder: str) -> str:
    """Return where a link leads, the same for the English and the Chinese version of a file."""
    if not re.match(r"[a-z]+:|#|/", address):
        path, mark, anchor = address.partition("#")
        address = posixpath.normpath(posixpath.join(folder, path)) + mark + anchor
    return re.sub(r"/zh(?=/|$)", "", address).replace(".zh.md", ".md").rstrip("/")


def problems(english: str, chinese: str, terms: Terms, folders: tuple[str, str] = ("", "")) -> list[str]:
    """Return what is wrong with a translated passage, each in a line that says what to do.

    Args:
        english, chinese: the passage as Markdown.
        terms: to use.
        folders: where the two files lie, from the root of the repository.
    """
    if english == chinese and needs_translation(english):
        return ["is in English; translate it"]
    before, after = content(english, folders[0]), content(chinese, folders[1])
    return [
        *_left_in_english(before, after, terms),
        *_terms(after, terms),
        *(
            f"asterisks would be printed in {_excerpt(text, text.index('*'))}: put punctuation outside, **注意**："
            for text in after.asterisks
        ),
        *_punctuation(after),
        *_differences(before, after),
    ]


def _left_in_english(before: Content, after: Content, terms: Terms) -> list[str]:
    same = {name.lower() for name in terms.names.values()}
    found = [
        f"the heading {text!r} is in English; translate it"
        for _, text in after.headings
        if not is_chinese(text)
        and any(word.lower() not in same and word != word.upper() for word in re.findall("[A-Za-z]{3,}", text))
    ]
    headings = {text for _, text in after.headings}
    for block in after.blocks:
        if block not in headings and not is_chinese(block) and len(re.findall("[A-Za-z]{2,}", block)) > 3:
            found.append(f"{_excerpt(block, 0)} is in English; translate it")
    levels = [[level for level, _ in content.headings] for content in (before, after)]
    if levels[0] != levels[1]:
        found.append(f"the headings are {levels[1] or 'none'}, in English {levels[0] or 'none'}; make them the same")
    return found


def _terms(after: Content, terms: Terms) -> list[str]:
    found = []
    for block in after.blocks:
        for wrong, right in terms.wrong.items():
            if wrong in block:
                found.append(f"{_excerpt(block, block.index(wrong))} says {wrong}; write {right}")
        if not is_chinese(block):
            continue
        # in parentheses the English name may stand beside the Chinese one
        prose = re.sub(r"（[^（）]*）", "（）", SHAPE.sub("()", block))
        for english, name in terms.names.items():
            match = re.search(WORD % f"{re.escape(english)}(?:e?s)?", prose, re.I) if is_chinese(name) else None
            if match:
                found.append(f"{_excerpt(prose, match.start())} says {match[0]}; write {name}")
    return found


def _punctuation(after: Content) -> list[str]:
    return [
        f"{match[0].strip()} in {_excerpt(block, match.start())} is half-width; write {HALF[match[0].strip()]}"
        for block in after.blocks
        for match in HALF_WIDTH.finditer(SHAPE.sub(lambda shape: "#" * len(shape[0]), block))
    ]


def _differences(before: Content, after: Content) -> list[str]:
    found = []
    for name in ("formulas", "roles", "links", "directives"):
        here, there = getattr(after, name), getattr(before, name)
        for lacking, verb in ((there - here, "lacks"), (here - there, "has, unlike the English,")):
            if lacking:
                found.append(f"{verb} the {name} {', '.join(sorted(lacking))}; make them the same")
    return found


def _excerpt(text: str, place: int) -> str:
    """Return a few characters of `text` around a `place`."""
    return "「" + " ".join(text[max(0, place - 8) : place + 16].split()) + "」"
