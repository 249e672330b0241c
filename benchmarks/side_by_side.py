"""What all benchmarks share: measurements of ours and a peer's in turn, in processes of their own, one line each."""

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
