"""The form of a poem: five or seven characters a half line, or none."""

import pytest

from lmtutorial import verse

FIVE, SEVEN = "秦川雄帝宅，函谷壯皇居。", "朝辭白帝彩雲間，千里江陵一日還。"


@pytest.mark.parametrize(
    ("poem", "form"),
    [
        (FIVE, 5),
        (SEVEN, 7),
        (f"{FIVE}\n{FIVE}\n", 5),
        (FIVE.replace("。", "？"), 5),
        (f"{FIVE}\n{SEVEN}", None),  # each line has a form, the poem has none
        ("秦川雄帝宅，函谷壯皇。", None),
        ("秦川雄帝宅，朝辭白帝彩雲間。", None),
        ("秦川帝宅，函谷皇居。", None),  # four
        ("秦川雄帝宅，", None),  # half a line
        ("秦川雄帝宅，函谷壯皇居。秦川雄帝宅。", None),
        ("秦川雄帝宅，函谷壯皇居", None),  # no mark at the end
        ("，，秦川雄帝宅，函谷壯皇居。", None),
        ("秦川 帝宅，函谷壯皇居。", None),  # a space is no character of a poem
        (f"{FIVE}\n\n{FIVE}", None),  # two poems
        ("", None),
    ],
)
def test_a_form_is_five_or_seven_in_every_half(poem, form):
    assert verse.form(poem) == form
