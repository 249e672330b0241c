"""What cells put out, in Chinese: labels of figures, and forms."""

import re
from xml.etree import ElementTree

import pytest
from conftest import ROOT
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from nbformat.v4 import new_output

from lmtutorial import chooser, claimpage, ladder, outputs, phrases, playpage

SAY = phrases.Phrases("zh", {"labels": {"bits per character": "每字符比特数", "order {}": "{} 阶", "one": "其一"}})
PATH = "{http://www.w3.org/2000/svg}path"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A figure with labels of all kinds."""
    figure = Figure(figsize=(4, 3))
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="order 5")
    axes.set(xlabel="bits per character", ylabel="something else", yticks=[0], yticklabels=["one"])
    axes.legend()
    file = tmp_path_factory.mktemp("figure") / "figure.svg"
    figure.savefig(file)
    return file.read_text("utf-8")


def test_labels_are_chinese_outlines_and_what_the_table_lacks_stays(drawn):
    chinese = outputs.figure(drawn, SAY)
    labels = re.findall("<!-- (.*?) -->", chinese)
    assert {"每字符比特数", "5 阶", "其一", "something else"} <= set(labels)
    assert not {"bits per character", "order 5", "one"} & set(labels)
    assert "<text" not in chinese  # a reader needs no font
    outlines = [path for path in ElementTree.fromstring(chinese).iter(PATH) if "(0.1)" in path.get("transform", "")]
    assert len(outlines) == len("每字符比特数5 阶其一")
    assert [path.get("d") for path in outlines].count("") == 1  # the space


def test_a_shorter_label_stands_in_the_middle_character_by_character(drawn):
    _, after = outputs.figure(drawn, SAY).split("<!-- 每字符比特数 -->")
    places = [float(place) for place in re.findall(r"translate\((\S+) 0\)", after)[: len("每字符比特数")]]
    assert places[0] > 0
    assert places == pytest.approx([places[0] + outputs.EM * n for n in range(len(places))])


def test_what_other_labels_use_is_kept(drawn):
    chinese = outputs.figure(drawn, SAY)
    names = set(re.findall(r'<path id="(\S+?)"', chinese))
    assert set(re.findall(r'<use xlink:href="#(DejaVu\S+?)"', chinese)) <= names


def test_a_figure_without_labels_to_translate_is_as_it_was(drawn):
    same = outputs.figure(drawn, phrases.Phrases("zh", {"labels": {}}))
    trees = [ElementTree.canonicalize(svg, with_comments=True, rewrite_prefixes=True) for svg in (same, drawn)]
    assert trees[0] == trees[1]


def test_the_chooser_is_chinese_and_the_execution_is_not_changed():
    say = phrases.read(ROOT, "zh")
    text = f'<div class="chooser">{chooser.SCRIPT}<option>no limit</option></div>'
    ran = [new_output("display_data", {"text/html": text})]
    shown = outputs.in_chinese(ran, say)[0].data["text/html"]
    assert ran[0].data["text/html"] == text
    assert "不限" in shown
    assert "试过 ${rows.length} 种" in shown
    assert "that were tried" not in shown


def test_all_generated_pages_can_be_said_in_chinese():
    say = phrases.read(ROOT, "zh")
    files = {
        name: content.decode()
        for part in (ladder.staged(say), claimpage.staged(ROOT, {}, "", say), playpage.staged(ROOT, say))
        for name, content in part
    }
    assert "不成立" in files["book/_generated/claims.md"]
    assert "每字符比特数" in files["book/_generated/ladder.svg"]
    assert 'lang="zh"' in files["book/_generated/playground-en.md"]
    assert "| 模型 |" in files["book/_generated/playground-models.md"]
