"""Pictures of another size than was asked for: rounded to the model's grid, or one side alone that was not heeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from teststrip.records import Axis, OtherSize, Row, Study

SIDES = ("width", "height")


def other_sizes(study: Study, rows: Iterable[Row]) -> tuple[OtherSize, ...]:
    """Each kind of picture whose size is not the one that was asked for.

    Args:
        study: what was asked.
        rows: places of the design; a row without a picture does not count.
    """
    asking = [axis for axis in study.axes if axis.kind != "word"]
    found: Counter[OtherSize] = Counter()
    for row in rows:
        if row.image is None:
            continue
        asked = (_side(row, "width"), _side(row, "height"))
        made = (row.image.width, row.image.height)
        missed = {name for name, a, b in zip(SIDES, asked, made, strict=True) if a is not None and a != b}
        if missed:
            levels = tuple((axis.name, row.planned.cell[axis.name]) for axis in asking if _asks(axis, row, missed))
            found[OtherSize(asked, made, 0, levels)] += 1
    return tuple(replace(one, images=images) for one, images in found.items())


def _side(row: Row, name: str) -> int | None:
    value = row.planned.shot.settings.get(name)
    return int(value) if isinstance(value, int | float) else None


def _asks(axis: Axis, row: Row, missed: set[str]) -> bool:
    """Whether the row's level on an axis sets a side that was missed."""
    label = row.planned.cell[axis.name]
    return any(level.label == label and missed & level.settings.keys() for level in axis.levels)
