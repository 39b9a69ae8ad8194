"""Which samplers of some cells draw fresh noise at each step; `vocabulary` knows their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teststrip import vocabulary
from teststrip.analysis.numbers.columns import Layout
from teststrip.records import Axis, Value


def drawn(layout: Layout, cells: Sequence[int], noise: Sequence[str | None]) -> set[str]:
    """The noisy samplers of all pictures in these cells; none where a picture has none."""
    found = {noise[int(row)] for row in layout.row[..., cells].ravel() if row >= 0}
    names = {name for name in found if name is not None}
    return names if all(names) else set()


def named(layout: Layout, cells: Sequence[int], axes: Sequence[str | Axis], fixed: Mapping[str, Value]) -> set[str]:
    """The noisy samplers that the settings of all these cells name; none where a cell has none."""
    names = set()
    for cell in cells:
        merged = dict(fixed)
        for i, level in enumerate(layout.cells[cell]):
            axis = axes[i] if i < len(axes) else ""
            merged |= (
                axis.levels[level].settings
                if isinstance(axis, Axis)
                else {layout.factors[i].name: layout.factors[i].labels[level]}
            )
        names.add(vocabulary.noise(merged))
    return names if all(names) else set()
