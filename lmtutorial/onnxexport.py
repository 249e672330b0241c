"""Networks as ONNX, for runtimes that know nothing of Keras: a token and a state in, logits and a state out.

The graph of a GPT is its own; that of a recurrent network is made of Keras' cells with our weights, because the loop
over time of `recurrences` is more than one step needs. So a runtime that agrees with our models confirms both.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from lmtutorial import checkpoints
from lmtutorial.errors import InputError
from lmtutorial.files import write_atomically
from lmtutorial.gpt import GPT
from lmtutorial.neural import NeuralLM
from lmtutorial.rnn import RNNLM, Recurrent

OPSET = 17


def export(run: Path, folder: Path) -> Path:
    """Write the best model of a run to `folder`, under the name of the run; return the file's path.

    Raises:
        InputError: the run holds no model, or as `convert`.
    """
    model, _ = checkpoints.read_model(run)
    path = Path(folder) / f"{checkpoints.name_of(run)}.onnx"
    write_atomically(path, convert(model))
    return path


def convert(model: NeuralLM) -> bytes:
    """Return the ONNX file of one step.

    Inputs: `token` (1, 1) int32 and `state_0`, `state_1`, …, the arrays of `model.initial_state(1)`. Outputs: `logits`
    (1, V) and the new state, in the same order. A GPT's window must have room for the token.

    Raises:
        InputError: the backend is not TensorFlow, or a package is missing.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"ONNX files are made with TensorFlow; the backend is {keras.backend.backend()}")
    try:
        import tensorflow as tf
        import tf2onnx
    except ModuleNotFoundError as error:
        raise InputError(f"ONNX files need {error.name}; install lmtutorial[onnx]") from None
    step = _recurrent_step(model) if isinstance(model, RNNLM) else _gpt_step(model)
    state = model.initial_state(1)
    names = ["token", *(f"state_{i}" for i in range(len(state)))]
    parts = [((1, 1), "int32"), *((part.shape, part.dtype) for part in state)]
    signature = [tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in zip(names, parts)]
    function = tf.function(step, input_signature=signature, autograph=False)
    graph, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    return _renamed(graph, ["logits", *(f"new_{name}" for name in names[1:])])


def _gpt_step(model: GPT) -> Callable:
    def step(token, *state):
        logits, state = model(token, state)
        return logits[:, -1], *state

    return step


def _recurrent_step(model: RNNLM) -> Callable:
    cells = [_cell(layer) for layer in model.recurrent]
    kernel = model.embedding if model.config.tie_embeddings else model.output_kernel

    def step(token, *state):
        x, new, each = ops.take(model.embedding, token[:, 0], axis=0), [], len(state) // len(cells)
        for i, cell in enumerate(cells):
            x, after = cell(x, list(state[i * each : (i + 1) * each]))
            new += after
        kernel_now = ops.transpose(kernel) if model.config.tie_embeddings else kernel
        return ops.matmul(x, kernel_now) + model.output_bias, *new

    return step


def _cell(layer: Recurrent) -> keras.layers.Layer:
    """Return Keras' cell with the weights of ours; the GRU's has recurrent biases for the gates, too."""
    kinds = {"rnn": keras.layers.SimpleRNNCell, "gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}
    cell = kinds[layer.cell](layer.units)
    cell.build((None, layer.kernel.shape[0]))
    bias = np.asarray(layer.bias)
    if layer.cell == "gru":
        recurrent = np.concatenate([np.zeros(2 * layer.units), np.asarray(layer.recurrent_bias)])
        bias = np.stack([bias, recurrent])
    cell.set_weights([np.asarray(layer.kernel), np.asarray(layer.recurrent_kernel), bias])
    return cell


def _renamed(graph, names: list[str]) -> bytes:
    """Return the file of a graph whose outputs have `names`."""
    old = [output.name for output in graph.graph.output]
    for output, name in zip(graph.graph.output, names):
        output.name = name
    ends = [graph.graph.node.add() for _ in names]
    for node, before, name in zip(ends, old, names):
        node.op_type = "Identity"
        node.input.append(before)
        node.output.append(name)
    return graph.SerializeToString()
