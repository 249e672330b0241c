"""The site as readers meet it: every page, desktop and phone, light and dark, search, buttons, folded solutions."""

import html
import re
from urllib.parse import unquote, urldefrag, urljoin

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT
from waiting import until

from lmtutorial import contents, phrases, typography

pytestmark = pytest.mark.browser

NAMES = contents.pages(ROOT)
PAGES = [f"{name}.html" for name in NAMES] + ["search.html"]
CHINESE = [f"zh/{name}" for name in PAGES]
LOST = ["404.html", "zh/404.html"]
PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
CHAPTERS = [name for name in PAGES if name.startswith("notebooks/")]
CHINESE_CHAPTERS = [f"zh/{name}" for name in CHAPTERS]
NAMES_OF_THINGS = "Colab|Ctrl|English|ipynb|Page"  # the last is in the theme's layout, for screen readers
NAMES_IN_CODE = "lstm|gzip|bzip2|zstd|ultra|laptop|small|nanogpt|byte|char|word"
FRAME = """() => [...document.querySelectorAll("body *:not(article *, script, style)")]
  .flatMap((one) => [one.title, one.ariaLabel, one.placeholder, one.dataset.bsTitle,
    ...[...one.childNodes].filter((child) => child.nodeType === 3).map((child) => child.textContent)])
  .filter((text) => text?.trim())"""
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"].removeprefix("https://")


@pytest.mark.parametrize("name", PAGES + CHINESE + LOST)
def test_a_page_loads_without_complaint_and_asks_no_other_host(shared):
    parts = shared.page.title().split(" — ")
    assert all(parts)
    assert len(parts) == len({*parts})
    assert (shared.complaints, shared.strangers) == ([], [])


@pytest.mark.parametrize("name", [*CHAPTERS, CHINESE_CHAPTERS[0]])
def test_every_formula_is_set(shared):
    assert shared.page.locator("mjx-container").count() > 5
    assert shared.page.locator("mjx-merror").count() == 0


