"""One process a GPU, or as many as are asked for: each with its own engines, on its own cores.

Workers make pieces (`pieces`) and send answers back to the driver (`several`). A worker that ends is started anew, and
its shots are asked again, a bounded number of times.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import IO, Any, Final, Self

from teststrip.errors import UsageError
from teststrip.executors.making import crossing, portable
from teststrip.executors.options import amount, check_options, whole
from teststrip.executors.pieces import Piece, Pieces
from teststrip.executors.places import Place, cores, gpus, places
from teststrip.executors.several import SeveralWorkers
from teststrip.executors.silence import Silence
from teststrip.executors.worker import FAREWELL
from teststrip.records import EngineRef, Failure, Render

LOOK: Final = 1.0
"""Seconds between two looks at the processes themselves, beside what they say."""

SAID: Final = 300
"""Characters of what a worker said last."""


class Worker:
    """A process that makes a piece at a time.

    Args:
        place: where it runs.
        inbox: takes (this worker, message); the message None says that the process ended.

    Attributes:
        piece: the one in work; None while the process has nothing to do.
        weights: what it loaded last.
    """

    def __init__(self, place: Place, inbox: queue.Queue[tuple[Worker, Any]]) -> None:
        self.place = place
        self.piece: Piece | None = None
        self.weights: Hashable = None
        self._closed = threading.Event()
        self._reading = False
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            # -P: no module of the working folder, which may hold a file that is called as a library is.
            [sys.executable, "-P", "-m", "teststrip.executors.worker", *map(str, place.cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **place.variables},
            start_new_session=True,  # the terminal's Ctrl-C is for the driver
        )
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True, name="worker")
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def mute(self) -> bool:
        """Whether the process ended and its pipe did not, because a child that the process forked still holds it."""
        return self._reading and self._process.poll() is not None

    def make(self, ref: EngineRef, piece: Piece) -> None:
        """Hand a piece over."""
        self.piece, self.weights = piece, piece.weights
        self._send(("piece", piece.number, portable(ref), [crossing(shot) for shot in piece.shots], piece.whole))

    def finish(self) -> None:
        """Let the worker begin no further shot of the piece in work."""
        if self.piece is not None:
            self._send(("finish", self.piece.number))

    def dismiss(self) -> None:
        """Let the process close its engines and end. Does not wait."""
        self._closed.set()
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def end(self, *, kill: bool = False) -> str:
        """End the process, and all that it started.

        Returns:
            how it ended and what it said last, for people.
        """
        self._closed.set()
        if kill:
            self._kill()
        self.dismiss()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        self._kill()
        code = self._process.wait()
        self._reader.join(FAREWELL)
        if self._process.stdout and not self._reader.is_alive():  # else the pipe is still held, and this would wait
            self._process.stdout.close()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        self._log.close()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return f"{how}{f': {lines[-1][-SAID:]}' if lines else ''}"

    def _kill(self) -> None:
        if hasattr(os, "killpg"):  # also what outlived it: it is a session of its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def _send(self, message: tuple[Any, ...]) -> None:
        assert self._process.stdin is not None
        # Where the process is gone its reader says so, and the piece is asked again.
        with contextlib.suppress(OSError):
            pickle.dump(message, self._process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()

    def _read(self, inbox: queue.Queue[tuple[Worker, Any]]) -> None:
        assert self._process.stdout is not None
        message: Any = ()
        while message is not None:
            self._reading = True
            try:
                message = pickle.load(self._process.stdout)  # noqa: S301 - written by the process that was started here
            except Exception:  # it ended, perhaps in the middle of a message
                message = None
            self._reading = False
            while not self._closed.is_set():
                with contextlib.suppress(queue.Full):
                    inbox.put((self, message), timeout=0.5)
                    break


class ProcessesExecutor(SeveralWorkers):
    """An `Executor` of several processes of this machine, and a context manager.

    Args:
        number: of processes; None = one for each GPU.
        patience: seconds that a process may say nothing while it makes pictures, before it is ended; 0 = no limit.

    Raises:
        UsageError: no number is given, and there is no GPU here.
    """

    def __init__(self, number: int | None = None, *, patience: float = 0) -> None:
        super().__init__()
        self._places = places(number, gpus(), cores())
        self._silence = Silence(patience)
        self._workers: list[Worker] = []
        self._mute: list[Worker] = []
        """Those that were mute at the last look."""
        self._looked = time.monotonic()
        # Full, it blocks the readers, then the pipes, then the workers: a slow disk slows the run and fills no memory.
        self._inbox: queue.Queue[tuple[Worker, Any]] = queue.Queue(4 * len(self._places))

    @classmethod
    def of(cls, argument: str, options: Mapping[str, object] = MappingProxyType({})) -> Self:
        """The executor that `--executor processes:4` names.

        Args:
            argument: the number of processes; "" = as `[executor]` says, else one for each GPU.
            options: of `[executor]`: `workers` and `patience`.

        Raises:
            UsageError: the argument is no number of processes, or an option is wrong.
        """
        if argument and (not argument.isascii() or not argument.isdigit() or not 1 <= int(argument) <= 1024):
            raise UsageError(f"--executor processes:{argument}: write a number of processes, such as processes:4")
        check_options("processes", options, ("workers", "patience"))
        number = int(argument) if argument else whole(options, "workers", most=1024)
        return cls(number, patience=amount(options, "patience") or 0)

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [worker.pid for worker in self._workers]

    @property
    def _most(self) -> int:
        return len(self._places)

    def _tell_to_finish(self, pieces: Pieces) -> None:
        for worker in self._workers:
            worker.finish()

    def _end_all(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:  # all of them before one is waited for
            if worker.piece is None:
                worker.dismiss()
        for worker in workers:
            worker.end(kill=worker.piece is not None)

    def _abandon(self, pieces: Pieces) -> None:
        for worker in self._workers:
            if worker.piece is not None and worker.piece.number in pieces.under_way:
                worker.end(kill=True)
        self._workers = [worker for worker in self._workers if worker.piece is None]

    def _hand_out(self, ref: EngineRef, pieces: Pieces) -> None:
        for worker in self._workers:
            if worker.piece is None and (piece := pieces.take(worker.weights, workers=self._most)):
                worker.make(ref, piece)
        taken = {worker.place.number for worker in self._workers}
        for place in self._places:
            if place.number not in taken and (piece := pieces.take(None, workers=self._most)):
                self._workers.append(worker := Worker(place, self._inbox))
                worker.make(ref, piece)

    def _heard(self, pieces: Pieces) -> Iterator[Render | Failure]:
        begin = time.monotonic()
        try:
            worker, message = self._inbox.get(timeout=self._silence.longest_wait)
        except queue.Empty:
            worker, message = None, None
        heard = [worker.piece.number] if worker and worker.piece else []
        for number in self._silence.waited(time.monotonic() - begin, under_way=pieces.under_way, heard=heard):
            for silent in [one for one in self._workers if one.piece and one.piece.number == number]:
                yield from self._gone(silent, pieces, f"it said nothing for {self._silence.patience:g} seconds")
        if worker in self._workers:
            yield from self._said(worker, message, pieces)
        for lost in self._lost_from_sight():
            yield from self._said(lost, None, pieces)

    def _lost_from_sight(self) -> list[Worker]:
        """Workers that were mute at two looks, so that nothing of what they said is still on its way."""
        if time.monotonic() - self._looked < LOOK:
            return []
        self._looked = time.monotonic()
        before, self._mute = self._mute, [worker for worker in self._workers if worker.mute]
        return [worker for worker in self._mute if worker in before]

    def _said(self, worker: Worker, message: Any, pieces: Pieces) -> Iterator[Render | Failure]:
        """What a message of a worker means."""
        match message:
            case ("answer", of, answer):
                self._fruitless = 0
                if pieces.answered(of, answer.shot.id):
                    yield answer
            case ("done", of):
                worker.piece = None
                yield from self._done(of, pieces)
            case ("raised", of, error):
                worker.piece = None
                pieces.end(of)
                raise error
            case _ if worker.piece is None:  # it ended while it had nothing to do
                self._workers.remove(worker)
                worker.end()
            case _:
                yield from self._gone(worker, pieces)

    def _gone(self, worker: Worker, pieces: Pieces, why: str = "") -> Iterator[Failure]:
        """A worker ended in the middle of a piece, or has to: its shots wait again."""
        self._workers.remove(worker)
        assert worker.piece is not None
        how = worker.end(kill=bool(why))
        yield from self._lost(worker.piece.number, pieces, why or how)
