"""Exercises that check themselves: `check(name, answer)` says what is wrong with an answer, or that it is right.

A check looks for the typical mistakes and names the one it finds, and whatever an answer does, the notebook goes on.
Those of chapter NN are in the module `chapter_NN`; their names begin with NN.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmtutorial.errors import InputError


@dataclass(frozen=True)
class Outcome:
    """What a check found: `passed`, and one or two sentences about the answer."""

    passed: bool
    message: str

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.message}"


class WrongAnswerError(Exception):
    """An answer is not right; the message says why in a way that helps."""


CHECKS: dict[str, Callable] = {}


def exercise(name: str) -> Callable[[Callable], Callable]:
    """Register a check under `name`; it raises `WrongAnswerError`, or returns a sentence that adds something."""

    def register(function: Callable) -> Callable:
        CHECKS[name] = function
        return function

    return register


def load() -> None:
    """Register the checks of all chapters."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)


def check(name: str, answer: Any, **given: Any) -> Outcome:
    """Check an answer.

    Args:
        name: of the exercise, as the notebook gives it.
        answer: the reader's value, function or class.
        given: what else the check needs of the notebook, such as its corpus.

    Raises:
        InputError: there is no such exercise.
    """
    load()
    if name not in CHECKS:
        raise InputError(f"there is no exercise {name!r}; there are {', '.join(CHECKS)}")
    try:
        return Outcome(True, CHECKS[name](answer, **given))
    except WrongAnswerError as wrong:
        return Outcome(False, str(wrong))
    except Exception as error:  # the reader's code may raise anything
        return Outcome(False, f"Your answer raised {type(error).__name__}: {error}")


def require(condition: bool, message: str) -> None:
    """Raise `WrongAnswerError` with `message` unless `condition`."""
    if not condition:
        raise WrongAnswerError(message)


def there(value: Any, what: str = "The answer") -> Any:
    """Return `value`, or say that it is not there yet."""
    require(value is not None and value is not ..., f"{what} is not there yet: replace the `...`.")
    return value


def array(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return `value` as an array of `shape`, or say what it is instead."""
    value = np.asarray(there(value, what), dtype=float)
    require(value.shape == shape, f"{what} should have shape {shape}; yours has {value.shape}.")
    return value


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the probabilities that logits mean."""
    z = np.exp(z - z.max(axis=axis, keepdims=True))
    return z / z.sum(axis=axis, keepdims=True)


def number(value: Any, what: str = "The answer") -> float:
    """Return `value`, which may be an array of one element, as a float, or say what it is instead."""
    message = f"{what} should be one number; it is {value!r}."
    require(not isinstance(there(value, what), str | bytes), message)
    try:
        return float(np.asarray(value).item())
    except (TypeError, ValueError):
        raise WrongAnswerError(message) from None
