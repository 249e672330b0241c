"""What is disturbed: six operations of the package, small, each a program, and what must hold of what they leave.

An operation works in the folder `sys.argv[1]`, says `ready` when its imports are done, and can be started again.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from mini import write_book, write_chinese_edition

from lmtutorial import checkpoints, execution, experiments, sweeps, tokenizers
from lmtutorial.files import sha256

TEXT = b"the quick brown fox jumps over the lazy dog\n" * 200_000
TOY = 'measured({"letters": (len(word) + seed, "1")}, ("toy", "0" * 64), {})'
SWEEPS = "x90_toy:\n  version: 1\n  points: [{word: [a, bb]}]\n  profiles: {laptop: {seeds: 2}}\n"


@dataclass(frozen=True)
class Operation:
    """Something that writes.

    Args:
        code: of the program, without its frame.
        prepare: a folder before the operation.
        outcome: what it left in a folder, comparable, without times; raises where something complete is damaged. What
            is not there yet is left out.
    """

    code: str
    prepare: Callable[[Path], None]
    outcome: Callable[[Path], dict]

    @property
    def program(self) -> str:
        imports, _, work = self.code.partition("\n\n")
        frame = 'import sys\nfrom pathlib import Path\n\nplace = Path(sys.argv[1])\nprint("ready", flush=True)\n'
        return f"{imports}\n{frame}{work}"


def nothing(place: Path) -> None:
    """Leave the folder as it is."""


# --- a text is fetched into the cache

FETCH = f"""from lmtutorial import data
from lmtutorial.sources import Folder

data.REGISTRY["fox"] = data.Dataset("", "", "{sha256(TEXT)}", lambda text: (text, "", ""), (Folder("fox.txt.gz"),))
assert len(data.load("fox").train) == {len(TEXT)}
"""


def a_text(place: Path) -> None:
    (place / "fox.txt.gz").write_bytes(gzip.compress(TEXT))


def cached(place: Path) -> dict:
    file = place / "cache" / "fox.txt"
    if not file.exists():
        return {}
    assert file.read_bytes() == TEXT
    return {"fox": len(TEXT)}


# --- a network is trained

TRAIN = """import numpy as np
from lmtutorial.rnn import RNNConfig
from lmtutorial.tokenizers import CharTokenizer
from lmtutorial.errors import InputError
from lmtutorial.training import TrainingConfig, train

ids = np.random.default_rng(0).integers(4, size=500)
config = TrainingConfig(steps=200, batch=4, context=8, warmup=3, evaluate_every=4)
letters = CharTokenizer("abcd")
try:
    train(config, RNNConfig(letters.vocab_size, "rnn", 3, 5, dropout=0.1), ids, ids[:40], letters, place / "run")
except InputError as error:  # another one is training there
    sys.exit(f"{error}")
"""


def run(place: Path) -> dict:
    found = {}
    for name in (checkpoints.LAST, checkpoints.BEST):
        if (place / "run" / name).exists():
            values, note = checkpoints.read(place / "run" / name)
            found[name] = note["step"], {key: value.tobytes() for key, value in values.items()}
    if (place / "run" / checkpoints.TOKENIZER).exists():
        found["tokenizer"] = tokenizers.load(place / "run" / checkpoints.TOKENIZER).vocab_size
    return found


# --- a sweep makes records

SWEEP = """import os
from lmtutorial.cli import main

os.chdir(place)
sys.exit(main(["sweep", "x90_toy", "--to", "out"]))
"""


def an_experiment(place: Path) -> None:
    folder = place / "notebooks" / "experiments"
    folder.mkdir(parents=True)
    (folder / "sweeps.yml").write_text(SWEEPS)
    cells = [nbformat.v4.new_code_cell('word = "a"\nseed = 0', metadata={"tags": ["parameters"]})]
    cells.append(nbformat.v4.new_code_cell(f"from lmtutorial.experiments import measured\n\n{TOY}"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "x90_toy.ipynb")


def records(place: Path) -> dict:
    found = {path.name: experiments.load_record(path) for path in (place / "out").glob("x90_toy/*.json")}
    assert set(found) <= {
        f"{one.name}.json" for one in sweeps.runs(place / "notebooks/experiments", "x90_toy", "laptop")
    }
    return {name: (record["parameters"], record["metrics"]) for name, record in found.items()}


# --- a chapter is executed; the site is built

EXECUTE = """from lmtutorial import execution

execution.execute(place, "one", "laptop")
"""
BUILD = """import os
from lmtutorial.cli import main

os.chdir(place)
sys.exit(main(["book"]))
"""


def a_book(place: Path) -> None:
    write_book(place)
    write_chinese_edition(place)


def executed(place: Path) -> dict:
    file = place / "_build" / "executed" / "one.ipynb"
    if not file.exists():
        return {}
    notebook = execution.read(file)
    assert execution.note(notebook)["key"] == execution.key(place, execution.read(place / "notebooks/one.ipynb"), {})
    return {"one": [cell.get("outputs") for cell in notebook.cells]}


def built(place: Path) -> dict:
    site = place / "_build" / "site"
    pages = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    for name, page in pages.items():
        assert "<head>" not in page or page.rstrip().endswith("</html>"), f"{name} is torn"
    if pages:
        assert {"index.html", "zh/index.html", "notebooks/one.html", "zh/notebooks/two.html"} <= set(pages)
    return {name: page for name, page in pages.items() if not name.endswith("status.html")}  # which has times


# --- weights are exported for the browser

EXPORT = """from lmtutorial.cli import main

for dtype in ("float32", "float16", "int8"):
    if code := main(["export", f"{place}/net", "--to", f"{place}/{dtype}", "--dtype", dtype]):
        sys.exit(code)
"""


def a_network(place: Path) -> None:
    from lmtutorial.rnn import RNNConfig

    letters = tokenizers.CharTokenizer("abcd")
    model = checkpoints.build(RNNConfig(letters.vocab_size, "lstm", 64, 512))
    note = checkpoints.describe(model) | {"tokenizer": checkpoints.fingerprint(letters), "step": 1}
    note |= {"training": {}, "data": "", "backend": ""}
    checkpoints.save(place / "net" / checkpoints.BEST, model.variables, note)
    letters.save(place / "net" / checkpoints.TOKENIZER)


def exported(place: Path) -> dict:
    found = {}
    for manifest in place.glob("*/manifest.json"):
        for name, entry in json.loads(manifest.read_text()).items():
            assert sha256((manifest.parent / entry["file"]).read_bytes()) == entry["sha256"]
            found[manifest.parent.name, name] = entry["sha256"]
    return found


OPERATIONS = {
    "fetch": Operation(FETCH, a_text, cached),
    "train": Operation(TRAIN, nothing, run),
    "sweep": Operation(SWEEP, an_experiment, records),
    "execute": Operation(EXECUTE, a_book, executed),
    "build": Operation(BUILD, a_book, built),
    "export": Operation(EXPORT, a_network, exported),
}
