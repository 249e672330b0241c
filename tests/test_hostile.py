"""Files from anybody: whatever they hold, a reader returns or says what is wrong, soon, and within its memory.

`make fuzz` tries some ten thousand files of each kind, and more by `guided.py`.
"""

import contextlib
import copy
import json
import resource
import struct
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from mini import CLAIM

from lmtutorial import claims, compression, experiments, i18n, sweeps, tensorfiles, tokenizers, typography
from lmtutorial.errors import InputError
from lmtutorial.files import read_json

pytestmark = pytest.mark.slow
SECONDS, MEMORY = 10, 2**28  # what one small file may take
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
PROSE = "The cat sat. The dog sat.\n" * 5
DEEP = 30_000
LISTS = [b"- &%c [*%c, *%c, *%c]\n" % (n + 1, n, n, n) for n in range(97, 121)]
BOMB = b"- &a [1, 1]\n" + b"".join(LISTS)  # 3 ** 24 lists, written out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@contextlib.contextmanager
def little_memory():
    """Let this process take no more than MEMORY beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def survives(read, path, content):
    """Hand `content` to a reader; the only exception may be ours, and nothing but the file itself is left behind."""
    path.write_bytes(content)
    before, begin = {*path.parent.parent.rglob("*")}, time.monotonic()
    with little_memory(), contextlib.suppress(InputError):
        read(path)
    assert time.monotonic() - begin < SECONDS
    assert {*path.parent.parent.rglob("*")} == before


@st.composite
def damaged(draw, content):
    """Bytes with some replaced, taken away or put in."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(content)))
        end = begin + draw(st.integers(0, 8))
        content = content[:begin] + draw(st.binary(max_size=8)) + content[end:]
    return content


@st.composite
def altered(draw, document):
    """A document, as JSON has it, with one of its values replaced or taken away."""
    document = node = copy.deepcopy(document)
    while True:
        key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not (isinstance(node[key], dict | list) and node[key] and draw(st.booleans())):
            break
        node = node[key]
    if draw(st.booleans()):
        node[key] = draw(VALUES)
    else:
        del node[key]
    return document


# --- records, claims, sweeps, terms

RECORD = {name: getattr(kind, "__args__", [kind])[0]() for name, kind in experiments.FIELDS.items()}
RECORD |= {"schema": experiments.SCHEMA, "metrics": {"nats": 1.5}, "units": {"nats": "nat"}, "parameters": {"a": 1}}
SWEEPS = {"x": {"version": 1, "seeds": 2, "points": [{"a": [1, 2]}], "profiles": {"laptop": {}, "smoke": {"seeds": 1}}}}
TERMS = {"terms": {"token": "词元", "model": {"zh": "模型", "not": ["型号"]}}, "prompts": {"Show": "显示"}}


def json_files(document):
    return altered(document).map(lambda it: json.dumps(it).encode()) | damaged(json.dumps(document).encode())


def yaml_files(document):
    return altered(document).map(as_yaml) | damaged(as_yaml(document))


def as_yaml(document):
    return yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")


@given(json_files(RECORD))
@example(b"[" * DEEP)
@example(b'{"schema": 1' + b"0" * 5000 + b"}")
def test_a_record(folder, content):
    survives(experiments.load_record, folder / "record.json", content)


@given(yaml_files([CLAIM]))
@example(b"[" * 500)
@example(b"when: 2026-99-99")
@example(b"a: 1")
@example(BOMB + b"- id: *y")
def test_claims(folder, content):
    survives(claims.read, folder / "claims.yml", content)


@given(yaml_files(SWEEPS))
@example(b"[]")
def test_sweeps(folder, content):
    survives(lambda path: sweeps.experiments(path.parent), folder / "sweeps.yml", content)


@given(yaml_files(TERMS))
def test_terms(folder, content):
    survives(typography.read_terms, folder / "terms.yml", content)


# --- what is translated

NOTEBOOK = json.loads(
    nbformat.writes(
        nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell("# 甲", metadata={"i18n": {"src": "0123"}}),
                nbformat.v4.new_code_cell("1", metadata={"mystnb": {"image": {"alt": "A figure"}}}),
            ]
        )
    )
)
PAGE = "<!-- i18n: top 0123 -->\n# 甲\n\n```python\n# no heading\n```\n<!-- i18n: rest -->\n乙\n".encode()


@given(json_files(NOTEBOOK))
@example(json.dumps(NOTEBOOK).replace('{"src": "0123"}', "null").encode())
@example(json.dumps(NOTEBOOK).replace('{"image": {"alt": "A figure"}}', '{"image": null}').encode())
def test_a_notebook(folder, content):
    survives(i18n.passages, folder / "page.ipynb", content)


@given(damaged(PAGE) | st.text(alphabet="<!- i18n:>\n#`~a").map(str.encode))
def test_a_page(folder, content):
    survives(i18n.passages, folder / "page.md", content)


