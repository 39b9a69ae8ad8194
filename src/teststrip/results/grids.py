"""A grid of a result's pictures, drawn: the labels, titles and pictures that notebook and contact sheets show.

Which pictures are shown is `rows.choice`; how a grid is drawn is `pictures.sheet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from teststrip.pictures.sheet import sheet
from teststrip.records import Row, Study
from teststrip.rows import grid
from teststrip.store import Store

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def drawn(study: Study, store: Store, shown: Sequence[Row], *, rows: str, columns: str, side: int) -> Picture:
    """A labelled grid.

    Args:
        study: for the order of the levels.
        store: has the pictures.
        shown: the row of each cell.
        rows, columns: the dimensions that run down and across.
        side: pixels of a cell's longer edge.
    """
    down, across = (grid.labels(study, shown, dimension) for dimension in (rows, columns))
    heads = [dict(zip(labels, grid.short(labels), strict=True)) for labels in (down, across)]
    cells = {
        (heads[0][grid.label(row.planned, rows)], heads[1][grid.label(row.planned, columns)]): store.shown(row.image)
        for row in shown
        if row.image is not None
    }
    titles = grid.title(rows), grid.title(columns)
    return sheet(cells, down=grid.short(down), across=grid.short(across), titles=titles, side=side)
