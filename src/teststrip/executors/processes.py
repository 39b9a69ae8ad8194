"""One process a GPU, or as many as are asked for: each with its own engines, on its own cores.

The driver plans and is the only writer. It opens the engines without weights, to ask what shots cost and what would
answer them; workers make pieces (`pieces`) and send answers back. A worker that ends is started anew, and its shots are
asked again, a bounded number of times. Engines that cost money stay in the driver's process, where the purse is.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any, Final, Self

from teststrip.errors import EngineError, StudyError, UsageError
from teststrip.executors.local import LocalExecutor
from teststrip.executors.pieces import MOST, Piece, Pieces
from teststrip.protocols import Engine, Pays, Purse
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot

FAREWELL: Final = 5.0
"""Seconds that a worker gets to end by itself."""

WINDOW: Final = 4 * MOST
"""Shots pulled ahead for each worker, so that the longest of many start first and a slow reader slows the run."""

IN_A_ROW: Final = 3
"""Workers that may end one after another without any answer between, before the run ends: it is the machine."""

SAID: Final = 300
"""Characters of what a worker said last."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs.

    Attributes:
        number: of no other worker.
        variables: of its environment, beside those of the driver.
        cores: the processor's cores that it keeps to; none = all.
    """

    number: int
    variables: Mapping[str, str]
    cores: tuple[int, ...] = ()


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
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            [sys.executable, "-m", "teststrip.executors.worker", *map(str, place.cores)],
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

    def make(self, ref: EngineRef, piece: Piece) -> None:
        """Hand a piece over."""
        self.piece, self.weights = piece, piece.weights
        self._send(("piece", piece.number, portable(ref), [_crossing(shot) for shot in piece.shots]))

    def finish(self) -> None:
        """Let the worker begin no further shot of the piece in work."""
        if self.piece is not None:
            self._send(("finish", self.piece.number))

    def end(self, *, kill: bool = False) -> str:
        """End the process.

        Returns:
            how it ended and what it said last, for people.
        """
        self._closed.set()
        if kill:
            self._process.kill()
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        self._process.kill()
        code = self._process.wait()
        self._reader.join(FAREWELL)
        if self._process.stdout:
            self._process.stdout.close()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        self._log.close()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return f"{how}{f': {lines[-1][-SAID:]}' if lines else ''}"

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
            try:
                message = pickle.load(self._process.stdout)  # noqa: S301 - written by the process that was started here
            except Exception:  # it ended, perhaps in the middle of a message
                message = None
            while not self._closed.is_set():
                with contextlib.suppress(queue.Full):
                    inbox.put((self, message), timeout=0.5)
                    break


class ProcessesExecutor:
    """An `Executor` of several processes of this machine, and a context manager.

    Args:
        number: of processes; None = one for each GPU.

    Raises:
        UsageError: no number is given, and there is no GPU here.
    """

    def __init__(self, number: int | None = None) -> None:
        self._places = places(number, gpus(), cores())
        self._local = LocalExecutor()
        self._workers: list[Worker] = []
        # Full, it blocks the readers, then the pipes, then the workers: a slow disk slows the run and fills no memory.
        self._inbox: queue.Queue[tuple[Worker, Any]] = queue.Queue(4 * len(self._places))
        self._numbers = itertools.count(1)
        self._finishing = False
        self._fruitless = 0

    @classmethod
    def of(cls, argument: str) -> Self:
        """The executor that `--executor processes:4` names.

        Raises:
            UsageError: the argument is no number of processes.
        """
        if argument and (not argument.isascii() or not argument.isdigit() or not 1 <= int(argument) <= 1024):
            raise UsageError(f"--executor processes:{argument}: write a number of processes, such as processes:4")
        return cls(int(argument) if argument else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [worker.pid for worker in self._workers]

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines without weights, as `Executor.open` says. Workers start with the first shot."""
        self._local.open(engines)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot, as `Executor.fingerprint` says."""
        return self._local.fingerprint(shot)

    def pay_from(self, purse: Purse) -> None:
        """Hand a purse to the engines that cost money, which run in this process."""
        self._local.pay_from(purse)

    def run(self, engine: EngineRef, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, as `Executor.run` says."""
        asked = self._local.engine(engine)
        if isinstance(asked, Pays):
            return self._local.run(engine, shots)
        return self._run(asked, engine, iter(shots))

    def finish(self) -> None:
        """Begin no further shot, as `Executor.finish` says."""
        self._finishing = True
        self._local.finish()
        for worker in self._workers:
            worker.finish()

    def close(self) -> None:
        """End the workers; what they are at is not waited for."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end(kill=worker.piece is not None)
        self._local.close()

    def _run(self, engine: Engine, ref: EngineRef, source: Iterator[Shot]) -> Iterator[Render | Failure]:
        self._finishing = False
        self._fruitless = 0
        asked: dict[str, Shot] = {}
        pieces = Pieces(len(self._places), self._numbers)
        try:
            while True:
                room = WINDOW * len(self._places) - len(pieces)
                for shot in itertools.islice(source, 0 if self._finishing else room):
                    asked[shot.id] = shot
                    pieces.add(shot, cost_of(engine, shot), weights_of(engine, shot))
                self._hand_out(ref, pieces)
                if not pieces.under_way:
                    return
                for answer in self._heard(pieces):
                    # The shot as it was asked: in the worker it was a copy.
                    yield replace(answer, shot=asked.pop(answer.shot.id))
        finally:
            # A reader that stopped reading leaves workers at their pieces; their late answers belong to no later run.
            for worker in self._workers:
                if worker.piece is not None and worker.piece.number in pieces.under_way:
                    worker.end(kill=True)
            self._workers = [worker for worker in self._workers if worker.piece is None]

    def _hand_out(self, ref: EngineRef, pieces: Pieces) -> None:
        """A piece to each worker that has none; workers are started as far as there is work for them."""
        if self._finishing:
            return
        for worker in self._workers:
            if worker.piece is None and (piece := pieces.take(worker.weights)):
                worker.make(ref, piece)
        taken = {worker.place.number for worker in self._workers}
        for place in self._places:
            if place.number not in taken and (piece := pieces.take(None)):
                self._workers.append(worker := Worker(place, self._inbox))
                worker.make(ref, piece)

    def _heard(self, pieces: Pieces) -> Iterator[Render | Failure]:
        """What the next message of a worker says: an answer, none, or failures of shots that were lost too often."""
        worker, message = self._inbox.get()
        if worker not in self._workers or worker.piece is None:
            if worker in self._workers and message is None:  # it ended while it had nothing to do
                self._workers.remove(worker)
                worker.end()
            return
        number = worker.piece.number
        match message:
            case ("answer", of, answer):
                self._fruitless = 0
                if pieces.answered(of, answer.shot.id):
                    yield answer
            case ("done", _):
                worker.piece = None
                if self._finishing:
                    pieces.end(number)
                else:
                    yield from pieces.lost(number, "the engine gave no answer")
            case ("raised", _, error):
                worker.piece = None
                pieces.end(number)
                raise error
            case _:
                yield from self._gone(worker, pieces)

    def _gone(self, worker: Worker, pieces: Pieces) -> Iterator[Failure]:
        """A worker ended in the middle of a piece: its shots wait again."""
        self._workers.remove(worker)
        assert worker.piece is not None
        number, how = worker.piece.number, worker.end()
        self._fruitless += 1
        if self._fruitless > IN_A_ROW:
            raise EngineError(f"the processes that make pictures end before they answer ({how})")
        if self._finishing:
            pieces.end(number)
        else:
            yield from pieces.lost(number, f"the process that made it ended ({how})")


def cost_of(engine: Engine, shot: Shot) -> float:
    """Denoiser rows of a shot; 1 where the engine cannot know, or refuses the shot, which its worker will say."""
    try:
        return engine.calls(shot.settings) or 1
    except (StudyError, EngineError):
        return 1


def weights_of(engine: Engine, shot: Shot) -> Hashable:
    """What must be in memory for a shot: equal for shots that one loading serves."""
    names = sorted(getattr(engine, "loads", ()))
    return (shot.engine.key, *(shot.settings.get(name) for name in names))


def gpus() -> list[str]:
    """The NVIDIA GPUs of this machine, as CUDA_VISIBLE_DEVICES names them. Loads no library."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run(  # noqa: S603 - a program found on the PATH, without arguments of a user
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.split() if told.returncode == 0 else []


