"""Scaling laws: loss as a sum of powers of model size and training text, fitted to runs, with bootstrap intervals.

Hoffmann et al. (2022), "Training compute-optimal large language models", whose third approach this is, with least
squares of the loss instead of a Huber loss of its logarithm.
"""

from dataclasses import dataclass

import numpy as np

from lmtutorial.errors import InputError

EXPONENTS = (0.02, 2.0)  # what a fit looks for, from and to
GRID = 24  # values of each exponent that are tried at a time; every time the grid is drawn closer around the best
CLOSER = 4


@dataclass(frozen=True)
class Law:
    """L(N, D) = E + A / N^α + B / D^β, nats per token, for N parameters trained on D tokens.

    Args:
        floor: E, the cost that no size and no text would remove.
        size, size_exponent: A and α.
        text, text_exponent: B and β.
    """

    floor: float
    size: float
    size_exponent: float
    text: float
    text_exponent: float

    def __call__(self, parameters, tokens):
        """Return the predicted loss for `parameters` N and `tokens` D, numbers or arrays."""
        by_size = self.size / np.power(parameters, self.size_exponent, dtype=float)
        return self.floor + by_size + self.text / np.power(tokens, self.text_exponent, dtype=float)

    def best_split(self, flops: float) -> tuple[float, float]:
        """Return the N and D of the least loss for a training of `flops` ≈ 6 N D operations.

        Where A α / N^α = B β / D^β: moving a little compute from one to the other changes nothing.
        """
        a, b = self.size_exponent, self.text_exponent
        ratio = (a * self.size / (b * self.text)) ** (1 / (a + b))
        parameters = ratio * (flops / 6) ** (b / (a + b))
        return float(parameters), float(flops / 6 / parameters)


def fit(parameters, tokens, losses) -> Law:
    """Return the law with the least squared error.

    For given exponents the law is linear in E, A and B, so that only the exponents are searched for.

    Args:
        parameters, tokens, losses: (P,) N, D and the loss of each point.

    Raises:
        InputError: fewer than five points, or fewer than three sizes or amounts of text: any exponent fits two.
    """
    N, D, L = (np.asarray(values, dtype=float) for values in (parameters, tokens, losses))
    if len(L) < 5 or len(np.unique(N)) < 3 or len(np.unique(D)) < 3:
        raise InputError("a law with five constants needs five points, of three sizes and three amounts of text")
    scale_n, scale_d = np.exp(np.log(N).mean()), np.exp(np.log(D).mean())  # keeps all columns near 1
    low, high = (np.array([bound, bound]) for bound in EXPONENTS)
    while True:
        exponents = [np.linspace(*ends, GRID) for ends in zip(low, high)]
        a, b = (grid.reshape(-1, 1) for grid in np.meshgrid(*exponents, indexing="ij"))
        columns = np.stack([np.ones((len(a), len(L))), (N / scale_n) ** -a, (D / scale_d) ** -b], axis=-1)
        q, r = np.linalg.qr(columns)
        inside = np.einsum("gpc,p->gc", q, L)
        best = int(np.argmax((inside**2).sum(1)))  # what lies in the span of the columns; the rest is the error
        centre, width = np.array([a[best, 0], b[best, 0]]), (high - low) / CLOSER
        if width.max() < 1e-4:
            break
        low = np.maximum(centre - width / 2, EXPONENTS[0])
        high = np.minimum(centre + width / 2, EXPONENTS[1])
    floor, size, text = np.linalg.solve(r[best], inside[best])
    alpha, beta = centre
    constants = floor, size * scale_n**alpha, alpha, text * scale_d**beta, beta
    return Law(*map(float, constants))


def bootstrap(parameters, tokens, losses, resamples: int = 500, seed: int = 0) -> list[Law]:
    """Return the laws of points drawn again, with replacement, `resamples` times.

    Whole points are drawn, with all their seeds: how far they lie from any law is more than how far seeds differ.
    Draws of which fewer than five points differ, or that have fewer than three sizes or texts, are drawn again.

    Raises:
        InputError: as `fit`; no draw would do.
    """
    fit(parameters, tokens, losses)
    points = np.stack([np.asarray(values, dtype=float) for values in (parameters, tokens, losses)])
    rng, laws = np.random.default_rng(seed), []
    while len(laws) < resamples:
        drawn = rng.integers(points.shape[1], size=points.shape[1])
        different = points[:, np.unique(drawn)]
        if different.shape[1] >= 5 and all(len(np.unique(values)) > 2 for values in different[:2]):
            laws.append(fit(*points[:, drawn]))
    return laws
