"""What can go wrong, by what the caller can do about it.

    TeststripError                  catch this to catch everything below
    ├── StudyError                  edit the study file (or the Study object)
    ├── UsageError                  call the command or the function differently
    ├── MissingExtra                install something; the message holds the command
    ├── EngineError                 the engine cannot start: weights, device, credentials
    ├── MissingWeights              a metric has no model to compute with; name one, or do without the metric
    ├── StoreError                  the folder is damaged, newer, or on an unfit file system
    │   └── FolderBusy              another run holds the folder; wait for it
    ├── PictureError                these bytes are no sound picture; make or fetch them again
    ├── ReaderGone                  what reads standard output has ended; the study is not harmed
    ├── TrackerError                a tracker did not get everything; the study is safe, send it again
    └── DesignError                 the data cannot answer this question; ask another or make more

Every message says where, what, and the remedy. A failed *shot* is no exception but a value: `records.Failure`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TeststripError(Exception):
    """Anything this package raises on purpose.

    Attributes:
        exit_code: what the command line returns for this error.
    """

    exit_code = 2


class StudyError(TeststripError):
    """The study asks for something that does not exist or contradicts itself."""


class UsageError(TeststripError):
    """A command or function was called in a way that cannot work."""


class MissingExtra(TeststripError):
    """An optional part is not installed; the message names the `pip install` that brings it."""


class EngineError(TeststripError):
    """An engine cannot start at all (one failed shot is a `records.Failure` instead)."""


class MissingWeights(TeststripError):
    """A metric's model is not there, or is not of the kind that the metric needs. The metric makes no number up."""


class StoreError(TeststripError):
    """The study folder cannot be used as it is."""


class FolderBusy(StoreError):
    """Another process is writing to the folder."""

    exit_code = 4


class PictureError(TeststripError):
    """Bytes that should be a picture are cut off, damaged, too large or of another format."""


class ReaderGone(TeststripError):
    """The program that reads standard output ended before everything was written."""

    exit_code = 141  # 128 and the number of SIGPIPE, as shells have it


class TrackerError(TeststripError):
    """A tracker failed or took too long. A run never stops for it."""


class DesignError(TeststripError):
    """The design or the data cannot answer the question that was asked."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'. Did you mean ...?' when a known name is close, else ''.

    >>> nearest("num_inference_step", ["num_inference_steps", "seed"])
    ". Did you mean 'num_inference_steps'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f". Did you mean {close[0]!r}?" if close else ""


def among(name: str, known: Iterable[str], title: str) -> str:
    """The end of a sentence that names the nearest known name, if one is close, and then all known names.

    >>> among("sead", ["seed", "eta"], "Settings")
    ". Did you mean 'seed'? Settings: seed, eta"
    """
    known = list(known)
    hint = nearest(name, known) or "."
    return f"{hint} {title}: {', '.join(known) or 'none'}"


def shortened(text: str, most: int = 400) -> str:
    """The text, cut in its middle where it is longer than a message should repeat.

    >>> shortened("a" * 3000, most=10)
    'aaaaa…aaaaa'
    """
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - most // 2 :]}"


def first_line(error: BaseException) -> str:
    """The first line that an error says, without the essay below it; its class where it says nothing.

    >>> first_line(ValueError("\\nno such operation\\n  at line 7")), first_line(KeyError())
    ('no such operation', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
