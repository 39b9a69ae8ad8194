"""What models did not take as it was written, told of a study's rows. Knows rows, cards and which sentence is whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from teststrip.analysis.sentences import heeded
from teststrip.records import Card, Incomparable, Row, Study
from teststrip.results import scores
from teststrip.rows import heard, sizes, versions

MOST_TOLD = 6
"""Sentences of one kind."""


def sentences(
    study: Study, rows: Sequence[Row], table: Mapping[str, list[Any]], cards: Mapping[str, Card]
) -> tuple[str, ...]:
    """What was not made or not read as it was written, and scores that cannot be compared for it, a sentence each."""
    twins = heard.twins(rows)
    return (
        *(heeded.cut(cut, len(study.prompts)) for cut in [heard.lost(rows)] if cut),
        *(heeded.alike(alike) for alike in [_groups(twins)] if alike),
        *_few([heeded.heard(one) for one in heard.warnings(rows)], "warnings of libraries"),
        *_few([heeded.other_size(one) for one in sizes.other_sizes(study, rows)], "sizes that were not made"),
        *_few([heeded.versions(*one) for one in versions.answered(rows).items()], "models of several versions"),
        *(heeded.incomparable(one) for one in _incomparable(study, table, cards)),
    )


def _few(sentences: Sequence[str], what: str) -> Iterator[str]:
    """The first sentences, and how many there are more."""
    yield from sentences[:MOST_TOLD]
    if len(sentences) > MOST_TOLD:
        yield f"And {len(sentences) - MOST_TOLD:,} more {what}."


def _groups(twins: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Prompts that count as one, together."""
    found: dict[str, list[str]] = {}
    for name, first in twins.items():
        found.setdefault(first, [first]).append(name)
    return [tuple(group) for group in found.values()]


def _incomparable(study: Study, table: Mapping[str, list[Any]], cards: Mapping[str, Card]) -> Iterator[Incomparable]:
    """Scores that cannot be compared as the pictures are, beyond what `scores.warnings` says of the study itself."""
    strict = [card for card in cards.values() if card.equal]
    if not strict or not _any_picture(table):
        return
    from teststrip.analysis.kinds import comparable  # not above: a run begins without NumPy
    from teststrip.analysis.numbers import columns

    layout = columns.read(table, study.axes)
    makings = comparable.of(layout, table, study.axes)
    for card in strict:
        asked = scores.incomparable(study, {card.name: card}) if card.name in study.question.metrics else ()
        known = {name for one in asked for name in one.axes}
        across = tuple(name for i in makings.across(card) if (name := layout.factors[i].name) not in known)
        if across:
            yield Incomparable(card.name, card.equal, across)


def _any_picture(table: Mapping[str, list[Any]]) -> bool:
    """Whether there is any picture."""
    return any(reason is None for reason in table["missing"])
