"""Text from a language model: a Python loop around one step of the model, or one call for many tokens.

A sampler is a list of pure functions `logits (V,), past (T,) → logits`, applied in order; what they rule out becomes
-inf. Every model of the protocol generates, n-grams too; neural models advance all texts of a batch in one step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lmtutorial.errors import InputError
from lmtutorial.evaluation import LanguageModel
from lmtutorial.neural import NeuralLM
from lmtutorial.tokenizers import UNKNOWN, Tokenizer

Transform = Callable[[np.ndarray, Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class _Temperature:
    tau: float

    def __call__(self, logits: np.ndarray, past: Sequence[int]) -> np.ndarray:
        return logits.astype(np.float64) / self.tau


def temperature(tau: float) -> Transform:
    """Divide the logits by `tau` > 0: below 1 sharpens, above 1 flattens."""
    if not 0 < tau < np.inf:
        raise InputError(f"the temperature must be positive; got {tau} (for the likeliest token only, use greedy)")
    return _Temperature(tau)


def top_k(k: int) -> Transform:
    """Keep the `k` likeliest tokens, and those as likely as the last of them (Fan et al. 2018)."""
    if not (isinstance(k, int) and k >= 1):
        raise InputError(f"top-k must be a whole number of at least 1; got {k}")

    def keep(logits: np.ndarray, past: Sequence[int]) -> np.ndarray:
        if k > len(logits):
            raise InputError(f"top-k of {k} is more than the vocabulary's {len(logits)} tokens")
        return np.where(logits >= np.partition(logits, -k)[-k], logits, -np.inf)

    return keep


def top_p(p: float) -> Transform:
    """Keep the fewest likeliest tokens whose probabilities reach `p` (nucleus sampling, Holtzman et al. 2020)."""
    if not 0 < p <= 1:
        raise InputError(f"top-p must be more than 0 and at most 1; got {p}")
    if p == 1:  # rounded sums must not lose the least likely
        return lambda logits, past: logits

    def keep(logits: np.ndarray, past: Sequence[int]) -> np.ndarray:
        order = np.argsort(-logits, kind="stable")
        p_sorted = softmax(logits[order].astype(np.float64))
        before = np.cumsum(p_sorted) - p_sorted
        kept = np.full_like(logits, -np.inf)
        kept[order[before < p]] = logits[order[before < p]]
        return kept

    return keep


def min_p(p: float) -> Transform:
    """Keep the tokens that are at least `p` times as likely as the likeliest (Nguyen et al. 2024)."""
    if not 0 <= p <= 1:
        raise InputError(f"min-p must be between 0 and 1; got {p}")
    floor = np.log(p) if p else -np.inf
    return lambda logits, past: np.where(logits >= logits.max() + floor, logits, -np.inf)


def repetition_penalty(theta: float) -> Transform:
    """Divide positive logits of tokens already there by `theta`, multiply negative ones (Keskar et al. 2019)."""
    if not 0 < theta < np.inf:
        raise InputError(f"the repetition penalty must be positive; got {theta}")

    def lower(logits: np.ndarray, past: Sequence[int]) -> np.ndarray:
        logits, seen = logits.astype(np.float64), np.unique(np.asarray(past, dtype=int))
        logits[seen] = np.where(logits[seen] > 0, logits[seen] / theta, logits[seen] * theta)
        return logits

    return lower


def greedy(logits: np.ndarray, past: Sequence[int]) -> np.ndarray:
    """Keep the likeliest token only; of several, the one with the smallest id."""
    kept = np.full_like(logits, -np.inf)
    kept[np.argmax(logits)] = 0
    return kept


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities (V,) of `logits` (V,), at least one of which is finite."""
    p = np.exp(logits - logits.max())
    return p / p.sum()


def draw(logits: np.ndarray, u: float) -> int:
    """Return the token at which the cumulative probability first exceeds `u`, a number from [0, 1).

    Raises:
        InputError: the logits hold something that is no number, or none that is finite.
    """
    if not np.isfinite(logits.max()):
        raise InputError(f"nothing can be drawn from logits whose largest is {logits.max()}")
    cumulative = np.cumsum(softmax(logits.astype(np.float64)))
    return int(np.searchsorted(cumulative, u * cumulative[-1], side="right"))


