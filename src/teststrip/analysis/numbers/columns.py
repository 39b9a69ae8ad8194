"""Plain columns in, a dense block design out: prompts × replicates × cells.

Takes a dict of lists, a data frame, anything that gives a column by name. Knows no store, no picture and no engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teststrip.errors import UsageError
from teststrip.records import Axis
from teststrip.vocabulary import spoken

Array = NDArray[np.float64]


class Columns(Protocol):
    """A dict of lists or a pandas DataFrame: whatever gives a column by its name."""

    def __getitem__(self, name: Any, /) -> Any: ...
    def __contains__(self, name: Any, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Factor:
    """An axis as the analysis sees it: labels and perhaps numbers, but no settings.

    Attributes:
        name: of the column. labels: of the levels, in order.
        numbers: the levels as numbers; None when they are words.
    """

    name: str
    labels: tuple[str, ...]
    numbers: tuple[float, ...] | None


@dataclass(frozen=True)
class Design:
    """Who stands where: prompts × replicates × cells, and for each place which row of the columns it is.

    Attributes:
        prompts, replicates: as found, in order of appearance.
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

    def label(self, cell: int) -> str:
        """A cell in words: "guidance_scale 7, num_inference_steps 50"."""
        pairs = zip(self.factors, self.cells[cell], strict=True)
        return ", ".join(f"{factor.name} {factor.labels[level]}" for factor, level in pairs) or "the only setting"

    def spoken(self, cell: int) -> str:
        """A cell as people say it: "guidance 7, steps 50"."""
        pairs = zip(self.factors, self.cells[cell], strict=True)
        return (
            ", ".join(f"{spoken(factor.name)} {factor.labels[level]}" for factor, level in pairs) or "the only setting"
        )

    def grid(self, axes: Sequence[int]) -> NDArray[np.intp]:
        """Cell index [M, K]: K = combinations of the levels of `axes`, M = of all other axes; -1 = left out."""
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
) -> Design:
    """Find the design in plain columns.

    Args:
        columns: one entry an image (or a missing image) in each column.
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
    reasons = np.array([_reason(text) for text in texts] + ["no row"], dtype=object)[row]
    return Design(prompts, seeds, tuple(factors), cells, row, reasons)


def _column(columns: Columns, name: str) -> list[Any]:
    if name not in columns:
        known = ", ".join(map(str, columns)) if isinstance(columns, Iterable) else "unknown"
        raise UsageError(f"no column {name!r}. There are: {known}")
    return list(columns[name])


def _factor(columns: Columns, axis: str | Axis) -> tuple[Factor, list[int]]:
    name = axis if isinstance(axis, str) else axis.name
    values = _column(columns, name)
    words = [_word(value, name, i) for i, value in enumerate(values)]
    if isinstance(axis, Axis):
        # A column may hold the labels or the numbers themselves; both mean the level.
        known = {label: i for i, label in enumerate(axis.labels)}
        known |= {_text(number): i for i, number in enumerate(axis.numbers or ())}
        unknown = next((word for word in words if word not in known), None)
        if unknown is not None:
            raise UsageError(f"column {name!r} holds {unknown!r}, which is no level of the axis: {axis.labels}")
        return Factor(name, axis.labels, axis.numbers), [known[word] for word in words]
    numeric = all(isinstance(v, int | float | np.integer | np.floating) and not isinstance(v, bool) for v in values)
    if numeric:
        numbers = tuple(sorted({float(value) for value in values}))
        index = {number: i for i, number in enumerate(numbers)}
        return Factor(name, tuple(map(_text, numbers)), numbers), [index[float(value)] for value in values]
    labels = tuple(dict.fromkeys(words))
    place = {label: i for i, label in enumerate(labels)}
    return Factor(name, labels, None), [place[word] for word in words]


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


def _text(value: Any) -> str:
    is_number = isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)
    return f"{float(value):.12g}" if is_number else str(value)


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
