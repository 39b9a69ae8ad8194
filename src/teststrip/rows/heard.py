"""What came with pictures that changes them: warnings of libraries, and words of prompts that no encoder read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from teststrip.errors import shortened
from teststrip.records import Heard, Row

MOST, LONGEST = 20, 240
"""Warnings, and letters of one, that are believed of a ledger; a stranger's may hold any number."""


def warnings(rows: Sequence[Row]) -> tuple[Heard, ...]:
    """Each warning that came with a picture, once, with the levels that it came from."""
    pictured = [row for row in rows if row.image]
    by_text: dict[str, list[Row]] = {}
    for row in pictured:
        for text in _said(row):
            by_text.setdefault(text, []).append(row)
    labels = {
        name: {row.planned.cell[name] for row in pictured}
        for name, _ in (pictured[0].planned.cell.levels if pictured else ())
    }
    return tuple(Heard(text, len(own), _shared(own, labels)) for text, own in islice(by_text.items(), MOST))


def lost(rows: Sequence[Row]) -> dict[str, str]:
    """The words that no encoder read in any cell, by the prompt's id; the fewest where cells differ."""
    found: dict[str, str] = {}
    for row in rows:
        if row.image:
            words = shortened(str(row.image.facts.get("lost") or ""), LONGEST)
            name = row.planned.prompt.id
            found[name] = min(found.get(name, words), words, key=len)
    return {name: words for name, words in found.items() if words}


def twins(rows: Sequence[Row]) -> dict[str, str]:
    """Prompts that their model cannot tell from an earlier one, by their ids.

    Each cell of both has the same tokens, and the prompts bring the same pictures.
    """
    readings: dict[str, dict[object, object]] = {}
    unknown: set[str] = set()
    for row in rows:
        if row.image:
            read = row.image.facts.get("read")
            name = row.planned.prompt.id
            if isinstance(read, str):
                readings.setdefault(name, {})[row.planned.cell] = (read, row.planned.prompt.pictures)
            else:
                unknown.add(name)
    found: dict[str, str] = {}
    first: dict[object, list[str]] = {}
    for name, own in readings.items():
        if name in unknown:
            continue
        others = [other for read in set(own.values()) for other in first.get(read, ())]
        same = next((other for other in others if _same(own, readings[other])), None)
        if same is not None:
            found[name] = same
            continue
        for read in set(own.values()):
            first.setdefault(read, []).append(name)
    return found


def _same(one: Mapping[object, object], other: Mapping[object, object]) -> bool:
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[cell] == other[cell] for cell in shared)


def _said(row: Row) -> list[str]:
    found = row.image.facts.get("said") if row.image else None
    texts = islice(found, MOST) if isinstance(found, list | tuple) else ()
    return list(dict.fromkeys(shortened(text, LONGEST) for text in texts if isinstance(text, str)))


def _shared(rows: Sequence[Row], labels: Mapping[str, set[str]]) -> tuple[tuple[str, str], ...]:
    """The levels that all of these rows have, of axes that have others, too."""
    return tuple(
        (name, rows[0].planned.cell[name])
        for name, every in labels.items()
        if len(every) > 1 and len({row.planned.cell[name] for row in rows}) == 1
    )
