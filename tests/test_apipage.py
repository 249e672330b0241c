"""The page of the package: all that is public, with a way to the line where it begins."""

import ast
import re

import pytest
from conftest import ROOT

from lmtutorial import apipage
from lmtutorial.phrases import Phrases

PAGE = apipage.page("SOURCE")
MODULES = sorted(path.stem for path in (ROOT / "lmtutorial").glob("*.py") if path.stem != "__init__")


def test_every_module_has_a_section_that_says_what_it_is_for():
    assert re.findall(r"^## `(\w+)`$", PAGE, flags=re.M) == MODULES
    assert len(re.findall(r"^\S.{20,} \[Source\]\(SOURCE/lmtutorial/\w+\.py\)$", PAGE, flags=re.M)) == len(MODULES)


def test_every_link_leads_to_the_line_of_the_definition():
    links = re.findall(r"\[`(\w+)[^`]*`\]\(SOURCE/(lmtutorial/\w+\.py)#L(\d+)\)", PAGE)
    assert len(links) > 200
    for name, file, number in links:
        assert re.match(rf"\s*(def|class) {name}\b", (ROOT / file).read_text("utf-8").splitlines()[int(number) - 1])


@pytest.mark.parametrize(
    ("definition", "item"),
    [
        ('def f(a, b=1, *, c, **d):\n    """Do.\n\n    More."""', "- [`f(a, b, *, c, **d)`](S#L1): Do."),
        ('def f(*a, c):\n    """Cost\n    in $."""', "- [`f(*a, c)`](S#L1): Cost in \\$."),
        (
            'class A:\n    """An A."""\n    def b(self, c):\n        """B."""',
            "- [`A`](S#L1): An A.\n  - [`b(c)`](S#L3): B.",
        ),
        ('def _f():\n    """Hidden."""\ndef g():\n    pass', ""),
    ],
)
def test_an_item_is_name_arguments_and_first_sentence(definition, item):
    assert "\n".join(apipage._entries(ast.parse(definition), "S")) == item


def test_the_chinese_page_says_that_the_list_is_english():
    assert apipage.page("S", Phrases("zh", {"pages": {"Source": "源码"}})).startswith('<div lang="en">')
    assert "[源码]" in apipage.page("S", Phrases("zh", {"pages": {"Source": "源码"}}))


def test_the_example_of_the_page_runs(monkeypatch, real_data):
    monkeypatch.setenv("LMTUTORIAL_DATA", str(real_data))
    text = (ROOT / "book" / "api.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    names = {}
    exec(code.replace('"shakespeare"', '"tinyshakespeare"').replace("model.score", "cost = model.score"), names)
    assert 1.4 < names["cost"] < 1.7
