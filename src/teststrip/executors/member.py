"""An actor as the driver sees it: its handle, and what it is asked for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import ray

from teststrip.executors.making import crossing, portable
from teststrip.executors.pieces import Piece
from teststrip.records import EngineRef

UNREAD: Final = 4
"""Answers that an actor may have sent and the driver not read, before the actor waits."""

FETCH: Final = 10.0
"""Seconds for the bytes of an answer that has arrived. They may have left this machine's store again."""

DONE: Final = object()
"""What is heard where a piece has no further answer."""


class Member:
    """An actor and what it is at.

    Args:
        handle: Ray's own, of the actor.

    Attributes:
        pending: the answer or the stream that is waited for; None = the actor has nothing to do.
        piece: the one in work.
        ref: the engine of the piece.
        weights: what it loaded last.
        settled: whether it runs on a node and has the driver's version.
        node: the id of the node where it runs; "" = not known.
        agreeing: weights of the sample that it was asked about last.
        agrees: weights of the pieces that would be answered there as elsewhere.
        making: whether `pending` is the stream of the piece.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.piece: Piece | None = None
        self.ref: EngineRef | None = None
        self.weights: Hashable = None
        self.settled = False
        self.node = ""
        self.agreeing: Hashable = None
        self.agrees: set[Hashable] = set()
        self.making = False
        self.pending: Any = self.ask("version")

    def ask(self, question: str, *words: object) -> Any:
        """Ask in the thread for questions, while the other one makes pictures."""
        return getattr(self.handle, question).options(concurrency_group="ask").remote(*words)

    def make(self) -> None:
        """Let the actor make its piece."""
        assert self.piece is not None
        assert self.ref is not None
        stream = {"num_returns": "streaming", "_generator_backpressure_num_objects": UNREAD}
        make = self.handle.make.options(concurrency_group="make", **stream)
        self.weights, self.making = self.piece.weights, True
        shots = [crossing(shot) for shot in self.piece.shots]
        self.pending = make.remote(self.piece.number, portable(self.ref), shots, self.piece.whole)

    def close(self) -> Any:
        """Ask the actor to close its engines, after the piece that it is at.

        Returns:
            what to wait for.
        """
        return self.handle.close.options(concurrency_group="make").remote()

    def rest(self) -> None:
        """Note that the actor has nothing to do."""
        self.pending, self.piece, self.making = None, None, False

    def hear(self) -> Any:
        """What was waited for and is there, or DONE."""
        try:
            told = next(self.pending) if self.making else self.pending
        except StopIteration:
            return DONE
        return ray.get(told, timeout=FETCH)
