"""What each command of `lmtutorial` does with its options; a value that is returned is the exit code."""

import dataclasses
import gc
import importlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lmtutorial import compression, data, evaluation, ngram, tokenizers
from lmtutorial.errors import InputError
from lmtutorial.files import read_bytes, write_atomically

SAMPLERS = [  # name, type, help; each a function of `generation`, applied in this order
    ("repetition-penalty", float, "of tokens that are there already; 1 changes nothing"),
    ("temperature", float, "below 1 sharpens, above 1 flattens"),
    ("top-k", int, "sample from so many likeliest tokens"),
    ("top-p", float, "sample from the likeliest tokens with so much probability"),
    ("min-p", float, "sample from tokens at least so many times as likely as the likeliest"),
]


def data_list(options) -> None:
    for name, dataset in data.REGISTRY.items():
        here = "here" if data.cache_file(name).is_file() else "    "
        print(f"{name:16} {here}  {dataset.title} · {dataset.licence}")


def data_fetch(options) -> None:
    for name in options.name:
        print(f"{name}: {data.path(name)}")


def data_path(options) -> None:
    print(data.path(options.name))


def train(options) -> None:
    distributed = neural("distributed")
    distributed.join()
    presets = neural("presets")
    preset = presets.find(options.preset)
    if options.data:
        preset = dataclasses.replace(preset, corpus=options.data)
    changes = {"seed": options.seed} | ({} if options.steps is None else {"steps": options.steps})
    folder = options.out or Path("runs", options.preset)
    presets.run(preset, folder, **changes)
    if distributed.is_first():
        print(f"{folder}: trained; see `lmtutorial eval --model {folder} --data {preset.corpus}`")


def evaluate(options) -> None:
    corpus = data.load(options.data)
    held_out = getattr(corpus, options.split)
    if not held_out:
        raise InputError(f"{options.data} has no {options.split} split; choose another corpus or split")
    model, tokenizer = _model(options, corpus, held_out)
    result = evaluation.evaluate(model, tokenizer, held_out)
    figures = result.figures()
    if options.json:
        print(json.dumps({name: value if math.isfinite(value) else None for name, value in figures.items()}))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):18} {value:,.4f}" if isinstance(value, float) else f"{name:18} {value:,}")


def _model(options, corpus: data.Corpus, held_out: str = "") -> tuple[evaluation.LanguageModel, tokenizers.Tokenizer]:
    """Return the model that the options name, trained here if it only counts, and its tokenizer."""
    if not _counts(options.model):
        if options.level:
            raise InputError(f"{options.model} has its own tokenizer; leave --level out")
        if data.is_published(options.model):
            return neural("pretrained", large=True).load(options.model)
        return neural("checkpoints").read_model(Path(options.model))
    if not corpus.train:
        raise InputError(f"{options.data} has no training split; choose another corpus")
    tokenizer = tokenizers.train(options.level or "char", corpus.train, held_out)
    if getattr(tokenizer, "unknown", False):
        strange = sum(character not in tokenizer.alphabet for character in held_out)
        print(f"note: {strange:,} characters never occur in training and count as one unknown", file=sys.stderr)
    return ngram.train(options.model, tokenizer.encode(corpus.train), tokenizer.vocab_size), tokenizer


def _counts(model: str) -> bool:
    """Whether a model only counts, and is trained here."""
    return not (data.is_published(model) or Path(model).exists())


