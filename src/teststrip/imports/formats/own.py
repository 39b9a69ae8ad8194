"""Teststrip's own record, and nothing is left to guess."""

from __future__ import annotations

from teststrip.imports.notes import NEGATIVE, Notes
from teststrip.imports.tables import table
from teststrip.imports.understood import Said, Understood


def read(said: Said) -> Understood | None:
    """What the record says; None where there is none."""
    settings = table(said.record.get("settings"))
    if not settings:
        return None
    notes = Notes("Teststrip")
    for name, value in settings.items():
        if name == "prompt":
            notes.say_prompt(value)
        elif name == NEGATIVE:
            notes.say_negative(value)
        elif name == "seed":
            notes.say_seed(value)
        elif value is not None:
            notes.keep(name, value)
    return notes.understood()
