"""The list of imported pictures that lies beside them: a line of JSON each. The engine `folder` answers from it.

A list may be a stranger's, so its lines are bounded and checked, and a picture's name is the digest of its bytes: no
line leads to another file. Knows rows and lines; no folder of a study.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from teststrip.errors import StudyError
from teststrip.imports.tables import Table, json_table, rows, table
from teststrip.records import Value

NAME: Final = "pictures.jsonl"
MOST_PICTURES: Final = 100_000
_VERSION: Final = 1
_FILE: Final = re.compile(r"[0-9a-f]{64}\.(png|jpg|webp)")
_LONGEST_LINE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """An imported picture.

    Attributes:
        file: its name beside the list: the SHA-256 of its bytes, with an ending.
        prompt: as the model read it.
        settings: all that was understood, by name.
        number: the seed under which the study of the import asks for it.
        derived: the seed under which a study of the same prompt asks for it that says `replicates` alone.
        replicate: its place among the pictures of one prompt and one combination of settings.
        seed: as its tool writes it; "" = unknown.
        tool: what made it.
        job: the order that made several pictures at once.
        said: what a person must know of it.
    """

    file: str
    prompt: str
    settings: Mapping[str, Value]
    number: int
    derived: int
    replicate: int
    seed: str = ""
    tool: str = ""
    job: str = ""
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """A list of imported pictures.

    Attributes:
        pictures: one row each.
        aside: settings that differ between pictures without being studied.
    """

    pictures: tuple[Kept, ...] = ()
    aside: frozenset[str] = field(default_factory=frozenset)


def written(index: Index) -> str:
    """The list as text."""
    head = {"teststrip_import": _VERSION, "aside": sorted(index.aside)}
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in (head, *map(asdict, index.pictures)))


def read(lines: Iterable[str], where: str) -> Index:
    """The list that lines hold.

    Args:
        lines: of the file.
        where: how messages name it.

    Raises:
        StudyError: they hold none.
    """
    head, *rest = _tables(lines, where)
    aside = head.get("aside")
    if head.get("teststrip_import") != _VERSION or not isinstance(aside, list):
        raise StudyError(f"{where} is no list of imported pictures of this version. Import them again")
    try:
        pictures = tuple(_kept(one) for one in rows(rest))
    except (TypeError, ValueError, KeyError) as error:
        raise StudyError(f"{where} is damaged: {error}. Import the pictures again") from error
    return Index(pictures, frozenset(map(str, aside)))


def _tables(lines: Iterable[str], where: str) -> Iterator[Table]:
    empty = True
    for number, line in enumerate(lines, start=1):
        found = json_table(line) if len(line) <= _LONGEST_LINE and number <= MOST_PICTURES + 1 else {}
        if not found:
            raise StudyError(f"{where}: line {number} cannot be read. Import the pictures again")
        empty = False
        yield found
    if empty:
        raise StudyError(f"{where} is empty. Import the pictures again")


def _kept(one: Table) -> Kept:
    file, settings, said = str(one["file"]), table(one["settings"]), one["said"]
    if not _FILE.fullmatch(file):
        raise ValueError(f"{file[:80]!r} is no name of a picture")
    if not isinstance(said, list) or not all(
        isinstance(value, str | int | float | bool) for value in settings.values()
    ):
        raise ValueError("a row does not say its settings")
    return Kept(
        file=file,
        prompt=str(one["prompt"]),
        settings=settings,  # type: ignore[arg-type]  # as just seen
        number=_number(one, "number"),
        derived=_number(one, "derived"),
        replicate=_number(one, "replicate"),
        seed=str(one["seed"]),
        tool=str(one["tool"]),
        job=str(one["job"]),
        said=tuple(map(str, said)),
    )


def _number(one: Table, name: str) -> int:
    number = one[name]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**32:
        raise ValueError(f"{name} is no number of a picture")
    return number
