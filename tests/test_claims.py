"""Claims: what their form must be, what records say to them, and whether the book says the same."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
import yaml
from conftest import ROOT
from mini import CLAIM, TOC, record, write_book, write_chapter

from lmtutorial import claimpage, claims, cli, site, statements, verdicts
from lmtutorial.errors import InputError
from lmtutorial.experiments import identity


def runs(model, *values, metric="nats", **more):
    return [record(seed, {metric: value}, model=model, **more) for seed, value in enumerate(values)]


def judge(records, **changes):
    claim = claims._claim(CLAIM | changes)
    return verdicts.judge(claim, lambda name: [r for r in records if r["experiment"] == name])


LSTM, RNN = runs("lstm", 1.0, 1.1, 1.2), runs("rnn", 1.5, 1.6, 1.7)


# What the records say


def test_a_paired_difference_is_as_sure_as_the_differences_are():
    verdict = judge(LSTM + RNN)
    assert verdict.word == "supported"
    assert (verdict.effect, verdict.low, verdict.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (verdict.unit, verdict.seeds) == ("nat/char", 3)


def test_sides_that_share_no_seeds_are_not_paired():
    other = [r | {"seed": r["seed"] + 10} for r in RNN]
    verdict = judge(LSTM + other)
    half = 2.776 * (0.1**2 / 3 + 0.1**2 / 3) ** 0.5  # Student's t with 4 degrees of freedom
    assert (verdict.effect, verdict.low, verdict.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_only_shared_seeds_count_where_there_are_enough_of_them():
    verdict = judge(runs("lstm", 1.0, 1.1, 1.2, 9.0) + RNN)
    assert verdict.effect == pytest.approx(0.5)
    assert len(verdict.records) == 6


def test_the_other_way_round_the_claim_is_refuted():
    verdict = judge(LSTM + RNN, claimed={"where": {"model": "rnn"}}, other={"where": {"model": "lstm"}})
    assert (verdict.word, verdict.effect) == ("refuted", pytest.approx(-0.5))


def test_higher_is_better_turns_the_effect():
    assert judge(LSTM + RNN, better="higher").effect == pytest.approx(-0.5)


@pytest.mark.parametrize(("margin", "word"), [(0.44, "supported"), (0.5, "inconclusive"), (0.56, "refuted")])
def test_the_margin_decides(margin, word):
    verdict = judge(LSTM + runs("rnn", 1.48, 1.6, 1.72), margin=margin)
    assert (verdict.word, verdict.high) == (word, pytest.approx(0.5 + 4.303 * 0.02 / 3**0.5))


def test_a_ratio_is_one_of_geometric_means():
    verdict = judge(runs("lstm", 1.0, 2.0, 4.0) + runs("rnn", 4.0, 4.0, 4.0), compare="ratio", margin=1)
    assert (verdict.effect, verdict.unit) == (pytest.approx(2), "×")
    assert verdict.high == pytest.approx(2 * 2 ** (4.303 / 3**0.5))
    assert verdict.low == pytest.approx(2 / 2 ** (4.303 / 3**0.5))
    assert judge(LSTM + RNN, compare="ratio", margin=1, better="higher").effect == pytest.approx(
        (1.0 * 1.1 * 1.2 / (1.5 * 1.6 * 1.7)) ** (1 / 3)
    )


def test_a_constant_is_one_value_for_all_seeds():
    verdict = judge(LSTM, other={"value": 2})
    assert (verdict.effect, verdict.seeds, len(verdict.records)) == (pytest.approx(0.9), 3, 3)
    assert verdict.high - 0.9 == pytest.approx(4.303 * 0.1 / 3**0.5)


def test_a_side_that_needs_one_seed_is_repeated():
    counted = {"where": {"model": "rnn"}, "seeds": 1}
    verdict = judge(LSTM + RNN[:1], other=counted)
    constant = judge(LSTM, other={"value": 1.5})
    assert (verdict.effect, verdict.low, verdict.high) == (constant.effect, constant.low, constant.high)
    assert verdict.seeds == 3


def test_two_sides_with_one_seed_each_are_compared_as_they_are():
    verdict = judge(LSTM[:1] + RNN[:1], seeds=1)
    assert verdict.low == verdict.high == pytest.approx(0.5)
    assert (verdict.seeds, verdict.amounts) == (1, "+0.500")


def test_sides_may_be_two_metrics_of_the_same_records():
    both = [record(seed, {"a": 1.0 + seed, "b": 2.0 + seed}, model="all") for seed in range(3)]
    verdict = judge(both, claimed={"metric": "a"}, other={"metric": "b"})
    assert (verdict.low, len(verdict.records)) == (pytest.approx(1.0), 3)


def test_a_side_may_come_from_another_experiment():
    other = runs("rnn", 2.0, 2.1, 2.2, experiment="y")
    verdict = judge(LSTM + RNN + other, other={"experiment": "y", "where": {"model": "rnn"}})
    assert verdict.effect == pytest.approx(1.0)
    assert verdict.records[-1].startswith("y/")


def test_records_of_another_profile_do_not_count():
    smoke = [r | {"parameters": r["parameters"] | {"profile": "smoke"}} for r in runs("lstm", 9, 9, 9)]
    assert judge(LSTM + RNN + smoke).effect == pytest.approx(0.5)
    where = {"where": {"model": "lstm", "profile": "smoke"}}
    assert judge(LSTM + RNN + smoke, claimed=where).effect == pytest.approx(1.6 - 9)


def test_records_without_the_metric_are_no_runs_of_the_side():
    assert judge(LSTM + RNN + runs("lstm", 9, 9, 9, metric="bits", size=7)).effect == pytest.approx(0.5)


def test_records_are_named_by_their_runs():
    names = [f"x/{identity('x', 1, r['parameters'], r['seed'])}" for r in LSTM + RNN]
    assert judge(LSTM + RNN).records == names


def test_equal_records_give_equal_intervals():
    values = runs("lstm", 1.0, 1.3, 1.4) + runs("rnn", 1.1, 1.9, 1.2)
    assert judge(values) == judge(values)


def test_the_command_repeats_the_runs_of_a_side():
    side = claims._claim(CLAIM | {"claimed": {"where": {"without": "RMS norm", "profile": "gpu"}}}).claimed
    assert side.command == "lmtutorial sweep x --profile gpu --only 'without=RMS norm' --rerun"


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bettr": "lower"}, "the claim has the unknown bettr"),
        ({"better": "less"}, "better is 'less'; it must be lower or higher"),
        ({"compare": "odds"}, "compare is 'odds'; it must be difference or ratio"),
        ({"compare": "ratio"}, "the margin of a ratio is a finite number from 1; it is 0.01"),
        ({"margin": -1}, "the margin of a difference is a finite number from 0; it is -1"),
        ({"margin": True}, "the margin of a difference is a finite number from 0; it is True"),
        ({"margin": float("nan")}, "the margin of a difference is a finite number from 0; it is nan"),
        ({"margin": float("inf")}, "the margin of a difference is a finite number from 0; it is inf"),
        ({"experiment": ["x"]}, r"the experiment of the side claimed is \['x'\]; it must be a name"),
        ({"experiment": 5}, "the experiment of the side claimed is 5; it must be a name"),
        ({"other": {"metric": ["nats"]}}, r"the metric of the side other is \['nats'\]; it must be a name"),
        ({"seeds": 0}, "the number of seeds is 0; it must be 1 or more"),
        ({"id": "LSTM beats RNN"}, "an id consists of small letters, digits and single hyphens"),
        ({"statement": {"en": "An LSTM is better."}}, "the statement lacks zh"),
        ({"statement": {"en": "An LSTM.", "zh": 3}}, "statement and origin must be text"),
        ({"statement": "An LSTM is better."}, "the statement must consist of fields"),
        ({"claimed": {"model": "lstm"}}, "the side claimed has the unknown model"),
        ({"claimed": {"where": "lstm"}}, "`where` of the side claimed must give values of parameters"),
        ({"other": {"value": "high"}}, "the value of the side other is 'high'; it must be a finite number"),
        ({"other": {"value": float("nan")}}, "the value of the side other is nan; it must be a finite number"),
        ({"other": {"value": 10**400}}, "the value of the side other is 1000.*; it must be a finite number"),
        ({"other": {"value": 1, "where": {}}}, "the side other has the unknown where"),
        ({"claimed": {"value": 1}, "other": {"value": 2}}, "both sides are constants"),
        ({"other": CLAIM["claimed"]}, "both sides are the same"),
    ],
)
def test_a_claim_of_another_form_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        claims._claim(CLAIM | changes)


@pytest.mark.parametrize(
    ("field", "message"), [("margin", "the claim lacks margin"), ("metric", "the side claimed lacks metric")]
)
def test_a_missing_field_is_named(field, message):
    with pytest.raises(InputError, match=message):
        claims._claim({name: value for name, value in CLAIM.items() if name != field})


@pytest.mark.parametrize(
    ("records", "changes", "message"),
    [
        ([], {}, "there are no records of x; run `lmtutorial sweep x`"),
        (LSTM, {}, "there is no record of x with profile=laptop, model=rnn; run `lmtutorial sweep x --only model=rnn`"),
        (LSTM + RNN, {"metric": "bits"}, "no record of x with profile=laptop, model=lstm has bits; they have nats"),
        (LSTM[:2] + RNN, {}, "3 seeds are asked for, but records of x with profile=laptop, model=lstm have 2"),
        (LSTM + runs("rnn", 0.0, 1.0, 1.0), {"compare": "ratio", "margin": 1}, "a ratio needs values above 0"),
        (LSTM + runs("rnn", 1, 2, 3, unit="s"), {}, "its sides are measured in different units, nat/char and s"),
        (
            LSTM + RNN[:2] + [RNN[2] | {"units": {"nats": "s"}}],
            {},
            "records of x with profile=laptop, model=rnn give nats in different units, nat/char and s",
        ),
        (
            LSTM + RNN + runs("lstm", 1, 2, 3, size=7),
            {},
            "two records of x with profile=laptop, model=lstm have seed 0; `where` must say which size",
        ),
    ],
)
def test_records_that_do_not_suffice_are_refused(records, changes, message):
    with pytest.raises(InputError) as error:
        judge(records, **changes)
    assert message in str(error.value)


# A repository


def write_records(root, records):
    for run in records:
        name = identity(run["experiment"], run["version"], run["parameters"], run["seed"])
        path = root / "notebooks" / "experiments" / "results" / run["experiment"] / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run))


def write_claims(root, *entries):
    (root / "book" / "claims.yml").write_text(yaml.safe_dump(list(entries), allow_unicode=True))


NOTEBOOK_SAYS = "# One\n\nIt holds ([supported](../book/claims.md#claim-lstm-beats-rnn))."
PAGE_SAYS = "# Front\n\nIt holds ([supported](claims.md#claim-lstm-beats-rnn)), "


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository in which a chapter and a page state the one claim, rightly; it is the current folder."""
    (tmp_path / "book").mkdir()
    write_claims(tmp_path, CLAIM)
    write_records(tmp_path, LSTM + RNN)
    (tmp_path / "book" / "index.md").write_text(PAGE_SAYS)
    cells = [nbformat.v4.new_markdown_cell(NOTEBOOK_SAYS), nbformat.v4.new_code_cell(f"'''{NOTEBOOK_SAYS}'''")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "one.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *options):
    """Return exit code, output and errors of `lmtutorial claims`."""
    code = cli.main(["claims", *options])
    return code, *capsys.readouterr()


def test_a_book_that_says_what_the_records_say_passes(root, capsys):
    code, out, err = run(capsys, "--check")
    assert (code, err) == (0, "")
    assert " ".join(out.split()[8:]) == "lstm-beats-rnn supported +0.500 [+0.500, +0.500] nat/char 3"


def test_json_has_one_object_a_line(root, capsys):
    write_claims(root, CLAIM, CLAIM | {"id": "again", "better": "higher"})
    code, out, _ = run(capsys, "--check", "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert first["effect"] == pytest.approx(0.5)
    assert (first["id"], first["verdict"], first["seeds"], len(first["records"])) == (
        "lstm-beats-rnn",
        "supported",
        3,
        6,
    )
    assert first["low"] <= first["effect"] <= first["high"]
    assert (second["id"], second["verdict"]) == ("again", "refuted")


def test_a_record_tampered_with_fails_and_names_claim_and_pages(root, capsys):
    path = next(p for p in root.glob("notebooks/experiments/results/x/*.json") if '"lstm"' in p.read_text())
    changed = json.loads(path.read_text())
    changed["metrics"]["nats"] += 5
    path.write_text(json.dumps(changed))
    code, _, err = run(capsys, "--check")
    assert code == 1
    assert err.splitlines() == [
        f"lmtutorial: {page} says that claim lstm-beats-rnn is supported; the records say inconclusive"
        for page in ("book/index.md", "notebooks/one.ipynb")
    ]
    assert run(capsys)[0] == 0  # without --check the pages are nobody's business


def test_all_problems_are_reported_at_once(root, capsys):
    write_claims(root, CLAIM | {"id": "few", "seeds": 4}, CLAIM | {"id": "none", "experiment": "y"}, CLAIM, CLAIM)
    more = "[right](claims.md#claim-lstm-beats-rnn), [refuted](claims.md#claim-gone), [refuted](claims.md#claim-few)"
    (root / "book" / "index.md").write_text(PAGE_SAYS + more)
    code, out, err = run(capsys, "--check")
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.splitlines() == [
        "lmtutorial: claim lstm-beats-rnn: another claim has this id",
        "lmtutorial: claim few: 4 seeds are asked for, but records of x with profile=laptop, model=lstm have 3",
        "lmtutorial: claim none: there are no records of y; run `lmtutorial sweep y`",
        "lmtutorial: book/index.md says that claim lstm-beats-rnn is right; the records say supported",
        "lmtutorial: book/index.md states the claim gone, which book/claims.yml lacks",
        "lmtutorial: book/index.md says that claim few is refuted; there is no verdict on it",
    ]
    assert run(capsys)[0] == 2


def test_a_malformed_claim_is_not_said_to_be_missing(root, capsys):
    write_claims(root, CLAIM | {"metric": ["nats"]})
    code, _, err = run(capsys, "--check")
    assert code == 1
    assert "the metric of the side claimed is ['nats']" in err
    assert "lacks" not in err


def test_records_made_before_the_version_was_raised_do_not_count(root, capsys):
    write_records(root, [r | {"version": 0, "metrics": {"nats": 9.0}} for r in LSTM])
    assert run(capsys, "--check")[0] == 0


def test_long_ids_that_begin_and_end_alike_are_two(root):
    ids = [f"a-model-that-is-{which}-beats-another-at-equal-cost" for which in ("large", "small")]
    write_claims(root, *(CLAIM | {"id": name} for name in ids))
    found, problems = claims.read(root / "book" / "claims.yml")
    assert ([claim.id for claim in found], problems) == (ids, [])


def test_a_broken_record_stops_the_claims_that_need_it_and_no_other(root, capsys):
    write_records(root, runs("lstm", 1, 1, 1, experiment="y") + runs("rnn", 2, 2, 2, experiment="y"))
    next(root.glob("notebooks/experiments/results/y/*.json")).write_text("{")
    write_claims(root, CLAIM, CLAIM | {"id": "broken", "experiment": "y"})
    code, out, err = run(capsys, "--check")
    assert (code, len(out.splitlines()), len(err.splitlines())) == (1, 2, 1)
    assert "claim broken: " in err
    assert "is no JSON" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("- id: [", "claims.yml is no YAML: "), ("id: x", "claims.yml must hold a list of claims")],
)
def test_a_file_of_another_form_is_refused(root, capsys, text, message):
    (root / "book" / "claims.yml").write_text(text)
    code, _, err = run(capsys, "--check")
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err


