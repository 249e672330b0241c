"""The exercises of chapter 1."""

from collections.abc import Callable

import numpy as np

from lmtutorial import evaluation, ngram, tokenizers
from lmtutorial.data import Corpus
from lmtutorial.errors import InputError
from lmtutorial.exercises import WrongAnswerError, array, exercise, number, require, there


@exercise("01-perplexity")
def _perplexity(answer: Callable) -> str:
    p = np.array([0.5, 0.25, 0.125, 0.5])
    got, nats = answer(p.copy()), -np.log(p)
    require(np.size(got) < 2, "One number is asked for, not one a token: average over the tokens.")
    got = number(got, "The value of `perplexity(p)`")
    require(not np.isclose(got, nats.mean()), "That is the cross-entropy in nats; perplexity is its exponential.")
    require(not np.isclose(got, np.exp(nats.sum())), "That is exp of the sum; average over the tokens first.")
    mixed = (np.exp(-np.log2(p).mean()), 2 ** nats.mean())
    require(not np.isclose(got, mixed).any(), "Bits and nats are mixed: log2 goes with 2**…, log with exp.")
    require(not np.isclose(got, (1 / p).mean()), "That averages 1/p; average the logarithms, then take exp.")
    require(got >= 1, f"A perplexity is at least 1, yours is {got:.4g}: is a minus sign missing?")
    require(np.isclose(got, np.exp(nats.mean())), f"For p = {p.tolist()}, {got:.4g} is not the result.")
    die = number(answer(np.full(6, 1 / 6)), "The value of `perplexity(p)`")
    require(np.isclose(die, 6), f"A fair die has perplexity 6; yours has {die:.4g}.")
    return "A fair die has perplexity 6, and so does your formula's."


@exercise("01-bits")
def _bits(answer: Callable) -> str:
    nats, tokens, characters = 4.2, 100, 450
    got, right = number(answer(nats, tokens, characters), "The value"), nats * tokens / np.log(2) / characters
    require(not np.isclose(got, nats * tokens / characters), "Those are nats per character; divide by ln 2 for bits.")
    require(not np.isclose(got, nats / np.log(2)), "Those are bits per token; a token here is several characters.")
    require(
        not np.isclose(got, right * (characters / tokens) ** 2),
        "The ratio is upside down: more characters, fewer bits each.",
    )
    require(
        not np.isclose(got, right * np.log(2) ** 2),
        "A nat is 1/ln 2 bits, about 1.44: divide by ln 2 instead of multiplying.",
    )
    require(
        np.isclose(got, right),
        f"For 4.2 nats, 100 tokens and 450 characters yours gives {got:.4g}, which is not it.",
    )
    return "And it works for bytes just as well."


@exercise("01-kneser-ney")
def _kneser_ney(answer: dict) -> str:
    require(isinstance(answer, dict), 'Keep the form {"or": …, "to": …}.')
    known = number(answer.get("or"), "`answer['or']`")
    new = number(answer.get("to"), "`answer['to']`")
    require(not np.isclose(known, 1), "The bigram was seen once, but the discount of 0.6 must be taken off first.")
    require(not np.isclose(known, 0.4), "The discounted count is right; add what the shorter context contributes.")
    require(not np.isclose(new, 0), "Nothing is impossible: what the discount saved goes to the shorter context.")
    require(
        not (np.isclose(known, 0.4 + 0.6 / 6) and np.isclose(new, 0.6 * 2 / 6)),
        "The shorter model counts different left neighbours, not occurrences.",
    )
    require(np.isclose(known, 0.52, atol=0.005), f"P(or | be) is not {known:.4g}: (1 - δ)/1 + (δ · 1/1) · P(or).")
    require(
        np.isclose(new, 0.24, atol=0.005),
        f"P(to | be) is not {new:.4g}: be → to was never seen, so only δ · P(to) is left.",
    )
    return "That is also what the package computes."


