"""Keras callbacks of a training run: what it shows, and what it keeps.

An "epoch" is the time from one pass over the validation text to the next; its logs are the entry of the run's log:
`step`, `loss` and `val_loss` (nats per token), `bits_per_char` (of the validation text), `learning_rate`,
`tokens_per_second` (of training alone) and `seconds` since the run began, interruptions left out.
"""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
from tqdm import tqdm

from lmtutorial import checkpoints, distributed
from lmtutorial.errors import InputError
from lmtutorial.files import alone, write_atomically
from lmtutorial.tokenizers import Tokenizer

LOG = "log.jsonl"


class Checkpoint(keras.callbacks.Callback):
    """Keep a run in a folder: the last state with the log in its note, the best weights, the tokenizer, `log.jsonl`.

    Args:
        folder: of the run.
        note: what the run is: model, training, texts, tokenizer. Another run's folder is refused.
        tokenizer: of the model.
    """

    def __init__(self, folder: Path, note: dict, tokenizer: Tokenizer):
        super().__init__()
        self.folder, self.note, self.tokenizer = Path(folder), note, tokenizer
        self.entries: list[dict] = []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training in the folder meanwhile, which is made if need be.

        Raises:
            InputError: another process trains there already, or the folder is a file.
        """
        for place in (self.folder, *self.folder.parents):
            if place.is_file():
                raise InputError(f"{place} is a file; a folder is needed")
        if not distributed.is_first():
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder, f"another process is training in {self.folder}; wait, or choose another folder"):
            yield

    def resume(self, trained: keras.Model) -> list[dict]:
        """Give `trained` the state of the last checkpoint, and return the log so far: empty if there is none.

        Raises:
            InputError: the folder holds another run, or a file that is damaged or no checkpoint.
        """
        path = self.folder / checkpoints.LAST
        if path.exists():
            values, note = checkpoints.read(path)
            self._refuse_another_run(note)
            checkpoints.restore(path, _all_variables(trained), values)
            self.entries = note["entries"]
        if distributed.is_first():
            self._remove_unfinished()
        return list(self.entries)

    def on_epoch_end(self, epoch: int, logs: dict | None = None):
        best = min((entry["val_loss"] for entry in self.entries), default=math.inf)
        logs = logs | {"step": int(logs["step"])}  # Keras makes everything a float
        self.entries = [*self.entries, logs]
        note = self.note | {"step": logs["step"]}
        self.tokenizer.save(self.folder / checkpoints.TOKENIZER)
        if logs["val_loss"] < best:
            checkpoints.save(self.folder / checkpoints.BEST, self.model.model.variables, note)
        lines = [json.dumps(entry) + "\n" for entry in self.entries]
        write_atomically(self.folder / LOG, "".join(lines).encode())
        # Last of all: a run killed before this line does the same again.
        checkpoints.save(self.folder / checkpoints.LAST, _all_variables(self.model), note | {"entries": self.entries})

    def _remove_unfinished(self) -> None:
        """Remove what a run was killed while it wrote; another process may do the same where `alone` knows no locks."""
        for name in (checkpoints.LAST, checkpoints.BEST, checkpoints.TOKENIZER, LOG):
            for unfinished in self.folder.glob(f".{name}.*"):
                unfinished.unlink(missing_ok=True)

    def _refuse_another_run(self, note: dict) -> None:
        ours, theirs = _flat(self.note), _flat(note)
        other = [f"{name} {theirs.get(name)}, not {ours[name]}" for name in ours if ours[name] != theirs.get(name)]
        if other:
            raise InputError(f"{self.folder} holds another run: {'; '.join(other[:3])}; choose another folder")


class Progress(keras.callbacks.Callback):
    """Show a run: a bar on a terminal, and on standard output a line for every pass over the validation text.

    Args:
        steps: of the whole run.
        tokens: of one step.
        tokens_per_char: of the text, for bits per character.
    """

    def __init__(self, steps: int, tokens: int, tokens_per_char: float):
        super().__init__()
        self.steps, self.tokens, self.bits_per_char = steps, tokens, tokens_per_char / math.log(2)
        self.bar = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None):
        if self.bar is None:
            hidden = not sys.stderr.isatty()
            self.bar = tqdm(total=self.steps, initial=batch, unit="step", disable=hidden, leave=False)
        self.bar.update()
        rate = (self.bar.format_dict["rate"] or 0) * self.tokens
        loss = logs["loss"]
        self.bar.set_postfix_str(
            f"loss {loss:.3f} nats, {loss * self.bits_per_char:.2f} bits/char, {rate:,.0f} tokens/s", refresh=False
        )

    def on_epoch_end(self, epoch: int, logs: dict | None = None):
        tqdm.write(
            f"step {logs['step']:>6,.0f} of {self.steps:,}   loss {logs['loss']:.4f}   "
            f"validation {logs['val_loss']:.4f} nats, {logs['bits_per_char']:.3f} bits/char   "
            f"{logs['tokens_per_second']:,.0f} tokens/s   {logs['seconds']:,.0f} s"
        )
        sys.stdout.flush()

    def on_train_end(self, logs: dict | None = None):
        if self.bar is not None:
            self.bar.close()


class Waiting(keras.callbacks.EarlyStopping):
    """Early stopping that goes on waiting where an interrupted run did."""

    def __init__(self, patience: int, log: list[dict]):
        super().__init__("val_loss", patience=patience)
        self.log = list(log)

    def on_train_begin(self, logs: dict | None = None):
        super().on_train_begin(logs)
        for epoch, entry in enumerate(self.log):
            self.on_epoch_end(epoch, entry)


def _all_variables(trained: keras.Model) -> list[keras.Variable]:
    return [*trained.variables, *trained.optimizer.variables]


def _flat(note: dict) -> dict:
    """Return the note's fields with those of its groups beside them."""
    groups = {name: value for name, value in note.items() if isinstance(value, dict)}
    return {name: value for name, value in note.items() if name not in groups} | {
        f"{group}.{name}": value for group, fields in groups.items() for name, value in fields.items()
    }
