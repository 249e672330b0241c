"""Whatever goes in comes out, at the cost that the model names; whatever else is in a file is refused."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutorial import compression, data, ngram
from lmtutorial.compression import MAGIC, SCALE, compress, decode, decompress, encode, frequencies
from lmtutorial.errors import InputError

PROSE = "The cat sat on the mat, and the rat sat on the cat; 猫坐在垫子上。\n" * 30
BYTES = ngram.NGram(np.frombuffer(PROSE.encode(), dtype=np.uint8), 3, 256, "kn")
CERTAIN = ngram.NGram(np.frombuffer(PROSE.encode(), dtype=np.uint8), 5, 256, "ml")  # of much it says: impossible


class Toy:
    """Gives other logits, drawn anew from what was said so far, at every step.

    Args:
        vocab_size: V.
        spread: of the logits.
        impossible: share of the tokens that get a logit of minus infinity.
    """

    def __init__(self, vocab_size, spread=1.0, impossible=0.0, seed=0):
        self.vocab_size, self.spread, self.impossible, self.seed = vocab_size, spread, impossible, seed

    def start(self):
        return self._with_logits(self.seed)

    def step(self, state, token):
        return self._with_logits((31 * state + token + 1) % (1 << 61))

    def _with_logits(self, state):
        rng = np.random.default_rng(state)
        logits = rng.normal(0, self.spread, size=self.vocab_size).astype(np.float32)
        logits[1:][rng.random(self.vocab_size - 1) < self.impossible] = -np.inf
        return state, logits


def back_and_forth(model, tokens):
    return list(decode(model, encode(model, tokens), len(tokens)))


@given(st.binary(max_size=60))
@pytest.mark.parametrize("model", [BYTES, CERTAIN, ngram.Uniform(256)], ids=["kn", "ml", "uniform"])
def test_any_bytes_come_back(model, content):
    assert bytes(back_and_forth(model, content)) == content


@given(st.data(), st.sampled_from([1, 2, 3, 257]), st.sampled_from([0, 1, 20, 1e4, 1e30]), st.sampled_from([0, 0.5, 1]))
def test_any_tokens_come_back_whatever_the_model_says(data, vocab_size, spread, impossible):
    model = Toy(vocab_size, spread, impossible, seed=data.draw(st.integers(0, 1 << 30)))
    tokens = data.draw(st.lists(st.integers(0, vocab_size - 1), max_size=40))
    assert back_and_forth(model, tokens) == tokens


@settings(max_examples=10)
@given(st.lists(st.integers(0, 149_999), max_size=10), st.integers(0, 1 << 30))
def test_tokens_of_a_large_vocabulary_come_back(tokens, seed):
    assert back_and_forth(Toy(150_000, spread=5, seed=seed), tokens) == tokens


def test_a_long_text_comes_back():
    tokens = np.random.default_rng(0).integers(3, size=5000).tolist()
    assert back_and_forth(Toy(3, spread=3), tokens) == tokens


@pytest.mark.parametrize("token", [0, 255])
def test_the_same_token_a_thousand_times_comes_back(token):
    assert back_and_forth(ngram.NGram(1000 * [token], 2, 256), 1000 * [token]) == 1000 * [token]


def test_a_code_whose_first_bit_stays_open_for_long_comes_back():
    model = Toy(50)
    tokens = list(decode(model, b"\x80" + bytes(400), 300))  # always the one whose share holds the very middle
    assert back_and_forth(model, tokens) == tokens


@pytest.mark.parametrize("text", [PROSE, "A dog sat on the log.", "", "猫"], ids=["seen", "unseen", "empty", "short"])
def test_a_code_is_as_long_as_the_model_says_and_at_most_two_bytes_longer(text):
    content = np.frombuffer(text.encode(), dtype=np.uint8)
    bits = BYTES.score(content).sum() / np.log(2) if text else 0
    assert bits - 1 < 8 * len(encode(BYTES, content.tolist())) < bits + 16


def test_a_certain_token_costs_next_to_nothing():
    model = ngram.NGram(1000 * [7], 1, 256, "ml")
    assert len(encode(model, 10_000 * [7])) == 1


logits = st.lists(st.floats(-1e6, 1e6) | st.just(-np.inf), min_size=1, max_size=300).filter(lambda v: max(v) > -np.inf)


@given(logits, st.sampled_from([np.float32, np.float64]))
def test_frequencies_are_positive_integers_that_the_coder_has_room_for(values, kind):
    found = frequencies(np.array(values, dtype=kind))
    assert found.dtype == np.int64
    assert found.min() >= 1
    assert found.sum() < compression.QUARTER


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=50))
def test_frequencies_are_in_proportion_to_the_softmax(values):
    share = np.exp(values) / np.exp(values).sum()
    np.testing.assert_allclose(frequencies(np.array(values)) / SCALE, share, rtol=1 / 120, atol=2 / SCALE)


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=50), st.sampled_from([0, 100, 10_000]))
def test_frequencies_of_single_precision_logits_are_worked_out_in_double_precision(values, shift):
    single = (np.array(values) + shift).astype(np.float32)
    assert frequencies(single).tolist() == frequencies(single.astype(np.float64)).tolist()


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=50), st.floats(-1000, 1000))
def test_frequencies_depend_on_differences_of_logits_only(values, shift):
    found, shifted = frequencies(np.array(values)), frequencies(np.array(values) + shift)
    np.testing.assert_allclose(found, shifted, rtol=1 / 32, atol=1)  # a cost on the edge may be rounded to either side


@pytest.fixture
def corpus(tmp_path):
    """Return a text file to train on, by whose path the corpus is called."""
    file = tmp_path / "corpus.txt"
    file.write_text(PROSE, encoding="utf-8")
    return file


@pytest.fixture
def compressed(corpus):
    """Return `The cat sat.` as a compressed file."""
    return compress(b"The cat sat.", "kn3", str(corpus))


def with_header(file, **changes):
    """Return `file` with fields of its header changed; None takes one away."""
    head, _, code = file[len(MAGIC) :].partition(b"\n")
    header = {key: value for key, value in (json.loads(head) | changes).items() if value is not None}
    return MAGIC + json.dumps(header).encode() + b"\n" + code


@settings(max_examples=50)
@given(content=st.binary(max_size=60))
@pytest.mark.parametrize("model", ["kn3", "mkn2", "ml4", "unigram", "uniform"])
def test_any_content_of_a_file_comes_back(content, model, tmp_path_factory):
    corpus = tmp_path_factory.getbasetemp() / "corpus.txt"
    corpus.write_text(PROSE, encoding="utf-8")
    assert decompress(compress(content, model, str(corpus))) == content


def test_progress_sees_every_byte_both_ways(corpus):
    seen = []

    def progress(items, total):
        for done, item in enumerate(items, start=1):
            seen.append((done, total))
            yield item

    assert decompress(compress(b"cat", "kn3", str(corpus), progress), progress) == b"cat"
    assert seen == 2 * [(1, 3), (2, 3), (3, 3)]


def test_a_file_truncated_anywhere_is_refused(compressed):
    for length in range(len(compressed)):
        with pytest.raises(InputError, match=r"truncated or damaged|no file of `lmtutorial compress`"):
            decompress(compressed[:length])


def test_a_file_with_something_after_its_end_is_refused(compressed):
    with pytest.raises(InputError, match="truncated or damaged"):
        decompress(compressed + b"\n")


@pytest.mark.parametrize("flip", [0x01, 0x10, 0x80])
def test_a_damaged_byte_never_gives_other_content(compressed, flip):
    for place in range(len(compressed)):
        damaged = bytearray(compressed)
        damaged[place] ^= flip
        try:
            assert decompress(bytes(damaged)) == b"The cat sat.", place
        except InputError:
            continue


def test_a_damaged_byte_of_the_code_is_noticed(compressed):
    start = compressed.index(b"\n", len(MAGIC)) + 1
    damaged = bytearray(compressed)
    damaged[start + 1] ^= 0x40
    with pytest.raises(InputError, match="damaged"):
        decompress(bytes(damaged))


@pytest.mark.parametrize("other", [b"", b"PK\x03\x04", MAGIC[:-1], MAGIC.replace(b"1", b"2")])
def test_another_kind_of_file_is_refused(other):
    with pytest.raises(InputError, match="no file of `lmtutorial compress`"):
        decompress(other)


def test_another_training_text_of_the_same_name_is_refused_before_training(compressed, corpus, monkeypatch):
    corpus.write_text(PROSE.upper(), encoding="utf-8")
    monkeypatch.setattr(ngram, "train", None)
    with pytest.raises(InputError, match="made with another text of the name"):
        decompress(compressed)


def test_a_training_text_that_is_not_here_is_refused(compressed, corpus):
    corpus.unlink()
    with pytest.raises(InputError, match="there is no data set"):
        decompress(compressed)


IMPOSSIBLE = [
    *({"bytes": value} for value in (-1, 1.5, True, "12", None)),
    *({"code_bytes": value} for value in (-5, 1 << 80)),
    *({"model": 5}, {"data": ["a"]}, {"sha256": None}),
]


@pytest.mark.parametrize("change", IMPOSSIBLE, ids=str)
def test_a_header_that_cannot_be_true_is_refused(compressed, change):
    with pytest.raises(InputError, match="truncated or damaged"):
        decompress(with_header(compressed, **change))


@pytest.mark.parametrize("head", [b"", b"{}", b"[]", b"12", b"null", b"\xff", b'{"bytes": ' + 5000 * b"9" + b"}"])
def test_a_header_that_is_no_header_is_refused(head):
    with pytest.raises(InputError, match="truncated or damaged"):
        decompress(MAGIC + head + b"\ncode")


def test_a_header_nested_without_end_is_refused():
    with pytest.raises(InputError, match="truncated or damaged"):
        decompress(MAGIC + 100 * sys.getrecursionlimit() * b"[" + b"\ncode")


@pytest.mark.parametrize("place", ["/", "/dev/zero", "FOLDER"])
def test_a_file_that_has_a_disk_read_is_refused_at_once(compressed, corpus, place):
    place = place.replace("FOLDER", str(corpus.parent))
    for attempt in (lambda: decompress(with_header(compressed, data=place)), lambda: compress(b"A", "kn2", place)):
        with pytest.raises(InputError, match="is no file; a model for compression learns from"):
            attempt()


def test_a_folder_with_the_name_of_a_text_is_not_in_its_way(monkeypatch, tmp_path):
    (tmp_path / "tang").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda name: data.Corpus(name, PROSE, "", "", ""))
    assert decompress(compress(b"A", "unigram", "tang")) == b"A"


def test_more_bytes_than_the_code_can_hold_are_refused_soon(compressed):
    with pytest.raises(InputError, match="truncated or damaged"):
        decompress(with_header(compressed, bytes=1 << 60))


def test_a_wrong_number_of_bytes_is_noticed(compressed):
    with pytest.raises(InputError, match="damaged"):
        decompress(with_header(compressed, bytes=11))


def test_an_order_that_would_eat_all_memory_is_refused(compressed):
    with pytest.raises(InputError, match="the order of kn1000 is too high"):
        decompress(with_header(compressed, model="kn1000"))


def test_an_unknown_model_is_refused_with_the_known_ones(corpus):
    with pytest.raises(InputError, match="there is no model 'gpt'; there are uniform, unigram"):
        compress(b"", "gpt", str(corpus))


def test_a_corpus_without_a_training_split_is_refused(monkeypatch):
    only_test = compression.data.Corpus("only", "", "", "test", "")
    monkeypatch.setattr(compression.data, "load", lambda name: only_test)
    with pytest.raises(InputError, match="only has no training split"):
        compress(b"", "kn3", "only")
