"""Presets build, have the size that they say, and train on any text."""

import pytest

from lmtutorial import costs, data, presets
from lmtutorial.checkpoints import KINDS, build
from lmtutorial.errors import InputError
from lmtutorial.presets import PRESETS, Preset
from lmtutorial.tokenizers import BPETokenizer
from lmtutorial.training import TrainingConfig

TINY = Preset("tiny", "rnn", {"cell": "rnn", "embedding": 3, "units": 4}, TrainingConfig(batch=2, context=8))


def built(name, vocab_size):
    preset = presets.find(name)
    return build(KINDS[preset.kind][0](vocab_size=vocab_size, **preset.model))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_builds_and_names_a_text(name):
    assert built(name, 65).vocab_size == 65
    assert presets.find(name).corpus in data.REGISTRY


@pytest.mark.parametrize("name", ["rnn-small", "gru-small", "lstm-small"])
def test_a_small_preset_has_about_800_000_parameters(name):
    assert 750_000 < built(name, 65).count_params() < 850_000


def test_the_articles_model_is_the_articles():
    preset, model = presets.find("article-rnn"), built("article-rnn", 10_000)
    assert (preset.level, preset.training.batch) == ("bpe:10000", 64)
    assert (model.config.cell, model.config.embedding, model.config.units, model.config.layers) == ("rnn", 256, 1024, 1)
    assert model.count_params() == 10_000 * 256 + (256 + 1024 + 1) * 1024 + (1024 + 1) * 10_000


def test_a_gpt_preset_has_the_size_and_the_window_that_it_says():
    assert 750_000 < built("nanogpt-cpu", 65).count_params() < 850_000
    assert 750_000 < built("laptop", 65).count_params() < 850_000
    for preset in PRESETS.values():
        if preset.kind == "gpt":
            assert preset.training.context == preset.model.get("context", 64)


def test_gpt2s_preset_is_gpt2s():
    preset = presets.find("gpt2")
    config = KINDS["gpt"][0](vocab_size=50257, **preset.model)
    assert preset.level == "bpe:50257"
    assert (config.context, config.layers, config.heads, config.width, config.hidden) == (1024, 12, 12, 768, 3072)
    assert costs.parameters(config) == 124_439_808  # of transformers' GPT2LMHeadModel


def test_an_unknown_preset_is_answered_with_those_there_are():
    with pytest.raises(InputError) as error:
        presets.find("gpt-9")
    assert str(error.value) == f"there is no preset 'gpt-9'; there are {', '.join(PRESETS)}"


def test_a_preset_trains_on_its_text_with_its_tokenizer(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("it was the best of times, " * 40)
    preset = Preset("tiny", "rnn", TINY.model, TINY.training, corpus=str(text), level="bpe:260")
    model, tokenizer, log = presets.run(preset, tmp_path / "run", steps=2, seed=3, warmup=0)
    assert (type(tokenizer), tokenizer.vocab_size, model.vocab_size) == (BPETokenizer, 260, 260)
    assert [entry["step"] for entry in log] == [2]
    with pytest.raises(InputError, match=r"another run: training\.seed 3, not 4; choose"):
        presets.run(preset, tmp_path / "run", steps=2, seed=4, warmup=0)


def test_a_text_without_validation_part_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("abcde")
    preset = Preset("tiny", "rnn", TINY.model, TINY.training, corpus=str(tmp_path / "text.txt"))
    with pytest.raises(InputError, match=r"text\.txt has no training or no validation split; choose another corpus"):
        presets.run(preset)
