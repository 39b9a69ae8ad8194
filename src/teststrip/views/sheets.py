"""Contact sheets of a result: labelled grids, one below the other as a PNG or one a page as a PDF.

Which rows lie where is `rows.grid`; how one grid is drawn is `pictures.sheet`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip.errors import UsageError, among
from teststrip.pictures import sheet as drawing
from teststrip.records import Row
from teststrip.rows import grid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from teststrip.results import Result

MOST_PIXELS = 120_000_000  # of one contact sheet: about what viewers still open


def contact_sheet(
    result: Result,
    suffix: str = ".png",
    *,
    rows: str | None = None,
    columns: str | None = None,
    sections: str | None = grid.PROMPT,
    pick: str = "median",
    metric: str | None = None,
    side: int = 128,
    where: Mapping[str, object] | None = None,
) -> bytes:
    """Labelled grids, one below the other (.png) or one a page (.pdf).

    Args:
        result: finished or not; cells without an image stay empty.
        suffix: ".png" or ".pdf".
        rows, columns: two of the axes, "prompt", "replicate" or "seed"; default the second and the first axis.
        sections: a grid for each level of this; None = one grid. Left out when it is among rows and columns.
        pick: which image of a cell: median, best or worst by `metric`, or the first.
        metric: default the study's first metric.
        side: pixels of a cell's longer edge.
        where: keeps only rows with these values, as `rows.grid.wanted` reads them.

    Raises:
        UsageError: an unknown axis, metric, pick or suffix; nothing to show; too large for one picture.
    """
    if suffix not in (".png", ".pdf"):
        raise UsageError(f"contact-sheet: {suffix or 'no suffix'} is neither .png nor .pdf. Name the file so")
    axes = grid.varied(result.study)
    columns = columns or (axes[0] if axes else grid.REPLICATE)
    rows = rows or next((axis for axis in axes if axis != columns), grid.PROMPT)
    sections = None if sections in (rows, columns) else sections
    shown = _picked(result, [*([sections] if sections else []), rows, columns], pick, metric, where or {})
    parts = grid.cells(shown, [sections]) if sections else {(result.study.name,): shown}
    sheets = [_sheet(result, part, rows, columns, side, title) for (title,), part in parts.items()]
    stream = io.BytesIO()
    if suffix == ".pdf":
        sheets[0].save(stream, "PDF", save_all=True, append_images=sheets[1:], resolution=96, title=result.study.name)
    else:
        _stacked(sheets).save(stream, "PNG")
    return stream.getvalue()


def _picked(
    result: Result, dimensions: Sequence[str], pick: str, metric: str | None, where: Mapping[str, object]
) -> list[Row]:
    """One row with an image for each cell of the sheet, in the order of the plan."""
    how = grid.checked_pick(pick)
    rows = grid.wanted(result.rows(), where)
    names = list(dict.fromkeys([*result.study.question.metrics, *(name for row in rows for name in row.scores)]))
    metric = metric or next(iter(names), None)
    if metric is not None and metric not in names:
        raise UsageError(f"no score {metric!r}{among(metric, names, 'There are')}")
    card = result.cards.get(metric or "")
    better = card.higher_is_better if card else None
    return [grid.pick(own, how, metric, higher_is_better=better) for own in grid.cells(rows, dimensions).values()]


def _sheet(result: Result, shown: Sequence[Row], rows: str, columns: str, side: int, title: str) -> Picture:
    """One grid under its title."""
    cells = {
        (grid.label(row.planned, rows), grid.label(row.planned, columns)): result.store.shown(row.image)
        for row in shown
        if row.image is not None
    }
    down, across = (grid.labels(result.study, shown, dimension) for dimension in (rows, columns))
    return drawing.titled(title, drawing.sheet(cells, down=down, across=across, titles=(rows, columns), side=side))


def _stacked(sheets: Sequence[Picture]) -> Picture:
    """The sheets one below the other."""
    from PIL import Image

    width, height = max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"contact-sheet: {width} × {height} pixels are too many for one PNG. Write a .pdf, or use `where` or `side`"
        )
    whole = Image.new("RGB", (width, height), drawing.PAPER)
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole
