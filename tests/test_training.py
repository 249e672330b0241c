"""Batches, schedule, optimiser; runs that repeat bit for bit, resume, stop early, and fail in one line."""

import dataclasses
import io
import json
import multiprocessing
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from lmtutorial import checkpoints, distributed, tokenizers
from lmtutorial.callbacks import Progress
from lmtutorial.checkpoints import BEST, LAST, TOKENIZER
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import RNNLM, RNNConfig
from lmtutorial.tokenizers import CharTokenizer
from lmtutorial.training import Trained, TrainingConfig, Windows, optimizer, schedule, train

LETTERS = CharTokenizer("abcd")
TEXT = np.random.default_rng(0).integers(4, size=100)
HELD_OUT = TEXT[:40]
MODEL = RNNConfig(LETTERS.vocab_size, "rnn", embedding=3, units=5, dropout=0.1)
GRU = dataclasses.replace(MODEL, cell="gru")
GPT = GPTConfig(LETTERS.vocab_size, context=5, layers=1, width=8, heads=2, dropout=0.1)
RMS = dataclasses.replace(GPT, norm="rms", positions="rotary", mlp="swiglu", qk_norm=True, tie_embeddings=False)
CONFIG = TrainingConfig(steps=12, batch=3, context=5, warmup=3, evaluate_every=4)
STATEFUL = dataclasses.replace(CONFIG, stateful=True)  # a pass has 6 steps
STILL = dataclasses.replace(CONFIG, learning_rate=1e-30, warmup=0)  # changes nothing


