"""Every line can be printed on any terminal, and JSON stays JSON, whatever characters the terminal's encoding has."""

from __future__ import annotations

import ast
import io
import json
import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.syntax import SOURCE, parsed, walked
from teststrip.screen import PLAIN, PLAINLY, RAISED, Screen

ENCODINGS = ("ascii", "cp1252", "cp437", "cp932", "koi8-r", "latin-1", "utf-8", "utf-16")
READ = "dalle_mini/text.py"  # its emoji are looked for in prompts, and never printed
SOURCES = sorted(path for path in SOURCE.rglob("*.py") if not path.as_posix().endswith(READ))
ANY = st.text(st.characters() | st.characters(categories=["Cs", "So", "Sm"]))


@cache
def symbols() -> set[str]:
    """All characters beyond ASCII in the texts of our sources that are neither letters nor pictures."""
    texts = [node.value for path in SOURCES for node in walked(parsed(path))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
    found = {letter for text in texts for letter in text if not letter.isascii()}
    return {letter for letter in found if unicodedata.category(letter)[0] != "L" and letter < "\U00010000"}


def screen(encoding: str) -> tuple[Screen, io.BytesIO]:
    raw = io.BytesIO()
    made = Screen()
    made.file = io.TextIOWrapper(raw, encoding, errors=PLAINLY, newline="\n", write_through=True)
    return made, raw


def test_there_are_symbols_and_each_has_a_plain_spelling() -> None:
    assert len(symbols()) > 15
    # Characters that command a terminal are escapes before they come to an encoding.
    lacking = {letter for letter in symbols() - PLAIN.keys() if ord(letter) not in RAISED}
    assert {letter for letter in lacking if unicodedata.category(letter)[0] not in "CZ"} == set()
    assert all(plain.isascii() for plain in PLAIN.values())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_symbol_of_ours_is_printed_without_an_escape(encoding: str) -> None:
    out, raw = screen(encoding)
    out.print("".join(sorted(PLAIN)), markup=False)
    assert "\\" not in raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=ANY)
def test_any_text_can_be_printed_in_any_encoding(encoding: str, text: str) -> None:
    out, raw = screen(encoding)
    out.print(text, markup=False)
    raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(value=st.dictionaries(ANY, ANY | st.integers(), max_size=3))
def test_json_means_the_same_in_any_encoding(encoding: str, value: dict[str, object]) -> None:
    out, raw = screen(encoding)
    out.write(json.dumps(value, ensure_ascii=False))
    assert json.loads(raw.getvalue().decode(encoding)) == json.loads(json.dumps(value))
