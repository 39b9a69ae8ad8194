"""Which seed stands for a prompt, and whether a grid shows one seed or several.

A grid should show what a setting does. Where neighbouring cells show different seeds, people see the seed instead,
because a seed changes a picture more than most settings do. So all cells of a prompt show one seed, the typical one.
The page follows the same rules in `assets/seeds.js`. A seed is named by its replicate, which is counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from teststrip.records import Card, Row


def leading(names: Sequence[str], cards: Mapping[str, Card], question: Sequence[str]) -> str | None:
    """The score that pictures are chosen by when a person names none.

    Args:
        names: the scores that there are.
        cards: what is known of them.
        question: the metrics of the study's question, most important first.

    Returns:
        The first score of the question that is better when higher, else the first such score, else the first score;
        None where there is no score.
    """
    ranked = list(dict.fromkeys([*(name for name in question if name in names), *names]))
    good = (name for name in ranked if name in cards and cards[name].higher_is_better is True)
    return next(good, next(iter(ranked), None))


def typical(rows: Iterable[Row], metric: str | None) -> dict[str, int]:
    """The typical seed of each prompt: the one whose score, averaged over all cells of the prompt, is the median.

    Each score counts as its distance from the mean of its cell, so that a seed which lacks a hard cell gains nothing.
    Where no score is missing this ranks the seeds as their plain means do.

    Args:
        rows: of the whole study, in the order of the plan. A part of them may have another typical seed.
        metric: the score to go by.

    Returns:
        The replicate by prompt id, in the order of the prompts in `rows`. Of an even number of seeds the lower middle
        one by score is typical; of equal seeds the first comes first; without any score it is the first seed, 0.
    """
    found: dict[str, dict[int, dict[str, float]]] = {}
    for row in rows:
        seeds = found.setdefault(row.planned.prompt.id, {})
        score = row.scores.get(metric, math.nan) if metric is not None and row.image is not None else math.nan
        if math.isfinite(score):
            seeds.setdefault(row.planned.replicate, {})[str(row.planned.cell)] = score
    return {prompt: _median(seeds) for prompt, seeds in found.items()}


def _median(seeds: Mapping[int, Mapping[str, float]]) -> int:
    """The lower middle seed by its mean distance from the means of the cells."""
    cells: dict[str, list[float]] = {}
    order = sorted(seeds)
    for seed in order:
        for cell, score in seeds[seed].items():
            cells.setdefault(cell, []).append(score)
    centre = {cell: _mean(scores) for cell, scores in cells.items()}
    means = {seed: _mean([score - centre[cell] for cell, score in seeds[seed].items()]) for seed in order}
    ranked = sorted(order, key=lambda seed: means[seed])
    return ranked[(len(ranked) - 1) // 2] if ranked else 0


def _mean(values: Sequence[float]) -> float:
    """The mean by plain addition as on the page, because a compensated `sum` (Python 3.12) may rank another way."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def differ(shown: Iterable[Row]) -> bool:
    """Whether the rows that a grid shows have more than one seed of a prompt."""
    seen: dict[str, int] = {}
    return any(seen.setdefault(row.planned.prompt.id, row.planned.replicate) != row.planned.replicate for row in shown)
