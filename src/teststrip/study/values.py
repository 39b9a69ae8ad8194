"""Checks one value against one setting: its kind, its bounds, its choices. An error says what to write.

Also spreads ranges and spells values as labels. Knows neither files nor engines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from teststrip.errors import among, shortened
from teststrip.records import NONE, Setting, Value
from teststrip.study.place import LONGEST_SHOWN, Place, kind_of, shown

MOST_LEVELS = 10_000
LONGEST_TEXT = 20_000  # characters; the longest prompt a text encoder in use reads is far below
LARGEST_WHOLE = 2**63 - 1  # the largest whole number of SQLite
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # C0, DEL, C1, lone surrogates
KINDS = {"float": "a number", "int": "a whole number", "str": "text in quotes", "bool": "true or false"}


def coerce(value: object, setting: Setting, place: Place, owner: str) -> Value:
    """The value, coerced to the setting's kind.

    Args:
        value: as the study gives it.
        setting: what the value is for.
        place: of the value.
        owner: how messages name the engine, metric or tracker that has the setting: "engine 'diffusers'".

    Raises:
        StudyError: the value is of another kind, not finite, outside the bounds or not among the choices.
    """
    if setting.optional and (value is None or (value == NONE and _can_be_nothing(setting))):
        return NONE if setting.tells_none else None
    if setting.kind == "bool" and isinstance(value, bool):
        return value
    if setting.kind == "str" and isinstance(value, str):
        return _chosen(checked_text(value, place), setting, place, owner)
    if setting.kind in ("int", "float") and isinstance(value, str) and value in setting.choices:
        return value  # a word that stands for a number: batch = "auto"
    if setting.kind in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool):
        found = _whole(value, place) if setting.kind == "int" else finite(value, place)
        return _within(found, setting, place, owner)
    hint = ""
    if setting.kind == "str" and isinstance(value, int | float):
        hint = f'. Put it in quotes: "{shown(value)}"'
    kind = KINDS[setting.kind] + (f' or "{NONE}"' if setting.optional and setting.kind != "str" else "")
    raise place.error(f"must be {kind}, not {kind_of(value)} ({shown(value)}){hint}")


def _can_be_nothing(setting: Setting) -> bool:
    """Whether the word for None is no text that the setting could have."""
    return setting.kind != "str" or setting.is_name or bool(setting.choices)


def checked_text(text: str, place: Place) -> str:
    """The text, checked for its length and for control characters, which could steer a terminal.

    Raises:
        StudyError: the text holds a control character or is too long.
    """
    if found := CONTROL.search(text):
        raise place.error(f"holds the control character U+{ord(found.group()):04X}. Remove it")
    if len(text) > LONGEST_TEXT:
        raise place.error(f"is {len(text):,} characters long; the most is {LONGEST_TEXT:,}")
    return text


def _chosen(text: str, setting: Setting, place: Place, owner: str) -> str:
    if setting.choices and text not in setting.choices:
        raise place.error(f"{shown(text)} is no {setting.name} of {owner}{among(text, setting.choices, 'There are')}")
    return text


def _whole(value: float, place: Place) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise place.error(f"{shown(value)} is not a whole number")
    if abs(value) > LARGEST_WHOLE:
        raise place.error(f"{shown(value)} is too large for a whole number; the most is 2**63 - 1")
    return int(value)


def number(value: object, place: Place) -> float:
    """A user's value as a finite number.

    Raises:
        StudyError: the value is no number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.error(f"must be a number, not {kind_of(value)} ({shown(value)})")
    return finite(value, place)


def finite(value: float, place: Place) -> float:
    """A user's number as a float. The one door: a whole number of 400 digits has no float.

    Raises:
        StudyError: the number is not finite.
    """
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise place.error(f"{shown(value)} is not a finite number")
    return found + 0.0  # -0.0 becomes 0.0, because one guidance scale must not have two ids


def _within(value: int | float, setting: Setting, place: Place, owner: str) -> int | float:
    if setting.low is not None and value < setting.low:
        raise place.error(f"{label(value)} is below {label(setting.low)}, the least {setting.name} of {owner}")
    if setting.high is not None and value > setting.high:
        raise place.error(f"{label(value)} is above {label(setting.high)}, the largest {setting.name} of {owner}")
    return value


def label(value: Value) -> str:
    """The value as people write it: 7.0 is "7".

    >>> label(7.0), label(0.5), label(True), label("")
    ('7', '0.5', 'true', '(empty)')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if value is None:
        return "(none)"
    return str(value) if value != "" else "(empty)"


def spread(table: Mapping[str, object], place: Place) -> list[float | int]:
    """The values of `{ from, to, count }` (evenly spaced) or `{ from, to, step }`; both ends are among them.

    Decimal arithmetic, so that 0 to 1 by 0.1 holds 0.3 and not 0.30000000000000004.

    >>> spread({"from": 0, "to": 1, "count": 5}, Place("study.toml"))
    [0, 0.25, 0.5, 0.75, 1]
    """
    first, last = (_decimal(table, key, place) for key in ("from", "to"))
    if ("count" in table) == ("step" in table):
        raise place.error("a range needs either count or step. Write { from = 1, to = 12, count = 5 }")
    if first == last:
        both = shown(table["from"])
        raise place.error(f"from and to are both {both}. Write the value itself: [{both}]")
    if "count" in table:
        count = table["count"]
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST_LEVELS:
            raise (place / "count").error(f"{shown(count)} must be a whole number from 2 to {MOST_LEVELS:,}")
        values = [first + (last - first) * i / (count - 1) for i in range(count)]
    else:
        step = _decimal(table, "step", place)
        if step <= 0:
            raise (place / "step").error(f"{shown(table['step'])} must be above 0; to count down, swap from and to")
        count = int(abs(last - first) / step) + 1
        if count > MOST_LEVELS:
            found = shortened(f"{count:,}", LONGEST_SHOWN)
            raise place.error(f"gives {found} values; the most is {MOST_LEVELS:,}. Choose a larger step")
        values = [first + (step if last > first else -step) * i for i in range(count)]
    return [_plain(value) for value in values]


def _decimal(table: Mapping[str, object], key: str, place: Place) -> Decimal:
    if key not in table:
        raise place.error(f"a range needs {key}. Write {{ from = 1, to = 12, count = 5 }}")
    return Decimal(str(number(table[key], place / key)))


def _plain(value: Decimal) -> int | float:
    # 12 digits are all that a person can mean, and the rounding of the last digits is cut off.
    found = float(f"{value:.12g}")
    return int(found) if found.is_integer() and abs(found) < 1e15 else found
