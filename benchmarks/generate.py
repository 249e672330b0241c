"""Generation speed of one text: characters a second, sampled from an LSTM and a GPT, against PyTorch.

    python benchmarks/generate.py [--json] [--quick] [--rounds N] [--only PREFIX]

Needs PyTorch beside the book's environment: pip install torch==2.13.0 (a CPU build), and for the GPT transformers.

Both sides write from a prompt of eight characters, drawn from the model's distribution at
temperature 0.8. `lstm-small` has 128 units, 65 symbols and an embedding of 128; `lstm-preset` is the size of the preset
`lstm-small`, 400 units. PyTorch runs without gradients, eager and compiled, and the faster of the two is the peer.

`gpt-small` has the size of the preset `nanogpt-cpu` with a window of 256: 192 characters after a prompt of 64, with the
cache, against Hugging Face's `generate` with its own. `gpt-small-position` compares our own characters a second in the
last and in the first eighth of what follows: a ratio of 1 means that the position makes no difference.
"""

import argparse
from collections.abc import Callable, Iterator
from importlib.metadata import version

import side_by_side

SIZES = {"lstm-small": (128, 128), "lstm-preset": (64, 400)}  # embedding, units
VOCABULARY, PROMPT, TEMPERATURE = 65, 8, 0.8
GPT_SHAPE = {"layers": 4, "heads": 4, "width": 128, "context": 256}
GPT_PROMPT, GPT_LENGTH = 64, 192


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


def our_gpt(name: str) -> Callable[[int], None]:
    from lmtutorial import generation

    model, tokenizer = gpt()
    prompt = tokenizer.decode(range(GPT_PROMPT))
    return lambda length: generation.generate(model, tokenizer, [prompt], length, [generation.temperature(TEMPERATURE)])


def gpt():
    from lmtutorial.gpt import GPT, GPTConfig
    from lmtutorial.tokenizers import CharTokenizer

    return GPT(GPTConfig(VOCABULARY, **GPT_SHAPE)), CharTokenizer("".join(map(chr, range(VOCABULARY))))


def our_steps(place: int) -> Callable[[int], None]:
    """Return what reads `length` tokens one by one in the window's middle, from `place` tokens on."""
    model, _ = gpt()
    state, _ = model.read([token % VOCABULARY for token in range(place)])

    def steps(length: int) -> None:
        now = state
        for token in range(length):
            now, _ = model.step(now, token % VOCABULARY)

    return steps


def hugging_face(name: str) -> Callable[[int], None]:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=GPT_SHAPE["context"],
        n_embd=GPT_SHAPE["width"],
        n_layer=GPT_SHAPE["layers"],
        n_head=GPT_SHAPE["heads"],
        bos_token_id=0,
        eos_token_id=None,
        attn_implementation="sdpa",
    )
    model, prompt = GPT2LMHeadModel(config).eval(), torch.arange(GPT_PROMPT)[None]
    options = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "use_cache": True, "pad_token_id": 0}

    @torch.no_grad()
    def write(length: int) -> None:
        model.generate(prompt, max_new_tokens=length, **options)

    return write


SIDES = {
    "ours": ours,
    "eager": lambda name: pytorch(name, compiled=False),
    "compiled": lambda name: pytorch(name, compiled=True),
}
GPT_SIDES = {
    "ours": our_gpt,
    "hugging-face": hugging_face,
    "early": lambda name: our_steps(GPT_PROMPT),
    "late": lambda name: our_steps(GPT_SHAPE["context"] - GPT_LENGTH // 8),
}


def serve(side: str, name: str, length: str) -> None:
    write, count = (SIDES if name in SIZES else GPT_SIDES)[side](name), int(length)
    side_by_side.serve(side_by_side.rate(lambda: write(count), count))


def lines(options: argparse.Namespace) -> Iterator[dict]:
    length = 300 if options.quick else 2000
    for name in SIZES:
        if not name.startswith(options.only):
            continue
        found, best = side_by_side.against_pytorch(__file__, SIDES, (name, length), options)
        pair = found["ours"], found[best]
        yield side_by_side.line(name, pair, "chars/s", f"torch {version('torch')} {best}", more_is_better=True)
    name = "gpt-small"
    if name.startswith(options.only):
        side_by_side.needs("transformers", "pip install transformers")
        rounds = options.rounds
        found = side_by_side.in_turn(__file__, ("ours", "hugging-face"), (name, GPT_LENGTH), rounds)
        peer = f"transformers {version('transformers')} generate"
        yield side_by_side.line(name, (found["ours"], found["hugging-face"]), "chars/s", peer, more_is_better=True)
        found = side_by_side.in_turn(__file__, ("late", "early"), (name, GPT_LENGTH // 8), rounds)
        yield side_by_side.line(
            f"{name}-position", tuple(found.values()), "chars/s", "ours, early", more_is_better=True
        )


if __name__ == "__main__":
    side_by_side.main(__doc__, "300 characters instead of 2,000, PyTorch eager only: within a minute", serve, lines)
