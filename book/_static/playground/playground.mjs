// <lm-playground>: language models side by side in the reader's browser. Nothing that a reader types leaves it.
//
//   <lm-playground models="ngram rnn lstm gpt" stages="gpt-untrained gpt-minute gpt" prompt="ROMEO:" share> … </lm-playground>
//
// models: of models/manifest.json, one column each.   stages: versions of one of them to choose from.
// prompt, examples: texts; examples as a JSON list.    panels: of panels.mjs, all unless given.
// share: keep the state in the page's address.         lang: en or zh; else the page's.
// Its content is what a reader sees until the models are there, or if they never come.

import { LABELS } from "./labels.mjs";
import { panels } from "./panels.mjs";
import { draw, entropy, generator, kept, ranked } from "./sampling.mjs";
import { fetchTrack } from "./tracks.mjs";
import { Bars, colour, field, h, visible } from "./views.mjs";
import { softmax } from "./engine.mjs";

const LONGEST = 1000; // characters of a text that are read, the last ones
const SHOWN = 20; // next characters that are shown, and the largest top-k
const AT_MOST = 1000; // steps that an address may ask for
const PATIENCE = 40; // milliseconds of work before the page gets a turn

const listed = (element, name, otherwise) => (element.getAttribute(name) ?? otherwise).split(" ").filter(Boolean);
const within = (value, low, high, otherwise) => (value !== null && value >= low && value <= high ? Number(value) : otherwise);
const turn = () => new Promise((resolve) => setTimeout(resolve));

class Playground extends HTMLElement {
  async connectedCallback() {
    if (this.words) return; // it was only moved within the page
    this.words = LABELS[this.closest("[lang]")?.lang.startsWith("zh") ? "zh" : "en"];
    Object.assign(this, { text: this.getAttribute("prompt") ?? "", seed: 1, steps: [], last: [], notes: {}, run: 0 });
    this.settings = { temperature: 1, topK: Infinity, topP: 1 };
    if (this.hasAttribute("share")) this.restore(new URLSearchParams(location.hash.slice(1)));
    this.status = h("p", { role: "status", class: "status" });
    this.prepend(this.status);
    this.note("now", this.words.loading);
    try {
      await this.begin();
      this.dataset.state = "ready";
    } catch (error) {
      this.note("now", this.words.nothing(error.message));
      this.dataset.state = "failed";
    }
  }

  async begin() {
    this.folder = new URL("models/", import.meta.url);
    const answer = await fetch(new URL("manifest.json", this.folder));
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    this.manifest = await answer.json();
    const names = listed(this, "models", "ngram rnn lstm gpt");
    const found = await Promise.allSettled(names.map((name) => fetchTrack(this.folder, this.manifest, name)));
    this.columns = names.map((name, i) => this.column(name, found[i]));
    if (!this.tracks.length) throw new Error(found[0].reason.message);
    this.assemble();
    await this.replay();
    this.replaceChildren(...this.parts);
  }

  get tracks() {
    return this.columns.map(({ track }) => track).filter((track) => track && !track.stuck);
  }

  // [elements]
  column(name, { value: track, reason }) {
    const column = { name, track, title: this.words.names[name] ?? name, about: h("p", { class: "about" }) };
    column.text = h("div", { class: "text", tabindex: 0, role: "group", "aria-label": column.title });
    column.score = h("p", { class: "score" });
    column.bars = new Bars((character) => this.take({ forced: character }));
    column.entropy = h("p", { class: "entropy" });
    if (!track) this.note(name, this.words.failed(column.title, reason.message));
    const rest = track ? [column.about, column.text, column.score, h("h4", {}, this.words.next), column.bars.list, column.entropy] : [];
    const message = track ? [] : [h("p", { class: "failed" }, this.notes[name])];
    column.element = h("section", { "data-model": name }, h("h3", {}, column.title), ...message, ...rest);
    return column;
  }

