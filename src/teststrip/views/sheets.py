"""Contact sheets of a result: labelled grids under one heading, as one picture or one grid a page as a PDF.

Which picture a cell shows is `rows.choice`; which rows lie where is `rows.grid`; how a sheet is drawn is
`pictures.sheet`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip.analysis.sentences.phrases import count
from teststrip.errors import UsageError
from teststrip.pictures import sheet as drawing
from teststrip.records import Row, Study
from teststrip.results import grids
from teststrip.rows import choice, grid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from teststrip.results import Result

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""The kinds of picture by suffix, as Pillow names them. JPEG and WebP are for sheets that would be too large as PNG."""

LONGEST = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels of an edge that a format can hold; PNG holds more than `pictures.sheet` draws."""

WIDEST = 16_000
"""Pixels of a grid's columns; more of them go on below. Viewers, browsers and WebP hold edges of 16,383."""

DESCRIPTION = 0x010E
"""The Exif tag ImageDescription."""


def contact_sheet(
    result: Result,
    suffix: str = ".png",
    *,
    rows: str | None = None,
    columns: str | None = None,
    sections: str | None = grid.PROMPT,
    pick: str = "typical",
    metric: str | None = None,
    side: int = 128,
    where: Mapping[str, object] | None = None,
) -> bytes:
    """Labelled grids under one heading (.png, .jpg, .webp), or one a page (.pdf).

    Args:
        result: finished or not; cells without an image stay empty.
        suffix: ".png", ".jpg", ".webp" or ".pdf".
        rows, columns: two of the axes, "prompt", "replicate" or "seed"; default the second and the first axis.
        sections: a grid for each level of this; None = one grid. Left out when it is among rows and columns.
        pick: which image of a cell: that of the prompt's typical seed by `metric`, so that all cells of a prompt show
            one seed; the median, best or worst by `metric`; or the first.
        metric: default the first of the question that is better when higher, as on the page.
        side: pixels of a cell's longer edge.
        where: keeps only rows with these values, as `rows.grid.wanted` reads them.

    Raises:
        UsageError: an unknown axis, metric, pick or suffix; nothing to show; too large for one picture.
    """
    suffix = suffix.lower()
    if suffix not in PICTURES and suffix != ".pdf":
        raise UsageError(
            f"contact-sheet: {suffix or 'no suffix'} is none of .png, .jpg, .webp and .pdf. Name the file so"
        )
    axes = grid.varied(result.study)
    columns = columns or (axes[0] if axes else grid.REPLICATE)
    rows = rows or next((axis for axis in axes if axis != columns), grid.PROMPT)
    parts = [] if sections is None or sections in (rows, columns) else [sections]
    everything = result.rows()
    chosen = choice.choice(result.study, everything, result.cards, how=pick, metric=metric)
    cells = grid.cells(grid.wanted(everything, where or {}), [*parts, rows, columns])
    shown = [chosen.of(own) for own in cells.values()]
    sheets = [
        drawing.titled(
            _heading(parts, own[0], chosen),
            grids.drawn(result.study, result.store, band, rows=rows, columns=columns, side=side),
        )
        for own in grid.cells(shown, parts).values()
        for band in bands(result.study, own, columns, side)
    ]
    seeds = "" if _apart(parts, rows, columns) else chosen.said(shown)
    about = " · ".join(part for part in (_size(result.study, everything), seeds) if part)
    together = [[sheet] for sheet in sheets] if suffix == ".pdf" else [sheets]
    first, *others = (drawing.headed(result.study.name, about, some) for some in together)
    if suffix != ".pdf":
        return encoded(first, PICTURES[suffix], result.study.name, about)
    stream = io.BytesIO()
    said = {"title": result.study.name, "subject": about}
    first.save(stream, "PDF", save_all=True, append_images=others, resolution=96, **said)
    return stream.getvalue()


def encoded(sheet: Picture, kind: str, title: str, about: str) -> bytes:
    """A sheet as a file that says what it shows: a PNG in its texts, the others as Exif.

    Raises:
        UsageError: an edge is longer than the format can hold.
    """
    stream = io.BytesIO()
    if kind == "PNG":
        sheet.save(stream, kind, pnginfo=drawing.texts({"Title": title, "Description": about}))
        return stream.getvalue()
    if max(sheet.size) > LONGEST[kind]:
        raise UsageError(
            f"contact-sheet: {sheet.width} × {sheet.height} pixels are too many for {kind}, which holds "
            f"{LONGEST[kind]:,} an edge. Write a .png or a .pdf, or use `side`"
        )
    exif = sheet.getexif()
    exif[DESCRIPTION] = f"{title}: {about.replace(' · ', '; ')}"  # this tag holds ASCII
    sheet.save(stream, kind, quality=90, exif=exif)
    return stream.getvalue()


def bands(study: Study, shown: Sequence[Row], columns: str, side: int) -> list[list[Row]]:
    """The rows of a grid in parts that are about equally wide, none wider than WIDEST."""
    labels = grid.labels(study, shown, columns)
    parts = math.ceil(len(labels) / (WIDEST // (side + drawing.GAP)))
    found: list[list[Row]] = [[] for _ in range(parts)]
    place = {label: n * parts // len(labels) for n, label in enumerate(labels)}
    for row in shown:
        found[place[grid.label(row.planned, columns)]].append(row)
    return found


def _apart(parts: Sequence[str], rows: str, columns: str) -> bool:
    """Whether each cell has one seed, so that none is chosen."""
    return bool({grid.REPLICATE, grid.SEED}.intersection((*parts, rows, columns)))


def _heading(parts: Sequence[str], row: Row, chosen: choice.Choice) -> str:
    """What stands over a grid: the level of its section, and its seed where grids show different ones."""
    if not parts:
        return ""
    (section,) = parts
    seed = chosen.named(row.planned.prompt.id) if section in (grid.PROMPT, grid.PROMPT_ID) else ""
    return grid.named(section, grid.label(row.planned, section)) + (f" · {seed}" if seed else "")


def _size(study: Study, rows: Sequence[Row]) -> str:
    """The size of a study in words. The font of a sheet has no "×", which the page writes."""
    seeds = study.images_each
    counts = {"prompt": len(study.prompts), "seed": seeds, "setting": len({row.planned.cell for row in rows})}
    return ", ".join(count(number, word) for word, number in counts.items())
