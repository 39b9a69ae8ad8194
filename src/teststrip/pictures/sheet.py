"""A contact sheet: labelled grids of pictures under a heading, as one picture. Knows Pillow; nothing of studies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip.errors import PictureError, UsageError
from teststrip.pictures.lettering import Lettering
from teststrip.pictures.pixels import decode

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.PngImagePlugin import PngInfo

INK = (28, 27, 25)
PAPER = (251, 250, 248)
QUIET = (120, 116, 110)
GAP = 6
LINE = 15
UNREADABLE = "cannot be read"
MOST_LINES = 3  # of a column's label
TALL = 2  # a sheet this many times as high as wide shows its grids two abreast
MOST_PIXELS = 120_000_000  # of one contact sheet: about what viewers still open
_INSIDE = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[/\\_-])(?=\w)"
    r"|(?<=[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60])(?=\w)"
)
"""A word may be broken before a capital; after a stroke, a hyphen, an underscore, or a sign of Chinese or kana."""


def sheet(
    cells: Mapping[tuple[str, str], bytes],
    *,
    down: Sequence[str],
    across: Sequence[str],
    titles: tuple[str, str],
    side: int = 128,
) -> Picture:
    """Draw a grid.

    Args:
        cells: encoded pictures by (row label, column label). The place of a missing one stays empty, and one that
            cannot be decoded is said to be so.
        down: the row labels in order.
        across: the column labels in order.
        titles: what the rows and the columns are.
        side: pixels of a cell.

    Returns:
        an RGB picture: a margin with the row labels, wrapped, and a line of column labels over the cells.
    """
    from PIL import Image, ImageDraw

    letters = Lettering(12)
    margin = int(min(190, max(letters.length(_folded(label)) + 20 for label in [titles[0], *down])))
    heads = [_fitted(letters, label, side, MOST_LINES) for label in across]
    top = (1 + max((len(lines) for lines in heads), default=1)) * LINE + 14
    size = (margin + len(across) * (side + GAP) + GAP, top + len(down) * (side + GAP) + GAP)
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    letters.draw(draw, (margin + GAP, 6), _folded(titles[1]), QUIET)
    letters.draw(draw, (8, top - LINE - 3), _cut(letters, titles[0], margin - 12), QUIET)
    for x, lines in enumerate(heads):
        for n, line in enumerate(reversed(lines)):
            letters.draw(draw, (margin + GAP + x * (side + GAP), top - (n + 1) * LINE - 3), line, INK)
    for y, row in enumerate(down):
        edge = top + GAP + y * (side + GAP)
        for n, line in enumerate(_fitted(letters, row, margin - 16, max(1, side // LINE))):
            letters.draw(draw, (8, edge + n * LINE), line, INK)
        for x, column in enumerate(across):
            data = cells.get((row, column))
            if data is None:
                continue
            left = margin + GAP + x * (side + GAP)
            try:
                tile = Image.fromarray(decode(data))
            except PictureError:
                letters.draw(draw, (left, edge), _cut(letters, UNREADABLE, side), QUIET)
                continue
            scale = side / max(tile.size)
            size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
            picture.paste(tile.resize(size, Image.Resampling.LANCZOS), (left, edge))
    return picture


def titled(title: str, grid: Picture) -> Picture:
    """A grid under its title, which is wrapped to the grid's width; the grid alone where the title is empty."""
    if not title:
        return grid
    from PIL import Image, ImageDraw

    letters = Lettering(16)
    lines = _wrapped(letters, title, grid.width - 20)
    whole = Image.new("RGB", (grid.width, grid.height + 14 + 20 * len(lines)), PAPER)
    draw = ImageDraw.Draw(whole)
    for n, line in enumerate(lines):
        letters.draw(draw, (8, 10 + 20 * n), line, INK)
    whole.paste(grid, (0, 14 + 20 * len(lines)))
    return whole


def headed(title: str, about: str, grids: Sequence[Picture]) -> Picture:
    """Grids under one heading: one below the other, or two abreast where that would be a long strip.

    Args:
        title: the first line, large.
        about: what the grids show, wrapped to their width.
        grids: in the order of reading.

    Raises:
        UsageError: too large for one picture.
    """
    from PIL import Image, ImageDraw

    width = max(grid.width for grid in grids)
    abreast = 2 if len(grids) > 1 and sum(grid.height for grid in grids) > TALL * width else 1
    bands = [grids[n : n + abreast] for n in range(0, len(grids), abreast)]
    heading = []
    top = 10
    for text, size, ink in ((title, 20, INK), (about, 13, QUIET)):
        letters = Lettering(size)
        for line in _wrapped(letters, text, width * abreast - 16):
            heading.append((top, line, ink, letters))
            top += size + 6
    height = top + 8 + sum(max(grid.height for grid in band) for band in bands)
    if width * abreast * height > MOST_PIXELS:
        raise UsageError(
            f"contact-sheet: {width * abreast} × {height} pixels are too many for one picture. Write a .pdf, or use "
            "`where` or `side`"
        )
    whole = Image.new("RGB", (width * abreast, height), PAPER)
    draw = ImageDraw.Draw(whole)
    for at, line, ink, letters in heading:
        letters.draw(draw, (8, at), line, ink)
    top += 8
    for band in bands:
        bottom = top + max(grid.height for grid in band)
        for n, grid in enumerate(band):
            # Titles of one and of two lines stand beside one another, so the grids below them begin at one height.
            whole.paste(grid, (n * width, bottom - grid.height))
        top = bottom
    return whole


def texts(said: Mapping[str, str]) -> PngInfo:
    """Texts that a PNG file carries, by keyword."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for keyword, text in said.items():
        info.add_itxt(keyword, text)
    return info


def _folded(text: str) -> str:
    """The text in one line: a line break is a space, as in `_cut` and `_wrapped`."""
    return " ".join(text.split())


def _cut(letters: Lettering, text: str, width: int) -> str:
    """The text, shortened in the middle to fit a width in pixels, because long names differ at their ends."""
    text = _folded(text)
    if letters.length(text) <= width:
        return text
    kept = len(text) - 1
    while kept > 0 and letters.length(_without_middle(text, kept)) > width:
        kept -= 1
    return _without_middle(text, kept) if kept else ""


def _without_middle(text: str, kept: int) -> str:
    """
    >>> _without_middle("photorealism-00020", 8)
    'phot…0020'
    """
    return f"{text[: kept - kept // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"


def _fitted(letters: Lettering, text: str, width: int, most: int) -> list[str]:
    """The text in so many lines at most; of a longer one the first and the last lines."""
    lines = _wrapped(letters, text, width)
    if len(lines) <= most:
        return lines
    last = lines[len(lines) - (most - 1) :] if most > 1 else []
    return [_cut(letters, " ".join(lines[: len(lines) - len(last)]), width), *last]


def _wrapped(letters: Lettering, text: str, width: int) -> list[str]:
    """The text in lines that fit a width in pixels; names and paths are broken between their parts."""
    lines = [""]
    for word in text.split():
        for n, piece in enumerate(_INSIDE.split(word)):
            longer = f"{lines[-1]}{'' if n else ' '}{piece}".strip()
            if letters.length(longer) <= width or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(piece)
    return [_cut(letters, line, width) for line in lines]