@given(st.text(alphabet="*_`[]()<>!#\\$甲a \n,，:"), st.text(alphabet="*_`[]()<>!#\\$甲a \n,，:"))
def test_two_passages(english, chinese):
    typography.problems(english, chinese, typography.Terms({}, {}, {}))


# --- tokenizers and tensors


def saved(tokenizer):
    return json.loads(json.dumps({"type": tokenizer.type, **tokenizer.to_dict()}))


TOKENIZERS = [
    saved(tokenizers.CharTokenizer.train(PROSE)),
    saved(tokenizers.WordTokenizer.train(PROSE)),
    saved(tokenizers.BPETokenizer.train(PROSE, 260)),
]


@given(st.sampled_from(TOKENIZERS).flatmap(json_files))
def test_a_tokenizer(folder, content):
    survives(lambda path: tokenizers.load(path).encode("The cat"), folder / "tokenizer.json", content)


def read_tensors(path):
    return [tensor.read() for tensor in tensorfiles.read_safetensors(path).values()]


HEADER = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"format": "pt"}}


def with_header(header):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(24)


@given(altered(HEADER).map(with_header) | damaged(with_header(HEADER)))
@example(DEEP.to_bytes(8, "little") + b"[" * DEEP)
def test_safetensors(folder, content):
    survives(read_tensors, folder / "model.safetensors", content)


def string(text):
    return struct.pack("<Q", len(text)) + text


def gguf(pairs=b"", count=0, shape=(4,), kind=0):
    """A GGUF file with one tensor and `count` pairs of metadata."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, count) + pairs
    head += string(b"a") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0)
    return head + bytes(-len(head) % 32) + np.ones(4, "<f4").tobytes()


def read_gguf(path):
    return [tensor.read() for tensor in tensorfiles.read_gguf(path)[1].values()]


ALIGNED = gguf(string(b"general.alignment") + struct.pack("<II", 4, 32), 1)


@given(damaged(ALIGNED))
@example(gguf(string(b"k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * DEEP, 1))  # a list in a list in a list …
@example(gguf(string(b"general.alignment") + struct.pack("<II", 4, 0), 1))
@example(gguf(string(b"general.alignment") + struct.pack("<I", 8) + string(b"32"), 1))
@example(gguf(shape=(4, 0)))
@example(gguf(shape=(0,)))
@example(gguf(shape=(2**32 - 1, 2**40, 1024, 0)))
@example(gguf(shape=(2**63, 2**63)))
def test_gguf(folder, content):
    survives(read_gguf, folder / "model.gguf", content)


# --- compressed files


def corpus_in(folder):
    """Return the path of a text that compressed files name."""
    file = folder / "corpus.txt"
    file.write_text(PROSE)
    return str(file)


@pytest.fixture(scope="module")
def corpus(folder):
    return corpus_in(folder)


@given(st.data())
def test_a_compressed_file(folder, corpus, data):
    file = compression.compress(b"The cat.", "kn2", corpus)
    head, _, code = file[len(compression.MAGIC) :].partition(b"\n")
    changed = altered(json.loads(head)).map(lambda it: compression.MAGIC + json.dumps(it).encode() + b"\n" + code)
    content = data.draw(damaged(file) | changed)
    survives(lambda path: compression.decompress(path.read_bytes()), folder / "file.lm", content)


def whole(corpus):
    """Return every reader, by the name of its file, with a file that it reads; `guided.py` begins with these, too."""
    return {
        "record.json": (
            lambda path: experiments.validate(read_json(path), "a record") or [1],
            json.dumps(RECORD).encode(),
        ),
        "claims.yml": (lambda path: claims.read(path)[0], as_yaml([CLAIM])),
        "sweeps.yml": (lambda path: sweeps.experiments(path.parent), as_yaml(SWEEPS)),
        "terms.yml": (lambda path: typography.read_terms(path).prompts, as_yaml(TERMS)),
        "page.ipynb": (i18n.passages, json.dumps(NOTEBOOK).encode()),
        "page.md": (i18n.passages, PAGE),
        "model.safetensors": (read_tensors, with_header(HEADER)),
        "model.gguf": (read_gguf, ALIGNED),
        "tokenizer.json": (lambda path: tokenizers.load(path).encode("The cat"), json.dumps(TOKENIZERS[2]).encode()),
        "file.lm": (lambda path: compression.decompress(path.read_bytes()), compression.compress(b"A", "kn2", corpus)),
    }


def test_what_is_whole_is_read(folder, corpus):
    """Otherwise the tests above would try nothing but what is refused at once."""
    for name, (read, content) in whole(corpus).items():
        (folder / name).write_bytes(content)
        assert len(read(folder / name)) > 0, name


@pytest.mark.parametrize("model", ["kn999999999", "kn0", "ml2\n", "../kn2"])
def test_the_name_of_a_model_in_a_compressed_file(model, folder, corpus):
    file = compression.compress(b"The cat.", "kn2", corpus).replace(b'"kn2"', json.dumps(model).encode())
    survives(lambda path: compression.decompress(path.read_bytes()), folder / "file.lm", file)
