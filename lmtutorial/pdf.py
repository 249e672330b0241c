"""The book as a PDF, one for each language: all staged pages as one, printed by Chromium.

`make pdf` builds the site first. Links within the book stay links, solutions are unfolded, and long lines of code are
wrapped.
"""

import re
import shutil
import sys
from pathlib import Path

from lmtutorial import browser, outputs, site
from lmtutorial.errors import InputError

FONT = """@font-face { font-family: Han; src: url(han.otf); }
:root { --pst-font-family-base-system: sans-serif, Han; --pst-font-family-monospace-system: monospace, Han; }"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
MATHEMATICS = "() => window.MathJax.startup.promise.then(() => true)"
MARGINS = {"top": "15mm", "bottom": "15mm", "left": "12mm", "right": "12mm"}


def build(root: Path) -> int:
    """Write `_build/pdf/en.pdf` and `zh.pdf` from the stages; return the exit code.

    Raises:
        InputError: nothing is staged, or there is no Chromium.
    """
    stages = sorted(path.parent for path in (root / "_build" / "stage").glob("*/_toc.yml"))
    if not stages:
        raise InputError("nothing is staged; run `make book` first")
    chromium = browser.chromium()
    if not chromium:
        raise InputError("the PDF is printed by Chromium, which is not installed")
    for stage in stages:
        folder, file = root / "_build" / "pdf" / stage.name, root / "_build" / "pdf" / f"{stage.name}.pdf"
        if not _one_page(stage, folder):
            return 1
        _print(folder / "_build" / "singlehtml", file, chromium)
        print(f"Wrote {file}")
    return 0


def _one_page(stage: Path, folder: Path) -> bool:
    """Build all pages of a stage as one, `book.html`; say whether that succeeded."""
    log, to = folder.with_suffix(".log"), folder.absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    if not site.jupyter_book(stage, log, "--builder", "singlehtml", "-n", "--path-output", to):
        print(f"Jupyter Book failed; its output is in {log}.", file=sys.stderr)
        return False
    built = folder / "_build" / "singlehtml"
    shutil.copy(outputs.font_file(), built / "han.otf")  # the machine may have no Chinese font
    text = (built / "book" / "index.html").read_text("utf-8")
    (built / "book.html").write_text(_at_home(text), "utf-8")
    return True


def _at_home(text: str) -> str:
    """Return the page with what it refers to in the top folder; links to other pages lead to their places in it."""
    places = re.sub(r'href="(?:\./|\.\./)*(?:book|notebooks)/\w+\.html#([^"]+)"', r'href="#\1"', text)
    pages = re.sub(r'href="(?:\./|\.\./)*((?:book|notebooks)/\w+)\.html"', r'href="#document-\1"', places)
    return re.sub(r'((?:href|src)=")(?:\.\./)+_static/', r"\1_static/", pages)


def _print(folder: Path, file: Path, chromium: str) -> None:
    """Print `book.html` of a folder."""
    from playwright.sync_api import sync_playwright

    with browser.served(folder) as address, sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = program.new_page()
        page.set_default_timeout(600_000)
        page.goto(f"{address}book.html")
        page.wait_for_function(MATHEMATICS)
        page.evaluate(UNFOLD)
        page.add_style_tag(content=FONT)
        page.evaluate("document.fonts.ready.then(() => true)")
        page.pdf(path=file, format="A4", margin=MARGINS, scale=0.8, outline=True, tagged=True)
        program.close()


if __name__ == "__main__":
    try:
        sys.exit(build(Path()))
    except InputError as error:
        sys.exit(f"{Path(__file__).stem}: {error}")
