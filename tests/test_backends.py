"""What holds on TensorFlow holds on JAX, where TensorFlow cannot even be imported."""

import numpy as np
import pytest

from lmtutorial import checkpoints
from lmtutorial.rnn import GATES, RNNLM, RNNConfig
from lmtutorial.tokenizers import CharTokenizer

LETTERS = CharTokenizer("abcde")
IDS = np.random.default_rng(0).integers(LETTERS.vocab_size, size=(2, 12))
ON_JAX = "import sys; sys.modules['tensorflow'] = None\n"


def test_jax_reads_the_weights_and_gives_the_same_logits_and_costs(run_python, tmp_path):
    models = {}
    for cell in GATES:
        models[cell] = RNNLM(RNNConfig(LETTERS.vocab_size, cell, 3, 4, layers=2, dropout=0.1))
        for variable in models[cell].trainable_variables:
            variable.assign(np.random.default_rng(1).normal(size=variable.shape))
        note = checkpoints.describe(models[cell]) | {"tokenizer": checkpoints.fingerprint(LETTERS)}
        checkpoints.save(tmp_path / cell / checkpoints.BEST, models[cell].variables, note)
        LETTERS.save(tmp_path / cell / checkpoints.TOKENIZER)
    code = ON_JAX + (
        "import numpy as np; from pathlib import Path; from lmtutorial.checkpoints import read_model\n"
        "for folder in map(Path, sys.argv[2:]):\n"
        "    ids, (model, _) = np.load(sys.argv[1]), read_model(folder)\n"
        "    np.savez(folder / 'found.npz', logits=np.asarray(model(ids)[0]), costs=model.score(ids[0]))\n"
    )
    np.save(tmp_path / "ids.npy", IDS)
    folders = [tmp_path / cell for cell in GATES]
    ((_, errors, exit_code),) = run_python(code, tmp_path / "ids.npy", *folders, env={"KERAS_BACKEND": "jax"})
    assert exit_code == 0, errors
    for cell, model in models.items():
        found = np.load(tmp_path / cell / "found.npz")
        np.testing.assert_allclose(found["logits"], model(IDS)[0], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found["costs"], model.score(IDS[0]), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_what_is_marked_so_holds_on_jax(run_python):
    code = ON_JAX + "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    names = [f"tests/test_{name}.py" for name in ("recurrences", "rnn", "training", "generation")]
    ((output, errors, exit_code),) = run_python(code, "-m", "jax", *names, env={"KERAS_BACKEND": "jax"})
    assert exit_code == 0, output + errors
