"""The page of equations: complete for the book as it is, and an error for whatever is missing."""

import pkgutil

import nbformat.v4 as v4
import pytest
from conftest import ROOT

from lmtutorial import contents, equations, execution
from lmtutorial.errors import InputError

TEXT = "The sum:\n\n$$\ns = a + b\n$$ (the-sum)\n\nand\n\n$$\nd = a - b\n$$\n\nwithout a label."
CODE = "def add(a, b):\n    return a + b"
TEST = '@pytest.mark.equation("the-sum", "lmtutorial.data.load")\ndef test_it_adds_up():\n    pass\n'


def chapter(text=TEXT, tags=("equation-the-sum",)):
    cells = [v4.new_markdown_cell("# Sums"), v4.new_markdown_cell(text), v4.new_code_cell(CODE)]
    cells[2].metadata.tags = list(tags)
    return v4.new_notebook(cells=cells)


@pytest.fixture
def tests(tmp_path):
    folder = tmp_path / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "test_sums.py").write_text(TEST)
    return tmp_path / "tests"


def test_an_equation_without_a_label_is_no_part_of_the_next():
    text = "$$\nx = 1\n$$\n\nand\n\n$$\ny = 2\n$$ (two)"
    assert equations.labelled(chapter(text)) == {"two": "y = 2"}


def test_an_entry_shows_formula_code_counterpart_and_test(tests):
    page = equations.page({"01_sums": chapter()}, tests, "https://example/blob/main")
    assert "{eq}`the-sum` of [Sums](../notebooks/01_sums.ipynb)" in page
    assert "$$\ns = a + b\n$$\n" in page
    assert f"```python\n{CODE}\n```" in page
    assert "[`lmtutorial.data.load`](https://example/blob/main/lmtutorial/data.py)" in page
    assert "[it adds up](https://example/blob/main/tests/deep/test_sums.py#L2)" in page


def test_equations_that_one_cell_computes_share_its_code(tests):
    (tests / "test_more.py").write_text(TEST.replace("the-sum", "again"))
    text = TEXT + "\n\n$$\nt = b + a\n$$ (again)"
    page = equations.page({"01_sums": chapter(text, ("equation-the-sum", "equation-again"))}, tests, "")
    assert page.count(CODE) == page.count("Computed together with") == 1
    order = ["{eq}`the-sum` of", "Computed together with {eq}`again`, below.", "{eq}`again` of", CODE]
    assert [page.index(text) for text in order] == sorted(page.index(text) for text in order)


def test_a_label_without_a_cell_is_refused(tests):
    with pytest.raises(InputError, match="the-sum of 01_sums has no cell"):
        equations.page({"01_sums": chapter(tags=())}, tests, "")


def test_a_label_without_a_test_is_refused(tmp_path):
    with pytest.raises(InputError, match="the-sum of 01_sums has no test"):
        equations.page({"01_sums": chapter()}, tmp_path, "")


def test_a_cell_for_no_label_is_refused(tests):
    with pytest.raises(InputError, match="equation other is the tag of a cell"):
        equations.page({"01_sums": chapter(tags=("equation-the-sum", "equation-other"))}, tests, "")


def test_a_test_for_no_label_is_refused(tests):
    with pytest.raises(InputError, match="equation the-sum is the mark of a test"):
        equations.page({"01_sums": chapter(text="nothing", tags=())}, tests, "")


def test_every_equation_of_the_book_is_computed_and_held():
    names = contents.chapters(ROOT)
    notebooks = {name: execution.read(ROOT / "notebooks" / f"{name}.ipynb") for name in names}
    page = equations.page(notebooks, ROOT / "tests", "")
    labels = {label for notebook in notebooks.values() for label in equations.labelled(notebook)}
    assert [label for label in labels if f"{{eq}}`{label}`" not in page] == []


def test_every_labelled_equation_is_found():
    for name in contents.chapters(ROOT):
        notebook = execution.read(ROOT / "notebooks" / f"{name}.ipynb")
        texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert texts.count("\n$$ (") == len(equations.labelled(notebook))


def test_every_counterpart_exists():
    marks = [mark for marks in equations.held(ROOT / "tests").values() for mark in marks]
    for mark in marks:
        assert callable(pkgutil.resolve_name(mark.counterpart)), mark
