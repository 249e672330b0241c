"""The Chinese edition: hashes of the English, the same code, and Chinese text that follows the rules."""

import nbformat
import pytest
import yaml
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lmtutorial import cli, i18n, statements, typography

TERMS = typography.Terms(
    {"token": "词元", "perplexity": "困惑度", "hidden state": "隐藏状态", "logits": "logits", "prompt": "提示"},
    {"令牌": "词元", "提示词": "提示"},
    {},
)
FIGURE = {"mystnb": {"image": {"alt": "Bars: one for each of six letters."}}, "tags": ["hide-input"]}
PROMPTS = {"mystnb": {"code_prompt_show": "Solution", "code_prompt_hide": "Hide the solution"}, "tags": ["solution"]}
CHINESE = {
    "title": "# 计数\n\n先数一数。",
    "rule": "**规则。** 数一数词元，见 [说明](../../book/notation.md)。",
    "alt:draw": "条形图：六个字母各一条。",
}
PAGE = "# Notation\n\nThe same letters.\n\n## In code\n\n```bash\n# no heading\n```\n\nAs in formulas.\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book of one chapter, translated, and one page, not translated; it is the current folder."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book" / "zh").mkdir(parents=True)
    toc = {"root": "book/index", "parts": [{"chapters": [{"file": "notebooks/one"}, {"file": "book/notation"}]}]}
    (tmp_path / "book" / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "book" / "index.md").write_text("# A tiny book\n")
    (tmp_path / "book" / "notation.md").write_text(PAGE)
    (tmp_path / "README.md").write_text("# A tiny book\n")
    terms = {"terms": {"token": {"zh": "词元", "not": ["令牌"]}}, "prompts": {"Solution": "答案"}}
    terms["prompts"]["Hide the solution"] = "隐藏答案"
    (tmp_path / "book" / "zh" / "terms.yml").write_text(yaml.safe_dump(terms))
    cells = [
        new_markdown_cell("# Counting\n\nLet us count.", id="title"),
        new_code_cell("seed = 0", id="parameters", metadata={"tags": ["parameters"]}),
        new_markdown_cell("**The rule.** Count tokens, see [Notation](../book/notation.md).", id="rule"),
        new_code_cell("draw()", id="draw", metadata=FIGURE),
        new_code_cell("answer = 1", id="solve", metadata=PROMPTS),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), tmp_path / "notebooks" / "one.ipynb")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["i18n", "sync", "notebooks/one.ipynb"]) == 0
    translate(tmp_path, **CHINESE)
    assert cli.main(["i18n", "accept", "notebooks/zh/one.ipynb", "--all"]) == 0
    return tmp_path


def edit(root, change, file="notebooks/one.ipynb"):
    """Apply `change` to the cells of a notebook by id."""
    notebook = nbformat.read(root / file, 4)
    change({cell.id: cell for cell in notebook.cells})
    nbformat.write(notebook, root / file)


def write_cells(root, cells):
    file = root / "notebooks" / "one.ipynb"
    notebook = nbformat.read(file, 4)
    notebook.cells = cells
    nbformat.write(notebook, file)


def translate(root, **texts):
    def change(cells):
        for name, text in texts.items():
            if name.startswith("alt:"):
                cells[name[4:]].metadata.mystnb.image.alt = text
            else:
                cells[name].source = text

    edit(root, change, "notebooks/zh/one.ipynb")


