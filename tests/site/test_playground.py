"""The playground as readers meet it: what it shows, what it keeps apart, and what it makes of bad input."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from waiting import until

pytestmark = pytest.mark.browser


PAGE = "book/playground.html"
MODELS = ("ngram", "rnn", "lstm", "gpt")
ELEMENT = "document.querySelector('lm-playground')"
TEXTS = f"{ELEMENT}.tracks.map(track => track.characters.join(''))"


def ready(page):
    page.wait_for_selector("lm-playground[data-state]", timeout=90_000)
    assert page.get_attribute("lm-playground", "data-state") == "ready"
    return page


@pytest.fixture
def seen(visit):
    """A visit to the playground, its models there."""
    seen = visit(PAGE)
    ready(seen.page)
    return seen


@pytest.fixture
def page(seen):
    return seen.page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def write(page, steps=100):
    """Press "Write 100"; wait until so many steps were made in all."""
    press(page, "Write 100")
    page.wait_for_selector(f"lm-playground[data-steps='{steps}']")
    return page.evaluate(TEXTS)


def fill(page, text):
    """Give the playground another text and wait until it was read."""
    page.fill("lm-playground textarea", text)
    until(page, f"text => {ELEMENT}.text === text && {ELEMENT}.notes.now === ''", text)


def slide(page, name, value):
    page.locator(f"lm-playground input[name={name}]").fill(str(value))


def status(page):
    return page.locator("lm-playground .status").inner_text()


def test_it_writes_without_complaint_and_asks_no_other_host(seen):
    prompt = seen.page.get_attribute("lm-playground", "prompt")
    texts = write(seen.page)
    assert len(set(texts)) == len(MODELS)
    for text in texts:
        assert text.startswith(prompt)
        assert len(text) == len(prompt) + 100
    assert (seen.complaints, seen.strangers) == ([], [])


def test_the_page_has_the_results_of_its_prompt_before_the_models_load(browser, address, page):
    live = {name: columns(page, name) for name in MODELS}
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(address + PAGE)
    assert "allow JavaScript" in still.locator("lm-playground").inner_text()
    for name in MODELS:
        characters, shares, cost = columns(still, name)
        assert (characters, cost) == (live[name][0], live[name][2])
        assert shares == pytest.approx(live[name][1], abs=0.11)
    context.close()


def columns(page, name):
    """The characters that one model offers, their percentages, and what the text costs it."""
    section = page.locator(f"section[data-model={name}]")
    cost = re.search(r"[\d.]+ bits a character", section.locator(".score").inner_text())[0]
    shares = [float(text.removesuffix(" %")) for text in section.locator(".bars small").all_inner_texts()]
    return section.locator(".bars b").all_inner_texts(), shares, cost


def test_the_same_seed_writes_the_same_and_another_one_something_else(page):
    first = write(page)
    press(page, "Clear")
    page.wait_for_selector("lm-playground[data-steps='0']")
    assert write(page) == first
    page.fill("lm-playground input[name=seed]", "2")
    page.press("lm-playground input[name=seed]", "Tab")
    until(page, f"{ELEMENT}.seed === 2 && {ELEMENT}.notes.now === ''")
    assert not set(page.evaluate(TEXTS)) & set(first)


def test_a_link_brings_back_text_settings_and_every_step(page):
    fill(page, "What <b>say</b> you & me?\n")
    slide(page, "temperature", 0.6)
    for _ in range(3):
        press(page, "One step")
    slide(page, "topK", 3)
    page.locator("section[data-model=gpt] .bars button").nth(5).click()
    texts = write(page, 104)
    press(page, "Link to this")
    assert "address" in status(page)
    page.reload()
    assert ready(page).evaluate(TEXTS) == texts
    assert page.locator("lm-playground input[name=topK]").input_value() == "3"


@pytest.mark.parametrize("k", [1, 5, 19])
def test_top_k_leaves_k_bars_and_runs_no_model_again(page, k):
    page.evaluate(f"window.before = {ELEMENT}.tracks.map(track => track.state); 0")
    shares = {name: columns(page, name)[1] for name in MODELS}
    slide(page, "topK", k)
    for name in MODELS:
        buttons = page.locator(f"section[data-model={name}] .bars button")
        left = page.locator(f"section[data-model={name}] .bars button:not(.excluded)").count()
        assert buttons.count() == 20
        ties = shares[name].count(shares[name][k - 1]) if name == "ngram" else 1  # as likely as the last: kept, too
        assert k <= left < k + ties
    assert page.evaluate(f"{ELEMENT}.tracks.every((track, i) => track.state === window.before[i])")


def test_the_entropy_falls_with_the_temperature(page):
    def left():
        return [float(text.split()[-2]) for text in page.locator(".entropy").all_inner_texts()]

    before = left()
    slide(page, "temperature", 0.5)
    assert all(cold < warm for cold, warm in zip(left(), before))


def test_attention_sums_to_one_in_every_head_and_is_said_in_words(page):
    rows = page.evaluate(
        f"{ELEMENT}.tracks.find(track => track.name === 'gpt').states.slice(1)"
        ".flatMap(state => state.attention.flat().map(row => [...row]))"
    )
    assert len(rows) == 16 * len(page.get_attribute("lm-playground", "prompt"))
    assert all(abs(sum(row) - 1) < 1e-5 for row in rows)
    panel = page.locator("details[data-panel=attention]")
    panel.locator("summary").click()
    panel.locator("select").nth(1).select_option("2")
    panel.locator("canvas").press("ArrowLeft")
    first = panel.locator("output").inner_text()
    panel.locator("canvas").press("ArrowLeft")
    assert "looks at" in first
    assert panel.locator("output").inner_text() != first


def test_the_window_ends_and_the_page_says_so(page):
    said = []
    for _ in range(33):
        press(page, "One step")
        said.append("forgets the older half" in page.locator(".comment").inner_text())
        assert page.evaluate(f"{ELEMENT}.tracks.at(-1).state.tokens.length") <= 64
    assert said.count(True) in (1, 2)


def test_a_forced_character_is_written_by_all_models(page):
    chosen = page.locator("section[data-model=rnn] .bars button").nth(7)
    character = chosen.evaluate("button => button.value")
    chosen.click()
    assert {text[-1] for text in page.evaluate(TEXTS)} == {character}
    assert page.locator(".comment").inner_text().count("you made it write") == len(MODELS)
    press(page, "Back")
    assert {text for text in page.evaluate(TEXTS)} == {page.get_attribute("lm-playground", "prompt")}


def test_the_memory_of_an_ngram_is_its_order_and_changes_with_the_place(page):
    panel = page.locator("details[data-panel=probe]")
    panel.locator("summary").click()
    said = panel.locator("p").inner_text()
    reach = {name: int(count) for name, count in re.findall(r"(\S+): the effect is above 1 % for (\d+)", said)}
    assert reach["5-gram"] <= 4 < reach["LSTM"]
    assert reach["GPT"] < 64
    panel.locator("input").first.fill("60")
    assert panel.locator("p").inner_text() != said
    panel.locator("input").first.fill("5000")
    assert "too short" in panel.inner_text()


def test_gates_and_times_are_shown(page):
    panel = page.locator("details[data-panel=units]")
    panel.locator("summary").click()
    panel.locator("select").first.select_option("lstm")
    panel.locator("select").nth(1).select_option("forget")
    panel.locator("canvas").press("ArrowUp")
    assert re.search(r"forget gate of unit \d+ after “.+” \(\d+\): [01]\.\d\d", panel.locator("output").inner_text())
    page.locator("details[data-panel=time] summary").click()
    assert page.locator("details[data-panel=time] p").inner_text().count("ms a character") == len(MODELS)


def test_another_stage_of_training_predicts_otherwise(page):
    def cost():
        return float(re.search(r"costs it ([\d.]+)", page.locator("section[data-model=gpt] .score").inner_text())[1])

    costs = [cost()]
    for stage in ("gpt-minute", "gpt-untrained"):
        page.locator("select[name=stage]").select_option(stage)
        until(page, f"{ELEMENT}.tracks.at(-1).entry.file.startsWith('{stage}.') && {ELEMENT}.notes.now === ''")
        costs.append(cost())
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": 404, "body": "gone"}, "HTTP 404"),
        ({"status": 200, "body": "<!doctype html>"}, "SHA-256"),
        (None, "SHA-256"),
    ],
)
def test_without_a_model_the_page_lives_on(browser, address, answer, reason):
    def damage(route):
        body = bytearray(route.fetch().body())
        body[-1] ^= 1
        route.fulfill(body=bytes(body))

    page = browser.new_page()
    page.route("**/lstm.safetensors", lambda route: route.fulfill(**answer) if answer else damage(route))
    page.goto(address + PAGE)
    ready(page)
    assert f"LSTM could not be loaded ({reason})" in status(page)
    assert "could not be loaded" in page.locator("section[data-model=lstm]").inner_text()
    texts = write(page)
    assert len(texts) == len(MODELS) - 1
    page.close()


def test_a_stage_that_does_not_load_leaves_the_one_before(page):
    page.route("**/gpt-untrained.*", lambda route: route.abort())
    page.locator("select[name=stage]").select_option("gpt-untrained")
    until(page, f"{ELEMENT}.notes.gpt?.startsWith('This stage of the GPT could not be loaded')")
    assert page.locator("select[name=stage]").input_value() == "gpt"
    assert len(write(page)) == len(MODELS)


def test_without_all_models_the_prepared_results_stay(browser, address):
    page = browser.new_page()
    page.route("**/models/*", lambda route: route.fulfill(status=404))
    page.goto(address + PAGE)
    page.wait_for_selector("lm-playground[data-state=failed]")
    assert "computed when this page was made" in status(page)
    assert page.locator(".bars li").count() == 20 * len(MODELS)
    page.close()


def test_numbers_that_are_not_finite_stop_one_model_only(page):
    page.evaluate(f"{ELEMENT}.tracks[1].state.logits.fill(NaN)")
    press(page, "One step")
    assert "RNN returned numbers that are not finite" in status(page)
    assert len(write(page, 101)) == len(MODELS) - 1
    press(page, "Clear")
    page.wait_for_selector("lm-playground[data-steps='0']")
    assert "not finite" not in status(page)
    assert len(write(page)) == len(MODELS)


def test_markup_in_text_and_address_stays_text(address, seen, evil):
    fill(seen.page, evil)
    assert harmless(seen.page)
    seen.page.goto("about:blank")
    seen.page.goto(f"{address}{PAGE}#text={evil}&steps={evil}&seed={evil}&now={evil}")
    assert harmless(ready(seen.page))
    assert seen.complaints == []


def harmless(page):
    return (
        page.evaluate("window.hacked === undefined")
        and page.locator("lm-playground :is(img, script)").count() == 0
        and "img" in page.locator("section[data-model=lstm] .text").inner_text()
    )


@pytest.mark.parametrize(
    "state", ["text=a&seed=-1&now=9,9,9&steps=99999999x1,1,1_!99999999", "text=&steps=!55296_3x,,", "seed=3", "text=%"]
)
def test_an_address_full_of_nonsense_is_read_as_far_as_it_makes_sense(visit, state):
    seen = visit(f"{PAGE}#{state}")
    page = ready(seen.page)
    assert page.evaluate(f"{ELEMENT}.steps.length") <= 1000
    assert page.locator("lm-playground input[name=temperature]").input_value() == "1"
    assert seen.complaints == []


def test_characters_that_no_model_knows_are_left_out_and_named(page):
    fill(page, "h€llo 😀 wörld")
    assert "left out: € 😀 ö" in status(page)
    assert set(page.evaluate(TEXTS)) == {"hllo  wrld"}


def test_an_empty_text_is_a_beginning_too(page):
    fill(page, "")
    panel = page.locator("details[data-panel=attention]")
    panel.locator("summary").click()
    panel.locator("output", has_text="too short").wait_for()  # a panel opens before it is filled
    assert [len(text) for text in write(page)] == [100] * len(MODELS)
    assert panel.locator("canvas").count() == 1
    panel.locator("canvas").press("ArrowLeft")
    assert "looks at" in panel.locator("output").inner_text()


def test_of_a_very_long_text_the_end_is_read(page):
    page.set_default_timeout(90_000)
    fill(page, "To be, or not to be. " * 5000)
    assert "Only the last 1,000 characters were read." in status(page)
    assert {len(text) for text in page.evaluate(TEXTS)} == {1000}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [PAGE, "book/tang.html"])
def test_axe_finds_nothing_with_all_panels_open(visit, name, scheme):
    page = ready(visit(name).page)
    page.emulate_media(color_scheme=scheme)
    for summary in page.locator("lm-playground summary").all():
        summary.click()
    page.locator("lm-playground .buttons button").first.click()
    page.locator("lm-playground input[name=topK]").fill("5")
    found = Axe().run(page, context="lm-playground").response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found] == []


@pytest.mark.parametrize("name", [PAGE, "book/tang.html"])
def test_it_fits_a_narrow_phone_with_all_panels_open(visit, name):
    page = ready(visit(name, {"width": 360, "height": 740}).page)
    for summary in page.locator("lm-playground summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    heights = "all => Math.min(...all.map(one => one.offsetHeight))"
    assert page.eval_on_selector_all("lm-playground :is(button, select, input)", heights) >= 24


def test_everything_can_be_done_with_the_keyboard(page):
    names = page.evaluate(
        f"[...{ELEMENT}.querySelectorAll('button, input, select, textarea, summary, canvas')]"
        ".filter(one => one.tabIndex < 0 || one.disabled).length"
    )
    assert names == 0
    page.locator("section[data-model=ngram] .bars button").nth(2).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate(f"{ELEMENT}.steps.length") == 2
    assert page.evaluate("document.activeElement.closest('.bars') !== null")


def test_the_chinese_page_has_chinese_labels_and_writes_verses(visit):
    page = ready(visit("book/tang.html").page)
    labels = page.locator("lm-playground .buttons").inner_text()
    assert not re.search("[A-Za-z]", labels)
    press(page, "写 100 字")
    page.wait_for_selector("lm-playground[data-steps='100']")
    (text,) = page.evaluate(TEXTS)
    assert "\ufffd" not in text
    assert sum("\u4e00" <= character <= "\u9fff" for character in text) > 60


def test_all_scripts_are_small_and_so_are_the_models(pages):
    import gzip

    folder = pages / "_static" / "playground"
    assert sum(len(gzip.compress(path.read_bytes())) for path in folder.glob("*.mjs")) < 40_000
    manifest = json.loads((folder / "models" / "manifest.json").read_text("utf-8"))
    assert sum(manifest[name]["bytes"] for name in MODELS) < 3_000_000
    for entry in manifest.values():
        assert (folder / "models" / entry["file"]).stat().st_size == entry["bytes"] < 1_000_000


EMBEDDED = {"02_rnn_math": ["rnn", "lstm"], "03_transformer_math": ["gpt"], "09_faq": ["lstm"]}


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_chapter_embeds_a_small_one(visit, name):
    seen = visit(f"notebooks/{name}.html")
    page = ready(seen.page)
    assert page.evaluate(f"{ELEMENT}.tracks.map(track => track.name)") == EMBEDDED[name]
    for summary in page.locator("lm-playground summary").all():
        summary.click()
        page.locator("lm-playground details[open] :is(output, svg)").first.wait_for(state="attached")
    assert seen.complaints == []
