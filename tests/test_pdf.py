"""Both editions as PDF: links that lead somewhere, and what raw HTML refers to."""

import re
import shutil

import pytest
from mini import write_book, write_chinese_edition

from lmtutorial import pdf, site
from lmtutorial.errors import InputError


def test_without_a_staged_book_there_is_nothing_to_print(tmp_path):
    with pytest.raises(InputError, match="nothing is staged; run `make book` first"):
        pdf.build(tmp_path)


def test_without_chromium_there_is_no_pdf(tmp_path, monkeypatch):
    (tmp_path / "_build" / "stage" / "en").mkdir(parents=True)
    (tmp_path / "_build" / "stage" / "en" / "_toc.yml").touch()
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="Chromium, which is not installed"):
        pdf.build(tmp_path)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ('<a href="../book/index.html#states-a-1">', '<a href="#states-a-1">'),
        ('<a href="book/index.html#claim-a">', '<a href="#claim-a">'),
        ('<a href="./../book/index.html">', '<a href="#document-book/index">'),
        ('<a href="../notebooks/one.html">', '<a href="#document-notebooks/one">'),
        ('<script src="../_static/a.mjs">', '<script src="_static/a.mjs">'),
        ('<a href="https://example.org/book/one.html">', '<a href="https://example.org/book/one.html">'),
    ],
)
def test_raw_html_is_at_home_on_the_one_page(written, printed):
    assert pdf._at_home(written) == printed


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium: apt install chromium")
def test_both_editions_are_printed_with_links_that_lead_somewhere(tmp_path):
    write_book(tmp_path)
    write_chinese_edition(tmp_path)
    assert site.build(tmp_path) == 0
    assert pdf.build(tmp_path) == 0
    for language in ("en", "zh"):
        printed = (tmp_path / "_build" / "pdf" / f"{language}.pdf").read_bytes()
        targets = set(re.findall(rb"/Dest /(\S+)", printed))
        named = set(re.findall(rb"^(?:<<)?/(document\S+) \[", printed, re.M))
        assert targets
        assert targets <= named
        assert b"127.0.0.1" not in printed
