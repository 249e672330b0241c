"""Training: seeded windows of one array of tokens, AdamW or Muon on a warmed-up cosine, and a run that resumes.

The batch of step i depends on the seed and on i alone, so that a run killed at any moment ends, when it goes on from
its last checkpoint, with the weights of a run that was never disturbed.
"""

import dataclasses
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lmtutorial import checkpoints, distributed
from lmtutorial.callbacks import Checkpoint, Progress, Waiting
from lmtutorial.errors import InputError
from lmtutorial.neural import NeuralLM
from lmtutorial.tokenizers import Tokenizer

BETA_2 = 0.99  # of AdamW: nanoGPT's for small batches
CHOICES = {"optimizer": ("adamw", "muon"), "precision": ("float32", "mixed_bfloat16", "mixed_float16")}


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Args:
        steps: optimiser steps.
        batch: B, windows a step.
        context: T, tokens a window.
        learning_rate: the highest, reached after `warmup` steps, then falling on a half cosine to `final_rate` of it.
        warmup: steps.
        final_rate: share of the learning rate at the end.
        optimizer: `adamw` (Loshchilov and Hutter 2019), or `muon` (Jordan et al. 2024), which makes the updates of the
            matrices between embedding and output orthogonal and leaves the rest to AdamW.
        weight_decay: times the learning rate, the share that a step takes off every matrix; norms and biases keep all.
        clip: the norm that the gradient of all weights together is scaled down to (Pascanu et al. 2013).
        precision: `float32`; or `mixed_bfloat16` or `mixed_float16`: weights in 32 bits, products in 16.
        accumulate: parts that a batch is computed in, one after the other, so that less memory is needed.
        stateful: read the text in order and carry the state from window to window, instead of windows drawn anywhere.
        evaluate_every: steps from one pass over the validation text, and checkpoint, to the next.
        patience: stop after so many of those passes without a lower loss; 0 never stops.
        seed: of the weights, the windows and dropout.

    Raises:
        InputError: a value makes no sense; the message says which.
    """

    steps: int = 2000
    batch: int = 12
    context: int = 64
    learning_rate: float = 4e-3
    warmup: int = 100
    final_rate: float = 0.1
    optimizer: str = "adamw"
    weight_decay: float = 0.1
    clip: float = 1.0
    precision: str = "float32"
    accumulate: int = 1
    stateful: bool = False
    evaluate_every: int = 500
    patience: int = 0
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch", "context", "accumulate", "evaluate_every"):
            if not getattr(self, name) >= 1:
                raise InputError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be a positive number; got {getattr(self, name)}")
        for name in ("warmup", "weight_decay", "patience", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} must not be negative; got {getattr(self, name)}")
        if not self.seed < 2**32:
            raise InputError(f"seed must be less than 2**32; got {self.seed}")
        if not 0 <= self.final_rate <= 1:
            raise InputError(f"final_rate must be between 0 and 1; got {self.final_rate}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"there is no {name} {getattr(self, name)!r}; there are {', '.join(choices)}")
        if self.batch % self.accumulate:
            raise InputError(f"a batch of {self.batch} windows cannot be computed in {self.accumulate} equal parts")
        if self.stateful and self.accumulate > 1:
            raise InputError("a state that is carried along needs the whole batch at once: accumulate must be 1")


class Windows:
    """The batches of a run: `windows[step] -> (inputs, targets)`, both (B, T), targets one token ahead.

    Args:
        ids: (N,) tokens of the training text; any integer array, memory-mapped if it is large.
        config: of the training.

    Raises:
        InputError: the text is too short for the context or the batch.
    """

    def __init__(self, ids: np.ndarray, config: TrainingConfig):
        B, T = config.batch, config.context
        if len(ids) <= T:
            raise InputError(f"a context of {T} tokens needs a longer text: this one has {len(ids)}")
        if config.stateful and (len(ids) - 1) // B < T:
            raise InputError(
                f"{B} sequences of {T} tokens side by side need {B * T + 1} tokens; the text has {len(ids)}: "
                "make the batch or the context smaller"
            )
        self.ids, self.config = ids, config
        self.per_pass = (len(ids) - 1) // B // T if config.stateful else 0  # steps of a stateful pass over the text

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        B, T = self.config.batch, self.config.context
        if self.config.stateful:
            first = np.arange(B) * ((len(self.ids) - 1) // B) + step % self.per_pass * T
        else:
            first = np.random.default_rng((self.config.seed, step)).integers(len(self.ids) - T, size=B)
        windows = self.ids[first[:, None] + np.arange(T + 1)].astype(np.int32)
        return windows[:, :-1], windows[:, 1:]

    def forgets(self, step: int) -> bool:
        """Whether the state carried along must be reset before this step: a new pass begins."""
        return self.config.stateful and step % self.per_pass == 0


class Trained(keras.Model):
    """A language model as Keras' training wants it: logits only; the state, if carried along, in variables.

    Raises:
        InputError: the windows of the training do not fit in the model's.
    """

    def __init__(self, model: NeuralLM, config: TrainingConfig):
        super().__init__(name="training", dtype=config.precision)
        if model.window and config.stateful:
            raise InputError("the state of this model has room for one window: it cannot be trained with stateful")
        if model.window and config.context > model.window:
            raise InputError(
                f"a context of {config.context} tokens does not fit in the model's window of {model.window}"
            )
        self.model = model
        self.state = []
        if config.stateful:
            self.state = [
                self.add_weight(shape=part.shape, initializer="zeros", trainable=False, name=f"state_{i}")
                for i, part in enumerate(model.initial_state(config.batch))
            ]
        self.built = True
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.compile(optimizer(config, model.trainable_variables), loss, jit_compile=True)
        self.optimizer.build(self.trainable_variables)

    def call(self, ids, training=False):
        logits, state = self.model(ids, self.state or None, training=training)
        for variable, value in zip(self.state, state):
            variable.assign(value)
        return logits

    def train_on_batch(self, *data, **options):
        """Return the loss of this batch, where Keras of Colab (3.13) returns the mean of all batches so far."""
        self.reset_metrics()
        return super().train_on_batch(*data, **options)

    def forget(self) -> None:
        """Set the state that is carried along to zero."""
        for variable in self.state:
            variable.assign(np.zeros(variable.shape))


def schedule(config: TrainingConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by step: a straight line up, then half a cosine down (Loshchilov and Hutter 2017)."""
    after = max(config.steps - config.warmup, 1)
    if not config.warmup:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, after, alpha=config.final_rate)
    return keras.optimizers.schedules.CosineDecay(
        0.0, after, alpha=config.final_rate, warmup_target=config.learning_rate, warmup_steps=config.warmup
    )