@pytest.mark.parametrize("entry", ["a sentence", {"id": ["a", "b"]}, {}, None])
def test_an_entry_that_is_no_claim_is_named(root, capsys, entry):
    write_claims(root, CLAIM, entry)
    code, _, err = run(capsys, "--check")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "claim number 2: " in err or "claim ['a', 'b']: " in err


def test_outside_the_repository_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "--check") == (
        2,
        "",
        "lmtutorial: there is no book/claims.yml; change to the repository first\n",
    )


# The page


def test_sentences_are_found_in_prose_and_counted(root):
    texts = ["[refuted](../book/claims.md#claim-a), [b](../book/claims.md), [c](#claim-a)", "[x](claims.md#claim-a)"]
    found = [(sentence.said, sentence.anchor) for sentence in statements.sentences("one", texts)]
    assert found == [("refuted", "states-a-1"), ("x", "states-a-2")]
    assert list(statements.anchored(texts)) == [
        "[[refuted](#claim-a)]{#states-a-1 .verdict .refuted}, [b](../book/claims.md), [c](#claim-a)",
        "[[x](#claim-a)]{#states-a-2 .verdict .x}",
    ]


def test_the_page_shows_verdict_effect_runs_commands_and_who_states_it(root):
    files = dict(claimpage.staged(root, statements.pages(root), "https://example/blob/main"))
    text = files["book/_generated/claims.md"].decode()
    assert "Of 1 claims, 1 are supported, 0 are refuted, 0 are inconclusive." in text
    assert "| [An LSTM is better.](#claim-lstm-beats-rnn) | [supported]{.verdict .supported} |" in text
    assert "(claim-lstm-beats-rnn)=\n### An LSTM is better.\n" in text
    assert "Effect **+0.500 [+0.500, +0.500]** nat/char, 3 seeds." in text
    assert "*model = lstm* against *model = rnn* (nats, x, profile = laptop)." in text
    assert "lmtutorial sweep x --only model=lstm --rerun\nlmtutorial sweep x --only model=rnn --rerun\n" in text
    assert "![model = lstm: mean 1.10 nat/char, from 1.00 to 1.20; model = rnn: mean 1.60" in text
    assert '"../book/index.html#states-lstm-beats-rnn-1">Front</a>' in text
    assert '"../notebooks/one.html#states-lstm-beats-rnn-1">One</a>' in text
    name = judge(LSTM + RNN).records[0]
    address = f"https://example/blob/main/notebooks/experiments/results/{name}.json"
    assert f'- model = lstm: [seed 0]({address} "{name}"), [seed 1](' in text
    assert "\n- model = rnn: [seed 0](" in text


