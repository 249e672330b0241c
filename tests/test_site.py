"""The build: only what changed, all or nothing, links that point at the right repository."""

import hashlib
import os
import pickle
import shutil
import time

import pytest
from mini import write_book, write_chapter

from lmtutorial import execution, site, staging
from lmtutorial.errors import InputError


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny book, built once; tests that change it work on what the one before left."""
    root = tmp_path_factory.mktemp("book")
    write_book(root)
    assert site.build(root) == 0
    return root


def fingerprint(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def executions(root):
    return {path.name: path.stat().st_mtime_ns for path in (root / "_build" / "executed").glob("*.ipynb")}


def test_the_site_has_the_pages_and_their_outputs(built):
    page = (built / "_build" / "site" / "notebooks" / "one.html").read_text("utf-8")
    assert "Chapter one" in page
    assert "one 0" in page
    assert "injected-parameters" not in page


def test_the_status_page_says_what_was_executed_where_and_when(built):
    page = (built / "_build" / "site" / "book" / "status.html").read_text("utf-8")
    run = execution.note(execution.read(built / "_build" / "executed" / "one.ipynb"))
    for fact in (run["when"][:10], run["device"], f"{run['seconds']:.0f}", f"python {run['python']}", "MiB"):
        assert fact in page


def test_colab_and_edit_buttons_point_at_the_notebook_in_the_repository(built):
    page = (built / "_build" / "site" / "notebooks" / "one.html").read_text("utf-8")
    assert "colab.research.google.com/github/lm-measured/book/blob/main/notebooks/one.ipynb" in page
    assert "github.com/lm-measured/book/edit/main/notebooks/one.ipynb" in page


def test_a_fork_is_named_by_the_environment(built, monkeypatch):
    monkeypatch.setenv("LMTUTORIAL_REPOSITORY", "https://github.com/someone/fork")
    monkeypatch.setenv("LMTUTORIAL_SITE", "https://someone.example/fork/")
    config = staging.config(built)
    assert "url: https://github.com/someone/fork\n" in config
    assert "baseurl: https://someone.example/fork/\n" in config
    assert "lm-measured" not in config


def test_mathjax_comes_with_the_site(built):
    assert list((built / "_build" / "site" / "_static" / "mathjax").glob("tex-*chtml.js"))


def test_nothing_is_done_when_nothing_changed(built, capsys):
    before, ran, start = fingerprint(built / "_build" / "site"), executions(built), time.monotonic()
    assert site.build(built) == 0
    assert time.monotonic() - start < 10
    assert "up to date" in capsys.readouterr().out
    assert (fingerprint(built / "_build" / "site"), executions(built)) == (before, ran)


def test_two_clean_builds_of_the_same_are_alike_to_the_byte(built, tmp_path):
    write_book(tmp_path)
    shutil.copytree(built / "_build" / "executed", tmp_path / "_build" / "executed")
    assert site.build(tmp_path) == 0
    assert fingerprint(tmp_path / "_build" / "site") == fingerprint(built / "_build" / "site")


def test_an_edited_chapter_is_executed_alone(built):
    before = executions(built)
    write_chapter(built, "two", "print('two, edited', seed)")
    assert site.build(built) == 0
    after = executions(built)
    assert [name for name in after if after[name] != before[name]] == ["two.ipynb"]
    assert "two, edited 0" in (built / "_build" / "site" / "notebooks" / "two.html").read_text("utf-8")


def test_edited_prose_is_published_without_executing_anything(built):
    before = executions(built)
    write_chapter(built, "one", "print('one', seed)", prose="Better prose.")
    assert site.build(built) == 0
    assert executions(built) == before
    assert "Better prose." in (built / "_build" / "site" / "notebooks" / "one.html").read_text("utf-8")


def test_a_failing_cell_leaves_the_site_as_it_was(built, capsys):
    before = fingerprint(built / "_build" / "site")
    write_chapter(built, "one", "1 / 0")
    assert site.build(built) == 1
    assert fingerprint(built / "_build" / "site") == before
    said = capsys.readouterr().err
    assert "one: cell 'code' failed" in said
    assert "ZeroDivisionError" in said
    write_chapter(built, "one", "print('one', seed)", prose="Better prose.")


def test_a_warning_is_an_error_again_and_again_and_leaves_the_site_as_it_was(built, capsys):
    before = fingerprint(built / "_build" / "site")
    (built / "book" / "index.md").write_text("# A tiny book\n\nSee [nothing](nothing.md).\n")
    for _ in range(2):
        assert site.build(built) == 1
        assert "nothing.md" in capsys.readouterr().err
        assert fingerprint(built / "_build" / "site") == before
    (built / "book" / "index.md").write_text("# A tiny book\n")


def test_a_build_after_an_interrupted_one_starts_afresh_and_forgets_no_warning(built, capsys):
    index = built / "book" / "index.md"
    index.write_text("# A tiny book\n\nSee [nothing](nothing.md).\n")
    assert site.build(built) == 1  # leaves Sphinx' state behind, as an interrupted build does
    assert (built / "_build" / "stage" / "en.unfinished").exists()
    assert site.build(built) == 1
    assert "nothing.md" in capsys.readouterr().err
    index.write_text("# A tiny book, mended\n")
    assert site.build(built) == 0
    assert not (built / "_build" / "stage" / "en.unfinished").exists()


def test_a_change_is_found_though_the_clock_was_set_back(built):
    tomorrow = time.time() + 86_400
    for state in (built / "_build" / "stage").rglob("environment.pickle"):
        sphinx = pickle.loads(state.read_bytes())
        sphinx.all_docs = {name: 10**6 * tomorrow for name in sphinx.all_docs}  # when each page was read, in µs
        state.write_bytes(pickle.dumps(sphinx))
        os.utime(state, (tomorrow, tomorrow))
    (built / "book" / "index.md").write_text("# A tiny book, later\n")
    assert site.build(built) == 0
    assert "A tiny book, later" in (built / "_build" / "site" / "book" / "index.html").read_text("utf-8")


def test_a_page_that_is_gone_leaves_nothing_behind(built):
    toc = built / "book" / "_toc.yml"
    toc.write_text(toc.read_text().replace("      - file: notebooks/two\n", ""))
    assert site.build(built) == 0
    assert not (built / "_build" / "site" / "notebooks" / "two.html").exists()


def test_a_move_that_was_interrupted_is_finished(tmp_path):
    old = tmp_path / "site.old"
    old.mkdir()
    (old / "index.html").write_text("old")
    site._finish_interrupted_move(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "old"


def test_a_copy_that_fails_leaves_the_site_as_it_was(tmp_path, monkeypatch):
    built, place = tmp_path / "built", tmp_path / "site"
    for folder, text in ((built, "new"), (place, "old")):
        folder.mkdir()
        (folder / "index.html").write_text(text)

    def full_disk(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(site.shutil, "copytree", full_disk)
    with pytest.raises(OSError, match="No space"):
        site._put_in_place({"en": built}, place)
    assert (place / "index.html").read_text() == "old"


def test_an_image_that_no_page_shows_any_more_is_not_published(tmp_path):
    built, published = tmp_path / "built", tmp_path / "site"
    (built / "_images").mkdir(parents=True)
    (built / "index.html").write_text('<img src="_images/new.svg">')
    for name in ("new.svg", "old.svg"):
        (built / "_images" / name).touch()
    site._put_in_place({"en": built}, published)
    assert [path.name for path in (published / "_images").iterdir()] == ["new.svg"]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not the book's folder"):
        site.build(tmp_path)