def generate(options) -> None:
    chosen = {name.replace("-", "_"): getattr(options, name.replace("-", "_")) for name, _, _ in SAMPLERS}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    generation = neural("generation", large=data.is_published(options.model))
    sampler = [getattr(generation, name)(value) for name, value in chosen.items()]
    sampler += [generation.greedy] if options.greedy else []
    model, tokenizer = _model(options, data.load(options.data) if _counts(options.model) else None)
    if options.beams is not None:
        if sampler or options.stop or len(options.prompt) > 1:
            raise InputError("beam search takes one prompt, and no sampler and no stop string")
        for beam in generation.beam_search(model, tokenizer, options.prompt[0], options.tokens, options.beams):
            print(f"{beam.log_probability:9.3f} nats  {options.prompt[0]}{beam.text}")
        return
    if len(options.prompt) > 1:
        texts = generation.generate(
            model, tokenizer, options.prompt, options.tokens, sampler, options.seed, options.stop
        )
        print("\n\n".join(prompt + text for prompt, text in zip(options.prompt, texts)))
        return
    pieces = generation.stream(model, tokenizer, options.prompt, options.tokens, sampler, options.seed, options.stop)
    _, first = next(pieces, (0, ""))  # bad input is refused here, before anything is printed
    print(options.prompt[0] + first, end="", flush=True)
    for _, piece in pieces:
        print(piece, end="", flush=True)
    print()


def export(options) -> None:
    export = neural("export")
    for folder in options.folder:
        entry = export.export(folder, options.to, options.dtype)
        print(f"{options.to / entry['file']}: {entry['bytes']:,} bytes, SHA-256 {entry['sha256'][:12]}…")
        if options.onnx:
            print(neural("onnxexport").export(folder, options.to))