class Recorder(keras.callbacks.Callback):
    """Keeps the loss of every step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


class Act(keras.callbacks.Callback):
    """Does `action` to the model after the step with index `at`."""

    def __init__(self, at, action):
        super().__init__()
        self.at, self.action = at, action

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.at:
            self.action(self.model.model)


def interrupt(_model):
    raise KeyboardInterrupt


def run(config=CONFIG, folder=None, *callbacks, model=MODEL, held_out=HELD_OUT):
    return train(config, model, TEXT, held_out, LETTERS, folder, callbacks)


def weights(folder, name=LAST):
    return checkpoints.read(folder / name)[0]


def same(first, second):
    """Whether two dictionaries of arrays are equal, bit for bit."""
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def untimed(log):
    """Return the log without what depends on the clock."""
    clock = ("seconds", "tokens_per_second")
    return [{name: value for name, value in entry.items() if name not in clock} for entry in log]


def read_log(folder):
    """Return the log of a folder; none is empty."""
    return [json.loads(line) for path in folder.glob("log.jsonl") for line in path.read_text().splitlines()]


# --- batches


def test_targets_are_the_inputs_one_token_on():
    inputs, targets = Windows(np.arange(100), CONFIG)[7]
    assert inputs.shape == targets.shape == (3, 5)
    assert inputs.dtype == np.int32
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(np.diff(inputs), 1)


def test_a_step_has_the_same_batch_whatever_was_asked_before():
    first, second = Windows(TEXT, CONFIG), Windows(TEXT, CONFIG)
    for step in (9, 2, 5):
        first[step]
    np.testing.assert_array_equal(first[5], second[5])


def test_another_step_or_seed_has_another_batch():
    windows, others = (Windows(np.arange(10_000), dataclasses.replace(CONFIG, seed=seed)) for seed in (0, 1))
    batches = {windows[0][0].tobytes(), windows[1][0].tobytes(), others[0][0].tobytes()}
    assert len(batches) == 3


@pytest.mark.parametrize("length", [6, 8])
def test_windows_begin_everywhere(length):
    windows = Windows(np.arange(length), CONFIG)
    assert {int(first) for step in range(50) for first in windows[step][0][:, 0]} == set(range(length - 5))


def test_stateful_windows_read_the_text_in_order():
    windows = Windows(np.arange(100), STATEFUL)  # three rows of 33 tokens, of which six windows of 5 make 30
    inputs, targets = (np.concatenate(parts, axis=1) for parts in zip(*(windows[step] for step in range(6))))
    np.testing.assert_array_equal(inputs, [np.arange(30), 33 + np.arange(30), 66 + np.arange(30)])
    np.testing.assert_array_equal(targets, inputs + 1)


def test_a_new_pass_forgets_and_begins_again():
    windows = Windows(TEXT, STATEFUL)
    assert [step for step in range(14) if windows.forgets(step)] == [0, 6, 12]
    np.testing.assert_array_equal(windows[6], windows[0])


def test_windows_drawn_anywhere_forget_nothing():
    assert not any(Windows(TEXT, CONFIG).forgets(step) for step in range(20))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(2, 60), st.booleans())
def test_a_text_is_long_enough_or_refused(batch, context, length, stateful):
    config = TrainingConfig(batch=batch, context=context, stateful=stateful)
    if length > (batch * context if stateful else context):
        inputs, _ = Windows(np.arange(length), config)[1]
        assert inputs.shape == (batch, context)
    else:
        with pytest.raises(InputError, match=r"needs a longer text|side by side need"):
            Windows(np.arange(length), config)


# --- schedule and optimiser


def rates(config):
    return np.array([float(schedule(config)(step)) for step in range(config.steps + 1)])


def test_the_learning_rate_rises_from_0_to_the_peak_and_falls_to_its_last_share():
    config = TrainingConfig(steps=50, warmup=10, learning_rate=0.5, final_rate=0.2)
    found = rates(config)
    assert found[[0, 5, 10, 30, 50]] == pytest.approx([0, 0.25, 0.5, 0.3, 0.1])
    assert (np.diff(found[:11]) > 0).all()
    assert (np.diff(found[10:]) < 0).all()


def test_without_warmup_the_learning_rate_begins_at_the_peak():
    found = rates(TrainingConfig(steps=50, warmup=0, learning_rate=0.5))
    assert found[[0, 50]] == pytest.approx([0.5, 0.05])
    assert (np.diff(found) < 0).all()


def with_gradients(config, value, model=GRU):
    """Return a model of ones after a step in which every gradient was `value`."""
    trained = Trained(checkpoints.build(model), config)
    for variable in trained.trainable_variables:
        variable.assign(np.ones(variable.shape))
    gradients = [keras.ops.full(variable.shape, value) for variable in trained.trainable_variables]
    trained.optimizer.apply(gradients)
    return trained


@pytest.mark.parametrize("name", ["adamw", "muon"])
@pytest.mark.parametrize("model", [GRU, GPT, RMS], ids=["gru", "gpt", "rms"])
def test_weights_with_two_axes_decay_and_no_others(model, name):
    config = TrainingConfig(context=5, warmup=0, learning_rate=0.5, weight_decay=0.2, optimizer=name)
    for variable in with_gradients(config, 0.0, model).trainable_variables:
        expected = 1 - 0.5 * 0.2 if len(variable.shape) == 2 else 1
        np.testing.assert_allclose(np.asarray(variable), expected, err_msg=variable.path)


def test_muon_makes_the_matrices_between_embedding_and_output_orthogonal_and_leaves_the_rest_to_adamw():
    free = dataclasses.replace(GPT, tie_embeddings=False, positions="learned", qk_norm=True)
    trained = Trained(checkpoints.build(free), TrainingConfig(context=5, optimizer="muon"))
    velocities = [variable is not None for variable in trained.optimizer.adam_velocities]
    by_adamw = {v.path for v, velocity in zip(trained.trainable_variables, velocities, strict=True) if velocity}
    assert by_adamw == {
        variable.path
        for variable in trained.trainable_variables
        if len(variable.shape) < 2 or variable.path.split("/")[0] == "gpt"
    }


@pytest.mark.parametrize("value", [100.0, 1e-3])
def test_the_gradient_is_scaled_down_to_its_largest_norm(value):
    trained = with_gradients(TrainingConfig(clip=0.5), value)
    momenta = [np.asarray(v).ravel() for v in trained.optimizer.variables if "momentum" in v.path]
    norm = value * np.sqrt(trained.model.count_params())
    assert np.linalg.norm(np.concatenate(momenta)) == pytest.approx(0.1 * min(norm, 0.5))


def test_the_optimiser_is_adamw_with_the_configurations_numbers():
    found = optimizer(TrainingConfig(weight_decay=0.3, clip=2.0), [])
    assert (type(found), found.weight_decay, found.global_clipnorm) == (keras.optimizers.AdamW, 0.3, 2.0)


# --- runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder, the log, the losses and the model of a run that nobody disturbed."""
    folder, recorder = tmp_path_factory.mktemp("finished"), Recorder()
    model, log = run(CONFIG, folder, recorder)
    return folder, log, recorder.losses, model


