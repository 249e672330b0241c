"""The policy of a page: the hashes of its own scripts, early enough to hold for all of them, and nothing more."""

import base64
import hashlib
import re

import pytest
from conftest import ROOT

from lmtutorial import execution, policy

PAGE = "<!DOCTYPE html>\n<html><head>\n<meta charset='utf-8'>\n<script>{}</script>\n</head><body></body></html>"

TRANSLATIONS = 'Documentation.addTranslations({"plural_expr": "n > 1"});'


def hashes(page):
    return {base64.b64decode(found).hex() for found in re.findall("'sha256-([^']+)'", policy.policy(page))}


def of(*scripts):
    return {hashlib.sha256(script.encode()).hexdigest() for script in (policy.HANDLER, *scripts)}


@pytest.mark.parametrize("script", ["", "\n let a = '<p>' && \"é\";\n", "if (a < b) {} // <!-- </p>"])
def test_a_script_that_stands_in_a_page_is_allowed_by_its_hash(script):
    assert hashes(PAGE.format(script)) == of(script)


@pytest.mark.parametrize(
    "text", ['<script src="a.js"></script>', "<!-- <script>no()</script> -->", "<img onerror='no()'>", "no()"]
)
def test_nothing_else_is(text):
    assert hashes(text) == of()


def test_the_policy_stands_before_every_script_and_allows_no_other():
    page = policy.sealed(PAGE.format("yes()"))
    assert page.index("Content-Security-Policy") < page.index("<script")
    scripts = re.search('script-src ([^;"]*)', page)[1].split()
    assert scripts[:2] == ["'self'", "'unsafe-hashes'"]
    assert all(source.startswith("'sha256-") for source in scripts[2:])
    assert "default-src 'none'" in page


def test_no_directive_allows_another_host_or_a_way_around_the_hashes():
    named = {name: given for name, *given in map(str.split, policy.policy("").split("; "))}
    assert {"base-uri", "form-action"} <= named.keys()  # for these default-src does not hold
    own = {"style-src": {"'unsafe-inline'"}, "img-src": {"data:"}, "script-src": {*named["script-src"]}}  # see above
    for name, given in named.items():
        assert given == ["'none'"] or set(given) <= {"'self'"} | own.get(name, set()), name


def test_every_page_of_a_folder_is_sealed(tmp_path):
    names, script = ("index.html", "zh/index.html", "data.json"), tmp_path / "zh" / "translations.js"
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PAGE.format("a()").encode())
    script.write_text(TRANSLATIONS)
    policy.seal(tmp_path)
    assert [name for name in names if b"Content-Security-Policy" in (tmp_path / name).read_bytes()] == [*names[:2]]
    assert script.read_text() == policy._without_eval(TRANSLATIONS)


def test_a_rule_of_plurals_is_a_program_before_it_is_used():
    program = policy._without_eval(TRANSLATIONS)
    assert "PLURAL_EXPR: (n) => (n > 1)" in program
    assert program.index("=>") < program.index("addTranslations({")


def texts():
    """Every text that an author writes in Markdown."""
    for path in sorted((ROOT / "book").rglob("*.md")):
        yield path, path.read_text("utf-8")
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        yield path, "\n".join(cell.source for cell in execution.read(path).cells if cell.cell_type == "markdown")


def test_no_text_brings_a_script_of_its_own():
    """A script that stands in a page is allowed, so none may come from a text, such as an entry of the glossary."""
    inline = re.compile(r'<script(?![^>]*\ssrc=)|<[a-z][^>]*\son\w+\s*=|[(<"]javascript:', re.I)
    assert [str(path) for path, text in texts() if inline.search(text)] == []
