"""The page of the package: every module, what it offers in a line each, and the way to its source.

It is read from the source, so that making it imports nothing.
"""

import ast
from collections.abc import Iterator

from lmtutorial.experiments import PACKAGE
from lmtutorial.phrases import ENGLISH, Phrases


def page(source: str, say: Phrases = ENGLISH) -> str:
    """Return the Markdown of all modules; docstrings are in English in either edition.

    Args:
        source: address under which the repository's files can be read.
        say: the page's language.
    """
    lines = []
    for path in sorted(PACKAGE.glob("*.py")):
        tree, address = ast.parse(path.read_text("utf-8")), f"{source}/lmtutorial/{path.name}"
        if path.stem != "__init__":
            about = f"{_first(tree)} [{say('Source')}]({address})"
            lines += [f"## `{path.stem}`", "", about, "", *_entries(tree, address), ""]
    text = "\n".join(lines)
    return text if say.language == "en" else f'<div lang="en">\n\n{text}\n</div>\n'


def _entries(tree: ast.Module, address: str) -> Iterator[str]:
    """Yield an item for everything that is public and has a docstring, methods below their class."""
    for node in tree.body:
        if _is_public(node):
            yield _item(node, address)
            yield from (f"  {_item(inner, address)}" for inner in getattr(node, "body", ()) if _is_method(node, inner))


def _is_public(node: ast.stmt) -> bool:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and not node.name.startswith("_") and bool(ast.get_docstring(node))


def _is_method(node: ast.stmt, inner: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and _is_public(inner)


def _item(node: ast.FunctionDef | ast.ClassDef, address: str) -> str:
    given = f"({_arguments(node.args)})" if isinstance(node, ast.FunctionDef) else ""
    return f"- [`{node.name}{given}`]({address}#L{node.lineno}): {_first(node)}"


def _arguments(given: ast.arguments) -> str:
    """Return the names of arguments, those by name only after an asterisk, as in a definition."""
    names = [one.arg for one in (*given.posonlyargs, *given.args) if one.arg not in ("self", "cls")]
    names += [f"*{given.vararg.arg}"] if given.vararg else ["*"] if given.kwonlyargs else []
    names += [one.arg for one in given.kwonlyargs]
    return ", ".join([*names, *([f"**{given.kwarg.arg}"] if given.kwarg else [])])


def _first(node: ast.AST) -> str:
    """Return the first paragraph of a docstring, in which a dollar is a dollar."""
    return " ".join(ast.get_docstring(node).partition("\n\n")[0].split()).replace("$", r"\$")
