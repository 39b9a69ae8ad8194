"""How a picture is chosen for a cell of a grid, and the words that say so beside the grid.

`rows.grid` has the rules of a single cell and `rows.seeds` those of a whole study; here they are joined once for all
cells of a sheet. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from teststrip.errors import UsageError, among
from teststrip.records import Card, Row, Study
from teststrip.rows import grid, seeds
from teststrip.vocabulary import spoken


@dataclass(frozen=True, slots=True)
class Choice:
    """How a picture is chosen for a cell.

    Attributes:
        how: the pick.
        metric: the score to choose by; None where there is none.
        higher_is_better: of the metric.
        typical: the typical seed of each prompt, as a replicate counted from 0.
        count: how many seeds a cell has.
    """

    how: grid.Pick = "typical"
    metric: str | None = None
    higher_is_better: bool | None = None
    typical: Mapping[str, int] = field(default_factory=dict)
    count: int = 1

    def of(self, rows: Sequence[Row]) -> Row:
        """The row that is shown for a cell; `rows` are those of the cell that have a picture."""
        return grid.pick(rows, self.how, self.metric, higher_is_better=self.higher_is_better, seeds=self.typical)

    def said(self, shown: Sequence[Row]) -> str:
        """What a grid shows of its cells' pictures; "" where there is no choice.

        Args:
            shown: the row that each cell shows.
        """
        if self.count < 2:
            return ""
        score = f" by {spoken(self.metric)}" if self.metric is not None else ""
        differ = " · seeds differ between cells" if seeds.differ(shown) else ""
        if self.how == "typical":
            typical = {self.typical.get(row.planned.prompt.id, 0) for row in shown}
            return (self._seed(typical) or "each prompt's typical seed") + score + differ
        return f"{self.how} picture of each cell" + ("" if self.how == "first" else score) + differ

    def named(self, prompt: str) -> str:
        """The seed of a prompt, where prompts show different ones: "seed 3 of 6"; else ""."""
        if self.how != "typical" or self.count < 2 or len(set(self.typical.values())) < 2:
            return ""
        return f"seed {self.typical.get(prompt, 0) + 1} of {self.count}"

    def _seed(self, typical: set[int]) -> str:
        return f"seed {next(iter(typical)) + 1} of {self.count}, the typical one" if len(typical) == 1 else ""


def choice(
    study: Study, rows: Sequence[Row], cards: Mapping[str, Card], *, how: str = "typical", metric: str | None = None
) -> Choice:
    """How pictures are chosen for the cells of a study.

    Args:
        study: what was asked.
        rows: all rows of the study, because a seed is typical of all of them.
        cards: what is known of its scores.
        how: a pick.
        metric: the score to choose by; default the leading one (`seeds.leading`).

    Raises:
        UsageError: there is no such pick or no such score.
    """
    checked = grid.checked_pick(how)
    names = list(dict.fromkeys([*study.question.metrics, *(name for row in rows for name in row.scores)]))
    if metric is not None and metric not in names:
        raise UsageError(f"no score {metric!r}{among(metric, names, 'There are')}")
    metric = metric or seeds.leading(names, cards, study.question.metrics)
    return Choice(
        how=checked,
        metric=metric,
        higher_is_better=cards[metric].higher_is_better if metric is not None and metric in cards else None,
        typical=seeds.typical(rows, metric),
        count=study.images_each,
    )
