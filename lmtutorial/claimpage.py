"""The page of claims: each with its verdict, its runs drawn, the commands that repeat them, and who states it."""

import html
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from lmtutorial.claims import Claim
from lmtutorial.errors import InputError
from lmtutorial.phrases import ENGLISH, Phrases
from lmtutorial.statements import IN_CHINESE, Sentence, check, sentences
from lmtutorial.verdicts import Verdict, figure


def staged(root: Path, texts: dict[str, list[str]], source: str, say: Phrases = ENGLISH) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files that the page of claims includes.

    Args:
        root: of the repository.
        texts: Markdown of the pages of the site, by their paths in it; each is a list of texts.
        source: address under which the repository's files can be read.
        say: the page's language.

    Raises:
        InputError: the claims, or the sentences that state them, are not in order.
    """
    verdicts, problems = check(root)
    if problems:
        raise InputError("\n".join(problems))
    yield "book/_generated/claims.md", page(verdicts, texts, source, say).encode()
    for verdict in verdicts:
        yield f"book/_generated/claims/claim-{verdict.claim.id}.svg", plot(verdict, say).encode()


def page(verdicts: list[Verdict], texts: dict[str, list[str]], source: str, say: Phrases = ENGLISH) -> str:
    """Return the Markdown of all claims; arguments as of `staged`."""
    count = Counter(verdict.word for verdict in verdicts)
    said = "Of {total} claims, {supported} are supported, {refuted} are refuted, {inconclusive} are inconclusive."
    stating = {}
    for name in texts:
        for sentence in sentences(name, texts[name]):
            stating.setdefault(sentence.claim, []).append(_backlink(sentence, texts[name][0]))
    rows = [f"| [{v.claim.statement[say.language]}](#claim-{v.claim.id}) | {_badge(v.word, say)} |" for v in verdicts]
    return "\n".join(
        [
            say(said).format(total=len(verdicts), **{word: count[word] for word in IN_CHINESE}) + "\n",
            *(f"| {say('claim')} | {say('verdict')} |", "|---|---|", *rows, f"\n## {say('One by one')}\n"),
            *(_entry(verdict, stating.get(verdict.claim.id, []), source, say) for verdict in verdicts),
        ]
    )


def _entry(verdict: Verdict, stating: list[str], source: str, say: Phrases) -> str:
    """Return one claim's part of the page."""
    claim = verdict.claim
    commands = dict.fromkeys(side.command for side in (claim.claimed, claim.other) if side.value is None)
    amounts = _measured(f"**{verdict.amounts}**", verdict)
    effect = say("Effect {}, {}.").format(amounts, _number(verdict.seeds, "seed", say))
    origin = say("Said by {}.").format(say(claim.origin, "origins"))
    stated = say("Stated in {}.").format(", ".join(stating)) if stating else ""
    return f"""(claim-{claim.id})=
### {claim.statement[say.language]}

{_joined(_badge(verdict.word, say), effect, _remark(verdict, say))}

![{_description(verdict, say)}](_generated/claims/claim-{claim.id}.svg)

{_joined(_comparison(verdict, say), origin, stated)}

:::{{dropdown}} {say("Repeat it")} · {_number(len(verdict.records), "record", say)}
```bash
{chr(10).join(commands)}
```

{_records(verdict, source, say)}
:::
"""


def _records(verdict: Verdict, source: str, say: Phrases) -> str:
    """Return a list with an item for each side that has records, and in it a link for each of its seeds."""
    items = []
    for label, sample in zip(_told_apart(verdict.claim, say)[0], (verdict.claimed, verdict.other)):
        links = [
            f'[{say("seed {}").format(seed)}]({source}/notebooks/experiments/results/{name}.json "{name}")'
            for seed, name in sample.records.items()
        ]
        items += [f"- {label}: {', '.join(links)}"] if links else []
    return "\n".join(items)


def _measured(amount: str | float, verdict: Verdict) -> str:
    """Return an amount with the effect's unit; a share has none."""
    return f"{amount} {verdict.unit}".removesuffix(" 1")


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _number(count: int, noun: str, say: Phrases) -> str:
    return say(f"{{}} {noun}" if count == 1 else f"{{}} {noun}s").format(count)


def _badge(word: str, say: Phrases) -> str:
    return f"[{say(word)}]{{.verdict .{word}}}"


def _backlink(sentence: Sentence, opening: str) -> str:
    """Return a link to a sentence; Sphinx knows no targets within a line, so this is HTML."""
    title = opening.strip().splitlines()[0].removeprefix("# ")
    address = f"../{sentence.page.rpartition('.')[0]}.html#{sentence.anchor}"
    return f'<a class="reference internal" href="{address}">{html.escape(title)}</a>'


