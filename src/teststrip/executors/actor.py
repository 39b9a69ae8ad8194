"""What an actor of a Ray cluster does: it answers the shots of a piece one by one, and questions at any time.

`executors.ray` makes an actor of this class, with one thread for pieces and one for questions. So both
have engines of their own; those of the questions never load weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from teststrip.executors.local import LocalExecutor
from teststrip.executors.making import Maker, crossing_error
from teststrip.executors.pieces import Whole
from teststrip.plugins import version_of
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot


class Actor:
    """Holds the engines of one worker."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._maker = self._opened.enter_context(Maker())
        self._asked = self._opened.enter_context(LocalExecutor())

    def version(self) -> tuple[str | None, str]:
        """The version of Teststrip on this node, and the node's id.

        The driver asks for it before anything of Teststrip crosses.
        """
        import ray  # not above: without Ray an actor still is a class that makes pictures

        return version_of("teststrip"), ray.get_runtime_context().get_node_id()

    def fingerprint(self, shot: Shot) -> Fingerprint | Exception:
        """What would answer this shot here, or the error that says why nothing can."""
        try:
            return self._asked.fingerprint(shot)
        except Exception as error:  # the driver raises it, as an engine of its own would
            return crossing_error(error)

    def make(
        self, number: int, ref: EngineRef, shots: Sequence[Shot], whole: Whole | None = None
    ) -> Iterator[Render | Failure | Exception]:
        """The answers of a piece as they come; the last one may be the error that ended it."""
        try:
            yield from self._maker.answers(number, ref, shots, whole)
        except Exception as error:  # the driver raises it, as an engine of its own would
            yield crossing_error(error)

    def finish(self, number: int) -> None:
        """Begin no further shot of the piece with this number, nor of an earlier one."""
        self._maker.finish(number)

    def close(self) -> None:
        """Close the engines. To be asked in the thread for pieces, so that none is in work."""
        self._opened.close()
