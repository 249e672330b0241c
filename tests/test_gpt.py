"""The Transformer: it looks back only, its cache changes nothing, and its logits are NumPy's and Hugging Face's."""

import itertools
import json
import random
from functools import partial

import keras
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from conftest import ROOT

from lmtutorial import backends, evaluation, gpt, layers, neural
from lmtutorial.errors import InputError
from lmtutorial.gpt import GPT, GPTConfig

V, S = 11, 6
TEXT = np.random.default_rng(0).integers(V, size=32)
CHOICES = {
    "positions": ("learned", "sinusoidal", "rotary", "none"),
    "norm": ("layer", "rms"),
    "norm_first": (True, False),
    "mlp": ("gelu", "relu", "relu2", "swiglu"),
    "num_kv_heads": (4, 2, 1),
    "qk_norm": (False, True),
    "bias": (True, False),
    "tie_embeddings": (True, False),
    "context": (S, 5),
}
EVERY = [dict(zip(CHOICES, values)) for values in itertools.product(*CHOICES.values())]
SOME = random.Random(0).sample(EVERY, 6)  # every value of every choice is among them
GPT2 = {}
LLAMA = {
    "positions": "rotary",
    "norm": "rms",
    "mlp": "swiglu",
    "num_kv_heads": 2,
    "head_width": 6,
    "hidden": 10,
    "bias": False,
    "tie_embeddings": False,
}
ARTICLE = {"positions": "sinusoidal", "norm_first": False, "mlp": "relu", "embedding": 5, "tie_embeddings": False}
ONE_TOKEN = {"context": 1}
THREE_TOKENS = {"context": 3, "positions": "rotary", "qk_norm": True}
VARIANTS = [GPT2, LLAMA, ARTICLE, ONE_TOKEN, THREE_TOKENS, *SOME]
ON_BOTH = [pytest.param(fields, marks=pytest.mark.jax) for fields in VARIANTS[:3]]


def name(fields):
    return "-".join(str(value) for value in fields.values()) or "gpt2"


every_variant = pytest.mark.parametrize("fields", [GPT2, ON_BOTH[1], *VARIANTS[2:]], ids=name)


def lively(**fields):
    """Return a model whose weights are so large that a token seen or not seen shows in the logits."""
    model = GPT(GPTConfig(**{"vocab_size": V, "context": S, "layers": 2, "width": 8, "heads": 4} | fields))
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        rows = variable.shape[0] if "kernel" in variable.path else 1
        variable.assign(rng.normal("gamma" in variable.path or "scale" in variable.path, 1, variable.shape) / rows**0.5)
    return model


def logits_of(model, ids):
    return np.asarray(model(np.asarray(ids, dtype="int32"))[0])


def costs(logits, targets):
    """Return the costs (T,) of `targets` (T,) by `logits` (T, V)."""
    logits = logits.astype(float)
    return np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(targets)), targets]


def without_cache(model, ids, stride=None):
    """Return the logits (T, V) after each of `ids`: from the first window of the model that holds it."""
    stride, found = stride or (model.window + 1) // 2, np.empty((0, V))
    for begin in range(0, len(ids), stride):
        window = ids[begin : begin + model.window]
        if begin + len(window) > len(found):
            found = np.append(found, logits_of(model, window[None])[0, len(found) - begin :], axis=0)
    return found


def in_windows(model, ids, stride=None):
    """Return what `score` should."""
    return np.append(np.log(V), costs(without_cache(model, ids[:-1], stride), ids[1:])) if len(ids) else np.empty(0)


@pytest.fixture
def uncompiled(monkeypatch):
    """Compile nothing: quicker for many configurations in one call each."""

    def plain(model, function):
        return lambda *tensors: function(*map(keras.ops.convert_to_tensor, tensors))

    for module in (gpt, neural):
        monkeypatch.setattr(module, "compiled", plain)
    monkeypatch.setattr(gpt, "alike", lambda layers, function: [partial(function, layer) for layer in layers])


