"""On a processor, one forward is cut into lanes that run side by side, each on threads of its own.

The usual way is to share out every single operation among all threads, which then wait for each other after each one:
some hundred times a forward. Lanes wait once. On two free cores that is worth a tenth; where somebody else uses one of
them, three times and more, since no lane waits for a thread that is not running (docs/performance.md).

Knows threads and how many rows a lane has; nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


class Lanes:
    """Shares out the threads of this process.

    Args:
        threads: how many there are; 1 = every forward is one lane, computed where it is called.
    """

    def __init__(self, threads: int) -> None:
        self._threads = max(threads, 1)
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def number(self, width: int) -> int:
        """How many lanes a forward of so many rows has: a divisor, so that all are of one shape; most threads at work.

        >>> [Lanes(threads).number(16) for threads in (1, 2, 6, 8, 12)], Lanes(2).number(1)
        ([1, 2, 2, 8, 4], 1)
        """
        divisors = [lanes for lanes in range(1, min(self._threads, width) + 1) if width % lanes == 0]
        return max(divisors, key=lambda lanes: (lanes * (self._threads // lanes), lanes))

    def run(self, lanes: int, parts: Sequence[Callable[[], Any]]) -> list[Any]:
        """The answers of at most `lanes` parts of one forward, each computed on its share of the threads.

        Raises what the first part that failed raised, after all have ended.
        """
        if lanes == 1:
            return [part() for part in parts]
        if lanes not in self._pools:
            # A thread keeps the number it was told when it began.
            share = self._threads // lanes
            self._pools[lanes] = ThreadPoolExecutor(lanes, "lane", initializer=torch.set_num_threads, initargs=(share,))
        futures = [self._pools[lanes].submit(_inferred, part) for part in parts]
        for future in futures:
            future.exception()
        return [future.result() for future in futures]

    @contextmanager
    def open(self) -> Iterator[None]:
        """Inside, lanes may run; afterwards their threads are gone and the process has its own number again."""
        before = torch.get_num_threads()
        try:
            yield
        finally:
            for pool in self._pools.values():
                pool.shutdown()
            if self._pools:  # telling a lane's thread its number told the process, too
                torch.set_num_threads(before)
            self._pools = {}


def _inferred(part: Callable[[], Any]) -> Any:
    with torch.inference_mode():  # a mode belongs to a thread
        return part()
