"""The real book, built with the smoke profile, served under a sub-path, and a browser to look at it."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from playwright.sync_api import sync_playwright

from lmtutorial import site
from lmtutorial.browser import Quiet, chromium, served

CHROMIUM = chromium()
DESKTOP = {"width": 1280, "height": 900}
HERE = Path(__file__).parent
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items):
    """Put the tests of a page next to each other, so that it is opened once for all of them."""

    def page(item):
        ours = item.path.parent == HERE and hasattr(item, "callspec")
        return str(item.callspec.params.get("name", "")) if ours else ""

    items.sort(key=page)


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The folder of the built site: LMTUTORIAL_SITE_FOLDER, or one built for these tests with the smoke profile."""
    if folder := os.environ.get("LMTUTORIAL_SITE_FOLDER"):
        return Path(folder)
    root = tmp_path_factory.mktemp("book")
    for name in ("book", "notebooks", "tests"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("_config.yml", "CONTRIBUTING.md", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    assert site.build(root, "smoke") == 0
    return root / "_build" / "site"


class Handler(Quiet):
    """Serves the site under /a/sub/path/ and nothing else."""

    def translate_path(self, path):
        prefix = "/a/sub/path/"
        return super().translate_path("/" + path.removeprefix(prefix)) if path.startswith(prefix) else "/nowhere"


@pytest.fixture(scope="session")
def address(pages):
    """Where the site is served, under a sub-path as on GitHub Pages."""
    with served(pages, Handler) as server:
        yield f"{server}a/sub/path/"


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    if not CHROMIUM:
        if os.environ.get("LMTUTORIAL_REQUIRE_BROWSER"):
            pytest.fail("LMTUTORIAL_REQUIRE_BROWSER is set, but there is no Chromium")
        pytest.skip("no Chromium: apt install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


class Visit:
    """A page in the browser, with what it complained of and whom it asked."""

    def __init__(self, browser, address, size=DESKTOP):
        self.address = address
        context = browser.new_context(viewport=size, reduced_motion="reduce")
        self.page = context.new_page()
        self.complaints, self.strangers = [], []
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("request", self._note)

    def _note(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.strangers.append(request.url)

    def go(self, name):
        """Open a page and wait until its formulas are set."""
        self.page.goto(self.address + name, wait_until="load")
        self.page.wait_for_selector("meta[http-equiv=Refresh]", state="detached")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page

    def close(self):
        self.page.context.close()


@pytest.fixture
def visit(browser, address):
    """Open a page of the site: `visit(name, size)`; closed at the end of the test."""
    opened = []

    def go(name, size=DESKTOP):
        opened.append(Visit(browser, address, size))
        opened[-1].go(name)
        return opened[-1]

    yield go
    for one in opened:
        one.close()


@pytest.fixture
def evil():
    """Markup that does harm where it is taken for more than text."""
    return "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"


@pytest.fixture(scope="session")
def last_opened():
    """The page that was opened last, by name."""
    return {}


@pytest.fixture
def shared(name, last_opened, browser, address):
    """The page `name` on a bright desktop, opened for all tests that only look at it."""
    if name not in last_opened:
        for other in list(last_opened):
            last_opened.pop(other).close()
        last_opened[name] = Visit(browser, address)
        last_opened[name].go(name)
    yield last_opened[name]
    last_opened[name].page.set_viewport_size(DESKTOP)
    last_opened[name].page.emulate_media(color_scheme="light")
