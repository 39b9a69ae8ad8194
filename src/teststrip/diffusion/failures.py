"""What a pipeline raised, as a Failure: its class for tables, one line for people."""

from __future__ import annotations

from teststrip.batching import out_of_memory
from teststrip.errors import first_line
from teststrip.records import Failure, Reason, Shot


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
    """One line of at most 300 characters, printable whatever the prompt held."""
    text = first_line(error) if str(error).strip() else "no message"
    return f"{type(error).__name__}: {text}"[:300].encode("utf-8", "backslashreplace").decode("utf-8")
