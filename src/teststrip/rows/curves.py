"""Scores along the axes of a study, as trackers can draw them: points at whole-numbered steps.

What trackers call a step is an integer that counts up. A level that is a number becomes this number, or ten or a
hundred times as much, so that its curve has the right shape. A level that is a word becomes its place in the study.

Knows records only. A curve shows data and concludes nothing: conclusions pair prompts and seeds (`analysis`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from teststrip.records import Axis, Row, Study

LARGEST_FACTOR = 1_000_000  # a person may write the level 0.000001; more digits come from arithmetic


@dataclass(frozen=True, slots=True)
class Point:
    """One level of an axis.

    Attributes:
        step: where trackers put the level.
        label: of the level.
        x: the level's number, or None.
        mean: over all images of the level that have the score, score units.
        images: the number of these images.
    """

    step: int
    label: str
    x: float | None
    mean: float
    images: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A score along an axis.

    Attributes:
        axis: the axis' name.
        scale: what the steps are: "guidance_scale", "guidance_scale x10", "place of scheduler".
        metric: the score.
        points: the levels that have an image with the score, by rising step.
    """

    axis: str
    scale: str
    metric: str
    points: tuple[Point, ...]


def of(study: Study, rows: Iterable[Row]) -> Iterator[Curve]:
    """A curve for each axis of more than one level and each score, in the order of the study."""
    scored = [row for row in rows if row.image is not None]
    metrics = dict.fromkeys([*study.question.metrics, *(name for row in scored for name in row.scores)])
    for axis in study.axes:
        if len(axis.levels) < 2:
            continue
        steps, scale = _steps(axis)
        for metric in metrics:
            values: dict[str, list[float]] = {label: [] for label in axis.labels}
            for row in scored:
                value = row.scores.get(metric, math.nan)
                if math.isfinite(value):
                    values[row.planned.cell[axis.name]].append(value)
            points = [
                Point(step, label, x, math.fsum(found) / len(found), len(found))
                for step, label, x in zip(steps, axis.labels, axis.numbers or [None] * len(steps), strict=True)
                if (found := values[label])
            ]
            if points:
                yield Curve(axis.name, scale, metric, tuple(sorted(points, key=lambda point: point.step)))


def legend(study: Study) -> dict[str, list[object]]:
    """The level that each step stands for, as columns."""
    steps = [
        (scale, step, label)
        for axis in study.axes
        if len(axis.levels) > 1
        for steps, scale in [_steps(axis)]
        for step, label in zip(steps, axis.labels, strict=True)
    ]
    return {name: [line[n] for line in steps] for n, name in enumerate(("axis", "step", "level"))}


def _steps(axis: Axis) -> tuple[Sequence[int], str]:
    """A whole number for each level, all different, and what these numbers are."""
    factor = 1
    while axis.numbers is not None and factor <= LARGEST_FACTOR:
        scaled = [number * factor for number in axis.numbers]
        steps = [round(number) for number in scaled]
        whole = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(scaled, steps, strict=True))
        if whole and len(set(steps)) == len(steps):
            return steps, axis.name if factor == 1 else f"{axis.name} x{factor}"
        factor *= 10
    return range(1, len(axis.levels) + 1), f"place of {axis.name}"
