"""What holds for every question about a study: how its answers are reckoned, whatever the metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from teststrip.analysis.kinds.audit import KnownBad
from teststrip.analysis.kinds.comparable import Makings
from teststrip.analysis.numbers.judging import HERE, OWN_SEEDS, WIDE, Pairing
from teststrip.records import DEFAULT_MARGIN, Scope
from teststrip.records.looked import Kept


@dataclass(frozen=True)
class Terms:
    """The terms of a study.

    Attributes:
        margin: the smallest difference that matters, as asked: seed SD, or {metric: score units}.
        pilot: margins that an earlier look kept, by metric.
        pairing: what a seed means.
        scope: what the answers are about.
        tags: of prompts, by their name.
        known_bad: combinations of levels that are known to be bad; None = what is usually bad.
        outlook: open questions are told what would settle them, and answers what other tests say.
        makings: what the cells were made with; None = any of them may be compared.
    """

    margin: float | Mapping[str, float] = DEFAULT_MARGIN
    pilot: Kept = field(default_factory=dict)
    pairing: Pairing = OWN_SEEDS
    scope: Literal[Scope, "both"] = "both"
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known_bad: KnownBad | None = None
    outlook: bool = True
    makings: Makings | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that are asked about, the wider one first."""
        return tuple(scope for scope in (WIDE, HERE) if self.scope in (scope, "both"))
