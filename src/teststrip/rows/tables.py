"""Rows as tables: columns of one length, for analysis, for spreadsheets and for trackers.

Replicates are counted from 1 in everything that people see, as in `grid`. Knows records only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teststrip import vocabulary
from teststrip.records import MADE_HEIGHT, MADE_WIDTH, NO_ROW, Card, Cell, Row, Study, Value, digest_of
from teststrip.rows import heard

Columns = Mapping[str, Sequence[object]]
"""A table: columns of one length, by their heads."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A cell and what became of it.

    Attributes:
        id: 16 hexadecimal digits of the cell's levels.
        name: the cell's levels in words.
        settings: the cell's level on each axis, and the settings that all its images have in common.
        numbers: images, failures, and for each score the mean over the cell's images, score units.
        digests: of the cell's images, in the order of the plan.
    """

    id: str
    name: str
    settings: Mapping[str, Value]
    numbers: Mapping[str, float]
    digests: tuple[str, ...]


def columns(study: Study, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The table that analysis reads, with one entry a planned shot in every column.

    Columns: `prompt` (its id; of prompts that the model cannot tell apart the id of the first, whose replicates go on),
    `replicate`, `seed`, two for each axis (numbers where the axis is numeric, else labels; and the index of the level,
    since two levels may look alike as numbers), `missing` (None or the reason), `seconds`, `denoiser_calls` (None where
    the engine did not count), `made width` and `made height` (pixels, NaN without a picture), `money` where a picture
    was paid for or the study says what an hour costs, `sampler_noise` (the sampler that drew fresh noise at each step
    of the picture, "" where none is known to, None where there is no picture), and one for each score (NaN where there
    is none). Where pictures still wait for a score, another column says which (`Card.pending_column`).
    """
    names = list(dict.fromkeys([*study.question.metrics, *(name for row in rows for name in row.scores)]))
    places = _places(study, rows)
    table: dict[str, list[Any]] = {
        "prompt": [prompt for prompt, _ in places],
        "replicate": [replicate for _, replicate in places],
        "seed": [row.planned.shot.seed for row in rows],
    }
    for axis in study.axes:
        index = {label: i for i, label in enumerate(axis.labels)}
        values = axis.numbers or axis.labels
        levels = [index[row.planned.cell[axis.name]] for row in rows]
        table[axis.name] = [values[level] for level in levels]
        table[axis.level_column] = levels
    # With seeds that all prompts share, the second of two such prompts has the very pictures of the first.
    again = [study.seeds is not None and replicate >= study.images_each for _, replicate in places]
    table["missing"] = [NO_ROW if twice else missing(row) for row, twice in zip(rows, again, strict=True)]
    table["seconds"] = [row.image.seconds if row.image else math.nan for row in rows]
    table["denoiser_calls"] = [row.image.facts.get("denoiser_calls") if row.image else None for row in rows]
    table[MADE_WIDTH] = [row.image.width if row.image else math.nan for row in rows]
    table[MADE_HEIGHT] = [row.image.height if row.image else math.nan for row in rows]
    money = [_money(row, study.question.price_an_hour) for row in rows]
    if any(math.isfinite(amount) for amount in money):
        table["money"] = money
    table["sampler_noise"] = [
        vocabulary.noise(row.planned.shot.settings, row.image.facts) if row.image else None for row in rows
    ]
    for name in names:
        table[name] = [
            math.nan if twice else float(row.scores.get(name, math.nan)) for row, twice in zip(rows, again, strict=True)
        ]
        pending = [
            int(not twice and row.image is not None and name not in row.scores)
            for row, twice in zip(rows, again, strict=True)
        ]
        if any(pending):
            table[Card(name).pending_column] = pending
    return table


def _places(study: Study, rows: Sequence[Row]) -> list[tuple[str, int]]:
    """The block and the replicate of each row. What the model cannot tell apart is one block with more replicates."""
    twins = heard.twins(rows)
    order: dict[str, int] = {}
    for prompt in study.prompts:
        if prompt.id in twins:
            first = twins[prompt.id]
            order[prompt.id] = 1 + sum(twins.get(other) == first for other in order)
    each = study.images_each
    return [
        (twins.get(name := row.planned.prompt.id, name), row.planned.replicate + each * order.get(name, 0))
        for row in rows
    ]


