"""How published models spell their configuration and name their weights: one table a family.

A family reads a configuration into `GPTConfig`, or refuses what our `GPT` does not do; its rows say which array of a
file is which of our weights. Read backwards, the same rows export.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmtutorial.errors import InputError
from lmtutorial.gpt import GPTConfig


@dataclass(frozen=True)
class Row:
    """An array of a file, and the weights of ours that it holds.

    Args:
        theirs: its name; `{i}` is the number of a block.
        ours: paths of weights, which stand side by side in it: (rows, columns of the first and the next …).
        turned: it is (out, in), where our kernels are (in, out).
        pairs: `heads` or `num_kv_heads` where the rows of every head come in pairs that rotary positions turn
            together, 0, d/2, 1, d/2 + 1, …, as GGUF stores queries and keys.
        cut: it has a row for each position of their window, of which a shorter one reads the first.
    """

    theirs: str
    ours: tuple[str, ...]
    turned: bool = False
    pairs: str | None = None
    cut: bool = False

    def read(self, array: np.ndarray, config: GPTConfig) -> list[np.ndarray]:
        """Return the values of `ours`."""
        if self.pairs:
            heads = array.reshape(getattr(config, self.pairs), -1, 2, array.shape[-1])
            array = heads.swapaxes(1, 2).reshape(array.shape)
        if self.cut:
            array = array[: config.context]
        return np.split(array.T if self.turned else array, len(self.ours), axis=-1)

    def write(self, values: list[np.ndarray]) -> np.ndarray:
        """Return the array that holds the values of `ours`; of what is no GGUF."""
        array = np.concatenate(values, axis=-1)
        return np.ascontiguousarray(array.T if self.turned else array)


@dataclass(frozen=True)
class Family:
    """A kind of published model.

    Args:
        read: makes our configuration of theirs, a mapping.
        write: makes theirs of ours.
        rows: of the whole model.
        block_rows: of each block.
        untied: of the output matrix, where it is not the embedding.
        prefix: that some files leave out.
        unread: endings of the names of arrays that hold no weights.
    """

    read: Callable[[Mapping[str, Any]], GPTConfig]
    write: Callable[[GPTConfig], dict] | None
    rows: tuple[Row, ...]
    block_rows: tuple[Row, ...]
    untied: Row
    prefix: str = ""
    unread: tuple[str, ...] = ()

    def table(self, config: GPTConfig) -> Iterator[Row]:
        """Yield the rows of a model, with the numbers of its blocks."""
        yield from self.rows
        if not config.tie_embeddings:
            yield self.untied
        for i in range(config.layers):
            for row in self.block_rows:
                ours = tuple(f"block_{i}/{path}" for path in row.ours)
                yield replace(row, theirs=row.theirs.format(i=i), ours=ours)


def _expect(fields: Mapping[str, Any], **expected) -> None:
    """Refuse fields with other values than those that our model has; absent ones are as expected."""
    for name, values in expected.items():
        if (found := fields.get(name)) not in (None, *values):
            raise InputError(f"the configuration has {name} {found!r}; this model reads {values[0]!r} only")


def _read_gpt2(fields: Mapping[str, Any]) -> GPTConfig:
    _expect(
        fields,
        activation_function=("gelu_new", "gelu_pytorch_tanh"),
        scale_attn_weights=(True,),
        scale_attn_by_inverse_layer_idx=(False,),
        add_cross_attention=(False,),
    )
    return GPTConfig(
        vocab_size=fields["vocab_size"],
        context=fields["n_positions"],
        layers=fields["n_layer"],
        width=fields["n_embd"],
        heads=fields["n_head"],
        hidden=fields.get("n_inner"),
        epsilon=fields["layer_norm_epsilon"],
        tie_embeddings=fields.get("tie_word_embeddings", True),
    )


def _write_gpt2(config: GPTConfig) -> dict:
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.context,
        "n_layer": config.layers,
        "n_embd": config.width,
        "n_head": config.heads,
        "n_inner": config.hidden,
        "layer_norm_epsilon": config.epsilon,
        "activation_function": "gelu_new",
        "tie_word_embeddings": config.tie_embeddings,
    }


LLAMA_FIELDS = {"positions": "rotary", "norm": "rms", "mlp": "swiglu", "bias": False}


def _read_llama(fields: Mapping[str, Any]) -> GPTConfig:
    rope = fields.get("rope_parameters") or fields.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise InputError(f"the configuration scales positions by {rope!r:.60}; this model reads a table of fields only")
    _expect(rope, rope_type=("default",), type=("default",), partial_rotary_factor=(1.0,))
    _expect(fields, hidden_act=("silu",), attention_bias=(False,), mlp_bias=(False,))
    return GPTConfig(
        vocab_size=fields["vocab_size"],
        context=fields["max_position_embeddings"],
        layers=fields["num_hidden_layers"],
        width=fields["hidden_size"],
        heads=fields["num_attention_heads"],
        num_kv_heads=fields.get("num_key_value_heads"),
        head_width=fields.get("head_dim"),
        hidden=fields["intermediate_size"],
        rotary_base=rope.get("rope_theta") or fields.get("rope_theta", 10_000.0),
        epsilon=fields["rms_norm_eps"],
        tie_embeddings=fields.get("tie_word_embeddings", False),
        **LLAMA_FIELDS,
    )


def _write_llama(config: GPTConfig) -> dict:
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context,
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.hidden,
        "rope_theta": config.rotary_base,
        "rms_norm_eps": config.epsilon,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tie_embeddings,
    }


def _read_gguf(fields: Mapping[str, Any]) -> GPTConfig:
    """Read the metadata of a GGUF file; whether the embedding is tied shows in its tensors, not here."""
    at = {key.removeprefix("llama."): value for key, value in fields.items() if key.startswith("llama.")}
    heads, width = at["attention.head_count"], at["embedding_length"]
    head_width = at.get("attention.key_length", width // max(heads, 1))
    _expect(at, **{"rope.scaling.type": ("none",), "rope.dimension_count": (head_width,), "expert_count": (0,)})
    return GPTConfig(
        vocab_size=at.get("vocab_size") or len(fields["tokenizer.ggml.tokens"]),
        context=at["context_length"],
        layers=at["block_count"],
        width=width,
        heads=heads,
        num_kv_heads=at.get("attention.head_count_kv"),
        head_width=head_width,
        hidden=at["feed_forward_length"],
        rotary_base=at.get("rope.freq_base", 10_000.0),
        epsilon=float(np.float32(at["attention.layer_norm_rms_epsilon"])),
        **LLAMA_FIELDS,
    )


def _gpt2_rows(theirs: str, *ours: str, kind: str = "kernel") -> tuple[Row, Row]:
    """Return the rows of an array and its bias."""
    bias = "beta" if kind == "gamma" else "bias"
    named = (("weight", kind), ("bias", bias))
    return tuple(Row(f"{theirs}.{name}", tuple(f"{path}/{part}" for path in ours)) for name, part in named)


GPT2 = Family(
    _read_gpt2,
    _write_gpt2,
    rows=(
        Row("transformer.wte.weight", ("gpt/embedding",)),
        Row("transformer.wpe.weight", ("gpt/position_embedding",), cut=True),
        *_gpt2_rows("transformer.ln_f", "final_norm", kind="gamma"),
    ),
    block_rows=(
        *_gpt2_rows("transformer.h.{i}.ln_1", "attention_norm", kind="gamma"),
        *_gpt2_rows("transformer.h.{i}.attn.c_attn", "attention/query", "attention/key", "attention/value"),
        *_gpt2_rows("transformer.h.{i}.attn.c_proj", "attention/output"),
        *_gpt2_rows("transformer.h.{i}.ln_2", "feed_forward_norm", kind="gamma"),
        *_gpt2_rows("transformer.h.{i}.mlp.c_fc", "feed_forward/up"),
        *_gpt2_rows("transformer.h.{i}.mlp.c_proj", "feed_forward/down"),
    ),
    untied=Row("lm_head.weight", ("gpt/output_kernel",), turned=True),
    prefix="transformer.",
    unread=(".attn.bias", ".attn.masked_bias"),
)


def _llama(names: Mapping[str, str], pairs: bool, **options) -> Family:
    """Return the family whose arrays have `names`, keyed by our paths."""
    rows = {}
    for path, name in names.items():
        parts = {"attention/query/kernel": "heads", "attention/key/kernel": "num_kv_heads"} if pairs else {}
        rows[path] = Row(name, (path,), path.endswith("kernel"), parts.get(path))
    whole = tuple(rows[path] for path in ("gpt/embedding", "final_norm/scale"))
    blocks = tuple(row for row in rows.values() if "{i}" in row.theirs)
    return Family(rows=whole, block_rows=blocks, untied=rows["gpt/output_kernel"], **options)


LLAMA = _llama(
    {
        "gpt/embedding": "model.embed_tokens.weight",
        "final_norm/scale": "model.norm.weight",
        "gpt/output_kernel": "lm_head.weight",
        "attention_norm/scale": "model.layers.{i}.input_layernorm.weight",
        "attention/query/kernel": "model.layers.{i}.self_attn.q_proj.weight",
        "attention/key/kernel": "model.layers.{i}.self_attn.k_proj.weight",
        "attention/value/kernel": "model.layers.{i}.self_attn.v_proj.weight",
        "attention/output/kernel": "model.layers.{i}.self_attn.o_proj.weight",
        "feed_forward_norm/scale": "model.layers.{i}.post_attention_layernorm.weight",
        "feed_forward/gate/kernel": "model.layers.{i}.mlp.gate_proj.weight",
        "feed_forward/up/kernel": "model.layers.{i}.mlp.up_proj.weight",
        "feed_forward/down/kernel": "model.layers.{i}.mlp.down_proj.weight",
    },
    pairs=False,
    read=_read_llama,
    write=_write_llama,
    unread=(".rotary_emb.inv_freq",),
)

GGUF_LLAMA = _llama(
    {
        "gpt/embedding": "token_embd.weight",
        "final_norm/scale": "output_norm.weight",
        "gpt/output_kernel": "output.weight",
        "attention_norm/scale": "blk.{i}.attn_norm.weight",
        "attention/query/kernel": "blk.{i}.attn_q.weight",
        "attention/key/kernel": "blk.{i}.attn_k.weight",
        "attention/value/kernel": "blk.{i}.attn_v.weight",
        "attention/output/kernel": "blk.{i}.attn_output.weight",
        "feed_forward_norm/scale": "blk.{i}.ffn_norm.weight",
        "feed_forward/gate/kernel": "blk.{i}.ffn_gate.weight",
        "feed_forward/up/kernel": "blk.{i}.ffn_up.weight",
        "feed_forward/down/kernel": "blk.{i}.ffn_down.weight",
    },
    pairs=True,
    read=_read_gguf,
    write=None,
)
