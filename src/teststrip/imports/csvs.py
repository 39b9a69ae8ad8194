"""Tables that a person wrote beside the pictures: columns file, prompt, seed and any setting. They win over metadata.

A cell that is empty says nothing. The words of all tools are understood, so "Steps", "steps" and "num_inference_steps"
are one column.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from teststrip.errors import UsageError
from teststrip.imports.notes import TWICE, Notes, squeezed
from teststrip.imports.understood import Understood
from teststrip.records import Value

LARGEST: Final = 32 * 2**20
MOST_ROWS: Final = 100_000
FILE: Final = ("file", "filename", "image", "picture", "path")
DELIMITERS: Final = ",;\t|"


def read(raw: bytes, name: str) -> dict[str, Understood] | None:
    """What a table says of each file that it names.

    Args:
        raw: of the file.
        name: of the file, for messages.

    Returns:
        None where the table has no column of files, so that it is about something else.

    Raises:
        UsageError: the table is about pictures and cannot be read.
    """
    text = _decoded(raw)
    first = text.split("\n", 1)[0]
    sign = max(DELIMITERS, key=first.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    try:
        heads = [head.strip() for head in next(table, [])]
        column = next((n for n, head in enumerate(heads) if squeezed(head) in FILE), None)
        if column is None:
            return None
        found: dict[str, Understood] = {}
        for cells in table:
            if len(found) >= MOST_ROWS:
                raise UsageError(f"{name}: has more than {MOST_ROWS:,} rows. Split the pictures")
            file = cells[column].strip().replace("\\", "/").removeprefix("./") if column < len(cells) else ""
            if file in found:
                found[file] = replace(found[file], remarks=(*found[file].remarks, f"a row of {name} {TWICE}"))
            elif file:
                found[file] = _row(heads, cells, column)
    except csv.Error as error:
        raise UsageError(f"{name}: line {table.line_num} is no row of a table: {error}") from None
    return found


def over(said: Understood | None, row: Understood) -> Understood:
    """What a file says of itself, with what the table says in its place."""
    if said is None:
        return replace(row, tool="CSV")
    unread = tuple(one for one in said.unread if not (one.key == "prompt" and row.prompt))
    return replace(
        said,
        prompt=row.prompt or said.prompt,
        seed=row.seed or said.seed,
        settings={**_without_sampler(said.settings, row.settings), **row.settings},
        unread=(*unread, *row.unread),
        remarks=(*said.remarks, *row.remarks),
    )


def contradiction(one: Understood, other: Understood) -> str:
    """The first thing that two rows of one file say differently; "" where both can be true.

    A sampler is one thing with its options: "DPM++ 2M" and "DPM++ 2M Karras" contradict each other.
    """
    first, second = _things(one), _things(other)
    differ = (name for name, said in first.items() if second.get(name, said) != said)
    return next((f"{name} is {first[name][:60]!r} and {second[name][:60]!r}" for name in differ), "")


def _things(row: Understood) -> dict[str, str]:
    things = {name: text for name, text in (("prompt", row.prompt), ("seed", row.seed)) if text}
    sampler = [f"{name} {value}" for name, value in sorted(row.settings.items()) if _of_sampler(name)]
    things |= {"sampler": ", ".join(sampler)} if "scheduler" in row.settings else {}
    return things | {name: str(value) for name, value in row.settings.items() if not _of_sampler(name)}


def _of_sampler(name: str) -> bool:
    return name.partition(".")[0] in ("scheduler", "spacing")


def _without_sampler(settings: Mapping[str, Value], row: Mapping[str, Value]) -> dict[str, Value]:
    """The settings, without the options of a sampler that the table replaces."""
    if "scheduler" not in row:
        return dict(settings)
    return {name: value for name, value in settings.items() if not name.startswith("scheduler.") and name != "spacing"}


def _row(heads: list[str], cells: list[str], column: int) -> Understood:
    notes = Notes("CSV")
    for n, (head, cell) in enumerate(zip(heads, cells, strict=False)):
        if n == column or not head or not cell.strip():
            continue
        if head == "clip_skip":  # as Diffusers spells it and counts
            notes.say_setting(head, "clip_skip", cell)
        elif squeezed(head) == "scheduler":
            notes.say_sampler(cell)
        elif squeezed(head) == "tool":
            notes.unread(head, cell, "it says by what the picture was made, not how")
        else:
            notes.say(head, cell)
    return notes.understood()


def _decoded(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")  # what Excel writes on Windows