def test_a_chapter_that_is_not_published_is_not_linked_to(root):
    published = {page: texts for page, texts in statements.pages(root).items() if page.startswith("book/")}
    files = dict(claimpage.staged(root, published, ""))
    assert "one.html" not in files["book/_generated/claims.md"].decode()


def test_a_share_has_no_unit():
    shares = [record | {"units": {"nats": "1"}} for record in LSTM + RNN]
    text = claimpage.page([judge(shares)], {}, "")
    assert "Effect **+0.500 [+0.500, +0.500]**, 3 seeds." in text
    assert "more than 0.01 counts." in text


def test_a_claim_about_a_constant_says_so(root):
    text = claimpage.page([judge(LSTM, other={"value": 2})], {}, "")
    assert "*model = lstm* against *value = 2* (nats, x, profile = laptop)." in text
    assert text.count("lmtutorial sweep") == 1


@pytest.mark.parametrize(
    ("margin", "better", "remark"),
    [(1, "lower", "it is below the margin"), (1, "higher", "other side is better"), (0.1, "lower", "3 seeds.\n")],
)
def test_a_refuted_claim_says_whether_its_opposite_holds(margin, better, remark):
    assert remark in claimpage.page([judge(LSTM + RNN, margin=margin, better=better)], {}, "")


