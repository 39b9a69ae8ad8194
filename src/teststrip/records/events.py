"""What trackers hear of a run."""

from __future__ import annotations

from dataclasses import dataclass

from teststrip.records.answered import Failure, Image, Row
from teststrip.records.asked import Planned, Study
from teststrip.records.concluded import Finding


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins. Attributes: study; total: shots planned; done: of them with an image already; folder: where."""

    study: Study
    total: int
    done: int
    folder: str


@dataclass(frozen=True, slots=True)
class Saved:
    """An image is safe on disk. Attributes: planned: its place; image; left: shots still to make."""

    planned: Planned
    image: Image
    left: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A shot failed. Attributes: planned: its place; failure; left: shots still to make."""

    planned: Planned
    failure: Failure
    left: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores are stored. Attributes: metric; count: how many are new; note: "not computed, because ..." or ""."""

    metric: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The run is over.

    Attributes:
        images, failures: of this run.
        findings: none when interrupted.
        interrupted: stopped by the user; scores and findings are not there yet.
        rows: the whole study as it stands now, in the order of the plan.
    """

    images: int
    failures: int
    findings: tuple[Finding, ...] = ()
    interrupted: bool = False
    rows: tuple[Row, ...] = ()


Event = Started | Saved | Failed | Scored | Concluded
