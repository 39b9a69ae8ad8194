"""A study without the settings that cannot be made. The study file in the folder then says what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from teststrip.errors import StudyError
from teststrip.records import Axis, Cell, LevelRef, Study

Rule = tuple[tuple[str, str], ...]
"""Levels, (axis name, label) each: it means all cells that have every one of them."""


def rules(cells: Sequence[Cell], failing: Collection[Cell]) -> list[Rule]:
    """The fewest levels in each other's company that mean the failing cells and no others.

    >>> four = [Cell((("model", m), ("steps", s))) for m in "ab" for s in "12"]
    >>> rules(four, {four[0], four[1]}), rules(four, {four[3]})
    ([(('model', 'a'),)], [(('model', 'b'), ('steps', '2'))])
    """
    found: list[Rule] = []
    covered: set[Cell] = set()
    for size in range(len(cells[0].levels) + 1 if cells else 0):
        left = [cell for cell in cells if cell in failing and cell not in covered]
        if not left:
            break
        every = Counter(rule for cell in cells for rule in combinations(cell.levels, size))
        bad = Counter(rule for cell in failing for rule in combinations(cell.levels, size))
        for cell in left:
            for rule in combinations(cell.levels, size):
                if cell not in covered and bad[rule] == every[rule]:
                    found.append(rule)
                    covered.update(one for one in failing if set(rule) <= set(one.levels))
    return found


def without(study: Study, cells: Sequence[Cell], failing: Collection[Cell]) -> Study:
    """The study without its failing cells: a level is taken out where it fails everywhere, else it is excluded.

    Args:
        study: as asked.
        cells: all cells of its plan.
        failing: those that cannot be made.

    Raises:
        StudyError: nothing is left.
    """
    apart = rules(cells, failing)
    if () in apart:
        raise StudyError(f"{study.name}: none of its settings can be made. Change the model or the settings")
    gone = {rule[0] for rule in apart if len(rule) == 1}
    excluded = tuple({axis: (label,) for axis, label in rule} for rule in apart if len(rule) > 1)
    kept = tuple(filter(None, (_without(rule, gone) for rule in study.exclusions)))
    axes = tuple(_left(axis, gone) for axis in study.axes)
    used = next((axis.labels for axis in axes if axis.kind == "engine"), tuple(study.engines))
    return replace(
        study,
        question=replace(study.question, known_bad=_bad(study.question.known_bad, axes)),
        axes=axes,
        exclusions=(*kept, *excluded),
        engines={alias: ref for alias, ref in study.engines.items() if alias in used},
    )


def _bad(
    asked: tuple[tuple[LevelRef, ...], ...] | None, axes: Sequence[Axis]
) -> tuple[tuple[LevelRef, ...], ...] | None:
    """The levels known to be bad that are left, where a good one is left beside them."""
    if asked is None:
        return None
    labels = {axis.name: axis.labels for axis in axes}
    here = [levels for levels in asked if all(one.label in labels[one.axis] for one in levels)]
    alone = Counter(levels[0].axis for levels in here if len(levels) == 1)
    none_good = {axis for axis, known in labels.items() if len(known) in (1, alone[axis])}
    return tuple(
        tuple(replace(one, index=labels[one.axis].index(one.label)) for one in levels)
        for levels in here
        if not any(one.axis in none_good for one in levels)
    )


def _left(axis: Axis, gone: Collection[tuple[str, str]]) -> Axis:
    return replace(axis, levels=tuple(level for level in axis.levels if (axis.name, level.label) not in gone))


def _without(rule: Mapping[str, tuple[str, ...]], gone: Collection[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """An exclusion without the levels that are gone; empty where it means none that are left."""
    left = {axis: tuple(label for label in labels if (axis, label) not in gone) for axis, labels in rule.items()}
    return left if all(left.values()) else {}