def test_the_plot_has_a_dot_for_each_seed_and_is_always_the_same():
    verdict = judge(LSTM + RNN)
    drawing = claimpage.plot(verdict)
    assert drawing == claimpage.plot(judge(LSTM + RNN))
    tree = ElementTree.fromstring(drawing)
    circles = [float(circle.get("cx")) for circle in tree.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == 6
    assert circles == sorted(circles)
    assert 20 <= circles[0] < circles[-1] <= 420
    assert "nats (nat/char)" in drawing


@pytest.mark.parametrize("values", [(1.0, 1.0), (0.0, 0.0), (-3.0, 4.0), (1e-5, 2e-5), (12.0, 5800.0)])
def test_an_axis_holds_its_values_between_a_few_round_numbers(values):
    ticks = claimpage._ticks(list(values))
    assert ticks[0] <= min(values) <= max(values) <= ticks[-1]
    assert 2 <= len(ticks) <= 7
    assert all(len(claimpage._plain(tick)) <= 8 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (9.4e-6, "0.0000"), (-1.5, "−1.50"), (123.4, "123"), (15611.2, "15,611")],
)
def test_figures_have_three_digits_few_decimals_and_no_exponent(value, text):
    assert verdicts.figure(value) == text


def test_the_book_is_not_built_from_claims_that_are_not_in_order(root):
    write_claims(root, CLAIM | {"better": "higher"})
    with pytest.raises(InputError, match=r"one\.ipynb says that claim lstm-beats-rnn is supported"):
        dict(claimpage.staged(root, statements.pages(root), ""))


