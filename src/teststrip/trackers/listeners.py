"""The trackers of a run, by name or as objects: each is notified of every event, and none can stop the run.

A tracker that talks to a server (`protocols.RemoteTracker`) is run in a process of its own; any other in this one.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol, Self, runtime_checkable

from teststrip import plugins
from teststrip.errors import UsageError
from teststrip.protocols import RemoteTracker, Tracker
from teststrip.records import Event, Study
from teststrip.trackers.process import TrackerProxy

PATIENCE = "TESTSTRIP_TRACKER_PATIENCE"
"""The environment variable that says for how many seconds a finished run waits for its trackers; else 120."""


@runtime_checkable
class Listener(Tracker, Protocol):
    """A tracker as a run holds it.

    Attributes:
        name: for messages.
        where: where its output can be seen, once it is closed; "" = it did not say.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def where(self) -> str: ...  # noqa: D102

    def end(self) -> None:
        """Say that no event follows. Does not wait, so that several trackers can finish together."""
        ...


@dataclass(frozen=True)
class InProcess:
    """A tracker of this process: nothing is left to do between its last event and `close`."""

    tracker: Tracker
    where: str = ""

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self.tracker).__name__

    def on_event(self, event: Event) -> None:
        """Hand the event on."""
        self.tracker.on_event(event)

    def end(self) -> None:
        """Nothing is queued."""

    def close(self) -> None:
        """Close the tracker."""
        self.tracker.close()


class Listeners:
    """Notifies every tracker of a run. One that raises is named in a warning and notified of nothing more.

    Attributes:
        where: tracker name to where its output can be seen, for those that said it; filled by `close`.
    """

    def __init__(self, trackers: Iterable[Tracker] = ()) -> None:
        self._listeners = [one if isinstance(one, Listener) else InProcess(one) for one in trackers]
        self.where: dict[str, str] = {}

    @classmethod
    def of(cls, study: Study, asked: Iterable[str | Tracker] | None) -> Self:
        """The trackers asked for, by name or as objects; None = the progress bar and those of the study file."""
        wanted = ["progress", *study.trackers] if asked is None else asked
        return cls(opened(one, study.trackers.get(one, {})) if isinstance(one, str) else one for one in wanted)

    def add(self, tracker: Tracker) -> None:
        """Also notify this tracker."""
        self._listeners.append(InProcess(tracker))

    def __call__(self, event: Event) -> None:
        """Notify every tracker that has not failed."""
        for listener in list(self._listeners):
            try:
                listener.on_event(event)
            except Exception as error:  # a tracker never stops a run
                self._listeners.remove(listener)
                _warn(f"tracker {listener.name} failed and is left out from here on: {error}")

    def close(self) -> None:
        """Tell every tracker to end before waiting for any, because all of them share one time limit."""
        for listener in self._listeners:
            listener.end()
        for listener in self._listeners:
            try:
                listener.close()
                if listener.where:
                    self.where[listener.name] = listener.where
            except Exception as error:  # a tracker never stops a run
                _warn(f"tracker {listener.name}: {error}")
        self._listeners = []


def opened(name: str, options: Mapping[str, object], *, patient: bool = False) -> Listener:
    """The tracker of that name, ready to listen.

    Args:
        name: of the entry point.
        options: of the tracker.
        patient: wait until a tracker in another process is done, however long that takes.

    Raises:
        UsageError: no such tracker, or options it does not take.
        MissingExtra: it needs a package that is not installed.
    """
    tracker: Tracker = plugins.load("trackers", name)(**options)
    if not isinstance(tracker, RemoteTracker):
        return InProcess(tracker)
    if find_spec(tracker.needs) is None:
        raise plugins.missing(ModuleNotFoundError(name=tracker.needs))
    return TrackerProxy(name, options, patience=None if patient else _patience())


def _patience() -> float:
    try:
        return max(0.0, float(os.environ.get(PATIENCE, "120")))
    except ValueError:
        raise UsageError(f"{PATIENCE}: {os.environ[PATIENCE]!r} is no number of seconds") from None


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
