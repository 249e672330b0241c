"""Metrics of chapter 6 beside the tools that define them, and prompts that hold what they should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutorial import items, sandbox, tasks
from lmtutorial.errors import InputError

SOLUTIONS = {  # of items.FUNCTIONS, to see that the tests can be passed
    "add": "return a + b",
    "is_even": "return n % 2 == 0",
    "square": "return x * x",
    "largest": "return max(a, b, c)",
    "reverse": "return s[::-1]",
    "is_palindrome": "return s == s[::-1]",
    "factorial": "import math\n    return math.factorial(n)",
    "count_vowels": "return sum(c in 'aeiou' for c in s)",
    "mean": "return sum(numbers) / len(numbers)",
    "unique": "return list(dict.fromkeys(items))",
    "fibonacci": "a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
    "longest_word": "return max(text.split(), key=len)",
    "gcd": "import math\n    return math.gcd(a, b)",
    "flatten": "return sum(rows, [])",
    "is_prime": "return n > 1 and all(n % d for d in range(2, n))",
    "to_roman": "out = ''\n    for v, s in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "
    "'M CM D CD C XC L XL X IX V IV I'.split()):\n        while n >= v:\n            out += s\n            n -= v\n"
    "    return out",
}


@pytest.mark.parametrize("function", items.FUNCTIONS, ids=lambda function: function.name)
def test_a_function_can_be_completed_and_its_tests_tell(function):
    right = tasks.completed(function.prompt, "    " + SOLUTIONS[function.name] + "\nprint('never reached')")
    outcome = sandbox.run(f"{right}\n{function.tests}")
    assert outcome.passed, outcome
    assert outcome.output == ""
    assert sandbox.run(tasks.completed(function.prompt, "    return None") + function.tests).kind == "failed"


def test_every_function_has_a_solution_and_all_items_are_well_formed():
    assert [function.name for function in items.FUNCTIONS] == list(SOLUTIONS)
    texts = [text for part in items.SENTIMENT.values() for texts in part.values() for text in texts]
    assert len(set(texts)) == len(texts) == 80
    assert all(len(texts) == 20 for part in items.SENTIMENT.values() for texts in part.values())
    for passage in items.PASSAGES:
        for question, answer in passage.questions:
            assert question.endswith("?")
            told = " ".join(tasks.words(passage.text)).replace("oil turns cloudy", "it turns cloudy")
            assert " ".join(tasks.words(answer)) in told, answer
    assert all(word.lower() in said.lower() for said, _, word in items.DIALOGUES)


@pytest.mark.parametrize(
    ("answer", "wanted", "exact", "f1"),
    [
        ("The Museum.", "a museum", 1, 1),
        ("It is a small museum", "a small museum", 0, 2 * 2 / 6),
        ("no", "yes", 0, 0),
        ("", "yes", 0, 0),
        ("", "", 1, 1),
        ("red red", "red", 0, 2 / 3),
    ],
)
def test_answers_are_compared_as_squad_does(answer, wanted, exact, f1):
    assert tasks.exact_match(answer, wanted) == exact
    assert tasks.f1(answer, wanted) == pytest.approx(f1)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_share_and_stays_inside(count, data):
    right = data.draw(st.integers(0, count))
    low, high = tasks.wilson(right, count)
    assert 0 <= low <= right / count + 1e-12
    assert right / count - 1e-12 <= high <= 1
    mirrored = tasks.wilson(count - right, count)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_wilson_is_the_published_example():
    assert tasks.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I


@pytest.mark.parametrize(("right", "count"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_what_is_no_share(right, count):
    with pytest.raises(InputError):
        tasks.wilson(right, count)


@given(st.integers(1, 30), st.data())
def test_pass_at_k_is_the_published_product(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    product = 1.0 if n - c < k else 1 - np.prod(1 - k / np.arange(n - c + 1, n + 1))  # Chen et al. 2021, figure 3
    assert tasks.pass_at_k(n, c, k) == pytest.approx(product)


@pytest.mark.parametrize("numbers", [(5, 6, 1), (5, -1, 1), (5, 1, 0), (5, 1, 6)])
def test_pass_at_k_refuses_what_cannot_be(numbers):
    with pytest.raises(InputError):
        tasks.pass_at_k(*numbers)


def test_the_bootstrap_of_equal_values_is_a_point_and_of_none_is_refused():
    assert tasks.bootstrap([0.25] * 9) == (0.25, 0.25)
    low, high = tasks.bootstrap(np.arange(100) / 100)
    assert low < 0.495 < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(np.arange(100) / 100) / 10, rel=0.1)
    with pytest.raises(InputError):
        tasks.bootstrap([])


def test_naive_bayes_is_bayes_by_hand():
    model = tasks.NaiveBayes({"good": ["fine fine work", "fine day"], "bad": ["poor work"]})
    assert model("fine") == "good"
    assert model("poor") == "bad"
    good, bad = math.log(2 / 3) + math.log(2 / 9), math.log(1 / 3) + math.log(2 / 6)
    assert model("work") == ("good" if good > bad else "bad")
    assert model("unknown words only") == "good"  # the prior


def test_prompts_end_where_the_answer_begins():
    assert tasks.sentiment_prompt("x", [("y", "positive")]).endswith("positive\n\nReview: x\nSentiment:")
    assert (
        tasks.translation_prompt("Save", [("Cell", "单元格")])
        == "English: Cell\nChinese: 单元格\n\nEnglish: Save\nChinese:"
    )
    assert "long text" in tasks.summary_prompt("long text")[0]["content"]
    assert tasks.question_prompt("t", "q?")[0]["content"].startswith("t\n\nq?")


def test_the_baseline_finds_the_sentence_with_the_most_words_of_the_question():
    text = "Anna bakes bread. The bakery is closed on Mondays! Who knows?"
    assert tasks.best_sentence(text, "When is the bakery closed?") == "The bakery is closed on Mondays!"


def test_pairs_are_read_from_lines():
    assert tasks.pairs("Save\t保存\nCell\t单元格") == [("Save", "保存"), ("Cell", "单元格")]
