"""What holds on TensorFlow holds on JAX, where TensorFlow cannot even be imported."""

from pathlib import Path

import keras
import numpy as np
import pytest

from lmtutorial import backends, checkpoints
from lmtutorial.backends import alike
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import GATES, RNNConfig
from lmtutorial.tokenizers import CharTokenizer

LETTERS = CharTokenizer("abcde")
IDS = np.random.default_rng(0).integers(LETTERS.vocab_size, size=(2, 12))
CONFIGS = {cell: RNNConfig(LETTERS.vocab_size, cell, 3, 4, layers=2, dropout=0.1) for cell in GATES}
CONFIGS["gpt"] = GPTConfig(LETTERS.vocab_size, 12, layers=2, width=8, heads=2, positions="rotary", dropout=0.1)
ON_JAX = "import sys; sys.modules['tensorflow'] = None\n"


@pytest.mark.slow
def test_jax_reads_the_weights_and_gives_the_same_logits_and_costs(run_python, tmp_path):
    models = {}
    for name, config in CONFIGS.items():
        models[name] = checkpoints.build(config)
        for variable in models[name].trainable_variables:
            variable.assign(np.random.default_rng(1).normal(size=variable.shape))
        note = checkpoints.describe(models[name]) | {"tokenizer": checkpoints.fingerprint(LETTERS)}
        checkpoints.save(tmp_path / name / checkpoints.BEST, models[name].variables, note)
        LETTERS.save(tmp_path / name / checkpoints.TOKENIZER)
    code = ON_JAX + (
        "import numpy as np; from pathlib import Path; from lmtutorial.checkpoints import read_model\n"
        "for folder in map(Path, sys.argv[2:]):\n"
        "    ids, (model, _) = np.load(sys.argv[1]), read_model(folder)\n"
        "    np.savez(folder / 'found.npz', logits=np.asarray(model(ids)[0]), costs=model.score(ids[0]))\n"
    )
    np.save(tmp_path / "ids.npy", IDS)
    folders = [tmp_path / name for name in CONFIGS]
    ((_, errors, exit_code),) = run_python(code, tmp_path / "ids.npy", *folders, envs=[{"KERAS_BACKEND": "jax"}])
    assert exit_code == 0, errors
    for name, model in models.items():
        found = np.load(tmp_path / name / "found.npz")
        np.testing.assert_allclose(found["logits"], model(IDS)[0], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found["costs"], model.score(IDS[0]), rtol=0, atol=1e-4)


@pytest.mark.jax
def test_layers_that_are_alike_are_traced_once():
    layers, traced = [keras.layers.Dense(3, bias_initializer="normal") for _ in range(3)], []
    for layer in layers:
        layer.build((None, 4))
    x = keras.ops.ones((2, 4))
    functions = alike(layers, lambda layer, x, training: traced.append(layer) or layer(x))
    for layer, function in zip(layers, functions, strict=True):
        np.testing.assert_allclose(function(x, training=False), layer(x), rtol=1e-6)
    layers[1].kernel.assign(np.zeros((4, 3)))
    np.testing.assert_allclose(functions[1](x, training=False), layers[1](x), rtol=1e-6)
    assert traced == layers[:1]


@pytest.mark.parametrize(
    "attempt",
    [lambda: backends.compiled(None, abs), lambda: alike([None], abs), backends.gpu],
    ids=["one", "many", "gpu"],
)
def test_another_backend_is_refused(attempt, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(InputError) as error:
        attempt()
    assert str(error.value) == "models run on TensorFlow and JAX; Keras' backend is torch: set KERAS_BACKEND"


@pytest.mark.slow
def test_what_is_marked_so_holds_on_jax(run_python):
    code = ON_JAX + "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    names = [path for path in sorted(Path(__file__).parent.glob("test_*.py")) if "mark.jax" in path.read_text("utf-8")]
    ((output, errors, exit_code),) = run_python(code, "-m", "jax", *names, envs=[{"KERAS_BACKEND": "jax"}])
    assert exit_code == 0, output + errors