def run(capsys, *arguments):
    capsys.readouterr()
    status = cli.main(["i18n", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


def problems(capsys):
    """What `check` reports, without its line on files that have no Chinese yet."""
    status, out, _ = run(capsys, "check")
    found = [line for line in out if not line.startswith("no Chinese yet: ")]
    assert status == (1 if found else 0)
    return found


# Cells


def test_a_translated_chapter_is_in_order_and_the_rest_is_only_named(root, capsys):
    assert problems(capsys) == []
    _, out, _ = run(capsys, "check")
    assert out == ["no Chinese yet: README.zh.md, book/zh/index.md, book/zh/notation.md"]
    assert [line.split() for line in run(capsys, "status", "notebooks/one.ipynb")[1]] == [
        ["translated", "stale", "missing"],
        ["notebooks/zh/one.ipynb", "3", "0", "0"],
    ]


def test_an_edited_paragraph_is_reported_until_its_translation_is_accepted(root, capsys):
    edit(
        root, lambda cells: cells["rule"].update(source="**The rule.** Count all tokens, see [N](../book/notation.md).")
    )
    (found,) = problems(capsys)
    assert found.startswith("notebooks/zh/one.ipynb rule is stale")
    assert "`lmtutorial i18n accept notebooks/zh/one.ipynb rule`" in found
    assert run(capsys, "status", "notebooks/zh/one.ipynb")[1][1].split() == ["notebooks/zh/one.ipynb", "2", "1", "0"]
    assert run(capsys, "sync")[0] == 0  # keeps the translation, and that it is stale
    assert len(problems(capsys)) == 1
    assert run(capsys, "accept", "notebooks/one.ipynb", "rule") == (0, ["notebooks/zh/one.ipynb rule: accepted"], [])
    assert problems(capsys) == []


def test_an_edited_caption_is_reported(root, capsys):
    edit(root, lambda cells: cells["draw"].metadata.mystnb.image.update(alt="Bars: one for each letter."))
    (found,) = problems(capsys)
    assert found.startswith("notebooks/zh/one.ipynb alt:draw is stale")
    run(capsys, "accept", "notebooks/zh/one.ipynb", "alt:draw")
    assert problems(capsys) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda cells: cells["draw"].update(source="draw(2)"), "draw differs from the English file in its code"),
        (lambda cells: cells["draw"].metadata.update(tags=[]), "draw differs from the English file in its metadata"),
        (
            lambda cells: cells["rule"].metadata.update(tags=["margin"]),
            "rule differs from the English file in its meta",
        ),
    ],
)
def test_an_edited_cell_of_code_is_reported_until_it_is_synced(root, capsys, change, what):
    edit(root, change)
    (found,) = problems(capsys)
    assert what in found
    assert found.endswith("`lmtutorial i18n sync notebooks/zh/one.ipynb`")
    run(capsys, "sync")
    assert problems(capsys) == []


def test_outputs_in_a_chinese_chapter_are_reported(root, capsys):
    output = nbformat.v4.new_output("stream", text="1\n")
    edit(root, lambda cells: cells["draw"].outputs.append(output), "notebooks/zh/one.ipynb")
    assert "has outputs" in problems(capsys)[0]


def test_other_cells_or_another_order_are_reported_and_synced(root, capsys):
    title, parameters, rule, draw, solve = nbformat.read(root / "notebooks" / "one.ipynb", 4).cells
    new = [new_markdown_cell("Some more.", id="more"), new_code_cell("more()", id="more-code")]
    write_cells(root, [title, parameters, draw, *new, solve])
    assert [line.partition("; ")[0] for line in problems(capsys)] == [
        "notebooks/zh/one.ipynb more is missing",
        "notebooks/zh/one.ipynb rule is not in the English file",
        "notebooks/zh/one.ipynb more-code is missing",
    ]
    write_cells(root, [title, parameters, draw, rule, solve])
    assert "has another order" in problems(capsys)[0]
    run(capsys, "sync")
    assert problems(capsys) == []
    write_cells(root, [title, parameters, draw, *new, solve])
    _, out, _ = run(capsys, "sync")
    assert out == [f"notebooks/zh/one.ipynb: dropped, for the English has it no more: rule: {CHINESE['rule']}"]
    (found,) = problems(capsys)
    assert found.startswith("notebooks/zh/one.ipynb more is not translated")


def test_sync_changes_nothing_the_second_time_and_translates_prompts(root, capsys):
    file = root / "notebooks" / "zh" / "one.ipynb"
    before = file.read_bytes()
    run(capsys, "sync")
    assert file.read_bytes() == before
    cells = {cell.id: cell for cell in nbformat.read(file, 4).cells}
    assert cells["solve"].metadata.mystnb == {"code_prompt_show": "答案", "code_prompt_hide": "隐藏答案"}
    assert cells["draw"].metadata.tags == ["hide-input"]
    nbformat.validate(nbformat.read(file, 4))


def test_what_is_not_translated_follows_the_english_and_is_not_accepted_with_all(root, capsys):
    edit(root, lambda cells: cells["title"].update(source="# Counting\n\nCount."))
    edit(root, lambda cells: cells["title"].metadata.pop("i18n"), "notebooks/zh/one.ipynb")
    translate(root, title="# Counting\n\nLet us count.")
    run(capsys, "sync")
    run(capsys, "accept", "notebooks/one.ipynb", "--all")
    assert [line.partition(";")[0] for line in problems(capsys)] == ["notebooks/zh/one.ipynb title is not translated"]
    run(capsys, "accept", "notebooks/one.ipynb", "title")  # somebody insists
    assert problems(capsys) == ["notebooks/zh/one.ipynb title: is in English; translate it"]
    translate(root, title="# 计数\n\n数一数。")
    assert problems(capsys) == []


