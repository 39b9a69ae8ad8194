"""What a result has read of its store at one moment: each part is read when it is first asked for, and then kept.

`Result` is the face; what joins, counts and concludes is called from here, each once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from teststrip import analysis
from teststrip.records import Card, Finding, Image, KeptMargin, Look, Planned, Row, Study
from teststrip.results import looked, scores, unheeded
from teststrip.rows import choice, tables

if TYPE_CHECKING:
    from teststrip.analysis import Recommendation
    from teststrip.store import Store


class Source(Protocol):
    """What is known without reading a row; a `Result`, whose store may be opened anew."""

    study: Study
    store: Store

    @property
    def planned(self) -> Sequence[Planned]:
        """The shots."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Of what computed each score."""

    @property
    def looks(self) -> tuple[Look, ...]:
        """Earlier ones."""

    @property
    def paired_seeds(self) -> bool:
        """Whether a seed gives its picture again."""


@dataclass
class Moment:
    """What a result has read of its store since it was opened or refreshed."""

    result: Source

    @cached_property
    def images(self) -> Mapping[str, list[Image]]:
        """All images of the store, by shot."""
        return self.result.store.images()

    @cached_property
    def scores(self) -> Mapping[str, scores.Counted]:
        """What counts of each score."""
        return scores.counted(self.result.study, self.result.store, self._pictured)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Each planned shot with its image, its failure, or neither yet."""
        return tuple(self._joined())

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """The rows as a table, with how far a picture is from that of another seed."""
        table = tables.columns(self.result.study, self.rows)
        for name, one in self.scores.items():
            if one.between_seeds:
                digests = (row.image.digest if row.image else "" for row in self.rows)
                column = Card(name).between_seeds_column
                table[column] = [one.between_seeds.get(digest, math.nan) for digest in digests]
        return table

    @cached_property
    def cards(self) -> Mapping[str, Card]:
        """The cards of the scores of the table."""
        return scores.cards(self.result.study, self.columns)

    @cached_property
    def choice(self) -> choice.Choice:
        """Which picture a cell shows."""
        return choice.choice(self.result.study, self.rows, self.cards)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on scores that fit these pictures badly, and on what was not taken as it was written."""
        of_pictures = unheeded.sentences(self.result.study, self.rows, self.columns, self.cards)
        return (*scores.warnings(self.result.study), *of_pictures)

    @cached_property
    def state(self) -> str:
        """What rows and versions are, in short, to tell one look from another."""
        return looked.state(self.rows, self.result.versions)

    @cached_property
    def pilot(self) -> Mapping[str, KeptMargin]:
        """Margins that an earlier look kept."""
        result = self.result
        return looked.pilot(result.looks, result.study.question, versions=result.versions, data=self.state)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What can be concluded."""
        return analysis.of_result_columns(
            self.columns, self.result.study, self.cards, pilot=self.pilot, paired_seeds=self.result.paired_seeds
        )

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """What to use, by each score."""
        return self.advice(None, None)

    def advice(self, metric: str | None, budget: str | None) -> tuple[Recommendation, ...]:
        """What to use, by one score or within a budget."""
        return analysis.best_of_result_columns(
            self.columns,
            self.result.study,
            self.cards,
            metric=metric,
            budget=budget,
            pilot=self.pilot,
            paired_seeds=self.result.paired_seeds,
        )

    @property
    def _pictured(self) -> list[Row]:
        """The shots that have an image, with the newest one."""
        images = self.images
        return [Row(one, image=images[one.shot.id][-1]) for one in self.result.planned if one.shot.id in images]

    def _joined(self) -> Iterator[Row]:
        images, failures, planned = self.images, self.result.store.failures(), self.result.planned
        values = scores.by_image(self.scores)
        for one in planned:
            if one.shot.id in images:
                image = images[one.shot.id][-1]
                yield Row(one, image=image, scores=values.get(image.digest, {}))
            else:
                yield Row(one, failure=failures.get(one.shot.id))
