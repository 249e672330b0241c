"""Coverage-guided search for files that break a reader, by atheris; `make fuzz` fetches it and runs this.

    python tests/guided.py [SECONDS]    # for each reader; 60 unless said

It begins with a whole file of each kind, changes bytes here and there, and goes on with what reached new lines of
`lmtutorial`. What is found lies in `_build/broken`: a reader may return or raise `InputError`, within ten seconds and
no allocation above 256 MiB.
"""

import contextlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BROKEN = Path(__file__).parents[1] / "_build" / "broken"


def search(name: str, seconds: str, folder: Path) -> None:
    """Search in this process, which ends with the search."""
    import atheris

    with atheris.instrument_imports(include=["lmtutorial"]):
        import test_hostile as hostile

    read, content = hostile.whole(hostile.corpus_in(folder))[name]
    beginnings, file = folder / "beginnings", folder / name
    beginnings.mkdir()
    (beginnings / "whole").write_bytes(content)

    def try_out(data: bytes) -> None:
        file.write_bytes(data)
        with contextlib.suppress(hostile.InputError):
            read(file)

    limits = "-max_len=8192", f"-timeout={hostile.SECONDS}", f"-malloc_limit_mb={hostile.MEMORY >> 20}"
    report = "-print_final_stats=1", f"-artifact_prefix={BROKEN}/{name}."
    atheris.Setup(
        [name, f"-max_total_time={seconds}", "-rss_limit_mb=4096", *limits, *report, str(beginnings)], try_out
    )
    atheris.Fuzz()


def main(seconds: str = "60") -> int:
    """Search for each reader in a process of its own; return how many could be broken."""
    BROKEN.mkdir(parents=True, exist_ok=True)
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        names = ["model.gguf", "file.lm", "model.safetensors"]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, name, seconds, folder]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        tried = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        files = f"{int(tried[1]):,} files" if tried else "an unknown number of files"
        print(f"{name}: {files}, {'BROKEN' if done.returncode else 'nothing found'}", flush=True)
        if done.returncode:
            broken += 1
            print(done.stderr[-3000:], file=sys.stderr)
    return broken


if __name__ == "__main__":
    if len(sys.argv) > 2:
        search(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main(*sys.argv[1:]))
