"""What a worker does with a piece, wherever it runs: it answers the shots in order, and can be asked to end early.

Knows no pipes and no cluster. The worker's thread makes; any other thread may ask it to end.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Self

from teststrip.errors import EngineError, StudyError, TeststripError, first_line
from teststrip.executors.local import LocalExecutor
from teststrip.executors.pieces import Whole
from teststrip.protocols import Engine, Expects
from teststrip.records import EngineRef, Failure, Render, Shot

BROKEN: Final = ("error", "oom", "nan")
"""Reasons of failures that a GPU which is out of order may cause."""


class Maker:
    """Makes pieces with engines of its own, and a context manager.

    Where the GPU of this process is out of order, the process ends: each further shot would fail in milliseconds, so
    that this worker would draw piece after piece and fail shots that healthy GPUs can make.
    """

    def __init__(self) -> None:
        self._executor = LocalExecutor()
        self._last = 0
        """The number of the last piece that is to be ended early."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the engines. A caller may do so twice, and may ask for answers again afterwards."""
        self._executor.close()

    def finish(self, number: int) -> None:
        """Begin no further shot of the piece with this number, nor of an earlier one. Any thread may call this."""
        self._last = number

    def answers(
        self, number: int, ref: EngineRef, shots: Sequence[Shot], whole: Whole | None = None
    ) -> Iterator[Render | Failure]:
        """One answer for each shot of a piece, those that were not begun left out once it is to finish.

        Args:
            number: of the piece.
            ref: the engine.
            shots: of the piece.
            whole: what it is a piece of; None = the driver does not say.
        """
        engine = self._executor.engine(ref)
        if whole and isinstance(engine, Expects):
            engine.expect(whole.shots, whole.cost)

        def asked() -> Iterator[Shot]:
            for shot in shots:
                if self._last >= number:
                    return
                yield shot

        finishing = False
        for answer in self._executor.run(ref, asked()):
            if isinstance(answer, Failure) and answer.reason in BROKEN and (why := out_of_order()):
                sys.stderr.write(f"the GPU is out of order: {why}\n")
                sys.stderr.flush()
                os._exit(1)  # closing the engines would ask the GPU again, and may hang
            yield answer
            if self._last >= number and not finishing:
                finishing = True
                self._executor.finish()


def out_of_order() -> str:
    """Why the GPU computes nothing more for this process; "" where it does, or where this process uses none.

    After an illegal access or a fault of the card each call fails until the process ends. After a lack of memory, or an
    error of one shot, they do not. Loads no torch: an engine that uses the GPU has loaded it.
    """
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return ""
    try:
        cuda.synchronize()
    except RuntimeError as error:
        return first_line(error)
    return ""


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


def portable(ref: EngineRef) -> EngineRef:
    """A reference whose tables are plain, so that it crosses to another process."""
    return replace(ref, options=dict(ref.options), operation=dict(ref.operation))


def crossing(shot: Shot) -> Shot:
    """A shot whose tables are plain, so that it crosses to another process."""
    return replace(shot, engine=portable(shot.engine), settings=dict(shot.settings), files=dict(shot.files))


def crossing_error(error: Exception) -> Exception:
    """The error as it can cross to the driver: an error of Teststrip as it is, another one as its line."""
    if isinstance(error, TeststripError):
        with contextlib.suppress(Exception):  # it takes other arguments than its line
            alike = type(error)(str(error))
            if alike.args == error.args:
                return alike
    return EngineError(f"{type(error).__name__}: {first_line(error)}")
