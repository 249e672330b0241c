"""Low-rank adaptation (Hu et al. 2022): a trained model learns something new through a few small matrices.

Every chosen product `x W` becomes `x W + (α / r) x A B`, with A (in, r) random and B (r, out) zero at first, so that
training begins where the model was. Only A and B train; at the end they are added to W, and nothing is left of them.
"""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

from lmtutorial.errors import InputError
from lmtutorial.gpt import GPT
from lmtutorial.layers import replace
from lmtutorial.training import Trained, TrainingConfig

ATTENTION, FEED_FORWARD = ("query", "key", "value", "output_layer"), ("gate", "up", "down")
Example = tuple[Sequence[int], Sequence[int]]  # tokens that are given, and those that are to be learnt after them


class Adapted(keras.layers.Layer):
    """A dense layer with a correction of low rank.

    Args:
        dense: the layer, built; its own weights stay as they are.
        rank: r.
        alpha: α; the correction counts α / r times.
    """

    def __init__(self, dense: keras.layers.Dense, rank: int, alpha: float, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.rank, self.scale = dense, rank, alpha / rank
        rows, columns = dense.kernel.shape
        normal = keras.initializers.RandomNormal(stddev=rows**-0.5)
        self.a = self.add_weight((rows, rank), initializer=normal, name="a")
        self.b = self.add_weight((rank, columns), initializer="zeros", name="b")
        self.built = True

    def call(self, x):
        """Return the product (…, out) with `x` (…, in)."""
        return self.dense(x) + self.scale * ops.matmul(ops.matmul(x, self.a), self.b)

    def merged(self) -> keras.layers.Dense:
        """Return the dense layer, the correction added to its kernel."""
        self.dense.kernel.assign_add(self.scale * ops.matmul(self.a, self.b))
        return self.dense


def adapt(model: GPT, rank: int = 8, alpha: float = 16.0, layers: Sequence[str] = ATTENTION) -> None:
    """Put adapters around the dense `layers` of every block, and let nothing else of the model train.

    Args:
        model: changed; its logits are as before.
        rank: r of the adapters.
        alpha: α of the adapters.
        layers: names from `ATTENTION` and `FEED_FORWARD`.

    Raises:
        InputError: the model has adapters, no such layer, or quantised ones; or the rank is not at least 1.
    """
    if rank < 1:
        raise InputError(f"the rank must be at least 1; got {rank}")
    if any(_adapted(model)):
        raise InputError("the model has adapters; merge them before adding others")
    chosen = [place for place in _places(model) if place[2] in layers]
    if missing := set(layers) - {name for _, _, name in chosen}:
        raise InputError(f"the model has no layers called {', '.join(sorted(missing))}")
    if not all(isinstance(getattr(part, name), keras.layers.Dense) for _, part, name in chosen):
        raise InputError("adapters go around dense layers, and this model was quantised; adapt it before that")
    for variable in model.weights:
        variable.trainable = False
    for block, part, name in chosen:
        replace(part, name, Adapted(getattr(part, name), rank, alpha, name=f"{block}_{name}_adapter"))
    model.forget_compiled()


def merge(model: GPT) -> None:
    """Add the adapters to the kernels that they correct, and remove them; the logits stay, and all trains again."""
    for part, name in list(_adapted(model)):
        replace(part, name, getattr(part, name).merged())
    for variable in model.weights:
        variable.trainable = True
    model.forget_compiled()


def fine_tune(model: GPT, examples: Sequence[Example], config: TrainingConfig) -> list[float]:
    """Train what is trainable of `model` on examples; only the second part of each costs.

    A label is learnt as the tokens that spell it after a prompt, a text as tokens after nothing but its first.

    Args:
        model: with adapters, or all of it.
        examples: tokens that are given, at least one, and tokens to learn; together at most `config.context` + 1.
        config: of the training; `batch` examples a step, drawn by `seed` and step.

    Returns:
        The loss of every step, nats per learnt token.

    Raises:
        InputError: there are no examples, one is too long, or a part of one is empty; or the loss is no number.
    """
    if not examples:
        raise InputError("there are no examples to learn from")
    T = config.context
    for given, learnt in examples:
        if not (len(given) and len(learnt)):
            raise InputError("an example needs at least one token that is given and one to learn")
        if len(given) + len(learnt) > T + 1:
            raise InputError(f"an example of {len(given) + len(learnt)} tokens is longer than the context of {T}")
    keras.utils.set_random_seed(config.seed)
    trained, losses = Trained(model, config), []
    for step in range(config.steps):
        rows = np.random.default_rng((config.seed, step)).integers(len(examples), size=config.batch)
        inputs, targets, weights = _batch([examples[row] for row in rows], T)
        loss = float(trained.train_on_batch(inputs, targets, sample_weight=weights))
        if not np.isfinite(loss):
            raise InputError(f"the loss became {loss} at step {step + 1}; start again with a lower learning rate")
        losses.append(loss)
    return losses


def _batch(examples: Sequence[Example], T: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs, targets and their weights, all (B, T); the mean of weighted costs is the mean of learnt tokens."""
    windows, weights = np.zeros((len(examples), T + 1), np.int32), np.zeros((len(examples), T), np.float32)
    for row, (given, learnt) in enumerate(examples):
        windows[row, : len(given) + len(learnt)] = [*given, *learnt]
        weights[row, len(given) - 1 : len(given) + len(learnt) - 1] = 1
    return windows[:, :-1], windows[:, 1:], weights / weights.mean()


def choose(model: GPT, prompt: Sequence[int], labels: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the cost in nats of each label (its tokens) after the prompt; the lowest is the model's choice."""
    return np.array([model.score(np.array([*prompt, *label]))[len(prompt) :].sum() for label in labels])


def _places(model: GPT) -> Iterator[tuple[str, keras.layers.Layer, str]]:
    for block in model.blocks:
        for part, names in ((block.attention, ATTENTION), (block.feed_forward, FEED_FORWARD)):
            yield from ((block.name, part, name) for name in names if hasattr(part, name))


def _adapted(model: GPT) -> Iterator[tuple[keras.layers.Layer, str]]:
    return ((part, name) for _, part, name in _places(model) if isinstance(getattr(part, name), Adapted))
