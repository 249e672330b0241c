"""The Chinese edition beside the English one: never an outdated translation, each page beside its other language."""

import re

import pytest
from mini import translate, write_book, write_chapter, write_chinese_edition

from lmtutorial import editions, execution, phrases, site, staging
from lmtutorial.errors import InputError

NOTE = "这一部分没有与英文同步的译文"


@pytest.fixture
def root(tmp_path):
    """A tiny book in both languages."""
    write_book(tmp_path)
    write_chinese_edition(tmp_path)
    return tmp_path


def chinese(root, name):
    """The Markdown of a page or chapter of the Chinese edition."""
    say = phrases.read(root, "zh")
    if name.endswith(".md"):
        return editions.page(root / name, say)
    return "\n".join(cell.source for cell in editions.chapter(root / name, say).cells)


def test_a_translated_page_is_chinese_and_its_links_are_at_home_in_the_stage(root):
    assert chinese(root, "book/index.md") == "# 一本小书\n\n见[第一章](../notebooks/one.ipynb)。\n"
    assert editions.page(root / "book" / "index.md", phrases.ENGLISH) == "# A tiny book\n"


def test_after_an_edit_the_page_shows_the_new_english_with_a_note_and_not_the_old_translation(root):
    (root / "book" / "index.md").write_text("# A tiny book\n\nIt grew.\n\n## More\n\nMuch more.\n")
    text = chinese(root, "book/index.md")
    assert text.startswith(f"# A tiny book\n\n:::{{note}}\n{NOTE}")
    assert '<div lang="en">\n\nIt grew.\n\n</div>' in text
    assert "Much more." in text
    assert "小书" not in text
    assert text.count(NOTE) == 1


def test_an_edited_paragraph_of_a_chapter_is_english_and_its_code_is_always_the_english_files(root):
    write_chapter(root, "one", "print('edited', seed)", prose="Better prose.")
    text = chinese(root, "notebooks/one.ipynb")
    assert NOTE in text
    assert "Better prose." in text
    assert "词元" not in text
    assert "print('edited', seed)" in text


def test_a_page_without_a_translation_has_one_note(root):
    text = chinese(root, "book/status.md")
    assert text.count(NOTE) == 1
    assert "# Status" in text


@pytest.mark.parametrize("current", [True, False])
def test_the_alternative_text_of_a_figure_is_chinese_while_it_is_current(root, current):
    english, said = root / "notebooks" / "one.ipynb", {"en": "Six bars.", "zh": "六根条。"}
    for language, path in (("en", english), ("zh", editions.translation(english))):
        notebook = execution.read(path)
        notebook.cells[2].metadata["mystnb"] = {"image": {"alt": said[language]}}
        notebook.cells[2].metadata["i18n"] = {"src": editions.i18n.fingerprint("Six bars." if current else "Five.")}
        execution.nbformat.write(notebook, path)
    cell = editions.chapter(english, phrases.read(root, "zh")).cells[2]
    assert cell.metadata.mystnb.image.alt == said["zh" if current else "en"]


def test_a_phrase_without_chinese_stops_the_build_and_is_named(root):
    with pytest.raises(InputError, match=r"phrases\.yml lacks the Chinese for 'Hello\.'; add it under `pages`"):
        phrases.read(root, "zh")("Hello.")
    assert phrases.ENGLISH("Hello.") == "Hello."


@pytest.mark.parametrize(("text", "wrong"), [("pages: [", "YAML"), ("- a", "table"), ("pages: 3", "table of phrases")])
def test_a_broken_table_of_phrases_is_refused(root, text, wrong):
    (root / phrases.TABLE).write_text(text)
    with pytest.raises(InputError, match=rf"phrases\.yml is no {wrong}"):
        phrases.read(root, "zh")


def test_a_broken_table_of_terms_is_not_blamed_on_that_of_phrases(root):
    (root / "book" / "zh" / "terms.yml").write_text("terms: 3")
    with pytest.raises(InputError, match=r"^\S*terms\.yml is no table of terms and prompts"):
        phrases.read(root, "zh")


