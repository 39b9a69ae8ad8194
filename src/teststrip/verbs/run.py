"""Makes the images that a study lacks, scores them, concludes, and writes page and report.

A `Session` is the driver: the only writer of the folder. It knows no model: an executor runs engines, which answer
shots with `Render` or `Failure`, and trackers are notified of what happens. `run` and `drive` call its stations once;
an adaptive study, a gate or a notebook calls them again and again while engines stay loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby, islice
from pathlib import Path
from typing import Self

from teststrip import plan as planning
from teststrip import study as studies
from teststrip.errors import EngineError, PictureError, UsageError
from teststrip.executors.local import LocalExecutor
from teststrip.folder import PAGE, STUDY_FILE
from teststrip.protocols import Executor, Pays, Remote, Tracker, Waits
from teststrip.records import (
    Concluded,
    EngineRef,
    Failed,
    Failure,
    Finding,
    Image,
    Planned,
    Render,
    Saved,
    Shot,
    Started,
    Study,
    Waiting,
)
from teststrip.results import Result, polled
from teststrip.store import Store, inputs, inside
from teststrip.trackers.listeners import Listeners
from teststrip.verbs import places, resume, score, trial
from teststrip.verbs.account import UNKNOWN, Account, to_pay_again
from teststrip.verbs.outcome import Outcome, page_of
from teststrip.verbs.signals import stopping


def run(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    trackers: Sequence[str | Tracker] | None = None,
    allow_mixed: bool = False,
    retry: bool = False,
    pay_again: bool = False,
) -> Result:
    """Make what is missing, score, conclude, write page and report.

    Args:
        study: a `Study`, the path of a study file, or the folder of an earlier run.
        out: the folder, by default that of the earlier run or `runs/<name>`.
        limit: the most shots that this run makes.
        trackers: names or trackers, by default the progress bar and those of the study file.
        allow_mixed: keep images of other weights, versions or devices beside new ones.
        retry: also make shots again that failed for good (refused or invalid).
        pay_again: also ask again for images that were sent for and never came, which were perhaps paid.

    Returns:
        The result, open for reading; close it or use it as a context manager.

    Raises:
        StudyError: the study asks for something that does not exist.
        EngineError: an engine cannot start.
        StoreError: the folder cannot be used as it is.
        FolderBusy: another run holds the folder.
    """
    return drive(
        study, out, limit=limit, trackers=trackers, allow_mixed=allow_mixed, retry=retry, pay_again=pay_again
    ).result


def drive(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    trackers: Sequence[str | Tracker] | None = None,
    allow_mixed: bool = False,
    retry: bool = False,
    pay_again: bool = False,
    overrides: Sequence[str] = (),
    views: bool = True,
    executor: Executor | None = None,
    without_failing: bool = False,
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Do what `run` does, with the arguments of `run` and five more.

    Args:
        overrides: changes to the study file, KEY=VALUE each.
        views: whether to write page and report.
        executor: where engines run, by default this process.
        without_failing: whether to leave out what cannot be made. A picture of each level is made first, to find it, if
            the pictures are made on this machine.
        say: is called with each sentence on what cannot be made, before a long run begins.

    Returns:
        What this run did.

    Raises:
        EngineError: an engine stopped the run. What was made before is kept, scored and shown.
    """
    if not isinstance(study, Study):
        study, out = places.of_study(study, out)
    asked, left_out = trial.sound(
        _read(study, overrides, checked=not without_failing),
        attempt=without_failing and not isinstance(executor, Remote),
        without_failing=without_failing,
        ask=executor is None,
    )
    if left_out and say:
        say(trial.left_out(left_out))
    session = Session.open(
        asked,
        out,
        trackers=trackers,
        allow_mixed=allow_mixed,
        retry=retry,
        pay_again=pay_again,
        executor=executor,
        page=views,
    )
    halted: EngineError | None = None
    with session:
        with stopping(session.stopped):
            if say and limit is None and not without_failing:
                for sentence in session.doubts():
                    say(sentence)
            try:
                session.make(islice(session.todo(), limit))
            except EngineError as error:  # a key that is not valid, no more money: what is there is shown all the same
                if not session.outcome.made:
                    raise
                halted = error
            session.score()
        session.conclude()
        if views:
            session.write_views()
        session.announce()
    if halted:
        session.result.close()
        raise halted
    return session.outcome