def close(found, expected, atol=1e-4):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=atol)


# --- causality


def changes(model, place):
    """Return how much each position's logits change (T,) when the tokens from `place` on are others."""
    T = model.window
    ids = np.random.default_rng(3).integers(V, size=(3, T))
    changed = ids.copy()
    changed[:, place:] = (ids[:, place:] + np.random.default_rng(4).integers(1, V, size=(3, T - place))) % V
    return np.abs(logits_of(model, changed) - logits_of(model, ids)).max(axis=(0, 2))


@pytest.mark.parametrize("fields", [*ON_BOTH, *VARIANTS[4:]], ids=name)
def test_changing_the_future_changes_no_past_logit(fields):
    model = lively(**fields)
    for place in {1, model.window // 2, model.window - 1}:
        found = changes(model, place)
        assert found[:place].max() < 1e-6
        assert found[place:].min() > 1e-2


WRONG_MASKS = {
    "none": lambda mask: np.ones_like(mask),
    "inverted": lambda mask: ~mask,
    "transposed": lambda mask: mask.T,
    "one too far": lambda mask: mask | np.eye(*mask.shape, k=1, dtype=bool),
}


@pytest.mark.jax
@pytest.mark.parametrize("wrong", WRONG_MASKS)
def test_a_wrong_mask_would_be_noticed(wrong, monkeypatch):
    right, change = layers.attend, WRONG_MASKS[wrong]
    monkeypatch.setattr(layers, "attend", lambda q, k, v, mask, **how: right(q, k, v, change(np.asarray(mask)), **how))
    assert changes(lively(), S // 2)[: S // 2].max() > 1e-2


@every_variant
def test_the_weights_of_attention_are_shares_of_what_lies_behind(fields):
    model = lively(**fields)
    T = model.window
    weights = np.asarray(model.attention(np.array([TEXT[:T], TEXT[1 : T + 1]], dtype="int32")))
    assert weights.shape == (2, 2, 4, T, T)
    assert (np.triu(weights, 1) == 0).all()
    assert (np.diagonal(weights, axis1=-2, axis2=-1) > 0).all()
    close(weights.sum(axis=-1), np.ones((2, 2, 4, T)), atol=1e-6)


# --- the cache


@every_variant
def test_steps_are_the_windows_read_anew(fields, uncompiled):
    model = lively(**fields)
    ids = TEXT[: 2 * model.window + 3]
    state, found = model.start()[0], []
    for token in ids:
        state, logits = model.step(state, token)
        found.append(logits)
    close(found, without_cache(model, ids))


@pytest.mark.parametrize("fields", VARIANTS, ids=name)
def test_a_text_costs_the_same_with_cache_and_without(fields, uncompiled):
    model = lively(**fields)
    for length in (0, 1, 2, model.window + 1, 3 * model.window + 2):
        close(model.score(TEXT[:length]), in_windows(model, TEXT[:length]))


@pytest.mark.parametrize("context", [1, 2, 5])
def test_a_text_is_scored_in_windows_of_any_stride(context, uncompiled):
    model = lively(context=context)
    for stride in range(1, context + 1):
        for length in (context + 1, context + 2, 17):
            close(model.score(TEXT[:length], stride), in_windows(model, TEXT[:length], stride))


def test_the_windows_of_a_long_text_go_through_in_batches(uncompiled, monkeypatch):
    monkeypatch.setattr(gpt, "AT_ONCE", 3 * S * 256)
    model = lively()
    close(model.score(TEXT), in_windows(model, TEXT))
    close(model.score(TEXT, S), in_windows(model, TEXT, S))


@pytest.mark.jax
@pytest.mark.parametrize("fields", [GPT2, LLAMA, {"context": 5, "positions": "sinusoidal"}], ids=["gpt2", "llama", "5"])
def test_compiled_steps_costs_and_prompts_are_the_windows_read_anew(fields):
    model = lively(**fields)
    close(model.score(TEXT), in_windows(model, TEXT))
    expected = without_cache(model, TEXT)
    state = model.start()[0]
    for length, token in enumerate(TEXT, 1):
        state, logits = model.step(state, token)
        close(logits, expected[length - 1])
        close(model.read(TEXT[:length])[1], expected[length - 1])


@pytest.mark.parametrize("fields", [LLAMA, ONE_TOKEN, *SOME[:2]], ids=name)
def test_a_prompt_that_was_read_at_once_goes_on_like_one_read_step_by_step(fields, uncompiled):
    model = lively(**fields)
    expected, window = without_cache(model, TEXT), model.window
    for length in {1, window, window + 1, 3 * window - 1}:
        state, logits = model.read(TEXT[:length])
        close(logits, expected[length - 1])
        for place in range(length, length + window):
            state, logits = model.step(state, TEXT[place])
            close(logits, expected[place])


def test_reading_nothing_is_the_start():
    model = lively()
    state, logits = model.read([])
    assert not logits.any()
    for ours, theirs in zip(state, model.start()[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


class SideBySide:
    """Several texts in one state, `read` tokens of each; their logits are held to those without cache."""

    def __init__(self, model, texts, read):
        self.model, self.texts, self.read = model, texts, np.array(read)
        self.expected = [without_cache(model, text) for text in texts]
        self.state = model.join([model.read(text[:length])[0] for text, length in zip(texts, read)])

    def go_on(self, steps):
        for _ in range(steps):
            tokens = [text[place] for text, place in zip(self.texts, self.read)]
            self.state, logits = self.model.advance(self.state, tokens)
            close(logits, [rows[place] for rows, place in zip(self.expected, self.read)])
            self.read += 1

    def select(self, rows):
        self.state, self.read = self.model.select(self.state, rows), self.read[rows]
        self.texts, self.expected = ([of_all[row] for row in rows] for of_all in (self.texts, self.expected))


@pytest.mark.parametrize("fields", [ON_BOTH[1], ONE_TOKEN, *SOME[:3]], ids=name)
def test_texts_of_different_lengths_go_on_side_by_side(fields, uncompiled):
    model = lively(**fields)
    lengths = [0, 1, model.window, model.window + 1, 2 * model.window + 1]
    texts = SideBySide(model, [np.roll(TEXT, 7 * row) for row in range(len(lengths))], lengths)
    texts.go_on(model.window + 1)
    texts.select([3, 0, 0, 4])  # after windows of theirs have moved on
    texts.go_on(3)


@pytest.mark.parametrize("length", [0, 3, S, pytest.param(2 * S + 1, marks=pytest.mark.jax)])
def test_a_state_is_a_value(length, uncompiled):
    model = lively(**LLAMA)
    state, _ = model.read(TEXT[:length])
    before = [np.array(part) for part in state]
    found = [model.step(state, token)[1] for token in (1, 2, 1)]
    np.testing.assert_array_equal(found[0], found[2])
    assert np.abs(found[1] - found[0]).max() > 1e-2
    for part, kept in zip(state, before, strict=True):
        np.testing.assert_array_equal(part, kept)


@pytest.mark.parametrize("fields", [GPT2, ON_BOTH[1]], ids=name)
def test_two_halves_with_the_state_passed_on_are_the_whole(fields):
    model, ids = lively(**fields), np.array([TEXT[:S], TEXT[S : 2 * S]], dtype="int32")
    first, state = model(ids[:, :3])
    second, state = model(ids[:, 3:], state)
    close(np.append(first, second, axis=1), logits_of(model, ids))
    assert np.asarray(state[1]).tolist() == [S, S]


@pytest.mark.jax
def test_one_compilation_serves_all_places_and_one_all_prompts(monkeypatch):
    made = []

    def counted(model, function):
        def noted(*tensors):  # runs when it is compiled, and never again
            made.append(tuple(tensors[0].shape))
            return function(*tensors)

        return backends.compiled(model, noted)

    def counted_block(layers, function):
        def noted(layer, x, *tensors, **options):
            made.append(tuple(x.shape))
            return function(layer, x, *tensors, **options)

        return backends.alike(layers, noted)

    for module in (gpt, neural):
        monkeypatch.setattr(module, "compiled", counted)
    monkeypatch.setattr(gpt, "alike", counted_block)
    model = lively(layers=3)
    state, _ = model.start()
    for token in TEXT:
        state, _ = model.step(state, token)
    for length in range(1, len(TEXT)):
        model.read(TEXT[:length])
    D = model.config.width
    assert sorted(made) == [(1, 1), (1, 1, D), (1, S, D), (1, S, D)]  # a step with its block; a block, and the logits
    made.clear()
    for length in (2, 3, S, S + 1):
        model.score(TEXT[:length])
    assert made == [(1, S)]


@pytest.mark.jax
def test_compiled_functions_see_weights_that_changed():
    model = lively()
    model.score(TEXT[:9])
    model.read(TEXT[:9])
    for variable in model.trainable_variables:
        variable.assign(-0.5 * np.asarray(variable))
    close(model.score(TEXT[:9]), in_windows(model, TEXT[:9]))
    close(model.read(TEXT[:9])[1], without_cache(model, TEXT[:9])[-1])


@pytest.mark.jax
@pytest.mark.parametrize("fields", [GPT2, LLAMA, ARTICLE], ids=["gpt2", "llama", "article"])
def test_it_is_a_language_model(fields):
    evaluation.check(lively(**fields))


# --- what the fields mean


def test_only_positions_tell_the_order_of_the_tokens_before():
    ids = TEXT[None, :S].astype("int32")
    permuted = ids[:, [3, 0, 4, 1, 2, 5]]

    def moved(**fields):
        return np.abs(logits_of(lively(**fields), ids) - logits_of(lively(**fields), permuted))[:, -1].max()

    assert moved(positions="none", layers=1) < 1e-5
    for positions in ("learned", "sinusoidal", "rotary"):
        assert moved(positions=positions, layers=1) > 1e-2
    assert moved(positions="none", layers=2) > 1e-2  # the mask lets the first block count


@pytest.mark.jax
@pytest.mark.parametrize(
    "fields",
    [{}, {"epsilon": 0.1, "heads": 2, "hidden": 12}, {"norm_first": False}, {"positions": "sinusoidal"}],
    ids=name,
)
def test_the_logits_are_those_of_a_loop_in_numpy(fields):
    model = lively(**fields)
    weights = {variable.path: np.asarray(variable, dtype=float) for variable in model.variables}

    def dense(x, path):
        return x @ weights[f"{path}/kernel"] + weights[f"{path}/bias"]

    def norm(x, path):
        x = x - x.mean(axis=-1, keepdims=True)
        scaled = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + model.config.epsilon)
        return scaled * weights[f"{path}/gamma"] + weights[f"{path}/beta"]

    def attention(x, path):
        query, key, value = (dense(x, f"{path}/{part}") for part in ("query", "key", "value"))
        mixed, d = np.zeros_like(query), model.config.head_width
        for head in range(model.config.heads):
            columns = slice(head * d, (head + 1) * d)
            for t in range(len(x)):
                e = np.exp(key[: t + 1, columns] @ query[t, columns] / np.sqrt(d))
                mixed[t, columns] = e / e.sum() @ value[: t + 1, columns]
        return dense(mixed, f"{path}/output")

    def feed_forward(x, path):
        h = dense(x, f"{path}/up")
        return dense(0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))), f"{path}/down")

    x = weights["gpt/embedding"][TEXT[:S]]
    if model.config.positions == "learned":
        x = x + weights["gpt/position_embedding"]
    else:
        x = x * np.sqrt(model.config.width) + layers.sinusoids(S, model.config.width)
    for block in ("block_0", "block_1"):
        for branch, path in ((attention, "attention"), (feed_forward, "feed_forward")):
            path, its_norm = f"{block}/{path}", f"{block}/{path}_norm"
            x = x + branch(norm(x, its_norm), path) if model.config.norm_first else norm(x + branch(x, path), its_norm)
    x = norm(x, "final_norm") if model.config.norm_first else x
    close(logits_of(model, TEXT[None, :S])[0], x @ weights["gpt/embedding"].T)