def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    tokens: int,
    sampler: Sequence[Transform] = (),
    seed: int = 0,
    stop: Sequence[str] = (),
) -> list[str]:
    """Return what `model` writes after each prompt.

    A neural model writes many tokens in one call where nothing has to look at each: no `stop`, and no sampler but a
    temperature or `greedy`. Then it draws in 32 bits, so that of many thousand tokens `stream` may draw another.

    Args:
        model, tokenizer: that belong together.
        prompts: where the texts begin; none may be empty.
        tokens: to write, at most, for each.
        sampler: applied in order to the logits of every step; none draws from the model as it is.
        seed: of the draws. A text depends on the seed, its prompt and its place among the prompts.
        stop: strings that end a text; they are not part of it.

    Raises:
        InputError: a prompt is empty or cannot be written with the vocabulary, or an option makes no sense.
    """
    tau = _only_temperature(sampler)
    if isinstance(model, NeuralLM) and tau is not None and not stop:
        return _written_at_once(model, tokenizer, prompts, tokens, tau, seed)
    texts = [""] * len(prompts)
    for row, piece in stream(model, tokenizer, prompts, tokens, sampler, seed, stop):
        texts[row] += piece
    return texts


def _only_temperature(sampler: Sequence[Transform]) -> float | None:
    """Return the temperature if that is all there is to a sampler, 0 if it is greedy; None if there is more."""
    match list(sampler):
        case []:
            return 1.0
        case [_Temperature(tau)]:
            return tau
        case [last] if last is greedy:
            return 0.0
    return None


def _written_at_once(model: NeuralLM, tokenizer: Tokenizer, prompts, tokens: int, tau: float, seed: int) -> list[str]:
    """Return what `generate` returns."""
    pasts, generators = _begun(tokenizer, prompts, tokens, seed)
    batch = _Batch(model, pasts)
    draws = np.array([generator.random(tokens) for generator in generators])
    found, *_ = model.write(batch.states, np.asarray(batch.logits), draws, tau)
    writers = [_Writer(tokenizer, ()) for _ in prompts]
    return [
        "".join(writer.write(int(token), last=place == tokens - 1) for place, token in enumerate(row))
        for writer, row in zip(writers, found)
    ]


def _begun(tokenizer: Tokenizer, prompts: Sequence[str], tokens: int, seed: int):
    """Return the prompts' tokens, and a generator of draws for each."""
    if tokens < 1:
        raise InputError(f"at least one token must be written; got {tokens}")
    if not prompts:
        raise InputError("there is no prompt to go on from")
    if seed < 0:
        raise InputError(f"the seed must not be negative; got {seed}")
    pasts = [_encoded(tokenizer, prompt) for prompt in prompts]
    return pasts, [np.random.default_rng((seed, row)) for row in range(len(prompts))]


def stream(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    tokens: int,
    sampler: Sequence[Transform] = (),
    seed: int = 0,
    stop: Sequence[str] = (),
) -> Iterator[tuple[int, str]]:
    """Yield (place of the prompt, next piece of its text) as soon as a piece is certain; arguments as `generate`."""
    if "" in stop:
        raise InputError("an empty stop string would end every text before it begins")
    pasts, generators = _begun(tokenizer, prompts, tokens, seed)
    writers = [_Writer(tokenizer, stop) for _ in prompts]
    batch = _Batch(model, pasts)
    for place in range(tokens):
        if place:
            batch.advance([past[-1] for past in pasts])
        for row, logits in enumerate(batch.logits):
            if writers[row].done:  # it goes along in the batch, unread
                continue
            for transform in sampler:
                logits = transform(logits, pasts[row])
            pasts[row].append(draw(logits, generators[row].random()))
            if piece := writers[row].write(pasts[row][-1], last=place == tokens - 1):
                yield row, piece
        if all(writer.done for writer in writers):
            return


@dataclass(frozen=True)
class Beam:
    """What beam search found: a text that follows the prompt, and its log probability in nats."""

    text: str
    log_probability: float