def neural(module: str, large: bool = False):
    """Import a module that needs Keras, without greetings on standard error; keep what is compiled of a large model."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if large:
        cache = data.cache_file("xla").with_suffix("")
        flags = f"--tf_xla_persistent_cache_directory={cache} --tf_xla_persistent_cache_device_types=CPU,XLA_CPU_JIT"
        os.environ |= {"TF_XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": str(cache)} | os.environ
    with tempfile.TemporaryFile() as unread:
        stderr = os.dup(2)
        os.dup2(unread.fileno(), 2)
        try:
            with _lean():
                imported = importlib.import_module(f"lmtutorial.{module}")
                keras = importlib.import_module("keras")
                if keras.backend.backend() == "tensorflow":
                    keras.ops.ones(1)  # TensorFlow looks for a GPU, and says so if there is none
            return imported
        except ModuleNotFoundError as error:
            raise InputError(f"neural models need {error.name}; install lmtutorial[tensorflow]") from None
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def _lean() -> Iterator[None]:
    """Hide what TensorFlow and Keras import merely because it is there, and look for no garbage in what stays.

    That is half of the time that they take, and a quarter of the memory.
    """
    if "keras" in sys.modules:
        yield
        return
    unused = {"jax", "matplotlib", "pandas"} - {_backend()} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(unused))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in unused:
            del sys.modules[name]


def _backend() -> str:
    """Return the backend that Keras will choose; asking Keras would be to import it."""
    settings = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "keras.json")
    try:
        written = json.loads(settings.read_text())["backend"]
    except (OSError, ValueError, KeyError):
        written = "tensorflow"
    return os.environ.get("KERAS_BACKEND") or written


def compress(options) -> None:
    content = read_bytes(options.file)
    target = options.file.with_name(options.file.name + ".lm")
    compressed = compression.compress(content, options.model, options.data, _show_progress)
    _write_new(target, compressed)
    ratio = f"{8 * len(compressed) / len(content):.3f} bits a byte" if content else "an empty file"
    print(f"{target}: {len(content):,} → {len(compressed):,} bytes, {ratio}")


def decompress(options) -> None:
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


def sweep(options) -> int:
    sweeps = book_module("sweeps", "a sweep")
    folder = Path("notebooks", "experiments")
    chosen = sweeps.choose(folder, options.experiment, options.profile, options.only)
    if options.dry_run:
        print("\n".join(f"{run.name} {run}" for run in chosen))
        return 0
    smoke = Path("_build", "smoke")  # records that say nothing stay away from those that do
    records = options.to or str(smoke if options.profile == "smoke" else folder / "results")
    notebooks = options.to or str(smoke if options.profile == "smoke" else Path("_build", "experiments"))
    if options.workers < 1:
        raise InputError(f"--workers must be at least 1; got {options.workers}")
    errors = sweeps.sweep(chosen, folder, records, notebooks, options.workers, options.scheduler, replace=options.rerun)
    for error in errors:
        print(error, file=sys.stderr)
    print(f"{len(chosen) - len(errors)} of {len(chosen)} runs have records in {records}")
    return 1 if errors else 0


def records(options) -> None:
    sweeps, experiments = (book_module(name, "showing records") for name in ("sweeps", "experiments"))
    names = sweeps.names(Path("notebooks", "experiments"), options.experiment)
    table = experiments.records_table(names, options.profile, sweeps.conditions(options.only))
    if options.export is None:
        print(table.to_string())
    elif options.export.suffix == ".csv":
        write_atomically(options.export, table.to_csv(index=False).encode())
    elif options.export.suffix == ".parquet":
        write_atomically(options.export, table.to_parquet(index=False))
    else:
        raise InputError(f"{options.export} must end in .csv or .parquet")


def book_module(name: str, purpose: str):
    """Import a module that needs packages of the book, for a `purpose` that the message names where one is missing."""
    try:
        return importlib.import_module(f"lmtutorial.{name}")
    except ModuleNotFoundError as error:
        raise InputError(f"{purpose} needs {error.name}; install lmtutorial[book]") from None


def book(options) -> int:
    return book_module("site", "building the book").build(Path.cwd(), options.profile)


def claims(options) -> int:
    statements, verdicts = (book_module(name, "judging claims") for name in ("statements", "verdicts"))
    found, problems = statements.check(Path()) if options.check else verdicts.judge_all(Path())
    for line in [verdict.json() for verdict in found] if options.json else [verdicts.table(found)]:
        print(line)
    for problem in problems:
        print(f"lmtutorial: {problem}", file=sys.stderr)
    return (1 if options.check else 2) if problems else 0


def i18n(options) -> int:
    edition = book_module("i18n", "translating")
    pairs = edition.pairs(Path())
    chosen = [pair for pair in pairs if options.file in (None, *pair)]
    if not chosen:
        there = ", ".join(str(chinese) for _, chinese in pairs)
        raise InputError(f"{options.file} is no file of the edition; there are {there}")
    if options.action == "accept":
        return _accept(edition, chosen, options)
    if options.ids or options.all:
        raise InputError("only `accept` takes ids or --all")
    if options.action == "check":
        return _check(edition, chosen)
    if options.action == "status":
        return _status(edition, chosen)
    return _sync(edition, chosen if options.file else [pair for pair in chosen if pair[1].exists()])


def _accept(edition, chosen: list[tuple[Path, Path]], options) -> int:
    if not options.file or bool(options.ids) == options.all:
        raise InputError("accept what? Give a file, and either ids or --all")
    ((english, chinese),) = chosen
    for name in edition.accept(english, chinese, None if options.all else options.ids):
        print(f"{chinese} {name}: accepted")
    return 0


def _check(edition, chosen: list[tuple[Path, Path]]) -> int:
    found = edition.check(Path(), chosen)
    for problem in found:
        print(problem)
    without = [chinese.as_posix() for _, chinese in chosen if not chinese.exists()]
    if without:
        print(f"no Chinese yet: {', '.join(without)}")
    if found:
        print(f"lmtutorial: {len(found)} problems in the Chinese edition", file=sys.stderr)
    return 1 if found else 0


def _sync(edition, chosen: list[tuple[Path, Path]]) -> int:
    for english, chinese in chosen:
        for dropped in edition.sync(Path(), english, chinese):
            print(f"{chinese}: dropped, for the English has it no more: {dropped}")
    return 0


def _status(edition, chosen: list[tuple[Path, Path]]) -> int:
    print(f"{'':40}{'translated':>12}{'stale':>8}{'missing':>9}")
    for english, chinese in chosen:
        theirs = edition.passages(chinese) if chinese.exists() else {}
        states = [edition.state(passage, theirs.get(name)) for name, passage in edition.passages(english).items()]
        done, stale = states.count("translated"), states.count("stale")
        row = f"{chinese.as_posix():40}{done:12}{stale:8}{len(states) - done - stale:9}"
        print(row if chinese.exists() else f"{row}  no Chinese yet")
    return 0