@pytest.mark.parametrize(("sequences", "length"), [(1, 3), (3, 5)])  # the table is taken from, or multiplied by
def test_tokens_are_looked_up_alike_whatever_their_number(sequences, length):
    model, ids = lively(**ARTICLE), TEXT[: sequences * length].reshape(sequences, length)
    close(logits_of(model, ids), np.concatenate([logits_of(model, row[None, :]) for row in ids]), atol=1e-5)


def test_every_norm_adds_the_epsilon():
    fields = {**LLAMA, "qk_norm": True}
    found = [logits_of(lively(**fields, epsilon=epsilon), TEXT[None, :S]) for epsilon in (1e-6, 1.0)]
    assert np.abs(found[0] - found[1]).max() > 1e-2
    norms = [layer for layer in lively(**fields, epsilon=0.5)._flatten_layers() if hasattr(layer, "epsilon")]
    assert [layer.epsilon for layer in norms] == 9 * [0.5]


def test_output_products_that_start_at_zero_leave_the_embedding_as_it_is():
    model = GPT(GPTConfig(V, S, layers=2, width=8, heads=4, zero_outputs=True, positions="none", epsilon=1e-12))
    x = np.asarray(model.embedding)[TEXT[:S]].astype(float)
    x = (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)
    close(logits_of(model, TEXT[None, :S])[0], x @ np.asarray(model.embedding).T)


