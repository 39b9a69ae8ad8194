"""The events of a run, of which trackers are notified."""

from __future__ import annotations

from dataclasses import dataclass

from teststrip.records.answered import Failure, Image, Row
from teststrip.records.asked import Planned, Study
from teststrip.records.concluded import Finding


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins.

    Attributes:
        study: what was asked.
        total: planned shots.
        done: planned shots that have an image already.
        folder: where the study lies.
        again: a sentence on images that are there and are made again, and why; "" when there are none.
        page: the file that shows the study from the first picture on; "" = the run keeps no page while it goes on.
    """

    study: Study
    total: int
    done: int
    folder: str
    again: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """An image is safe on disk.

    Attributes:
        planned: the shot, with its place in the design.
        image: what is stored.
        left: shots still to make.
    """

    planned: Planned
    image: Image
    left: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A shot failed.

    Attributes:
        planned: the shot, with its place in the design.
        failure: why it has no picture.
        left: shots still to make.
    """

    planned: Planned
    failure: Failure
    left: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits, and is not at fault.

    Attributes:
        why: a sentence on what it waits for.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a metric are stored.

    Attributes:
        metric: the metric's name.
        count: how many scores are new.
        note: "not computed, because ...", or "".
    """

    metric: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The run is over.

    Attributes:
        images: images that this run made.
        failures: shots that failed in this run.
        findings: none when interrupted.
        interrupted: the user stopped the run; scores and findings are not there yet.
        rows: the whole study as it stands now, in the order of the plan.
    """

    images: int
    failures: int
    findings: tuple[Finding, ...] = ()
    interrupted: bool = False
    rows: tuple[Row, ...] = ()


Event = Started | Saved | Failed | Waiting | Scored | Concluded
