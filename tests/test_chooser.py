"""The chooser: limits are kept, and the form says in HTML what `choose` says in Python."""

import re

import pandas as pd
import pytest

from lmtutorial.chooser import choose, form

ROWS = pd.DataFrame(
    {
        "model": ["counts", "small <b>", "large"],
        "parameters": [50_000, 40_000, 800_000],
        "seconds": [0.1, 6.0, 60.0],
        "text_bytes": [1000, 100_000, 100_000],
        "nats_per_char": [1.6, 1.9, 1.5],
        "spread": [0.0, 0.01, 0.02],
        "recall_16": [0.0, 0.5, 0.9],
        "recall_256": [0.0, 0.1, 0.8],
    }
)


@pytest.mark.parametrize(
    ("limits", "models"),
    [
        ({}, ["large", "counts", "small <b>"]),
        ({"parameters": 50_000}, ["counts", "small <b>"]),
        ({"seconds": 6.0}, ["counts", "small <b>"]),
        ({"text_bytes": 1000}, ["counts"]),
        ({"recall": 16}, ["large", "small <b>"]),
        ({"recall": 256, "seconds": 10}, []),
    ],
)
def test_what_fits_is_ranked_by_its_predictions(limits, models):
    assert list(choose(ROWS, **limits).model) == models


def test_the_form_has_every_candidate_best_first_and_shows_names_as_text():
    page = form(ROWS)
    assert re.findall(r"<tr [^>]*><td>([^<]*)</td>", page) == ["large", "counts", "small &lt;b&gt;"]
    assert 'data-parameters="800000"' in page
    assert 'data-text-bytes="1000"' in page
    assert 'data-recall-256="0.8"' in page


def test_every_limit_to_choose_leaves_something_and_takes_something():
    chosen = re.findall(r'name="(\w+)".*?</select>', form(ROWS))
    assert chosen == ["parameters", "seconds", "text_bytes", "recall"]
    for name in ("parameters", "seconds", "text_bytes"):
        block = re.search(rf'name="{name}".*?</select>', form(ROWS))[0]
        for limit in re.findall(r'value="(\d+)"', block):
            assert 0 < len(choose(ROWS, **{name: int(limit)})) < len(ROWS)


def test_two_forms_of_a_page_do_not_disturb_each_other():
    assert len({re.search(r'id="([^"]+)"', form(ROWS))[1] for _ in range(2)}) == 2
