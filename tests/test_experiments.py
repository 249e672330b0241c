"""Code versions, the machine's description, and numbers on their way into prose."""

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lmtutorial import experiments

CHAPTER = "from lmtutorial import alpha"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in which alpha imports beta, and gamma stands alone."""
    (tmp_path / "alpha.py").write_text("from lmtutorial.beta import thing")
    (tmp_path / "beta.py").write_text("thing = 1")
    (tmp_path / "gamma.py").write_text("other = 1")
    monkeypatch.setattr(experiments, "PACKAGE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "import lmtutorial.alpha",
        "from lmtutorial import alpha",
        "from lmtutorial.alpha import thing as other",
        "def late():\n    from lmtutorial import alpha",
    ],
)
def test_every_form_of_import_is_found(package, source):
    assert experiments.imported_modules(source) == {"alpha"}


def test_other_packages_and_names_are_no_modules(package):
    assert experiments.imported_modules("import numpy.alpha\nfrom lmtutorial import __version__") == set()


@pytest.mark.parametrize(("module", "changes"), [("alpha", True), ("beta", True), ("gamma", False)])
def test_the_code_version_follows_what_is_imported_directly_or_not(package, module, changes):
    before = experiments.code_version(CHAPTER)
    (package / f"{module}.py").write_text("thing = 2")
    assert (experiments.code_version(CHAPTER) != before) == changes


def test_a_module_that_is_a_folder_counts_with_all_its_files(package):
    (package / "delta").mkdir()
    (package / "delta" / "__init__.py").write_text("")
    (package / "delta" / "part.py").write_text("from lmtutorial import gamma")
    source = "from lmtutorial import delta"
    before = experiments.code_version(source)
    (package / "gamma.py").write_text("other = 2")
    assert experiments.imported_modules(source) == {"delta"}
    assert experiments.code_version(source) != before


def test_the_code_version_follows_the_source(package):
    assert experiments.code_version(CHAPTER) != experiments.code_version(CHAPTER + "\n")


def test_modules_that_import_each_other_end(package):
    (package / "beta.py").write_text("import lmtutorial.alpha")
    assert experiments.code_version(CHAPTER)


def test_the_machine_says_what_a_reader_needs_to_repeat_a_run():
    machine = experiments.machine()
    assert {"python", "system", "device", "cores", "versions"} == machine.keys()
    assert machine["cores"] >= 1
    assert "numpy" in machine["versions"]


@pytest.mark.parametrize(("value", "text"), [(1.5, "1.5"), ("kn5", "'kn5'")])
def test_glue_emits_the_value_in_the_form_that_the_book_reads(value, text):
    InteractiveShell.instance()
    with capture_output() as captured:
        experiments.glue("name", value)
    (output,) = captured.outputs
    assert output.data == {"application/papermill.record/text/plain": text}
    assert output.metadata["scrapbook"] == {"name": "name", "mime_prefix": "application/papermill.record/"}


def test_glue_makes_numpy_numbers_plain_so_that_they_can_be_formatted():
    InteractiveShell.instance()
    with capture_output() as captured:
        experiments.glue("name", np.float64(0.25))
    assert captured.outputs[0].data == {"application/papermill.record/text/plain": "0.25"}
