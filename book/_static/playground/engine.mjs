// The engine of the playground: four kinds of language models in plain JavaScript, one token at a time.
//
//   const model = await load("models/gpt.safetensors");
//   let now = model.start();
//   for (const character of "ROMEO:") now = model.step(now, model.alphabet.indexOf(character));
//   softmax(now.logits);                                 // the probability of each character to come next
//
// A state is a value: `step` returns a new one and leaves the old one as it was. So a text can be gone back in and
// branched at no cost, and all that a model thought on the way stays there to be looked at.
//
// Letters: V vocabulary, E embedding, U units, D width of the residual stream, H heads, d channels of a head, S window.

// [files]
// A safetensors file: the header's length in 8 bytes, the header in JSON, then the numbers of all tensors.
const ARRAYS = { F32: Float32Array, I8: Int8Array, U8: Uint8Array, F16: Uint16Array };

export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (!(length <= buffer.byteLength - 8)) throw new Error("the file ends before its header does");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, data_offsets: [begin, end] }] of Object.entries(entries)) {
    if (!ARRAYS[dtype]) throw new Error(`${name} holds numbers of a kind that the engine cannot read: ${dtype}`);
    if (8 + length + end > buffer.byteLength) throw new Error(`the file ends within ${name}`);
    const data = new ARRAYS[dtype](buffer.slice(8 + length + begin, 8 + length + end));
    tensors[name] = dtype === "F16" ? new Float32Array(data).map(fromHalf) : data;
  }
  for (const [name, data] of Object.entries(tensors)) {
    const scales = tensors[`${name}.scales`]; // 8-bit weights: every output column has its own scale
    if (!scales) continue;
    const columns = scales.length, numbers = tensors[name] = new Float32Array(data.length);
    for (let row = 0; row < data.length; row += columns)
      for (let column = 0; column < columns; column++) numbers[row + column] = data[row + column] * scales[column];
  }
  return { ...JSON.parse(metadata.model), tensors }; // its configuration and alphabet, and the numbers
}

// A 16-bit number has 1 bit of sign, 5 of exponent and 10 of fraction.
function fromHalf(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

export function build({ config, alphabet, tensors }) {
  return new { ngram: NGram, rnn: Recurrent, gpt: GPT }[config.kind](config, alphabet, tensors);
}

export async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return build(parse(await answer.arrayBuffer()));
}

// [products]
// Kernels are stored (in, out), as in Keras; the engine turns them, so that a dot product reads memory in order.
function turned(kernel, inputs) {
  const outputs = kernel.length / inputs, result = new Float32Array(kernel.length);
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) result[o * inputs + i] = kernel[i * outputs + o];
  return result;
}

// Return W x + b. Eight outputs at a time: each number of x is fetched once for all eight.
function dense(x, W, b) {
  const n = x.length, outputs = W.length / n, y = new Float32Array(outputs);
  let o = 0;
  for (; o + 7 < outputs; o += 8) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    for (let i = 0, at = o * n; i < n; i++, at++) {
      const value = x[i];
      s0 += value * W[at]; s1 += value * W[at + n]; s2 += value * W[at + 2 * n]; s3 += value * W[at + 3 * n];
      s4 += value * W[at + 4 * n]; s5 += value * W[at + 5 * n]; s6 += value * W[at + 6 * n]; s7 += value * W[at + 7 * n];
    }
    y[o] = s0; y[o + 1] = s1; y[o + 2] = s2; y[o + 3] = s3;
    y[o + 4] = s4; y[o + 5] = s5; y[o + 6] = s6; y[o + 7] = s7;
  }
  for (; o < outputs; o++) for (let i = 0; i < n; i++) y[o] += x[i] * W[o * n + i];
  return b ? add(y, b) : y;
}

function add(x, y) {
  const sum = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) sum[i] = x[i] + y[i];
  return sum;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// [recurrent]
// SimpleRNN, GRU and LSTM, stacked. The gates lie side by side in one product, in Keras' order.
class Recurrent {
  constructor(config, alphabet, tensors) {
    const { embedding: E, units: U, vocab_size: V } = config;
    Object.assign(this, { config, alphabet, V, E, U, embedding: tensors.embedding, outputBias: tensors.output_bias });
    this.layers = [...Array(config.layers).keys()].map((l) => ({
      kernel: turned(tensors[`layer_${l}/kernel`], l ? U : E),
      recurrent: turned(tensors[`layer_${l}/recurrent_kernel`], U),
      bias: tensors[`layer_${l}/bias`],
      recurrentBias: tensors[`layer_${l}/recurrent_bias`],
    }));
    this.output = config.tie_embeddings ? tensors.embedding : turned(tensors.output_kernel, U);
  }

  start() {
    const nothing = () => ({ h: new Float32Array(this.U), c: new Float32Array(this.U) });
    return { logits: new Float32Array(this.V), layers: this.layers.map(nothing) };
  }

