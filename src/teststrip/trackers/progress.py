"""The progress bar: images done, rate, time left. In a pipe it says a line every half minute instead.

Knows rich; in a notebook rich draws the same bar as a widget.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from teststrip.analysis.sentences.phrases import count, stopwatch
from teststrip.errors import shortened
from teststrip.records import Concluded, Event, Failed, Saved, Scored, Setting, Started, Waiting
from teststrip.screen import Screen

MOST_REASONS = 6
"""Reasons of failures that are told one by one at the end."""


class ProgressTracker:
    """Shows a run in the terminal or notebook. Writes to standard error, so that standard output stays data."""

    options: ClassVar[Mapping[str, Setting]] = {}

    def __init__(self, console: Console | None = None, every: float = 30.0) -> None:
        """Show a run.

        Args:
            console: by default standard error.
            every: seconds between two lines where there is no bar.
        """
        self._console = console or Screen(stderr=True)
        self._every = every
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._since = self._said = time.monotonic()
        self._total = self._made = self._scores = 0
        self._failures: Counter[str] = Counter()
        self._study = ""

    def on_event(self, event: Event) -> None:
        """Move the bar; see Tracker."""
        match event:
            case Started():
                self._start(event)
            case Saved() | Failed():
                if isinstance(event, Failed):
                    self._failures[f"{event.failure.reason}: {event.failure.text}"] += 1
                self._advance(event.left)
            case Waiting():
                self._say(f"[yellow]{escape(event.why)}[/]")
            case Scored(note=note) if note:
                self._say(f"[yellow]{escape(event.metric)}[/]: {escape(note)}")
            case Scored():
                self._scores += event.count
                if self._due():
                    self._say(f"  {count(self._scores, 'score')} computed")
            case Concluded():
                self._finish(event)
            case _:
                pass

    def close(self) -> None:
        """Take the bar down."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def _live(self) -> bool:
        return self._console.is_terminal or self._console.is_jupyter

    def _start(self, event: Started) -> None:
        self._since = self._said = time.monotonic()
        self._study, self._total = event.study.name, event.total
        have = f", {event.done:,} already made" if event.done else ""
        self._say(f"[bold]{escape(event.study.name)}[/]: {count(event.total, 'image')}{have} → {escape(event.folder)}")
        if event.again:
            self._say(f"[yellow]{escape(event.again)}[/]")
        if event.done >= event.total:
            return
        if event.page:
            self._say(f"[dim]page  {escape(event.page)}, from the first image on[/]")
        self._say(f"[dim]live  teststrip view {escape(shlex.quote(event.folder))}[/]")
        if not self._live:
            return
        self._bar = Progress(
            TextColumn("  "),
            BarColumn(bar_width=36, complete_style="green"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("[red]{task.fields[failed]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=event.total, completed=event.done, rate="", failed="")
        self._bar.start()

    def _advance(self, left: int) -> None:
        self._made += 1
        if self._bar is not None:
            failed = sum(self._failures.values())
            self._bar.update(self._task, advance=1, rate=self._rate(), failed=f"{failed} failed" if failed else "")
        elif left and self._due():
            pace = self._made / (time.monotonic() - self._since)
            rate = f"{pace:.2f} a second" if pace >= 1 else f"{stopwatch(1 / pace)} each"
            self._say(
                f"  {self._total - left:,} of {count(self._total, 'image')}, {rate}, "
                f"about {stopwatch(left / pace)} left"
            )

    def _due(self) -> bool:
        """Whether it is time for a line, where there is no bar."""
        if self._live or time.monotonic() - self._said < self._every:
            return False
        self._said = time.monotonic()
        return True

    def _rate(self) -> str:
        speed = self._bar.tasks[0].speed if self._bar else None
        if not speed:
            return ""
        return f"{speed:.1f} images/s" if speed >= 1 else f"{1 / speed:.1f} s an image"

    def _finish(self, event: Concluded) -> None:
        self.close()
        seconds = time.monotonic() - self._since
        rate = f", {event.images / seconds:.2f} images a second" if event.images and seconds > 0 else ""
        self._say(f"{count(event.images, 'image')} made in {stopwatch(seconds)}{rate}")
        for why, times in self._failures.most_common(MOST_REASONS):
            self._say(f"[red]{times:,} without a picture: {escape(shortened(why))}[/]")
        if others := sum(times for _, times in self._failures.most_common()[MOST_REASONS:]):
            self._say(f"[red]{others:,} without a picture for other reasons: the page shows each[/]")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)
