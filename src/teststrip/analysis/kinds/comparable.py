"""Which cells may be compared by a metric: those that agree in what its card says must be equal, as they were made.

A level whose size was asked for and not made is compared with nothing: a finding about it would claim more than there
are pictures for. Knows axes and columns; no scores and no words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.records import MADE_HEIGHT, MADE_WIDTH, Axis, Card, LevelRef

MADE: Mapping[str, str] = {"width": MADE_WIDTH, "height": MADE_HEIGHT}
"""Settings whose made value is known of each picture, and the column that holds it."""


@dataclass(frozen=True)
class Makings:
    """What the cells of a layout were asked for, and what of it was made.

    Attributes:
        layout: who stands where.
        settings: for each cell what its levels set, by name; a size is the made one where there are pictures.
        pictured: the cells with a picture. One without has no score, and so no part in any comparison.
        unmade: (axis, level) by their indices, where a level asks for a size that was not made.
    """

    layout: Layout
    settings: tuple[Mapping[str, object], ...]
    pictured: frozenset[int]
    unmade: frozenset[tuple[int, int]] = frozenset()

    def free(self, card: Card) -> bool:
        """Whether all cells may be compared and were made as they were asked, so that no contrast need be looked at."""
        return not self.unmade and self.alike(self.pictured, card)

    def alike(self, cells: Iterable[int], card: Card) -> bool:
        """Whether the metric may compare these cells: those with a picture agree in what the card wants equal."""
        sorts = self._sorts(card)
        return not sorts or len({sorts[cell] for cell in cells if cell in sorts}) < 2

    def across(self, card: Card) -> tuple[int, ...]:
        """The axes, by their indices, along which the metric compares nothing or not everything."""
        axes = range(len(self.layout.factors))
        return tuple(i for i in axes if not all(self.alike(row, card) for row in self.layout.grid((i,))))

    def allow(self, contrast: WeightedContrast, card: Card) -> bool:
        """Whether a contrast compares only what may be compared, and only levels that were made."""
        grid = self.layout.grid(contrast.axes)
        weighed = grid[:, contrast.weights != 0]
        if self._sorts(card) and not all(self.alike(row, card) for row in (weighed if contrast.alone else grid)):
            return False
        return not self.unmade or not (
            any(self.is_unmade(cell, contrast.axes) for cell in weighed[weighed >= 0])
            or any(self._names_unmade(level) for level in (*contrast.asked.plus, *contrast.asked.minus))
        )

    def _sorts(self, card: Card) -> Mapping[int, tuple[object, ...]]:
        """For each cell with a picture what the card wants equal; empty where that is one for all."""
        known = self._known.get(card.equal)
        if known is None:
            known = {cell: tuple(self.settings[cell].get(name) for name in card.equal) for cell in self.pictured}
            known = self._known[card.equal] = known if len(set(known.values())) > 1 else {}
        return known

    @cached_property
    def _known(self) -> dict[tuple[str, ...], dict[int, tuple[object, ...]]]:
        return {}

    def _names_unmade(self, level: LevelRef) -> bool:
        """Whether a level that a sentence would name was not made; a trend is named by its ends."""
        return any(
            (i, level.index) in self.unmade for i, one in enumerate(self.layout.factors) if one.name == level.axis
        )

    def is_unmade(self, cell: int, axes: Sequence[int] | None = None) -> bool:
        """Whether a level of the cell asks for a size that was not made; on some axes or on all."""
        about = range(len(self.layout.factors)) if axes is None else axes
        return any((i, self.layout.cells[cell][i]) in self.unmade for i in about)

    def made(self, values: Array) -> Array:
        """The values [..., cells] without the cells that were not made as asked."""
        gone = np.array([self.is_unmade(cell) for cell in range(len(self.layout.cells))], dtype=bool)
        return np.where(gone, np.nan, values)


def of(layout: Layout, table: Columns, axes: Sequence[str | Axis]) -> Makings:
    """What the cells were asked for by their levels, and of what size their pictures are."""
    asked = [_asked(layout, axes, cell) for cell in layout.cells]
    sizes = {name: layout.values(table[column], column) for name, column in MADE.items() if column in table}
    found, pictured, unmade = [], set(), set()
    for index, (cell, own) in enumerate(zip(layout.cells, asked, strict=True)):
        made = {name: seen for name, values in sizes.items() if (seen := _seen(values[..., index]))}
        found.append({**own, **made})
        if made or not sizes:
            pictured.add(index)
        unmade |= {
            (i, level)
            for i, level in enumerate(cell)
            for name, value in _of_level(axes[i], layout, i, level).items()
            if name in made and value is not None and made[name] != (value,) and not _is_engine(axes[i])
        }
    return Makings(layout, tuple(found), frozenset(pictured), frozenset(unmade))


def _asked(layout: Layout, axes: Sequence[str | Axis], cell: Sequence[int]) -> dict[str, object]:
    found: dict[str, object] = {}
    for i, level in enumerate(cell):
        for name, value in _of_level(axes[i], layout, i, level).items():
            found[name] = (value,) if name in MADE else value
    return found


def _of_level(axis: str | Axis, layout: Layout, index: int, level: int) -> Mapping[str, object]:
    """What a level sets."""
    if isinstance(axis, Axis):
        return axis.levels[level].sets if axis.kind != "word" else {}
    factor = layout.factors[index]
    return {axis: factor.numbers[level] if factor.numbers else factor.labels[level]}


def _is_engine(axis: str | Axis) -> bool:
    """A level of engines is more than the size that stands in its table, so it is compared as it is."""
    return isinstance(axis, Axis) and axis.kind == "engine"


def _seen(values: Array) -> tuple[float, ...]:
    """The sizes that were seen, rising."""
    return tuple(sorted({float(value) for value in values.ravel() if not math.isnan(value)}))
