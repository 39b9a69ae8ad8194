"""What loading or a call raised, as a Failure: its class for tables, one line for people."""

from __future__ import annotations

from typing import Final, Self

from teststrip.batching import out_of_memory
from teststrip.errors import EngineError, first_line
from teststrip.records import Failure, Reason, Shot

MOST: Final = 300
"""Characters of what an error says; a prompt in it may be of any length."""


LESS_MEMORY: Final = 'Write [engine] offload = "model", a quantization, a smaller batch, or a smaller width and height'
"""The remedy where a call runs out of memory. The batch was halved down to one row before a call fails so."""


class CannotLoad(EngineError):
    """A model or a LoRA cannot be loaded: this ends the shots that need it, and no others.

    Attributes:
        reason: for tables.
    """

    def __init__(self, message: str, reason: Reason = "error") -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def alone(self) -> Self:
        """The same without what raised it, whose frames would keep half a model in memory."""
        return type(self)(str(self), self.reason)


class CannotAdapt(CannotLoad):
    """A LoRA or a textual inversion does not go on a model that was loaded."""


def at_loading(shot: Shot, error: CannotLoad) -> Failure:
    """The failure of a shot whose model or LoRA cannot be loaded. A later run tries again."""
    return Failure(shot, error.reason, _printable(str(error)))


def of(shot: Shot, error: Exception) -> Failure:
    """The failure of a shot whose call raised.

    A wrong argument will be wrong next time, too; any other error may pass, so the shot can be retried.
    """
    return Failure(shot, _reason(error), _line(error), retryable=not isinstance(error, ValueError | TypeError))


def not_finite(shot: Shot) -> Failure:
    """The failure of a shot whose picture holds NaN or infinity."""
    return Failure(shot, "nan", "the picture holds values that are not finite", retryable=False)


def _reason(error: Exception) -> Reason:
    if out_of_memory(error):
        return "oom"
    return "invalid" if isinstance(error, ValueError | TypeError) else "error"


def _line(error: Exception) -> str:
    """One line of the first characters, printable whatever the prompt held; with a remedy where memory ran out."""
    text = first_line(error) if str(error).strip() else "no message"
    said = f"{type(error).__name__}: {text}"[:MOST]
    return _printable(f"{said}. {LESS_MEMORY}" if out_of_memory(error) else said)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
