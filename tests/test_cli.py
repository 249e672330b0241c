"""The command line as its users meet it: figures, files, and one clear line for bad input."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys

import pytest

from lmtutorial import checkpoints, commands, data, presets
from lmtutorial.cli import main
from lmtutorial.commands import SAMPLERS
from lmtutorial.files import alone
from lmtutorial.presets import Preset
from lmtutorial.training import TrainingConfig

TEXT = "it was the best of times, it was the worst of times,\n" * 60


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file


def test_eval_prints_its_figures_as_json(text, capsys):
    assert main(["eval", "--model", "kn3", "--data", str(text), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"nats_per_token", "bits_per_char", "perplexity", "tokens", "seconds"} <= figures.keys()
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    assert figures["tokens"] == len(TEXT) - int(len(TEXT) * 0.9) - (len(TEXT) - int(len(TEXT) * 0.95))


def test_the_uniform_model_costs_the_logarithm_of_the_alphabet(text, capsys):
    main(["eval", "--model", "uniform", "--data", str(text), "--json"])
    assert json.loads(capsys.readouterr().out)["bits_per_char"] == pytest.approx(math.log2(len(set(TEXT))))


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe:300"])
def test_every_level_scores_the_whole_held_out_text(text, level, capsys):
    assert main(["eval", "--model", "mkn2", "--data", str(text), "--level", level, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    bits = figures["nats_per_token"] * figures["tokens"] / math.log(2)
    assert figures["bits_per_char"] == pytest.approx(bits / figures["characters"])


def test_without_json_eval_prints_a_table(text, capsys):
    main(["eval", "--data", str(text)])
    assert "bits per char" in capsys.readouterr().out


def test_infinite_figures_become_null_and_are_counted(tmp_path, capsys):
    file = tmp_path / "text.txt"
    file.write_text("ab" * 400 + "ba" + "bb" * 10)
    main(["eval", "--model", "ml2", "--data", str(file), "--split", "test", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["perplexity"] is None
    assert figures["impossible_tokens"] > 0


def test_characters_that_never_occur_in_training_are_counted_and_said(tmp_path, capsys):
    file = tmp_path / "text.txt"
    file.write_text("ab" * 500 + "ü" * 60)
    main(["eval", "--data", str(file), "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["tokens"] > 0
    assert "never occur in training" in captured.err


@pytest.fixture
def small_corpus(text, monkeypatch):
    corpus = data.load(text)
    monkeypatch.setattr(data, "load", lambda name: corpus)


@pytest.mark.parametrize("content", [b"", b"it was the best", bytes(range(256)), "词元".encode()])
def test_decompress_restores_any_file(small_corpus, tmp_path, content):
    file = tmp_path / "notes.bin"
    file.write_bytes(content)
    assert main(["compress", str(file), "--model", "kn3"]) == 0
    file.unlink()
    assert main(["decompress", f"{file}.lm"]) == 0
    assert file.read_bytes() == content


def test_nothing_is_written_over(small_corpus, tmp_path, capsys):
    file = tmp_path / "notes"
    file.write_text("it was")
    main(["compress", str(file)])
    file.write_text("something else")
    assert main(["decompress", f"{file}.lm"]) == 2
    assert file.read_text() == "something else"
    assert main(["compress", str(file), "--model", "kn2"]) == 2
    assert "move it away" in capsys.readouterr().err


def test_a_compressed_file_names_its_model(small_corpus, tmp_path):
    file = tmp_path / "notes"
    file.write_text("it was")
    main(["compress", str(file), "--model", "kn3"])
    assert b'"model": "kn3"' in (tmp_path / "notes.lm").read_bytes()


BAD = {
    "unknown command": ["nothing"],
    "unknown data set": ["eval", "--data", "nothing"],
    "unknown model": ["eval", "--model", "gpt9", "--data", "TEXT"],
    "order 0": ["eval", "--model", "kn0", "--data", "TEXT"],
    "order beyond the text": ["eval", "--model", "kn99999", "--data", "TEXT"],
    "unknown level": ["eval", "--level", "syllable", "--data", "TEXT"],
    "level without size": ["eval", "--level", "bpe", "--data", "TEXT"],
    "too small a vocabulary": ["eval", "--level", "bpe:10", "--data", "TEXT"],
    "too large a vocabulary": ["eval", "--level", "bpe:99999999999999999999999", "--data", "TEXT"],
    "empty text": ["eval", "--data", "EMPTY"],
    "binary file as text": ["eval", "--data", "BINARY"],
    "empty folder as text": ["eval", "--data", "FOLDER"],
    "folder to compress": ["compress", "FOLDER"],
    "no file to compress": ["compress", "ABSENT"],
    "unknown compressor's model": ["compress", "TEXT", "--model", "zip", "--data", "TEXT"],
    "not a compressed file": ["decompress", "TEXT"],
    "not a compressed file, though named so": ["decompress", "WRONG.lm"],
    "no compressed file": ["decompress", "ABSENT.lm"],
    "unknown data set to fetch": ["data", "fetch", "nothing"],
    "unknown data set's path": ["data", "path", "nothing"],
    "not the book's folder": ["book"],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    for file, content in {"TEXT": TEXT.encode(), "EMPTY": b"", "BINARY": b"a\0b", "WRONG.lm": b"PK"}.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "FOLDER").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    try:
        code = main(BAD[name])
    except SystemExit as stopped:  # argparse's own way out
        code = stopped.code
    captured = capsys.readouterr()
    said = [line for line in captured.err.splitlines() if not line.startswith("usage:")]
    assert (code, captured.out, len(said)) == (2, "", 1), captured
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_optional_package_is_named_with_the_extra_that_brings_it(tmp_path):
    code = "import sys; sys.modules['yaml'] = None\nfrom lmtutorial.cli import main; sys.exit(main(['book']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "lmtutorial: building the book needs yaml; install lmtutorial[book]\n"


def test_a_reader_that_has_read_enough_ends_the_command_quietly():
    code = "import sys; from lmtutorial.cli import main; sys.exit(main(['data', 'list']))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 141


def test_data_list_names_every_text(capsys):
    main(["data", "list"])
    out = capsys.readouterr().out
    assert all(name in out for name in data.REGISTRY)


# --- neural models

TINY = Preset("tiny", "rnn", {"cell": "rnn", "embedding": 4, "units": 8}, TrainingConfig(4, 2, 16, evaluate_every=2))
STATEFUL = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, batch=500, stateful=True))
TRAIN = ["train", "tiny", "--data", "TEXT", "--out", "RUN"]
WRITE = ["generate", "--model", "RUN", "--tokens", "20", "--prompt", "it was"]


@pytest.fixture(scope="module", autouse=True)
def small_presets():
    """Let the command line know two presets that train in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", TINY)
        patch.setitem(presets.PRESETS, "stateful", STATEFUL)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a run in RUN and what it was trained on in TEXT."""
    place = tmp_path_factory.mktemp("trained")
    (place / "TEXT").write_text(TEXT)
    assert main([str(place / word) if word in ("TEXT", "RUN") else word for word in TRAIN]) == 0
    return place


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """Go to a copy of the folder of a run, with other files that are of no use."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    shutil.copytree(trained / "RUN", tmp_path / "BROKEN")
    for name in (checkpoints.LAST, checkpoints.BEST):
        (tmp_path / "BROKEN" / name).write_bytes((trained / "RUN" / name).read_bytes()[:-100])
    for name, content in {"SHORT": TEXT[:60], "ONE": "abcde", "OTHER": "ξένος" * 100}.items():
        (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "EMPTY").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_train_keeps_a_run_and_says_how_to_evaluate_it(trained, tmp_path, capsys):
    assert main(["train", "tiny", "--data", str(trained / "TEXT"), "--out", str(tmp_path / "run"), "--steps", "2"]) == 0
    progress, end = capsys.readouterr().out.splitlines()
    data_and_model = f"--model {tmp_path / 'run'} --data {trained / 'TEXT'}"
    assert end == f"{tmp_path / 'run'}: trained; see `lmtutorial eval {data_and_model}`"
    assert progress.startswith("step      2 of 2   loss ")
    assert {"best.safetensors", "last.safetensors", "log.jsonl", "tokenizer.json"} == {
        path.name for path in (tmp_path / "run").iterdir()
    }


