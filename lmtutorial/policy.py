"""The site's Content-Security-Policy: a page runs only the scripts that it was built with, and asks only its own host.

A static site cannot send headers, so every page states the policy itself. The scripts that stand in a page are allowed
by their hashes, and so is one handler, the theme's for printing: what a prompt, an address or a damaged file brings in
later does not run. Styles may stand in a page, because MathJax and pandas write them.
"""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

POLICY = (
    "default-src 'none'",
    "base-uri 'none'",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "img-src 'self' data:",
    "style-src 'self' 'unsafe-inline'",
)
HANDLER = "window.print()"  # search parses pages that have it, so every page must allow it
HEAD = re.compile(r"<head\b[^>]*>(?:\s*<meta charset=[^>]*>)?", re.I)


def seal(folder: Path) -> None:
    """Write its policy into every page below `folder`."""
    for path in folder.rglob("*.html"):
        path.write_bytes(sealed(path.read_bytes().decode()).encode())
    for path in folder.rglob("translations.js"):
        path.write_text(_without_eval(path.read_text("utf-8")), "utf-8")


def sealed(page: str) -> str:
    """Return a page with its policy, as early in its head as it can be; what has no head is no page."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">'
    return HEAD.sub(lambda head: f"{head[0]}\n{meta}", page, count=1)


def _without_eval(translations: str) -> str:
    """Return Sphinx' script of translations with the language's rule of plurals as a program, not as a text to run."""
    plural = re.search(r'"plural_expr": *"([^"]*)"', translations)[1]
    add = f"TRANSLATIONS: it.messages, LOCALE: it.locale, PLURAL_EXPR: (n) => ({plural})"
    return f"Documentation.addTranslations = (it) => Object.assign(Documentation, {{{add}}});\n{translations}"


def policy(page: str) -> str:
    """Return the policy of a page, with the hashes of the scripts that stand in it."""
    scripts = _Scripts()
    scripts.feed(page)
    scripts.close()
    hashes = sorted({_hash(text) for text in (HANDLER, *scripts.texts)})
    return "; ".join([*POLICY, " ".join(["script-src 'self' 'unsafe-hashes'", *hashes])])


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


class _Scripts(HTMLParser):
    """Collects the scripts that stand in a page."""

    def __init__(self):
        super().__init__()
        self.texts, self.inside = [], False

    def handle_starttag(self, tag, attributes):
        self.inside = tag == "script" and "src" not in dict(attributes)
        if self.inside:
            self.texts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data
