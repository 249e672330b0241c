// From logits to a drawn token: the same rules as `lmtutorial.generation`, so that both draw the same.

import { softmax } from "./engine.mjs";

// Return the probabilities (V,) that remain: temperature first, then the k likeliest (and those as likely as the last of
// them), then the fewest likeliest that reach p. What is excluded has probability 0. `never`: an id that is not drawn.
export function kept(logits, { temperature = 1, topK = Infinity, topP = 1 } = {}, never = -1) {
  const scores = Float64Array.from(logits, (z, id) => (id === never ? -Infinity : z / temperature));
  if (topK < scores.length) {
    const last = Float64Array.from(scores).sort()[scores.length - topK];
    scores.forEach((score, id) => { if (score < last) scores[id] = -Infinity; });
  }
  let probabilities = softmax(scores);
  if (topP < 1) {
    const order = ranked(probabilities);
    let before = 0;
    for (const id of order) {
      const probability = probabilities[id];
      if (before >= topP) scores[id] = -Infinity;
      before += probability;
    }
    probabilities = softmax(scores);
  }
  return probabilities;
}

// Return the ids, the likeliest first; of equally likely ones the smaller id.
export function ranked(probabilities) {
  return [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
}

// Return the id at which the cumulative probability first exceeds u, a number from [0, 1).
export function draw(probabilities, u) {
  const total = probabilities.reduce((a, b) => a + b, 0);
  if (!(total > 0)) throw new RangeError("nothing can be drawn: the model's numbers are not finite");
  let sum = 0, last = 0;
  for (let id = 0; id < probabilities.length; id++) {
    sum += probabilities[id];
    if (probabilities[id] > 0) last = id;
    if (sum > u * total) return id;
  }
  return last;
}

// Return the entropy in bits.
export function entropy(probabilities) {
  return probabilities.reduce((bits, p) => (p > 0 ? bits - p * Math.log2(p) : bits), 0);
}

// Return a generator of numbers from [0, 1) by seed (mulberry32): the same numbers on every machine.
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
