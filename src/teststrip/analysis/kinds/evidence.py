"""All that is known of one metric in one scope: what every finding about its axes is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.numbers.margin import Margin
from teststrip.records import Card


@dataclass(frozen=True)
class Evidence:
    """All that is known of one metric in one study.

    Attributes:
        layout: who stands where.
        values: [prompts, replicates, cells], score units.
        card: what is known of the metric.
        margin: of the metric.
        judged: all contrasts of the metric.
        limits: what holds for each finding of the metric.
        shared_seeds: all prompts used the same few seeds.
        tags: of each prompt, by its name.
    """

    layout: Layout
    values: Array
    card: Card
    margin: Margin
    judged: Judgement
    limits: tuple[str, ...]
    shared_seeds: bool = False
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def by_seeds(self) -> bool:
        """Whether these very prompts are meant, so that seeds are the unit of evidence."""
        return self.judged.scope == "these prompts"
