"""What every executor of several workers does: it pulls shots ahead, hands out pieces, and counts each answer once.

The driver plans and is the only writer. It opens the engines without weights, to ask what shots cost. Engines that cost
money stay in the driver's process, where the purse is, and so do engines that ask a server of the user's own: the
address is the driver's, and another machine's 127.0.0.1 is another server. A subclass says what its workers are.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Self

from teststrip.errors import EngineError
from teststrip.executors.local import LocalExecutor
from teststrip.executors.making import cost_of, weights_of
from teststrip.executors.pieces import MOST, Pieces, Whole
from teststrip.protocols import Engine, Pays, Purse
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot
from teststrip.servers import Meets

WINDOW: Final = 4 * MOST
"""Shots pulled ahead for each worker, so that the longest of many start first and a slow reader slows the run."""

IN_A_ROW: Final = 3
"""Workers that may end one after another without any answer between, before the run ends: it is the machine."""


class SeveralWorkers(ABC):
    """An `Executor` of several workers, and a context manager. A subclass starts, asks and ends the workers.

    Attributes:
        pieces: the class that hands out and counts.
    """

    pieces: type[Pieces] = Pieces

    def __init__(self) -> None:
        self._local = LocalExecutor()
        self._numbers = itertools.count(1)
        self._asked: Mapping[Hashable, Whole] = {}
        """By weights, what earlier runs asked for."""
        self._finishing = False
        self._fruitless = 0
        self._pieces: Pieces | None = None
        """Of the run under way."""
        self._stopped: Callable[[], bool] = lambda: False
        self._say: Callable[[str], None] = lambda why: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines without weights, as `Executor.open` says. Workers start with the first shot."""
        self._local.open(engines)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot, as `Executor.fingerprint` says."""
        return self._local.fingerprint(shot)

    def pay_from(self, purse: Purse) -> None:
        """Hand a purse to the engines that cost money, which run in this process."""
        self._local.pay_from(purse)

    def attend(self, stopped: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Notice a stop also while no answer comes, as `Waits.attend` says."""
        self._stopped, self._say = stopped, say

    def run(self, engine: EngineRef, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, as `Executor.run` says."""
        asked = self._local.engine(engine)
        if self._stays(engine):
            return self._local.run(engine, shots)
        return self._run(asked, engine, iter(shots))

    def finish(self) -> None:
        """Begin no further shot, as `Executor.finish` says."""
        self._finishing = True
        self._local.finish()
        if self._pieces is not None:
            self._tell_to_finish(self._pieces)

    def close(self) -> None:
        """End the workers; what they are at is not waited for."""
        try:
            self._end_all()
        finally:
            self._local.close()

    def _stays(self, engine: EngineRef) -> bool:
        """Whether an engine runs in this process, and answers here what will answer a shot."""
        return isinstance(self._local.engine(engine), Pays | Meets)

    def _run(self, engine: Engine, ref: EngineRef, source: Iterator[Shot]) -> Iterator[Render | Failure]:
        self._finishing = False
        self._fruitless = 0
        asked: dict[str, Shot] = {}
        self._pieces = pieces = self.pieces(self._numbers, self._asked)
        try:
            while True:
                if not self._finishing and self._stopped():
                    self.finish()
                room = max(0, WINDOW * self._most - len(pieces))
                for shot in itertools.islice(source, 0 if self._finishing else room):
                    asked[shot.id] = shot
                    pieces.add(shot, cost_of(engine, shot), weights_of(engine, shot))
                if not self._finishing:
                    self._hand_out(ref, pieces)
                if not pieces.under_way and (self._finishing or not len(pieces)):
                    return
                for answer in self._heard(pieces):
                    # The shot as it was asked: in the worker it was a copy.
                    yield replace(answer, shot=asked.pop(answer.shot.id))
        finally:
            self._pieces, self._asked = None, pieces.asked
            self._abandon(pieces)

    def _done(self, number: int, pieces: Pieces) -> Iterator[Failure]:
        """A worker ended a piece: shots without an answer wait again, unless the run is to finish."""
        if self._finishing:
            pieces.end(number)
        else:
            yield from pieces.lost(number, "the engine gave no answer")

    def _lost(
        self, number: int | None, pieces: Pieces, how: str, *, bearable: int | None = None, blameless: bool = False
    ) -> Iterator[Failure]:
        """A worker ended: the shots of its piece wait again.

        Args:
            number: of the piece; None = it had none.
            pieces: of the run.
            how: it ended.
            bearable: how many may end so one after another; None = IN_A_ROW for each worker.
            blameless: whether no shot can be the reason, as `Pieces.lost` says.

        Raises:
            EngineError: more workers than are bearable ended one after another without any answer between.
        """
        self._fruitless += 1
        if self._fruitless > (IN_A_ROW * self._most if bearable is None else bearable):
            raise EngineError(f"the workers that make pictures end before they answer ({how})")
        if number is None:
            return
        if self._finishing:
            pieces.end(number)
        else:
            failed = pieces.lost(number, f"the worker that made it ended ({how})", blameless=blameless)
            if failed:  # it was the shot, and not the machine
                self._fruitless = 0
            yield from failed

    @property
    @abstractmethod
    def _most(self) -> int:
        """How many workers make pieces at a time, now; at least 1."""

    @abstractmethod
    def _hand_out(self, ref: EngineRef, pieces: Pieces) -> None:
        """A piece to each worker that has none; workers are started as far as there is work for them."""

    @abstractmethod
    def _heard(self, pieces: Pieces) -> Iterator[Render | Failure]:
        """What a worker says next: answers, none, or failures of shots that were lost too often.

        Waits a second or two at most, so that a stop is noticed.
        """

    @abstractmethod
    def _tell_to_finish(self, pieces: Pieces) -> None:
        """Let each worker begin no further shot of the piece in work; pieces that were not begun are ended."""

    @abstractmethod
    def _abandon(self, pieces: Pieces) -> None:
        """End the workers that are still at these pieces, so that no late answer reaches a later run."""

    @abstractmethod
    def _end_all(self) -> None:
        """End all workers."""