@pytest.mark.parametrize("end", ["", "/"])
def test_the_chinese_settings_of_a_fork_name_the_fork(root, monkeypatch, end):
    monkeypatch.setenv("LMTUTORIAL_REPOSITORY", "https://github.com/someone/fork")
    monkeypatch.setenv("LMTUTORIAL_SITE", f"https://someone.example/fork{end}")
    settings = staging.config(root, phrases.read(root, "zh"))
    assert "baseurl: https://someone.example/fork/zh/\n" in settings
    assert "language: zh_CN\n" in settings
    assert "lm-measured" not in settings


# Built


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a tiny site in both languages."""
    root = tmp_path_factory.mktemp("book")
    write_book(root)
    write_chinese_edition(root)
    translate(root / "book" / "zh" / "index.md", {"a-tiny-book": "# 一本小书\n\n注意力机制，见{doc}`status`。"})
    assert site.build(root) == 0
    return root / "_build" / "site"


def html(built, name):
    return (built / name).read_text("utf-8")


def test_a_chinese_chapter_has_the_outputs_of_the_one_execution(built):
    page = html(built, "zh/notebooks/one.html")
    assert "语言模型预测下一个词元" in page
    assert "one 0" in page
    assert len(list((built.parent / "executed").iterdir())) == 2


def test_a_page_says_its_language_and_leads_to_the_same_page_in_the_other(built):
    for name, lang, other, way in (
        ("notebooks/one.html", "en", "zh-CN", "../zh/notebooks/one.html"),
        ("zh/notebooks/one.html", "zh-CN", "en", "../../notebooks/one.html"),
    ):
        page = html(built, name)
        assert f'<html lang="{lang}"' in page
        assert f'href="{way}" lang="{other}" hreflang="{other}"' in page
        assert (built / name).parent.joinpath(way).is_file()
        alternates = dict(re.findall(r'<link rel="alternate" hreflang="(\S+)" href="(\S+)">', page))
        address = "https://lm-measured.github.io/book/"
        assert alternates == {
            "en": f"{address}notebooks/one.html",
            "zh-CN": f"{address}zh/notebooks/one.html",
            "x-default": f"{address}notebooks/one.html",
        }
        assert f'<link rel="canonical" href="{alternates[lang]}" />' in page


def test_a_shared_link_is_described_in_the_pages_language(built):
    for name, title, begins in (
        ("notebooks/one.html", "Language Models, Measured", "Some prose."),
        ("zh/notebooks/one.html", "实测语言模型", "语言模型预测下一个词元"),
    ):
        page = html(built, name)
        said = dict(re.findall(r'<meta (?:property|name)="(og:\S+|description)" content="([^"]*)" />', page))
        assert said["og:site_name"] == title
        assert begins in said["description"]
        assert said["og:url"] == re.search(r'<link rel="canonical" href="([^"]*)" />', page)[1]


def test_buttons_lead_to_the_chinese_file_where_there_is_one(built):
    repository = "github.com/lm-measured/book"
    translated, english = html(built, "zh/notebooks/one.html"), html(built, "zh/notebooks/two.html")
    assert f"{repository}/edit/main/notebooks/zh/one.ipynb" in translated
    assert "google.com/github/lm-measured/book/blob/main/notebooks/zh/one.ipynb" in translated
    assert f"{repository}/edit/main/notebooks/two.ipynb" in english
    assert f"{repository}/edit/main/notebooks/one.ipynb" in html(built, "notebooks/one.html")


def test_what_is_not_translated_is_marked_as_english(built):
    page = html(built, "zh/notebooks/two.html")
    assert NOTE in page
    assert '<div lang="en">' in page
    assert NOTE not in html(built, "zh/notebooks/one.html")


def test_both_editions_use_one_mathjax(built):
    assert len(list(built.rglob("tex-chtml.js"))) == 1
    page = html(built, "zh/book/status.html")
    scripts = re.findall(r'src="([^"?]*)', html(built, "zh/notebooks/one.html") + page)
    found = {(built / "zh" / "book" / script).resolve() for script in scripts if "mathjax" in script}
    assert all(path.is_file() for path in found)


def test_a_page_that_is_not_there_is_answered_in_both_languages(built):
    for name in ("404.html", "zh/404.html"):
        page = html(built, name)
        assert '<section lang="zh-CN">' in page
        assert '<a href="https://lm-measured.github.io/book/zh/book/index.html">' in page
        assert "stylesheet" not in page  # it is served at any depth
