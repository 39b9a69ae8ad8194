"""All that is known of one metric in one study, as every kind of finding takes it."""

from __future__ import annotations

from dataclasses import dataclass

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import HERE, OWN_SEEDS, Judgement, Pairing
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
        pairing: what a seed means in the study.
    """

    layout: Layout
    values: Array
    card: Card
    margin: Margin
    judged: Judgement
    limits: tuple[str, ...]
    pairing: Pairing = OWN_SEEDS

    @property
    def by_seeds(self) -> bool:
        """Whether these very prompts are meant, so that seeds are the unit of evidence."""
        return self.judged.scope == HERE
