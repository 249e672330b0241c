"""The chooser of chapter 9: what predicted best within a budget, as a table and as a form that a static page can hold.

Candidates are rows of measurements: `model` (its name), `parameters`, `seconds` of training, `text_bytes` of training
text, `nats_per_char`, `spread` (of it, over seeds), and `recall_D`, the share of things seen D tokens ago that such a
model found.
"""

import html
import itertools

import pandas as pd

LIMITS = {  # column, question
    "parameters": "At most so many parameters (or counts)",
    "seconds": "At most so many seconds of training",
    "text_bytes": "At most so many bytes of training text",
}
ENOUGH = 0.5  # share of recalled things that counts as remembering
NUMBERS = itertools.count(1)  # of the forms on a page


def choose(candidates: pd.DataFrame, recall: int | None = None, **limits: float) -> pd.DataFrame:
    """Return the candidates within all limits, best prediction first.

    Args:
        candidates: as the module says.
        recall: a distance in tokens; at least half of what was seen so long ago must be found again.
        limits: greatest values of `parameters`, `seconds` and `text_bytes`.
    """
    fit = candidates
    for name, most in limits.items():
        fit = fit[fit[name] <= most]
    if recall is not None:
        fit = fit[fit[f"recall_{recall}"] >= ENOUGH]
    return fit.sort_values("nats_per_char")


def form(candidates: pd.DataFrame) -> str:
    """Return the chooser as HTML: the table of candidates, and a form that hides those beyond the reader's limits.

    The rule is that of `choose`. Without JavaScript the whole table is shown, best first.
    """
    ranked = choose(candidates)
    name = f"chooser-{next(NUMBERS)}"
    fields = [_select(column, question, _choices(ranked[column])) for column, question in LIMITS.items()]
    distances = [int(column.removeprefix("recall_")) for column in ranked.columns if column.startswith("recall_")]
    far = [("", "no more than ordinary text needs"), *((str(d), f"what was {d} tokens ago") for d in distances)]
    fields.append(_select("recall", "It must find again", far))
    rows = "".join(_row(row, distances) for row in ranked.to_dict("records"))
    return f"""<div id="{name}" class="chooser">
<form>{"".join(fields)}</form>
<p role="status"></p>
<table class="dataframe"><thead><tr><th>model</th><th>nats per character</th><th>parameters or counts</th>
<th>training (s)</th><th>training text (bytes)</th></tr></thead><tbody>{rows}</tbody></table>
</div>
<script>{SCRIPT % {"name": name, "enough": ENOUGH}}</script>"""


def _choices(values: pd.Series) -> list[tuple[str, str]]:
    """Return limits to choose from: none, or two round numbers to a power of ten, as far as they tell values apart."""
    round_numbers = [digit * 10**power for power in range(9) for digit in (1, 3)]
    useful = [limit for limit in round_numbers if values.min() <= limit < values.max()]
    return [("", "no limit"), *((str(limit), f"{limit:,}") for limit in useful)]


def _select(name: str, question: str, choices: list[tuple[str, str]]) -> str:
    options = "".join(f'<option value="{value}">{html.escape(text)}</option>' for value, text in choices)
    return f'<label>{html.escape(question)} <select name="{name}" autocomplete="off">{options}</select></label>'


def _row(row: dict, distances: list[int]) -> str:
    facts = {name: row[name] for name in LIMITS} | {f"recall-{d}": row[f"recall_{d}"] for d in distances}
    data = " ".join(f'data-{name.replace("_", "-")}="{value:.6g}"' for name, value in facts.items())
    cells = (
        f"{row['nats_per_char']:.3f} ± {row['spread']:.3f}",
        f"{row['parameters']:,.0f}",
        f"{row['seconds']:.3g}",
        f"{row['text_bytes']:,}",
    )
    return f"<tr {data}><td>{html.escape(row['model'])}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


SCRIPT = """
(() => {
  const root = document.getElementById("%(name)s");
  const form = root.querySelector("form"), status = root.querySelector("[role=status]");
  const within = (row, name, limit) => limit === "" || (name === "recall"
    ? Number(row.getAttribute(`data-recall-${limit}`)) >= %(enough)s
    : Number(row.getAttribute(`data-${name.replace("_", "-")}`)) <= Number(limit));
  const update = () => {
    const limits = [...new FormData(form)], rows = [...root.querySelectorAll("tbody tr")];
    for (const row of rows) row.hidden = !limits.every(([name, limit]) => within(row, name, limit));
    const left = rows.filter((row) => !row.hidden);
    status.textContent = left.length
      ? `Of ${rows.length} that were tried, ${left.length} fit. Best: ${left[0].cells[0].textContent}, ` +
        `${left[0].cells[1].textContent} nats per character.`
      : `Nothing that was tried fits; give it more.`;
  };
  form.addEventListener("change", update);
  update();
})();
"""
