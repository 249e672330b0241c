"""What grows: ten thousand records through claims and pages, and half a gigabyte of text on its way to training.

    python benchmarks/scale.py [--json] [--quick] [--only records|text]

`records-…` is a copy of the book with 10,000 records, made of those that are there with other seeds: `records-claims`
computes all verdicts, `records-staging` writes the source of the page *Claims*, `records-page` has Jupyter Book build
it. `text-…` is 500 MB of random words, as frequent as in Shakespeare: `text-load` reads and splits the file,
`text-pieces` learns 1,024 byte-pair pieces, `text-encode` encodes all, `text-windows` draws a thousand batches. The
words are ASCII: Python keeps a text that holds but one Chinese character in two bytes a character, or four.

There is no peer; the limits are 60 s for all of the records, and 2,000 MB for the text. Each of the two is a process of
its own, whose memory is the peak up to that line, without that of Jupyter Book, which is another process.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import side_by_side

ROOT = Path(__file__).resolve().parent.parent
QUICK = 100  # times less of everything
ROW = "{name:16} {seconds:8.2f} s {peak_mb:8,} MB"


def timed(name: str, call: Callable):
    """Return what `call` returns, and print what it took."""
    began = time.perf_counter()
    result = call()
    seconds, peak = time.perf_counter() - began, side_by_side.peak_memory() * 2**20 / 1e6
    print(json.dumps({"name": name, "seconds": round(seconds, 2), "peak_mb": round(peak)}), flush=True)
    return result


def records(count: int) -> None:
    from lmtutorial import claimpage, site, statements, verdicts
    from lmtutorial.phrases import ENGLISH

    def page(judged, texts) -> dict[str, bytes]:
        plots = {f"claims/claim-{verdict.claim.id}.svg": claimpage.plot(verdict, ENGLISH) for verdict in judged}
        written = {"claims.md": claimpage.page(judged, texts, ".."), **plots}
        return {f"book/_generated/{name}": content.encode() for name, content in written.items()}

    with tempfile.TemporaryDirectory() as folder:
        root, stage = Path(folder, "root"), Path(folder, "stage")
        for name in ("book", "notebooks"):
            shutil.copytree(ROOT / name, root / name)
        add_records(root / "notebooks" / "experiments" / "results", count)
        judged, _ = timed("records-claims", lambda: verdicts.judge_all(root))
        texts = statements.pages(root)
        files = timed("records-staging", lambda: page(judged, texts))
        files["_toc.yml"] = b"format: jb-book\nroot: book/claims\n"
        files["book/claims.md"] = texts["book/claims.md"][0].encode()
        site.write_stage(files, stage)
        log = stage.with_suffix(".log")
        if not timed("records-page", lambda: site.jupyter_book(stage, log)):
            sys.exit(log.read_text("utf-8"))


def add_records(folder: Path, count: int) -> None:
    """Copy the records below `folder`, with new seeds, until there are `count`."""
    from lmtutorial.experiments import load_record, name_of, record_text

    there = [load_record(path) for path in sorted(folder.rglob("*.json"))]
    for seed, record in zip(range(1000, 1000 + count - len(there)), itertools.cycle(there)):
        copy = record | {"seed": seed}
        (folder / f"{name_of(copy)}.json").write_text(record_text(copy), "utf-8")


def text(megabytes: int) -> None:
    from lmtutorial import data, tokenizers
    from lmtutorial.commands import neural

    training, presets = neural("training"), neural("presets")  # as `lmtutorial train` imports them, first of all
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "words.txt")
        subprocess.run([sys.executable, __file__, "--write", file, str(megabytes)], check=True)
        corpus = timed("text-load", lambda: data.load(file))
        pieces = timed("text-pieces", lambda: tokenizers.train("bpe:1024", corpus.train))
        ids = timed("text-encode", lambda: pieces.encode(corpus.train))
        windows = training.Windows(ids, presets.find("nanogpt-cpu").training)
        timed("text-windows", lambda: [windows[step] for step in range(1000)])


def write_words(file: str, megabytes: str) -> None:
    import numpy as np

    from lmtutorial import data

    shakespeare, rng = data.load("shakespeare").train, np.random.default_rng(0)
    words = shakespeare.encode("ascii", "ignore").decode().split(" ")
    with open(file, "w", encoding="utf-8") as out:
        while out.tell() < int(megabytes) * 1e6:
            print(" ".join(words[i] for i in rng.integers(len(words), size=100_000)), file=out)


PARTS = {"records": (records, 10_000), "text": (text, 500)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} times less of everything")
    parser.add_argument("--only", choices=PARTS, help="one of the two")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_words(*options.write)
        return
    if options.part:
        measure, amount = PARTS[options.part]
        measure(amount // QUICK if options.quick else amount)
        return
    for part in [options.only] if options.only else PARTS:
        command = [sys.executable, __file__, "--part", part, *["--quick"] * options.quick]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line.strip() if options.json else ROW.format(**json.loads(line)), flush=True)
        if process.returncode:
            sys.exit(process.returncode)


if __name__ == "__main__":
    main()
