"""Paths into the JSON of an answer: `images.0.url`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
"""How a path is written: keys of tables and numbers of list entries, with dots between."""


def read(data: object, paths: Sequence[str]) -> object:
    """What stands at the first path that leads to something; None where none does.

    >>> read({"output": ["a", "b"]}, ["output.1"]), read({"output": "a"}, ["output.0", "output"])
    ('b', 'a')
    """
    return next((found for path in paths if (found := _at(data, path)) is not None), None)


def text(data: object, paths: Sequence[str]) -> str:
    """The text or number there, as text; "" where there is neither."""
    found = read(data, paths)
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def _at(data: object, path: str) -> object:
    for part in path.split("."):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and re.fullmatch(r"[0-9]{1,6}", part) and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data
