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
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


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

    def __init__(self, browser, address, width=1280, height=900, scheme="light"):
        self.address = address
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
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
    """Open a page of the site: `visit(name, width=…, scheme=…)`; closed at the end of the test."""
    opened = []

    def go(name, **look):
        opened.append(Visit(browser, address, **look))
        opened[-1].go(name)
        return opened[-1]

    yield go
    for one in opened:
        one.close()