class _InParts(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule for an optimiser that accumulates: Keras asks it by the parts of batches that were computed."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, parts: int):
        super().__init__()
        self.schedule, self.parts = schedule, parts

    def __call__(self, step):
        return self.schedule(step // self.parts)


def optimizer(config: TrainingConfig, variables: Sequence[keras.Variable]) -> keras.optimizers.Optimizer:
    """Return the configuration's optimiser, with its schedule and clipping; only matrices of `variables` decay."""
    common = {
        "learning_rate": _InParts(schedule(config), config.accumulate),
        "weight_decay": config.weight_decay,
        "global_clipnorm": config.clip,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
        "name": config.optimizer,
    }
    if config.optimizer == "muon":
        chosen = keras.optimizers.Muon(
            **common, adam_weight_decay=config.weight_decay, adam_beta_2=BETA_2, exclude_layers=["output_kernel"]
        )
    else:
        chosen = keras.optimizers.AdamW(**common, beta_2=BETA_2)
    chosen.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    return chosen


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build Keras layers with the dtype policy `name` meanwhile."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def train(
    config: TrainingConfig,
    model_config,
    ids: np.ndarray,
    validation: np.ndarray,
    tokenizer: Tokenizer,
    folder: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[NeuralLM, list[dict]]:
    """Train a new model, or go on where the run in `folder` stopped.

    Args:
        config: how.
        model_config: of the model, such as `RNNConfig`.
        ids, validation: (N,) tokens of the training and of the validation text.
        tokenizer: that made them; kept with the model, and for bits per character.
        folder: for checkpoints and the log; without one nothing is written.
        callbacks: Keras callbacks; module `callbacks` says what an epoch and its logs are.

    Returns:
        The model with its last weights, and the log: one entry for each pass over the validation text.

    Raises:
        InputError: a text is too short, `folder` holds another run or is in use, or the loss is no longer a number.
    """
    if len(validation) < 2:
        raise InputError(f"the validation text has {len(validation)} tokens; at least two are needed")
    windows = Windows(ids, config)
    keras.utils.set_random_seed(config.seed)
    with _precision(config.precision):
        trained = Trained(checkpoints.build(model_config), config)
    tokens_per_char = len(validation) / max(len(tokenizer.decode(validation)), 1)
    watchers, log = [*callbacks], []
    if distributed.is_first():
        watchers.insert(0, Progress(config.steps, config.batch * config.context, tokens_per_char))
    with ExitStack() as locks:
        if folder:
            keeper = Checkpoint(folder, _note(trained.model, config, ids, tokenizer), tokenizer)
            locks.enter_context(keeper.alone())
            log = keeper.resume(trained)
            distributed.agree("the steps that are done", _done(log))
            if distributed.is_first():
                watchers.append(keeper)
        if config.patience:
            watchers.append(Waiting(config.patience, log))
        watchers = keras.callbacks.CallbackList(watchers, model=trained)
        watchers.on_train_begin()
        try:
            while _done(log) < config.steps and not trained.stop_training:
                watchers.on_epoch_begin(len(log))
                log.append(_pass(trained, windows, validation, tokens_per_char, watchers, log))
                watchers.on_epoch_end(len(log) - 1, log[-1])
        finally:
            watchers.on_train_end()
    return trained.model, log


def _done(log: list[dict]) -> int:
    return log[-1]["step"] if log else 0


def _pass(
    trained: Trained,
    windows: Windows,
    validation: np.ndarray,
    tokens_per_char: float,
    watchers: keras.callbacks.CallbackList,
    log: list[dict],
) -> dict:
    """Train from the log's end to the next pass over the validation text, and make it; return its entry of the log."""
    config, began, done = windows.config, time.perf_counter(), _done(log)
    steps = range(done, min(done - done % config.evaluate_every + config.evaluate_every, config.steps))
    losses = [_step(trained, windows, watchers, step) for step in steps]
    seconds = time.perf_counter() - began
    cost = _finite(trained.model.score(validation)[1:].mean(), f"on the validation text after step {steps.stop}")
    return {
        "step": steps.stop,
        "loss": float(np.mean(losses)),
        "val_loss": cost,
        "bits_per_char": cost * tokens_per_char / math.log(2),
        "learning_rate": float(schedule(config)(steps[-1])),
        "tokens_per_second": len(steps) * config.batch * config.context / seconds,
        "seconds": (log[-1]["seconds"] if log else 0) + time.perf_counter() - began,
    }


def _step(trained: Trained, windows: Windows, watchers: keras.callbacks.CallbackList, step: int) -> float:
    """Train on one batch; return its loss."""
    watchers.on_train_batch_begin(step)
    if windows.forgets(step):
        trained.forget()
    parts = zip(*(np.split(ids, windows.config.accumulate) for ids in windows[step]))
    losses = [trained.train_on_batch(*map(distributed.share, part)) for part in parts]
    loss = _finite(np.mean(losses), f"at step {step + 1}")
    watchers.on_train_batch_end(step, {"loss": loss})
    return loss


def _finite(loss: float, where: str) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss became {loss} {where}; checkpoints made before are as they were: "
            "start again with a lower learning rate"
        )
    return float(loss)


def _note(model: NeuralLM, config: TrainingConfig, ids: np.ndarray, tokenizer: Tokenizer) -> dict:
    """Return what makes a run this run and no other."""
    return checkpoints.describe(model) | {
        "training": dataclasses.asdict(config),
        "tokenizer": checkpoints.fingerprint(tokenizer),
        "data": hashlib.sha256(np.ascontiguousarray(ids, dtype=np.int32)).hexdigest(),
        "backend": keras.backend.backend(),
    }