def test_a_log_has_an_entry_for_every_pass_over_the_validation_text(finished):
    _, log, losses, model = finished
    assert [entry["step"] for entry in log] == [4, 8, 12]
    assert [entry["loss"] for entry in log] == pytest.approx(np.reshape(losses, (3, 4)).mean(axis=1))
    assert log[-1]["val_loss"] == pytest.approx(model.score(HELD_OUT)[1:].mean())
    assert log[-1]["bits_per_char"] == pytest.approx(log[-1]["val_loss"] / np.log(2))
    assert log[-1]["learning_rate"] == pytest.approx(float(schedule(CONFIG)(11)))
    assert 0 < log[0]["seconds"] < log[1]["seconds"] < log[2]["seconds"]


def test_the_logs_file_has_an_object_a_line_and_steps_are_integers(finished):
    folder, log, *_ = finished
    assert read_log(folder) == log
    assert all(type(entry["step"]) is int for entry in read_log(folder))


def test_the_last_and_the_best_weights_are_kept(finished):
    folder, log, *_ = finished
    last, best = (checkpoints.read_model(folder / name)[0].score(HELD_OUT)[1:].mean() for name in (LAST, BEST))
    assert last == pytest.approx(log[-1]["val_loss"])
    assert best == pytest.approx(min(entry["val_loss"] for entry in log))
    assert sorted(path.name for path in folder.iterdir()) == sorted([LAST, BEST, TOKENIZER, "log.jsonl"])


def test_the_same_seed_gives_the_same_losses_bit_for_bit(finished):
    _, log, losses, _ = finished
    recorder = Recorder()
    _, again = run(CONFIG, None, recorder)
    assert recorder.losses == losses
    assert untimed(again) == untimed(log)


def test_another_seed_gives_other_losses(finished):
    recorder = Recorder()
    run(dataclasses.replace(CONFIG, seed=1, steps=2), None, recorder)
    assert not np.isclose(recorder.losses, finished[2][:2]).any()


@pytest.mark.jax
def test_training_lowers_the_loss_of_a_text_that_repeats():
    config = TrainingConfig(steps=150, batch=4, context=8, warmup=10, learning_rate=0.03, evaluate_every=150)
    text = np.tile([0, 1, 2, 3, 3], 50)
    _, (entry,) = train(config, MODEL, text, text[:50], LETTERS)
    assert entry["val_loss"] < 0.1 < np.log(4)


@pytest.mark.jax
@pytest.mark.parametrize("model", [MODEL, GPT], ids=["rnn", "gpt"])
def test_a_batch_in_parts_gives_the_weights_of_the_whole_batch(model):
    model, found = dataclasses.replace(model, dropout=0), {}
    for accumulate in (1, 3):
        recorder = Recorder()
        trained, log = run(dataclasses.replace(CONFIG, accumulate=accumulate), None, recorder, model=model)
        found[accumulate] = [
            recorder.losses,
            [entry["learning_rate"] for entry in log],
            *map(np.asarray, trained.trainable_variables),
        ]
    for whole, parts in zip(found[1], found[3], strict=True):
        np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.jax
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("model", [GRU, RMS], ids=["gru", "gpt"])
def test_products_in_16_bits_train_weights_in_32(model, precision):
    config = TrainingConfig(40, 4, 5, learning_rate=0.03, warmup=4, precision=precision, evaluate_every=40)
    text, before = np.tile([0, 1, 2, 3, 3], 50), keras.config.dtype_policy()
    model, (entry,) = train(config, dataclasses.replace(model, dropout=0), text, text[:50], LETTERS)
    assert entry["val_loss"] < 0.5 < np.log(4)
    assert {str(variable.dtype) for variable in model.trainable_variables} == {"float32"}
    assert model.compute_dtype == precision.removeprefix("mixed_")
    assert keras.config.dtype_policy() is before
    assert model.step(model.start()[0], 1)[1].dtype == np.float32


def test_the_precision_outside_is_as_it_was_after_a_run_that_failed():
    before = keras.config.dtype_policy()
    with pytest.raises(InputError, match="does not fit"):
        run(dataclasses.replace(CONFIG, precision="mixed_bfloat16", context=6), model=GPT)
    assert keras.config.dtype_policy() is before


