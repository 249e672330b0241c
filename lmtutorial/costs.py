"""What a `GPT` costs, by formula: parameters, floating-point operations, and the memory of training and of generating.

Only its configuration is needed, so that models which no machine here could hold are counted, too. Chapter 3 derives
the formulas; tests hold them to the frameworks' own counts.
"""

from lmtutorial.gpt import GPTConfig


def parameters(config: GPTConfig) -> int:
    """Return how many numbers training adjusts, exactly: `GPT(config).count_params()` without building it."""
    c, D = config, config.width
    total = c.vocab_size * c.embedding
    if c.positions == "learned":
        total += c.context * D
    if c.embedding != D:
        total += c.embedding * D + D
    if not c.tie_embeddings:
        total += D * c.vocab_size
    norms = 2 * c.layers + c.norm_first
    total += norms * D * (2 if c.norm == "layer" and c.bias else 1)
    return total + c.layers * (sum(rows * columns + c.bias * columns for rows, columns in products(c)) + _qk_norms(c))


def products(config: GPTConfig) -> list[tuple[int, int]]:
    """Return the shapes (rows, columns) of the matrices of one block: query, key, value, output, feed-forward."""
    c, D = config, config.width
    inner, shared = c.heads * c.head_width, c.num_kv_heads * c.head_width
    into = [(D, c.hidden)] * (2 if c.mlp == "swiglu" else 1)
    return [(D, inner), (D, shared), (D, shared), (inner, D), *into, (c.hidden, D)]


def _qk_norms(config: GPTConfig) -> int:
    return 2 * config.head_width if config.qk_norm else 0


def flops(config: GPTConfig, length: int) -> int:
    """Return the floating-point operations of reading one sequence: of its matrix products, nothing else.

    A multiplication and an addition count as two. Attention is counted for all `length`² pairs, as it is computed,
    though the mask throws half of them away; looking up an embedding counts as nothing.

    Args:
        config: of the model.
        length: T, tokens read at once; all T rows of logits are computed.
    """
    c, T = config, length
    block = 2 * T * sum(rows * columns for rows, columns in products(c)) + 4 * T * T * c.heads * c.head_width
    projection = 2 * T * c.embedding * c.width if c.embedding != c.width else 0
    return c.layers * block + projection + 2 * T * c.width * c.vocab_size


def training_flops(config: GPTConfig, length: int) -> int:
    """Return the operations of a forward and a backward pass: three times `flops`.

    The gradient of a matrix product is two products of the same size, one for each factor.
    """
    return 3 * flops(config, length)


def cache_bytes(config: GPTConfig, batch: int = 1, bytes: int = 4) -> int:
    """Return the size of the keys and values of a full window, of all blocks.

    Args:
        config: of the model.
        batch: B, sequences.
        bytes: of one number.
    """
    c = config
    return 2 * c.layers * batch * c.context * c.num_kv_heads * c.head_width * bytes


def activation_bytes(config: GPTConfig, batch: int, length: int, bytes: int = 4) -> int:
    """Return the size of what the formulas of the backward pass need of the forward pass.

    Of each block: the input and the output of both norms (or of both additions, if these are normalised), queries,
    keys, values, attention weights and what they mix, and the hidden layer before and after its activation (after it
    only for `relu`, whose derivative shows there; for `swiglu` the gate before and after, what it multiplies, and the
    product). At the end the input and the output of the last norm, and the probabilities. What the norms of queries and
    keys keep is counted, what a dropout keeps is not. Frameworks keep more where they record every elementary
    operation, and less where a compiler computes some of it again.

    Args:
        config: of the model.
        batch, length: B and T.
        bytes: of one number.
    """
    c, D = config, config.width
    query, key = c.heads * c.head_width, c.num_kv_heads * c.head_width
    normalised = query + key if c.qk_norm else 0
    hidden = c.hidden * {"relu": 1, "swiglu": 4}.get(c.mlp, 2)
    block = 4 * D + 2 * query + 2 * key + normalised + c.heads * length + hidden
    ends = (2 * D if c.norm_first else 0) + c.vocab_size + (c.embedding if c.embedding != D else 0)
    return batch * length * (c.layers * block + ends) * bytes
