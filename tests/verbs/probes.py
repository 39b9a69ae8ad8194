"""Metrics that go wrong on purpose, and one whose version is an option; installed as a plug-in is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Setting

METRICS = {name: f"{__name__}:{name.capitalize()}" for name in ("probe", "failing", "forgetful", "pairless")}


class Probe:
    """Scores each picture with its version.

    Args:
        version: the score, and part of the fingerprint.
        calls: the call of this number is interrupted by Ctrl-C; 0 = none is.
    """

    options: ClassVar[Mapping[str, Setting]] = {
        "version": Setting("version", "int", 1, doc="The score."),
        "calls": Setting("calls", "int", 0, doc="The call that is interrupted."),
    }
    card: ClassVar[Card] = Card("probe")

    def __init__(self, *, version: int = 1, calls: int = 0) -> None:
        self._version, self._left = version, calls

    def fingerprint(self) -> Fingerprint:
        return Fingerprint({"metric": self.card.name, "version": self._version})

    def score(self, items: Sequence[Item]) -> list[float]:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return [float(self._version)] * len(items)


class Failing(Probe):
    """Fails whatever it is given."""

    card: ClassVar[Card] = Card("failing")

    def score(self, items: Sequence[Item]) -> list[float]:
        raise ZeroDivisionError("division\nby zero")


class Forgetful(Probe):
    """Gives one number, however many items there are."""

    card: ClassVar[Card] = Card("forgetful")

    def score(self, items: Sequence[Item]) -> list[float]:
        return [1.0]


class Pairless(Probe):
    """Compares pairs and does not say which."""

    card: ClassVar[Card] = Card("pairless", arity=2)