def test_the_state_is_carried_from_window_to_window_and_forgotten_at_a_new_pass():
    recorder = Recorder()
    model, _ = run(
        dataclasses.replace(STILL, stateful=True), None, recorder, model=dataclasses.replace(MODEL, dropout=0)
    )
    rows = TEXT[np.arange(3)[:, None] * 33 + np.arange(31)]
    logits = model(rows[:, :-1])[0]
    costs = np.asarray(keras.losses.sparse_categorical_crossentropy(rows[:, 1:], logits, from_logits=True))
    expected = costs.reshape(3, 6, 5).mean(axis=(0, 2))
    np.testing.assert_allclose(recorder.losses, [*expected, *expected], rtol=1e-5)


# --- resuming


MUON = dataclasses.replace(CONFIG, optimizer="muon")
IN_PARTS = dataclasses.replace(CONFIG, accumulate=3)
HALF = dataclasses.replace(CONFIG, precision="mixed_float16")


@pytest.mark.parametrize(
    ("config", "model"),
    [
        pytest.param(CONFIG, MODEL, id="anywhere"),
        pytest.param(STATEFUL, MODEL, id="stateful", marks=pytest.mark.jax),
        pytest.param(MUON, GPT, id="gpt-muon", marks=[pytest.mark.jax, pytest.mark.slow]),
        pytest.param(IN_PARTS, MODEL, id="accumulate"),
        pytest.param(HALF, MODEL, id="float16", marks=pytest.mark.jax),
    ],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(config, model, tmp_path):
    run(config, tmp_path / "whole", model=model)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "parts", Act(9, interrupt), model=model)
    assert len(read_log(tmp_path / "parts")) == 2
    _, log = run(config, tmp_path / "parts", model=model)
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert untimed(read_log(tmp_path / "parts")) == untimed(read_log(tmp_path / "whole")) == untimed(log)


