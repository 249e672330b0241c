"""Scaling laws: found again, with intervals that hold the truth, and the best split by them."""

import numpy as np
import pytest

from lmtutorial import scaling
from lmtutorial.errors import InputError
from lmtutorial.scaling import Law

TRUE = Law(floor=1.2, size=20.0, size_exponent=0.4, text=300.0, text_exponent=0.45)
N, D = (grid.ravel() for grid in np.meshgrid([7e3, 3e4, 1e5, 3e5, 8e5], [1.25e5, 2.5e5, 5e5, 1e6]))


def test_a_law_without_noise_is_found_again():
    found = scaling.fit(N, D, TRUE(N, D))
    for name in ("floor", "size", "size_exponent", "text", "text_exponent"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.01)
    assert found(1.5e6, 2e6) == pytest.approx(TRUE(1.5e6, 2e6), abs=1e-4)


def test_no_law_nearby_fits_better():
    noisy = TRUE(N, D) + 0.02 * np.random.default_rng(0).normal(size=len(N))
    found = scaling.fit(N, D, noisy)

    def error(law):
        return ((law(N, D) - noisy) ** 2).sum()

    assert error(found) <= error(TRUE)
    for change in (0.99, 1.01):
        moved = found.size_exponent * change, found.text_exponent
        columns = np.stack([np.ones(len(N)), N ** -moved[0], D ** -moved[1]], axis=1)
        constants = np.linalg.lstsq(columns, noisy, rcond=None)[0]
        assert error(found) <= ((columns @ constants - noisy) ** 2).sum() + 1e-9


def test_intervals_hold_the_truth_and_shrink_with_the_noise():
    rng, widths = np.random.default_rng(1), []
    for noise in (0.03, 0.003):
        laws = scaling.bootstrap(N, D, TRUE(N, D) + noise * rng.normal(size=len(N)), resamples=60)
        low, high = np.percentile([law(1.5e6, 1e6) for law in laws], [1, 99])
        assert low < TRUE(1.5e6, 1e6) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_what_is_drawn_again_can_be_fitted(monkeypatch):
    fitted = []
    monkeypatch.setattr(scaling, "fit", lambda *points: fitted.append(np.stack(points)))
    few = np.array([[1e4, 1e4, 1e5, 1e5, 1e6, 1e6], [1e5, 1e6, 1e5, 1e6, 1e7, 1e5], range(6)])
    scaling.bootstrap(*few, resamples=50)
    given, *drawn = fitted
    assert (given == few).all()
    assert len(drawn) == 50
    for points in drawn:
        assert len(np.unique(points, axis=1)[0]) >= 5
        assert all(len(np.unique(values)) > 2 for values in points[:2])


def test_the_best_split_is_the_best():
    parameters, tokens = TRUE.best_split(1e13)
    assert 6 * parameters * tokens == pytest.approx(1e13)
    for change in (0.9, 1.1):
        assert TRUE(parameters * change, tokens / change) > TRUE(parameters, tokens)


@pytest.mark.parametrize("chosen", [slice(4), N < 1e5, N[0] == N, D[0] == D, D < 3e5])
@pytest.mark.parametrize("law", [scaling.fit, scaling.bootstrap])
def test_too_few_points_are_refused(law, chosen):
    with pytest.raises(InputError, match="five"):
        law(N[chosen], D[chosen], TRUE(N, D)[chosen])
