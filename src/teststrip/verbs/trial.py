"""What cannot be made, found out before anything long begins: by rehearsal without weights, and by a picture a level.

A rehearsal asks each cell's engine, in a second. A trial makes one picture of few steps for each level and throws it
away: it meets the level's own weights, sizes and words. What fails is said with its level. It is left out only where a
user says so, and then the study file in the folder leaves it out, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from teststrip import plan as planning
from teststrip import study as studies
from teststrip.errors import StudyError
from teststrip.executors.local import LocalExecutor
from teststrip.plan import Plan
from teststrip.protocols import Rehearses
from teststrip.records import Axis, Cell, Failure, Study
from teststrip.stacks import STACKED

WEIGHTS = frozenset({"model", "revision", *STACKED})
"""Settings whose levels are tried last, because each may load a model of its own."""

MINUTE = 60.0
"""Seconds after which the trial of a run begins no further picture."""

WORTH = 20
"""A run begins with a trial where it has so many images to make for each picture of the trial."""

LEAVE_OUT = "Change the study, or leave that out with --without-failing"

STOP = "Ctrl-C stops it, --without-failing leaves it out"

Failing = Mapping[Cell, str]
"""The cells that cannot be made, each with why."""


def sound(
    study: Study, *, attempt: bool = False, without_failing: bool = False, ask: bool = False
) -> tuple[Study, tuple[str, ...]]:
    """The study, when all of it can be made as far as can be known; without what cannot where the user wants that.

    Args:
        study: as asked.
        attempt: whether a picture of each level is made.
        without_failing: whether what fails is left out, instead of an error.
        ask: whether engines that have a server ask it what it has.

    Returns:
        The study, and a sentence on each thing that was left out.

    Raises:
        StudyError: something of the study cannot be made.
    """
    plan = planning.of(study)
    with LocalExecutor() as executor:
        if ask:
            executor.open(map(plan.engine, plan.cells))
        failing = rehearsed(plan, executor, check=without_failing)
        if attempt:
            left = [cell for cell in plan.cells if cell not in failing]
            failing = {**failing, **attempted(plan, left, executor)}
    if not failing:
        return study, ()
    lines = tuple(told(plan.cells, failing))
    if not without_failing:
        raise StudyError(f"{study.name}: this cannot be made: {'; '.join(lines)}. {LEAVE_OUT}")
    return studies.without(study, plan.cells, failing), lines


def rehearsed(plan: Plan, executor: LocalExecutor, *, check: bool = False) -> dict[Cell, str]:
    """The cells that an engine knows it cannot make, without weights.

    Args:
        plan: of the study.
        executor: opens the engines.
        check: whether engines also check the settings, because the study was read without that.
    """
    found: dict[Cell, str] = {}
    for cell in plan.cells:
        if check or isinstance(executor.engine(plan.engine(cell)), Rehearses):
            shot = plan.first(cell).shot
            if why := (executor.check(shot) if check else "") or executor.rehearse(shot):
                found[cell] = why
    return found


def attempted(
    plan: Plan, cells: Sequence[Cell], executor: LocalExecutor, *, stop: Callable[[], bool] = lambda: False
) -> dict[Cell, str]:
    """The cells that cannot be made, found out by a picture of each level among them.

    One cell that works is found first; each level is then tried in the company of that cell's other levels, so that a
    failure is the level's own.

    Args:
        plan: of the study.
        cells: those whose levels are tried.
        executor: opens the engines.
        stop: asked before each picture; True ends the trial.
    """
    failing: dict[Cell, str] = {}
    there = set(cells)
    base = None
    for cell in _diagonal(plan.study.axes, cells):
        if stop():
            return failing
        if not (why := _fails(plan, cell, executor)):
            base = dict(cell.levels)
            break
        failing[cell] = why
    if base is None:
        whys = set(failing.values())
        return dict.fromkeys(cells, whys.pop()) if len(whys) == 1 else failing
    for axis in sorted(plan.study.axes, key=_loads):
        for label in axis.labels:
            pair = (axis.name, label)
            alike = [cell for cell in cells if pair in cell.levels]
            if stop() or not alike or label == base[axis.name]:
                continue
            beside = Cell(tuple((name, label if name == axis.name else base[name]) for name, _ in alike[0].levels))
            cell = beside if beside in there else alike[0]
            if why := failing.get(cell) or _fails(plan, cell, executor):
                failing |= dict.fromkeys(alike if cell == beside else [cell], why)
    return failing


def told(cells: Sequence[Cell], failing: Failing) -> Iterator[str]:
    """A sentence on each reason: the levels that it is about, and why."""
    for why in dict.fromkeys(failing.values()):
        of_this = {cell for cell, reason in failing.items() if reason == why}
        apart = studies.rules(cells, of_this)
        whom = [" with ".join(" ".join(pair) for pair in rule) for rule in apart]
        setting, colon, rest = why.partition(": ")
        named = colon and any(setting == axis for rule in apart for axis, _ in rule)
        yield f"{'; '.join(filter(None, whom)) or 'every setting'}: {(rest if named else why).rstrip('.')}"


def _loads(axis: Axis) -> bool:
    return axis.kind == "engine" or any(level.options or WEIGHTS & level.settings.keys() for level in axis.levels)


def _diagonal(axes: Sequence[Axis], cells: Sequence[Cell]) -> Iterator[Cell]:
    """Cells that share no level with each other; the first cell where there are none such."""
    seen, there = set(), set(cells)
    for i in range(max((len(axis.levels) for axis in axes), default=1)):
        cell = Cell(tuple((axis.name, axis.labels[i % len(axis.labels)]) for axis in axes))
        if cell in there and cell not in seen:
            seen.add(cell)
            yield cell
    if not seen:
        yield from cells[:1]


def _fails(plan: Plan, cell: Cell, executor: LocalExecutor) -> str:
    answer = executor.attempt(plan.first(cell).shot)
    return answer.text if isinstance(answer, Failure) else ""


def warned(
    plan: Plan, done: Collection[str], executor: object, *, left: int, stopped: Callable[[], bool]
) -> Iterator[str]:
    """Sentences on what cannot be made, before a long run: a picture of each level that has none yet, for a minute.

    Args:
        plan: of the study.
        done: ids of the shots that have an image.
        executor: of the run; one that is not of this process makes no trial.
        left: shots that the run will make.
        stopped: whether the user stopped the run.
    """
    proven = {pair for cell in plan.cells if plan.first(cell).shot.id in done for pair in cell.levels}
    cells = [cell for cell in plan.cells if not proven.issuperset(cell.levels)]
    levels = {pair for cell in cells for pair in cell.levels} - proven
    if not isinstance(executor, LocalExecutor) or left < WORTH * max(1, len(levels)):
        return
    until = time.monotonic() + MINUTE
    failing = attempted(plan, cells, executor, stop=lambda: stopped() or time.monotonic() > until)
    for sentence in told(plan.cells, failing):
        yield f"cannot be made: {sentence}. The run goes on: {STOP}"


def left_out(lines: Sequence[str]) -> str:
    """A line on what a user had left out."""
    return f"left out, because it cannot be made: {'; '.join(lines)}"