def serious(page, context, options):
    """Return what axe complains of: its rule, the element, what is wrong."""
    found = Axe().run(page, context, options | {"resultTypes": ["violations"]}).response["violations"]
    return [
        (violation["id"], node["target"], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def in_colours(page, scheme):
    page.emulate_media(color_scheme=scheme)
    until(page, f"(document.documentElement.dataset.theme ?? '{scheme}') === '{scheme}'")


@pytest.mark.parametrize("name", PAGES + CHINESE + LOST)
def test_axe_finds_nothing_serious(shared):
    assert serious(shared.page, None, {"rules": {"color-contrast": {"enabled": False}}}) == []


@pytest.mark.parametrize(
    ("name", "scheme"),
    [*((name, "light") for name in PAGES + CHINESE + LOST), *((name, "dark") for name in PAGES + LOST)],
)
def test_everything_stands_out_from_its_ground(shared, name, scheme):
    in_colours(shared.page, scheme)
    context = None if name == CHAPTERS[0] else {"exclude": [["pre"]]}  # code has the same colours everywhere
    assert serious(shared.page, context, {"runOnly": ["color-contrast"]}) == []


@pytest.mark.parametrize("name", PAGES + CHINESE + LOST)
def test_a_phone_shows_a_page_without_scrolling_sideways(shared):
    for size in (PHONE, NARROW):
        shared.page.set_viewport_size(size)
        assert shared.page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_a_phone_shows_figures_so_large_that_they_can_be_read(visit):
    widths = "all => all.map(one => [one.naturalWidth, one.clientWidth])"
    for natural, shown in visit(CHAPTERS[2], PHONE).page.eval_on_selector_all(".cell_output img", widths):
        assert shown == min(natural, 640)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_dark_when_the_reader_prefers_it(shared):
    for scheme, dark in (("dark", True), ("light", False)):
        in_colours(shared.page, scheme)
        background = shared.page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
        assert (brightness < 100) == dark


def test_a_dark_page_is_printed_on_white(visit):
    page = visit(CHAPTERS[0]).page
    in_colours(page, "dark")
    colours = "getComputedStyle(document.body).color + getComputedStyle(document.querySelector('.highlight .k')).color"
    dark = page.evaluate(colours)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(page, f"{colours} !== '{dark}'")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    until(page, f"{colours} === '{dark}'")


def test_the_keyboards_focus_is_seen_in_the_header(visit):
    page = visit(CHAPTERS[0]).page
    page.locator(".bd-header-article a.language").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.activeElement.closest('.bd-header-article') !== null")


def test_no_link_within_the_site_is_broken(pages):
    texts = {f"/{name}": (pages / name).read_text("utf-8") for name in PAGES + CHINESE + LOST}
    anchors = {name: {*re.findall(r'\sid="([^"]*)"', text)} for name, text in texts.items()}
    checked = 0
    for name, text in texts.items():
        for link in {*re.findall(r'<a\s[^>]*?href="([^"]*)"', text)}:
            target, anchor = urldefrag(urljoin(f"http://site{name}", html.unescape(link)))
            if (place := target.removeprefix("http://site")) != target:
                checked += 1
                assert (pages / unquote(place).lstrip("/")).exists(), f"{name} links to {link}"
                assert not anchor or unquote(anchor) in anchors.get(place, {anchor}), f"{name} links to {link}"
    assert checked > 1000


def test_the_front_page_leads_to_the_first_chapter(visit):
    page = visit("index.html").page
    page.wait_for_url("**/book/index.html")
    page.get_by_role("link", name="Concepts", exact=True).first.click()
    page.wait_for_url("**/notebooks/01_concepts.html")


@pytest.mark.parametrize(
    ("phrase", "page"),
    [
        ("arithmetic coder", "notebooks/01_concepts"),
        ("left neighbours", "notebooks/01_concepts"),
        ("wall-clock", "book/notation"),
        ("注意力机制", "zh/notebooks/03_transformer_math"),
        ("下一个词元", "zh/notebooks/01_concepts"),
        ("困惑度", "zh/notebooks/01_concepts"),
        ("令牌", "zh/notebooks/01_concepts"),  # the book says 词元
        ("熵", "zh/book/glossary"),
        ("GPT 的训练", "zh/book/playground"),
    ],
)
def test_the_search_finds_a_phrase(visit, phrase, page):
    search = "zh/search.html" if page.startswith("zh/") else "search.html"
    results = visit(f"{search}?q={phrase.replace(' ', '+')}").page
    results.wait_for_selector(f"ul.search li a[href*='{page.removeprefix('zh/')}']")  # they come one after another


def test_the_search_does_not_find_what_is_nowhere(visit):
    results = visit("zh/search.html?q=注意力咖啡机").page
    results.wait_for_selector(".search-summary:not(:empty)")
    assert results.locator("ul.search li a").count() == 0


@pytest.mark.parametrize("place", [NAMES[0], NAMES[1], "search", "genindex"])
def test_the_switch_leads_to_the_same_page_in_the_other_language_and_back(visit, place):
    page = visit(f"{place}.html", PHONE).page
    page.get_by_role("link", name="中文", exact=True).click()
    page.wait_for_url(f"**/zh/{place}.html")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("link", name="English", exact=True).click()
    page.wait_for_url(lambda url: url.endswith(f"/{place}.html") and "/zh/" not in url)
    assert page.locator("html").get_attribute("lang") == "en"


def switch(page):
    """Follow the link to the other language; Playwright's own click would scroll first."""
    with page.expect_navigation():
        page.locator("a.language").evaluate("link => link.click()")


@pytest.mark.parametrize("number", [1, 5, 12])
def test_the_switch_keeps_the_section_in_view(visit, number):
    page = visit(CHAPTERS[4], PHONE).page
    place = f"document.querySelectorAll('article section[id]')[{number}]"
    page.evaluate(f"{place}.scrollIntoView({{behavior: 'instant'}})")
    for folder in ("/zh/notebooks/", "/notebooks/"):
        switch(page)
        assert folder in page.url
        until(page, f"Math.abs({place}.getBoundingClientRect().top) < 100")


@pytest.mark.parametrize(
    "place",
    [
        "book/claims.html#claim-transformers-beat-rnns",
        "notebooks/02_rnn_math.html#equation-lstm-gates",
        "book/playground.html#text=Oh&seed=2",
    ],
)
def test_the_switch_keeps_an_anchor_that_both_editions_have(visit, place):
    page = visit(place).page
    switch(page)
    assert page.url.endswith(f"/zh/{place}")


@pytest.mark.parametrize(("folder", "word"), [("", "perplexity"), ("zh/", "困惑度")])
def test_what_was_searched_for_is_marked_and_in_view(visit, folder, word):
    page = visit(f"{folder}search.html?q={word}", PHONE).page
    page.locator("ul.search li a[href*=notebooks]:not([href*='#'])").first.click()
    page.wait_for_selector("article .highlighted", state="attached")
    marks = page.locator("article .highlighted")
    assert {text.lower() for text in marks.all_text_contents()} == {word}
    tops = marks.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert any(0 < top < PHONE["height"] for top in tops)


def test_the_frame_of_a_chinese_page_is_chinese(visit):
    page = visit(CHINESE_CHAPTERS[0]).page
    english = [text for text in page.evaluate(FRAME) if not typography.is_chinese(text)]
    assert [text for text in english if re.search("[A-Za-z]{4,}", re.sub(NAMES_OF_THINGS, "", text))] == []


@pytest.mark.parametrize(("name", "first"), [("404.html", "Page not found"), ("zh/404.html", "找不到网页")])
def test_a_page_that_is_not_there_is_answered_in_the_language_of_its_address(shared, first):
    assert shared.page.locator("h1").first.inner_text() == first


@pytest.mark.parametrize("name", [*CHAPTERS, CHINESE_CHAPTERS[0]])
def test_the_buttons_lead_to_this_notebook(shared, name):
    hrefs = shared.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    notebook = name.replace(".html", ".ipynb").replace("zh/notebooks/", "notebooks/zh/")
    colab = REPOSITORY.replace("github.com", "https://colab.research.google.com/github")
    assert f"{colab}/blob/main/{notebook}" in hrefs
    assert f"https://{REPOSITORY}/edit/main/{notebook}" in hrefs


@pytest.mark.parametrize("name", CHAPTERS)
def test_code_can_be_copied(shared):
    page = shared.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("seed = 0")


@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_are_folded_until_asked_for(shared):
    page = shared.page
    solutions = page.locator("details", has=page.get_by_text("Solution", exact=True))
    assert solutions.count() >= 5
    first = solutions.first
    assert not first.locator("pre").first.is_visible()
    first.locator("summary").click()
    assert first.locator("pre").first.is_visible()


@pytest.mark.parametrize("name", CHAPTERS + CHINESE_CHAPTERS)
def test_every_figure_is_described_and_every_quoted_number_is_there(shared, name):
    page = shared.page
    alts = page.eval_on_selector_all(".cell_output img", "all => all.map(one => one.alt)")
    assert len(alts) == (ROOT / name.removeprefix("zh/")).with_suffix(".ipynb").read_text("utf-8").count("plt.subplots")
    assert all(len(alt) > (15 if name.startswith("zh/") else 40) for alt in alts)
    assert "glue:" not in page.locator("article").inner_text()


def test_the_chooser_keeps_the_readers_limits_and_says_what_is_best(visit):
    page = visit("notebooks/09_faq.html").page
    chooser, rows = page.locator(".chooser"), page.locator(".chooser tbody tr")
    everything = rows.count()
    assert chooser.get_by_role("status").inner_text().startswith(f"Of {everything} that were tried, {everything} fit.")
    limit = int(chooser.locator("select[name=seconds] option").nth(1).get_attribute("value"))
    chooser.locator("select[name=seconds]").select_option(str(limit))
    seconds = rows.evaluate_all("rows => rows.filter((row) => !row.hidden).map((row) => Number(row.dataset.seconds))")
    assert 0 < len(seconds) < everything
    assert max(seconds) <= limit
    best = page.locator(".chooser tbody tr:not([hidden]) td").first.inner_text()
    assert f"Best: {best}," in chooser.get_by_role("status").inner_text()
    chooser.locator("select[name=recall]").select_option("256")
    assert "Nothing that was tried fits" in chooser.get_by_role("status").inner_text()


def test_labels_of_figures_are_chinese_on_chinese_pages(pages):
    known = phrases.read(ROOT, "zh").chinese["labels"].values()
    figures = list((pages / "zh" / "_images").glob("*.svg"))
    labels = {label for file in figures for label in re.findall("<!-- (.*?) -->", file.read_text("utf-8"))}
    english = {label for label in labels - {*known} if not typography.is_chinese(label) and "$" not in label}
    assert labels - english
    assert [label for label in english if re.search("[a-z]{4,}", re.sub(NAMES_IN_CODE, "", label))] == []