def test_the_same_command_again_does_nothing_more(place, capsys):
    before = files(place)
    assert main(["train", "tiny", "--data", str(place / "TEXT"), "--out", "RUN"]) == 0
    assert capsys.readouterr().out.startswith("RUN: trained; ")
    assert files(place) == before


def test_a_folder_where_another_process_trains_ends_in_one_line(place, capsys):
    with alone(place / "RUN"):
        assert main(["train", "tiny", "--data", str(place / "TEXT"), "--out", "RUN"]) == 2
    said = "lmtutorial: another process is training in RUN; wait, or choose another folder\n"
    assert capsys.readouterr().err == said


def test_a_run_is_evaluated_by_its_folder(place, capsys):
    assert main(["eval", "--model", "RUN", "--data", "TEXT", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    best = min(json.loads(line)["val_loss"] for line in (place / "RUN" / "log.jsonl").read_text().splitlines())
    after_the_first = figures["nats"] - math.log(len(set(TEXT)))
    assert after_the_first / (figures["tokens"] - 1) == pytest.approx(best, rel=1e-5)


def written(capsys, *arguments):
    """Return what `generate` prints with arguments more than those of WRITE."""
    assert main([*WRITE, *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_generate_writes_on_after_the_prompt(place, capsys):
    text = written(capsys)
    assert text.startswith("it was")
    assert len(text) == len("it was") + 20 + len("\n")


def test_generate_writes_the_same_with_the_same_seed(place, capsys):
    assert written(capsys, "--seed", "3") == written(capsys, "--seed", "3") != written(capsys, "--seed", "4")


def test_several_prompts_write_several_texts(place, capsys):
    alone, both = written(capsys), written(capsys, "--prompt", "the")
    assert both.startswith(f"{alone}\nthe")
    assert len(both) == len(alone) + 1 + len("the") + 20 + 1


def test_a_text_may_stop_before_it_begins(place, capsys):
    first = written(capsys)[len("it was")]
    assert written(capsys, "--stop", first) == "it was\n"


@pytest.mark.parametrize("name", [name for name, _, _ in SAMPLERS])
def test_every_sampler_is_an_option(name, place, capsys):
    strict = {"repetition-penalty": "1e-9", "temperature": "1e-9", "top-k": "1", "top-p": "1e-9", "min-p": "1"}
    assert written(capsys, f"--{name}", strict[name]) != written(capsys)
    if name != "repetition-penalty":
        assert written(capsys, f"--{name}", strict[name]) == written(capsys, "--greedy")


def test_beams_are_printed_the_likeliest_first(place, capsys):
    lines = written(capsys, "--beams", "3", "--tokens", "4").splitlines()
    costs, texts = zip(*(line.split(" nats  ") for line in lines))
    assert sorted(map(float, costs), reverse=True) == [float(cost) for cost in costs]
    assert [len(text.removeprefix("it was")) for text in texts] == [4, 4, 4]


def test_a_counting_model_writes_too(place, capsys):
    arguments = ["--model", "kn5", "--data", "TEXT", "--greedy", "--prompt", "it was the", "--tokens", "5"]
    assert main(["generate", *arguments]) == 0
    assert capsys.readouterr().out.startswith("it was the ")


def test_generate_prints_the_text_and_nothing_else(place):
    code = "import sys; from lmtutorial.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, *WRITE, "--greedy"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("it was")
    assert len(done.stdout) == len("it was") + 20 + len("\n")


def test_a_gpt_is_trained_evaluated_and_writes_beyond_its_window(trained, tmp_path, monkeypatch, capsys):
    model = {"context": 8, "layers": 1, "width": 8, "heads": 2}
    monkeypatch.setitem(presets.PRESETS, "gpt", Preset("tiny", "gpt", model, TrainingConfig(4, 2, 8)))
    text, run = str(trained / "TEXT"), str(tmp_path / "run")
    assert main(["train", "gpt", "--data", text, "--out", run]) == 0
    assert main(["eval", "--model", run, "--data", text, "--json"]) == 0
    bits = json.loads(capsys.readouterr().out.splitlines()[-1])["bits_per_char"]
    assert 0 < bits < math.log2(len(set(TEXT))) + 0.5
    assert len(written(capsys, "--model", run)) == len("it was") + 20 + len("\n")


BAD_FOR_A_NEURAL_MODEL = {
    "unknown preset": ["train", "gpt-9"],
    "a text shorter than the context": ["train", "lstm-small", "--data", "SHORT"],
    "a text too short for the batch": ["train", "stateful", "--data", "TEXT"],
    "a text without validation part": ["train", "tiny", "--data", "ONE"],
    "no text to train on": ["train", "tiny", "--data", "EMPTY"],
    "no steps": ["train", "tiny", "--data", "TEXT", "--steps", "0"],
    "a negative seed": ["train", "tiny", "--data", "TEXT", "--seed", "-1"],
    "too large a seed": ["train", "tiny", "--data", "TEXT", "--seed", "99999999999"],
    "a folder with another run": [*TRAIN, "--seed", "1"],
    "a file in place of a folder": [*TRAIN[:-1], "TEXT"],
    "a truncated run": [*TRAIN[:-1], "BROKEN"],
    "a truncated model to evaluate": ["eval", "--model", "BROKEN", "--data", "TEXT"],
    "a folder without model": ["eval", "--model", "EMPTY", "--data", "TEXT"],
    "a text as model": ["eval", "--model", "TEXT", "--data", "TEXT"],
    "no such folder": ["eval", "--model", "runs/none", "--data", "TEXT"],
    "a level of a run": ["eval", "--model", "RUN", "--data", "TEXT", "--level", "char"],
    "a text of unknown characters": ["eval", "--model", "RUN", "--data", "OTHER"],
    "a truncated model to write with": [*WRITE, "--model", "BROKEN"],
    "a level of a run to write with": [*WRITE, "--level", "char"],
    "temperature 0": [*WRITE, "--temperature", "0"],
    "a negative temperature": [*WRITE, "--temperature", "-1"],
    "top-k 0": [*WRITE, "--top-k", "0"],
    "top-k larger than the vocabulary": [*WRITE, "--top-k", "999"],
    "top-p 0": [*WRITE, "--top-p", "0"],
    "top-p above 1": [*WRITE, "--top-p", "1.1"],
    "min-p above 1": [*WRITE, "--min-p", "2"],
    "repetition penalty 0": [*WRITE, "--repetition-penalty", "0"],
    "an empty prompt": [*WRITE, "--prompt", ""],
    "unknown characters in the prompt": [*WRITE, "--prompt", "ξένος"],
    "no tokens to write": [*WRITE, "--tokens", "0"],
    "an empty stop string": [*WRITE, "--stop", ""],
    "a negative seed to draw with": [*WRITE, "--seed", "-1"],
    "no beams": [*WRITE, "--beams", "0"],
    "beams and greedy": [*WRITE, "--beams", "2", "--greedy"],
    "beams and a sampler": [*WRITE, "--beams", "2", "--top-k", "3"],
    "beams and a stop string": [*WRITE, "--beams", "2", "--stop", "."],
    "beams and two prompts": [*WRITE, "--beams", "2", "--prompt", "the"],
    "an unknown model to write with": [*WRITE, "--model", "gpt9", "--data", "TEXT"],
}


@pytest.mark.parametrize("name", BAD_FOR_A_NEURAL_MODEL)
def test_bad_input_for_a_neural_model_gets_one_line_and_changes_nothing(name, place, capsys):
    before = files(place)
    assert main(BAD_FOR_A_NEURAL_MODEL[name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lmtutorial: ")
    assert captured.err.count("\n") == 1
    assert files(place) == before


def test_what_keras_does_not_need_is_not_imported_but_can_be(run_python):
    code = (
        "from lmtutorial import commands; commands.neural('gpt'); names = {'jax', 'matplotlib', 'pandas'}\n"
        "print(*sorted(names & sys.modules.keys())); import pandas, matplotlib"
    )
    for backend, imported in (("tensorflow", ""), ("jax", "jax")):
        ((output, errors, exit_code),) = run_python("import sys; " + code, envs=[{"KERAS_BACKEND": backend}])
        assert (output.strip(), exit_code) == (imported, 0), errors


@pytest.mark.parametrize(
    ("written", "asked", "backend"),
    [(None, None, "tensorflow"), ('{"backend": "jax"}', None, "jax"), ('{"backend": "jax"}', "torch", "torch")],
)
def test_the_backend_is_the_one_that_keras_will_choose(written, asked, backend, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if asked:
        monkeypatch.setenv("KERAS_BACKEND", asked)
    if written:
        (tmp_path / "keras.json").write_text(written)
    assert commands._backend() == backend
