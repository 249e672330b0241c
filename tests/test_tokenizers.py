"""Tests of `lmtutorial.tokenizers`."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmtutorial import tokenizers
from lmtutorial.errors import InputError
from lmtutorial.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer, WordTokenizer

TEXT = "To be, or not to be: that is the question.\n生存還是毀滅，這是一個問題。\tNaïve café 🙂\n" * 3
LONE = "\ud800"

TRAINED = {
    "char": CharTokenizer.train(TEXT),
    "char with unknown": CharTokenizer.train(TEXT, unknown=True),
    "byte": ByteTokenizer(),
    "word": WordTokenizer.train(TEXT),
    "bpe": BPETokenizer.train(TEXT, 300),
}
NEVER_UNKNOWN = ["byte", "word", "bpe"]


def saved_and_loaded(tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder) / "tokenizer.json")
        return tokenizers.load(Path(folder) / "tokenizer.json")


LOADED = {name: saved_and_loaded(tokenizer) for name, tokenizer in TRAINED.items()}

every_tokenizer = pytest.mark.parametrize("name", TRAINED)
every_text = given(st.text())
hard_text = example("\0\r\n\x85\u2028 \ufeff\ufffd e\u0301 \U0010ffff  ")
text_of_the_training = given(st.text(alphabet=sorted(set(TEXT))))


# --- what all tokenizers do


@every_tokenizer
@text_of_the_training
def test_the_training_texts_characters_come_back(name, text):
    assert TRAINED[name].decode(TRAINED[name].encode(text)) == text


@pytest.mark.parametrize("name", NEVER_UNKNOWN)
@every_text
@hard_text
def test_any_text_comes_back(name, text):
    assert TRAINED[name].decode(TRAINED[name].encode(text)) == text


@pytest.mark.parametrize("name", ["char with unknown", "bpe"])
@given(st.text(alphabet=" \n\x1c\xa0a,'1中"))
@hard_text
def test_a_text_that_is_encoded_in_parts_has_the_same_ids(name, text):
    with pytest.MonkeyPatch.context() as patch:
        whole = TRAINED[name].encode(text)
        patch.setattr(tokenizers, "AT_ONCE", 2)
        assert np.array_equal(TRAINED[name].encode(text), whole)


def test_pieces_learned_from_a_text_in_parts_are_the_same(monkeypatch):
    whole = BPETokenizer.train(TEXT, 300).to_dict()
    monkeypatch.setattr(tokenizers, "AT_ONCE", 20)
    assert len(list(tokenizers._passages(TEXT))) == 10
    assert BPETokenizer.train(TEXT, 300).to_dict() == whole


@pytest.mark.parametrize("name", NEVER_UNKNOWN)
@every_text
@hard_text
def test_any_text_comes_back_after_saving_and_loading(name, text):
    assert LOADED[name].decode(LOADED[name].encode(text)) == text


@given(st.text(min_size=1))
@hard_text
def test_any_text_comes_back_from_a_char_tokenizer_trained_on_it(text):
    tokenizer = CharTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text(min_size=1))
@hard_text
def test_any_alphabet_survives_saving_and_loading(text):
    tokenizer = saved_and_loaded(CharTokenizer.train(text))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text())
@hard_text
def test_any_text_comes_back_from_a_word_tokenizer_trained_on_it(text):
    tokenizer = saved_and_loaded(WordTokenizer.train(text, min_count=1))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text())
@hard_text
def test_any_text_comes_back_from_a_bpe_tokenizer_trained_on_it(text):
    tokenizer = saved_and_loaded(BPETokenizer.train(text, 270))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@every_tokenizer
def test_a_loaded_tokenizer_gives_the_same_ids(name):
    assert LOADED[name].encode(TEXT).tolist() == TRAINED[name].encode(TEXT).tolist()


@every_tokenizer
def test_a_loaded_tokenizer_has_the_same_vocabulary_size(name):
    assert LOADED[name].vocab_size == TRAINED[name].vocab_size


@every_tokenizer
def test_ids_are_int32_in_one_dimension(name):
    ids = TRAINED[name].encode(TEXT)
    assert (ids.dtype, ids.ndim) == (np.int32, 1)


@every_tokenizer
def test_ids_lie_within_the_vocabulary(name):
    ids = TRAINED[name].encode(TEXT)
    assert 0 <= ids.min() <= ids.max() < TRAINED[name].vocab_size


@every_tokenizer
def test_an_empty_text_has_no_ids(name):
    ids = TRAINED[name].encode("")
    assert (ids.shape, ids.dtype) == ((0,), np.int32)


@every_tokenizer
def test_no_ids_are_an_empty_text(name):
    assert TRAINED[name].decode([]) == ""


@every_tokenizer
def test_the_last_id_is_decoded_and_the_next_is_an_input_error(name):
    size = TRAINED[name].vocab_size
    assert TRAINED[name].decode([size - 1])
    with pytest.raises(InputError, match=rf"^ids must lie in 0…{size - 1}; got 0…{size}$"):
        TRAINED[name].decode([0, size])


@every_tokenizer
def test_a_negative_id_is_an_input_error(name):
    with pytest.raises(InputError, match=r"got -1…0$"):
        TRAINED[name].decode([-1, 0])


@every_tokenizer
def test_ids_may_come_one_by_one(name):
    assert TRAINED[name].decode(iter(TRAINED[name].encode(TEXT))) == TEXT


@pytest.mark.parametrize("name", NEVER_UNKNOWN)
def test_half_of_a_surrogate_pair_is_an_input_error_that_says_where(name):
    with pytest.raises(InputError, match="character 3 is half of a surrogate pair"):
        TRAINED[name].encode(f"to {LONE}")


@pytest.mark.parametrize(
    "train",
    [
        CharTokenizer.train,
        lambda text: WordTokenizer.train(text, min_count=1),
        lambda text: BPETokenizer.train(text, 300),
    ],
    ids=["char", "word", "bpe"],
)
def test_half_of_a_surrogate_pair_cannot_be_trained_on(train):
    with pytest.raises(InputError, match="half of a surrogate pair"):
        train(f"to {LONE}")


@pytest.mark.parametrize("name", NEVER_UNKNOWN)
def test_bytes_that_are_no_utf8_become_replacement_characters(name):
    first, *_ = TRAINED[name].encode("\U0010ffff")
    assert TRAINED[name].decode([first]) == "\ufffd"


# --- characters


def test_ids_of_characters_are_their_places_in_the_sorted_alphabet():
    tokenizer = CharTokenizer.train("cab")
    assert (tokenizer.alphabet, tokenizer.encode("abc").tolist()) == ("abc", [0, 1, 2])


def test_an_alphabet_keeps_its_order():
    assert CharTokenizer("zay").encode("yaz").tolist() == [2, 1, 0]


def test_the_vocabulary_of_characters_counts_them_and_the_unknown():
    assert (CharTokenizer("abc").vocab_size, CharTokenizer("abc", unknown=True).vocab_size) == (3, 4)


def test_unknown_characters_are_an_input_error_that_names_them():
    with pytest.raises(InputError, match=r"^2 characters are not in the alphabet: 'é詞'; leave them out, or"):
        CharTokenizer("abc").encode("aé詞éb")


def test_unknown_characters_get_the_unknown_id_when_there_is_one():
    assert CharTokenizer("abc", unknown=True).encode(f"aé詞{LONE}b").tolist() == [0, 3, 3, 3, 1]


def test_the_unknown_id_is_decoded_as_the_replacement_character():
    assert CharTokenizer("abc", unknown=True).decode([0, 3]) == "a\ufffd"


@pytest.mark.parametrize("alphabet", ["", "abca", ["a", "b"]], ids=["empty", "repeated", "a list"])
def test_an_alphabet_must_be_different_characters(alphabet):
    with pytest.raises(InputError, match="the alphabet must be a non-empty string of different characters"):
        CharTokenizer(alphabet)


# --- bytes


def test_ids_of_bytes_are_the_bytes():
    assert ByteTokenizer().encode("é!").tolist() == [0xC3, 0xA9, ord("!")]


def test_there_are_256_bytes():
    assert ByteTokenizer().vocab_size == 256


# --- words


def test_frequent_words_take_the_ids_after_the_bytes_most_frequent_first():
    tokenizer = WordTokenizer.train("a bee a bee a bee sea")
    assert tokenizer.words == [" bee", " a"]
    assert tokenizer.encode(" a bee").tolist() == [257, 256]
    assert tokenizer.vocab_size == 258


def test_rare_words_are_spelled_in_bytes():
    assert WordTokenizer(["to", " be"]).encode("to see be").tolist() == [256, *b" see", 257]


def test_the_words_of_a_vocabulary_must_differ():
    with pytest.raises(InputError, match="must be a list of different strings"):
        WordTokenizer(["to", "to"])


# --- byte-pair encoding


def test_bpe_merges_the_most_frequent_pair_first():
    tokenizer = BPETokenizer.train("abab ab", 257)
    assert tokenizer.encode("abab").tolist() == [256, 256]


def test_bpe_trained_twice_is_identical():
    first, second = (BPETokenizer.train(TEXT, 350).to_dict() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_bpe_has_the_vocabulary_size_asked_for():
    assert BPETokenizer.train(TEXT, 300).vocab_size == 300


def test_bpe_has_fewer_symbols_when_there_is_nothing_left_to_merge():
    assert BPETokenizer.train("ab", 300).vocab_size == 257


def test_bpe_of_256_symbols_is_bytes():
    assert BPETokenizer.train(TEXT, 256).encode("é!").size == 3


def test_bpe_under_256_symbols_is_an_input_error():
    with pytest.raises(InputError, match="at least 256 symbols; got 255"):
        BPETokenizer.train(TEXT, 255)


# --- by level


@pytest.mark.parametrize(
    ("level", "kind", "size"), [("char", CharTokenizer, 4), ("byte", ByteTokenizer, 256), ("word", WordTokenizer, 257)]
)
def test_a_tokenizer_is_trained_by_its_level(level, kind, size):
    tokenizer = tokenizers.train(level, "abc abc abc")
    assert (type(tokenizer), tokenizer.vocab_size) == (kind, size)


def test_the_level_of_byte_pairs_names_the_size_of_the_vocabulary():
    tokenizer = tokenizers.train("bpe:257", "abab ab")
    assert (type(tokenizer), tokenizer.encode("abab").tolist()) == (BPETokenizer, [256, 256])


@pytest.mark.parametrize(("other", "unknown"), [("", False), ("cab", False), ("cabin", True)])
def test_characters_are_unknown_only_where_another_text_holds_some(other, unknown):
    tokenizer = tokenizers.train("char", "abc", other)
    assert (tokenizer.alphabet, tokenizer.unknown) == ("abc", unknown)


@pytest.mark.parametrize(
    "level", ["", "syllable", "char:3", "byte:256", "word:2", "bpe", "bpe:", "bpe:-300", "bpe:1e3"]
)
def test_a_level_that_is_none_is_an_input_error(level):
    with pytest.raises(InputError, match=rf"^there is no level '{level}'; there are char, byte, word and bpe:SIZE"):
        tokenizers.train(level, "abc")


# --- files


@pytest.mark.parametrize("name", TRAINED)
def test_a_truncated_file_is_an_input_error(tmp_path, name):
    TRAINED[name].save(tmp_path / "whole.json")
    content = (tmp_path / "whole.json").read_bytes()
    (tmp_path / "part.json").write_bytes(content[:-2])
    with pytest.raises(InputError, match=r"part\.json holds no tokenizer"):
        tokenizers.load(tmp_path / "part.json")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("to be or not to be", id="not JSON"),
        pytest.param("[" * 100_000, id="nested too deep"),
        pytest.param("[]", id="a list"),
        pytest.param('"char"', id="a string"),
        pytest.param("{}", id="no type"),
        pytest.param('{"type": "char"}', id="char without alphabet"),
        pytest.param('{"type": "char", "alphabet": "aa", "unknown": false}', id="char repeated"),
        pytest.param('{"type": "char", "alphabet": ["a"], "unknown": false}', id="char alphabet a list"),
        pytest.param('{"type": "char", "alphabet": "a", "unknown": 5}', id="char unknown a number"),
        pytest.param('{"type": "char", "alphabet": "\\ud800", "unknown": false}', id="char half a pair"),
        pytest.param('{"type": "byte", "words": []}', id="byte with a field too many"),
        pytest.param('{"type": "word"}', id="word without words"),
        pytest.param('{"type": "word", "words": "abc"}', id="words a string"),
        pytest.param('{"type": "word", "words": [1, 2]}', id="words numbers"),
        pytest.param('{"type": "word", "words": ["a", "a"]}', id="words repeated"),
        pytest.param('{"type": "word", "words": ["\\ud800"]}', id="word half a pair"),
        pytest.param('{"type": "bpe"}', id="bpe without model"),
        pytest.param('{"type": "bpe", "model": {"version": "1.0"}}', id="bpe bad model"),
    ],
)
def test_a_file_that_holds_no_tokenizer_is_an_input_error(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError):
        tokenizers.load(tmp_path / "bad.json")


def test_an_unknown_type_is_an_input_error_that_names_it(tmp_path):
    (tmp_path / "bad.json").write_text('{"type": "sentencepiece"}')
    with pytest.raises(InputError, match=r"bad\.json holds an unknown type of tokenizer, 'sentencepiece'"):
        tokenizers.load(tmp_path / "bad.json")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        tokenizers.load(tmp_path / "missing.json")


def test_a_file_is_plain_json_with_its_characters_readable(tmp_path):
    CharTokenizer("詞a").save(tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_text("utf-8") == '{"type": "char", "alphabet": "詞a", "unknown": false}'
