"""The recipes of CONTRIBUTING and the README name only what there is: targets, commands with their options, files."""

import re

import pytest
from conftest import ROOT

from lmtutorial import cli

PAGES = ("CONTRIBUTING.md", "README.md", "README.zh.md")
TEXT = {name: (ROOT / name).read_text("utf-8") for name in PAGES}
CODE = {name: re.findall(r"`([^`\n]+)`", re.sub(r"```\w+\n|```", "", text)) for name, text in TEXT.items()}
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))
PLACES = ("notebooks/", "book/", "lmtutorial/", "tests/", "benchmarks/", ".ci/", ".github/")


@pytest.mark.parametrize("name", PAGES)
def test_every_target_is_one(name):
    named = re.findall(r"(?:^|`)make ((?:[a-z0-9-]+ ?)+)", TEXT[name], flags=re.M)
    assert named
    assert {target for words in named for target in words.split()} - TARGETS == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_one_and_knows_its_options(name, capsys):
    lines = re.findall(r"(?:^|`)(?:\.venv/bin/)?lmtutorial ([a-z]+)(.*?)(?:#|`|$)", TEXT[name], flags=re.M)
    assert lines
    for command, rest in lines:
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        known = capsys.readouterr().out
        assert [option for option in re.findall(r"--[a-z-]+", rest) if option not in known] == [], command


@pytest.mark.parametrize("name", PAGES)
def test_every_path_is_there(name):
    named = {code.split()[0] for code in CODE[name] if code.startswith(PLACES)}
    no_path = re.compile("[A-Z]{2}|NN|/X\\.|[*{]|models/|_generated|lmtutorial/records$")
    paths = {path for path in named if not no_path.search(path)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_each_kind_of_contribution_has_a_recipe():
    headings = re.findall(r"^## (.*)$", TEXT["CONTRIBUTING.md"], flags=re.M)
    wanted = ("First change", "Add a chapter", "Add a record", "State a claim", "Translate a chapter", "Release")
    assert set(wanted) <= set(headings)


def test_a_section_is_there_where_another_one_points_to_it():
    headings = re.findall(r"^## (.*)$", TEXT["CONTRIBUTING.md"], flags=re.M)
    pointed = re.findall(r"by (?:the rules of )?\*([A-Z][^*]+)\*", TEXT["CONTRIBUTING.md"])
    assert pointed
    assert set(pointed) <= set(headings)
