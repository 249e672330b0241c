"""The Content-Security-Policy in the browser: pages keep it, and what comes in later does not run."""

import pytest
from waiting import until

pytestmark = pytest.mark.browser

PAGE = "notebooks/03_transformer_math.html"
VIOLATIONS = """window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective))"""


def test_every_file_of_the_site_that_is_a_page_has_a_policy(pages):
    without = [path.name for path in pages.rglob("*.html") if b"Content-Security-Policy" not in path.read_bytes()]
    assert set(without) <= {"index.html", "webpack-macros.html", "sbt-webpack-macros.html"}  # these have no head


@pytest.mark.parametrize("page", [PAGE, "book/playground.html", "search.html?q=entropy", "zh/search.html?q=熵"])
def test_a_page_that_does_all_it_can_keeps_its_policy(visit, page):
    seen = visit(page)
    if "search" in page:
        seen.page.wait_for_selector("ul.search li a")
    else:
        seen.page.wait_for_selector("lm-playground[data-state=ready]", timeout=90_000)
        for summary in seen.page.locator("lm-playground summary").all():
            summary.click()
    assert seen.complaints == []


def test_the_chinese_search_counts_without_evaluating_text(visit):
    page = visit("zh/search.html?q=熵").page
    page.wait_for_selector("ul.search li a")
    assert page.evaluate("[Documentation.LOCALE.slice(0, 2), Documentation.PLURAL_EXPR(7)]") == ["zh", 0]


@pytest.mark.parametrize(
    ("attack", "directive"),
    [
        ("document.body.insertAdjacentHTML('beforeend', '<img src=x: onerror=window.hacked=1>')", "script-src-attr"),
        (
            "document.body.append(Object.assign(document.createElement('script'), {text: 'hacked=1'}))",
            "script-src-elem",
        ),
        ("setTimeout('window.hacked = 1')", "script-src"),
        ("fetch('https://example.org/').catch(() => 0)", "connect-src"),
        ("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))", "img-src"),
        ("document.body.append(Object.assign(document.createElement('iframe'), {src: '/'}))", "frame-src"),
        ("document.head.append(Object.assign(document.createElement('base'), {href: '/x/'}))", "base-uri"),
    ],
)
def test_what_is_brought_in_later_does_not_run(visit, attack, directive):
    page = visit("book/glossary.html").page
    page.evaluate(f"() => {{ {VIOLATIONS}; {attack}; }}")
    until(page, f"window.violations.includes('{directive}')")
    assert page.evaluate("window.hacked === undefined")


@pytest.mark.parametrize("page", ["search.html?q={}", "book/glossary.html?highlight={}", "book/glossary.html#{}"])
def test_script_in_an_address_stays_text(visit, page, evil):
    seen = visit(page.format(evil))
    seen.page.wait_for_timeout(500)
    assert seen.page.evaluate("window.hacked === undefined")
    assert seen.page.locator("img[src=x]").count() == 0
    assert seen.complaints == []
