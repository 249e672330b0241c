"""ONNX: what onnxruntime computes is what our models compute, for every kind, over 128 positions."""

import numpy as np
import pytest

from lmtutorial.checkpoints import build
from lmtutorial.gpt import GPTConfig
from lmtutorial.rnn import RNNConfig

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install lmtutorial[onnx]")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: pip install lmtutorial[onnx]")

V = 11
MODERN = {"positions": "rotary", "qk_norm": True, "norm": "rms", "mlp": "relu2", "bias": False}
CONFIGS = {
    "rnn": RNNConfig(V, "rnn", 6, 9),
    "gru": RNNConfig(V, "gru", 6, 9),
    "lstm": RNNConfig(V, "lstm", 6, 9, layers=2),
    "tied": RNNConfig(V, "lstm", 9, 9, tie_embeddings=True),
    "gpt": GPTConfig(V, context=128, layers=2, width=16, heads=2),
    "modern": GPTConfig(V, context=128, layers=2, width=16, heads=2, **MODERN),
}


@pytest.mark.filterwarnings("ignore")  # of the converter, which is older than what it converts
@pytest.mark.parametrize("name", CONFIGS)
def test_onnxruntime_says_what_our_model_says(name):
    from lmtutorial import onnxexport

    model, generator = build(CONFIGS[name]), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(np.asarray(variable) + generator.normal(scale=0.3, size=variable.shape))
    session = onnxruntime.InferenceSession(onnxexport.convert(model), providers=["CPUExecutionProvider"])
    names = [part.name for part in session.get_inputs()]
    assert names == ["token", *(f"state_{i}" for i in range(len(names) - 1))]
    state, _ = model.start()
    theirs = [np.asarray(part) for part in state]
    for token in generator.integers(V, size=128):
        state, ours = model.step(state, int(token))
        logits, *theirs = session.run(None, dict(zip(names, [np.array([[token]], dtype=np.int32), *theirs])))
        assert np.abs(logits[0] - ours).max() < 1e-4
    assert session.get_outputs()[0].name == "logits"
