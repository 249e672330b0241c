"""The playground's models as they are in the repository, and the page that shows them before they load."""

import json

import numpy as np
import pytest
from conftest import ROOT

from lmtutorial import export, ngram, playground, playpage
from lmtutorial.files import sha256
from lmtutorial.tokenizers import CharTokenizer

FOLDER = ROOT / playpage.MANIFEST.parent
MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))


def test_every_recipe_has_its_model_and_nothing_else_lies_there():
    assert MANIFEST.keys() == playground.RECIPES.keys()
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {"manifest.json", *(entry["file"] for entry in MANIFEST.values())}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_model_is_what_the_manifest_says_and_loses_little_by_rounding(name):
    entry = MANIFEST[name]
    content = (FOLDER / entry["file"]).read_bytes()
    assert (sha256(content), len(content)) == (entry["sha256"], entry["bytes"])
    costs = entry["measured"]["nats_per_char"]
    assert abs(costs["int8"] / costs["float32"] - 1) < 0.005
    assert len(content) < 1_000_000


def test_networks_of_the_english_page_are_of_equal_size():
    sizes = [MANIFEST[name]["parameters"] for name in playpage.ENGLISH.models if name != "ngram"]
    assert max(sizes) / min(sizes) < 1.05


def test_more_training_predicts_better():
    costs = [MANIFEST[name]["measured"]["nats_per_char"]["int8"] for name in playpage.ENGLISH.stages]
    assert costs == sorted(costs, reverse=True)


def test_what_the_page_shows_at_first_is_what_the_file_says():
    content = (FOLDER / "lstm.safetensors").read_bytes()
    tokenizer = CharTokenizer("".join(export.description(content)["alphabet"]))
    found = playground._default(export.read(content), tokenizer, playpage.ENGLISH.prompt)
    kept = MANIFEST["lstm"]["default"]
    assert found["bits"] == pytest.approx(kept["bits"], abs=1e-3)
    assert [character for character, _ in found["next"]][:5] == [character for character, _ in kept["next"]][:5]
    assert found["entropy"] == pytest.approx(kept["entropy"], abs=1e-3)


def test_a_rounded_ngram_model_predicts_with_probabilities_that_sum_to_one():
    ids = np.random.default_rng(0).integers(5, size=300)
    exact, rounded = ngram.train("mkn3", ids, 5), playground._Normalised(ngram.train("mkn3", ids, 5))
    assert rounded.score(ids).mean() == pytest.approx(exact.score(ids).mean(), abs=0.02)
    totals = [np.exp(-rounded.score([1, 2, token])[-1]) for token in range(5)]
    assert sum(totals) == pytest.approx(1)


def test_the_element_is_one_line_and_all_text_is_escaped():
    text = playpage.element(playpage.ENGLISH, MANIFEST)
    assert text.count("\n") == 1
    assert text.count("<section") == len(playpage.ENGLISH.models)
    assert "sir, called" in text
    evil = MANIFEST["tang"]["default"] | {"next": [["<b>", 0.5]]}
    assert "&lt;b&gt;" in playpage.element(playpage.CHINESE, {"tang": MANIFEST["tang"] | {"default": evil}})


def test_the_table_has_a_row_for_every_model_with_both_losses():
    table = playpage.table(MANIFEST)
    for name, entry in MANIFEST.items():
        assert f"| {name} | {entry['trained']['preset']} |" in table
        assert f"{entry['measured']['nats_per_char']['int8'] / np.log(2):.4f}" in table
