"""What an engine keeps from one `render` to the next, so that shots in portions get the rows of shots in one stream.

Each `render` makes a batcher anew, which sees the shots of its own portion. Knows records; nothing of models or pixels.
"""

from __future__ import annotations

from teststrip.batching import Earlier, Work


class Experience:
    """What batchers of one engine found out, and what they are asked for together.

    Attributes:
        whole: the shots that are known of beside those of one `render`, and their denoiser rows.
    """

    def __init__(self) -> None:
        self.whole = Work(0, 0)
        self._earlier: dict[str, Earlier] = {}

    def expect(self, shots: int, calls: float) -> None:
        """Let the batchers from now on know of so many shots and denoiser rows."""
        self.whole = Work(shots, calls)

    def of(self, machine: str) -> Earlier:
        """What earlier batchers found out.

        Args:
            machine: says all that the best number of rows depends on.
        """
        return self._earlier.setdefault(machine, Earlier())