  // The new state has for each layer h (and c for the LSTM) and its gates, all (U,).
  step(state, token) {
    let x = this.embedding.subarray(token * this.E, (token + 1) * this.E);
    const layers = this.layers.map((layer, l) => {
      const inputs = dense(x, layer.kernel, layer.bias), memory = dense(state.layers[l].h, layer.recurrent);
      const after = this[this.config.cell](inputs, memory, state.layers[l], layer);
      x = after.h;
      return after;
    });
    return { logits: dense(x, this.output, this.outputBias), layers };
  }

  rnn(inputs, memory) {
    return { h: add(inputs, memory).map(Math.tanh) };
  }

  gru(inputs, memory, { h: before }, { recurrentBias }) {
    const U = this.U, update = new Float32Array(U), reset = new Float32Array(U), h = new Float32Array(U);
    for (let u = 0; u < U; u++) {
      update[u] = sigmoid(inputs[u] + memory[u]);
      reset[u] = sigmoid(inputs[U + u] + memory[U + u]);
      const candidate = Math.tanh(inputs[2 * U + u] + reset[u] * (memory[2 * U + u] + recurrentBias[u]));
      h[u] = update[u] * before[u] + (1 - update[u]) * candidate;
    }
    return { h, update, reset };
  }

  lstm(inputs, memory, { c: before }) {
    const U = this.U, z = add(inputs, memory), h = new Float32Array(U), c = new Float32Array(U);
    const [input, forget, output] = [0, 1, 3].map((gate) => z.subarray(gate * U, (gate + 1) * U).map(sigmoid));
    for (let u = 0; u < U; u++) {
      c[u] = forget[u] * before[u] + input[u] * Math.tanh(z[2 * U + u]);
      h[u] = output[u] * Math.tanh(c[u]);
    }
    return { h, c, input, forget, output };
  }
}

// [gpt]
const ACTIVATIONS = {
  relu: (x) => Math.max(x, 0),
  relu2: (x) => (x > 0 ? x * x : 0),
  gelu: (x) => 0.5 * x * (1 + Math.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))), // √(2/π)
};

class GPT {
  constructor(config, alphabet, tensors) {
    const { width: D, heads: H, head_width: d, hidden: F, context: S, vocab_size: V } = config;
    Object.assign(this, { config, alphabet, V, D, H, d, S, embedding: tensors.embedding });
    const product = (name, inputs) => ({ W: turned(tensors[`${name}/kernel`], inputs), b: tensors[`${name}/bias`] });
    const norm = (name) => ({ scale: tensors[`${name}/scale`], bias: tensors[`${name}/bias`] });
    this.blocks = [...Array(config.layers).keys()].map((l) => ({
      attentionNorm: norm(`block_${l}/attention_norm`),
      query: product(`block_${l}/attention/query`, D),
      key: product(`block_${l}/attention/key`, D),
      value: product(`block_${l}/attention/value`, D),
      queryNorm: norm(`block_${l}/attention/query_norm`),
      keyNorm: norm(`block_${l}/attention/key_norm`),
      output: product(`block_${l}/attention/output`, H * d),
      feedForwardNorm: norm(`block_${l}/feed_forward_norm`),
      up: product(`block_${l}/feed_forward/up`, D),
      down: product(`block_${l}/feed_forward/down`, F),
    }));
    this.finalNorm = norm("final_norm");
    this.unembedding = config.tie_embeddings ? tensors.embedding : turned(tensors.output_kernel, D);
    this.positions = tensors.position_embedding;
  }

  // The cache: for each block the keys and values (H d,) of the tokens in the window.
  start() {
    return { logits: new Float32Array(this.V), tokens: [], cache: this.blocks.map(() => ({ keys: [], values: [] })) };
  }

  // The new state has `attention`: for each block and head the weights over the tokens of the window.
  step(state, token) {
    if (state.tokens.length === this.S) state = this.half(state);
    const t = state.tokens.length, cache = [], attention = [];
    let x = this.embedding.slice(token * this.D, (token + 1) * this.D);
    if (this.positions) x = add(x, this.positions.subarray(t * this.D, (t + 1) * this.D));
    this.blocks.forEach((block, l) => {
      const read = this.normalize(x, block.attentionNorm, this.D);
      const query = this.placed(dense(read, block.query.W, block.query.b), block.queryNorm, t);
      const key = this.placed(dense(read, block.key.W, block.key.b), block.keyNorm, t);
      const keys = [...state.cache[l].keys, key];
      const values = [...state.cache[l].values, dense(read, block.value.W, block.value.b)];
      const { mixed, weights } = this.attend(query, keys, values);
      x = add(x, dense(mixed, block.output.W, block.output.b));
      const hidden = dense(this.normalize(x, block.feedForwardNorm, this.D), block.up.W, block.up.b);
      x = add(x, dense(hidden.map(ACTIVATIONS[this.config.mlp]), block.down.W, block.down.b));
      cache.push({ keys, values });
      attention.push(weights);
    });
    const logits = dense(this.normalize(x, this.finalNorm, this.D), this.unembedding);
    return { logits, tokens: [...state.tokens, token], cache, attention };
  }

