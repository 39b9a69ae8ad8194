"""What all commands share: the words of their arguments, and how a command prints for people and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def print_json(value: object) -> None:
    """Write one JSON object on standard output."""
    out.write(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False) + "\n")


def opened(folder: Path) -> Result:
    """The result of a folder, or of the folder that a study file means.

    Raises:
        StoreError: there is no study.
    """
    from teststrip.results.result import open_result
    from teststrip.verbs import places

    return open_result(places.of_run(folder))
