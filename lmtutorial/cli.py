"""The command `lmtutorial`: data, eval, compress, decompress, book.

Bad input ends with one line on standard error and exit code 2.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from lmtutorial import compression, data, evaluation, ngram, tokenizers
from lmtutorial.errors import InputError
from lmtutorial.files import read_bytes, write_atomically


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except InputError as error:
        print(f"lmtutorial: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError, OverflowError) as error:  # a full disk, too large a model or number
        print(f"lmtutorial: {type(error).__name__}: {error}".rstrip(": "), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lmtutorial: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lmtutorial", description="The tools of the book Language Models, Measured.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    texts = commands.add_parser("data", help="list, fetch and find the texts").add_subparsers(required=True)
    texts.add_parser("list", help="the texts there are").set_defaults(run=_data_list)
    for name, run, text in [("fetch", _data_fetch, "get a text now"), ("path", _data_path, "print a text's file")]:
        command = texts.add_parser(name, help=text)
        command.add_argument("name", nargs="+" if name == "fetch" else None, metavar="NAME")
        command.set_defaults(run=run)

    command = commands.add_parser("eval", help="train an n-gram model and score a whole held-out text")
    command.add_argument("--model", default="kn5", help="uniform, unigram, or a method and an order such as kn5")
    command.add_argument("--data", default="shakespeare", help="a text's name, or the path of a text file or folder")
    command.add_argument("--level", default="char", help="char, byte, word or bpe:SIZE (default %(default)s)")
    command.add_argument("--split", default="validation", choices=["validation", "test"])
    command.add_argument("--json", action="store_true", help="print one line of JSON")
    command.set_defaults(run=_eval)

    command = commands.add_parser("compress", help="compress a file with a language model")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--model", default="kn6", help="a byte-level n-gram model (default %(default)s)")
    command.add_argument("--data", default="shakespeare", help="the text whose training split it learns from")
    command.set_defaults(run=_compress)
    command = commands.add_parser("decompress", help="restore a file that compress made")
    command.add_argument("file", type=Path, metavar="FILE.lm")
    command.set_defaults(run=_decompress)

    command = commands.add_parser("book", help="execute the chapters that changed and build the site")
    command.add_argument("--profile", default="laptop", help="papermill parameters: smoke, laptop or gpu")
    command.set_defaults(run=_book)
    return parser


def _data_list(options) -> None:
    for name, dataset in data.REGISTRY.items():
        here = "here" if data.cache_file(name).is_file() else "    "
        print(f"{name:16} {here}  {dataset.title} · {dataset.licence}")


def _data_fetch(options) -> None:
    for name in options.name:
        print(f"{name}: {data.path(name)}")


def _data_path(options) -> None:
    print(data.path(options.name))


def _eval(options) -> None:
    corpus = data.load(options.data)
    held_out = getattr(corpus, options.split)
    for split, text in [("training", corpus.train), (options.split, held_out)]:
        if not text:
            raise InputError(f"{options.data} has no {split} split; choose another corpus or split")
    tokenizer = _tokenizer(options.level, corpus.train, held_out)
    model = ngram.train(options.model, tokenizer.encode(corpus.train), tokenizer.vocab_size)
    result = evaluation.evaluate(model, tokenizer, held_out)
    figures = result.figures()
    if options.json:
        print(json.dumps({name: value if math.isfinite(value) else None for name, value in figures.items()}))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):18} {value:,.4f}" if isinstance(value, float) else f"{name:18} {value:,}")


def _tokenizer(level: str, train: str, held_out: str) -> tokenizers.Tokenizer:
    kind, _, size = level.partition(":")
    match kind:
        case "char":
            alphabet = set(train)
            strange = sum(character not in alphabet for character in held_out)
            if strange:
                print(f"note: {strange:,} characters never occur in training and count as one unknown", file=sys.stderr)
            return tokenizers.CharTokenizer.train(train, unknown=strange > 0)
        case "byte":
            return tokenizers.ByteTokenizer()
        case "word":
            return tokenizers.WordTokenizer.train(train)
        case "bpe" if size.isdecimal():
            return tokenizers.BPETokenizer.train(train, int(size))
    raise InputError(f"there is no level {level!r}; there are char, byte, word and bpe:SIZE, such as bpe:1000")


def _compress(options) -> None:
    content = read_bytes(options.file)
    target = options.file.with_name(options.file.name + ".lm")
    compressed = compression.compress(content, options.model, options.data, _show_progress)
    _write_new(target, compressed)
    ratio = f"{8 * len(compressed) / len(content):.3f} bits a byte" if content else "an empty file"
    print(f"{target}: {len(content):,} → {len(compressed):,} bytes, {ratio}")


def _decompress(options) -> None:
    if options.file.suffix != ".lm":
        raise InputError(f"{options.file} does not end in .lm, as files of `lmtutorial compress` do")
    content = compression.decompress(read_bytes(options.file), _show_progress)
    target = options.file.with_suffix("")
    _write_new(target, content)
    print(f"{target}: {len(content):,} bytes")


def _write_new(target: Path, content: bytes) -> None:
    """Write `target`, never in place of another content."""
    if target.exists() and read_bytes(target) != content:
        raise InputError(f"{target} exists and holds something else; move it away first")
    try:
        write_atomically(target, content)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from None


def _show_progress(items: Iterable, total: int) -> Iterable:
    """Pass on `items`, with the share done and the time left on a terminal."""
    start = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if done % 2048 == 0 and sys.stderr.isatty():
            left = (time.monotonic() - start) * (total - done) / done
            print(f"\r{done / total:4.0%}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 24 + "\r", end="", file=sys.stderr)


def _book(options) -> int:
    try:
        from lmtutorial import site
    except ModuleNotFoundError as error:
        raise InputError(f"building the book needs {error.name}; install lmtutorial[book]") from None
    return site.build(Path.cwd(), options.profile)
