"""What the model reads of a prompt."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.dalle_mini.text import Tokenizer, has_emoji, tokenizer
from teststrip.errors import EngineError

PIECES = ("<s>", "<pad>", "</s>", "<unk>", "\u0120", *"abcdefghijklmnopqrstuvwxyz", "ab", "abc", "\u0120ab", "bc")
VOCAB = {piece: number for number, piece in enumerate(PIECES)}
MERGES = (("a", "b"), ("ab", "c"), ("\u0120", "ab"), ("b", "c"))


def read(text: str, most: int = 20):
    return Tokenizer(VOCAB, MERGES, most).read(text)


def pieces(text: str, most: int = 20) -> list[str]:
    return [PIECES[token] for token in read(text, most).tokens if token != VOCAB["<pad>"]]


def test_a_word_is_merged_by_the_pairs_that_stand_first():
    assert pieces("abc") == ["<s>", "\u0120", "abc", "</s>"]
    assert pieces("AB bc") == ["<s>", "\u0120ab", "\u0120", "bc", "</s>"]


def test_what_the_vocabulary_lacks_is_one_unknown_token_a_letter():
    assert pieces("a!") == ["<s>", "\u0120", "a", "<unk>", "</s>"]


def test_a_text_that_is_cut_keeps_its_closing_token_and_names_what_is_lost():
    found = read("x y z abc", most=6)
    assert pieces("x y z abc", most=6) == ["<s>", "\u0120", "x", "\u0120", "y", "</s>"]
    assert (found.whole, found.lost) == (10, "z abc")


def test_letters_beyond_ascii_are_dropped_and_their_words_named():
    found = read("caf\u00e9 ab \u05d9\u05e0")
    assert found.tokens == read("caf ab").tokens
    assert found.lost == "caf\u00e9 \u05d9\u05e0"


def test_nothing_is_the_reading_of_the_empty_text():
    assert Tokenizer(VOCAB, MERGES, 8).nothing == read("", 8).tokens == read(" ", 8).tokens


@pytest.mark.parametrize("text", ["\U0001f989", "1\ufe0f\u20e3", "\u203c", "\u2194\ufe0f", "\U0001f1eb\U0001f1f7"])
def test_an_emoji_is_found(text):
    assert has_emoji(f"an owl {text}")


def slowly(word: str) -> list[str]:
    """Merging as it is defined: the leftmost of the pairs with the lowest rank, looked for anew each time."""
    left = ["\u0120", *word]
    while pairs := [(MERGES.index(p), i) for i, p in enumerate(pairwise(left)) if p in MERGES]:
        _, at = min(pairs)
        left[at : at + 2] = [left[at] + left[at + 1]]
    return left


@given(st.text("abcx", max_size=40))
def test_keeping_the_ranks_changes_no_piece(word):
    found = read(word, most=60).tokens
    expected = [VOCAB[piece] for piece in slowly(word)] if word else []
    assert list(found[1 : 1 + len(expected)]) == expected


@given(st.text(), st.integers(2, 30))
def test_any_text_is_read_as_so_many_tokens(text, most):
    found = read(text, most)
    assert len(found.tokens) == most
    assert found.tokens[0] == VOCAB["<s>"]
    assert bool(found.lost) >= (found.whole > most)


@pytest.mark.parametrize(
    ("vocab", "merges", "message"),
    [
        ("{", "", "cannot be read"),
        ("[]", "", "no table of pieces"),
        ('{"a": -1}', "", "no table of pieces"),
        ('{"<s>": 0, "</s>": 1, "<unk>": 2}', "", "the token <pad> is missing"),
        (json.dumps(VOCAB | {"zz": 99}), "", "token 99 is unknown to the encoder, which knows 60"),
        (json.dumps(VOCAB), "a b c", "no pair of pieces"),
    ],
)
def test_a_damaged_vocabulary_is_refused(tmp_path: Path, vocab, merges, message):
    (tmp_path / "vocab.json").write_text(vocab)
    (tmp_path / "merges.txt").write_text(merges)
    with pytest.raises(EngineError, match=message):
        tokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt", most=8, known=60)
