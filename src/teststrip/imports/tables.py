"""JSON of strangers, read within bounds: what is not as expected is empty, never an exception.

Tables nested more deeply than `pictures.stamps.from_json` allows are no tables here. The tools' own have about ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teststrip.pictures.stamps import from_json

LONGEST: Final = 4 * 2**20
Table = Mapping[str, object]


def read_json(text: str) -> object:
    """The value of a JSON text; None where it is none, or too large or deep."""
    if not text or len(text) > LONGEST:
        return None
    try:
        return from_json(text.replace("NaN", "null") if "NaN" in text else text)  # ComfyUI writes NaN where it has none
    except (ValueError, RecursionError):
        return None


def table(value: object) -> Table:
    """The value where it is a table; else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Table]:
    """The tables in a list; empty where it is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def json_table(text: str) -> Table:
    """The table that a JSON text holds; empty where it holds none."""
    return table(read_json(text)) if text.lstrip()[:1] == "{" else {}


def words(value: object) -> str:
    """The value where it is a text; else ""."""
    return value if isinstance(value, str) else ""
