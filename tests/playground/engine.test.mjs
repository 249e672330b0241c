// Run by test_engine.py, which makes the references: `REFERENCES=folder node --test engine.test.mjs`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { build, parse } from "../../book/_static/playground/engine.mjs";
import { draw, entropy, generator, kept } from "../../book/_static/playground/sampling.mjs";
import { encode } from "../../book/_static/playground/tracks.mjs";

const FOLDER = process.env.REFERENCES;
const bytes = (name) => new Uint8Array(readFileSync(`${FOLDER}/${name}.safetensors`)).buffer;
const model = (name) => build(parse(bytes(name)));
const expected = (name) => JSON.parse(readFileSync(`${FOLDER}/${name}.json`));

function walk(model, tokens) {
  const states = [model.start()];
  for (const token of tokens) states.push(model.step(states.at(-1), token));
  return states;
}

function far(found, wanted) {
  return Math.max(...wanted.map((row, t) => Math.max(...row.map((value, v) => Math.abs(value - found[t][v])))));
}

const PRESETS = ["rnn-small", "gru-small", "lstm-small", "laptop", "nanogpt-cpu"];
for (const preset of PRESETS) {
  const { tokens, logits, rounded } = expected(preset);
  for (const [dtype, wanted, tolerance] of [["float32", logits, 1e-4], ["float16", logits, 2e-2], ["int8", rounded, 1e-4]]) {
    test(`${preset} in ${dtype} agrees with Keras over ${tokens.length} positions`, () => {
      const states = walk(model(`${preset}.${dtype}`), tokens);
      assert.ok(Math.max(...wanted.at(-1)) > 0.5, "the reference says something");
      assert.ok(far(states.map((state) => state.logits), wanted) < tolerance);
    });
  }
}

for (const preset of ["laptop", "nanogpt-cpu"]) {
  test(`${preset}: attention is Keras', and sums to 1`, () => {
    const { tokens, attention } = expected(preset);
    const states = walk(model(`${preset}.float32`), tokens.slice(0, attention[0][0].length));
    attention.forEach((heads, l) => heads.forEach((rows, h) => {
      const found = states.slice(1).map((state) => state.attention[l][h]);
      found.forEach((row, t) => assert.ok(Math.abs(row.reduce((a, b) => a + b) - 1) < 1e-5 && row.length === t + 1));
      assert.ok(far(rows.map((_, t) => Array.from(rows, (_, s) => found[t][s] ?? 0)), rows) < 1e-5);
    }));
  });
}

test("the n-gram model agrees with the book's", () => {
  const { tokens, logits } = expected("ngram");
  const states = walk(model("ngram"), tokens.map((token) => Math.floor(token / 8) * 8));
  assert.ok(far(states.map((state) => state.logits), logits) < 1e-4);
});

test("a state is a value: what comes after leaves it alone", () => {
  for (const preset of [...PRESETS.map((name) => `${name}.int8`), "ngram"]) {
    const one = model(preset), states = walk(one, [0, 8, 16]);
    const first = Array.from(one.step(states[3], 24).logits);
    one.step(one.step(states[3], 32), 40);
    assert.deepEqual(Array.from(one.step(states[3], 24).logits), first);
  }
});

test("samplers keep and draw what the book's do", () => {
  for (const { logits, probabilities, u, drawn, ...sampler } of expected("sampling")) {
    const found = kept(logits, sampler);
    assert.ok(far([found], [probabilities]) < 1e-9);
    assert.equal(draw(found, u), drawn);
  }
});

test("entropy is in bits, and draws are repeatable and even", () => {
  assert.equal(entropy([0.25, 0.25, 0.5, 0]), 1.5);
  const numbers = (seed) => Array.from({ length: 10000 }, generator(seed));
  assert.deepEqual(numbers(7), numbers(7));
  assert.notDeepEqual(numbers(7), numbers(8));
  assert.ok(Math.abs(numbers(7).reduce((a, b) => a + b) / 10000 - 0.5) < 0.01);
});

test("numbers that are not finite are refused", () => {
  assert.throws(() => draw(kept([NaN, 1, 2]), 0.5), /not finite/);
  assert.throws(() => draw(kept([Infinity, 1, 2]), 0.5), /not finite/);
});

test("what the alphabet lacks is left out and named", () => {
  assert.deepEqual(encode(["a", "b"], "a€b😀€"), { ids: [0, 1], skipped: ["€", "😀"] });
});

test("a file that is cut off or no safetensors is refused", () => {
  const whole = bytes("laptop.int8");
  for (const part of [whole.slice(0, 4), whole.slice(0, 100), whole.slice(0, -1), new TextEncoder().encode("<!doctype html>").buffer]) {
    assert.throws(() => parse(part));
  }
});
