"""On a CPU, forwards run in lanes: several at a time, each on threads of its own.

The usual way is one forward whose every operation is shared out among all threads. Those threads then wait for each
other some hundred times a forward, and for the driver between two forwards. Lanes do not wait for each other: a lane
that is done takes the next rows while the others go on, and the driver steps schedulers meanwhile. Where another
program uses one of the cores, one lane is slower and the others are not (docs/performance.md has the figures).

Knows threads; nothing of models and rows. With one thread each, what a lane computes does not depend on how many lanes
there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import torch

# Bounded because each lane holds the activations of its own rows in memory.
MOST_LANES = 8


class Lanes:
    """Shares out the threads of this process.

    Args:
        threads: to share out; 1 = one lane, which computes in the thread that submits.

    Attributes:
        number: of lanes.
        capacity: forwards that may be under way at a time, in the lanes or waiting for one.
    """

    def __init__(self, threads: int) -> None:
        self.number = max(1, min(threads, MOST_LANES))
        self.capacity = 2 * self.number if self.number > 1 else 1
        self._share = max(1, threads // self.number)
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """Compute something in the next free lane, after what waits already."""
        if self._pool is None:
            return _computed(work)
        return self._pool.submit(_without_gradients, work)

    @staticmethod
    def first_done(futures: Iterable[Future[Any]]) -> Future[Any]:
        """Wait until one of the futures is done, and return it."""
        return next(iter(wait(futures, return_when=FIRST_COMPLETED).done))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within it lanes run; afterwards their threads are gone and the process has its number of threads again."""
        if self.number == 1:
            yield
            return
        before = torch.get_num_threads()
        # PyTorch's number of threads belongs to the thread that sets it, so each lane sets its own when it begins.
        self._pool = ThreadPoolExecutor(self.number, "lane", initializer=torch.set_num_threads, initargs=(self._share,))
        try:
            yield
        finally:
            self._pool.shutdown()
            self._pool = None
            # `torch.set_num_threads` in a lane also changed the process-wide value; restore it.
            torch.set_num_threads(before)


def _without_gradients(work: Callable[[], Any]) -> Any:
    with torch.inference_mode():  # a mode belongs to a thread
        return work()


def _computed(work: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # raised again where the result is asked for
        future.set_exception(error)
    return future