def test_a_translation_that_was_not_accepted_is_reported_and_kept(root, capsys):
    edit(root, lambda cells: cells["title"].metadata.pop("i18n"), "notebooks/zh/one.ipynb")
    run(capsys, "sync")
    (found,) = problems(capsys)
    assert found.startswith("notebooks/zh/one.ipynb title is not accepted")


# Pages


def translated_page(root, capsys):
    file = root / "book" / "zh" / "notation.md"
    run(capsys, "sync", "book/notation.md")
    assert file.read_text().count("<!-- i18n: ") == 2
    text = file.read_text().replace("# Notation", "# 记号").replace("The same letters.", "字母相同。")
    file.write_text(text.replace("## In code", "## 在代码里").replace("As in formulas.", "与公式一样。"))
    assert [line.split()[1] for line in problems(capsys)] == ["notation", "in-code"]
    run(capsys, "accept", "book/zh/notation.md", "--all")
    assert problems(capsys) == []
    return file


def test_a_page_is_translated_by_section(root, capsys):
    file, english = translated_page(root, capsys), root / "book" / "notation.md"
    english.write_text(PAGE.replace("As in formulas.", "As in the formulas."))
    assert [line.partition(",")[0] for line in problems(capsys)] == ["book/zh/notation.md in-code is stale"]
    english.write_text(PAGE.replace("## In code", "## First\n\nNew words.\n\n## In code"))
    assert [line.partition(";")[0] for line in problems(capsys)] == ["book/zh/notation.md first is missing"]
    run(capsys, "sync")
    assert "no heading\n```\n\n与公式一样。\n" in file.read_text()
    assert [line.partition(";")[0] for line in problems(capsys)] == ["book/zh/notation.md first is not translated"]
    english.write_text(PAGE.partition("## ")[0])
    _, out, _ = run(capsys, "sync")
    assert "dropped, for the English has it no more: in-code: ## 在代码里" in out[0]
    assert problems(capsys) == []


def test_a_page_has_the_links_and_includes_of_the_english_one_in_whose_place_it_is_built(root, capsys):
    english, chinese = root / "book" / "index.md", root / "book" / "zh" / "index.md"
    english.write_text("# A book\n\nSee [one](../notebooks/one.ipynb).\n\n```{include} _generated/a.md\n```\n")
    run(capsys, "sync", "book/index.md")
    right = "<!-- i18n: a-book -->\n# 书\n\n见[一](../notebooks/one.ipynb)。\n\n```{include} _generated/a.md\n```\n"
    chinese.write_text(right)
    run(capsys, "accept", "book/index.md", "--all")
    assert problems(capsys) == []
    right = chinese.read_text()
    for old, new, what in [("../n", "../../n", "links notebooks/one"), ("_g", "../_g", "directives {include} _gen")]:
        chinese.write_text(right.replace(old, new))
        assert f"lacks the {what}" in problems(capsys)[0]


def test_the_readme_is_a_page_like_any_other(root, capsys):
    run(capsys, "sync", "README.md")
    assert (root / "README.zh.md").read_text() == "<!-- i18n: a-tiny-book -->\n# A tiny book\n"
    (root / "README.zh.md").write_text("<!-- i18n: a-tiny-book -->\n# 一本小书\n")
    run(capsys, "accept", "README.zh.md", "a-tiny-book")
    assert problems(capsys) == []


def test_two_headings_of_the_same_text_are_told_apart(root):
    (root / "README.md").write_text("Before.\n\n# A\n\n## B!\n\n(target)=\n## B?")
    assert list(i18n.passages(root / "README.md")) == ["top", "a", "b", "b-2"]
    assert i18n.passages(root / "README.md")["b-2"].text == "(target)=\n## B?"


def test_a_page_that_nobody_lists_is_reported(root, capsys):
    (root / "book" / "zh" / "old.md").write_text("# 旧\n")
    assert problems(capsys) == ["book/zh/old.md translates no file of book/_toc.yml; remove it"]


