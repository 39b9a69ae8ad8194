"""Across scores: how much was asked of how many, on which axes scores agree, and where they trade off.

Reads the records of findings and never their words. A score has an opinion where it looks at pictures and says which
end is good; a cost has none and is named as the price. Like is held against like: two scores agree or trade off on one
and the same comparison in one and the same scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from teststrip.analysis.sentences import across as words
from teststrip.records import Across, Agreement, Card, Comparison, Contrast, Family, Finding, Scope, Together

SCOPES: tuple[Scope, ...] = ("prompts like these", "these prompts")
"""The wider one first: what it settles need not be asked of the narrower."""


def of(findings: Sequence[Finding], cards: Mapping[str, Card]) -> Across | None:
    """What several scores say together; None where there is one score alone.

    Args:
        findings: all of a study.
        cards: what is known of its metrics.
    """
    asked = [found for found in findings if found.kind in ("axis", "interaction") and found.metric in cards]
    families = _families(asked)
    if len({family.metric for family in families}) < 2:
        return None
    axes = [found for found in asked if found.kind == "axis"]
    made = (_about(axis, axes, cards) for axis in dict.fromkeys(found.axis for found in axes))
    whole = Across(families, tuple(one for one in made if one))
    return replace(whole, text=words.write(whole))


def _families(asked: Sequence[Finding]) -> tuple[Family, ...]:
    pairs = dict.fromkeys((found.metric, found.scope) for found in asked)
    return tuple(
        Family(metric, scope, len(own), sum(len(found.comparisons) for found in own))
        for metric, scope in pairs
        if (own := [found for found in asked if (found.metric, found.scope) == (metric, scope)])
    )


def _about(axis: str, findings: Iterable[Finding], cards: Mapping[str, Card]) -> Together | None:
    """What the scores say about one axis, in the widest scope in which they settle something together."""
    own = [found for found in findings if found.axis == axis]
    tries = [_in_scope([found for found in own if found.scope == scope], cards) for scope in SCOPES]
    made = [told for told in tries if told is not None]
    return next((told for told in made if told.agreement != "undecided"), made[0] if made else None)


def _in_scope(findings: Sequence[Finding], cards: Mapping[str, Card]) -> Together | None:
    opinions = [found for found in findings if _has_opinion(cards[found.metric])]
    if len(opinions) < 2:
        return None
    seen = _Seen(opinions, cards)
    asked = seen.telling()
    better, worse = seen.better(asked), seen.worse(asked)
    costs = _Seen([found for found in findings if not cards[found.metric].needs_pixels], cards)
    alike = [found.metric for found in opinions if found.verdict == "equivalent"]
    decided = {*better, *worse, *alike}
    unsettled = tuple(found.metric for found in opinions if found.metric not in decided)
    return Together(
        axis=opinions[0].axis,
        scope=opinions[0].scope,
        prompts=max(found.prompts for found in opinions),
        agreement=_agreement(len(better), len(worse), settled=not unsettled),
        asked=asked,
        better=better,
        worse=worse,
        alike=tuple(metric for metric in alike if metric not in (*better, *worse)),
        unsettled=unsettled,
        dearer=costs.risen(asked),
        cheaper=costs.fallen(asked),
    )


def _agreement(better: int, worse: int, *, settled: bool) -> Agreement:
    if better and worse:
        return "trade off"
    if better + worse > 1:
        return "agree"
    if not settled:
        return "undecided"
    return "alone" if better + worse else "alike"


def _has_opinion(card: Card) -> bool:
    return card.needs_pixels and card.arity != 2 and card.higher_is_better is not None


class _Seen:
    """What was surely seen of an axis: for each comparison, which scores rise and which fall."""

    def __init__(self, findings: Sequence[Finding], cards: Mapping[str, Card]) -> None:
        self._cards = cards
        self._rows: dict[Contrast, dict[str, Comparison]] = {}
        for found in findings:
            for row in found.comparisons:
                if row.verdict == "different" and row.asked.kind in ("pair", "trend"):
                    self._rows.setdefault(row.asked, {})[found.metric] = row

    def _at(self, asked: Contrast | None) -> Mapping[str, Comparison]:
        return self._rows.get(asked, {}) if asked else {}

    def risen(self, asked: Contrast | None) -> tuple[str, ...]:
        return tuple(metric for metric, row in self._at(asked).items() if row.effect > 0)

    def fallen(self, asked: Contrast | None) -> tuple[str, ...]:
        return tuple(metric for metric, row in self._at(asked).items() if row.effect < 0)

    def better(self, asked: Contrast | None) -> tuple[str, ...]:
        return self._by_goodness(asked, good=True)

    def worse(self, asked: Contrast | None) -> tuple[str, ...]:
        return self._by_goodness(asked, good=False)

    def telling(self) -> Contrast | None:
        """The comparison that says most: a trade-off before anything else, then many scores, pairs, and wide spans."""

        def rank(asked: Contrast) -> tuple[bool, int, bool, int]:
            better, worse = self.better(asked), self.worse(asked)
            span = abs(asked.plus[0].index - asked.minus[0].index)
            return bool(better and worse), len(better) + len(worse), asked.kind == "pair", span

        return max(self._rows, key=rank, default=None)

    def _by_goodness(self, asked: Contrast | None, *, good: bool) -> tuple[str, ...]:
        return tuple(
            metric
            for metric, row in self._at(asked).items()
            if ((row.effect > 0) == bool(self._cards[metric].higher_is_better)) == good
        )
