"""Checked reading of tables of TOML: each value of its kind, no key unknown, each error with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from teststrip.declared.paths import PATH
from teststrip.errors import EngineError, among
from teststrip.records import BUDGET, Price


class Table:
    """A table at its place.

    Args:
        entry: what stands there.
        place: where that is, "services.flux.submit".
        keys: the keys that it may have; None = any.

    Raises:
        EngineError: it is no table, or has an unknown key.
    """

    def __init__(self, entry: object, place: str, keys: Collection[str] | None = None) -> None:
        self.place = place
        if not isinstance(entry, Mapping):
            raise self.error(f"must be a table. Write [{place}]")
        self._entry: Mapping[str, Any] = entry
        if keys is not None and (unknown := sorted(entry.keys() - set(keys))):
            raise EngineError(f"{place}: unknown key {unknown[0]!r}{among(unknown[0], sorted(keys), 'Known')}")

    def __contains__(self, key: str) -> bool:
        return key in self._entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._entry)

    def error(self, text: str, key: str = "") -> EngineError:
        """An error at this place, or at a key of it."""
        return EngineError(f"{self.place}{'.' * bool(key)}{key}: {text}")

    def value(self, key: str) -> Any:
        """What stands there, unchecked; None = nothing."""
        return self._entry.get(key)

    def table(self, key: str, keys: Collection[str] | None = None) -> Table:
        """A table inside; an empty one where there is none."""
        return Table(self._entry.get(key, {}), f"{self.place}.{key}", keys)

    def tables(self, key: str, keys: Collection[str]) -> list[Table]:
        """The tables of a list."""
        found = self._entry.get(key, [])
        if not isinstance(found, list):
            raise self.error(f"must be a list of tables. Write [[{self.place}.{key}]]", key)
        return [Table(one, f"{self.place}.{key}[{number}]", keys) for number, one in enumerate(found, 1)]

    def text(self, key: str, default: str = "", choices: Collection[str] = ()) -> str:
        """A text, one of the choices where there are some."""
        found = self._entry.get(key, default)
        if not isinstance(found, str):
            raise self.error("must be text in quotes", key)
        if choices and found not in choices:
            raise self.error(f"{found!r} is unknown{among(found, choices, 'There are')}", key)
        return found

    def flag(self, key: str) -> bool:
        """Whether it is true; false where it is left out."""
        found = self._entry.get(key, False)
        if not isinstance(found, bool):
            raise self.error("must be true or false", key)
        return found

    def number(self, key: str, default: float | None = None, *, low: float = -1e15, high: float = 1e15) -> float | None:
        """A number within bounds."""
        found = self._entry.get(key, default)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            raise self.error("must be a number", key)
        if not low <= found <= high:
            raise self.error(f"{found} is outside of {low:g} to {high:g}", key)
        return found

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number within bounds."""
        found = self.number(key, default, low=low, high=high)
        if not isinstance(found, int):
            raise self.error("must be a whole number", key)
        return found

    def words(self, key: str) -> tuple[str, ...]:
        """A text, or a list of texts."""
        found = self._entry.get(key, [])
        words = [found] if isinstance(found, str) else found
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.error("must be text in quotes, or a list of texts", key)
        return tuple(words)

    def paths(self, key: str) -> tuple[str, ...]:
        """Paths into an answer."""
        for path in (found := self.words(key)):
            if not PATH.fullmatch(path):
                raise self.error(f'{path!r} is no path. Write names and numbers with dots: "images.0.url"', key)
        return found

    def pattern(self, key: str) -> re.Pattern[str]:
        """A regular expression."""
        try:
            return re.compile(self.text(key))
        except re.error as error:
            raise self.error(f"is no regular expression: {error}", key) from None

    def price(self, key: str) -> Price | None:
        """An amount of money; None where it is left out."""
        if key not in self._entry:
            return None
        found = self._entry[key]
        match = re.fullmatch(BUDGET, found) if isinstance(found, str) else None
        if match is None or not match[2].isupper():
            raise self.error('must be an amount and a currency: "0.02 USD"', key)
        return Price(float(match[1]), match[2])
