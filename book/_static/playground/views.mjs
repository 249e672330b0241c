// How the playground shows things: elements, coloured text, bars, heat maps, line charts. None of it knows a model.

const SVG = "http://www.w3.org/2000/svg";

// Return a new element. Text is only ever set as text: nothing a reader types can become markup.
export function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "polyline", "line", "text"].includes(tag);
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const VISIBLE = { " ": "␣", "\n": "↵", "\uFFFD": "�" };
export const visible = (character) => VISIBLE[character] ?? character;

// A field with its label: `input` is any form element.
export function field(label, input, ...after) {
  return h("label", {}, h("span", {}, label), input, ...after);
}

// Text whose characters are coloured by their cost in bits; what the model wrote itself begins at `written`.
export function colour(container, characters, bits, written) {
  const spans = characters.map((character, i) => {
    const shade = Math.min(bits[i] / 12, 0.5).toFixed(2);
    const title = `${visible(character)} ${bits[i].toFixed(2)} bits`;
    return h("span", { title, style: `--shade: ${shade}`, class: i >= written && "written" }, character);
  });
  container.replaceChildren(...spans);
  container.scrollTop = container.scrollHeight;
}

// The likeliest next characters, each a button: `rows` of { character, p, excluded, label }.
export class Bars {
  constructor(choose) {
    this.list = h("ol", { class: "bars" });
    this.choose = choose;
  }

  show(rows) {
    while (this.list.children.length > rows.length) this.list.lastChild.remove();
    while (this.list.children.length < rows.length) {
      const button = h("button", { type: "button" }, h("b"), h("i"), h("small"));
      button.addEventListener("click", () => this.choose(button.value));
      this.list.append(h("li", {}, button));
    }
    rows.forEach(({ character, p, excluded, label }, i) => {
      const button = this.list.children[i].firstChild;
      button.value = character;
      button.classList.toggle("excluded", excluded);
      button.setAttribute("aria-label", label);
      button.style.setProperty("--p", p);
      button.children[0].textContent = visible(character);
      button.children[2].textContent = `${(100 * p).toFixed(1)} %`;
    });
  }
}

// A matrix as a picture, one pixel a cell, enlarged by the style sheet. Pointer and arrow keys choose a cell; the words
// for it stand below, where screen readers hear them.
export class Heatmap {
  constructor(label, hint) {
    this.hint = hint;
    this.canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": label });
    this.words = h("output", { "aria-live": "polite" });
    this.marker = h("div", { class: "marker", hidden: true });
    this.element = h("div", { class: "heatmap" }, h("div", { class: "picture" }, this.canvas, this.marker), this.words);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
  }

  // `values` holds rows of numbers from -1 to 1; NaN where there is nothing. `describe(row, column)` says it in words.
  show(values, describe, words = this.hint) {
    Object.assign(this, { values, describe });
    this.words.textContent = words;
    const rows = values.length, columns = values[0]?.length ?? 0;
    Object.assign(this.canvas, { width: Math.max(columns, 1), height: Math.max(rows, 1) });
    const context = this.canvas.getContext("2d"), picture = context.createImageData(this.canvas.width, this.canvas.height);
    values.flat().forEach((value, at) => {
      const rgb = value < 0 ? [40, 110, 220] : [222, 100, 20];
      picture.data.set([...rgb, Number.isNaN(value) ? 0 : 20 + 235 * Math.sqrt(Math.min(Math.abs(value), 1))], 4 * at);
    });
    context.putImageData(picture, 0, 0);
    this.marker.hidden = true;
    this.row = rows - 1;
    this.column = columns - 1;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    this.choose(
      Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height),
      Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width),
    );
  }

  move(event) {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (down === undefined) return;
    event.preventDefault();
    this.choose(this.row + down, this.column + right);
  }

  choose(row, column) {
    const value = this.values?.[row]?.[column];
    if (value === undefined) return;
    Object.assign(this, { row, column });
    const { width, height } = this.canvas;
    this.marker.hidden = false;
    this.marker.style.cssText =
      `left: ${(100 * column) / width}%; top: ${(100 * row) / height}%; width: ${100 / width}%; height: ${100 / height}%`;
    this.words.textContent = Number.isNaN(value) ? "" : this.describe(row, column);
  }
}

// A line chart: `series` of { name, points: [[x, y], …] }; the y axis begins at 0.
export function lines(series, xLabel, yLabel, description) {
  const [W, H, left, bottom] = [480, 220, 46, 36], points = series.flatMap((one) => one.points);
  const xs = points.map(([x]) => x), top = Math.max(...points.map(([, y]) => y), 1e-6);
  const [low, high] = [Math.min(...xs), Math.max(...xs, Math.min(...xs) + 1)];
  const at = ([x, y]) => [left + ((x - low) / (high - low)) * (W - left - 8), H - bottom - (y / top) * (H - bottom - 10)];
  const drawn = series.map(({ points: line }, i) =>
    h("polyline", { class: `line-${i}`, points: line.map((point) => at(point).map((v) => v.toFixed(1)).join()).join(" ") }));
  const text = (x, y, words, anchor = "middle") => h("text", { x, y, "text-anchor": anchor }, words);
  const axes = [
    h("line", { x1: left, y1: H - bottom, x2: W - 8, y2: H - bottom }), h("line", { x1: left, y1: 10, x2: left, y2: H - bottom }),
    text(left, H - bottom + 14, low), text(W - 12, H - bottom + 14, high), text((W + left) / 2, H - 6, xLabel),
    text(left - 4, H - bottom, "0", "end"), text(left - 4, 16, Number(top.toPrecision(2)), "end"), text(left + 6, 16, yLabel, "start"),
  ];
  const svg = h("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": description }, ...axes, ...drawn);
  const sample = (i) => h("svg", { viewBox: "0 0 26 5", "aria-hidden": "true" }, h("polyline", { class: `line-${i}`, points: "0,2 26,2" }));
  const legend = h("ul", { class: "legend" }, ...series.map(({ name }, i) => h("li", {}, sample(i), name)));
  return h("div", { class: "chart" }, svg, legend);
}
