"""What one run did, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from teststrip.folder import PAGE, REPORT_FILE
from teststrip.results import Result


@dataclass
class Outcome:
    """What one run did.

    Attributes:
        result: the study as it stands now.
        made: images of this run.
        failed: failures of this run.
        unknown: images that were sent for and never came, perhaps paid, and not asked for again.
        to_pay_again: the most that those cost when they are asked for again, by currency.
        broke: why the limit of money ended the run; "" = it did not.
        final: shots that failed for good in an earlier run (refused, invalid) and were not tried again.
        interrupted: the user stopped the run; running again goes on.
        left: shots still without an image.
        where: where a tracker's output can be seen, by the tracker's name.
    """

    result: Result
    made: int = 0
    failed: int = 0
    final: int = 0
    unknown: int = 0
    to_pay_again: Mapping[str, float] = field(default_factory=dict)
    broke: str = ""
    interrupted: bool = False
    left: int = 0
    where: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """What was done and where, as plain values for programs, without the result itself."""
        done = {name: getattr(self, name) for name in ("made", "failed", "final", "left", "interrupted")}
        paid = {"unknown": self.unknown, "to_pay_again": dict(self.to_pay_again), "broke": self.broke}
        return {
            **done,
            **({} if not (self.unknown or self.broke) else paid),
            "retired": self.result.retired,
            "folder": str(self.result.folder),
        }


def page_of(folder: Path) -> Path:
    """The file that a study folder's page begins with."""
    return folder / PAGE / "index.html"


def views_of(folder: Path) -> dict[str, str]:
    """The paths of a study folder's page and report, by the words "page" and "report"."""
    return {
        "page": str(page_of(folder).resolve()),
        "report": str((folder / REPORT_FILE).resolve()),
    }
