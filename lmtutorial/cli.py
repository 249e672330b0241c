"""The command `lmtutorial`, from `lmtutorial data` to `lmtutorial i18n`: what it takes; `commands` has what it does.

Bad input ends with one line on standard error and exit code 2.
"""

import argparse
import os
import sys
from pathlib import Path

from lmtutorial import commands
from lmtutorial.commands import SAMPLERS
from lmtutorial.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show is no reason to stop
        stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who read the output, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except InputError as error:
        print(f"lmtutorial: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, OverflowError) as error:  # a full disk, too large a model or number
        print(f"lmtutorial: {type(error).__name__}: {error}".rstrip(": "), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lmtutorial: interrupted", file=sys.stderr)
        return 130


def _text(argument: str) -> str:
    """Return an argument that is text, not a path, as UTF-8 whatever the locale: models know characters, not bytes."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lmtutorial", description="The tools of the book Language Models, Measured.")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")

    texts = subcommands.add_parser("data", help="list, fetch and find the texts").add_subparsers(required=True)
    texts.add_parser("list", help="the texts there are").set_defaults(run=commands.data_list)
    for name, run, text in [
        ("fetch", commands.data_fetch, "get a text now"),
        ("path", commands.data_path, "print a text's file"),
    ]:
        command = texts.add_parser(name, help=text)
        command.add_argument("name", nargs="+" if name == "fetch" else None, metavar="NAME")
        command.set_defaults(run=run)

    command = subcommands.add_parser("train", help="train a preset, or go on with a run that was interrupted")
    command.add_argument("preset", metavar="PRESET", help="such as lstm-small; a wrong name lists them all")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="of the run (default runs/PRESET)")
    command.add_argument("--data", metavar="TEXT", help="another text than the preset's, by name or path")
    command.add_argument("--steps", type=int, help="another number of steps than the preset's")
    command.add_argument("--seed", type=int, default=0, help="of weights, windows and dropout (default %(default)s)")
    command.set_defaults(run=commands.train)

    command = subcommands.add_parser("eval", help="score a whole held-out text")
    _add_model(command)
    command.add_argument("--split", default="validation", choices=["validation", "test"])
    command.add_argument("--json", action="store_true", help="print one line of JSON")
    command.set_defaults(run=commands.evaluate)

    command = subcommands.add_parser("generate", help="write on after a prompt")
    _add_model(command)
    command.add_argument("--prompt", type=_text, action="append", required=True, help="several write several texts")
    command.add_argument("--tokens", type=int, default=300, help="at most (default %(default)s)")
    command.add_argument("--greedy", action="store_true", help="always take the likeliest token")
    for name, kind, text in SAMPLERS:
        command.add_argument(f"--{name}", type=kind, help=text)
    command.add_argument("--beams", type=int, help="search for likely texts instead of sampling")
    command.add_argument("--stop", type=_text, action="append", default=[], help="a string that ends the text")
    command.add_argument("--seed", type=int, default=0, help="of the draws (default %(default)s)")
    command.set_defaults(run=commands.generate)

    command = subcommands.add_parser("export", help="write trained models as the playground's engine reads them")
    command.add_argument("folder", nargs="+", type=Path, metavar="FOLDER", help="of a trained run, whose name it keeps")
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="of the models and their manifest")
    command.add_argument("--dtype", default="int8", help="float32, float16 or int8 (default %(default)s)")
    command.add_argument("--onnx", action="store_true", help="write NAME.onnx, too, for other runtimes")
    command.set_defaults(run=commands.export)

    command = subcommands.add_parser("compress", help="compress a file with a language model")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--model", default="kn6", help="a byte-level n-gram model (default %(default)s)")
    command.add_argument("--data", default="shakespeare", help="the text whose training split it learns from")
    command.set_defaults(run=commands.compress)
    command = subcommands.add_parser("decompress", help="restore a file that compress made")
    command.add_argument("file", type=Path, metavar="FILE.lm")
    command.set_defaults(run=commands.decompress)

    command = subcommands.add_parser("sweep", help="make the runs of experiments that have no record yet")
    command.add_argument("experiment", nargs="+", metavar="NAME", help="such as x01_ladder; or all")
    _add_selection(command)
    command.add_argument("--to", metavar="URL", help="folder or fsspec address of records and executed notebooks")
    group = command.add_mutually_exclusive_group()
    group.add_argument("--workers", type=int, default=1, help="runs at a time on this machine (default %(default)s)")
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that makes the runs")
    command.add_argument("--rerun", action="store_true", help="make runs again that have a record, and replace it")
    command.add_argument("--dry-run", action="store_true", help="only list the runs")
    command.set_defaults(run=commands.sweep)

    command = subcommands.add_parser("records", help="show, filter and export the records of experiments")
    command.add_argument("experiment", nargs="+", metavar="NAME", help="such as x01_ladder; or all")
    _add_selection(command)
    command.add_argument("--export", type=Path, metavar="FILE", help="a table: FILE.csv or FILE.parquet")
    command.set_defaults(run=commands.records)

    command = subcommands.add_parser("book", help="execute the chapters that changed and build the site")
    command.add_argument("--profile", default="laptop", help="papermill parameters: smoke, laptop or gpu")
    command.set_defaults(run=commands.book)

    command = subcommands.add_parser("claims", help="what the records say to what people say about language models")
    command.add_argument("--check", action="store_true", help="fail unless the book's pages say what the records say")
    command.add_argument("--json", action="store_true", help="print one line of JSON a claim")
    command.set_defaults(run=commands.claims)

    command = subcommands.add_parser("i18n", help="keep the Chinese edition in step with the English one")
    command.add_argument("action", choices=["check", "sync", "accept", "status"])
    command.add_argument("file", type=Path, nargs="?", metavar="FILE", help="in either language; otherwise all")
    command.add_argument("ids", nargs="*", metavar="ID", help="cells or sections that `accept` accepts")
    command.add_argument("--all", action="store_true", help="accept all of the file that is translated")
    command.set_defaults(run=commands.i18n)
    return parser


def _add_selection(command: argparse.ArgumentParser) -> None:
    """Add the options that choose among an experiment's runs."""
    command.add_argument("--profile", default="laptop", help="smoke, laptop or gpu (default %(default)s)")
    command.add_argument(
        "--only", action="append", default=[], metavar="NAME=VALUE", help="runs with this parameter or seed; repeatable"
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    """Add the options that `_model` reads."""
    command.add_argument(
        "--model",
        default="kn5",
        help="uniform, unigram, kn5 or such; folder of a run; smollm2, folder or GGUF of weights",
    )
    command.add_argument("--data", default="shakespeare", help="a text's name, or the path of a text file or folder")
    command.add_argument("--level", help="of an n-gram model: char (default), byte, word or bpe:SIZE")
