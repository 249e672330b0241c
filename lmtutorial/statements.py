"""Where the book states claims: the sentences that do, and whether they say what the records say.

A sentence states a claim by a Markdown link to it whose text is the verdict, such as
`[refuted](../book/claims.md#claim-transformers-beat-rnns)`, or `[不成立](../../book/claims.md#claim-…)` in Chinese.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lmtutorial.execution import read as read_notebook
from lmtutorial.files import read_text, read_yaml
from lmtutorial.verdicts import Verdict, judge_all

STATED = re.compile(r"\[([^\[\]]*)\]\([\w./-]*\bclaims\.md#claim-([\w-]+)\)")
IN_CHINESE = {"supported": "成立", "refuted": "不成立", "inconclusive": "尚无定论"}


@dataclass(frozen=True)
class Sentence:
    """A sentence of the book that states a claim: what verdict it `said`, and its `anchor` in the built page."""

    page: str
    claim: str
    said: str
    anchor: str


def pages(root: Path, edition: str = "") -> dict[str, list[str]]:
    """Return the Markdown of every page and chapter by path; a chapter's cells are texts of their own.

    Args:
        root: of the repository.
        edition: "zh" for the Chinese one.
    """
    book, notebooks = root / "book" / edition, root / "notebooks" / edition
    found = {path.relative_to(root).as_posix(): [read_text(path)] for path in sorted(book.glob("*.md"))}
    for path in sorted(notebooks.glob("*.ipynb")):
        cells = [cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown"]
        found[path.relative_to(root).as_posix()] = cells
    return found


def sentences(page: str, texts: Iterable[str]) -> Iterator[Sentence]:
    """Yield the sentences of a page that state claims."""
    seen = Counter()
    for said, claim in (match.groups() for text in texts for match in STATED.finditer(text)):
        seen[claim] += 1
        yield Sentence(page, claim, said, f"states-{claim}-{seen[claim]}")


def anchored(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts of a page for Sphinx: what states a claim has an anchor and looks like a verdict."""
    seen, words = Counter(), {chinese: word for word, chinese in IN_CHINESE.items()}

    def mark(match: re.Match) -> str:
        said, claim = match.groups()
        seen[claim] += 1
        return f"[[{said}](#claim-{claim})]{{#states-{claim}-{seen[claim]} .verdict .{words.get(said, said).lower()}}}"

    for text in texts:
        yield STATED.sub(mark, text)


def check(root: Path) -> tuple[list[Verdict], list[str]]:
    """Return the verdicts, and everything that is wrong with claims or with the sentences that state them."""
    verdicts, problems = judge_all(root)
    entries = read_yaml(root / "book" / "claims.yml")
    known = {str(entry.get("id")) for entry in entries if isinstance(entry, dict)}  # a malformed one is there, too
    words = {verdict.claim.id: verdict.word for verdict in verdicts}
    chinese = pages(root, "zh")
    for page, texts in (pages(root) | chinese).items():
        for sentence in sentences(page, texts):
            said, claim = sentence.said, sentence.claim
            if claim not in known:
                problems.append(f"{page} states the claim {claim}, which book/claims.yml lacks")
            elif claim not in words:
                problems.append(f"{page} says that claim {claim} is {said}; there is no verdict on it")
            elif said != (right := IN_CHINESE[words[claim]] if page in chinese else words[claim]):
                problems.append(f"{page} says that claim {claim} is {said}; the records say {right}")
    return verdicts, problems
