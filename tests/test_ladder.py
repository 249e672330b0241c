"""The landing page's ladder comes from records, and from nothing else."""

import pandas as pd
import pytest

from lmtutorial import ladder
from lmtutorial.errors import InputError
from lmtutorial.experiments import read_records

IN_TIME = pd.DataFrame(
    [
        {
            "text": "tinyshakespeare",
            "level": "char",
            "model": model,
            "asked_seconds": 25.0 if preset else 0.0,
            "seed": seed,
            "bits_per_char": bits + seed / 10,
        }
        for number, (model, preset) in enumerate(ladder.RUNGS.values())
        for bits in [6.0 - number / 2]
        for seed in range(2)
    ]
    + [{"text": "tang", "level": "byte", "model": "lstm", "asked_seconds": 25.0, "seed": 0, "bits_per_char": 99.0}]
)
OVER_TEXT = pd.DataFrame(
    [
        {"preset": preset, "parameters": 8e5, "bits_per_char": 2.5, "seed": seed}
        for _, preset in ladder.RUNGS.values()
        if preset
        for seed in range(5)
    ]
)


def test_a_rung_has_the_mean_and_the_interval_of_its_records():
    rungs = {rung.name: rung for rung in ladder.ladder(IN_TIME, OVER_TEXT)}
    mean, half = rungs["knows the alphabet"].quick
    assert (round(mean, 9), round(half, 4)) == (6.05, 0.6353)  # 12.706 × 0.0707 / √2
    assert rungs["LSTM"].long == (2.5, 0.0)
    assert rungs["knows the alphabet"].long is None


def test_a_training_of_another_length_is_no_short_one():
    longer = IN_TIME[IN_TIME.model == "lstm"].assign(asked_seconds=100.0, bits_per_char=0.5)
    assert ladder.ladder(pd.concat([IN_TIME, longer]), OVER_TEXT) == ladder.ladder(IN_TIME, OVER_TEXT)
    with pytest.raises(InputError, match="x01_ladder has no records of rnn with seconds=25"):
        ladder.ladder(IN_TIME[IN_TIME.asked_seconds == 0], OVER_TEXT)


def test_one_run_has_no_interval():
    alone = IN_TIME[(IN_TIME.model != "uniform") | ~IN_TIME.duplicated("model")]
    with pytest.raises(InputError, match="need two runs of a model; one has 1"):
        ladder.ladder(alone, OVER_TEXT)


def test_the_worst_stands_first_and_every_model_is_there():
    rungs = ladder.ladder(read_records("x01_ladder"), read_records("x00_presets"))
    assert len(rungs) == len(ladder.RUNGS)
    assert [rung.best for rung in rungs] == sorted((rung.best for rung in rungs), reverse=True)


def test_a_changed_record_changes_table_figure_and_description():
    before = ladder.ladder(IN_TIME, OVER_TEXT)
    after = ladder.ladder(IN_TIME, OVER_TEXT.assign(bits_per_char=1.234))
    assert "| LSTM | 0.80 |" in ladder.page(before)
    assert "1.234" in ladder.page(after)
    assert "LSTM 1.23" in ladder.page(after).splitlines()[0]
    assert ladder.plot(before) != ladder.plot(after)
