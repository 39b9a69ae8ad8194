"""`teststrip run --view`: the live page of a run, served by the run's own process.

A listener of the run: the server begins with the run's first event, because the folder is there by then, and it reads
the folder as `teststrip view` does. It ends with the command; where a person sits at the terminal, with Ctrl-C.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Queue
from typing import ClassVar, Self

from teststrip.cli.opening import Announcer
from teststrip.cli.words import err
from teststrip.records import Event, Setting, Started
from teststrip.results.result import open_result
from teststrip.views import server

_TICK_SECONDS = 0.2  # Windows delivers Ctrl-C only between two waits


class LivePage:
    """The live page of one run. Use it as a context manager around the run; hand it to the run as a tracker.

    Args:
        browser: whether to open the page in the browser.
    """

    options: ClassVar[Mapping[str, Setting]] = {}

    def __init__(self, *, browser: bool = True) -> None:
        self._announcer = Announcer(browser=browser, screen=err, again=False)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self._announcer.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        if self._thread:
            self._stop()
            self._thread.join()
        self._announcer.__exit__(*how)

    def on_event(self, event: Event) -> None:
        """Begin to serve with the run; see Tracker.

        Raises:
            UsageError: no port can be listened on.
        """
        if isinstance(event, Started):
            begun: Queue[server.Server | Exception] = Queue()
            self._thread = threading.Thread(target=self._serve, args=(Path(event.folder), begun), name="live page")
            self._thread.start()
            answer = begun.get()
            if isinstance(answer, Exception):
                raise answer
            self._stop = answer.stop

    def close(self) -> None:
        """Nothing: the page outlives the run, so that its conclusions are seen. The context manager ends it."""

    def linger(self) -> None:
        """Serve until Ctrl-C, where a person sits at the terminal and the page is served."""
        if not (err.is_terminal and self._thread and self._thread.is_alive()):
            return
        err.print("the live page stays until Ctrl-C")
        try:
            while self._thread.is_alive():
                self._thread.join(_TICK_SECONDS)
        except KeyboardInterrupt:
            return

    def _serve(self, folder: Path, begun: Queue[server.Server | Exception]) -> None:
        try:
            with open_result(folder) as result:
                server.serve(result, announce=self._announcer, started=begun.put)
        except Exception as error:  # the run's thread raises it, if it still waits for an answer
            begun.put(error)
