"""95 % intervals of means over few runs, by Student's t (Student 1908), of differences by Welch (1947).

They hold the true mean in 95 of 100 cases where values follow the bell curve, however few there are. Drawing three or
five values again, with replacement, would hold it in 75 or 84.
"""

import math
from collections.abc import Sequence

import numpy as np

QUANTILES = (  # 97.5 % of Student's t, by degrees of freedom from 1
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def _quantile(degrees: float) -> float:
    """Return the quantile at `degrees` of freedom, or at the next lower ones that the table has."""
    return QUANTILES[min(math.floor(degrees + 1e-9), len(QUANTILES)) - 1]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `values` and half the width of its interval; of one value that is nan."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), math.nan
    return float(values.mean()), float(_quantile(len(values) - 1) * math.sqrt(values.var(ddof=1) / len(values)))


def difference(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `one` minus that of `other`, and half the width of its interval.

    The two are independent of each other. A side of one value is exact: the other side alone decides the width, and
    where both have one value it is 0.
    """
    sides = [np.asarray(values, dtype=float) for values in (one, other)]
    spread = [(values.var(ddof=1) / len(values), len(values) - 1) for values in sides if len(values) > 1]
    variance = sum(part for part, _ in spread)
    mean = float(sides[0].mean() - sides[1].mean())
    if variance == 0:
        return mean, 0.0
    degrees = variance**2 / sum(part**2 / count for part, count in spread)
    return mean, _quantile(degrees) * math.sqrt(variance)