def records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """One record an image: settings, seed, seconds, every score, digest, and the path below the study folder."""
    rows = list(rows)
    varied = _varied(rows)
    return [
        {
            "prompt_id": row.planned.prompt.id,
            "replicate": row.planned.replicate + 1,
            **dict(row.planned.cell.levels),
            **{name: row.planned.shot.engine.options.get(name) for name in varied},
            **row.planned.shot.settings,
            "seconds": image.seconds,
            "denoiser_calls": image.facts.get("denoiser_calls"),
            **row.scores,
            "digest": image.digest,
            "path": image.path,
            "fingerprint": image.fingerprint_id,
        }
        for row in rows
        if (image := row.image) is not None
    ]


def images(rows: Sequence[Row]) -> dict[str, list[object]]:
    """A table with a line for each place of the design: prompt, replicate, settings, image or failure, scores."""
    settings = dict.fromkeys(name for row in rows for name in row.planned.shot.settings)
    axes = rows[0].planned.cell.levels if rows else ()
    scores = dict.fromkeys(name for row in rows for name in row.scores)
    return {
        "prompt id": [row.planned.prompt.id for row in rows],
        "replicate": [row.planned.replicate + 1 for row in rows],
        **{name: [row.planned.cell[name] for row in rows] for name, _ in axes},
        **{name: [row.planned.shot.engine.options.get(name) for row in rows] for name in _varied(rows)},
        **{name: [row.planned.shot.settings.get(name) for row in rows] for name in settings},
        "missing": [missing(row) for row in rows],
        "seconds": [row.image.seconds if row.image else None for row in rows],
        "denoiser_calls": [row.image.facts.get("denoiser_calls") if row.image else None for row in rows],
        **{name: [row.scores.get(name) for row in rows] for name in scores},
        "digest": [row.image.digest if row.image else None for row in rows],
        "fingerprint": [row.image.fingerprint_id if row.image else None for row in rows],
    }


def arms(rows: Iterable[Row]) -> Iterator[Arm]:
    """Each cell, in the order of the plan."""
    cells: dict[Cell, list[Row]] = {}
    rows = list(rows)
    varied = _varied(rows)
    for row in rows:
        cells.setdefault(row.planned.cell, []).append(row)
    for cell, own in cells.items():
        shots = [row.planned.shot.settings for row in own]
        shared = {
            name: value
            for name, value in shots[0].items()
            if name not in ("prompt", "seed") and all(shot.get(name) == value for shot in shots)
        }
        yield Arm(
            id=digest_of(cell.levels)[:16],
            name=str(cell),
            settings={
                **dict(cell.levels),
                **{name: own[0].planned.shot.engine.options.get(name) for name in varied},
                **shared,
            },
            numbers=_numbers(own),
            digests=tuple(row.image.digest for row in own if row.image),
        )


def _varied(rows: Iterable[Row]) -> tuple[str, ...]:
    """The options of engines that axes of the study set, in which these rows differ."""
    engines = (row.planned.shot.engine for row in rows)
    options = [one.options for one in {id(engine): engine for engine in engines if engine.alternates}.values()]
    names = dict.fromkeys(name for one in options for name in one)
    return tuple(name for name in names if any(one.get(name) != options[0].get(name) for one in options))


def settings(rows: Iterable[Row]) -> dict[str, list[object]]:
    """A table with a line for each cell, with its means."""
    every = list(arms(rows))
    heads = dict.fromkeys(name for arm in every for name in arm.settings)
    numbers = dict.fromkeys(name for arm in every for name in arm.numbers)
    return {
        **{name: [arm.settings.get(name) for arm in every] for name in heads},
        **{name: [arm.numbers.get(name) for arm in every] for name in numbers},
    }


def counts(rows: Iterable[Row]) -> tuple[int, int]:
    """How many rows have an image, and how many a failure."""
    every = list(rows)
    return sum(row.image is not None for row in every), sum(row.failure is not None for row in every)


def missing(row: Row) -> str | None:
    """Why a row has no image; None when it has one."""
    if row.image is not None:
        return None
    return row.failure.reason if row.failure else "not made yet"


def _money(row: Row, price_an_hour: float | None) -> float:
    """The cost of an image in the study's currency: its price, or its share of an hour's cost; NaN = unknown."""
    if row.image is None:
        return math.nan
    paid = row.image.facts.get("price")
    if isinstance(paid, int | float):
        return float(paid)
    return row.image.seconds * price_an_hour / 3600 if price_an_hour else math.nan


def _numbers(rows: Sequence[Row]) -> dict[str, float]:
    made, failures = counts(rows)
    numbers = {"images": float(made), "failures": float(failures)}
    for name in dict.fromkeys(name for row in rows for name in row.scores):
        values = [value for row in rows if math.isfinite(value := row.scores.get(name, math.nan))]
        if values:
            numbers[name] = math.fsum(values) / len(values)
    return numbers
