"""What a study found, as tables: a record a finding, a record a setting. For frames, spreadsheets and papers.

Numbers stay numbers and words stay words; another room writes the tables down. Knows
columns and records; no store.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from teststrip.analysis.kinds import cells
from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.arrays import Array
from teststrip.records import Axis, Card, Finding, LevelRef, Value

FIELDS = (
    "metric",
    "axis",
    "kind",
    "scope",
    "leads",
    "contrast",
    "effect",
    "low",
    "high",
    "level",
    "margin",
    "unit",
    "p",
    "verdict",
    "outcome",
    "prompts",
    "seeds",
    "images",
    "sentence",
)
"""The fields of a finding that are one number or one text each, as `records.Finding` has them."""


def findings(found: Iterable[Finding]) -> list[dict[str, object]]:
    """One record a finding, in their order: FIELDS."""
    return [{name: getattr(one, name) for name in FIELDS} for one in found]


def settings(
    table: columns.Columns, axes: Sequence[Axis], cards: Mapping[str, Card]
) -> list[dict[str, str | int | float | bool | None]]:
    """One record a setting, in the order of the plan.

    It holds the level on each axis (its value where the axis is a setting, else its label), `images`, the medians
    `seconds_median` and `denoiser_calls_median` (NaN = unknown), and for each score its mean and the 95 % interval to
    compare settings by: `clip_score`, `clip_score_low`, `clip_score_high`.
    """
    layout = columns.read(table, axes)
    names = [name for name in cards if name in table]
    estimates = {name: cells.estimates(layout.values(table[name], name), layout) for name in names}
    medians = {
        name: _medians(layout.values(table[name], name)) for name in ("seconds", "denoiser_calls") if name in table
    }
    seen = ~np.isnan(layout.values(table["seconds"], "seconds"))
    found = []
    for c in range(len(layout.cells)):
        record: dict[str, str | int | float | bool | None] = dict(map(_level, axes, layout.levels(c)))
        record["images"] = int(seen[..., c].sum())
        record |= {f"{name}_median": values[c] for name, values in medians.items()}
        for name, points in estimates.items():
            point = points[c]
            record |= {name: point.mean, f"{name}_low": point.low, f"{name}_high": point.high}
        found.append(record)
    return found


def _level(axis: Axis, level: LevelRef) -> tuple[str, Value]:
    own = axis.levels[level.index].settings
    return axis.name, own[axis.name] if axis.kind == "setting" else level.label


def _medians(values: Array) -> list[float]:
    """The median over all pictures of each cell, of [prompts, replicates, cells]."""
    flat = values.reshape(-1, values.shape[-1]).T
    return [float(np.median(known)) if (known := row[~np.isnan(row)]).size else math.nan for row in flat]
