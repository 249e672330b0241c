"""Verdicts: what the records of runs say to a claim, with the effect and its 95 % interval."""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmtutorial.claims import Claim, Side, read
from lmtutorial.errors import InputError
from lmtutorial.experiments import load_records, name_of
from lmtutorial.intervals import difference, interval

Records = Callable[[str], list[dict]]


@dataclass(frozen=True)
class Sample:
    """What one side measured: `values` and names of `records` by seed, in `unit`; a constant has only its value."""

    values: dict[int | None, float]
    records: dict[int, str]
    unit: str | None


@dataclass(frozen=True)
class Verdict:
    """What the records say: `word` is supported, refuted or inconclusive.

    [`low`, `high`] is the 95 % interval of `effect`, without width where neither side has a second seed; an effect in
    favour of the claim is a difference above 0 or a ratio above 1.
    """

    claim: Claim
    word: str
    effect: float
    low: float
    high: float
    claimed: Sample
    other: Sample

    @property
    def unit(self) -> str:
        """Of the effect: the metric's, or × for a ratio."""
        return "×" if self.claim.compare == "ratio" else self.claimed.unit or self.other.unit or "1"

    @property
    def seeds(self) -> int:
        """The number of seeds: of the side with fewer, unless that one needs no more than one."""
        sides = [(self.claim.claimed, self.claimed), (self.claim.other, self.other)]
        return min([len(sample.values) for side, sample in sides if side.seeds > 1], default=1)

    @property
    def records(self) -> list[str]:
        """Names of the records, such as x00_presets/0123456789abcdef."""
        return list(dict.fromkeys([*self.claimed.records.values(), *self.other.records.values()]))

    @property
    def amounts(self) -> str:
        """Effect and interval in figures; one run a side has no interval."""
        sign = "" if self.claim.compare == "ratio" else "+"
        effect, low, high = (figure(value, sign) for value in (self.effect, self.low, self.high))
        return f"{effect} [{low}, {high}]" if self.seeds > 1 else effect

    def json(self) -> str:
        """Return it as one line of JSON."""
        names = ("effect", "low", "high", "unit", "seeds", "records")
        shown = {"id": self.claim.id, "verdict": self.word} | {name: getattr(self, name) for name in names}
        return json.dumps(shown, ensure_ascii=False)


def judge(claim: Claim, records: Records) -> Verdict:
    """Return the verdict on a claim.

    Where both sides share enough seeds, these are used and their values paired: the interval is that of the mean of
    their differences. Otherwise each side has its own seeds. A ratio is that of geometric means.

    Args:
        claim: what is claimed.
        records: gives the records of an experiment, as `load_records` does.

    Raises:
        InputError: the records do not suffice, or do not say which of them are meant.
    """
    samples = [_sample(side, records) for side in (claim.claimed, claim.other)]
    units = {sample.unit for sample in samples} - {None}
    if len(units) > 1:
        raise InputError(f"its sides are measured in different units, {' and '.join(sorted(units))}")
    shared = sorted(samples[0].records.keys() & samples[1].records.keys())
    paired = len(shared) >= max(claim.claimed.seeds, claim.other.seeds)
    if paired:
        samples = [_only(sample, shared) for sample in samples]
    claimed, other = (np.array(list(sample.values.values())) for sample in samples)
    effect, low, high = _effect(claim, claimed, other, paired)
    word = "supported" if low > claim.margin else "refuted" if high < claim.margin else "inconclusive"
    return Verdict(claim, word, effect, low, high, *samples)


def _effect(claim: Claim, claimed: np.ndarray, other: np.ndarray, paired: bool) -> tuple[float, float, float]:
    """Return by how much, or how many times, the claimed side is better, and the interval's ends."""
    more, less = (other, claimed) if claim.better == "lower" else (claimed, other)
    if claim.compare == "ratio":
        if min(more.min(), less.min()) <= 0:
            raise InputError("a ratio needs values above 0")
        more, less = np.log(more), np.log(less)
    effect, half = interval(more - less) if paired and len(more) > 1 else difference(more, less)
    ends = (effect, effect - half, effect + half)
    return tuple(map(math.exp, ends)) if claim.compare == "ratio" else ends


def _sample(side: Side, records: Records) -> Sample:
    """Return the values of one side by seed."""
    if side.value is not None:
        return Sample({None: float(side.value)}, {}, None)
    there = records(side.experiment)
    chosen = [record for record in there if _matches(record["parameters"], side.where)]
    wanted = f"of {side.experiment} with {_listed(side.where)}"
    if not there:
        raise InputError(f"there are no records of {side.experiment}; run `lmtutorial sweep {side.experiment}`")
    if not chosen:
        raise InputError(f"there is no record {wanted}; run `{side.command.removesuffix(' --rerun')}`")
    metrics = set().union(*(record["metrics"] for record in chosen))
    chosen = [record for record in chosen if side.metric in record["metrics"]]
    if not chosen:
        raise InputError(f"no record {wanted} has {side.metric}; they have {', '.join(sorted(metrics))}")
    found = {}
    for record in sorted(chosen, key=lambda record: record["seed"]):
        if record["seed"] in found:
            differing = _differing(found[record["seed"]]["parameters"], record["parameters"])
            raise InputError(f"two records {wanted} have seed {record['seed']}; `where` must say which {differing}")
        found[record["seed"]] = record
    if len(found) < side.seeds:
        raise InputError(f"{side.seeds} seeds are asked for, but records {wanted} have {len(found)}")
    units = {record["units"][side.metric] for record in chosen}
    if len(units) > 1:
        raise InputError(f"records {wanted} give {side.metric} in different units, {' and '.join(sorted(units))}")
    values = {seed: float(record["metrics"][side.metric]) for seed, record in found.items()}
    return Sample(values, {seed: name_of(record) for seed, record in found.items()}, units.pop())


def _matches(parameters: dict, where: dict) -> bool:
    return all(name in parameters and parameters[name] == value for name, value in where.items())


def _listed(where: dict) -> str:
    return ", ".join(f"{name}={value}" for name, value in where.items())


def _differing(one: dict, other: dict) -> str:
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def _only(sample: Sample, seeds: list[int]) -> Sample:
    """Return a sample without all seeds but `seeds`."""
    return Sample(*({seed: part[seed] for seed in seeds} for part in (sample.values, sample.records)), sample.unit)


def judge_all(root: Path) -> tuple[list[Verdict], list[str]]:
    """Return the verdicts on all claims of the repository `root`, and what stands in the way of others."""
    claims, problems = read(root / "book" / "claims.yml")
    records = functools.cache(lambda name: load_records(name, root / "notebooks" / "experiments" / "results"))
    verdicts = []
    for claim in claims:
        try:
            verdicts.append(judge(claim, records))
        except InputError as error:
            problems.append(f"claim {claim.id}: {error}")
    return verdicts, problems


def table(verdicts: list[Verdict]) -> str:
    """Return the verdicts as a table for a terminal."""
    head = ("claim", "verdict", "effect [95 % interval]", "unit", "seeds")
    rows = [(v.claim.id, v.word, v.amounts, v.unit, str(v.seeds)) for v in verdicts]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows))
    return "\n".join(lines)


def figure(value: float, sign: str = "") -> str:
    """Return a number with three significant digits, at most four decimals and no exponent."""
    if value == 0:
        return "0"
    digits = min(max(0, 2 - math.floor(math.log10(abs(value)))), 4)
    return f"{value:{sign},.{digits}f}".replace("-", "−")