def test_weights_begin_as_gpt2s():
    model = GPT(GPTConfig(200, 100, layers=8, width=64))
    for variable in model.trainable_variables:
        value = np.asarray(variable)
        if "gamma" in variable.path or value.ndim == 1:
            assert (value == ("gamma" in variable.path)).all()
        else:
            writes = variable.path.endswith(("output/kernel", "down/kernel"))
            assert value.std() == pytest.approx(0.02 / 4 if writes else 0.02, rel=0.05)


@pytest.mark.parametrize("fields", [GPT2, LLAMA, ARTICLE], ids=name)
def test_no_matrix_begins_with_the_numbers_of_another(fields):
    model = GPT(GPTConfig(V, S, **{"layers": 2, "width": 8, "heads": 4, **fields}))
    drawn = [np.ravel(variable)[:32] for variable in model.trainable_variables if len(variable.shape) == 2]
    scaled = [np.round(numbers / numbers.std(), 4) for numbers in drawn]  # small ones may be those of others, shrunk
    assert len(np.unique(scaled, axis=0)) == len(drawn) > 10


def test_dropout_drops_only_in_training():
    plain, dropping = lively(), lively(dropout=0.5)
    ids = TEXT[None, :S].astype("int32")
    np.testing.assert_array_equal(logits_of(dropping, ids), logits_of(plain, ids))
    assert np.abs(np.asarray(dropping(ids, training=True)[0]) - logits_of(plain, ids)).max() > 0.1


