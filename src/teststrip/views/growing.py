"""The page of a run that goes on: written with its first picture, then renewed for a fiftieth of the run's time.

A listener of the run's events with an own reader of the folder. It concludes nothing, because conclusions during a run
would change under the reader's eyes; the page of the finished run has them. The files of a page are replaced one by
one, index.html last, so a run that is killed leaves a whole page or none. Knows events and boards; how a page is
written is `page.py`'s business.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip.folder import PAGE
from teststrip.records import Event, Failed, Saved, Scored, Setting, Started
from teststrip.results.result import open_result
from teststrip.views import board as boards
from teststrip.views import page

if TYPE_CHECKING:
    from teststrip.results.result import Result

SHARE = 0.02
"""The part of a run's time that its page may take."""


@dataclass
class Budget:
    """The time that something may take beside a run: it begins when all of it so far took less than a share.

    So it takes at most that share and what it took last, and what takes longer from time to time is done less often.

    Attributes:
        share: of the run's time.
        begun: when the run began, on any clock in seconds.
        spent: seconds so far.
    """

    share: float
    begun: float
    spent: float = 0.0

    def allows(self, now: float) -> bool:
        """Whether it may begin.

        >>> budget = Budget(share=0.02, begun=100, spent=0.5)
        >>> budget.allows(now=120), budget.allows(now=130)
        (False, True)
        """
        return self.spent <= self.share * (now - self.begun)


class GrowingPage:
    """Keeps the static page of a run up to date.

    Args:
        share: the part of the run's time that this may take beyond the first writing.
    """

    options: ClassVar[Mapping[str, Setting]] = {}

    def __init__(self, share: float = SHARE) -> None:
        self._budget = Budget(share, time.monotonic())
        self._result: Result | None = None
        self._folder = Path()

    def on_event(self, event: Event) -> None:
        """Write the page where it is time; see Tracker."""
        match event:
            case Started():
                self._folder = Path(event.folder)
                self._budget.begun = time.monotonic()
            case Saved() | Scored():
                self._renew()
            case Failed() if self._result:
                self._renew()
            case _:
                pass

    def close(self) -> None:
        """Close the reader."""
        if self._result:
            self._result.close()
            self._result = None

    def _renew(self) -> None:
        begun = time.monotonic()
        if not self._budget.allows(begun):
            return
        if self._result is None:
            self._result = open_result(self._folder)
        self._result.refresh()
        page.write_board(_board(self._result), self._folder, self._folder / PAGE)
        self._budget.spent += time.monotonic() - begun


def _board(result: Result) -> dict[str, Any]:
    """What there is by now, with the moment of it: a page that is a file cannot know whether its run still goes on."""
    board = boards.build(result.study, result.rows(), cards=result.cards, warnings=result.warnings)
    at = f"the run was under way when this page was written, {time.strftime('%Y-%m-%d %H:%M:%S')}"
    return {**board, "progress": {**board["progress"], "running": True, "at": at}}
