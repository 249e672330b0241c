// The panels below the models: memory probe, attention, recurrent state, time. Each is a title, elements, and `update`,
// which reads the tracks as they are; it is called only while the panel is open.

import { Heatmap, field, h, lines, visible } from "./views.mjs";

const choice = (options) => h("select", {}, ...options.map(([value, label]) => h("option", { value }, label)));
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

// Change one character of the reader's text, and see how far its effect on the predictions reaches.
function probe({ words, tracks }) {
  const place = h("input", { type: "number", min: 1, value: 3 });
  const becomes = h("input", { type: "text", maxlength: 2, size: 2, value: words.other });
  const found = h("div");
  const update = () => {
    const series = tracks().flatMap((track) => {
      const at = Math.floor(place.value) - 1, { ids } = track.encode(becomes.value);
      if (!(at >= 0 && at < track.given - 1) || !ids.length) return [];
      const moved = track.probe(at, ids[0], Math.min(track.given, at + 300));
      return [{ name: words.names[track.name], points: moved.map((effect, i) => [i + 1, effect]) }];
    });
    if (!series.length) return found.replaceChildren(words.short);
    const said = series.map(({ name, points }) => words.probed(name, points.findLastIndex(([, effect]) => effect > 0.01) + 1));
    found.replaceChildren(lines(series, words.distance, words.effect, said.join(" ")), h("p", {}, said.join(" ")));
  };
  return { title: words.probe, elements: [field(words.place, place), field(words.becomes, becomes), found], update };
}

// Which of the characters in its window does each head of each block look at?
function attention({ words, tracks }) {
  const layer = h("select"), head = h("select");
  const map = new Heatmap(words.attention, words.hint);
  const update = () => {
    const track = tracks().find(({ state }) => state.attention);
    if (!track) return map.show([], null, words.short);
    const { layers, heads } = track.model.config, T = track.tokens.length;
    if (!layer.options.length) {
      layer.append(...Array.from({ length: layers }, (_, l) => h("option", { value: l }, l + 1)));
      head.append(h("option", { value: "" }, words.mean), ...Array.from({ length: heads }, (_, i) => h("option", { value: i }, i + 1)));
    }
    const rows = track.states.slice(Math.max(T - 47, 1)).map((state, i) => {
      const at = Math.max(T - 47, 1) + i, chosen = state.attention[layer.value];
      const average = () => chosen[0].map((_, s) => chosen.reduce((sum, row) => sum + row[s], 0) / heads);
      return { at, first: at - state.tokens.length, weights: head.value === "" ? average() : chosen[head.value] };
    });
    const first = Math.min(...rows.map((row) => row.first));
    const values = rows.map((row) => Array.from({ length: T - first }, (_, s) => row.weights[first + s - row.first] ?? NaN));
    const name = (at) => `“${visible(track.characters[at])}” (${at + 1})`;
    map.show(values, (row, column) => words.looks(name(rows[row].at - 1), name(first + column), values[row][column]));
  };
  return { title: words.attention, elements: [field(words.layer, layer), field(words.head, head), map.element], update };
}

// The units of a recurrent layer that move most, over the last characters; or its gates.
function units({ words, tracks }) {
  const recurrent = () => tracks().filter(({ state }) => state.layers);
  const model = choice(recurrent().map(({ name }) => [name, words.names[name]])), quantity = h("select");
  const map = new Heatmap(words.units, words.hint);
  const update = () => {
    const track = recurrent().find(({ name }) => name === model.value);
    if (!track || !track.tokens.length) return;
    const known = Object.keys(words.quantities).filter((key) => track.state.layers[0][key]);
    const chosen = known.includes(quantity.value) ? quantity.value : known[0];
    quantity.replaceChildren(...known.map((key) => h("option", { value: key }, words.quantities[key])));
    quantity.value = chosen;
    const from = Math.max(track.states.length - 100, 1);
    const over = track.states.slice(from).map((state) => state.layers.at(-1)[chosen]);
    const moves = Array.from(over[0], (_, u) => [over.reduce((sum, now, t) => sum + Math.abs(now[u] - (over[t - 1] ?? now)[u]), 0), u]);
    const most = moves.sort((a, b) => b[0] - a[0]).slice(0, 48).map(([, u]) => u).sort((a, b) => a - b);
    const after = (column) => `“${visible(track.characters[from + column - 1])}” (${from + column})`;
    map.show(most.map((u) => over.map((now) => now[u])), (row, column) =>
      words.unit(most[row] + 1, words.quantities[chosen], after(column), over[column][most[row]]));
  };
  return { title: words.units, elements: [field(words.model, model), field(words.quantity, quantity), map.element], update };
}

// Milliseconds a character, over the position in the text: medians of eight.
function time({ words, tracks }) {
  const found = h("div");
  const update = () => {
    const read = tracks().filter(({ times }) => times.length);
    if (!read.length) return found.replaceChildren(words.short);
    const series = read.map(({ name, times }) => ({
      name: words.names[name],
      points: Array.from({ length: Math.ceil(times.length / 8) }, (_, i) => [8 * i + 1, median(times.slice(8 * i, 8 * i + 8))]),
    }));
    const said = read.map(({ name, times }) => words.timed(words.names[name], median(times))).join(" ");
    found.replaceChildren(lines(series, words.position, words.milliseconds, said), h("p", {}, said));
  };
  return { title: words.time, elements: [found], update };
}

// Return the panels called `names`, closed: { element, update } each.
export function panels(names, playground) {
  const makers = { probe, attention, units, time };
  return names.map((name) => {
    const { title, elements, update } = makers[name](playground);
    const controls = elements.slice(0, -1);
    controls.forEach((control) => control.addEventListener("input", update));
    const element = h("details", { "data-panel": name }, h("summary", {}, title), h("div", { class: "controls" }, ...controls), elements.at(-1));
    element.addEventListener("toggle", () => element.open && update());
    return { element, update: () => element.open && update() };
  });
}