def test_a_finished_run_does_nothing_more(finished):
    folder, log, *_ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    model, again = run(CONFIG, folder)
    assert again == log
    assert same({"embedding": np.asarray(model.embedding)}, {"embedding": weights(folder)["rnn/embedding"]})
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def entries(folder):
    """Return how many entries the log has; all other files of the folder must be readable, too."""
    for path in folder.glob("*.safetensors"):
        checkpoints.read(path)
    for path in folder.glob("*.json"):
        tokenizers.load(path)
    return len(read_log(folder))


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_ends_with_the_same_bits(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lmtutorial.training"])
    config = dataclasses.replace(STATEFUL, steps=400)
    whole, folder, rng = tmp_path / "whole", tmp_path / "killed", np.random.default_rng(0)

    def start(folder):
        process = context.Process(target=train, args=(config, MODEL, TEXT, HELD_OUT, LETTERS, folder))
        process.start()
        return process

    undisturbed = start(whole)
    for kill in range(10):
        enough, process = entries(folder) + rng.integers(1, 7), start(folder)
        while kill and (len(read_log(folder)) < enough or (kill % 2 and not any(folder.glob(".*")))):
            assert process.is_alive()
            time.sleep(0.0005)  # then, every other time, a file is being written
        time.sleep(0 if kill % 2 else rng.random() * (0.1 if kill else 3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    last = start(folder)
    last.join()
    undisturbed.join()
    assert (last.exitcode, undisturbed.exitcode, entries(folder)) == (0, 0, 100)
    assert same(weights(folder), weights(whole))
    assert untimed(read_log(folder)) == untimed(read_log(whole))
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in whole.iterdir())


def test_what_a_killed_run_left_half_written_is_removed(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    for name in (f".{LAST}.a1", f".{BEST}.b2", ".log.jsonl.c3", ".mine"):
        (tmp_path / name).touch()
    run(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [".mine"]


def test_what_is_half_written_is_removed_by_the_first_process_alone(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / f".{LAST}.a1").touch()
    monkeypatch.setattr(distributed, "is_first", lambda: False)
    run(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [f".{LAST}.a1"]


def test_what_another_run_has_removed_already_is_no_error(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / f".{LAST}.a1").touch()
    there = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [path for path in there(self, pattern) for _ in "ab"])
    run(CONFIG, tmp_path)
    assert list(there(tmp_path, ".*")) == []


def test_of_two_runs_at_once_in_one_folder_the_second_is_refused(tmp_path):
    def second(_model):
        with pytest.raises(InputError) as error:
            run(CONFIG, tmp_path)
        refused.append(str(error.value))

    refused = []
    run(CONFIG, tmp_path, Act(9, second))
    assert refused == [f"another process is training in {tmp_path}; wait, or choose another folder"]
    assert entries(tmp_path) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "training.seed 0, not 1"),
        ({"steps": 20, "batch": 4}, "training.steps 12, not 20; training.batch 3, not 4"),
    ],
)
def test_a_folder_with_another_run_is_refused(change, message, finished):
    folder, *_ = finished
    with pytest.raises(InputError) as error:
        run(dataclasses.replace(CONFIG, **change), folder)
    assert str(error.value) == f"{folder} holds another run: {message}; choose another folder"


def test_a_folder_with_another_model_text_or_tokenizer_is_refused(finished):
    folder, *_ = finished
    with pytest.raises(InputError, match=r"holds another run: config.units 5, not 6; choose"):
        run(CONFIG, folder, model=dataclasses.replace(MODEL, units=6))
    with pytest.raises(InputError, match="holds another run: data "):
        train(CONFIG, MODEL, TEXT[::-1], HELD_OUT, LETTERS, folder)
    with pytest.raises(InputError, match="holds another run: tokenizer "):
        train(CONFIG, MODEL, TEXT, HELD_OUT, CharTokenizer("dcba"), folder)


@pytest.mark.parametrize("folder", ["file", "file/run"])
def test_a_file_in_place_of_the_folder_is_refused_before_training(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file; a folder is needed"):
        run(CONFIG, tmp_path / folder)
    assert capsys.readouterr().err == ""


def test_a_truncated_checkpoint_is_refused(finished, tmp_path):
    (tmp_path / LAST).write_bytes((finished[0] / LAST).read_bytes()[:-9])
    with pytest.raises(InputError, match="is no checkpoint, or only a part of one"):
        run(CONFIG, tmp_path)


# --- stopping early


def test_patience_goes_on_where_an_interrupted_run_waited(tmp_path):
    config = dataclasses.replace(STILL, patience=2, evaluate_every=2)
    _, log = run(config, tmp_path / "whole")
    assert [entry["step"] for entry in log] == [2, 4, 6]  # the first is the best there will be
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "parts", Act(4, interrupt))
    assert untimed(run(config, tmp_path / "parts")[1]) == untimed(log)
    assert untimed(run(config, tmp_path / "parts")[1]) == untimed(log)  # it had stopped


# --- going wrong


@pytest.mark.parametrize(
    ("rate", "at", "message", "kept"),
    [(1e30, None, "at step 4", 0), (1e-3, 5, "at step 7", 1), (1e-3, 7, "on the validation text after step 8", 1)],
    ids=["learning rate", "weights", "weights before validation"],
)
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(rate, at, message, kept, tmp_path):
    lose = Act(at, lambda model: model.output_bias.assign(np.full(4, np.nan)))
    with pytest.raises(InputError) as error:
        run(dataclasses.replace(CONFIG, learning_rate=rate), tmp_path, lose)
    assert str(error.value) == (
        f"the loss became nan {message}; checkpoints made before are as they were: "
        "start again with a lower learning rate"
    )
    assert entries(tmp_path) == kept


@pytest.mark.parametrize("held_out", [[], [1]])
def test_a_validation_text_without_a_second_token_is_refused(held_out):
    with pytest.raises(InputError, match=f"the validation text has {len(held_out)} tokens; at least two are needed"):
        run(held_out=np.array(held_out, dtype=int))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[
            ({name: 0}, f"{name} must be at least 1; got 0")
            for name in ("steps", "batch", "context", "accumulate", "evaluate_every")
        ],
        *[({name: 0}, f"{name} must be a positive number; got 0") for name in ("learning_rate", "clip")],
        ({"learning_rate": np.nan}, "learning_rate must be a positive number; got nan"),
        ({"learning_rate": np.inf}, "learning_rate must be a positive number; got inf"),
        *[
            ({name: -1}, f"{name} must not be negative; got -1")
            for name in ("warmup", "weight_decay", "patience", "seed")
        ],
        ({"seed": 2**32}, "seed must be less than 2**32; got 4294967296"),
        ({"final_rate": 1.1}, "final_rate must be between 0 and 1; got 1.1"),
        ({"optimizer": "sgd"}, "there is no optimizer 'sgd'; there are adamw, muon"),
        (
            {"precision": "float8"},
            "there is no precision 'float8'; there are float32, mixed_bfloat16, mixed_float16",
        ),
        ({"accumulate": 5}, "a batch of 12 windows cannot be computed in 5 equal parts"),
        (
            {"accumulate": 2, "stateful": True},
            "a state that is carried along needs the whole batch at once: accumulate must be 1",
        ),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(InputError) as error:
        TrainingConfig(**change)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": 6}, "a context of 6 tokens does not fit in the model's window of 5"),
        ({"stateful": True}, "the state of this model has room for one window: it cannot be trained with stateful"),
    ],
)
def test_windows_that_the_model_has_no_room_for_are_refused(change, message, tmp_path):
    with pytest.raises(InputError) as error:
        run(dataclasses.replace(CONFIG, **change), tmp_path, model=GPT)
    assert str(error.value) == message
    assert not any(tmp_path.iterdir())


