"""Generation speed of one text: characters a second, sampled from an LSTM, against PyTorch.

    python benchmarks/generate.py [--json] [--quick] [--rounds N] [--only PREFIX]

Needs PyTorch beside the book's environment: pip install torch==2.13.0 (a CPU build).

Both sides write from a prompt of eight characters, one character a step, drawn from the model's distribution at
temperature 0.8. `lstm-small` has 128 units, 65 symbols and an embedding of 128; `lstm-preset` is the size of the preset
`lstm-small`, 400 units. PyTorch runs without gradients, eager and compiled, and the faster of the two is the peer.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import side_by_side

SIZES = {"lstm-small": (128, 128), "lstm-preset": (64, 400)}  # embedding, units
VOCABULARY, PROMPT, TEMPERATURE = 65, 8, 0.8


def ours(name: str) -> Callable[[int], None]:
    from lmtutorial import generation
    from lmtutorial.rnn import RNNLM, RNNConfig
    from lmtutorial.tokenizers import CharTokenizer

    embedding, units = SIZES[name]
    model = RNNLM(RNNConfig(VOCABULARY, "lstm", embedding, units))
    tokenizer = CharTokenizer("".join(map(chr, range(VOCABULARY))))
    prompt, sampler = tokenizer.decode(range(PROMPT)), [generation.temperature(TEMPERATURE)]
    return lambda length: generation.generate(model, tokenizer, [prompt], length, sampler)


def pytorch(name: str, compiled: bool) -> Callable[[int], None]:
    import torch
    from torch import nn

    embedding, units = SIZES[name]
    embed, cell, head = nn.Embedding(VOCABULARY, embedding), nn.LSTMCell(embedding, units), nn.Linear(units, VOCABULARY)

    def step(token, state):
        state = cell(embed(token), state)
        return head(state[0]), state

    step = torch.compile(step) if compiled else step

    @torch.no_grad()
    def write(length: int) -> None:
        state = (torch.zeros(1, units), torch.zeros(1, units))
        written = list(range(PROMPT))
        for token in written:
            logits, state = step(torch.tensor([token]), state)
        for _ in range(length):
            token = torch.multinomial(torch.softmax(logits / TEMPERATURE, dim=-1), 1)[0]
            written.append(int(token))
            logits, state = step(token, state)

    return write


SIDES = {
    "ours": ours,
    "eager": lambda name: pytorch(name, compiled=False),
    "compiled": lambda name: pytorch(name, compiled=True),
}


def serve(side: str, name: str, length: str) -> None:
    write = SIDES[side](name)

    def measure() -> float:
        start = time.perf_counter()
        write(int(length))
        return int(length) / (time.perf_counter() - start)

    side_by_side.serve(measure)


def lines(options: argparse.Namespace) -> Iterator[dict]:
    length = 300 if options.quick else 2000
    for name in SIZES:
        if not name.startswith(options.only):
            continue
        found, best = side_by_side.against_pytorch(__file__, SIDES, (name, length), options)
        pair = found["ours"], found[best]
        yield side_by_side.line(name, pair, "chars/s", f"torch {version('torch')} {best}", more_is_better=True)


if __name__ == "__main__":
    side_by_side.main(__doc__, "300 characters instead of 2,000, PyTorch eager only: within a minute", serve, lines)
