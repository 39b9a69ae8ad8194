"""How long workers said nothing while the driver listened, so that one that hangs is noticed.

Only the time counts in which the driver waits for a message: a driver that is busy with a slow disk hears no worker.
"""

from __future__ import annotations

from collections.abc import Collection


class Silence:
    """The silence of each piece under way.

    Args:
        patience: seconds that a worker may say nothing; 0 = no limit.

    >>> silence = Silence(10)
    >>> silence.waited(8, under_way=[1, 2], heard=[1])
    []
    >>> silence.waited(4, under_way=[1, 2], heard=[])
    [2]
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._seconds: dict[int, float] = {}

    @property
    def longest_wait(self) -> float:
        """Seconds that the driver may wait for a message before it looks at the silence.

        Never without end, because on Windows Ctrl-C does not interrupt a thread that waits for a queue.
        """
        return min(self.patience or 1.0, 1.0)

    def waited(self, seconds: float, *, under_way: Collection[int], heard: Collection[int]) -> list[int]:
        """Note that the driver waited.

        Args:
            seconds: that it waited.
            under_way: numbers of all pieces under way.
            heard: numbers of those of which something was heard.

        Returns:
            the numbers of the pieces that were silent for longer than `patience`.
        """
        before = self._seconds
        self._seconds = {number: 0.0 if number in heard else before.get(number, 0.0) + seconds for number in under_way}
        return [number for number, silent in self._seconds.items() if self.patience and silent > self.patience]