def beam_search(model: LanguageModel, tokenizer: Tokenizer, prompt: str, tokens: int, beams: int) -> list[Beam]:
    """Return likely continuations of `prompt`, the likeliest first: after every token only the best `beams` are kept.

    All of them have `tokens` tokens, so that no penalty for length is needed. With one beam it is greedy decoding.

    Raises:
        InputError: the prompt is empty or cannot be written with the vocabulary, or a number is below 1.
    """
    if min(tokens, beams) < 1:
        raise InputError(f"beam search needs at least one token and one beam; got {tokens} and {beams}")
    batch = _Batch(model, [_encoded(tokenizer, prompt)])
    totals, found = np.zeros(1), [[]]
    for place in range(tokens):
        if place:
            batch.advance([ids[-1] for ids in found])
        logits = np.asarray(batch.logits, dtype=np.float64)
        top = logits.max(axis=1, keepdims=True)
        scores = totals[:, None] + logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        best = np.argsort(-scores, axis=None, kind="stable")[: min(beams, np.isfinite(scores).sum())]
        rows, chosen = np.unravel_index(best, scores.shape)
        totals, found = scores[rows, chosen], [[*found[row], int(token)] for row, token in zip(rows, chosen)]
        batch.select(rows)
    return [Beam(tokenizer.decode(ids), float(total)) for ids, total in zip(found, totals)]


class _Batch:
    """The states of several texts, in one batch for a neural model and in a list for any other."""

    def __init__(self, model: LanguageModel, pasts: Sequence[Sequence[int]]):
        self.model, self.together = model, isinstance(model, NeuralLM)
        states, self.logits = zip(*(self._read(past) for past in pasts))
        self.states = model.join(states) if self.together else states

    def _read(self, ids: Sequence[int]):
        if self.together:
            return self.model.read(ids)
        state, logits = self.model.start()
        for token in ids:
            state, logits = self.model.step(state, token)
        return state, logits

    def advance(self, tokens: Sequence[int]) -> None:
        """Go on by one token in each text."""
        if self.together:
            self.states, self.logits = self.model.advance(self.states, tokens)
        else:
            steps = [self.model.step(state, token) for state, token in zip(self.states, tokens)]
            self.states, self.logits = zip(*steps)

    def select(self, rows: Sequence[int]) -> None:
        """Go on with the texts `rows`, which may come several times or not at all."""
        self.states = self.model.select(self.states, rows) if self.together else [self.states[row] for row in rows]


class _Writer:
    """Token ids in, text out, as soon as it is certain: no half characters, no beginning of a stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]):
        self.tokenizer, self.stop = tokenizer, stop
        self.ids, self.read, self.text, self.done = [], 0, "", False

    def write(self, token: int, last: bool) -> str:
        """Return the text that is certain after `token`; after the `last` one, all that is left."""
        self.ids.append(token)
        decoded = self.tokenizer.decode(self.ids)
        begun = decoded.endswith(UNKNOWN) and not last  # this may be the first bytes of a character
        whole = len(decoded) - begun
        self.text += decoded[self.read : whole]
        self.ids, self.read = (self.ids, whole) if begun else ([], 0)
        ends = [end for stop in self.stop if (end := self.text.find(stop)) >= 0]
        self.done = last or bool(ends)
        certain = min(ends) if ends else len(self.text) if last else len(self.text) - self._begun()
        piece, self.text = self.text[:certain], self.text[certain:]
        return piece

    def _begun(self) -> int:
        """Return how many of the last characters may be the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self.stop), default=0)
        return next((n for n in range(longest, 0, -1) if self.text.endswith(tuple(s[:n] for s in self.stop))), 0)


def _encoded(tokenizer: Tokenizer, prompt: str) -> list[int]:
    if not prompt:
        raise InputError("the prompt is empty; give it at least one character")
    ids = tokenizer.encode(prompt)
    if tokenizer.decode(ids) != prompt:
        strange = sorted(set(prompt) - set(tokenizer.decode(ids)))
        raise InputError(f"the prompt holds characters that the model does not know: {''.join(strange)[:20]!r}")
    if tokenizer.longest and len(ids) > tokenizer.longest:
        raise InputError(f"the prompt has {len(ids)} tokens; the model's window holds {tokenizer.longest}")
    return ids.tolist()
