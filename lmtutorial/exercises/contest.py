"""The contest that chapters 4 and 5 end with: a small model, trained for a moment, against a bigram model."""

from collections.abc import Callable, Sequence

import numpy as np

from lmtutorial.data import Corpus
from lmtutorial.errors import InputError
from lmtutorial.exercises import WrongAnswerError, require


def enter(answer: Sequence, corpus: Corpus, configure: Callable, count: Callable) -> str:
    """Train the model of an answer, (fields of the model, fields of the training), and say how it did.

    Args:
        answer: the reader's.
        corpus: whose beginning is learned.
        configure: makes the model's configuration of V, the training's context and the model's fields.
        count: returns the parameters of a configuration.
    """
    from lmtutorial import ngram, tokenizers, training  # Keras, only where it is needed

    require(isinstance(answer, tuple | list) and len(answer) == 2, "Give a pair: (model_fields, training_fields).")
    require(... not in answer, "Model and training are not there yet: replace the `...`.")
    require(all(isinstance(fields, dict) for fields in answer), "Model and training are a dictionary each.")
    model_fields, training_fields = answer
    text = corpus.train[:200_000]
    tokenizer = tokenizers.CharTokenizer.train(text)
    ids = tokenizer.encode(text)
    train, held_out = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
    try:
        how = training.TrainingConfig(**{"evaluate_every": 10_000} | training_fields)
        config = configure(tokenizer.vocab_size, how.context, model_fields)
    except (InputError, TypeError) as refusal:
        raise WrongAnswerError(f"Refused: {refusal}") from None
    size = count(config)
    require(size <= 100_000, f"The model has {size:,} parameters; 100,000 are allowed.")
    require(how.steps <= 200, f"{how.steps} steps are too many; 200 are allowed.")
    require(
        how.batch * how.context <= 1024,
        f"A step of {how.batch * how.context:,} tokens is too large; 1,024 are allowed.",
    )
    model, _ = training.train(how, config, train, held_out, tokenizer)
    got = model.score(held_out).mean() / np.log(2)
    bigram = ngram.train("kn2", train, tokenizer.vocab_size).score(held_out).mean() / np.log(2)
    found = f"Yours needs {got:.3f} bits per character, the bigram model {bigram:.3f}."
    require(got < bigram, found)
    return found
