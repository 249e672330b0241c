"""n-gram models by counting, over integer ids, in sorted NumPy arrays.

Every order n = 1…N keeps its distinct n-grams as one sorted array of integers: an n-gram's key is
`(row of its first n-1 tokens in the table of order n-1) * V + last token`. So a key fits in 64 bits whatever the
order, a binary search finds an n-gram, and all continuations of a context lie side by side.

Sources: Kneser & Ney (1995), "Improved backing-off for m-gram language modeling"; Chen & Goodman (1998), "An
empirical study of smoothing techniques for language modeling"; the equations of chapter 1.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmtutorial.errors import InputError
from lmtutorial.files import write_atomically

METHODS = ("ml", "additive", "absolute", "kn", "mkn")
LONGEST = 32  # the order that a name may ask for: every order takes as much memory as the text


class Uniform:
    """The model that knows nothing: every token has probability 1/V.

    Args:
        vocab_size: V.
    """

    def __init__(self, vocab_size: int):
        self.vocab_size = vocab_size

    def score(self, ids) -> np.ndarray:
        """Return log V nats for each of the T tokens, shape (T,)."""
        return np.full(len(_checked(ids, self.vocab_size)), np.log(self.vocab_size))

    def start(self):
        """Return the state before any token, and the logits (V,) of the first."""
        return None, np.zeros(self.vocab_size)

    def step(self, state, token: int):
        """Return the state after `token`, and the logits (V,) of the next."""
        return state, np.zeros(self.vocab_size)


@dataclass(frozen=True)
class Table:
    """The M distinct n-grams of one order, sorted.

    Args:
        keys: (M,) int64, sorted; see the module's docstring.
        probability: (M,) float64, of the last token after the others.
        reserved: (M',) float64 for the M' rows of order n-1, the contexts: the share of probability that a
            context leaves to the shorter one; 1 where the row never was a context.
    """

    keys: np.ndarray
    probability: np.ndarray
    reserved: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the rows of `keys`, -1 where there is none."""
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, rows, -1)


