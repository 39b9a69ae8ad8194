"""Makes what a study asks for and does not have yet; scores it, concludes, writes the page.

The driver is the only writer of the folder. It knows no model: engines answer shots with `Render` or `Failure`, and
whatever happens is told to trackers. Where engines run is decided in `_answers`: today in this process, one after
another; an executor (processes, a cluster) will stand there and nowhere else.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

from teststrip import disk, plugins
from teststrip import plan as planning
from teststrip import study as spec
from teststrip.errors import PictureError, StoreError, UsageError
from teststrip.folder import PAGE, STUDY_FILE
from teststrip.protocols import Engine, LooksAhead, Tracker
from teststrip.records import (
    Cell,
    Concluded,
    EngineRef,
    Event,
    Failed,
    Failure,
    Fingerprint,
    Image,
    Planned,
    Render,
    Shot,
    Shown,
    Started,
    Study,
)
from teststrip.results.result import Result
from teststrip.store import Store
from teststrip.trackers import process as apart
from teststrip.trackers.process import Apart

RUNS = Path("runs")


@dataclass
class Outcome:
    """What one run did.

    Attributes:
        result: the study as it stands now.
        made, failed: images and failures of this run.
        final: shots that failed for good in an earlier run (refused, invalid) and were not tried again.
        interrupted: the user stopped it; running again goes on.
        left: shots still without an image.
        told: tracker -> where its account can be seen, for those that say it.
    """

    result: Result
    made: int = 0
    failed: int = 0
    final: int = 0
    interrupted: bool = False
    left: int = 0
    told: Mapping[str, str] = field(default_factory=dict)


def run(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    trackers: Sequence[str | Tracker] | None = None,
    allow_mixed: bool = False,
    retry: bool = False,
) -> Result:
    """Make what is missing, score, conclude, write page and report.

    Args:
        study: a `Study`, or the path of a study file.
        out: the folder; default `runs/<name>`.
        limit: at most this many shots in this run.
        trackers: names or trackers; default the progress bar and those of the study file.
        allow_mixed: keep images of other weights, versions or devices beside new ones.
        retry: also try again what failed for good: refused, or invalid.

    Returns:
        The result, open for reading; close it or use it as a context manager.

    Raises:
        StudyError, EngineError, StoreError: before anything is made.
        FolderBusy: another run holds the folder.
    """
    return drive(study, out, limit=limit, trackers=trackers, allow_mixed=allow_mixed, retry=retry).result


def drive(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    trackers: Sequence[str | Tracker] | None = None,
    allow_mixed: bool = False,
    retry: bool = False,
    overrides: Sequence[str] = (),
    views: bool = True,
) -> Outcome:
    """As `run`, but says what this run did. `views=False` leaves page and report unwritten."""
    study, text = _read(study, overrides)
    plan = planning.of(study)
    folder = Path(out) if out is not None else RUNS / study.name
    listeners = _Listeners(_trackers(study, trackers))
    with ExitStack() as stack:
        stack.callback(listeners.close)  # last of all: a tracker that takes its time keeps nobody from the folder
        store = stack.enter_context(Store(folder, write=True))
        engines = {ref_id: stack.enter_context(_opened(ref)) for ref_id, ref in _refs(plan).items()}
        done = finished(plan, engines, store, allow_mixed=allow_mixed)
        store.remember(study.name, text)
        disk.replace(folder / STUDY_FILE, text)
        final = set() if retry else {shot for shot, failure in store.failures().items() if not failure.retryable} - done
        final &= set(plan.ids()) if final else set()
        outcome = Outcome(Result(study, store, plan), final=len(final), left=len(plan) - len(done) - len(final))
        todo = islice(plan.without(done | final), limit)
        listeners(Started(study, total=len(plan), done=len(done), folder=str(folder)))
        with _stop_on_signal() as stopped:
            _make(todo, engines, store, outcome, listeners, stopped)
            if not stopped.is_set():
                _conclude(outcome.result, listeners, stopped)
        outcome.interrupted = stopped.is_set()
        if views:
            write_views(outcome.result)
        findings = () if outcome.interrupted else outcome.result.findings
        rows = tuple(outcome.result.rows())
        listeners(Concluded(outcome.made, outcome.failed, findings, outcome.interrupted, rows))
    outcome.result = Result(study, Store(folder), plan)
    outcome.told = listeners.told
    return outcome


def finished(plan: planning.Plan, engines: Mapping[str, Engine], store: Store, *, allow_mixed: bool) -> set[str]:
    """Ids of planned shots that need not be made again: they have an image under today's fingerprint.

    Raises:
        StoreError: the study has images under another fingerprint, and mixing was not asked for.
    """
    everything = store.done()
    if not everything:
        return set()
    wanted = fingerprints(plan, engines)
    current = store.done({print_.id for print_ in wanted.values()})
    others = everything - current
    stale = [planned for planned in plan if planned.shot.id in others] if others else []
    if stale and not allow_mixed:
        raise StoreError(_mixed_message(store, stale, wanted))
    return current | {planned.shot.id for planned in stale}


def fingerprints(plan: planning.Plan, engines: Mapping[str, Engine]) -> dict[Cell, Fingerprint]:
    """What would answer each cell today. Fingerprints depend on model and scheduler, so one shot a cell is enough."""
    found: dict[Cell, Fingerprint] = {}
    for cell in plan.cells:
        shot = plan.first(cell).shot
        found[cell] = engines[engine_id(shot.engine)].fingerprint(shot)
    return found


def engine_id(ref: EngineRef) -> str:
    """One id for each engine to open: name and all options."""
    return f"{ref.name} {sorted(ref.options.items())} {sorted(ref.operation.items())}"


def open_engine(ref: EngineRef) -> Engine:
    """The engine behind a reference; cheap, loads no weights."""
    engine: Engine = plugins.load("engines", ref.name)(**ref.options, **ref.operation)
    return engine


def write_views(result: Result) -> None:
    """Page and report, each replaced in one step."""
    from teststrip.views import page, report

    page.write(result, result.folder / PAGE)
    report.write(result, result.folder)


def _make(
    todo: Iterable[Planned],
    engines: Mapping[str, Engine],
    store: Store,
    outcome: Outcome,
    tell: Callable[[Event], None],
    stopped: threading.Event,
) -> None:
    places: dict[str, Planned] = {}

    def asked(shots: Iterable[Planned]) -> Iterator[Shot]:
        for planned in shots:
            if stopped.is_set():
                return
            places[planned.shot.id] = planned
            yield planned.shot

    for answer in _answers(todo, engines, asked):
        planned = places.pop(answer.shot.id)
        kept = _kept(answer, store)
        if isinstance(kept, Image):
            outcome.made += 1
            outcome.left -= 1
            tell(Shown(planned, kept, outcome.left))
        else:
            outcome.failed += 1
            tell(Failed(planned, kept, outcome.left))
        if stopped.is_set():
            for engine in engines.values():
                if isinstance(engine, LooksAhead):
                    engine.finish()


def _kept(answer: Render | Failure, store: Store) -> Image | Failure:
    """What became of an answer in the store. Bytes that are no sound picture fail their own shot alone."""
    if isinstance(answer, Render):
        try:
            return store.add(answer)
        except PictureError as error:
            answer = Failure(answer.shot, "invalid", str(error))
    store.fail(answer)
    return answer


def _answers(
    todo: Iterable[Planned],
    engines: Mapping[str, Engine],
    asked: Callable[[Iterable[Planned]], Iterator[Shot]],
) -> Iterator[Render | Failure]:
    """Here an executor will stand: shots in, answers out, in any order."""
    for ref_id, group in groupby(_by_engine(todo, list(engines)), key=lambda planned: engine_id(planned.shot.engine)):
        yield from engines[ref_id].render(asked(group))


def _by_engine(todo: Iterable[Planned], engines: Sequence[str]) -> Iterable[Planned]:
    """The shots, grouped so that no engine is visited twice; lazily where there is only one."""
    if len(engines) == 1:
        return todo
    return sorted(todo, key=lambda planned: engines.index(engine_id(planned.shot.engine)))


def _conclude(result: Result, tell: Callable[[Event], None], stopped: threading.Event) -> None:
    from teststrip.verbs import score

    result.refresh()
    score.score(result, emit=tell, stopped=stopped.is_set)
    result.refresh()


def _read(study: Study | str | Path, overrides: Sequence[str]) -> tuple[Study, str]:
    if isinstance(study, Study):
        if overrides:
            raise UsageError("overrides belong to a study file; change the Study itself instead")
        return study, spec.dump(study)
    path = Path(study)
    read = spec.read(path, overrides)
    # The copy in the folder must stand alone: overrides and prompt files are folded in.
    return read, spec.dump(read)


def _refs(plan: planning.Plan) -> dict[str, EngineRef]:
    refs = (plan.first(cell).shot.engine for cell in plan.cells)
    return {engine_id(ref): ref for ref in refs}


@contextmanager
def _opened(ref: EngineRef) -> Iterator[Engine]:
    engine = open_engine(ref)
    try:
        yield engine
    finally:
        engine.close()


def _trackers(study: Study, asked: Sequence[str | Tracker] | None) -> list[Tracker]:
    options = study.trackers
    names = ["progress", *options] if asked is None else asked
    return [apart.opened(one, options.get(one, {})) if isinstance(one, str) else one for one in names]


@dataclass
class _Listeners:
    """Tells every tracker; one that raises is named once and told nothing more."""

    trackers: list[Tracker] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        for tracker in list(self.trackers):
            try:
                tracker.on_event(event)
            except Exception as error:  # a tracker never stops a run
                self.trackers.remove(tracker)
                _warn(f"tracker {_name(tracker)} failed and is left out from here on: {error}")

    def close(self) -> None:
        for tracker in self.trackers:
            if isinstance(tracker, Apart):
                tracker.end()  # of all, before one is waited for: the run's patience is for all of them together
        for tracker in self.trackers:
            try:
                tracker.close()
                if isinstance(tracker, Apart) and tracker.where:
                    self.told[tracker.name] = tracker.where
            except Exception as error:  # as above
                _warn(f"tracker {_name(tracker)}: {error}")
        self.trackers = []


def _name(tracker: Tracker) -> str:
    return tracker.name if isinstance(tracker, Apart) else type(tracker).__name__


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, RuntimeWarning, stacklevel=3)


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets: what is in work is finished. The second interrupts at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mixed_message(store: Store, stale: Sequence[Planned], wanted: Mapping[Cell, Fingerprint]) -> str:
    images, known = store.images(), store.fingerprints()
    old = known[images[stale[0].shot.id][-1].fingerprint_id].facts
    new = wanted[stale[0].cell].facts
    changed = [
        f"{key} was {old.get(key)!r}, is {new.get(key)!r}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    return (
        f"{store.folder}: {len(stale)} images of this study were answered by something else: {'; '.join(changed[:4])}. "
        "Name a new folder with --out, or keep both with --allow-mixed"
    )
