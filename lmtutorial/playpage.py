"""The playground in the page's own HTML: what a reader sees before the models load, or where they never do.

The numbers were computed when the models were made (`playground`), with the weights that the browser gets, and stand in
the models' manifest.
"""

import html
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lmtutorial import phrases
from lmtutorial.files import read_json
from lmtutorial.phrases import Phrases

MANIFEST = Path("book", "_static", "playground", "models", "manifest.json")
FOLDER = "../_static/playground"  # from a page of the book
MODULES = ("playground", "engine", "labels", "panels", "sampling", "tracks", "views")
SHOWN = 20  # next characters
PROMPTS = {
    "tinyshakespeare": "BAPTISTA:\nI have a daughter, sir, called Katharina.\n\nPETRUCHIO:\n",
    "tang": "白日依山盡，黃河入海流。\n欲窮千里目，",
}


@dataclass(frozen=True)
class Playground:
    """One playground: its attributes, and its words.

    Args:
        language: `en` or `zh`, of its labels.
        models: of the manifest, one column each.
        stages: versions of one of them that the reader can choose from.
        panels: that make sense for these models.
        prompt: where it begins.
        examples: other texts.
        names: of the models, for people.
        cost, following, noscript, old: sentences.
    """

    language: str
    models: tuple[str, ...]
    prompt: str
    examples: tuple[str, ...]
    names: dict[str, str]
    cost: str
    following: str
    noscript: str
    old: str
    stages: tuple[str, ...] = ()
    panels: tuple[str, ...] = ("probe", "attention", "units", "time")


ENGLISH = Playground(
    language="en",
    models=("ngram", "rnn", "lstm", "gpt"),
    stages=("gpt-untrained", "gpt-minute", "gpt"),
    prompt=PROMPTS["tinyshakespeare"],
    examples=(
        "PETRUCHIO:\nYou wrong me, Signior Gremio: give me leave.\nI am a gentleman of Verona, sir,\nThat, hearing of ",
        "GREMIO:\nO this learning, what a thing it is!\n\nGRUMIO:\nO this woodcock, what an ass it is!\n\nPETRUCHIO:\n",
        "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n",
        "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy d",
    ),
    names={"ngram": "5-gram", "rnn": "RNN", "lstm": "LSTM", "gpt": "GPT"},
    cost="The text costs it {:.2f} bits a character ({} characters).",
    following="Next character",
    noscript="The models run in your browser, which must allow JavaScript for that. What follows was computed before.",
    old="Your browser knows no JavaScript modules, which the models need. What is shown was computed before.",
)
CHINESE = Playground(
    language="zh",
    models=("tang",),
    prompt=PROMPTS["tang"],
    examples=(PROMPTS["tang"], "春眠不覺曉，處處聞啼鳥。\n", "明月"),
    panels=("probe", "attention", "time"),
    names={"tang": "GPT"},
    cost="这段文字平均每字 {:.2f} 比特（共 {} 字）。",
    following="下一个字",
    noscript="本页的模型在浏览器里运行，需要允许 JavaScript。以下是事先算好的结果。",
    old="你的浏览器不支持模型所需的 JavaScript 模块。以下是事先算好的结果。",
)
SHAKESPEARE = {  # the same models and texts in either language
    "en": ENGLISH,
    "zh": replace(
        ENGLISH,
        language="zh",
        names=ENGLISH.names | {"ngram": "五元模型"},
        cost="这段文字平均每字符 {:.2f} 比特（共 {} 个字符）。",
        following="下一个字符",
        noscript=CHINESE.noscript,
        old=CHINESE.old,
    ),
}


def staged(root: Path, say: Phrases) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files that the playground's pages include."""
    manifest = read_json(root / MANIFEST)
    for text, playground in (("en", SHAKESPEARE[say.language]), ("zh", CHINESE)):
        yield f"book/_generated/playground-{text}.md", element(playground, manifest).encode()
    yield "book/_generated/playground-models.md", table(manifest, say).encode()


def element(playground: Playground, manifest: dict) -> str:
    """Return the element with its style sheet and script, on one line: Markdown ends HTML at an empty one."""
    attributes = {
        "lang": playground.language,
        "models": " ".join(playground.models),
        "stages": " ".join(playground.stages),
        "panels": " ".join(playground.panels),
        "prompt": playground.prompt,
        "examples": json.dumps(playground.examples, ensure_ascii=False),
    }
    written = " ".join(f'{name}="{_escaped(value)}"' for name, value in attributes.items())
    columns = "".join(_column(playground, name, manifest[name]["default"]) for name in playground.models)
    old = json.dumps(playground.old, ensure_ascii=False)
    modules = "".join(f'<link rel="modulepreload" href="{FOLDER}/{module}.mjs">' for module in MODULES)
    files = ("manifest.json", *(manifest[name]["file"] for name in playground.models))
    models = "".join(f'<link rel="preload" as="fetch" crossorigin href="{FOLDER}/models/{file}">' for file in files)
    return (
        f'<link rel="stylesheet" href="{FOLDER}/playground.css">{modules}{models}<lm-playground {written} share>'
        f'<noscript><p class="failed">{playground.noscript}</p></noscript><div class="columns">{columns}</div>'
        f'</lm-playground><script async type="module" src="{FOLDER}/playground.mjs"></script>'
        f'<script nomodule>document.querySelector("lm-playground").insertAdjacentText("afterbegin", {old})</script>\n'
    )


def table(manifest: dict, say: Phrases = phrases.ENGLISH) -> str:
    """Return, in Markdown, how each model was trained and what it loses by rounding."""
    head = ["model", "preset", "text", "parameters", "best step", "bits, 32-bit", "bits, 8-bit", "bytes"]
    lines = [f"| {' | '.join(map(say, head))} |", "|---|---|---|--:|--:|--:|--:|--:|"]
    for name, entry in sorted(manifest.items()):
        trained, costs = entry["trained"], entry["measured"]["nats_per_char"]
        bits = [f"{costs[dtype] / math.log(2):.4f}" for dtype in ("float32", "int8")]
        step = f"{trained['step']:,}" if "step" in trained else ""
        numbers = [f"{entry['parameters']:,}", step, *bits, f"{entry['bytes']:,}"]
        lines.append(f"| {' | '.join([name, trained['preset'], trained['text'], *numbers])} |")
    return "\n".join([*lines, ""])


def _column(playground: Playground, name: str, default: dict) -> str:
    """Return what one model says to the prompt."""
    title, bits = playground.names[name], default["bits"]
    text = "".join(
        f'<span style="--shade: {min(cost / 12, 0.5):.2f}" title="{_visible(character)} {cost:.2f} bits">'
        f"{_escaped(character)}</span>"
        for character, cost in zip(playground.prompt, bits)
    )
    bars = "".join(
        f'<li><span style="--p: {p:.4f}"><b>{_visible(character)}</b><i></i><small>{100 * p:.1f} %</small></span></li>'
        for character, p in default["next"]
    )
    return (
        f'<section data-model="{name}"><h3>{title}</h3>'
        f'<div class="text" tabindex="0" role="group" aria-label="{title}">{text}</div>'
        f'<p class="score">{playground.cost.format(sum(bits) / len(bits), len(bits))}</p>'
        f'<h4>{playground.following}</h4><ol class="bars" tabindex="0">{bars}</ol></section>'
    )


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "&#10;")


def _visible(character: str) -> str:
    return _escaped({" ": "␣", "\n": "↵"}.get(character, character))