  assemble() {
    const { words } = this;
    this.input = h("textarea", { rows: 5, spellcheck: "false" });
    this.input.value = this.text;
    this.input.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.begunWith(this.input.value), 400);
    });
    const examples = JSON.parse(this.getAttribute("examples") ?? "[]").map((text, i) =>
      this.button(`${words.example} ${i + 1}`, () => { this.input.value = text; this.begunWith(text); }));
    this.comment = h("ol", { class: "comment", "aria-live": "polite" });
    const names = listed(this, "panels", "probe attention units time");
    this.panels = panels(names, { words, tracks: () => this.tracks });
    this.parts = [
      this.status,
      h("div", { class: "prompt" }, field(words.prompt, this.input), ...examples),
      h("div", { class: "controls" }, ...this.sliders(), this.seedField(), ...this.stageField()),
      h("div", { class: "buttons" },
        this.button(words.step, () => this.take({})), this.button(words.write, () => this.write(100)),
        this.button(words.stop, () => { this.run++; this.render(); }), this.button(words.back, () => this.back()),
        this.button(words.clear, () => this.begunWith(this.text)),
        ...(this.hasAttribute("share") ? [this.button(words.share, () => this.share())] : [])),
      h("div", { class: "columns" }, ...this.columns.map(({ element }) => element)),
      h("p", { class: "legend-note" }, words.legend),
      h("h4", {}, words.comment), this.comment,
      ...this.panels.map(({ element }) => element),
    ];
  }

  button(label, onclick) {
    return h("button", { type: "button", onclick }, label);
  }

  // Temperature, top-k and top-p: moving one looks at the same prediction in another way, without asking a model again.
  sliders() {
    const { words, settings } = this;
    return [["temperature", 0.1, 2, 0.05], ["topK", 1, SHOWN + 1, 1], ["topP", 0.05, 1, 0.05]].map(([name, min, max, step]) => {
      const input = h("input", { type: "range", min, max, step, name }), shown = h("output");
      input.value = Math.min(settings[name], max);
      const show = () => { shown.textContent = this.settings[name] === Infinity ? words.all : this.settings[name]; };
      input.addEventListener("input", () => {
        const all = name === "topK" && Number(input.value) > SHOWN;
        this.settings = { ...this.settings, [name]: all ? Infinity : Number(input.value) };
        show();
        this.render();
      });
      show();
      return field(words[name], input, shown);
    });
  }

  seedField() {
    const input = h("input", { type: "number", min: 0, max: 2 ** 32 - 1, name: "seed", value: this.seed });
    input.addEventListener("change", () => { this.seed = within(input.value, 0, 2 ** 32 - 1, 1); this.replay(); });
    return field(this.words.seed, input);
  }

  // One model can be swapped for an earlier state of its training.
  stageField() {
    const names = listed(this, "stages", "").filter((name) => this.manifest[name]);
    const column = this.columns.find(({ name }) => names.includes(name));
    if (!column?.track) return [];
    const select = h("select", { name: "stage" }, ...names.map((name) =>
      h("option", { value: name, selected: name === column.name }, this.words.stages(this.manifest[name].trained))));
    let loaded = column.name;
    select.addEventListener("change", async () => {
      const wanted = select.value;
      const [{ value: track, reason }] = await Promise.allSettled([fetchTrack(this.folder, this.manifest, wanted)]);
      if (select.value !== wanted) return; // the reader chose again
      if (track) {
        loaded = wanted;
        column.track = Object.assign(track, { name: column.name });
        await this.replay();
      } else {
        select.value = loaded;
        this.note(column.name, this.words.kept(column.title, reason.message));
      }
    });
    return [field(this.words.stage, select)];
  }

  // [reading and writing]
  begunWith(text) {
    Object.assign(this, { text, steps: [] });
    return this.replay();
  }

  // Read the text and do all steps again: after a change of text, seed or model. A newer call makes this one give up.
  async replay() {
    const run = ++this.run, characters = [...this.text], skipped = new Set();
    this.note("now", this.words.reading);
    this.note("cut", characters.length > LONGEST ? this.words.cut(LONGEST) : "");
    Object.assign(this, { draws: [], generator: generator(this.seed), last: [] });
    const text = characters.slice(-LONGEST).join("");
    for (const { name, track } of this.columns.filter(({ track }) => track)) {
      this.note(name, "");
      const { ids, skipped: unknown } = track.encode(text);
      unknown.forEach((character) => skipped.add(character));
      Object.assign(track, { given: ids.length, stuck: false });
      track.reset();
      if (!(await this.patiently(run, ids, (id) => track.read(id)))) return;
    }
    this.note("skipped", skipped.size ? this.words.skipped([...skipped].slice(0, 20).join(" ")) : "");
    if (!(await this.patiently(run, this.steps, (step, i) => this.follow(step, i)))) return;
    this.note("now", "");
    this.render();
  }

  // Do something with every item; every now and then the page gets a turn. Return whether no newer run began meanwhile.
  async patiently(run, items, work, shown = () => {}) {
    let since = performance.now();
    for (const [i, item] of items.entries()) {
      work(item, i);
      if (performance.now() - since > PATIENCE) {
        shown();
        await turn();
        if (run !== this.run) return false;
        since = performance.now();
      }
    }
    return run === this.run;
  }

  // One step in all models, with one shared draw; `forced` is a character that all of them write instead.
  follow({ forced, settings }, i) {
    while (this.draws.length <= i) this.draws.push(this.generator());
    this.last = [];
    for (const track of this.tracks) {
      try {
        const probabilities = kept(track.state.logits, settings, track.unknown);
        const wanted = track.model.alphabet.indexOf(forced); // -1: nothing was asked for, or nothing that it knows
        const id = wanted < 0 ? draw(probabilities, this.draws[i]) : wanted;
        const probability = (wanted < 0 ? probabilities : softmax(track.state.logits))[id];
        const full = "cache" in track.state && track.state.tokens.length === track.model.S;
        track.read(id);
        this.last.push({ track, character: track.model.alphabet[id], probability, full, u: this.draws[i], made: wanted >= 0 });
      } catch {
        track.stuck = true;
        this.note(track.name, this.words.stuck(this.words.names[track.name]));
      }
    }
  }

  take(step) {
    this.run++;
    this.step(step);
    this.render();
  }

  step({ forced }) {
    this.steps.push({ forced, settings: this.settings });
    this.follow(this.steps.at(-1), this.steps.length - 1);
  }

  async write(count) {
    const run = ++this.run;
    this.comment.setAttribute("aria-live", "off"); // a screen reader says the last step only
    await this.patiently(run, Array(count).fill({}), (step) => this.step(step), () => this.render());
    this.comment.setAttribute("aria-live", "polite");
    this.render();
  }

  back() {
    this.run++;
    if (this.steps.pop()) this.tracks.forEach((track) => track.back());
    this.last = [];
    this.render();
  }

  // [what is seen]
  note(about, message) {
    this.notes[about] = message;
    this.status.textContent = Object.values(this.notes).filter(Boolean).join(" ");
  }

  render() {
    for (const column of this.columns.filter(({ track }) => track)) this.renderColumn(column);
    this.comment.replaceChildren(...(this.last.length ? this.last.map((happened) => h("li", {}, this.told(happened))) : [h("li", {}, this.words.none)]));
    this.panels.forEach((panel) => panel.update());
    this.dataset.steps = this.steps.length;
  }

  renderColumn({ track, about, text, score, bars, entropy: bits }) {
    const { words, settings } = this, { alphabet, config } = track.model, characters = track.characters;
    const measured = track.entry.measured.nats_per_char.int8 / Math.LN2;
    about.textContent = (config.kind === "ngram" ? words.counts : words.about)(track.entry.parameters, measured, words.unseen);
    colour(text, characters, track.costs, track.given);
    const given = track.costs.slice(0, track.given), mean = given.reduce((a, b) => a + b, 0) / given.length;
    const surprising = ranked(given).slice(0, 3).map((i) => [`“${visible(characters[i])}”`, given[i]]);
    score.textContent = given.length ? `${words.score(mean, given.length)} ${words.surprising(surprising)}` : "";
    const all = softmax(track.state.logits), left = kept(track.state.logits, settings, track.unknown);
    const warmer = kept(track.state.logits, { temperature: settings.temperature }, track.unknown);
    bars.show(ranked(warmer).slice(0, SHOWN).map((id) => {
      const p = left[id] || warmer[id], excluded = left[id] === 0;
      return { character: alphabet[id], p, excluded, label: words.force(visible(alphabet[id]), p, excluded) };
    }));
    bits.textContent = words.entropy(entropy(all), entropy(left));
  }

  told({ track, character, probability, full, u, made }) {
    const name = this.words.names[track.name], shown = `“${visible(character)}”`;
    const said = made ? this.words.made(name, shown, probability) : this.words.drew(name, u, shown, probability);
    return full ? `${said} ${this.words.full(track.model.S)}` : said;
  }

  // [address]
  // Steps are written as runs of equal settings, "12x0.8,20,1", and forced characters by their code point, "!101".
  share() {
    const runs = [];
    for (const { forced, settings: { temperature, topK, topP } } of this.steps) {
      const name = forced === undefined ? `x${temperature},${Math.min(topK, SHOWN + 1)},${topP}` : `!${forced.codePointAt(0)}`;
      if (forced === undefined && runs.at(-1)?.name === name) runs.at(-1).count++;
      else runs.push({ name, count: forced === undefined ? 1 : "" });
    }
    const { temperature, topK, topP } = this.settings;
    const state = { text: this.text.slice(-LONGEST), seed: this.seed, now: `${temperature},${Math.min(topK, SHOWN + 1)},${topP}` };
    const steps = runs.map(({ name, count }) => `${count}${name}`).join("_");
    history.replaceState(null, "", `#${new URLSearchParams({ ...state, steps })}`);
    this.note("now", this.words.shared);
  }

  restore(state) {
    if (!state.has("text")) return;
    this.text = state.get("text");
    this.seed = Math.floor(within(state.get("seed"), 0, 2 ** 32 - 1, 1));
    this.settings = readSettings(state.get("now") ?? "");
    for (const run of (state.get("steps") ?? "").split("_")) {
      const [, count, settings] = run.match(/^(\d+)x(.*)$/) ?? [], [, point] = run.match(/^!(\d{1,7})$/) ?? [];
      if (point <= 0x10ffff) this.steps.push({ forced: String.fromCodePoint(point), settings: this.settings });
      for (let i = 0; i < count && this.steps.length < AT_MOST; i++) this.steps.push({ settings: readSettings(settings) });
    }
  }
}

function readSettings(text) {
  const [temperature, topK, topP] = text.split(",");
  const k = within(topK, 1, SHOWN, Infinity);
  return { temperature: within(temperature, 0.1, 2, 1), topK: Math.floor(k), topP: within(topP, 0.05, 1, 1) };
}

customElements.define("lm-playground", Playground);
