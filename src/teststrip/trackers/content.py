"""What trackers show of a study beside `rows.tables`: its design, findings, sheets, pictures; and a tracker's folder.

All of it follows from the study and its rows alone, so it is the same whenever a tracker is notified. Knows records,
pictures and the doors of the study folder, and no tracker.
"""

from __future__ import annotations

import io
import json
import math
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from teststrip import pictures
from teststrip.errors import PictureError, StoreError
from teststrip.folder import TRACKERS
from teststrip.pictures.sheet import sheet
from teststrip.records import Finding, Image, Row, Study, Value
from teststrip.rows import grid, seeds
from teststrip.store import files, inside

MOST_REPLICATES = 16
"""Lines of a contact sheet where the replicates run down."""

MOST_PIXELS = 20 * 10**6
"""Of a contact sheet, about: 4500 x 4500. Browsers show no more than some ten thousand pixels a side."""

_IS_ID = re.compile("[0-9a-f]{32}")
_MOST_BYTES = 4096  # of the file with the id
_ID = "account.json"  # so called since the first version, whose folders must be found again
_OF_A_FINDING = (
    *("kind", "metric", "axis", "scope", "contrast", "verdict", "effect", "low", "high", "unit", "margin", "p"),
    *("prompts", "images", "sentence", "method"),
)


def lasting_id(folder: Path) -> str:
    """32 random hexadecimal digits that stay with a tracker's folder, made when first asked for."""
    try:
        found = json.loads(inside.read(folder, _ID, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        found = None
    known = found.get("id") if isinstance(found, dict) else None
    # The id becomes a part of names and questions to a server, and the folder may be a stranger's.
    if isinstance(known, str) and _IS_ID.fullmatch(known):
        return known
    made = uuid.uuid4().hex
    folder.mkdir(parents=True, exist_ok=True)
    inside.write(folder, _ID, json.dumps({"id": made}))
    return made


def own_folder(folder: Path, name: str) -> Path:
    """The folder of a tracker inside the study's, made where it is missing; what leads out of it is removed.

    Returns:
        its absolute path.

    Raises:
        StoreError: the tracker's folder, or the one it lies in, is a link.
    """
    path = f"{TRACKERS}/{name}"
    inside.cut(folder, path)
    return inside.make(folder, path).resolve()


def about(study: Study) -> dict[str, Value]:
    """The design of a study, in a few words each."""
    return {
        "study": study.name,
        "engines": ", ".join(sorted({ref.name for ref in study.engines.values()})),
        "prompts": len(study.prompts),
        "replicates": study.replicates,
        **{f"axis {axis.name}": ", ".join(axis.labels) for axis in study.axes},
        **{name: value for name, value in study.settings.items() if name != "prompt"},
    }


def findings(found: Sequence[Finding]) -> dict[str, list[object]]:
    """A table of the conclusions: one line each."""
    return {name: [getattr(finding, name) for finding in found] for name in _OF_A_FINDING}


def thumbnail(
    folder: Path, image: Image | None, side: int, form: Literal["WEBP", "PNG", "JPEG"] = "WEBP"
) -> bytes | None:
    """A small copy of an image, without the record inside.

    Args:
        folder: of the study.
        image: as the study has it.
        side: pixels of the longer edge, at most.
        form: of the copy.

    Returns:
        The bytes; None where there is no image, or its file is missing or damaged.
    """
    if image is None:
        return None
    try:
        return pictures.thumbnail(files.read_whole(folder, image.path), side, form)
    except (StoreError, PictureError):
        return None


def grids(study: Study, rows: Iterable[Row], folder: Path, side: int) -> Iterator[tuple[str, bytes]]:
    """A contact sheet for each prompt. All cells show the prompt's typical seed by the study's first score.

    At most MOST_REPLICATES replicates have a line. Where axes are long, the pictures are smaller.

    Args:
        study: its first axis runs across and its second down; without a second, the replicates do.
        rows: of the study.
        folder: of the study.
        side: pixels of a picture.

    Returns:
        Pairs of a prompt's id and a PNG.
    """
    across, down = [*grid.varied(study), grid.REPLICATE, grid.PROMPT][:2]
    rows = list(rows)
    scored = (name for name in study.question.metrics if any(name in row.scores for row in rows))
    typical = seeds.typical(rows, next(scored, None))
    for (prompt, _), own in grid.cells((row for row in rows if row.image), (grid.PROMPT_ID, grid.PROMPT)).items():
        columns, lines = _places(study, across, own), _places(study, down, own)
        smaller = max(16, min(side, math.isqrt(MOST_PIXELS // (len(columns) * len(lines)))))
        heads = [dict(zip(labels, grid.short(labels), strict=True)) for labels in (lines, columns)]
        cells = {
            (heads[0][line], heads[1][column]): data
            for (line, column), found in grid.cells(own, (down, across)).items()
            if line in lines
            and column in columns
            and (data := _first_sound(grid.preferred(found, typical), folder, smaller))
        }
        titles = grid.title(down), grid.title(across)
        drawn = sheet(cells, down=list(heads[0].values()), across=list(heads[1].values()), titles=titles, side=smaller)
        stream = io.BytesIO()
        drawn.save(stream, "PNG")
        yield prompt, stream.getvalue()


def _places(study: Study, dimension: str, rows: Sequence[Row]) -> list[str]:
    """The labels of a line of cells: all that the study has, so that every sheet has the same places."""
    if dimension == grid.REPLICATE:
        return [str(n + 1) for n in range(min(study.replicates, MOST_REPLICATES))]
    axis = next((axis for axis in study.axes if axis.name == dimension), None)
    return list(axis.labels) if axis else grid.labels(study, rows, dimension)


def _first_sound(rows: Sequence[Row], folder: Path, side: int) -> bytes | None:
    """The first picture that can be read, made smaller; a cell whose files are all damaged stays empty paper."""
    return next((small for row in rows if (small := thumbnail(folder, row.image, side, "PNG"))), None)
