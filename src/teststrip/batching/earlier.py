"""What runs of a batcher tell later runs about the width of forwards.

A search for a width is worth its time only for so much work. A caller that asks for pictures in portions makes a
batcher for each, and each sees the calls of its own portion alone. `Earlier` holds what was measured and what was made
in the portions before, so that a search goes on where it ended. Plain records, without torch.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Work:
    """What is to make of one shape.

    Attributes:
        calls: that can share forwards.
        rows: denoiser rows of these calls.
    """

    calls: float
    rows: float

    def __add__(self, other: Work) -> Work:
        """The work of calls that share forwards with these."""
        return Work(self.calls + other.calls, self.rows + other.rows)

    def after(self, before: Work) -> Work:
        """This work in a run, and what was made in runs before it: calls of two runs share no forward.

        >>> Work(calls=3, rows=60).after(Work(calls=5, rows=100))
        Work(calls=5, rows=160)
        """
        return Work(max(self.calls, before.calls), self.rows + before.rows)

    def or_more(self, other: Work) -> Work:
        """The larger of two estimates of the same work.

        >>> Work(calls=3, rows=60).or_more(Work(calls=120, rows=2400))
        Work(calls=120, rows=2400)
        """
        return Work(max(self.calls, other.calls), max(self.rows, other.rows))


NOTHING = Work(0, 0)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What runs with the same model, number format and device found out, kept by the caller from run to run.

    Attributes:
        made: by `Call.shape`, the work of earlier runs.
        tried: by shape of row, the seconds of a full forward by its width; None = it cannot be computed.
        trials: by shape of row, how many forwards it costs to measure one width.
    """

    made: dict[Hashable, Work] = field(default_factory=dict)
    tried: dict[str, dict[int, float | None]] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)

    def add(self, shape: Hashable, work: Work) -> None:
        """Note what a run made of a shape."""
        self.made[shape] = work.after(self.made.get(shape, NOTHING))

    def forget_from(self, shape: str, width: int) -> None:
        """Note that memory ran out at a width: no later search tries it, nor a wider one."""
        if shape in self.tried:
            narrower = {rows: seconds for rows, seconds in self.tried[shape].items() if rows < width}
            self.tried[shape] = {**narrower, width: None}
