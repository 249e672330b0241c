// A track: one model, and everything it has read.

import { build, parse, softmax } from "./engine.mjs";

// Text to ids, one a character. What the alphabet lacks is left out and reported.
export function encode(alphabet, text) {
  const ids = [], skipped = new Set(), places = new Map(alphabet.map((symbol, id) => [symbol, id]));
  for (const character of text) {
    const id = places.get(character);
    if (id === undefined) skipped.add(character);
    else ids.push(id);
  }
  return { ids, skipped: [...skipped] };
}

class Track {
  constructor(name, entry, model) {
    Object.assign(this, { name, entry, model });
    this.unknown = model.alphabet.indexOf("\uFFFD"); // stands for characters that are too rare to have an id: never drawn
    this.reset();
  }

  reset() {
    this.tokens = [];
    this.states = [this.model.start()]; // states[i]: after i tokens
    this.costs = []; // of each token in bits, given those before it
    this.times = []; // milliseconds that each token took
  }

  read(token) {
    const began = performance.now();
    this.states.push(this.model.step(this.state, token));
    this.times.push(performance.now() - began);
    this.costs.push(-Math.log2(softmax(this.states.at(-2).logits)[token]));
    this.tokens.push(token);
  }

  back() {
    for (const list of [this.states, this.tokens, this.costs, this.times]) list.pop();
  }

  encode(text) {
    return encode(this.model.alphabet, text);
  }

  get state() {
    return this.states.at(-1);
  }

  get characters() {
    return this.tokens.map((id) => this.model.alphabet[id]);
  }

  // How far the next-character distribution moves, after 1, 2, … characters, when the i-th one is another: half the sum
  // of all differences of probability (total variation), from 0 (no effect) to 1.
  probe(i, token, until) {
    let state = this.model.step(this.states[i], token);
    const moved = [];
    for (let at = i + 1; at <= until; at++) {
      const here = softmax(this.states[at].logits), there = softmax(state.logits);
      moved.push(here.reduce((sum, p, id) => sum + Math.abs(p - there[id]), 0) / 2);
      if (at < until) state = this.model.step(state, this.tokens[at]);
    }
    return moved;
  }
}

// Return a model of the manifest. Its bytes are checked where the browser can hash, which it does not on plain http.
export async function fetchTrack(folder, manifest, name) {
  const entry = manifest[name];
  if (!entry) throw new Error(`there is no model ${name}`);
  const answer = await fetch(new URL(entry.file, folder));
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== entry.sha256) throw new Error("SHA-256");
  }
  return new Track(name, entry, build(parse(bytes)));
}
