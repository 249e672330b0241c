"""Functions that the chapters write out, one for every labelled equation."""

import ast

import nbformat
import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def equations(request):
    """The functions of the equation cells of a chapter; the test module says which chapter: `CHAPTER = "…"`."""
    names = {"np": np}
    for cell in nbformat.read(ROOT / "notebooks" / f"{request.module.CHAPTER}.ipynb", 4).cells:
        if any(tag.startswith("equation-") for tag in cell.metadata.get("tags", [])):
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            exec(compile(tree, cell.id, "exec"), names)
    return names
