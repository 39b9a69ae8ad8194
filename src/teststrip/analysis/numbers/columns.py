"""Plain columns in, a dense block layout out: prompts × replicates × cells.

Takes a dict of lists or a data frame. Knows no store, no picture and no engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.sentences import phrases
from teststrip.errors import UsageError
from teststrip.records import NO_ROW, Axis, LevelRef


class Columns(Protocol):
    """A dict of lists, a pandas DataFrame or another object that gives a column by its name."""

    def __getitem__(self, name: Any, /) -> Any: ...
    def __contains__(self, name: Any, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Factor:
    """An axis as the analysis sees it: labels and perhaps numbers, but no settings.

    Attributes:
        name: of the column.
        labels: of the levels, in order.
        numbers: the levels as numbers, all different; None when they are words.
    """

    name: str
    labels: tuple[str, ...]
    numbers: tuple[float, ...] | None

    @property
    def rising(self) -> list[int]:
        """The indices of the levels from the lowest number up; of words as they are."""
        order = list(range(len(self.labels)))
        return order if self.numbers is None else sorted(order, key=self.numbers.__getitem__)


@dataclass(frozen=True)
class Layout:
    """Who stands where: prompts × replicates × cells, and for each place which row of the columns it is.

    Attributes:
        prompts: as found, in order of appearance.
        replicates: as found, in order of appearance.
        factors: the axes.
        cells: one level index an axis; only combinations that occur, in order of the axes.
        row: [P, R, C] index of the row in the columns; -1 = no such row.
        reasons: [P, R, C] why a row has no picture, or None.
    """

    prompts: tuple[str, ...]
    replicates: tuple[str, ...]
    factors: tuple[Factor, ...]
    cells: tuple[tuple[int, ...], ...]
    row: NDArray[np.intp]
    reasons: NDArray[np.object_]

    def level(self, axis: int, index: int) -> LevelRef:
        """A level of an axis, as contrasts name it."""
        factor = self.factors[axis]
        return LevelRef(factor.name, index, factor.labels[index])

    def levels(self, cell: int) -> tuple[LevelRef, ...]:
        """The level of a cell on each axis."""
        return tuple(self.level(axis, index) for axis, index in enumerate(self.cells[cell]))

    def label(self, cell: int) -> str:
        """A cell in words: "guidance_scale 7, num_inference_steps 50"."""
        return phrases.setting(self.levels(cell), str)

    def spoken(self, cell: int) -> str:
        """A cell as people say it: "guidance 7, steps 50"."""
        return phrases.setting(self.levels(cell))

    def grid(self, axes: Sequence[int]) -> NDArray[np.intp]:
        """Cell index [M, K]: K = combinations of the levels of `axes`, M = of all other axes; -1 = left out."""
        # Kept, because every contrast asks and 600 levels of one axis are compared in 179,700 pairs.
        kept = self._grids.get(tuple(axes))
        if kept is None:
            kept = self._grids[tuple(axes)] = self._grid(axes)
        return kept

    @cached_property
    def _grids(self) -> dict[tuple[int, ...], NDArray[np.intp]]:
        return {}

    def _grid(self, axes: Sequence[int]) -> NDArray[np.intp]:
        others = [i for i in range(len(self.factors)) if i not in axes]
        place = {cell: i for i, cell in enumerate(self.cells)}
        inner = list(product(*(range(len(self.factors[i].labels)) for i in axes)))
        outer = list(product(*(range(len(self.factors[i].labels)) for i in others)))
        found = np.full((len(outer), len(inner)), -1, dtype=np.intp)
        for m, fixed in enumerate(outer):
            for k, varied in enumerate(inner):
                cell = [0] * len(self.factors)
                for i, level in zip([*others, *axes], [*fixed, *varied], strict=True):
                    cell[i] = level
                found[m, k] = place.get(tuple(cell), -1)
        found.setflags(write=False)
        return found

    def values(self, column: Iterable[Any], name: str = "value") -> Array:
        """A column as [P, R, C]; NaN where there is no row, no value, or no finite number.

        Raises:
            UsageError: something in the column is not a number.
        """
        flat = np.array([_number(value, name, i) for i, value in enumerate(column)] + [math.nan])
        found: Array = flat[self.row]
        found[~np.isfinite(found)] = math.nan
        return found


def read(
    columns: Columns,
    axes: Sequence[str | Axis],
    *,
    prompt: str = "prompt",
    replicate: str | None = "replicate",
    missing: str | None = "missing",
) -> Layout:
    """Find the layout in plain columns.

    Args:
        columns: one entry an image (or a missing image) in each column. Where an `Axis` has a column of the indices of
            its levels (`Axis.level_column`), that column counts, since two levels may look alike as numbers.
        axes: names of columns, or `Axis` records where order and labels should be the study's.
        prompt: the column of blocks.
        replicate: the column that pairs seeds across cells; None or absent = number them in order within a cell.
        missing: the column of reasons for missing pictures (None, NaN or "" = there is one); need not exist.

    Raises:
        UsageError: a column is absent, has an empty entry, or two rows stand in one place.
    """
    blocks = [_word(value, prompt, i) for i, value in enumerate(_column(columns, prompt))]
    factors, levels = [], []
    for axis in axes:
        factor, indices = _factor(columns, axis)
        factors.append(factor)
        levels.append(indices)
    for factor, indices in zip(factors, levels, strict=True):
        if len(indices) != len(blocks):
            raise UsageError(f"column {factor.name!r} has {len(indices)} entries, column {prompt!r} {len(blocks)}")
    places = list(zip(*levels, strict=True)) if levels else [()] * len(blocks)
    cells = tuple(sorted(set(places)))
    repeats = _replicates(columns, replicate, blocks, places)
    prompts, seeds = tuple(dict.fromkeys(blocks)), tuple(dict.fromkeys(repeats))
    by_prompt, by_seed, by_cell = ({v: i for i, v in enumerate(vs)} for vs in (prompts, seeds, cells))
    row = np.full((len(prompts), len(seeds), len(cells)), -1, dtype=np.intp)
    for i, (block, repeat, cell) in enumerate(zip(blocks, repeats, places, strict=True)):
        place = by_prompt[block], by_seed[repeat], by_cell[cell]
        if row[place] >= 0:
            raise UsageError(
                f"rows {row[place]} and {i} stand in one place (prompt {block!r}, replicate {repeat}). "
                "Name every axis that varies, or leave `replicate` out to have the rows numbered"
            )
        row[place] = i
    texts = list(columns[missing]) if missing is not None and missing in columns else [None] * len(blocks)
    reasons = np.array([_reason(text) for text in texts] + [NO_ROW], dtype=object)[row]
    return Layout(prompts, seeds, tuple(factors), cells, row, reasons)


def _column(columns: Columns, name: str) -> list[Any]:
    if name not in columns:
        known = ", ".join(map(str, columns)) if isinstance(columns, Iterable) else "unknown"
        raise UsageError(f"no column {name!r}. There are: {known}")
    return list(columns[name])


def _factor(columns: Columns, axis: str | Axis) -> tuple[Factor, list[int]]:
    """An axis, and the index of the level of each row."""
    name = axis if isinstance(axis, str) else axis.name
    values = _column(columns, name)
    words = [_word(value, name, i) for i, value in enumerate(values)]
    if isinstance(axis, Axis):
        return Factor(name, axis.labels, axis.numbers), _indices(columns, axis, values, words)
    if all(_is_number(value) for value in values):
        numbers = tuple(sorted({float(value) for value in values}))
        index = {number: i for i, number in enumerate(numbers)}
        return Factor(name, _labels(numbers), numbers), [index[float(value)] for value in values]
    labels = tuple(dict.fromkeys(words))
    place = {label: i for i, label in enumerate(labels)}
    return Factor(name, labels, None), [place[word] for word in words]


def _indices(columns: Columns, axis: Axis, values: Sequence[Any], words: Sequence[str]) -> list[int]:
    """The level of each row: by its index, else by its very number, else by its label or its number in 12 digits."""
    if axis.level_column in columns:
        return [int(index) for index in _column(columns, axis.level_column)]
    numbers = axis.numbers or ()
    by_number = {number: i for i, number in enumerate(numbers)}
    by_word = {_text(number): i for i, number in enumerate(numbers)} | {label: i for i, label in enumerate(axis.labels)}
    found = []
    for value, word in zip(values, words, strict=True):
        index = by_number.get(float(value)) if _is_number(value) else None
        index = by_word.get(word) if index is None else index
        if index is None:
            raise UsageError(f"column {axis.name!r} holds {word!r}, which is no level of the axis: {axis.labels}")
        found.append(index)
    return found


def _labels(numbers: Sequence[float]) -> tuple[str, ...]:
    """Each number in 12 digits; in all its digits where another one would look the same."""
    short = [_text(number) for number in numbers]
    return tuple(repr(n) if short.count(text) > 1 else text for n, text in zip(numbers, short, strict=True))


def _replicates(
    columns: Columns, name: str | None, blocks: Sequence[str], places: Sequence[tuple[int, ...]]
) -> list[str]:
    if name is not None and name in columns:
        return [_word(value, name, i) for i, value in enumerate(_column(columns, name))]
    seen: dict[tuple[str, tuple[int, ...]], int] = {}
    repeats = []
    for place in zip(blocks, places, strict=True):
        seen[place] = seen.get(place, -1) + 1
        repeats.append(str(seen[place]))
    return repeats


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return f"{float(value):.12g}" if _is_number(value) else str(value)


def _word(value: Any, name: str, row: int) -> str:
    if value is None or value != value:
        raise UsageError(f"column {name!r}, row {row}: empty. Every row needs its {name}")
    return _text(value)


def _reason(value: Any) -> str | None:
    return None if value is None or value != value or value == "" else str(value)


def _number(value: Any, name: str, row: int) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"column {name!r}, row {row}: {value!r} is not a number") from None
