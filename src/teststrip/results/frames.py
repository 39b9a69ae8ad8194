"""What a study found, as tables: a record a finding, a record a setting. For frames, spreadsheets and papers.

Numbers stay numbers and words stay words; another room writes the tables down. Knows columns and records; no store.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.kinds import cells
from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.sentences.phrases import plus_minus
from teststrip.records import Axis, Card, Estimate, Finding, LevelRef, Value

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


@dataclass(frozen=True, slots=True)
class Cell:
    """A setting and what became of it.

    Attributes:
        levels: of each axis its value where the axis is a setting, else its label.
        labels: of each axis the level as people write it.
        scores: each score's mean over prompts, with the 95 % interval to compare settings by.
        seconds: the median of a picture; NaN = unknown.
        calls: the median number of denoiser calls of a picture; NaN = unknown.
        images: how many there are.
    """

    levels: Mapping[str, Value]
    labels: tuple[str, ...]
    scores: Mapping[str, Estimate]
    seconds: float
    calls: float
    images: int

    def record(self) -> dict[str, Value]:
        """The setting as one row of a table: `clip_score`, `clip_score_low`, `clip_score_high`, and so on."""
        means = {name: (one.mean, one.low, one.high) for name, one in self.scores.items()}
        ends = ("", "_low", "_high")
        return {
            **self.levels,
            "images": self.images,
            "seconds_median": self.seconds,
            "denoiser_calls_median": self.calls,
            **{name + end: value for name, values in means.items() for end, value in zip(ends, values, strict=True)},
        }


def settings(table: columns.Columns, axes: Sequence[Axis], cards: Mapping[str, Card]) -> list[Cell]:
    """All settings, in the order of the plan."""
    layout = columns.read(table, axes)
    values = {name: layout.values(table[name], name) for name in (*cards, "seconds", "denoiser_calls") if name in table}
    scores = {name: cells.estimates(values[name], layout) for name in cards if name in table}
    seconds, calls = _medians(values["seconds"]), _medians(values["denoiser_calls"])
    images = (~np.isnan(values["seconds"])).sum(axis=(0, 1))
    return [
        Cell(
            levels=dict(map(_level, axes, layout.levels(c))),
            labels=tuple(level.label for level in layout.levels(c)),
            scores={name: points[c] for name, points in scores.items()},
            seconds=seconds[c],
            calls=calls[c],
            images=int(images[c]),
        )
        for c in range(len(layout.cells))
    ]


def mean(score: Estimate) -> str:
    """A mean with half its interval."""
    return plus_minus(score.mean, score.low, score.high)


def _level(axis: Axis, level: LevelRef) -> tuple[str, Value]:
    own = axis.levels[level.index].sets
    return axis.name, own[axis.name] if axis.kind in ("setting", "option") else level.label


def _medians(values: Array) -> list[float]:
    """The median over all pictures of each cell, of [prompts, replicates, cells]."""
    flat = values.reshape(-1, values.shape[-1]).T
    return [float(np.median(known)) if (known := row[~np.isnan(row)]).size else math.nan for row in flat]
