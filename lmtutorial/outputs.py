"""What the cells of a chapter put out, for Chinese readers: the labels of figures and the words of forms.

A chapter is executed once, in English. matplotlib draws text as outlines, beside a comment that says what they read;
here they become the outlines of the Chinese label, in a font from an installed package, so that a reader needs none.
What the table of phrases lacks stays as it is: most labels are names and numbers.
"""

import copy
import functools
import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont

from lmtutorial.errors import InputError
from lmtutorial.phrases import Phrases

FONT = ("pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf")  # package, file
SVG = "{http://www.w3.org/2000/svg}"
ALIGNED = {"ytick": 1.0, "legend": 0.0}  # how much of what a label gets shorter is taken off its left; else half
EM = 100  # of an outline, in matplotlib's units


def in_chinese(outputs: list[nbformat.NotebookNode], say: Phrases) -> list[nbformat.NotebookNode]:
    """Return a cell's outputs with labels and forms in Chinese."""
    outputs = copy.deepcopy(outputs)
    for output in outputs:
        shown = output.get("data", {})
        if "image/svg+xml" in shown:
            shown["image/svg+xml"] = figure(shown["image/svg+xml"], say)
        if 'class="chooser"' in shown.get("text/html", ""):
            for english, chinese in say.chinese["chooser"].items():
                shown["text/html"] = shown["text/html"].replace(english, chinese)
    return outputs


def figure(svg: str, say: Phrases) -> str:
    """Return a figure drawn by matplotlib with Chinese labels."""
    for prefix, address in (("", SVG[1:-1]), ("xlink", "http://www.w3.org/1999/xlink")):
        ElementTree.register_namespace(prefix, address)
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.fromstring(svg, ElementTree.XMLParser(target=builder))
    _translate(root, 0.5, say.chinese["labels"])
    return ElementTree.tostring(root, "unicode")


def _translate(element: ElementTree.Element, alignment: float, labels: dict[str, str]) -> None:
    """Replace the labels below an element."""
    alignment = ALIGNED.get(element.get("id", "").partition("_")[0], alignment)
    for child, outlines in zip(element, [*element[1:], None]):
        if child.tag is ElementTree.Comment:
            if chinese := label(child.text.strip(), labels):
                child.text = f" {chinese} "
                _redraw(outlines, chinese, alignment)
        else:
            _translate(child, alignment, labels)


def label(english: str, labels: dict[str, str]) -> str | None:
    """Return the Chinese of a label, None if there is none; `{}` in the table is whatever the label has there."""
    for pattern, chinese in labels.items():
        if match := re.fullmatch(re.escape(pattern).replace(r"\{\}", "(.*)"), english):
            return chinese.format(*match.groups())
    return None


def _redraw(outlines: ElementTree.Element, text: str, alignment: float) -> None:
    """Put the outlines of `text` in the place of those there are, whose definitions other labels may use."""
    uses = outlines.findall(f"{SVG}use")
    ends = [float(re.search(r"\((\S+)", use.get("transform", "(0"))[1]) for use in uses]
    before = ends[-1] * len(ends) / max(len(ends) - 1, 1)  # the width of the last one is as of the others
    for use in uses:
        outlines.remove(use)
    glyphs, names, em = _font()
    widths = [glyphs[names.get(ord(character), ".notdef")].width * EM / em for character in text]
    place = alignment * (before - sum(widths))
    for character, width in zip(text, widths):
        pen = SVGPathPen(glyphs, lambda value: f"{value:.0f}")
        glyphs[names.get(ord(character), ".notdef")].draw(pen)
        position = f"translate({place:.2f} 0) scale({EM / em})"
        ElementTree.SubElement(outlines, f"{SVG}path", {"d": pen.getCommands(), "transform": position})
        place += width


def font_file() -> Path:
    """Return the file of a Chinese font.

    Raises:
        InputError: the package that has it is not installed.
    """
    package, file = FONT
    found = importlib.util.find_spec(package)
    if found is None:
        raise InputError(f"Chinese text in figures needs the package {package}; `make env` installs it")
    return Path(found.origin).with_name(file)


@functools.cache
def _font():
    """Return the font's glyphs, the names of their characters' glyphs, and its units an em."""
    font = TTFont(font_file())
    return font.getGlyphSet(), font.getBestCmap(), font["head"].unitsPerEm
