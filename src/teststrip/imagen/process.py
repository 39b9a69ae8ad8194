"""The run's side of the process that makes pictures with imagen-pytorch: started when it is needed, killed if it hangs.

Knows frames, processes and time; nothing of models or settings.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from teststrip.imagen import child
from teststrip.records import Reason

FAREWELL: Final = 5.0
"""Seconds that the process gets to end by itself."""
MOST: Final = 200
"""Characters of what the process said last."""

Frame = tuple[dict[str, Any], bytes]


class ProcessGone(Exception):
    """The process ended, hung, or spoke no frames, and is dead now. The next request starts another.

    Attributes:
        reason: for tables.
    """

    def __init__(self, text: str, reason: Reason = "error") -> None:
        super().__init__(text)
        self.reason: Reason = reason


class Process:
    """A process that answers a request at a time. Cheap to make; the first request starts it.

    Args:
        python: the interpreter that has imagen-pytorch.
        patience: seconds without a frame of an answer, after which the process is killed.
    """

    def __init__(self, python: str, patience: float) -> None:
        self._python = python
        self._patience = patience
        self._popen: subprocess.Popen[bytes] | None = None
        self._frames: queue.SimpleQueue[Frame | str] = queue.SimpleQueue()
        self._log: IO[bytes] | None = None
        self._listener: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._popen.pid if self._popen else None

    def ask(self, request: Mapping[str, object]) -> Frame:
        """The answer to a request.

        Raises:
            ProcessGone: there is no answer.
            OSError: the interpreter cannot be started.
        """
        try:
            self._start()
            self._write(request)
            while True:
                header, body = self._next()
                if header.get("is") != "step":
                    return header, body
        except BaseException:
            # Whatever ends the wait, Ctrl-C too: a late answer must not become the answer to the next request.
            self.kill()
            raise

    def close(self) -> None:
        """End the process; kill it where it does not end by itself."""
        if self._popen and self._popen.stdin:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(FAREWELL)
        self.kill()

    def kill(self) -> None:
        """Kill the process with all that it started, at once, and forget it."""
        if self._popen is None:
            return
        _kill(self._popen)
        self._popen.wait()
        if self._listener:
            self._listener.join(FAREWELL)  # it ends with the stream that it reads
        for pipe in (self._popen.stdin, self._popen.stdout, self._log):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self._popen = self._log = None

    def _start(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            return
        self.kill()  # one that ended while it had nothing to do costs no image
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own program
                [self._python, str(Path(child.__file__).resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # No module of the working folder; and warnings are for the program that the variable was set for.
                env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore"},
                start_new_session=True,  # Ctrl-C is for the run; and all that the process starts ends with it
            )
        except OSError:
            log.close()
            raise
        self._log = log
        self._frames = queue.SimpleQueue()
        stream = cast("BinaryIO", self._popen.stdout)
        self._listener = threading.Thread(target=_listen, args=(stream, self._frames), name="imagen", daemon=True)
        self._listener.start()

    def _write(self, request: Mapping[str, object]) -> None:
        assert self._popen is not None
        assert self._popen.stdin is not None
        # A process that does not read would block a long request for as long as it lives.
        timer = threading.Timer(self._patience, _kill, (self._popen,))
        timer.start()
        try:
            child.write_frame(cast("BinaryIO", self._popen.stdin), request)
        except OSError:
            raise self._gone("ended") from None
        finally:
            timer.cancel()

    def _next(self) -> Frame:
        try:
            frame = self._frames.get(timeout=self._patience)
        except queue.Empty:
            text = f"the process of imagen-pytorch gave no sign of life for {self._patience:g} s and was killed"
            raise ProcessGone(f"{text}. A slow machine needs a higher [engine] patience", "timeout") from None
        if isinstance(frame, str):
            raise self._gone(frame)
        return frame

    def _gone(self, what: str) -> ProcessGone:
        """The error that says how the process ended, and the last line that it printed."""
        assert self._popen is not None
        assert self._log is not None
        if what == "ended":
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._popen.wait(FAREWELL)
                what = f"ended ({_named(code)})"
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 4096))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        said = f": {lines[-1].strip()[:MOST]}" if lines else ""
        return ProcessGone(f"the process of imagen-pytorch {what}{said}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()


def _named(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}; perhaps memory ran out"
    return f"exit code {code}"


def _listen(stream: BinaryIO, frames: queue.SimpleQueue[Frame | str]) -> None:
    """Put each frame of a stream into the queue, and last a word on how the stream ended."""
    try:
        while True:
            frames.put(child.read_frame(stream))
    except (EOFError, OSError):
        frames.put("ended")
    except ValueError as error:
        frames.put(f"wrote {error} and was killed")
