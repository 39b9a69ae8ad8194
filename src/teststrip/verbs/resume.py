"""How a stopped run goes on: the shots that are done under today's fingerprints, and the command that resumes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from teststrip.analysis.sentences.phrases import count
from teststrip.errors import StoreError
from teststrip.folder import LEDGER_FILE
from teststrip.plan import Plan
from teststrip.protocols import Executor
from teststrip.records import Cell, Fingerprint, Planned
from teststrip.store import Store, rows

RECIPE = "recipe"
WORDS = {RECIPE: "the way in which Teststrip asks the model (its recipe)"}
FIRST = {RECIPE: 1}
"""The value of a fact in the fingerprints of versions that did not write it yet."""


def fingerprints(plan: Plan, executor: Executor) -> dict[Cell, Fingerprint]:
    """What would answer each cell today. One shot a cell is enough, because prompt and seed change no fingerprint."""
    return {cell: executor.fingerprint(plan.first(cell).shot) for cell in plan.cells}


def finished(plan: Plan, executor: Executor, store: Store, *, allow_mixed: bool) -> set[str]:
    """The ids of planned shots that need not be made again, because they have an image under today's fingerprint.

    Images of shots that an earlier version of the study planned are not among them.

    Raises:
        StoreError: the study has images under another fingerprint, and `allow_mixed` is False.
    """
    everything = store.done()
    planned = {shot for shot in plan.ids() if shot in everything} if everything else set()
    if not planned:
        return set()
    today = fingerprints(plan, executor)
    current = store.done({one.id for one in today.values()}) & planned
    others = planned - current
    if others and not allow_mixed:
        raise StoreError(_mixed_message(store, [one for one in plan if one.shot.id in others], today))
    return planned


def again(
    study: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    trackers: Sequence[str] = (),
    allow_mixed: bool = False,
    retry: bool = False,
    without_failing: bool = False,
) -> str:
    """The command that goes on with a run that was stopped.

    >>> again(Path("my study.toml"), overrides=["replicates=2"])
    "teststrip run 'my study.toml' --set replicates=2"
    """
    words = ["teststrip", "run", str(study), *(["--out", str(out)] if out else [])]
    words += [word for pair in overrides for word in ("--set", pair)]
    words += [word for name in trackers for word in ("--tracker", name)]
    words += ["--allow-mixed"] * allow_mixed + ["--retry"] * retry + ["--without-failing"] * without_failing
    return shlex.join(words)


def _mixed_message(store: Store, stale: Sequence[Planned], today: Mapping[Cell, Fingerprint]) -> str:
    images, known = store.images(), store.fingerprints()
    answered_by = images[stale[0].shot.id][-1].fingerprint_id
    if answered_by not in known:
        remedy = rows.REBUILD.format(folder=store.folder)
        return f"{store.folder}: {LEDGER_FILE} is damaged: it does not say what made its pictures. {remedy}"
    old = known[answered_by].facts
    new = today[stale[0].cell].facts
    keys = [key for key in sorted({*old, *new}, key=lambda key: (key != RECIPE, key)) if old.get(key) != new.get(key)]
    changed = [
        f"{WORDS.get(key, key)} was {old.get(key, FIRST.get(key))!r}, is {new.get(key, FIRST.get(key))!r}"
        for key in keys
    ]
    were = "was" if len(stale) == 1 else "were"
    return (
        f"{store.folder}: {count(len(stale), 'image')} of this study {were} answered by something else: "
        f"{'; '.join(changed[:4])}. "
        "Name a new folder with --out, or keep both with --allow-mixed"
    )
