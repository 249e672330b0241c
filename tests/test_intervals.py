"""Intervals: what tables and other implementations say, and how often they hold the truth."""

import math

import numpy as np
import pytest

from lmtutorial.intervals import QUANTILES, difference, interval


def test_the_width_is_that_of_the_textbook():
    # Student 1908, additional hours of sleep by laevo-hyoscyamine: mean 2.33, standard deviation 2.002 (n - 1)
    gained = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    mean, half = interval(gained)
    assert mean == pytest.approx(2.33)
    assert half == pytest.approx(1.4324, abs=2e-4)


def test_welch_s_width_is_that_of_r():
    # R: t.test(extra ~ group, data = sleep) gives -3.3654832 and 0.2054832 with 17.776 degrees of freedom
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    mean, half = difference(first, second)
    assert mean == pytest.approx(-1.58)
    assert half == pytest.approx(1.7855, abs=0.01)  # of 17 degrees, the next lower ones


@pytest.mark.parametrize("count", [2, 3, 5, 40])
def test_nineteen_of_twenty_intervals_hold_the_mean(count):
    draws = np.random.default_rng(0).normal(size=(4000, count))
    held = np.mean([abs(mean) <= half for mean, half in map(interval, draws)])
    assert held == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("counts", [(3, 3), (5, 3), (1, 5)])
def test_differences_are_held_about_as_often(counts):
    generator = np.random.default_rng(0)
    one, other = (generator.normal(scale=1 if n > 1 else 0, size=(4000, n)) for n in counts)
    held = np.mean([abs(mean) <= half for mean, half in map(difference, one, other)])
    assert 0.935 <= held <= 0.985


@pytest.mark.parametrize(("count", "share"), [(3, 0.75), (5, 0.84)])
def test_drawing_few_values_again_would_hold_it_less_often(count, share):
    generator = np.random.default_rng(0)
    values, drawn = generator.normal(size=(2000, count)), generator.integers(count, size=(1000, count))
    low, high = np.percentile(values[:, drawn].mean(axis=-1), [2.5, 97.5], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(share, abs=0.02)


def test_one_value_has_no_interval():
    mean, half = interval([2.0])
    assert mean == 2
    assert math.isnan(half)
    assert difference([2.0], [1.5]) == (0.5, 0)


def test_equal_values_have_one_of_no_width():
    assert interval([2.0, 2.0, 2.0]) == (2, 0)
    assert difference([2.0, 2.0], [1.0, 1.0, 1.0]) == (1, 0)


def test_quantiles_fall_towards_the_bell_curve_s():
    assert list(QUANTILES) == sorted(QUANTILES, reverse=True)
    assert QUANTILES[-1] > 1.96
