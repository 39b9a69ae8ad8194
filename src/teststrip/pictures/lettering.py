"""Letters of every script on a picture: each character in a font that has it.

DejaVu Sans is shipped and has Latin, Greek, Cyrillic, Arabic, Hebrew, mathematics and more. For what it lacks (Chinese,
Japanese, Korean, Devanagari, ...) the fonts of this machine are searched, once for a character. Knows Pillow and
fontTools; nothing of sheets.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Draw
    from PIL.ImageFont import FreeTypeFont

SHIPPED = Path(str(resources.files("teststrip.pictures") / "fonts" / "DejaVuSans.ttf"))
ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
JOINS = ("Mn", "Me", "Mc", "Cf")
"""Categories of characters that belong to the one before them: accents, vowel signs, joiners, selectors."""
UNUSUAL = re.compile(r"bold|italic|oblique|light|thin|black|condensed|narrow|mono|serif", re.IGNORECASE)
OUTLINES = {"glyf", "CFF ", "CFF2"}
"""Tables of a font that can be drawn at any size; a font of bitmaps has none of them."""


class Lettering:
    """Draws text of one size.

    Args:
        size: pixels of the line.
        folders: where fonts are searched for what the shipped one lacks; None = where this system keeps them.
    """

    def __init__(self, size: int, folders: Sequence[Path] | None = None) -> None:
        self._size = size
        self._folders = tuple(system_folders() if folders is None else folders)

    def length(self, text: str) -> float:
        """The width of a line in pixels."""
        return sum(font.getlength(run) for run, font in self._runs(text))

    def draw(self, on: Draw, at: tuple[float, float], text: str, ink: tuple[int, int, int]) -> None:
        """Draw a line, its upper left corner at a place. What no font has is an empty box."""
        left, top = at
        base = top + _font(SHIPPED, self._size).getmetrics()[0]
        for run, font in self._runs(text):
            on.text((left, base), run, fill=ink, font=font, anchor="ls")
            left += font.getlength(run)

    def _runs(self, text: str) -> Iterator[tuple[str, FreeTypeFont]]:
        """The text in pieces, each with the font that draws it. A mark stays in the piece of its letter."""
        start, used = 0, SHIPPED
        for n, character in enumerate(text):
            joins = n > 0 and unicodedata.category(character) in JOINS
            face = used if joins or covers(used, character) else self._face(character)
            if face != used:
                if n > start:
                    yield text[start:n], _font(used, self._size)
                start, used = n, face
        if text[start:]:
            yield text[start:], _font(used, self._size)

    def _face(self, character: str) -> Path:
        if covers(SHIPPED, character):
            return SHIPPED
        return _found(character, self._folders) or SHIPPED


def covers(face: Path, character: str) -> bool:
    """Whether a font has a character."""
    return ord(character) in _characters(face)


def system_folders() -> list[Path]:
    """Where this system and its user keep fonts."""
    home = Path("~").expanduser()
    if sys.platform == "win32":
        own = Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft" / "Windows" / "Fonts"
        return [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts", own]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local" / "share" / "fonts",
        home / ".fonts",
    ]


@lru_cache(maxsize=4096)
def _found(character: str, folders: tuple[Path, ...]) -> Path | None:
    """The first font with the character, upright sans before all others."""
    return next((face for face in _faces(folders) if covers(face, character)), None)


@lru_cache
def _faces(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    files = [
        Path(place, name)
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS)
    ]
    ordered = sorted(files, key=lambda file: (len(UNUSUAL.findall(file.name)), file.name, str(file)))
    return tuple(ordered)


@lru_cache(maxsize=1024)
def _characters(face: Path) -> frozenset[int]:
    """The code points that a font has; none where the file is damaged or its letters are bitmaps of one size."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with face.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ()) if OUTLINES.intersection(font.keys()) else frozenset()
    except (TTLibError, OSError, ValueError, KeyError, AssertionError):
        return frozenset()


@lru_cache(maxsize=256)
def _font(face: Path, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(face), size)
