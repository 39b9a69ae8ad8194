"""The console that everything is printed on: no text can command it, and a lost reader is an error with a place.

Knows rich; nothing of what is printed. Standard output is what a command was called for, so an OSError there ends the
command. Standard error only accompanies it, so a run goes on in silence where that one is lost.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from teststrip.characters import printable
from teststrip.errors import ReaderGone

OUTPUT = "standard output"
PLAINLY = "plain"
ESCAPED = "json-escapes"
"""The names under which Python's codecs know `spelled` and `escaped`."""
WIDE = 10_000
"""Columns of what is no terminal: tables are as wide as their words, so that each row is one line for `grep`."""


class Screen(Console):
    """A console for plain text of any origin.

    Args:
        stderr: whether the console writes to standard error.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines: of the terminal, or as COLUMNS says. A file or a pipe has room for any table."""
        if self.is_terminal or "COLUMNS" in os.environ:
            return super().size
        return ConsoleDimensions(WIDE, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as rich renders it, with escapes for hostile characters; see `Console`."""
        return super().render_str(printable(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; see `Console`.

        Raises:
            OSError: standard output is full; the error names it as its file.
            ReaderGone: what reads standard output has ended.
        """
        try:
            super().print(*objects, **options)
        except OSError as error:
            self._lost(error)

    def write(self, text: str) -> None:
        """Write JSON as one piece, without styles or wrapping; what the encoding of the file lacks is escaped in it.

        Raises:
            OSError: standard output is full.
            ReaderGone: what reads standard output has ended.
        """
        try:
            self.file.write(_as_the_file_has_it(printable(text), self.file))
            self.file.flush()
        except OSError as error:
            self._lost(error)

    def on_broken_pipe(self) -> NoReturn:
        """Let `print` hear of a closed pipe as of any other error, because rich would end the process in silence."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def _lost(self, error: OSError) -> None:
        self.quiet = True
        abandon(self.file)
        if self.stderr:
            return
        if isinstance(error, BrokenPipeError):  # as an OSError, Typer would end the process in silence
            raise ReaderGone(
                f"{OUTPUT}: {error.strerror}. The program that reads it has ended; the study is not harmed."
            )
        raise OSError(error.errno, error.strerror, OUTPUT) from error


def _as_the_file_has_it(text: str, file: IO[str]) -> str:
    """JSON for a file: with its letters where the encoding of the file has all of Unicode, else with escapes.

    Some old encodings write a letter as a byte that reads as another one, so none of them is trusted with letters.
    """
    encoding = codecs.lookup(getattr(file, "encoding", None) or "utf-8").name
    return text if encoding.startswith("utf") else text.encode("ascii", ESCAPED).decode("ascii")


def abandon(stream: IO[str]) -> None:
    """Lead a stream that cannot be written to nowhere, because Python would try again when the process ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


PLAIN: Mapping[str, str] = {
    "→": "->", "←": "<-", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "±": "+-", "≥": ">=", "≤": "<=",
    "≈": "~", "·": "|", "•": "*", "∞": "inf", "√": "root ", "∫": "integral ", "°": " deg", "‘": "'", "’": "'",
    "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "\u2009": " ", "─": "-", "│": "|", "├": "|", "└": "|",
    "\ufffd": "?", "━": "-", "╸": "-", "╺": "-",
}  # fmt: skip
"""Symbols of our own sentences, tables and bars, as the terminals of old codepages and plain ASCII can show them."""

RAISED: Final = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
"""Exponents, as numbers on the line."""


def spelled(error: UnicodeError) -> tuple[str, int]:
    r"""What is written for text that an encoding lacks: a plain symbol, else an escape as JSON spells it.

    >>> "an 🦉 → 2 × 10⁻⁵".encode("ascii", "plain")
    b'an \\ud83e\\udd89 -> 2 x 10^-5'
    """
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    text = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda match: "^" + match[0].translate(RAISED), text)
    return "".join(PLAIN.get(letter) or _escaped(letter) for letter in text), error.end


def escaped(error: UnicodeError) -> tuple[str, int]:
    r"""What is written into JSON for text that an encoding lacks: escapes alone.

    >>> '"🦉 →"'.encode("ascii", "json-escapes")
    b'"\\ud83e\\udd89 \\u2192"'
    """
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_escaped, error.object[error.start : error.end])), error.end


def _escaped(letter: str) -> str:
    return letter if letter.isascii() else json.dumps(letter)[1:-1]


codecs.register_error(PLAINLY, spelled)
codecs.register_error(ESCAPED, escaped)


def make_writable() -> None:
    """Let both streams take any text: what their encoding has no character for is written plainly or as an escape."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors=PLAINLY)  # type: ignore[union-attr]  # not every stream can
