"""The recipes of CONTRIBUTING and the README name only what there is: targets, commands with their options, files."""

import re
import shlex

import pytest
from conftest import ROOT, TARGETS
from test_architecture import FLOORS

from lmtutorial import cli
from lmtutorial.experiments import FIELDS

PAGES = ("CONTRIBUTING.md", "README.md", "README.zh.md")
TEXT = {name: (ROOT / name).read_text("utf-8") for name in PAGES}
CODE = {name: re.findall(r"`([^`\n]+)`", re.sub(r"```\w+\n|```", "", text)) for name, text in TEXT.items()}
PLACES = ("notebooks/", "book/", "lmtutorial/", "tests/", "benchmarks/", ".ci/", ".github/")


@pytest.mark.parametrize("name", PAGES)
def test_every_target_is_one(name):
    named = re.findall(r"(?:^|`)make ((?:[a-z0-9-]+ ?)+)", TEXT[name], flags=re.M)
    assert named
    assert {target for words in named for target in words.split()} - TARGETS == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_one_and_knows_its_options(name, capsys):
    lines = re.findall(r"(?:^|`)(?:\.venv/bin/)?lmtutorial ([a-z0-9]+)(.*?)(?:#|`|$)", TEXT[name], flags=re.M)
    assert lines
    for command, rest in lines:
        with pytest.raises(SystemExit) as done:
            cli.main([command, *shlex.split(rest), "--help"])
        assert done.value.code == 0, capsys.readouterr().err
        known = capsys.readouterr().out
        assert [option for option in re.findall(r"--[a-z-]+", rest) if option not in known] == [], command


@pytest.mark.parametrize("name", PAGES)
def test_every_path_is_there(name):
    named = {code.split()[0] for code in CODE[name] if code.startswith(PLACES)}
    named |= {*re.findall(r"^python (\S+)", TEXT[name], flags=re.M)}
    no_path = re.compile("[A-Z]{2}|NN|/X\\.|[*{]|models/|_generated|lmtutorial/records$")
    paths = {path for path in named if not no_path.search(path)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_the_tables_name_every_module_on_its_floor_and_every_field_of_a_record():
    tables = dict(re.findall(r"\| (floor|field) (.*?)\n\n", TEXT["CONTRIBUTING.md"], flags=re.S))
    floors = [set(re.findall(r"`(\w+)`", row)) for row in tables["floor"].splitlines()[2:]]
    assert floors == [*map(set, FLOORS)]
    fields = " ".join(re.findall(r"^\| ([^|]*)", tables["field"], flags=re.M))
    assert {"schema", *re.findall(r"`(\w+)`", fields)} == FIELDS.keys()


def test_each_kind_of_contribution_has_a_recipe():
    headings = re.findall(r"^## (.*)$", TEXT["CONTRIBUTING.md"], flags=re.M)
    wanted = ("First change", "Add a chapter", "Add a record", "State a claim", "Translate a chapter", "Release")
    assert set(wanted) <= set(headings)


def test_a_section_is_there_where_another_one_points_to_it():
    headings = re.findall(r"^## (.*)$", TEXT["CONTRIBUTING.md"], flags=re.M)
    pointed = re.findall(r"by (?:the rules of )?\*([A-Z][^*]+)\*", TEXT["CONTRIBUTING.md"])
    assert pointed
    assert set(pointed) <= set(headings)