# --- what a run shows


def test_a_users_callback_is_called_as_keras_calls_it():
    called = []

    class Listening(keras.callbacks.Callback):
        def __getattribute__(self, name):
            if name.startswith("on_") and not name.startswith("on_batch_"):  # older names of the same
                called.append(name)
            return super().__getattribute__(name)

    run(dataclasses.replace(CONFIG, steps=2, evaluate_every=1), None, Listening())
    step = ["on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end"]
    assert called == ["on_train_begin", *step, *step, "on_train_end"]


def test_tensorboard_gets_the_log(tmp_path):
    _, log = run(dataclasses.replace(CONFIG, steps=4), None, keras.callbacks.TensorBoard(tmp_path))
    for part, name in [("train", "loss"), ("train", "bits_per_char"), ("validation", "loss")]:
        (event,) = EventAccumulator(str(tmp_path / part)).Reload().Tensors(f"epoch_{name}")
        key = "val_loss" if part == "validation" else name
        assert make_ndarray(event.tensor_proto) == pytest.approx(log[0][key])


class Terminal(io.StringIO):
    def isatty(self):
        return True


ENTRY = {
    "step": 1000.0,
    "loss": 1.5,
    "val_loss": 2.0,
    "bits_per_char": 2.885,
    "tokens_per_second": 12345.6,
    "seconds": 7,
}
LINE = "step  1,000 of 2,000   loss 1.5000   validation 2.0000 nats, 2.885 bits/char   12,346 tokens/s   7 s\n"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_every_pass_over_the_validation_text_is_a_line(stream, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", stream())
    progress = Progress(steps=2000, tokens=64, tokens_per_char=1)
    progress.on_train_batch_end(999, {"loss": 1.5})
    progress.on_epoch_end(0, ENTRY)
    progress.on_train_end()
    assert capsys.readouterr().out == LINE
    assert bool(sys.stderr.getvalue()) == (stream is Terminal)


def test_the_loss_is_the_steps_own_where_keras_returns_the_mean_of_all_so_far(monkeypatch):
    rows = np.random.default_rng(0).integers(5, size=(3, 2, 9))

    def losses():
        keras.utils.set_random_seed(0)
        trained = Trained(RNNLM(RNNConfig(5, "rnn", 3, 4)), TrainingConfig(batch=2, context=8, learning_rate=0.1))
        return [float(trained.train_on_batch(part[:, :-1], part[:, 1:])) for part in rows]

    def as_keras_3_13(self, x, y):
        self.make_train_function()
        return float(self.train_function(iter([(x, y)]))["loss"])

    expected = losses()
    monkeypatch.setattr(keras.Model, "train_on_batch", as_keras_3_13)
    assert losses() == pytest.approx(expected)


def test_a_terminal_gets_a_bar_with_loss_speed_and_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "120")  # in a narrower one tqdm cuts the line off
    progress = Progress(steps=2000, tokens=64, tokens_per_char=0.5)
    for step in range(1000, 1004):
        progress.on_train_batch_end(step, {"loss": 2.0})
        time.sleep(0.11)
    assert re.search(
        r"100\d/2000 \[00:00<\d\d:\d\d, .*step/s, loss 2\.000 nats, 1\.44 bits/char, [\d,]+ tokens/s\]",
        sys.stderr.getvalue(),
    )
    progress.on_train_end()
