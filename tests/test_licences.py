"""Licences of code, text, data and weights: each stated where a reader looks, and the same everywhere."""

import json
import tomllib

import pytest
import yaml
from conftest import ROOT

import lmtutorial
from lmtutorial import data, playpage

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))


def test_the_code_has_one_licence_everywhere():
    assert (PROJECT["license"], CITATION["license"]) == ("MIT", "MIT")
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_a_readme_states_all_four(name):
    text = (ROOT / name).read_text("utf-8")
    assert [licence for licence in ("MIT", "CC BY 4.0", "Apache-2.0", "CC BY-SA 3.0") if licence not in text] == []


def test_every_page_of_the_site_states_the_licence_of_its_text_and_code_and_leads_to_the_source():
    for settings in (CONFIG, yaml.safe_load((ROOT / "book" / "zh" / "_config.yml").read_text("utf-8"))):
        footer = settings["html"]["extra_footer"]
        assert [part for part in ("MIT", "CC BY 4.0", f'"{CONFIG["repository"]["url"]}"') if part not in footer] == []


def test_every_text_has_a_licence():
    assert [name for name, dataset in data.REGISTRY.items() if not dataset.licence] == []


def test_the_weights_that_we_publish_learned_from_public_domain_text_only():
    manifest = json.loads((ROOT / playpage.MANIFEST).read_text("utf-8"))
    texts = {entry["trained"]["text"] for entry in manifest.values()}
    assert texts
    assert [text for text in texts if not data.REGISTRY[text].licence.startswith("public domain")] == []


def test_the_citation_has_what_its_format_asks_for():
    assert {"cff-version", "message", "title", "authors", "version", "date-released"} <= CITATION.keys()
    assert CITATION["version"] == lmtutorial.__version__
    assert (CITATION["repository-code"], CITATION["url"]) == (CONFIG["repository"]["url"], CONFIG["html"]["baseurl"])
    assert all({"name", "family-names"} & author.keys() for author in CITATION["authors"])


def test_the_changelog_names_this_version_or_what_is_not_released():
    assert {"## Unreleased", f"## {lmtutorial.__version__}"} & {
        *(ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    }