def test_the_glossary_and_the_table_of_terms_agree(root, capsys):
    toc = root / "book" / "_toc.yml"
    toc.write_text(toc.read_text().replace("book/notation", "book/glossary"))
    english, chinese = root / "book" / "glossary.md", root / "book" / "zh" / "glossary.md"
    english.write_text("# Glossary\n\n```{glossary}\ngate\n  A number.\n\ntoken\n  What a model reads.\n```\n")
    assert problems(capsys) == ["book/zh/terms.yml lacks gate, which the glossary has; add it"]
    english.write_text("# Glossary\n\n```{glossary}\ntoken\n  What a model reads.\n```\n")
    run(capsys, "sync", "book/glossary.md")
    chinese.write_text("<!-- i18n: glossary -->\n# 词汇\n\n```{glossary}\n单词\n  模型所读。\n```\n")
    run(capsys, "accept", "book/glossary.md", "--all")
    assert problems(capsys) == ["book/zh/glossary.md lacks the entry 词元; add it"]
    chinese.write_text(chinese.read_text().replace("单词", "词元（token）"))
    assert problems(capsys) == []


# Chinese text


@pytest.mark.parametrize(
    ("english", "wrong", "right", "what"),
    [
        ("Count tokens.", "数令牌。", "数词元。", "「数令牌。」 says 令牌; write 词元"),
        ("A prompt.", "写提示词。", "写提示。", "says 提示词; write 提示"),
        ("Count tokens.", "数 tokens。", "数词元（token）。", "says tokens; write 词元"),
        ("Shape (tokens,) here", "形状为 tokens 这样", "形状为 (tokens,) 这样", "says tokens; write 词元"),
        ("The `token`.", "即 Hidden States。", "即 `token`。", "says Hidden States; write 隐藏状态"),
        ("These are logits.", "令牌是 logits。", "这是 logits。", "says 令牌"),
        ("**Note:** here", "**注意：**这里", "**注意**：这里", "asterisks would be printed in 「**注意：**这里」"),
        ("By `x` here", "用**`x`**表示", "用 **`x`** 表示", "asterisks would be printed"),
        ("Three * four", "三*四", r"三\*四", "asterisks would be printed"),
        ("Well, here", "好,这里", "好，这里", ", in 「好,这里」 is half-width; write ，"),
        ("Well: `x`, here", "好：`x`, 这里", "好：`x`，这里", "half-width; write ，"),
        ("Why? So.", "为什么?", "为什么？", "half-width; write ？"),
        ("It ends.", "完了.", "完了。", "half-width; write 。"),
        ("A (small) model", "一个(小)模型", "一个（小）模型", "half-width; write （"),
        ("The shape is (T, B, U) here", "形状(是)这样", "形状是 (T, B, U) 这样", "half-width; write ）"),
        ("See {glue:text}`a:.2f`.", "见此。", "见 {glue:text}`a:.2f`。", "lacks the roles {glue:text}`a:.2f`"),
        ("See.", "见 {cite:t}`b`。", "见此。", "has, unlike the English, the roles {cite:t}`b`"),
        ("Is $x_1$ big?", "$x_2$ 大吗？", "$x_1$ 大吗？", "lacks the formulas x_1"),
        ("So\n\n$$\na = b\n$$ (e)", "即\n\n$$\na = b\n$$", "即\n\n$$\na = b\n$$ (e)", "lacks the formulas a = b e"),
        ("[N](../book/n.md#a)", "[记](../book/n.md#a)", "[记](../../book/n.md#a)", "lacks the links book/n.md#a"),
        ("[N](../book/n.md)", "[记](n.md)", "[记](../../book/zh/n.md)", "lacks the links book/n.md"),
        ('<a href="../a.js">', '<a href="../a.js">', '<a href="../../a.js">', "lacks the links a.js"),
        ("It has size (D) here", "大小为 (小) 这样", "大小为 (D) 这样", "half-width; write （"),
        ("# The rule\n\nIt.", "# The rule\n\n它。", "# 规则\n\n它。", "the heading 'The rule' is in English"),
        ("# Rule\n\nIt.", "规则\n\n它。", "# 规则\n\n它。", "the headings are none, in English ['h1']"),
        (
            "Here.\n\nAs it was.",
            "这里。\n\nAs it was before.",
            "这里。\n\n*As it was before.*",
            "is in English; translate",
        ),
        ("# LSTM\n\nIt.", "# 长\n\nIt is what it is.", "# LSTM\n\n它。", "is in English; translate it"),
        (
            ":::{card} One\n:link: a\n\nIt.\n:::",
            ":::{card} 一\n\n它。\n:::",
            ":::{card} 一\n:link: ../zh/a\n\n它。\n:::",
            "links",
        ),
    ],
)
def test_a_rule_of_chinese_text(english, wrong, right, what):
    folders = ("notebooks", "notebooks/zh")
    found = typography.problems(english, wrong, TERMS, folders)
    assert any(what in problem for problem in found), found
    assert typography.problems(english, right, TERMS, folders) == []


