"""The page of equations: for each labelled one, the cell that computes it, what computes it for real, and its tests.

A chapter labels an equation with `$$ (label)`, tags the code cell that writes it out with `equation-label`, and some
test is marked `@pytest.mark.equation("label", "module.name")`. A label without both is an error.
"""

import ast
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from lmtutorial.errors import InputError
from lmtutorial.phrases import ENGLISH, Phrases

DISPLAYED = re.compile(r"^\$\$\n((?:(?!\$\$).)+?)\n\$\$ \(([\w-]+)\)$", flags=re.M | re.S)


@dataclass(frozen=True)
class Held:
    """A test that holds an equation to `counterpart`, a dotted name."""

    counterpart: str
    file: str
    line: int
    name: str


def labelled(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return the LaTeX of each labelled equation of a chapter, in its order."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return {label: latex for text in texts for latex, label in DISPLAYED.findall(text)}


def computed(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return for each label the source of the cells that write it out."""
    found = {}
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("equation-"):
                found.setdefault(tag.removeprefix("equation-"), []).append(cell.source)
    return {label: "\n\n".join(sources) for label, sources in found.items()}


def held(tests: Path) -> dict[str, list[Held]]:
    """Return for each label the tests below the folder `tests` that are marked with it."""
    found = {}
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for mark in getattr(node, "decorator_list", []):
                if ast.unparse(mark).startswith("pytest.mark.equation("):
                    label, counterpart = (ast.literal_eval(argument) for argument in mark.args)
                    file = path.relative_to(tests.parent).as_posix()
                    found.setdefault(label, []).append(Held(counterpart, file, node.lineno, node.name))
    return found


def page(chapters: dict[str, nbformat.NotebookNode], tests: Path, source: str, say: Phrases = ENGLISH) -> str:
    """Return the page's Markdown.

    Args:
        chapters: notebooks by name.
        tests: the folder of tests.
        source: address under which the repository's files can be read.
        say: the page's language.

    Raises:
        InputError: a label lacks its cell or its test, or a cell or a test names an equation that is not there.
    """
    holding = held(tests)
    parts, labels = [], set()
    for name, notebook in chapters.items():
        equations, cells = labelled(notebook), computed(notebook)
        labels |= equations.keys()
        _refuse(equations.keys() - cells.keys(), f"of {name} has no cell that computes it (tagged equation-LABEL)")
        _refuse(cells.keys() - equations.keys(), f"is the tag of a cell of {name}, but labels nothing there")
        _refuse(equations.keys() - holding.keys(), f"of {name} has no test marked with it")
        if not equations:
            continue
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        parts.append(f"## {title}")
        chapter = f"[{title}](../notebooks/{name}.ipynb)"
        for code, together in itertools.groupby(equations, key=cells.__getitem__):
            *others, last = together
            below = say("Computed together with {label}, below.").format(label=f"{{eq}}`{last}`")
            for label in others:
                parts += [_equation(chapter, label, equations[label], holding[label], source, say), below]
            parts += [_equation(chapter, last, equations[last], holding[last], source, say), f"```python\n{code}\n```"]
    _refuse(holding.keys() - labels, "is the mark of a test, but labels nothing in the book")
    return "\n\n".join(parts) + "\n"


def _refuse(labels: set[str], why: str) -> None:
    if labels:
        raise InputError(f"equation {', '.join(sorted(labels))} {why}")


def _equation(chapter: str, label: str, latex: str, tests: list[Held], source: str, say: Phrases) -> str:
    counterparts = ", ".join(_link(name, source) for name in dict.fromkeys(test.counterpart for test in tests))
    links = ", ".join(
        f"[{test.name.removeprefix('test_').replace('_', ' ')}]({source}/{test.file}#L{test.line})" for test in tests
    )
    place = say("Equation {label} of {chapter}").format(label=f"{{eq}}`{label}`", chapter=chapter)
    return (
        f"### {label.replace('-', ' ').capitalize()}\n\n{place}\n\n$$\n{latex}\n$$\n\n"
        f"- **{say('Computed by')}** {counterparts}\n- **{say('Held by')}** {links}"
    )


def _link(name: str, source: str) -> str:
    package, _, rest = name.partition(".")
    if package != "lmtutorial":
        return f"`{name}`"
    return f"[`{name}`]({source}/lmtutorial/{rest.partition('.')[0]}.py)"
