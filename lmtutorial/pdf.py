"""The book as a PDF, one for each language: the articles of the built pages as one page, printed by Chromium.

`make pdf` builds the site first. Links within the book stay links, solutions are unfolded, long lines of code
are wrapped, and wide formulas shrink.
"""

import re
import sys
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from bs4 import BeautifulSoup

from lmtutorial import browser, contents, editions, outputs
from lmtutorial.errors import InputError

NAME = "book/all.html"  # as deep in the site as every page, so that images and scripts are found
STYLE = """@font-face { font-family: Han; src: url(han.otf); }
:root { --pst-font-family-base-system: sans-serif, Han; --pst-font-family-monospace-system: monospace, Han; }
#jb-print-docs-body { display: none !important; }
.bd-article { break-before: page; }
.bd-article h1 { display: block !important; }"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
MATHEMATICS = "() => !window.MathJax || window.MathJax.startup.promise.then(() => true)"
FIT = """() => document.querySelectorAll('article div.math mjx-container').forEach((formula) => {
  const ratio = (0.93 * formula.parentElement.clientWidth) / formula.scrollWidth;
  if (ratio < 1) formula.style.fontSize = `${ratio * parseFloat(getComputedStyle(formula).fontSize)}px`;
})"""
MARGINS = {"top": "15mm", "bottom": "15mm", "left": "12mm", "right": "12mm"}
SCALE = 0.8
WIDTH = round((210 - 2 * 12) / 25.4 * 96 / SCALE)  # pixels between the margins of A4
CLIPPED = """() => [...document.querySelectorAll('article :is(pre, table, img, mjx-container)')]
  .filter((one) => one.getBoundingClientRect().right > one.closest('article').getBoundingClientRect().right + 1)
  .map((one) => `${one.tagName.toLowerCase()} ${one.textContent.trim().slice(0, 60)}`)"""


def build(root: Path) -> int:
    """Write `_build/pdf/en.pdf` and `zh.pdf` from the site; return the exit code.

    Raises:
        InputError: there is no site, or no Chromium.
    """
    built = root / "_build" / "site"
    if not built.is_dir():
        raise InputError("there is no site; run `make book` first")
    chromium = browser.chromium()
    if not chromium:
        raise InputError("the PDF is printed by Chromium, which is not installed")
    failed = 0
    for language in editions.languages(root):
        file, below = root / "_build" / "pdf" / f"{language}.pdf", "" if language == "en" else f"{language}/"
        file.parent.mkdir(parents=True, exist_ok=True)
        pages = [(built / f"{below}{name}.html").read_text("utf-8") for name in contents.pages(root)]
        clipped = _print(built, below + NAME, one_page(pages), file, chromium)
        print(f"Wrote {file}")
        if clipped:
            print(f"{file}: cut off at the edge:", *clipped, sep="\n  ", file=sys.stderr)
            failed = 1
    return failed


def one_page(pages: list[str]) -> str:
    """Return the articles of `pages` on one, in the frame of the first.

    Ids get their page's number, so that none occurs twice. Links to one of the pages lead to its place in the one,
    other relative links to the site.
    """
    soups = [BeautifulSoup(page, "html.parser") for page in pages]
    addresses = [soup.find("link", rel="canonical")["href"] for soup in soups]
    prefixes = {address: f"p{number}" for number, address in enumerate(addresses)}
    articles = [soup.find("article") for soup in soups]
    for article, address in zip(articles, addresses):
        for element in article.find_all(id=True):
            element["id"] = f"{prefixes[address]}-{element['id']}"
        for link in article.find_all(href=True):
            place, fragment = urldefrag(urljoin(address, link["href"]))
            if place in prefixes:
                link["href"] = "#" + "-".join(filter(None, [prefixes[place], fragment]))
            elif link.name == "a":
                link["href"] = urljoin(address, link["href"])
        article["id"] = prefixes[address]
    frame = soups[0]
    there = {_file(script) for script in frame.head.find_all("script")}
    for script in [script for soup in soups[1:] for script in soup.head.find_all("script", src=True)]:
        if _file(script) not in there:  # such as MathJax, which only pages with mathematics load
            frame.head.append(script)
            there.add(_file(script))
    for policy in frame.find_all("meta", {"http-equiv": "Content-Security-Policy"}):
        policy.decompose()  # it knows the first page's scripts only
    frame.title.string = frame.title.string.rpartition(" — ")[2]
    articles[0].insert_after(*articles[1:])
    return str(frame)


def _file(script) -> str:
    """Return the address of a script without its version, which some pages name and some do not."""
    return script.get("src", "").partition("?")[0]


def _print(folder: Path, name: str, text: str, file: Path, chromium: str) -> list[str]:
    """Print the page `text` as if it stood in `folder` as `name`; return what is cut off at the edge."""
    from playwright.sync_api import sync_playwright

    with browser.served(folder) as address, sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = program.new_page(viewport={"width": WIDTH, "height": 1200})
        page.set_default_timeout(600_000)
        page.route(re.compile("/all.html$"), lambda route: route.fulfill(body=text, content_type="text/html"))
        page.route(re.compile("/han.otf$"), lambda route: route.fulfill(path=outputs.font_file()))
        page.goto(address + name)
        page.wait_for_function(MATHEMATICS)
        page.evaluate(UNFOLD)
        page.add_style_tag(content=STYLE)  # the machine may have no Chinese font
        page.evaluate("document.fonts.ready.then(() => true)")
        page.emulate_media(media="print")
        page.evaluate(FIT)
        clipped = page.evaluate(CLIPPED)
        page.pdf(path=file, format="A4", margin=MARGINS, scale=SCALE, outline=True, tagged=True)
        program.close()
    return clipped


if __name__ == "__main__":
    try:
        sys.exit(build(Path()))
    except InputError as error:
        sys.exit(f"{Path(__file__).stem}: {error}")