def _remark(verdict: Verdict, say: Phrases) -> str:
    """Say whether a refuted claim's opposite holds, or its effect is only too small."""
    nothing = 1 if verdict.claim.compare == "ratio" else 0
    if verdict.word != "refuted":
        return ""
    worse = verdict.high < nothing
    return say("The other side is better.") if worse else say("If there is an effect, it is below the margin.")


def _comparison(verdict: Verdict, say: Phrases) -> str:
    """Say what is compared with what, and which effect counts."""
    claim = verdict.claim
    labels, common = _told_apart(claim, say)
    margin = f"×{claim.margin}" if claim.compare == "ratio" else _measured(claim.margin, verdict)
    compared = say("*{}* against *{}* ({}).").format(*labels, common)
    return f"{compared} {say(f'The {claim.better} the better; more than {{}} counts.').format(margin)}"


def _told_apart(claim: Claim, say: Phrases) -> tuple[list[str], str]:
    """Return what tells either side from the other, and what they have in common."""
    claimed, other = claim.claimed.facts, claim.other.facts
    if claim.claimed.value is None and claim.other.value is None:
        common = {name for name in claimed if name in other and claimed[name] == other[name]}
    else:
        common = {"metric", "experiment", "profile"}
    apart, shared = lambda name: name not in common, lambda name: name in common
    whole = other if claim.other.value is None else claimed
    return [_listed(claimed, apart, say), _listed(other, apart, say)], _listed(whole, shared, say)


def _listed(facts: dict, which: Callable[[str], bool], say: Phrases) -> str:
    named = {name: value if name in ("metric", "experiment") else f"{name} = {value}" for name, value in facts.items()}
    return ", ".join(text for name, text in named.items() if which(name)) or say("all runs")


def _description(verdict: Verdict, say: Phrases) -> str:
    """Return what the plot shows, in words."""
    unit = "" if verdict.unit in ("×", "1") else f" {verdict.unit}"
    parts = []
    for label, sample in zip(_told_apart(verdict.claim, say)[0], (verdict.claimed, verdict.other)):
        values = sample.values.values()
        mean, low, high = (figure(value) for value in (sum(values) / len(values), min(values), max(values)))
        parts.append(say("{}: mean {}{}, from {} to {}").format(label, mean, unit, low, high))
    return "; ".join(parts)


def plot(verdict: Verdict, say: Phrases = ENGLISH) -> str:
    """Return a small drawing of both sides as SVG: a dot for each seed, a tick for the mean."""
    samples = (verdict.claimed, verdict.other)
    ticks = _ticks([value for sample in samples for value in sample.values.values()])
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> str:
        return f"{20 + 400 * (value - low) / (high - low):.1f}"

    parts = []
    for label, sample, color, y in zip(_told_apart(verdict.claim, say)[0], samples, ("#0072b2", "#a34700"), (44, 92)):
        values = sample.values.values()
        mean = x(sum(values) / len(values))
        size = min(13, 13 * 60 / len(label))  # a long one must fit
        parts += [f'<text x="12" y="{y - 18}" font-size="{size:.1f}" fill="{color}">{html.escape(label)}</text>']
        parts += [f'<circle cx="{x(value)}" cy="{y}" r="5" fill="{color}" fill-opacity=".6"/>' for value in values]
        parts += [f'<path d="M{mean} {y - 11}v22" stroke="{color}" stroke-width="3"/>']
    for tick in ticks:
        parts += [f'<path d="M{x(tick)} 112v6" stroke="#444"/>']
        parts += [f'<text x="{x(tick)}" y="132" text-anchor="middle">{_plain(tick)}</text>']
    names = dict.fromkeys(side.metric for side in (verdict.claim.claimed, verdict.claim.other) if side.metric)
    unit = verdict.claimed.unit or verdict.other.unit
    axis = say(" and ").join(names) + (f" ({unit})" if unit != "1" else "")
    drawn = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="440" height="158" viewBox="0 0 440 158">
<rect width="440" height="158" rx="6" fill="#fff"/>
<g font-family="sans-serif" font-size="13" fill="#222">
<path d="M20 112H420" stroke="#444"/>
{drawn}
<text x="220" y="150" text-anchor="middle">{html.escape(axis)}</text>
</g>
</svg>
"""


def _ticks(values: list[float]) -> list[float]:
    """Return the ticks of an axis that holds `values`: three to seven round numbers."""
    spread = max(values) - min(values) or abs(values[0]) or 1.0
    power = 10.0 ** math.floor(math.log10(spread / 2))
    step = next(power * times for times in (1, 2, 5, 10) if spread / (power * times) <= 4.5)
    first, last = math.floor(min(values) / step), math.ceil(max(values) / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _plain(value: float) -> str:
    """Return a tick's number as short as can be."""
    return f"{round(value, 10):,.10g}".replace("-", "−")