def test_the_claims_of_the_book_are_of_the_form():
    found, problems = claims.read(ROOT / "book" / "claims.yml")
    assert problems == []
    assert len(found) >= 25


@pytest.mark.slow
def test_links_between_claims_and_sentences_hold_in_the_built_site(tmp_path):
    write_book(tmp_path)
    (tmp_path / "book" / "_toc.yml").write_text(TOC + "      - file: book/claims\n")
    shutil.copy(ROOT / "book" / "claims.md", tmp_path / "book")
    write_claims(tmp_path, CLAIM)
    write_records(tmp_path, LSTM + RNN)
    (tmp_path / "book" / "index.md").write_text(PAGE_SAYS)
    write_chapter(tmp_path, "one", "1", prose=NOTEBOOK_SAYS.partition("\n\n")[2])
    assert site.build(tmp_path) == 0
    built = tmp_path / "_build" / "site"
    page = (built / "book" / "claims.html").read_text("utf-8")
    assert 'id="claim-lstm-beats-rnn"' in page
    assert '"../_images/claim-lstm-beats-rnn.svg"' in page
    for name, link in (("book/index.html", "claims.html"), ("notebooks/one.html", "../book/claims.html")):
        stating = (built / name).read_text("utf-8")
        assert 'class="verdict supported" id="states-lstm-beats-rnn-1"' in stating
        assert f'href="{link}#claim-lstm-beats-rnn"' in stating
        assert f'href="../{name}#states-lstm-beats-rnn-1"' in page