class Session:
    """A study at work: its folder held for writing, its engines open, its trackers listening.

    Attributes:
        study: what is asked.
        plan: the shots of the study.
        outcome: what was done so far; its result reads the folder.
        stopped: any thread or signal handler may set this event; the session then finishes the shots in work and
            begins no more.
    """

    def __init__(self, study: Study, store: Store, executor: Executor, listeners: Listeners) -> None:
        self.study = study
        self.plan = planning.of(study)
        self.outcome = Outcome(Result(study, store, self.plan))
        self.stopped = threading.Event()
        self._store = store
        self._executor = executor
        self._engines = {ref.key: ref for ref in map(self.plan.engine, self.plan.cells)}
        self._notify = listeners
        self._account = Account(store, study.money, self.stopped.is_set)
        self._done: set[str] = set()
        self._final: set[str] = set()
        self._unknown: set[str] = set()
        self._resources = ExitStack()

    @classmethod
    def open(
        cls,
        study: Study | str | Path,
        out: str | Path | None = None,
        *,
        trackers: Sequence[str | Tracker] | None = None,
        allow_mixed: bool = False,
        retry: bool = False,
        pay_again: bool = False,
        overrides: Sequence[str] = (),
        executor: Executor | None = None,
        page: bool = False,
    ) -> Self:
        """Open folder and engines, find out what is done already, and notify the trackers that a run begins.

        The arguments are those of `drive`, and one more.

        Args:
            page: whether to keep a page up to date while images are made and scored.

        Raises:
            StudyError: the study asks for something that does not exist.
            EngineError: an engine cannot start.
            StoreError: the folder cannot be used as it is.
            FolderBusy: another run holds the folder.
        """
        if not isinstance(study, Study):
            study, out = places.of_study(study, out)
        study = _read(study, overrides)
        folder = Path(out) if out is not None else places.RUNS / study.name
        places.check_lasting(folder)
        # The copy in the folder must stand alone, so overrides and prompts are folded in.
        text = studies.dump(study, beside=folder)
        executor = executor or LocalExecutor()
        listeners = Listeners.of(study, trackers)
        with ExitStack() as resources:
            # Registered first, so closed last: a slow tracker must not hold the folder's lock.
            resources.callback(listeners.close)
            store = resources.enter_context(Store(folder, write=True))
            resources.callback(executor.close)
            session = cls(study, store, executor, listeners)
            session._begin(
                text,
                allow_mixed=allow_mixed,
                retry=retry,
                pay_again=pay_again,
                page=_growing(folder, listeners) if page else "",
            )
            session._resources = resources.pop_all()
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:  # nothing is opened anew, so that what went wrong is what the caller sees
            self._resources.close()

    @property
    def result(self) -> Result:
        """The study as it stands now."""
        return self.outcome.result

    def todo(self) -> Iterable[Planned]:
        """The planned shots that have no image yet and did not fail for good, in the order of the plan."""
        return self.plan.without(self._done | self._final)

    def doubts(self) -> Iterator[str]:
        """Sentences on what cannot be made, from a picture of each level before a long run; see `trial.warned`."""
        stopped = self.stopped.is_set
        return trial.warned(self.plan, self._done, self._executor, left=self.outcome.left, stopped=stopped)

    def make(self, planned: Iterable[Planned]) -> None:
        """Let the executor make these shots, store each image, and notify the trackers of it. Engines stay open."""
        places: dict[str, Planned] = {}

        def asked(shots: Iterable[Planned]) -> Iterator[Shot]:
            for one in shots:
                if self.stopped.is_set():
                    return
                places[one.shot.id] = one
                yield one.shot

        for ref, group in self._by_engine(planned):
            for answer in self._executor.run(ref, asked(group)):
                self._keep(answer, places.pop(answer.shot.id))
                if self.stopped.is_set():
                    self._executor.finish()
        self.result.refresh()

    def score(self) -> None:
        """Compute the scores that are missing, unless the run was stopped."""
        if not self.stopped.is_set():
            score.score(self.result, emit=self._notify, stopped=self.stopped.is_set)
            self.result.refresh()

    def conclude(self) -> tuple[Finding, ...]:
        """What can honestly be concluded now; empty where the run was stopped.

        The ledger keeps this look, unless it repeats an earlier one.
        """
        if self.stopped.is_set():
            return ()
        if self.result.findings:
            look = self.result.look()
            if not any(look.repeats(earlier) for earlier in self.result.looks):
                self._store.add_look(look)
        return self.result.findings

    def write_views(self) -> None:
        """Write page and report, each file replaced in one step."""
        from teststrip.views import page, report

        page.write(self.result, self.result.folder / PAGE)
        report.write(self.result, self.result.folder)

    def announce(self) -> None:
        """Notify the trackers that the run is over, and of what is concluded."""
        outcome = self.outcome
        outcome.interrupted = self.stopped.is_set()
        rows = polled.counted(self.result.rows(), polled.votes_in(self.result.folder))
        self._notify(Concluded(outcome.made, outcome.failed, self.conclude(), outcome.interrupted, rows))

    def close(self) -> None:
        """Close engines, folder and trackers. The result stays open for reading. A caller may close a session twice."""
        self.outcome.broke = self._account.broke
        folder, where = self.result.folder, self._notify.where
        self._resources.close()
        self.outcome.interrupted = self.stopped.is_set()
        self.outcome.where = where
        store = Store(folder)
        self.outcome.unknown = len(self._unknown)
        self.outcome.to_pay_again = to_pay_again(store, self._unknown) if self._unknown else {}
        self.result.reopened(store)

    def _begin(self, text: str, *, allow_mixed: bool, retry: bool, pay_again: bool, page: str) -> None:
        if isinstance(self._executor, Waits):
            self._executor.attend(self.stopped.is_set, lambda why: self._notify(Waiting(why)))
        self._executor.open(self._engines.values())
        if isinstance(self._executor, Pays):
            self._executor.pay_from(self._account)
        elif self.study.money is not None:
            raise UsageError("this executor cannot keep to [budget] money. Leave the limit out, or run in this process")
        self._done, again = resume.finished(self.plan, self._executor, self._store, allow_mixed=allow_mixed)
        folder = self.result.folder
        inputs.keep(folder, self.study.prompts)
        self._store.remember(self.study.name, text)
        inside.write(folder, STUDY_FILE, text)
        self._final, unknown = self._for_good(retry=retry, pay_again=pay_again)
        self.outcome.final = len(self._final - unknown)
        self._unknown = unknown
        self.outcome.left = len(self.plan) - len(self._done) - len(self._final)
        begun = Started(self.study, len(self.plan), done=len(self._done), folder=str(folder), again=again, page=page)
        self._notify(begun)

    def _for_good(self, *, retry: bool, pay_again: bool) -> tuple[set[str], set[str]]:
        """The planned shots that are not tried again, and those of them that were perhaps paid."""
        failures = {shot: one for shot, one in self._store.failures().items() if not one.retryable}
        unknown = {shot for shot, one in failures.items() if one.reason == UNKNOWN}
        self._account.pay_again = pay_again
        lost = set() if pay_again else unknown - self._account.after
        final = (set() if retry else failures.keys() - unknown) | lost
        final = (final - self._done) & set(self.plan.ids()) if final else set()
        return final, final & unknown

    def _by_engine(self, planned: Iterable[Planned]) -> Iterator[tuple[EngineRef, Iterator[Planned]]]:
        """The shots by engine, each engine once. A single engine's shots are pulled lazily, unless it takes turns."""
        planned = self.plan.in_turns(planned)
        order = list(self._engines)
        if len(order) > 1:
            planned = sorted(planned, key=lambda one: order.index(one.shot.engine.key))
        for key, group in groupby(planned, key=lambda one: one.shot.engine.key):
            yield self._engines[key], group

    def _keep(self, answer: Render | Failure, planned: Planned) -> None:
        """Store an answer, count it, and notify the trackers."""
        outcome, kept = self.outcome, self._stored(answer)
        self._account.close(answer)
        if isinstance(kept, Image):
            self._done.add(planned.shot.id)
            outcome.made += 1
            outcome.left -= 1
            self._notify(Saved(planned, kept, outcome.left))
        else:
            outcome.failed += 1
            if kept.reason == UNKNOWN:
                self._unknown.add(planned.shot.id)
            self._notify(Failed(planned, kept, outcome.left))

    def _stored(self, answer: Render | Failure) -> Image | Failure:
        """What the store keeps of an answer. Bytes that are no sound picture fail their own shot alone."""
        if isinstance(answer, Render):
            try:
                return self._store.add(answer)
            except PictureError as error:
                answer = Failure(answer.shot, "invalid", str(error))
        self._store.fail(answer)
        return answer


def _growing(folder: Path, listeners: Listeners) -> str:
    """Let a page grow with the run; where it is."""
    from teststrip.views.growing import GrowingPage

    listeners.add(GrowingPage())
    return str(page_of(folder))


def _read(study: Study | Path, overrides: Sequence[str], *, checked: bool = True) -> Study:
    if isinstance(study, Study):
        if overrides:
            raise UsageError("overrides belong to a study file; change the Study itself instead")
        return study
    return studies.read(study, overrides) if checked else studies.reopen(study, overrides)
