"""What all benchmarks share: measurements of ours and a peer's in turn, in processes of their own, one line each."""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, TypeVar

Measured = TypeVar("Measured")
Pair = tuple[list[float], list[float]]


def interleaved(
    rounds: int, ours: Callable[[], Measured], peer: Callable[[], Measured]
) -> tuple[list[Measured], list[Measured]]:
    """Measure ours and the peer's in turn, so that what else the machine does weighs on both."""
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def rate(call: Callable, count: int) -> Callable[[], float]:
    """Return a measurement of how many of `count` items `call` does a second."""

    def measure() -> float:
        start = time.perf_counter()
        call()
        return count / (time.perf_counter() - start)

    return measure


def fresh(script: str, *arguments) -> Any:
    """Run `script` in a process of its own and return the JSON it prints, so that no peak of memory is another's.

    Linux counts a process's peak from its parent on: import what is large only in such children.
    """
    command = [sys.executable, script, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def needs(package: str, command: str) -> None:
    """End with one line that says how to install `package` if it is not there."""
    try:
        importlib.import_module(package)
    except ImportError:
        sys.exit(f"the peer is missing: {command}")


class Worker:
    """A process of its own that answers each `measure()` with a number: `serve` runs in it.

    It stays warm between measurements and does nothing meanwhile.
    """

    def __init__(self, script: str, *arguments):
        command = [sys.executable, script, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self) -> float:
        print("go", file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self) -> float:
        if not (answer := self.process.stdout.readline()):
            sys.exit(f"{' '.join(self.process.args)} ended with code {self.process.wait()}")
        return float(answer)

    def close(self) -> None:
        with self.process:
            self.process.stdin.close()


def in_turn(script: str, sides: Iterable[str], arguments: tuple, rounds: int) -> dict[str, list[float]]:
    """Return what each side measured, round by round; `script --serve SIDE *arguments` is the process of a side."""
    workers = {side: Worker(script, "--serve", side, *arguments) for side in sides}
    for worker in workers.values():
        worker.answer()  # all are warm before any is measured
    measured = [{side: worker.measure() for side, worker in workers.items()} for _ in range(rounds)]
    for worker in workers.values():
        worker.close()
    return {side: [figures[side] for figures in measured] for side in workers}


def against_pytorch(
    script: str, sides: Iterable[str], arguments: tuple, options: argparse.Namespace
) -> tuple[dict[str, list[float]], str]:
    """Return what `in_turn` returns, and PyTorch's fastest side; `--quick` spares those that are compiled."""
    sides = [side for side in sides if not (options.quick and side in ("compiled", "graphs"))]
    found = in_turn(script, sides, arguments, options.rounds)
    return found, max(found.keys() & {"eager", "compiled", "graphs"}, key=lambda side: median(found[side]))


def parse(parser: argparse.ArgumentParser, quick: str, rounds: int = 7, quick_rounds: int = 2) -> argparse.Namespace:
    """Return what a benchmark was asked for: by options of `parser`, and of all; `quick` says what `--quick` does."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help=quick)
    usual = f"(default {rounds}, quick {quick_rounds})"
    parser.add_argument("--rounds", type=int, help=f"of which medians are taken {usual}")
    options = parser.parse_args()
    options.rounds = options.rounds or (quick_rounds if options.quick else rounds)
    return options


def main(
    description: str, quick: str, serve_side: Callable[..., None], lines: Callable[[argparse.Namespace], Iterable[dict]]
) -> None:
    """Run a benchmark against PyTorch whose sides are workers; `quick` says what `--quick` does."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="PREFIX", help="measure only lines whose names begin so")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    options = parse(parser, quick)
    if options.serve:
        serve_side(*options.serve)
        return
    needs("torch", "pip install torch==2.13.0")
    show(lines(options), options.json)


def serve(measure: Callable[[], float]) -> None:
    """Print a measurement for every line that arrives, and before that one that warms everything up."""
    print(measure(), flush=True)
    for _ in sys.stdin:
        print(measure(), flush=True)


def peak_memory() -> float:
    """Return the most MiB that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def line(name: str, pair: Pair, unit: str, peer_name: str, more_is_better: bool = False) -> dict:
    """Return a measurement as DESIGN.md says: medians, and the ratio with the lowest and highest of any round.

    A ratio above 1 means that ours is better, whatever the unit.
    """

    def ratio(ours: float, peer: float) -> float:
        return round(ours / peer if more_is_better else peer / ours, 3)

    ours, peer = (median(values) for values in pair)
    rounds = sorted(ratio(a, b) for a, b in zip(*pair))
    figures = {"ours": float(f"{ours:.4g}"), "peer": float(f"{peer:.4g}"), "unit": unit, "ratio": ratio(ours, peer)}
    return {"name": name, **figures, "low": rounds[0], "high": rounds[-1], "peer_name": peer_name}


def show(lines: Iterable[dict], as_json: bool) -> None:
    """Print every line as soon as it is measured: as JSON, or as a row of a table."""
    if not as_json:
        print(f"{'':24} {'ours':>12} {'peer':>12} {'unit':9} {'ratio':>8}  low … high")
    row = "{name:24} {ours:12,.6g} {peer:12,.6g} {unit:9} {ratio:8.2f}  {low:.2f} … {high:.2f}  {peer_name}"
    for fields in lines:
        print(json.dumps(fields) if as_json else row.format(**fields), flush=True)