  // The window is full: forget its older half and read the rest again, at positions from 0 on.
  half(state) {
    return state.tokens.slice(Math.ceil(this.S / 2)).reduce((now, token) => this.step(now, token), this.start());
  }

  // Layer norm or RMS norm of each `size` numbers of x.
  normalize(x, { scale, bias }, size) {
    const y = new Float32Array(x.length);
    for (let begin = 0; begin < x.length; begin += size) {
      let mean = 0, square = 0;
      if (this.config.norm === "layer" && size === this.D) for (let i = 0; i < size; i++) mean += x[begin + i] / size;
      for (let i = 0; i < size; i++) square += (x[begin + i] - mean) * (x[begin + i] - mean);
      const factor = 1 / Math.sqrt(square / size + this.config.epsilon);
      for (let i = 0; i < size; i++) y[begin + i] = (x[begin + i] - mean) * factor * scale[i] + (bias ? bias[i] : 0);
    }
    return y;
  }

  // A query or key (H d,), normalised head by head and turned by its position t, where the configuration says so.
  placed(x, norm, t) {
    const { d, config } = this, half = d / 2;
    if (config.qk_norm) x = this.normalize(x, norm, d);
    if (config.positions !== "rotary") return x;
    for (let i = 0; i < half; i++) {
      const angle = t * config.rotary_base ** (-i / half), cosine = Math.cos(angle), sine = Math.sin(angle);
      for (let at = i; at < x.length; at += d) {
        const first = x[at], second = x[at + half];
        x[at] = first * cosine - second * sine;
        x[at + half] = second * cosine + first * sine;
      }
    }
    return x;
  }

  // softmax(q Kᵀ / √d) V for each head: what it mixed (H d,), and the weights it mixed with, one list a head.
  attend(query, keys, values) {
    const { H, d } = this, T = keys.length, mixed = new Float32Array(H * d), weights = [];
    for (let begin = 0; begin < H * d; begin += d) {
      const scores = new Float32Array(T);
      for (let s = 0; s < T; s++) {
        const key = keys[s];
        let score = 0;
        for (let i = begin; i < begin + d; i++) score += query[i] * key[i];
        scores[s] = score / Math.sqrt(d);
      }
      const row = softmax(scores);
      for (let s = 0; s < T; s++) {
        const value = values[s], weight = row[s];
        for (let i = begin; i < begin + d; i++) mixed[i] += weight * value[i];
      }
      weights.push(row);
    }
    return { mixed, weights };
  }
}

export function softmax(logits) {
  let top = -Infinity, sum = 0;
  for (const z of logits) top = Math.max(top, z);
  const powers = logits.map((z) => Math.exp(z - top));
  for (const power of powers) sum += power;
  return powers.map((power) => power / sum);
}

// [ngram]
// Interpolated n-grams in four bytes each: last token, probability, share left to shorter contexts, number of
// continuations. Those of a context lie side by side, in the order of their contexts; the rest is counting.
class NGram {
  constructor(config, alphabet, tensors) {
    Object.assign(this, { config, alphabet, V: config.vocab_size });
    this.meaning = Float32Array.from({ length: 256 }, (_, code) => Math.exp(-code * config.nats)); // of a coded probability
    this.orders = [...Array(config.order).keys()].map((n) => {
      const [tokens, probabilities, reserved, continuations] = ["tokens", "probabilities", "reserved", "continuations"].map(
        (name) => tensors[`order_${n + 1}/${name}`]);
      const first = new Uint32Array(continuations.length + 1);
      continuations.forEach((count, row) => { first[row + 1] = first[row] + count; });
      return { first, tokens, probabilities, reserved };
    });
  }

  start() {
    return this.at([0]);
  }

  // A state's rows: of the last 0, 1, … tokens among the n-grams of that length; -1: never seen.
  step(state, token) {
    const longer = this.orders.slice(0, -1).map(({ first, tokens }, n) => {
      const row = state.rows[n] ?? -1;
      return row < 0 ? -1 : tokens.subarray(0, first[row + 1]).indexOf(token, first[row]);
    });
    return this.at([0, ...longer]);
  }

  at(rows) {
    const p = new Float32Array(this.V).fill(1 / this.V);
    rows.forEach((row, n) => {
      if (row < 0) return;
      const { first, reserved, tokens, probabilities } = this.orders[n];
      for (let token = 0; token < this.V; token++) p[token] *= this.meaning[reserved[row]];
      for (let i = first[row]; i < first[row + 1]; i++) p[tokens[i]] = this.meaning[probabilities[i]];
    });
    return { logits: p.map(Math.log), rows };
  }
}
