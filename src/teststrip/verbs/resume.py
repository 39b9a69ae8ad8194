"""How a stopped run goes on: the shots that are done under today's fingerprints, and the command that resumes."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from teststrip.analysis.sentences.phrases import count
from teststrip.errors import StoreError
from teststrip.folder import LEDGER_FILE
from teststrip.plan import Plan
from teststrip.protocols import Executor
from teststrip.records import Cell, Fingerprint, Planned
from teststrip.servers import NOT_ASKED
from teststrip.store import Store, rows

RECIPE = "recipe"


def fingerprints(plan: Plan, executor: Executor) -> dict[Cell, Fingerprint]:
    """What would answer each cell today. One shot a cell is enough, because prompt and seed change no fingerprint."""
    return {cell: executor.fingerprint(plan.first(cell).shot) for cell in plan.cells}


def finished(plan: Plan, executor: Executor, store: Store, *, allow_mixed: bool) -> tuple[set[str], str]:
    """Which shots are done.

    Returns:
        The ids of planned shots that need not be made again, because they have an image under today's fingerprint.
        Shots that an earlier version of the study planned are not among them. Then a sentence on the shots that are
        made again because their engine had another recipe; "" when there are none.

    Raises:
        StoreError: the study has images under another fingerprint, by more than its recipe, and `allow_mixed` is False.
    """
    everything = store.done()
    planned = {shot for shot in plan.ids() if shot in everything} if everything else set()
    if not planned:
        return set(), ""
    today = fingerprints(plan, executor)
    made = current(plan, store, today)
    if made >= planned or allow_mixed:
        return planned, ""
    stale = [_Stale(one, today[one.cell], was) for one, was in _others(plan, store, planned - made)]
    if foreign := [one for one in stale if one.changed != [RECIPE]]:
        raise StoreError(_mixed_message(store, foreign))
    return made & planned, _again_message(plan, stale)


def current(plan: Plan, store: Store, today: Mapping[Cell, Fingerprint]) -> set[str]:
    """The ids of planned shots that have an image under the fingerprint that their cell has today."""
    by_answer = {answer: store.done({answer}) for answer in {one.id for one in today.values()}}
    return {shot for cell, shot in plan.placed() if shot in by_answer[today[cell].id]}


def believed(store: Store, today: Mapping[Cell, Fingerprint]) -> dict[Cell, Fingerprint]:
    """Fingerprints of engines that have not asked their server, each as the folder's last picture of its kind had it.

    A plan asks no server, so what the server would say is believed to be what it said.
    """
    known = list(store.fingerprints().values())
    found: dict[str, Fingerprint] = {}
    for one in today.values():
        asked = {name: fact for name, fact in one.facts.items() if name != NOT_ASKED}
        alike = [was for was in known if NOT_ASKED in one.facts and asked.items() <= was.facts.items()]
        found[one.id] = alike[-1] if alike else one
    return {cell: found[one.id] for cell, one in today.items()}


def again(
    study: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    trackers: Sequence[str] = (),
    allow_mixed: bool = False,
    retry: bool = False,
    pay_again: bool = False,
    without_failing: bool = False,
    executor: str | None = None,
) -> str:
    """The command that goes on with a run that was stopped.

    >>> again(Path("my study.toml"), overrides=["replicates=2"])
    "teststrip run 'my study.toml' --set replicates=2"
    """
    words = ["teststrip", "run", str(study), *(["--out", str(out)] if out else [])]
    words += [word for pair in overrides for word in ("--set", pair)]
    words += [word for name in trackers for word in ("--tracker", name)]
    words += ["--allow-mixed"] * allow_mixed + ["--retry"] * retry + ["--pay-again"] * pay_again
    words += ["--without-failing"] * without_failing
    words += ["--executor", executor] if executor else []
    return shlex.join(words)


@dataclass(frozen=True, slots=True)
class _Stale:
    """A planned shot whose image something else answered.

    Attributes:
        planned: the shot.
        now: what would answer it today.
        was: what answered it.
    """

    planned: Planned
    now: Fingerprint
    was: Fingerprint

    @property
    def changed(self) -> list[str]:
        """The facts that differ."""
        old, new = self.was.facts, self.now.facts
        return [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _others(plan: Plan, store: Store, ids: Container[str]) -> Iterator[tuple[Planned, Fingerprint]]:
    """These shots of the plan, each with what answered it last."""
    images, known = store.images(), store.fingerprints()
    for one in plan:
        if one.shot.id in ids:
            answered_by = images[one.shot.id][-1].fingerprint_id
            if answered_by not in known:
                remedy = rows.REBUILD.format(folder=store.folder)
                raise StoreError(
                    f"{store.folder}: {LEDGER_FILE} is damaged: it does not say what made its pictures. {remedy}"
                )
            yield one, known[answered_by]


def _mixed_message(store: Store, stale: Sequence[_Stale]) -> str:
    first = stale[0]
    keys = [key for key in first.changed if key != RECIPE]
    changed = [f"{key} was {first.was.facts.get(key)!r}, is {first.now.facts.get(key)!r}" for key in keys]
    were = "was" if len(stale) == 1 else "were"
    return (
        f"{store.folder}: {count(len(stale), 'image')} of this study {were} answered by something else: "
        f"{'; '.join(changed[:4])}. "
        "Name a new folder with --out, or keep both with --allow-mixed"
    )


def _again_message(plan: Plan, stale: Sequence[_Stale]) -> str:
    recipe = stale[0].now.facts.get(RECIPE)
    why = plan.why_again(stale[0].planned.cell, recipe if isinstance(recipe, int) else 1)
    are = "is" if len(stale) == 1 else "are"
    reason = why or "their engine asks its model in another way now"
    return f"{count(len(stale), 'image')} of this study {are} made again, because {reason}."
