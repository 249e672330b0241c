"""The ladder of the landing page: every kind of model on the same text, one figure and one table, all from records."""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lmtutorial.errors import InputError
from lmtutorial.experiments import read_records
from lmtutorial.intervals import interval
from lmtutorial.phrases import ENGLISH, Phrases
from lmtutorial.verdicts import figure

RUNGS = {  # name in the table: model in x01_ladder, preset in x00_presets
    "knows the alphabet": ("uniform", None),
    "knows how frequent each character is": ("unigram", None),
    "Kneser–Ney, order 5": ("kn5", None),
    "modified Kneser–Ney, order 5": ("mkn5", None),
    "modified Kneser–Ney, order 7": ("mkn7", None),
    "SimpleRNN": ("rnn", "rnn-small"),
    "GRU": ("gru", "gru-small"),
    "LSTM": ("lstm", "lstm-small"),
    "GPT, nanoGPT's recipe": ("gpt", "nanogpt-cpu"),
    "GPT, today's recipe": ("laptop", "laptop"),
}
SECONDS = 25  # of the processor, which the short training takes


@dataclass(frozen=True)
class Rung:
    """One model; `parameters` and `long` are None where it only counts.

    `quick` and `long` are bits per character, mean and half the width of the 95 % interval: after training for a fixed
    time, and over a fixed amount of text.
    """

    name: str
    parameters: float | None
    quick: tuple[float, float]
    long: tuple[float, float] | None

    @property
    def best(self) -> float:
        """Bits per character after the longer training."""
        return (self.long or self.quick)[0]


def staged(say: Phrases) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files that the landing page includes."""
    rungs = ladder(read_records("x01_ladder"), read_records("x00_presets"))
    yield "book/_generated/ladder.md", page(rungs, say).encode()
    yield "book/_generated/ladder.svg", plot(rungs, say).encode()


def ladder(in_time: pd.DataFrame, over_text: pd.DataFrame) -> list[Rung]:
    """Return the rungs, worst first, from the records of `x01_ladder` and `x00_presets`.

    Raises:
        InputError: a model has no records, or only one.
    """
    in_time = in_time[(in_time.text == "tinyshakespeare") & (in_time.level == "char")]
    rungs = []
    for name, (model, preset) in RUNGS.items():
        asked = SECONDS if preset else 0  # what only counts takes no such time
        quick = in_time[(in_time.model == model) & (in_time.asked_seconds == asked)]
        if quick.empty:
            raise InputError(
                f"x01_ladder has no records of {model} with seconds={asked}; run `lmtutorial sweep x01_ladder`"
            )
        long = over_text[over_text.preset == preset]
        parameters = long.parameters.mean() if preset else None
        rungs.append(Rung(name, parameters, _interval(quick.bits_per_char), _interval(long.bits_per_char)))
    return sorted(rungs, key=lambda rung: -rung.best)


def _interval(values: pd.Series) -> tuple[float, float] | None:
    """Return mean and half the width of the 95 % interval; None without values."""
    if values.empty:
        return None
    if len(values) < 2:
        raise InputError("the ladder's intervals need two runs of a model; one has 1")
    return interval(values)


def page(rungs: list[Rung], say: Phrases = ENGLISH) -> str:
    """Return the figure and the table as Markdown."""
    head = ("model", "million parameters", "after 25 processor seconds", "over 1.5 million characters")
    lines = [
        f"![{_description(rungs, say)}](_generated/ladder.svg)",
        "",
        f"| {' | '.join(map(say, head))} |",
        "|---|--:|--:|--:|",
    ]
    for rung in rungs:
        size = f"{rung.parameters / 1e6:.2f}" if rung.parameters else say("counts")
        lines.append(f"| {say(rung.name)} | {size} | {_shown(rung.quick)} | {_shown(rung.long)} |")
    return "\n".join([*lines, ""])


def _shown(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "–"
    mean, half = interval
    return f"{mean:.3f} ± {half:.3f}" if half else f"{mean:.3f}"


def _description(rungs: list[Rung], say: Phrases) -> str:
    steps = "; ".join(f"{say(rung.name)} {figure(rung.best)}" for rung in rungs)
    return say("Bits per character of every model, worst first: {}.").format(steps)


def plot(rungs: list[Rung], say: Phrases = ENGLISH) -> str:
    """Return the ladder as SVG: a hollow dot after the short training, a full one after the long one or counting."""
    most = math.ceil(max(rung.quick[0] for rung in rungs))
    left, height = 235, 26 * len(rungs)

    def x(bits: float) -> float:
        return left + 320 * bits / most

    parts = []
    for bits in range(most + 1):
        parts += [f'<path d="M{x(bits):.1f} 16v{height}" stroke="#ddd"/>']
        parts += [f'<text x="{x(bits):.1f}" y="{height + 34}" text-anchor="middle">{bits}</text>']
    for number, rung in enumerate(rungs):
        y, color = 30 + 26 * number, "#0072b2" if rung.parameters else "#a34700"
        parts += [f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{html.escape(say(rung.name))}</text>']
        if rung.long:
            first, last = x(rung.quick[0]), x(rung.long[0])
            parts += [f'<path d="M{first:.1f} {y}H{last:.1f}" stroke="{color}" stroke-width="2"/>']
            parts += [f'<circle cx="{first:.1f}" cy="{y}" r="5" fill="#fff" stroke="{color}" stroke-width="2"/>']
        parts += [f'<circle cx="{x(rung.best):.1f}" cy="{y}" r="5.5" fill="{color}"/>']
    drawn = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="580" height="{height + 62}" \
viewBox="0 0 580 {height + 62}">
<rect width="580" height="{height + 62}" rx="6" fill="#fff"/>
<g font-family="sans-serif" font-size="13" fill="#222">
{drawn}
<text x="{left + 160}" y="{height + 54}" text-anchor="middle">{say("bits per character (less is better)")}</text>
</g>
</svg>
"""
