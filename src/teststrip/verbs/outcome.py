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
        final: shots that failed for good in an earlier run (refused, invalid) and were not tried again.
        interrupted: the user stopped it; running again goes on.
        left: shots still without an image.
        where: tracker to where its output can be seen, for those that say it.
    """

    result: Result
    made: int = 0
    failed: int = 0
    final: int = 0
    interrupted: bool = False
    left: int = 0
    where: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For programs: what was done and where, without the result itself."""
        done = {name: getattr(self, name) for name in ("made", "failed", "final", "left", "interrupted")}
        return {**done, "folder": str(self.result.folder)}


def views_of(folder: Path) -> dict[str, str]:
    """Where page and report of a study folder lie, by what they are."""
    return {
        "page": str((folder / PAGE / "index.html").resolve()),
        "report": str((folder / REPORT_FILE).resolve()),
    }
