"""The form of a classical Chinese poem, as far as it can be counted: five or seven characters to the half-line."""

import re

FORMS = (5, 7)
HALF = re.compile(r"(\w+)[，。？！；、：]")


def form(poem: str) -> int | None:
    r"""Return 5 or 7 if that is the length of both halves of every line of `poem`, None if it has no such form.

    A line is two halves, each with its punctuation mark behind it.

    Example:
        >>> form("牀前看月光，疑是地上霜。\n舉頭望山月，低頭思故鄉。")
        5
        >>> form("牀前看月光，疑是地上。") is None
        True
    """
    lengths = set()
    for line in poem.strip("\n").split("\n"):
        halves = HALF.findall(line)
        if len(halves) != 2 or len(HALF.sub("", line)):
            return None
        lengths |= set(map(len, halves))
    return lengths.pop() if len(lengths) == 1 and lengths <= set(FORMS) else None
