"""Experiment x02 trains at the distances that it names."""

import nbformat
import numpy as np
import pytest
from conftest import ROOT


@pytest.mark.parametrize(("task", "longest"), [("copy", 16), ("recall", 16), ("copy", 256)])
def test_a_network_is_trained_from_16_tokens_to_the_longest_distance(task, longest):
    names = {}
    for cell in nbformat.read(ROOT / "notebooks" / "experiments" / "x02_long_range.ipynb", 4).cells:
        if cell.source.startswith("corpus ="):  # all before it defines
            break
        if cell.cell_type == "code":
            exec(compile(cell.source, "x02", "exec"), names)
            names |= {"task": task, "longest": longest}
    inputs = np.concatenate([names["random_batch"](step)[0] for step in range(20)])
    signals = (inputs == names["SIGNAL"]).argmax(axis=1)  # the answer begins one later
    assert signals.min() + 1 >= 16
    assert signals.max() + 1 <= longest
    assert longest > 16 or (signals + 1 == 16).all()
