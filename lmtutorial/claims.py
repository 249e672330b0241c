"""Claims: what people say about language models, in a form that records of runs can decide.

`book/claims.yml` says of each claim which two sides it compares, by which metric, and which effect counts.
"""

import dataclasses
import re
import reprlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtutorial.errors import InputError
from lmtutorial.files import read_yaml

LANGUAGES = {"en", "zh"}


@dataclass(frozen=True)
class Side:
    """One of the two things that a claim compares: runs of an experiment, or a constant.

    Args:
        experiment: whose records.
        metric: of theirs.
        where: values of their parameters; the profile is laptop unless it says otherwise.
        seeds: least number of them.
        value: a constant instead of all the above.
    """

    experiment: str | None = None
    metric: str | None = None
    where: dict[str, Any] = dataclasses.field(default_factory=dict)
    seeds: int = 1
    value: int | float | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What tells it from other sides."""
        if self.value is not None:
            return {"value": self.value}
        return {"metric": self.metric, "experiment": self.experiment} | self.where

    @property
    def command(self) -> str:
        """The command that makes its runs again."""
        others = {name: value for name, value in self.where.items() if name != "profile"}
        only = [f"--only {shlex.quote(f'{name}={value}')}" for name, value in others.items()]
        profile = self.where["profile"]
        chosen = [] if profile == "laptop" else [f"--profile {profile}"]
        return " ".join([f"lmtutorial sweep {self.experiment}", *chosen, *only, "--rerun"])


@dataclass(frozen=True)
class Claim:
    """An entry of `book/claims.yml`; CONTRIBUTING says what its fields mean."""

    id: str
    statement: dict[str, str]
    origin: str
    better: str
    compare: str
    margin: int | float
    seeds: int
    claimed: Side
    other: Side


def read(file: Path) -> tuple[list[Claim], list[str]]:
    """Return the claims of a file, and what is wrong with others in it.

    Raises:
        InputError: there is no such file, or it holds no list in YAML.
    """
    if not file.is_file():
        raise InputError(f"there is no {file}; change to the repository first")
    entries = read_yaml(file)
    if not isinstance(entries, list):
        raise InputError(f"{file} must hold a list of claims")
    claims, problems = {}, []
    for number, entry in enumerate(entries, start=1):
        name = entry.get("id") if isinstance(entry, dict) else None
        name = name if isinstance(name, str) and name.isprintable() else f"number {number}"
        try:
            if name in claims:
                raise InputError("another claim has this id")
            claims[name] = _claim(entry)
        except InputError as error:
            problems.append(f"claim {name}: {error}")
    return list(claims.values()), problems


def _claim(entry: Any) -> Claim:
    """Check one entry of the file and make it a claim."""
    needed = {field.name for field in dataclasses.fields(Claim)}
    _check_fields(entry, needed, needed | {"experiment", "metric"}, "the claim")
    if not isinstance(entry["id"], str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["id"]):
        raise InputError("an id consists of small letters, digits and single hyphens between them")
    _check_fields(entry["statement"], LANGUAGES, LANGUAGES, "the statement")
    if not all(isinstance(text, str) for text in (*entry["statement"].values(), entry["origin"])):
        raise InputError("statement and origin must be text")
    for name, known in (("better", ("lower", "higher")), ("compare", ("difference", "ratio"))):
        if entry[name] not in known:
            raise InputError(f"{name} is {reprlib.repr(entry[name])}; it must be {' or '.join(known)}")
    least = 1 if entry["compare"] == "ratio" else 0
    if not _is_number(entry["margin"]) or entry["margin"] < least:
        raise InputError(
            f"the margin of a {entry['compare']} is a finite number from {least}; it is {reprlib.repr(entry['margin'])}"
        )
    sides = {name: _side(entry[name], entry, name) for name in ("claimed", "other")}
    if all(side.value is not None for side in sides.values()):
        raise InputError("both sides are constants")
    if sides["claimed"] == sides["other"]:
        raise InputError("both sides are the same")
    return Claim(**{name: entry[name] for name in needed} | sides)


def _side(given: Any, claim: dict, name: str) -> Side:
    """Check one side, which has the claim's experiment, metric and seeds unless it says otherwise."""
    if isinstance(given, dict) and "value" in given:
        _check_fields(given, {"value"}, {"value"}, f"the side {name}")
        if not _is_number(given["value"]):
            raise InputError(
                f"the value of the side {name} is {reprlib.repr(given['value'])}; it must be a finite number"
            )
        return Side(value=given["value"])
    _check_fields(given, set(), {"experiment", "metric", "where", "seeds"}, f"the side {name}")
    whole = {key: claim[key] for key in ("experiment", "metric", "seeds") if key in claim} | given
    _check_fields(whole, {"experiment", "metric"}, {*whole}, f"the side {name}")
    if wrong := [field for field in ("experiment", "metric") if not isinstance(whole[field], str)]:
        raise InputError(f"the {wrong[0]} of the side {name} is {reprlib.repr(whole[wrong[0]])}; it must be a name")
    if type(whole["seeds"]) is not int or whole["seeds"] < 1:
        raise InputError(f"the number of seeds is {reprlib.repr(whole['seeds'])}; it must be 1 or more")
    if not isinstance(whole.get("where", {}), dict):
        raise InputError(f"`where` of the side {name} must give values of parameters")
    return Side(**whole | {"where": {"profile": "laptop"} | whole.get("where", {})})


def _check_fields(given: Any, needed: set[str], known: set[str], what: str) -> None:
    if not isinstance(given, dict):
        raise InputError(f"{what} must consist of fields")
    for names, wrong in ((needed - given.keys(), "lacks"), (given.keys() - known, "has the unknown")):
        if names:
            raise InputError(f"{what} {wrong} {', '.join(sorted(map(str, names)))}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
