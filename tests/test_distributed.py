"""Training on several processes: the losses of one, one set of files, and what keeps them from starting."""

import contextlib
import json
import re
import socket

import keras
import numpy as np
import pytest

from lmtutorial import distributed
from lmtutorial.checkpoints import BEST, LAST, TOKENIZER, read_model
from lmtutorial.distributed import ADDRESSES, ID, PROCESSES
from lmtutorial.errors import InputError

TEXT = "".join(np.random.default_rng(0).choice(list("abcd \n"), 4000))
TRAIN = """
import sys
from functools import partial
import keras
from lmtutorial import presets, training
from lmtutorial.cli import main

whole = training.Trained.train_on_batch


def counted(self, ids, targets):
    assert len(ids) == int(sys.argv[4]), "not this process' share of the batch"
    return whole(self, ids, targets)


class Interrupted(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


training.Trained.train_on_batch = counted
shape = {"context": 16, "layers": 1, "width": 16, "heads": 2, "dropout": 0.1}
how = training.TrainingConfig(steps=8, batch=4, context=16, warmup=2, evaluate_every=4)
presets.PRESETS["tiny"] = presets.Preset("tiny", "gpt", shape, how)
if sys.argv[3] == "interrupted":
    presets.train = partial(training.train, callbacks=[Interrupted()])
sys.exit(main(["train", "tiny", "--data", sys.argv[1], "--out", sys.argv[2]]))
"""


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text(TEXT)
    return tmp_path / "text"


def processes(number):
    """Return the environments of so many processes that are to train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    alone = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiles sooner
    together = [alone | {ADDRESSES: address, PROCESSES: str(number), ID: str(i)} for i in range(number)]
    return together if number > 1 else [alone]


def losses(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [(entry["loss"], entry["val_loss"]) for entry in map(json.loads, lines)]


@pytest.mark.slow
def test_two_processes_train_as_one_does_also_after_an_interruption(text, tmp_path, run_python):
    for name, number, ends, code in [("one", 1, "whole", 0), ("two", 2, "interrupted", 130), ("two", 2, "whole", 0)]:
        results = run_python(TRAIN, text, tmp_path / name, ends, 4 // number, envs=processes(number))
        assert [exit_code for _, _, exit_code in results] == [code] * number, results
    (first, _, _), (second, _, _) = results
    assert "step      8 of 8" in first
    assert "step" not in second
    assert "trained" not in second
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=0, atol=1e-4)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {BEST, LAST, TOKENIZER, "log.jsonl"}
    assert read_model(tmp_path / "two")[0].config.width == 16


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({PROCESSES: "2"}, "KERAS_BACKEND=jax"),
        ({PROCESSES: "2", "backend": "jax"}, f"all of {ADDRESSES}, {PROCESSES} and {ID}; set is {PROCESSES}"),
        ({ADDRESSES: "a:1", PROCESSES: "2", ID: "2", "backend": "jax"}, "from 0 to 1; got 2"),
        ({ADDRESSES: "a:1", PROCESSES: "two", ID: "0", "backend": "jax"}, "must be a number; got 'two'"),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(environment, message, monkeypatch):
    backend = environment.pop("backend", "tensorflow")
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=re.escape(message)):
        distributed.join()


def test_alone_every_row_is_ours_and_everything_agrees():
    batch = np.arange(6).reshape(3, 2)
    assert distributed.share(batch) is batch
    assert distributed.is_first()
    distributed.agree("anything", 3)


def test_unequal_shares_are_refused(monkeypatch):
    monkeypatch.setattr(keras.distribution, "distribution", lambda: "any")
    monkeypatch.setattr(distributed, "_devices", lambda: 2)
    monkeypatch.setattr(distributed, "_process", lambda: (1, 2))
    assert distributed.share(np.arange(4)).tolist() == [2, 3]
    with pytest.raises(InputError, match="3 windows cannot be shared equally by 2 devices"):
        distributed.share(np.arange(3))


@pytest.mark.parametrize(("others", "agreed"), [([4, 4], True), ([4, 0], False)])
def test_processes_that_do_not_see_the_same_folder_are_told(others, agreed, monkeypatch):
    multihost_utils = pytest.importorskip("jax.experimental.multihost_utils", reason="jax is not installed")
    monkeypatch.setattr(distributed, "_process", lambda: (0, 2))
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda value: np.array(others))
    with contextlib.nullcontext() if agreed else pytest.raises(InputError, match="differ in the steps: 4, 0; they"):
        distributed.agree("the steps", 4)