@exercise("01-additive")
def _additive(answer: Callable) -> str:
    pairs, alpha = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]]), 0.5
    got = array(answer(pairs.copy(), alpha), pairs.shape, "The table")
    right = (pairs + alpha) / (pairs + alpha).sum(axis=1, keepdims=True)
    require(np.isfinite(got).all(), "Somewhere 0 was divided by 0: add alpha before you divide.")
    require(
        np.allclose(got.sum(axis=1), 1) or not np.allclose(got.sum(axis=0), 1),
        "The columns sum to 1; the rows should, because a row is a context.",
    )
    sums = got.sum(axis=1).round(3).tolist()
    require(
        np.allclose(sums, 1, atol=2e-3),
        f"Each row should sum to 1; yours sum to {sums}. Divide each row by its own sum (keepdims=True).",
    )
    require(
        np.allclose(got, right), "The rows sum to 1, but the counts were smoothed differently than in the equation."
    )
    return "A context that was never seen became uniform, as it should."


@exercise("01-order")
def _order(answer: int, corpus: Corpus) -> str:
    chosen = number(answer, "The order")
    require(chosen in range(1, 9), f"An order from 1 to 8 is asked for; {chosen:g} is none.")
    tokenizer = tokenizers.CharTokenizer.train(corpus.train, unknown=True)
    ids = tokenizer.encode(corpus.train[:20_000])

    def cost(order: int, text: str) -> float:
        model = ngram.NGram(ids, order, tokenizer.vocab_size, "absolute")
        return evaluation.evaluate(model, tokenizer, text[:20_000]).bits_per_char

    held_out = {order: cost(order, corpus.validation) for order in range(1, 9)}
    best = min(held_out, key=held_out.get)
    if chosen != best:
        trained = {order: cost(order, corpus.train) for order in range(1, 9)}
        if chosen == min(trained, key=trained.get):
            raise WrongAnswerError("That order is best on the text it was trained on; look at the held-out text.")
        raise WrongAnswerError(
            f"Order {chosen:g} needs {held_out[int(chosen)]:.3f} bits per character there; some order needs less. "
            "Train on 20,000 characters, not on all."
        )
    return 'Now try it with method "mkn": it hardly minds a context that is too long, even here.'


@exercise("01-model")
def _model(answer: type) -> str:
    rng = np.random.default_rng(0)
    vocab_size = 20
    follows = rng.dirichlet(np.full(vocab_size, 0.1), size=vocab_size)
    ids = [0]
    for draw in rng.random(8000):
        ids.append(int(np.searchsorted(np.cumsum(follows[ids[-1]]), draw * 0.999999)))
    ids = np.minimum(ids, vocab_size - 1)
    train, held_out = ids[:6000], ids[6000:]
    model = answer(train, vocab_size)
    scores = there(model.score(held_out))
    scores = np.asarray(scores, dtype=float)
    require(scores.shape == held_out.shape, f"`score` should return one number a token, not shape {scores.shape}.")
    require(not np.isnan(scores).any(), "Some scores are not numbers (nan).")
    require(not np.isinf(scores).any(), "Some tokens cost infinitely much: the model holds them for impossible.")
    try:
        evaluation.check(model)
    except InputError as refusal:
        raise WrongAnswerError(f"Refused: {refusal}") from None
    for place in rng.integers(len(held_out), size=5):  # further on than `check` looks
        texts = (np.append(held_out[:place], token) for token in range(vocab_size))
        costs = np.array([model.score(text)[-1] for text in texts])
        total = np.exp(-costs).sum()
        require(np.isclose(total, 1, atol=1e-4), f"After {place} tokens the probabilities sum to {total:.4g}, not 1.")
        require(np.isclose(costs[held_out[place]], scores[place]), f"What stands after token {place} moves its cost.")
    unigram = ngram.train("unigram", train, vocab_size).score(held_out).mean()
    require(
        scores.mean() < unigram - 0.01,
        f"It is a language model, but costs {scores.mean():.3f} nats a token; a unigram model costs {unigram:.3f}.",
    )
    return f"A language model, and a useful one: {scores.mean():.3f} nats a token; a unigram model needs {unigram:.3f}."