class NGram:
    """An n-gram language model.

    Methods: `"ml"` (maximum likelihood) and `"additive"` look at the longest context only, and are uniform after
    one they never saw; `"absolute"` discounting, `"kn"` (interpolated Kneser–Ney, one discount an order) and
    `"mkn"` (Chen & Goodman's modified form, three discounts) interpolate all orders down to the uniform
    distribution. The start of the text counts as one left neighbour in Kneser–Ney's continuation counts.

    Args:
        ids: (T,) the training text as token ids.
        order: N ≥ 1; N-1 tokens of context.
        vocab_size: V; ids lie in 0…V-1.
        method: one of `METHODS`.
        alpha: what `"additive"` adds to every count.

    Raises:
        InputError: a text shorter than `order`, an id outside the vocabulary, an unknown method, `order` < 1.

    Example:
        >>> model = NGram([0, 1, 0, 1, 0, 2], order=2, vocab_size=3, method="ml")
        >>> state, _ = model.step(model.start()[0], 0)
        >>> model.distribution(state).round(3).tolist()
        [0.0, 0.667, 0.333]
    """

    def __init__(self, ids, order: int, vocab_size: int, method: str = "mkn", alpha: float = 1.0):
        ids = _checked(ids, vocab_size)
        if method not in METHODS:
            raise InputError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
        if order < 1:
            raise InputError(f"the order of an n-gram model is at least 1; got {order}")
        if len(ids) < order:
            raise InputError(f"the training text has {len(ids)} tokens, fewer than the order {order}")
        if alpha <= 0:
            raise InputError(f"alpha, added to every count, must be positive; got {alpha}")
        self.order, self.vocab_size, self.method = order, vocab_size, method
        self._added = {"ml": 0.0, "additive": alpha}.get(method)  # None: interpolate instead
        self.tables: list[Table] = []
        contexts = 1
        for keys, counts, suffix in _count(ids, order, vocab_size, continuation=method in ("kn", "mkn")):
            self.tables.append(self._estimate(keys, counts, suffix, contexts))
            contexts = len(keys)

    def _estimate(self, keys: np.ndarray, counts: np.ndarray, suffix: np.ndarray, contexts: int) -> Table:
        """Turn the counts of one order into probabilities, given the orders below."""
        context = keys // self.vocab_size
        total = np.bincount(context, counts, minlength=contexts)
        if self._added is None:
            discount = discounts(counts, modified=self.method == "mkn")[np.minimum(counts, 3)]
            kept, reserved = counts - discount, np.bincount(context, discount, minlength=contexts)
            lower = self.tables[-1].probability[suffix] if self.tables else 1 / self.vocab_size
        else:
            reserved = np.full(contexts, self._added * self.vocab_size)
            kept, total, lower = counts, total + reserved, 1 / self.vocab_size
        reserved = np.divide(reserved, total, where=total > 0, out=np.ones(contexts))
        return Table(keys, kept / total[context] + reserved[context] * lower, reserved)

    def score(self, ids) -> np.ndarray:
        """Return each token's cost given all tokens before it.

        Args:
            ids: (T,) tokens.

        Returns:
            (T,) nats; infinite where the model holds a token for impossible.
        """
        ids = _checked(ids, self.vocab_size)
        uniform = 1 / self.vocab_size
        p = np.full(len(ids), uniform)
        context = np.zeros(len(ids), dtype=np.int64)  # row of the n-1 tokens before each position, from the n-th on
        for n, table in enumerate(self.tables[: len(ids)], start=1):
            row = table.find(context * self.vocab_size + ids[n - 1 :])
            lower = p[n - 1 :] if self._added is None else uniform
            unseen = np.where(context >= 0, table.reserved[context], 1) * lower
            p[n - 1 :] = np.where(row >= 0, table.probability[row], unseen)
            context = row[:-1]
        with np.errstate(divide="ignore"):
            return -np.log(p)

    def start(self) -> tuple[tuple[int, ...], np.ndarray]:
        """Return the state before any token, and the log-probabilities (V,) of the first."""
        return self._with_logits((0,))

    def step(self, state: tuple[int, ...], token: int) -> tuple[tuple[int, ...], np.ndarray]:
        """Return the state after `token`, and the log-probabilities (V,) of the next.

        A state is the rows of the last 0, 1, … N-1 tokens in their tables, -1 where they were never seen.
        """
        _checked([token], self.vocab_size)
        longer = (int(table.find(row * self.vocab_size + token)) for table, row in zip(self.tables[:-1], state))
        return self._with_logits((0, *longer))

    def distribution(self, state: tuple[int, ...]) -> np.ndarray:
        """Return the probabilities (V,) of the next token in `state`."""
        uniform = np.full(self.vocab_size, 1 / self.vocab_size)
        p = uniform
        for table, row in zip(self.tables, state):
            lower = p if self._added is None else uniform
            if row < 0:
                p = lower
                continue
            first = row * self.vocab_size
            seen = slice(*np.searchsorted(table.keys, (first, first + self.vocab_size)))
            p = table.reserved[row] * lower
            p[table.keys[seen] - first] = table.probability[seen]
        return p

    def _with_logits(self, state):
        with np.errstate(divide="ignore"):
            return state, np.log(self.distribution(state))

    def write_arpa(self, path: Path) -> None:
        """Write the model as an ARPA file, the exchange format of n-gram toolkits (log10 probabilities).

        Args:
            path: of the file; tokens are called by their ids.

        Raises:
            InputError: the method does not back off to shorter contexts, so that ARPA cannot express it.
        """
        if self._added is not None:
            raise InputError(f"ARPA holds models that back off to shorter contexts; {self.method!r} does not")
        names = np.array([str(i) for i in range(self.vocab_size)], dtype=object)
        sections = [self._arpa_unigrams(names)]
        grams = names[self.tables[0].keys]
        for n, table in enumerate(self.tables[1:], start=2):
            grams = grams[table.keys // self.vocab_size] + " " + names[table.keys % self.vocab_size]
            sections.append(_arpa_lines(table.probability, grams, self._backoff(n)))
        counts = [f"ngram {n}={len(lines)}" for n, lines in enumerate(sections, start=1)]
        body = [f"\n\\{n}-grams:\n" + "\n".join(lines) for n, lines in enumerate(sections, start=1)]
        write_atomically(Path(path), "\n".join(["\\data\\", *counts, *body, "\n\\end\\\n"]).encode())

    def _arpa_unigrams(self, names: np.ndarray) -> list[str]:
        """All V tokens, seen or not, and the three markers that readers of ARPA want, which we never predict."""
        backoff = np.ones(self.vocab_size)
        if (seen := self._backoff(1)) is not None:
            backoff[self.tables[0].keys] = seen
        markers = [f"-99\t{marker}\t0" for marker in ("<unk>", "<s>", "</s>")]
        return markers + _arpa_lines(self.distribution((0,)), names, backoff)

    def _backoff(self, n: int) -> np.ndarray | None:
        """What the n-grams, as contexts, leave to shorter ones; None for the highest order."""
        return self.tables[n].reserved if n < self.order else None


def train(name: str, ids, vocab_size: int) -> NGram | Uniform:
    """Train the model called `name`: `uniform`, `unigram`, or a method and an order such as `kn5`, `mkn3`, `ml2`.

    Raises:
        InputError: there is no such name, its order is over 32, or as `NGram`.
    """
    if name == "uniform":
        return Uniform(vocab_size)
    if name == "unigram":
        return NGram(ids, 1, vocab_size, "additive")
    match = re.fullmatch(r"([a-z]+)(\d{1,9})", name)
    if not match or match[1] not in METHODS:
        methods = ", ".join(f"{method}N" for method in METHODS)
        raise InputError(
            f"there is no model {name!r}; there are uniform, unigram, {methods} with N the order, such as kn5"
        )
    if (order := int(match[2])) > LONGEST:
        raise InputError(f"the order of {name} is too high: choose at most {LONGEST}, such as {match[1]}5")
    return NGram(ids, order, vocab_size, match[1])


def discounts(counts: np.ndarray, modified: bool) -> np.ndarray:
    """Estimate how much to take off a count of 0, 1, 2, and 3 or more, from how many n-grams have each count.

    Where the estimate does not exist or is not positive (tiny texts), 0.5 a count, at most 1.5, as KenLM does.

    Args:
        counts: (M,) positive counts of the distinct n-grams of one order.
        modified: three discounts (Chen & Goodman 1998, eq. 26) rather than one (Ney, Essen & Kneser 1994).

    Returns:
        (4,) float64.
    """
    n1, n2, n3, n4 = (float(np.sum(counts == c)) for c in (1, 2, 3, 4))
    if not (n1 and n2) or (modified and not n3):
        return np.array([0, 0.5, 1, 1.5]) if modified else np.array([0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3] if modified else [0, y, y, y])
    return found if found[1:].min() > 0 else np.array([0, 0.5, 1, 1.5])


def _count(ids: np.ndarray, order: int, vocab_size: int, continuation: bool):
    """Yield (keys, counts, suffix) of the distinct n-grams for n = 1…order.

    With `continuation`, an n-gram below the highest order counts its distinct left neighbours instead of its
    occurrences.
    """
    rows = np.zeros(len(ids) + 1, dtype=np.int64)  # of the (n-1)-gram that starts at each position
    waiting, first = None, 0  # the order below, yielded once its left neighbours are known; its row at the text's start
    for n in range(1, order + 1):
        below = rows
        keys, counts, rows = _group(below[:-1] * vocab_size + ids[n - 1 :])
        suffix = np.empty(len(keys), dtype=np.int64)
        suffix[rows] = below[1:]
        if waiting and continuation:
            waiting[1][:] = np.bincount(suffix, minlength=len(waiting[1]))
            waiting[1][first] += 1  # the text's start is a left neighbour, too
        if waiting:
            yield waiting
        waiting, first = (keys, counts, suffix), rows[0]
    yield waiting


def _group(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct keys sorted, how often each occurs, and the row of every element among them."""
    possible = int(keys.max()) + 1
    return _group_few(keys, possible) if possible <= 2 * len(keys) else _group_many(keys)


def _group_few(keys: np.ndarray, possible: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_group` by counting, where not many more keys are possible than there are."""
    counts = np.bincount(keys, minlength=possible)
    found = np.flatnonzero(counts)
    row = np.empty(possible, dtype=np.int64)
    row[found] = np.arange(len(found))
    return found, counts[found], row[keys]


def _group_many(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_group` by sorting."""
    bits = len(keys).bit_length()
    if int(keys.max()).bit_length() + bits <= 63:  # sorting (key, place) as one integer is far faster than argsort
        packed = np.sort(keys << bits | np.arange(len(keys)))
        order, ranked = packed & ((1 << bits) - 1), packed >> bits
    else:
        order = np.argsort(keys)
        ranked = keys[order]
    first = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    counts = np.diff(first, append=len(keys))
    rows = np.empty(len(keys), dtype=np.int64)
    rows[order] = np.repeat(np.arange(len(first)), counts)
    return ranked[first], counts, rows


def _arpa_lines(probability: np.ndarray, grams: np.ndarray, backoff: np.ndarray | None) -> list[str]:
    logs = np.log10(probability)
    if backoff is None:
        return [f"{p:.7f}\t{gram}" for p, gram in zip(logs, grams)]
    return [f"{p:.7f}\t{gram}\t{b:.7f}" for p, gram, b in zip(logs, grams, np.log10(backoff))]


def _checked(ids, vocab_size: int) -> np.ndarray:
    ids = np.asarray(ids, dtype=np.int64)
    if ids.size == 0:
        raise InputError("the text is empty")
    if ids.min() < 0 or ids.max() >= vocab_size:
        raise InputError(f"ids must lie in 0…{vocab_size - 1}; got {ids.min()}…{ids.max()}")
    return ids
