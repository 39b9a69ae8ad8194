"""On a processor, forwards run in lanes: several at a time, each on threads of its own.

The usual way is one forward whose every operation is shared out among all threads, which then wait for each other some
hundred times a forward, and for the driver between two forwards. Lanes wait for nobody: a lane that is done takes the
next rows while the others go on, and the driver steps schedulers meanwhile. Where somebody else uses one of the cores,
one lane is slower and the others are not (docs/performance.md has the figures).

Knows threads; nothing of models and rows. With one thread each, what a lane computes does not depend on how many there
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import torch

# Of memory's sake: each lane holds the activations of its own rows.
MOST = 8


class Lanes:
    """Shares out the threads of this process.

    Args:
        threads: how many there are; 1 = one lane, computed where it is asked for.

    Attributes:
        number: of lanes. room: forwards that may be sent off at a time, in the lanes or waiting for one.
    """

    def __init__(self, threads: int) -> None:
        self.number = max(1, min(threads, MOST))
        self.room = 2 * self.number if self.number > 1 else 1
        self._share = max(1, threads // self.number)
        self._pool: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], Any]) -> Future[Any]:
        """Compute something in the next free lane, after what waits already."""
        if self._pool is None:
            return _done(work)
        return self._pool.submit(_inferred, work)

    @staticmethod
    def first(futures: Iterable[Future[Any]]) -> Future[Any]:
        """The first that is done; waits for it."""
        return next(iter(wait(futures, return_when=FIRST_COMPLETED).done))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Inside, lanes run; afterwards their threads are gone and the process has its own number again."""
        if self.number == 1:
            yield
            return
        before = torch.get_num_threads()
        # A thread keeps the number it was told when it began.
        self._pool = ThreadPoolExecutor(self.number, "lane", initializer=torch.set_num_threads, initargs=(self._share,))
        try:
            yield
        finally:
            self._pool.shutdown()
            self._pool = None
            torch.set_num_threads(before)  # telling a lane's thread its number told the process, too


def _inferred(work: Callable[[], Any]) -> Any:
    with torch.inference_mode():  # a mode belongs to a thread
        return work()


def _done(work: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # heard where the result is asked for
        future.set_exception(error)
    return future
