"""Dated tables of hosted models: which there are, until when, which values they take, and what they cost.

`models.toml` is the shipped table. The user's configuration may hold tables of the same shape, which add models or
replace them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from teststrip.errors import EngineError, StudyError, among

SOON = 90
"""Days before a shut-down from which on a plan warns of it, and after which a table counts as old."""

_KEYS = {"off", "successor", "values", "rates", "factors", "pictures", "source", "like"}


@dataclass(frozen=True, slots=True)
class Model:
    """A hosted model.

    Attributes:
        name: as the service spells it.
        off: the day on which it is shut down; None = no day is known.
        successor: the model that the service names in its place.
        values: the values that a setting may have, by setting.
        rates: USD for a million tokens, by kind of token.
        factors: the factor of each quality in a formula of output tokens.
        pictures: the most USD of one picture, by what it depends on.
        source: where the figures are from.
    """

    name: str
    off: date | None = None
    successor: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def retired(self, today: date) -> str:
        """Why the model cannot be asked any more, with the remedy; "" = it can."""
        if self.off is None or today < self.off:
            return ""
        return f"{self.name!r} was shut down on {day(self.off)}{self._instead('Its successor is ')}"

    def leaving(self, today: date) -> str:
        """A clause on the end of a model that is near; "" where none is."""
        if self.off is None or not 0 < (self.off - today).days <= SOON:
            return ""
        return (
            f"have the model {self.name!r}, which is shut down on {day(self.off)}{self._instead('its successor is ')}"
        )

    def check(self, setting: str, value: object) -> None:
        """Raise StudyError where a setting has a value that this model does not take."""
        known = self.values.get(setting, ())
        if known and value is not None and str(value) not in known:
            raise StudyError(
                f"{setting}: {value!r} is unknown to the model {self.name!r}{among(str(value), known, 'There are')}"
            )

    def _instead(self, words: str) -> str:
        start = ". " if words[0].isupper() else "; "
        return f"{start}{words}{self.successor!r}" if self.successor else ""


@dataclass(frozen=True, slots=True)
class Table:
    """The models of a service.

    Attributes:
        models: by name.
        checked: the day on which the shipped table was compared with the service's pages.
    """

    models: Mapping[str, Model]
    checked: date

    def old(self, today: date) -> bool:
        """Whether the table is older than a plan should believe."""
        return (today - self.checked).days > SOON

    def find(self, name: str, today: date) -> Model:
        """A model that can be asked.

        Raises:
            StudyError: it is shut down, or unknown.
        """
        found = self.models.get(name)
        if found is None:
            there = [known for known, model in self.models.items() if not model.retired(today)]
            raise StudyError(
                f"model: {name!r} is unknown{among(name, there, 'There are')}."
                " A newer one may be described in your own configuration (docs/engines.md)"
            )
        if why := found.retired(today):
            raise StudyError(f"model: {why}. A server of your own that serves it may be named by provider")
        return found


def table(service: str, own: Mapping[str, object] | None = None) -> Table:
    """The models of a service.

    Args:
        service: "openai" or "google".
        own: tables of the user's configuration, by model.

    Raises:
        EngineError: the user's table cannot be read.
    """
    shipped = _shipped()
    entries: dict[str, Any] = {**shipped.get(service, {}), **(own or {})}
    return Table({name: _model(name, entries) for name in entries}, shipped["checked"])


def today() -> date:
    """The day of this machine's clock."""
    return datetime.now().astimezone().date()


def day(when: date) -> str:
    """A day as people write it.

    >>> day(date(2026, 5, 12))
    '12 May 2026'
    """
    return f"{when.day} {when:%B %Y}"


@lru_cache
def _shipped() -> dict[str, Any]:
    return tomllib.loads((files("teststrip.hosted") / "models.toml").read_text(encoding="utf-8"))


def _model(name: str, entries: Mapping[str, Any]) -> Model:
    entry = entries[name]
    here = f"your configuration: model {name!r}"
    if not isinstance(entry, Mapping) or entry.keys() - _KEYS:
        unknown = sorted(entry.keys() - _KEYS)[0] if isinstance(entry, Mapping) else ""
        raise EngineError(f"{here} has an unknown key {unknown!r}{among(unknown, sorted(_KEYS), 'Known')}")
    if "like" in entry:
        other = entries.get(entry["like"])
        if not isinstance(other, Mapping) or "like" in other:
            raise EngineError(f"{here} is like {entry['like']!r}, which is no model of its own")
        entry = {**other, **{key: value for key, value in entry.items() if key != "like"}}
    try:
        return Model(
            name=name,
            off=_day(entry.get("off")),
            successor=str(entry.get("successor", "")),
            values={key: tuple(map(str, values)) for key, values in entry.get("values", {}).items()},
            rates=_numbers(entry.get("rates", {})),
            factors=_numbers(entry.get("factors", {})),
            pictures=_numbers(entry.get("pictures", {})),
            source=str(entry.get("source", "")),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise EngineError(f"{here} cannot be read: {error}") from None


def _day(value: object) -> date | None:
    if value is not None and type(value) is not date:
        raise TypeError("off is no day, as 2026-12-01")
    return value


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {str(key): float(value) for key, value in entry.items()}
    if any(not 0 <= value < 1e9 for value in found.values()):
        raise ValueError("a price is below 0 or beyond sense")
    return found
