"""Rows laid out in a grid: a row's label on a dimension, the rows that are wanted, the row that stands for a cell.

A *dimension* is an axis of the study, the prompt, the replicate or the seed. Notebook, contact sheets and trackers all
ask here, and the page follows the same rules (`assets/seeds.js`, `assets/numbers.js`): replicates are counted from 1,
a cell shows its prompt's typical seed (`rows.seeds`), and of several pictures in a cell the median is the lower middle
one. Draws nothing, because `pictures.sheet` does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from teststrip.errors import UsageError, among
from teststrip.records import Planned, Row, Study
from teststrip.vocabulary import spoken

PROMPT, PROMPT_ID, REPLICATE, SEED = "prompt", "prompt id", "replicate", "seed"

Pick = Literal["typical", "median", "best", "worst", "first"]
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
        return planned.prompt.label
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
        return str(value) in (planned.prompt.id, planned.prompt.text)
    asked = {**planned.shot.engine.options, **planned.shot.settings}
    return dimension in dict(planned.cell.levels) and asked.get(dimension) == value


def pick(
    rows: Sequence[Row],
    how: Pick,
    metric: str | None,
    *,
    higher_is_better: bool | None = None,
    seeds: Mapping[str, int] | None = None,
) -> Row:
    """The row that stands for a cell.

    Args:
        rows: of one cell, each with a picture, in the order of the plan.
        how: "typical", by `preferred`; "first"; or "median", "best" or "worst" by the metric among the rows that have
            the score.
        metric: the score to choose by. Without a metric, or where no row has the score, the first row is chosen.
        higher_is_better: of the metric; None is taken as True.
        seeds: of "typical": the typical seed of each prompt.
    """
    if how == "typical":
        return preferred(rows, seeds or {})[0]
    scored = [row for row in rows if metric is not None and math.isfinite(row.scores.get(metric, math.nan))]
    if how == "first" or metric is None or not scored:
        return rows[0]
    ranked = sorted(scored, key=lambda row: -row.scores[metric] if higher_is_better is False else row.scores[metric])
    return {"best": ranked[-1], "worst": ranked[0]}.get(how, ranked[(len(ranked) - 1) // 2])


def preferred(rows: Sequence[Row], seeds: Mapping[str, int]) -> list[Row]:
    """The rows of a cell, those of a typical seed first; then in the order of prompts and of the plan.

    Args:
        rows: of one cell, in the order of the plan.
        seeds: the typical seed of each prompt, in the order of the prompts.
    """
    order = {prompt: n for n, prompt in enumerate(seeds)}

    def key(row: Row) -> tuple[bool, int]:
        prompt = row.planned.prompt.id
        return seeds.get(prompt) != row.planned.replicate, order.get(prompt, len(order))

    return sorted(rows, key=key)


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


def title(dimension: str) -> str:
    """What people call a dimension, in one or two words.

    >>> title("num_inference_steps"), title("replicate"), title("sampler")
    ('steps', 'seed', 'sampler')
    """
    return {PROMPT_ID: PROMPT, REPLICATE: SEED}.get(dimension) or spoken(dimension)


def named(dimension: str, label: str) -> str:
    """A label with the name of its dimension, as a heading says it; a prompt needs none.

    >>> named("num_inference_steps", "50"), named("prompt", "an owl")
    ('steps 50', 'an owl')
    """
    return label if dimension in (PROMPT, PROMPT_ID) else f"{title(dimension)} {label}"


LONG = 40
"""Characters of a label; when all are shorter, they are shown as they are."""
_PART = re.compile(r"[^/\\\s._-]+[/\\\s._-]*|[/\\\s._-]+")  # a word, or a part of a path, with what follows it


def short(labels: Sequence[str]) -> list[str]:
    """Labels as a narrow column head shows them, as long as all stay different.

    Class names lose "Scheduler". Long labels lose the parts that all begin or end with, but the nearest one, as prompts
    do on the page (`assets/labels.js`).

    >>> short(["DDIMScheduler", "EulerDiscreteScheduler"]), short(["LCM", "LCMScheduler"])
    (['DDIM', 'EulerDiscrete'], ['LCM', 'LCMScheduler'])
    >>> short([f"/home/me/models/lora/sdxl/style/photorealism-epoch-0000{n}0.safetensors" for n in (1, 2)])
    ['…epoch-000010.safetensors', '…epoch-000020.safetensors']
    """
    found = _apart([label.removesuffix("Scheduler") or label if label[:1].isupper() else label for label in labels])
    return found if len(set(found)) == len(set(labels)) else list(labels)


def _apart(labels: Sequence[str]) -> list[str]:
    parts = [_PART.findall(label) for label in labels]
    distinct = list(map(list, {tuple(own) for own in parts}))
    if len(distinct) < 2 or max(map(len, labels)) <= LONG:
        return list(labels)
    first = max(0, _shared(distinct) - 1)
    last = max(0, _shared([own[first + 1 :][::-1] for own in distinct]) - 1)
    return ["".join(["…" if first else "", *own[first : len(own) - last], "…" if last else ""]) for own in parts]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many parts all begin with, one part of each left over."""
    n = 0
    while all(len(own) > n + 1 and own[n] == parts[0][n] for own in parts):
        n += 1
    return n
