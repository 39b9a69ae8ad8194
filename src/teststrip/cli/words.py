"""What all commands share: the words of their arguments, and how a command prints for people and programs."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from teststrip.errors import UsageError
from teststrip.screen import Screen

if TYPE_CHECKING:
    from teststrip.results import Result

PARTIAL, INTERRUPTED = 3, 130

out = Screen()
err = Screen(stderr=True)

StudyFile = Annotated[Path, typer.Argument(help="A study file (TOML), or the folder of its run.", show_default=False)]
Folder = Annotated[
    Path, typer.Argument(help="A folder that `teststrip run` made, or its study file.", show_default=False)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the study file.")
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The folder of the study. [default: that of its run, or runs/NAME]")
]
WithoutFailing = Annotated[
    bool,
    typer.Option("--without-failing", help="Leave out what cannot be made, and say so; else it is an error."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Also read a study of more than 100,000 places.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def offered(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell offers for a word that was begun."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


def print_json(value: object) -> None:
    """Write one JSON object on standard output."""
    out.write(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Write lines for people: a terminal gets long ones folded between words, a file or a pipe gets them whole."""
    width = room() or sys.maxsize
    out.print("\n".join(folded(line, width) for line in text.splitlines()), markup=False)


def room() -> int | None:
    """The width of the terminal that standard output is; None where it is a file or a pipe."""
    return out.width if out.is_terminal else None


def folded(line: str, width: int) -> str:
    """A line on several, folded between words; what follows stands under the first word, a rule at the left goes on.

    >>> print(folded("  * one two three four", 14))
      * one two
        three four
    >>> print(folded("│ one two three four", 14))
    │ one two
    │ three four
    """
    if len(line) <= width:
        return line
    mark = re.match(r" *(?:[*→│-] )?", line)
    indent = re.sub("[^│]", " ", mark[0]) if mark else ""
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class Told(Protocol):
    """What a verb found, in lines for people and as plain values for programs."""

    def lines(self) -> Iterable[str]:
        """For people."""
        ...

    def as_json(self) -> Mapping[str, object]:
        """For programs."""
        ...


def tell(found: Told, *, as_json: bool) -> None:
    """Print what a verb found."""
    if as_json:
        print_json(found.as_json())
    else:
        for line in found.lines():
            out.print(line, markup=False)


def secret(variable: str | None) -> str | None:
    """A secret by the name of its environment variable, because every user of a machine can read its command lines.

    Raises:
        UsageError: there is no such variable, or it is empty.
    """
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise UsageError(f"--token-from {variable}: there is no such environment variable, or it is empty")
    return os.environ[variable]


def opened(folder: Path, *, yes: bool) -> Result:
    """The result of a folder, or of the folder that a study file means.

    Args:
        folder: of the study.
        yes: whether the user has agreed to read a study of any size.

    Raises:
        StoreError: there is no study.
        UsageError: the study is large, and the user has not agreed.
    """
    from teststrip.results.result import Result, study_in
    from teststrip.store import Store
    from teststrip.verbs import extent, places

    folder = places.of_run(folder)
    study = study_in(folder)
    if not yes:
        extent.refuse_large(study, folder)
    return Result(study, Store(folder))