def cores() -> list[int]:
    """The cores that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def places(number: int | None, cards: list[str], cores: list[int]) -> list[Place]:
    """Where each worker runs: its GPU, its share of the cores, and as many threads.

    Raises:
        UsageError: no number is given, and there is no GPU.

    >>> for place in places(None, ["0", "1"], [0, 1, 2, 3]):
    ...     print(place.variables["CUDA_VISIBLE_DEVICES"], place.cores)
    0 (0, 1)
    1 (2, 3)
    """
    if number is None and not cards:
        raise UsageError("--executor processes: no GPU is seen here. Write how many processes, such as processes:4")
    number = len(cards) if number is None else number
    share = len(cores) // number
    found = []
    for worker in range(number):
        own = tuple(cores[worker * share : (worker + 1) * share])
        variables = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, share))}
        if cards:
            variables["CUDA_VISIBLE_DEVICES"] = cards[worker % len(cards)]
        found.append(Place(worker, variables, own))
    return found


def portable(ref: EngineRef) -> EngineRef:
    """A reference whose tables are plain, so that it crosses to another process."""
    return replace(ref, options=dict(ref.options), operation=dict(ref.operation))


def _crossing(shot: Shot) -> Shot:
    return replace(shot, engine=portable(shot.engine), settings=dict(shot.settings), files=dict(shot.files))