def test_no_two_weights_share_a_name():
    for fields in VARIANTS:
        paths = [variable.path for variable in lively(**fields).trainable_variables]
        assert len(set(paths)) == len(paths)


# --- Hugging Face

WINDOW = 8
GOLDEN = ROOT / "tests" / "data" / "hugging_face.safetensors"
SIZES = {"vocab_size": V, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 12}
LLAMAS = SIZES | {"num_key_value_heads": 2, "max_position_embeddings": WINDOW, "rms_norm_eps": 1e-3, "head_dim": 6}
THEIRS = {  # our fields, the class of their configuration, and its fields
    "gpt2": ({}, "GPT2Config", {"n_embd": 8, "n_head": 2, "n_layer": 2}),
    "gpt2-one-head": (
        {"layers": 1, "heads": 1, "hidden": 20, "epsilon": 1e-2},
        "GPT2Config",
        {"n_embd": 8, "n_head": 1, "n_layer": 1, "n_inner": 20, "layer_norm_epsilon": 1e-2},
    ),
    "gpt2-thin-heads": ({"layers": 3, "heads": 8}, "GPT2Config", {"n_embd": 8, "n_head": 8, "n_layer": 3}),
    "gpt": ({"norm_first": False}, "OpenAIGPTConfig", {"n_embd": 8, "n_head": 2, "n_layer": 2}),
    "llama": (
        {"rotary_base": 50.0, "tie_embeddings": False},
        "LlamaConfig",
        LLAMAS | {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
    ),
    "qwen3": ({"qk_norm": True}, "Qwen3Config", LLAMAS | {"tie_word_embeddings": True}),
}


def make_golden():
    """Write Hugging Face's tiny random models and their logits: `PYTHONPATH=tests python tests/test_gpt.py`."""
    arrays = {f"{family}/{name}": value for family in THEIRS for name, value in hugging_face(family).items()}
    GOLDEN.parent.mkdir(exist_ok=True)
    safetensors.numpy.save_file(arrays, GOLDEN, {"made": json.dumps(THEIRS)})


def hugging_face(family):
    """Return the weights of a tiny random model of Hugging Face's by name, some `ids` and their `logits`."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0 transformers")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")
    _, kind, fields = THEIRS[family]
    old = {"n_positions": WINDOW, "bos_token_id": 0, "eos_token_id": 0} if "GPT" in kind else {}
    config = getattr(transformers, kind)(**{"vocab_size": V, "attn_implementation": "eager"} | old | fields)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            rows = 1 if value.ndim == 1 or "emb" in name or "wte" in name or "wpe" in name else max(value.shape)
            value.copy_(("norm" in name or "ln_" in name) + torch.randn(value.shape, generator=generator) / rows**0.5)
        ids = torch.randint(V, (2, WINDOW), generator=generator)
        found = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
        return found | {"ids": ids.numpy().astype("int32"), "logits": model(ids).logits.numpy()}


BRANCHES = {  # their names of a block's parts, ours
    "attn.c_proj": "attention/output",
    "mlp.c_fc": "feed_forward/up",
    "mlp.c_proj": "feed_forward/down",
    "ln_1": "attention_norm",
    "ln_2": "feed_forward_norm",
    "self_attn.q_proj": "attention/query",
    "self_attn.k_proj": "attention/key",
    "self_attn.v_proj": "attention/value",
    "self_attn.o_proj": "attention/output",
    "self_attn.q_norm": "attention/query_norm",
    "self_attn.k_norm": "attention/key_norm",
    "mlp.gate_proj": "feed_forward/gate",
    "mlp.up_proj": "feed_forward/up",
    "mlp.down_proj": "feed_forward/down",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "feed_forward_norm",
}
TABLES = ("wte", "tokens_embed", "embed_tokens"), ("wpe", "positions_embed")


def translated(name, value):
    """Yield our names and values of their weight `name`."""
    *place, part, kind = name.removeprefix("transformer.").removeprefix("model.").split(".")
    if part in TABLES[0] + TABLES[1]:
        yield "gpt/embedding" if part in TABLES[0] else "gpt/position_embedding", value
    elif part == "lm_head":
        yield "gpt/output_kernel", value.T
    else:
        is_norm = part.startswith("ln_") or part.endswith("norm")
        ours = {"bias": "beta" if is_norm else "bias", "weight": "scale" if is_norm else "kernel"}[kind]
        value = value.T if part.endswith("_proj") and place[-1] != "attn" and "c_" not in part else value
        if not place:
            yield f"final_norm/{ours}", value
        elif part == "c_attn":
            for third, split in zip(("query", "key", "value"), np.split(value, 3, axis=-1)):
                yield f"block_{place[1]}/attention/{third}/{ours}", split
        else:
            yield f"block_{place[1]}/{BRANCHES['.'.join([*place[2:], part])]}/{ours}", value


def logits_with_their_weights(family, found):
    """Return the logits of our model with their weights; every weight finds its place, and none is left over."""
    ours, *_ = THEIRS[family]
    shape = {"layers": 2, "width": 8, "heads": 2}
    if family in ("llama", "qwen3"):
        shape |= LLAMA | {"heads": 4, "hidden": 12, "epsilon": 1e-3, "tie_embeddings": True}
    model = GPT(GPTConfig(V, WINDOW, **shape | ours))
    places = {variable.path.replace("gamma", "scale"): variable for variable in model.trainable_variables}
    for name, value in found.items():
        if name not in ("ids", "logits"):
            for path, part in translated(name, value):
                places.pop(path).assign(part)
    assert not places
    return logits_of(model, found["ids"])


@pytest.mark.jax
@pytest.mark.parametrize("family", THEIRS)
def test_the_logits_are_those_that_hugging_face_once_gave(family):
    found = safetensors.numpy.load_file(GOLDEN)
    found = {name.removeprefix(f"{family}/"): value for name, value in found.items() if name.startswith(f"{family}/")}
    close(logits_with_their_weights(family, found), found["logits"])
    assert found["logits"].std() > 0.5


@pytest.mark.parametrize("family", THEIRS)
def test_the_logits_are_those_of_hugging_face(family):
    found = hugging_face(family)
    close(logits_with_their_weights(family, found), found["logits"])


def test_the_file_of_their_logits_is_small_and_made_as_it_says():
    assert GOLDEN.stat().st_size < 100_000
    with safetensors.safe_open(GOLDEN, framework="numpy") as file:
        assert json.loads(file.metadata()["made"]) == json.loads(json.dumps(THEIRS))


# --- refusals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *[
            ({field: 0}, f"{field} must be at least 1; got 0")
            for field in ("vocab_size", "context", "layers", "width", "heads", "num_kv_heads", "hidden", "embedding")
        ],
        ({"positions": "alibi"}, "there is no positions 'alibi'; there are learned, sinusoidal, rotary, none"),
        ({"norm": "batch"}, "there is no norm 'batch'; there are layer, rms"),
        ({"mlp": "tanh"}, "there is no mlp 'tanh'; there are gelu, relu, relu2, swiglu"),
        ({"dropout": 1}, "dropout must be at least 0 and less than 1; got 1"),
        ({"dropout": float("nan")}, "dropout must be at least 0 and less than 1; got nan"),
        ({"epsilon": 0.0}, "epsilon must be a positive number; got 0.0"),
        ({"rotary_base": float("inf")}, "rotary_base must be a positive number; got inf"),
        ({"num_kv_heads": 3}, "4 heads cannot share 3 key/value heads evenly"),
        ({"num_kv_heads": 8}, "4 heads cannot share 8 key/value heads evenly"),
        ({"width": 130}, "the width 130 cannot be divided by 4 heads; set head_width"),
        ({"head_width": 5, "positions": "rotary"}, "rotary positions need an even head_width; got 5"),
        ({"head_width": 0}, "head_width must be at least 1; got 0"),
        ({"embedding": 64}, "tied embeddings need embedding = width; got embedding 64 and width 128"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InputError) as error:
        GPTConfig(**{"vocab_size": V} | fields)
    assert str(error.value) == message


@pytest.mark.jax
def test_more_tokens_than_the_window_holds_are_refused_in_one_line():
    model, ids = lively(), np.zeros((2, S + 1), dtype="int32")
    for ask in (model, model.attention):
        with pytest.raises(InputError) as error:
            ask(ids)
        assert str(error.value) == f"{S + 1} tokens do not fit in a window of {S} positions"


@pytest.mark.parametrize("stride", [0, -1, S + 1])
def test_a_stride_that_would_leave_tokens_out_is_refused(stride):
    with pytest.raises(InputError) as error:
        lively().score(TEXT, stride)
    assert str(error.value) == f"the stride must be from 1 to the window's {S} tokens; got {stride}"


if __name__ == "__main__":
    make_golden()
