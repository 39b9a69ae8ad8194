"""All that is known of one metric in one scope: what every finding about its axes is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from teststrip.analysis.kinds.comparable import Makings
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import HERE, OWN_SEEDS, Judgement, Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.records import Card, Scope


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
        tags: of each prompt, by its name.
        outlook: open questions are told what would settle them, and answers what other tests say.
        makings: what the cells were made with; None = any of them may be compared.
    """

    layout: Layout
    values: Array
    card: Card
    margin: Margin
    judged: Judgement
    limits: tuple[str, ...]
    pairing: Pairing = OWN_SEEDS
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outlook: bool = True
    makings: Makings | None = None

    @property
    def scope(self) -> Scope:
        """What the findings are about."""
        return self.judged.scope

    @property
    def by_seeds(self) -> bool:
        """Whether these very prompts are meant, so that seeds are the unit of evidence."""
        return self.scope == HERE

    @property
    def margin_se(self) -> float:
        """The margin's own error, in this scope."""
        return self.margin.se_in(self.scope)
