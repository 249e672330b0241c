"""Both editions as PDF: every link leads to its own place, and no code is cut off."""

import re

import pytest
from mini import write_book, write_chinese_edition

from lmtutorial import browser, pdf, site
from lmtutorial.errors import InputError

PAGE = """<html><head><title>A page — A book</title>
<meta content="script-src 'self'" http-equiv="Content-Security-Policy"/>
<link href="https://example.org/book/{name}.html" rel="canonical"/></head>
<body><article>{article}</article></body></html>"""


def test_without_a_site_there_is_nothing_to_print(tmp_path):
    with pytest.raises(InputError, match="there is no site; run `make book` first"):
        pdf.build(tmp_path)


def test_without_chromium_there_is_no_pdf(tmp_path, monkeypatch):
    (tmp_path / "_build" / "site").mkdir(parents=True)
    monkeypatch.setattr(pdf.browser, "chromium", lambda: None)
    with pytest.raises(InputError, match="Chromium, which is not installed"):
        pdf.build(tmp_path)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("#exercises", "#p0-exercises"),
        ("../book/index.html#exercises", "#p1-exercises"),
        ("./../book/index.html", "#p1"),
        ("one.html", "#p0"),
        ("../_downloads/records.json", "https://example.org/book/_downloads/records.json"),
        ("https://example.com/book/one.html", "https://example.com/book/one.html"),
    ],
)
def test_links_lead_to_the_place_on_the_one_page(written, printed):
    first = PAGE.format(name="notebooks/one", article=f'<h1 id="exercises">1</h1><a href="{written}">a</a>')
    second = PAGE.format(name="book/index", article='<h1 id="exercises">2</h1>')
    page = pdf.one_page([first, second])
    assert f'<a href="{printed}">' in page
    assert re.findall('id="([^"]*)"', page) == ["p0", "p0-exercises", "p1", "p1-exercises"]
    assert "Content-Security-Policy" not in page
    assert "<title>A book</title>" in page


def test_scripts_of_all_pages_are_loaded_once():
    first, second = (PAGE.format(name=name, article="") for name in ("one", "two"))
    with_script = second.replace("</head>", '<script src="../_static/mathjax.js"></script></head>')
    versioned = with_script.replace("mathjax.js", "mathjax.js?v=20daa33d")  # as Sphinx writes it on some pages
    assert pdf.one_page([first, with_script, with_script, versioned]).count("_static/mathjax.js") == 1


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not browser.chromium(), reason="no Chromium: apt install chromium")
def test_both_editions_are_printed_with_links_that_lead_somewhere(tmp_path):
    write_book(tmp_path)
    write_chinese_edition(tmp_path)
    assert site.build(tmp_path) == 0
    assert pdf.build(tmp_path) == 0
    for language in ("en", "zh"):
        printed = (tmp_path / "_build" / "pdf" / f"{language}.pdf").read_bytes()
        targets = set(re.findall(rb"/Dest /(\S+)", printed))
        named = set(re.findall(rb"^(?:<<)?/(p\d\S*) \[", printed, re.M))
        assert targets
        assert targets <= named
        assert b"127.0.0.1" not in printed
        assert "Chapter two" in outline(printed)
        assert ("第一章" in outline(printed)) == (language == "zh")


def outline(printed):
    """Return the titles of a PDF's outline: headings that are shown."""
    titles = re.findall(rb"/Title (?:\((.*?)\)|<FEFF([0-9A-F]*)>)", printed)
    return [text.decode() if text else bytes.fromhex(code.decode()).decode("utf-16-be") for text, code in titles]


@pytest.mark.browser
@pytest.mark.skipif(not browser.chromium(), reason="no Chromium: apt install chromium")
def test_what_is_cut_off_at_the_edge_is_reported(tmp_path):
    page = "<article><pre style='width: 5000px'>too wide</pre><pre>narrow</pre></article>"
    assert pdf._print(tmp_path, pdf.NAME, page, tmp_path / "a.pdf", browser.chromium()) == ["pre too wide"]