def test_code_in_a_fence_is_no_prose_but_a_glossary_is():
    english = "Do it.\n\n```bash\nmake test    # tokens, all of them\n```"
    assert typography.problems(english, english.replace("Do it.", "做吧。"), TERMS) == []
    glossary = "# 词汇\n\n```{glossary}\n词元\n  模型所读:令牌。\n```\n"
    found = typography.problems(glossary.replace("词汇", "Glossary"), glossary, TERMS)
    assert len(found) == 2


# Claims, bad input, and the edition itself


def test_verdicts_in_chinese_are_compared_with_the_records(root, monkeypatch):
    (root / "book" / "claims.yml").write_text("- id: a\n")
    verdict = type("Verdict", (), {"claim": type("Claim", (), {"id": "a"}), "word": "refuted"})
    monkeypatch.setattr(statements, "judge_all", lambda _: ([verdict], []))
    translate(root, rule="（[refuted](../../book/claims.md#claim-a)，[成立](../../book/claims.md#claim-a)）")
    assert statements.check(root)[1] == [
        f"notebooks/zh/one.ipynb says that claim a is {said}; the records say 不成立" for said in ("refuted", "成立")
    ]
    translate(root, rule="（[不成立](../../book/claims.md#claim-a)）")
    assert statements.check(root)[1] == []
    assert statements.IN_CHINESE.keys() == {"supported", "refuted", "inconclusive"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "book/other.md"], "book/other.md is no file of the edition; there are README.zh.md, "),
        (["sync", "book/notation.md", "top"], "only `accept` takes ids or --all"),
        (["accept"], "accept what? Give a file, and either ids or --all"),
        (["accept", "notebooks/one.ipynb"], "accept what?"),
        (["accept", "notebooks/one.ipynb", "title", "--all"], "accept what?"),
        (["accept", "notebooks/one.ipynb", "titel"], "notebooks/zh/one.ipynb has no titel that the English file has"),
        (["accept", "book/notation.md", "--all"], "there is no file book/zh/notation.md"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(root, capsys, arguments, message):
    status, out, err = run(capsys, *arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert message in err[0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("book/zh/terms.yml", "terms: [", "book/zh/terms.yml is no YAML"),
        ("book/zh/terms.yml", "- a\n", "book/zh/terms.yml is no table of terms and prompts"),
        ("book/zh/terms.yml", "terms: {}\nprompts: {}\n", "has no Chinese for the prompt 'Solution'"),
        ("book/_toc.yml", None, "there is no book/_toc.yml; change to the repository first"),
        ("notebooks/zh/one.ipynb", "{}", "notebooks/zh/one.ipynb is no notebook"),
        ("README.zh.md", "一\n<!-- i18n: a-tiny-book -->\n# 二\n", "README.zh.md must begin with a comment"),
        ("README.zh.md", "<!-- i18n: a -->\n一\n<!-- i18n: a -->\n二\n", "README.zh.md has two sections a"),
    ],
)
def test_a_broken_file_ends_with_one_line_and_code_2(root, capsys, file, text, message):
    (root / file).unlink(missing_ok=True)
    if text:
        (root / file).write_text(text)
    status, _, err = run(capsys, "check")
    assert (status, len(err)) == (2, 1)
    assert message in err[0]


def test_the_edition_is_in_step():
    assert i18n.check(ROOT, i18n.pairs(ROOT)) == []


def test_the_terms_are_used_in_what_people_say():
    terms = typography.read_terms(ROOT / i18n.TERMS)
    claims = yaml.safe_load((ROOT / "book" / "claims.yml").read_text("utf-8"))
    for claim in claims:
        assert typography.problems(claim["statement"]["en"], claim["statement"]["zh"], terms) == [], claim["id"]
