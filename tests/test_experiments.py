"""Code versions, the machine's description, and numbers on their way into prose."""

import json

import mini
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lmtutorial import backends, experiments
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


def test_where_keras_computes_on_a_gpu_the_machine_names_it(monkeypatch):
    processor = experiments.machine()["device"]
    monkeypatch.setattr(backends, "gpu", lambda: "a GPU")
    assert processor
    assert experiments.machine()["device"] == "a GPU"


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


def record(seed=0, nats=1.5, **changes):
    """A whole record of the experiment x99."""
    return mini.record(seed, {"nats_per_char": nats}, "x99", preset="small") | changes


def write(results, **changes):
    """Write a record to the file that its run names; return the path."""
    content = record(**changes)
    path = results / f"{experiments.name_of(content)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_record_is_written_with_sorted_keys_and_read_back(results):
    text = experiments.record_text(record())
    assert json.loads(text) == record()
    assert list(json.loads(text)) == sorted(record())
    assert experiments.load_record(write(results)) == record()


def test_a_runs_identity_is_what_was_run_and_not_what_came_out():
    first = experiments.identity("x99", 1, {"a": 1, "b": 2}, 0)
    assert first == experiments.identity("x99", 1, {"b": 2, "a": 1}, 0)
    others = [("x98", 1, {"a": 1, "b": 2}, 0), ("x99", 2, {"a": 1, "b": 2}, 0), ("x99", 1, {"a": 1, "b": 2}, 1)]
    assert len({first, *(experiments.identity(*run) for run in others)}) == 4


def test_records_are_read_as_a_table_with_a_row_each(results):
    for seed in (0, 1):
        write(results, seed=seed, nats=1.5 + seed)
    write(results, parameters={"preset": "small", "profile": "smoke"})
    table = experiments.read_records("x99").sort_values("seed")
    assert table.nats_per_char.tolist() == [1.5, 2.5]
    assert set(table.preset) == {"small"}
    assert len(experiments.records_table(["x99"], "laptop", {"seed": 1})) == 1


def test_a_parameter_named_like_a_metric_or_a_field_is_a_column_of_its_own(results):
    write(results, parameters={"profile": "laptop", "seconds": 25, "nats_per_char": 9, "preset": "small"})
    (row,) = experiments.read_records("x99").to_dict("records")
    assert (row["seconds"], row["nats_per_char"], row["preset"]) == (1.0, 1.5, "small")
    assert (row["asked_seconds"], row["asked_nats_per_char"]) == (25, 9)


def test_records_of_an_older_version_no_longer_count(results):
    write(results, seed=0)
    write(results, seed=1)
    write(results, seed=1, version=2)
    assert [(each["version"], each["seed"]) for each in experiments.load_records("x99")] == [(2, 1)]
    assert experiments.read_records("x99").seed.tolist() == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 1}, r"is no record of schema 2 \(its schema: 1\)"),
        ({"surplus": 1}, "unknown: surplus"),
        ({"seed": "0"}, "the field seed is '0'"),
        ({"seed": True}, "the field seed is True"),
        ({"units": {}}, "nats_per_char needs a unit and a finite value"),
        ({"nats": float("nan")}, "nats_per_char needs a unit and a finite value"),
        ({"nats": "low"}, "nats_per_char needs a unit and a finite value"),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_name(results, changes, message):
    path = write(results, **changes)
    with pytest.raises(InputError, match=message) as raised:
        experiments.load_record(path)
    assert str(path) in str(raised.value)


def test_a_missing_field_a_moved_file_and_broken_json_are_refused(results):
    path = write(results)
    path.write_text(json.dumps({name: value for name, value in record().items() if name != "code"}))
    with pytest.raises(InputError, match="fields missing: code"):
        experiments.load_record(path)
    moved = write(results).rename(path.with_stem("0123456789abcdef"))
    with pytest.raises(InputError, match="a file is named by its run"):
        experiments.load_record(moved)
    moved.write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        experiments.load_record(moved)


def test_an_experiment_without_records_is_refused(results):
    with pytest.raises(InputError, match="no records of x98"):
        experiments.read_records("x98")


def test_what_was_measured_is_shown_and_goes_along():
    InteractiveShell.instance()
    with capture_output() as captured:
        experiments.measured({"nats": (np.float32(1.5), "nat/char")}, ("tiny", "0" * 64), {"window": 64})
    bundle = captured.outputs[0].data
    found = bundle[experiments.MEASURED]
    assert (found["metrics"], found["units"]) == ({"nats": 1.5}, {"nats": "nat/char"})
    assert found["data"] == {"name": "tiny", "sha256": "0" * 64}
    assert found["cores"] >= 1
    assert "1.5 nat/char" in bundle["text/plain"]


def test_a_measurement_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="nats = nan"):
        experiments.measured({"nats": (float("nan"), "nat/char")}, ("tiny", ""))


def test_the_books_own_records_are_whole():
    folders = [folder.name for folder in experiments.RESULTS.iterdir() if folder.is_dir()]
    assert "x00_presets" in folders
    assert all(experiments.load_records(name) for name in folders if not name.startswith("_"))
