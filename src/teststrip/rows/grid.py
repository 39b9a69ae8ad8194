"""Rows laid out in a grid: a row's label on a dimension, the rows that are wanted, the row that stands for a cell.

A *dimension* is an axis of the study, the prompt, the replicate or the seed. Notebook, contact sheets and trackers all
ask here, and the page follows the same rules (`assets/board.js`, `assets/numbers.js`): replicates are counted from 1,
and of several pictures in a cell the median is the lower middle one. Draws nothing, because `pictures.sheet` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from teststrip.errors import UsageError, among
from teststrip.records import Planned, Row, Study

PROMPT, PROMPT_ID, REPLICATE, SEED = "prompt", "prompt id", "replicate", "seed"

Pick = Literal["median", "best", "worst", "first"]
PICKS: tuple[Pick, ...] = get_args(Pick)


def label(planned: Planned, dimension: str) -> str:
    """The label of a planned shot on a dimension: a level's label, the prompt's text, or a number.

    Raises:
        UsageError: the study has no such dimension.
    """
    labels = dict(planned.cell.levels)
    if dimension in labels:
        return labels[dimension]
    if dimension == PROMPT:
        return planned.prompt.text
    if dimension == PROMPT_ID:
        return planned.prompt.id
    if dimension == REPLICATE:
        return str(planned.replicate + 1)
    if dimension == SEED:
        return str(planned.shot.seed)
    known = [*labels, PROMPT, REPLICATE, SEED]
    raise UsageError(f"no axis {dimension!r}{among(dimension, known, 'There are')}")


def labels(study: Study, rows: Iterable[Row], dimension: str) -> list[str]:
    """The labels that occur among rows: those of an axis in the order of the study, others in the order of rows."""
    found = dict.fromkeys(label(row.planned, dimension) for row in rows)
    order = next((axis.labels for axis in study.axes if axis.name == dimension), tuple(found))
    return [one for one in order if one in found]


def varied(study: Study) -> tuple[str, ...]:
    """The axes of more than one level, in the order of the study."""
    return tuple(axis.name for axis in study.axes if len(axis.levels) > 1)


def wanted(rows: Iterable[Row], where: Mapping[str, object]) -> list[Row]:
    """The rows that have a picture and lie at these places.

    Args:
        rows: of a study.
        where: what is kept, by dimension: a level's label or its value, a prompt's id or its text, a replicate from 1.

    Raises:
        UsageError: a dimension is unknown, or no picture lies there.
    """
    kept = [row for row in rows if row.image and all(_lies_at(row.planned, name, where[name]) for name in where)]
    if not kept:
        raise UsageError("no image fits. Loosen `where`, or run the study first")
    return kept


def _lies_at(planned: Planned, dimension: str, value: object) -> bool:
    if str(value) == label(planned, dimension):
        return True
    if dimension == PROMPT:
        return str(value) == planned.prompt.id
    return dimension in dict(planned.cell.levels) and planned.shot.settings.get(dimension) == value


def pick(rows: Sequence[Row], how: Pick, metric: str | None, *, higher_is_better: bool | None = None) -> Row:
    """The row that stands for a cell.

    Args:
        rows: of one cell, each with a picture, in the order of the plan.
        how: "first", or "median", "best" or "worst" by the metric among the rows that have the score.
        metric: the score to choose by. Without a metric, or where no row has the score, the first row is chosen.
        higher_is_better: of the metric; None is taken as True.
    """
    scored = [row for row in rows if metric is not None and math.isfinite(row.scores.get(metric, math.nan))]
    if how == "first" or metric is None or not scored:
        return rows[0]
    ranked = sorted(scored, key=lambda row: -row.scores[metric] if higher_is_better is False else row.scores[metric])
    return {"best": ranked[-1], "worst": ranked[0]}.get(how, ranked[(len(ranked) - 1) // 2])


def cells(rows: Iterable[Row], dimensions: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by their labels on these dimensions, in the order of the plan."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(label(row.planned, dimension) for dimension in dimensions), []).append(row)
    return found


def checked_pick(how: str) -> Pick:
    """The pick that a person wrote.

    Raises:
        UsageError: there is no such pick.
    """
    for known in PICKS:
        if how == known:
            return known
    raise UsageError(f"unknown pick {how!r}{among(how, PICKS, 'There are')}")
