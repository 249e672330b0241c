"""The playground in headless Chromium: size, time until it is ready, characters a second, against onnxruntime-web.

    python benchmarks/playground.py [--json] [--quick] [--rounds N] [--peer FOLDER]

Needs the peer in FOLDER (default `node_modules/onnxruntime-web/dist`): npm install onnxruntime-web; and for the peer's
models lmtutorial[onnx]. Needs the site, too: make book.

Both sides read the page's models, one character a step, one thread, the GPT with its cache and, on our side, with all
attention weights kept; at the window's end both forget the older half and read the rest again. Where a line's peer is a
`target`, it is the number that the book promises.
"""

import argparse
import functools
import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import side_by_side

from lmtutorial.browser import chromium, served

ROOT = Path(__file__).parents[1]
SITE, OURS = ROOT / "_build" / "site", Path("_static", "playground")
NETWORKS = ("rnn", "lstm", "gpt")
SCRIPTS, READY = 40.0, 1000.0  # targets: KB of all scripts, compressed, and milliseconds
SPEED = """async ([address, name, steps]) => {
  const { load } = await import(`${address}_static/playground/engine.mjs`);
  const model = await load(`${address}_static/playground/models/${name}.safetensors`);
  const read = (count) => {
    let now = model.start();
    for (let i = 0; i < count; i++) now = model.step(now, (7 * i) % model.V);
  };
  read(100);
  const began = performance.now();
  read(steps);
  return (1000 * steps) / (performance.now() - began);
}"""
PEER = """async ([address, name, steps]) => {
  const ort = await import(`${address}peer/ort.wasm.min.mjs`);
  Object.assign(ort.env.wasm, { wasmPaths: `${address}peer/`, numThreads: 1 });
  const session = await ort.InferenceSession.create(`${address}peer/${name}.onnx`);
  const zeros = ({ name, shape, type }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return new ort.Tensor(type, type === "int32" ? new Int32Array(size) : new Float32Array(size), shape);
  };
  const inputs = session.inputMetadata.filter(({ name }) => name !== "token");
  const start = () => Object.fromEntries(inputs.map((one) => [one.name, zeros(one)]));
  const step = async (state, token) => {
    const found = await session.run({ ...state, token: new ort.Tensor("int32", [token], [1, 1]) });
    return Object.fromEntries(inputs.map(({ name }) => [name, found[`new_${name}`]]));
  };
  const window = name === "gpt" ? inputs.find(({ name }) => name === "state_0").shape[1] : Infinity;
  const read = async (count) => {
    let state = start(), tokens = [];
    for (let i = 0; i < count; i++) {
      if (tokens.length === window) {
        tokens = tokens.slice(Math.ceil(window / 2));
        state = start();
        for (const token of tokens) state = await step(state, token);
      }
      tokens.push((7 * i) % 65);
      state = await step(state, tokens.at(-1));
    }
  };
  await read(100);
  const began = performance.now();
  await read(steps);
  return (1000 * steps) / (performance.now() - began);
}"""
READINESS = """() => new Promise((done) => {
  const element = document.querySelector("lm-playground");
  const look = () => (element.dataset.state ? done(performance.now()) : setTimeout(look, 5));
  look();
})"""


def compressed(*paths: Path) -> float:
    """Return how many KB the files have together, each compressed by gzip."""
    return sum(len(gzip.compress(path.read_bytes())) for path in paths) / 1000


def add_peer(site: Path, peer: Path) -> None:
    """Copy the peer to the served site, with our networks as ONNX."""
    side_by_side.needs("tf2onnx", "pip install lmtutorial[onnx]")
    from lmtutorial import export, onnxexport

    shutil.copytree(peer, site / "peer")
    for name in NETWORKS:
        model = export.read((site / OURS / "models" / f"{name}.safetensors").read_bytes())
        (site / "peer" / f"{name}.onnx").write_bytes(onnxexport.convert(model))


def lines(site: Path, peer: Path, steps: int, rounds: int) -> Iterator[dict]:
    """Yield the measurements."""
    from playwright.sync_api import sync_playwright

    folder, wasm = site / OURS, peer / "ort-wasm-simd-threaded.wasm"
    of_peer = compressed(peer / "ort.wasm.min.mjs", peer / "ort-wasm-simd-threaded.mjs", wasm)
    yield side_by_side.line(
        "engine-size", ([compressed(folder / "engine.mjs")], [of_peer]), "KB gzip", "onnxruntime-web"
    )
    yield side_by_side.line("scripts-size", ([compressed(*folder.glob("*.mjs"))], [SCRIPTS]), "KB gzip", "target")
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        waits = [ready(browser, address) for _ in range(rounds)]
        yield side_by_side.line("ready", (waits, [READY] * rounds), "ms", "target")
        page = browser.new_page()
        page.goto(f"{address}_static/book.css")  # of the same origin, with no script of its own
        for name in NETWORKS:
            measures = [functools.partial(page.evaluate, code, [address, name, steps]) for code in (SPEED, PEER)]
            pair = side_by_side.interleaved(rounds, *measures)
            yield side_by_side.line(f"tokens-{name}", pair, "chars/s", "onnxruntime-web, 1 thread", more_is_better=True)
        browser.close()


def ready(browser, address: str) -> float:
    """Return milliseconds from the click to the playground that can be used, nothing being cached."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}book/playground.html", wait_until="commit")
    page.wait_for_selector("lm-playground", state="attached")
    waited = page.evaluate(READINESS)
    context.close()
    return waited


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", type=Path, default=Path("node_modules", "onnxruntime-web", "dist"), metavar="FOLDER")
    options = side_by_side.parse(parser, "200 characters instead of 1,000")
    if not (SITE / OURS).is_dir():
        raise SystemExit("there is no site with a playground: make book")
    if not options.peer.is_dir():
        raise SystemExit("the peer is missing: npm install onnxruntime-web")
    with tempfile.TemporaryDirectory() as folder:
        site = Path(shutil.copytree(SITE, Path(folder, "site")))
        add_peer(site, options.peer)
        steps = 200 if options.quick else 1000
        side_by_side.show(lines(site, options.peer, steps, options.rounds), options.json)


if __name__ == "__main__":
    main()
