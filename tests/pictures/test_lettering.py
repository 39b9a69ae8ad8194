"""Every letter of a label is drawn in a font that has it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from teststrip.pictures.lettering import SHIPPED, Lettering

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
with TTFont(SHIPPED) as font:
    LETTERS = sorted(
        chr(code) for code in font.getBestCmap() if unicodedata.category(chr(code))[0] in "LNPS" and code != 0xFFFD
    )
BOX = ImageFont.truetype(str(SHIPPED), 24).getmask("\U000f0000").getbbox()
"""Of a private character: what a font draws for what it lacks."""

SAID = {
    "French": "Élise à la fête, « ça va » ?",
    "German": "Größe – „schön“",
    "Polish": "zażółć gęślą jaźń",
    "Turkish": "İstanbul'da ışık",
    "Vietnamese": "Tiếng Việt",
    "Greek": "Ελλάδα",
    "Russian": "Привет",
    "Hebrew": "עברית",
    "Arabic": "العربية",
    "mathematics": "≥ ± × → ½ ∞ σ",
}


def drawn(text: str, folders: list[Path] | None = None) -> Image.Image:
    letters = Lettering(24, folders or [])
    picture = Image.new("RGB", (max(1, round(letters.length(text)) + 8), 40), WHITE)
    letters.draw(ImageDraw.Draw(picture), (4, 4), text, BLACK)
    return picture


def tiny_font(file: Path, character: str, width: int = 700) -> None:
    """A font of one letter: a filled square."""
    build = FontBuilder(1000, isTTF=True)
    build.setupGlyphOrder([".notdef", "square"])
    build.setupCharacterMap({ord(character): "square"})
    pen = TTGlyphPen(None)
    for number, corner in enumerate([(0, 0), (0, 700), (700, 700), (700, 0)]):
        (pen.lineTo if number else pen.moveTo)(corner)
    pen.closePath()
    build.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    build.setupHorizontalMetrics({".notdef": (700, 0), "square": (width, 0)})
    build.setupHorizontalHeader(ascent=800, descent=-200)
    build.setupNameTable({"familyName": "Tiny", "styleName": "Regular"})
    build.setupOS2()
    build.setupPost()
    build.save(file)


@pytest.mark.parametrize("language", SAID)
def test_no_letter_of_these_languages_is_a_box(language: str) -> None:
    for letter in set(SAID[language]) - {" "}:
        assert ImageFont.truetype(str(SHIPPED), 24).getmask(letter).getbbox() != BOX
        assert drawn(letter).getcolors() != drawn("\U000f0000").getcolors(), letter


@given(st.text(st.sampled_from(LETTERS), min_size=1, max_size=12))
def test_a_line_is_as_long_as_what_is_drawn(text: str) -> None:
    picture = drawn(text)
    assert picture.convert("L").point(lambda level: 255 - level).getbbox() is not None
    assert Lettering(24, []).length(text) > 0


def test_what_the_shipped_font_lacks_is_drawn_by_a_font_of_this_machine(tmp_path: Path) -> None:
    tiny_font(tmp_path / "Tiny.ttf", "字")
    (tmp_path / "Broken.ttf").write_bytes(b"no font at all")
    found, lacked = drawn("a 字 b", [tmp_path]), drawn("a 字 b")
    square = found.crop((0, 0, found.width, 40)).convert("L").point(lambda level: 255 * (level < 128))
    assert found.tobytes() != lacked.tobytes()
    assert sum(square.tobytes()) / 255 > 200  # a filled square of 17 × 17 pixels
    assert Lettering(24, [tmp_path]).length("字") == pytest.approx(0.7 * 24, abs=1)


def test_a_mark_stays_with_its_letter(tmp_path: Path) -> None:
    tiny_font(tmp_path / "Tiny.ttf", "字")
    letters = Lettering(24, [tmp_path])
    assert letters.length("字\u0301") < letters.length("字") + Lettering(24, []).length("a")
    assert drawn("e\u0301").tobytes() != drawn("e").tobytes()


def test_an_upright_font_is_chosen_before_its_sisters(tmp_path: Path) -> None:
    for name, width in (("A-Bold.ttf", 900), ("B-Italic.ttf", 800), ("C.ttf", 700)):
        tiny_font(tmp_path / name, "字", width)
    assert Lettering(24, [tmp_path]).length("字") == pytest.approx(0.7 * 24, abs=1)
