"""A tracker in a process of its own, so that it can neither stop nor slow the run, whatever it does.

The run's side is `TrackerProxy`: a Tracker that hands each event to a thread, which writes it into the other process.
That process runs this module as a program: it reads events until they end and notifies the tracker of each. It inherits
the environment, because that is where accounts are, but nothing of the run's command line. What it prints goes into a
log file beside the study.

Knows no tracker: any with the attributes of `protocols.RemoteTracker` is run so.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from teststrip import plugins
from teststrip.errors import TrackerError
from teststrip.folder import TRACKERS
from teststrip.records import Concluded, Event, Started
from teststrip.store import inside

MOST_WAITING = 2_000  # events; a tracker that is slower learns of the others from the rows of `Concluded`
_END = None


class TrackerProxy:
    """The run's side of a tracker that lives in a process of its own. Cheap to make; the process starts with `Started`.

    Args:
        name: of the entry point.
        options: of the tracker, from the study file.
        patience: seconds that `close` waits, counted from `end`; None = until the tracker is done.
    """

    def __init__(self, name: str, options: Mapping[str, object], *, patience: float | None = 120.0) -> None:
        self.name = name
        self._options = dict(options)
        self._patience = patience
        self._deadline: float | None = None  # by the monotonic clock
        self._ended = False
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._log = Path()
        self._study = ""

    def on_event(self, event: Event) -> None:
        """Hand the event over. Does not wait."""
        if isinstance(event, Started):
            self._start(Path(event.folder))
        if self._waiting.qsize() < MOST_WAITING or isinstance(event, Concluded):
            self._waiting.put(event)

    def end(self) -> None:
        """Say that no event follows; patience runs from now on. Does not wait, so that several can run out together."""
        if self._process is None or self._ended:
            return
        self._ended = True
        self._deadline = None if self._patience is None else time.monotonic() + self._patience
        self._waiting.put(_END)

    def close(self) -> None:
        """Wait until the tracker is done, or its patience is over.

        Raises:
            TrackerError: the tracker failed, or took too long and was killed. The study is safe.
        """
        if self._process is None or self._thread is None:
            return
        self.end()
        try:
            code = self._process.wait(None if self._deadline is None else max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise TrackerError(self._message(f"did not finish within {self._patience:g} s and was ended")) from None
        finally:
            self._thread.join(1)
        if code:
            raise TrackerError(self._message(self._last_line() or f"ended with {code}"))

    def kill(self) -> None:
        """Kill the process with all that it started, at once."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    @property
    def where(self) -> str:
        """Where the tracker's output can be seen, once it is closed; "" = it did not say."""
        with contextlib.suppress(ValueError, OSError, AttributeError):
            return str(json.loads(self._last_line()).get("where", ""))
        return ""

    def _start(self, folder: Path) -> None:
        path = f"{TRACKERS}/{self.name}"
        inside.cut(folder, path)
        self._study, self._log = str(folder), folder / path / "log.txt"
        with inside.fresh(folder, f"{path}/log.txt") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", __name__, self.name],  # -P: no module of the working folder
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the run; and all that the tracker starts ends with it
            )
        self._thread = threading.Thread(target=self._write, name=f"tracker {self.name}", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        assert self._process is not None
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError), pipe:  # broken where the process ended early: its exit code says why
            pickle.dump(self._options, pipe)
            while (event := self._waiting.get()) is not _END:
                pickle.dump(event, pipe)
                pipe.flush()

    def _last_line(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _message(self, what: str) -> str:
        return f"{what}. The study is safe. To send it again: teststrip export {self._study} --to {self.name}"


def listen(name: str, events: BinaryIO) -> str:
    """Notify a tracker of all events of a stream, until the stream ends.

    Returns:
        Where the tracker's output can be seen; "" = it did not say.
    """
    tracker = plugins.load("trackers", name)(**pickle.load(events))  # noqa: S301 - from our own parent process
    try:
        while True:
            try:
                event = pickle.load(events)  # noqa: S301 - the stream comes from our own parent process
            except EOFError:
                break
            tracker.on_event(event)
    finally:
        tracker.close()
    return str(getattr(tracker, "where", ""))


def main() -> int:
    """Read events from standard input; the last line of the output says where to look, or what went wrong."""
    try:
        where = listen(sys.argv[1], sys.stdin.buffer)
    except Exception as error:  # the edge of the process: one line for the run, and the trace for the log
        import traceback

        traceback.print_exc()
        text = " ".join(str(error).split()) or type(error).__name__
        sys.stdout.write(f"\n{text}\n")
        sys.stdout.flush()
        return 1
    sys.stdout.write(f"\n{json.dumps({'where': where})}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    code = main()
    os._exit(code)  # hooks and threads that a tracker's library leaves behind have had their chance in `close`
