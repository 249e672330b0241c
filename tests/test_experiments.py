"""Code versions, the machine's description, and numbers on their way into prose."""

import json

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lmtutorial import experiments
from lmtutorial.errors import InputError

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


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    return tmp_path


def write(results, seed=0, nats=1.5, unit="nat/char"):
    units = {"nats_per_char": unit} if unit else {}
    text = {"name": "tiny", "sha256": "0" * 64}
    return experiments.write_record(
        results / "x99",
        {"preset": "small"},
        seed,
        {"nats_per_char": nats},
        units,
        text,
        {"window": 64, "stride": 32, "carried_state": False},
        2.5,
        "from lmtutorial import data",
    )


def test_a_record_says_what_was_run_on_what_and_where(results):
    record = json.loads(write(results).read_text())
    assert record["experiment"] == "x99"
    assert (record["parameters"], record["seed"]) == ({"preset": "small"}, 0)
    assert (record["metrics"], record["units"]) == ({"nats_per_char": 1.5}, {"nats_per_char": "nat/char"})
    assert record["protocol"] == {"window": 64, "stride": 32, "carried_state": False}
    assert record["code"] == experiments.code_version("from lmtutorial import data")
    assert record["peak_memory_bytes"] > 10**6
    assert record.keys() >= {"schema", "data", "versions", "device", "cores", "seconds", "when", "backend"}
    assert list(record) == sorted(record)


def test_records_are_read_as_a_table_with_a_row_each(results):
    for seed in (0, 1):
        write(results, seed, nats=1.5 + seed)
    table = experiments.read_records("x99").sort_values("seed")
    assert table.nats_per_char.tolist() == [1.5, 2.5]
    assert set(table.preset) == {"small"}


def test_a_record_is_never_written_over(results):
    before = write(results).read_bytes()
    with pytest.raises(InputError, match="holds a record of this very run"):
        write(results, nats=0.1)
    assert write(results, seed=1).read_bytes() != before
    assert len(list(results.rglob("*.json"))) == 2


@pytest.mark.parametrize(("nats", "unit"), [(float("nan"), "nat/char"), (1.5, None)])
def test_a_metric_without_a_unit_or_a_value_is_refused(results, nats, unit):
    with pytest.raises(InputError, match="nats_per_char needs a unit and a finite value"):
        write(results, nats=nats, unit=unit)
    assert not list(results.rglob("*.json"))


def test_an_experiment_without_records_is_refused(results):
    with pytest.raises(InputError, match="no records of x98"):
        experiments.read_records("x98")


def test_the_books_own_records_are_whole():
    for path in experiments.IN_REPOSITORY.rglob("*.json"):
        record = json.loads(path.read_text("utf-8"))
        assert record["metrics"].keys() == record["units"].keys(), path
        assert record["experiment"] == path.parent.name
