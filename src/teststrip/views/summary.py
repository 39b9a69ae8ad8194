"""All that a report says about a study, gathered once; how it is written down is `report.py`'s business."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from teststrip import analysis, plugins
from teststrip.analysis.advice.answer import Answer
from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.power import outlook
from teststrip.analysis.sentences import costs
from teststrip.analysis.sentences.answers import lines
from teststrip.analysis.sentences.phrases import count
from teststrip.records import Across, Card, Finding, Look, Polled, QuestionChange, Row, Study
from teststrip.results import frames, looked
from teststrip.rows import dead, heard
from teststrip.views import head
from teststrip.vocabulary import spoken

if TYPE_CHECKING:
    from teststrip.results.result import Result

UNPAIRED = (
    "Not paired: an engine here does not make a seed's picture again. So pictures of one prompt are compared whatever "
    "their seed, and chance widens every interval."
)
"""What a report says of engines without exact seeds."""
PACKAGES = ("teststrip", "numpy", "scipy", "pillow", "torch", "diffusers", "transformers")
"""Whose versions stand in the appendix, where they are installed."""


@dataclass(frozen=True)
class Summary:
    """What is to be told.

    Attributes:
        study: what was asked.
        places: how many images are planned.
        made: how many of them there are.
        table: the columns.
        cards: what is known of each metric, in the study's order.
        findings: all of them.
        recommendations: one a metric of quality.
        answer: what a person reads first; the page has the same.
        dead: sentences about axes that change no pixel.
        missing: (cell, reason) to number, of pictures that failed; without those that were not made yet.
        outlook: what this design can see, a sentence each.
        looks: those taken so far.
        question_changes: what was changed in the question when there were data.
        warnings: a sentence on each score that knows nothing of these pictures.
        history: what a reader must know of earlier looks, a sentence each.
        unpaired: that seeds pair no pictures here, in a sentence; empty where they do.
        across: what several scores say together; None where there is one score alone.
        fingerprints: facts of what made the pictures.
        scored_by: facts of each metric whose scores these are.
        polled: what votes say; empty where no one voted.
    """

    study: Study
    places: int
    made: int
    table: Mapping[str, list[Any]]
    cards: Mapping[str, Card]
    findings: tuple[Finding, ...]
    recommendations: tuple[analysis.Recommendation, ...]
    answer: Answer
    dead: tuple[str, ...]
    missing: Mapping[tuple[str, str], int]
    outlook: tuple[str, ...]
    looks: tuple[Look, ...]
    question_changes: tuple[QuestionChange, ...]
    warnings: tuple[str, ...]
    history: tuple[str, ...]
    unpaired: tuple[str, ...]
    across: Across | None
    fingerprints: tuple[Mapping[str, object], ...]
    scored_by: Mapping[str, Mapping[str, object]]
    polled: tuple[Polled, ...]

    @cached_property
    def layout(self) -> columns.Layout:
        """Who stands where in the columns."""
        return columns.read(self.table, self.study.axes)

    @cached_property
    def settings(self) -> list[frames.Cell]:
        """All settings with their means and costs, in the order of the plan."""
        return frames.settings(self.table, self.study.axes, self.cards)

    @property
    def unscored(self) -> list[str]:
        """Metrics that were asked for and have no score at all."""
        return [name for name in self.cards if not np.isfinite(self._values(name)).any()]

    @property
    def told(self) -> list[Finding]:
        """The findings that are told as verdicts: costs are facts."""
        return [
            one for one in self.findings if one.metric not in self.cards or not costs.counts(self.cards[one.metric])
        ]

    @property
    def costs(self) -> tuple[str, ...]:
        """What settings cost, a line a cost."""
        return costs.facts(self.findings, self.cards)

    def _values(self, name: str) -> Array:
        return self.layout.values(self.table[name], name)

    def cell_means(self, name: str) -> list[tuple[str, float, float, int]]:
        """Each cell's label, mean score (prompts' heights taken out), median seconds, images; best first."""
        of_each = [(one.scores[name], one.seconds) for one in self.settings]
        rows = [
            (self.layout.spoken(c), score.mean, seconds, score.images) for c, (score, seconds) in enumerate(of_each)
        ]
        return sorted(rows, key=lambda row: row[1], reverse=self.cards[name].higher_is_better is not False)

    def by_setting(self, name: str) -> bool:
        """Whether a score has means by setting; a distance to the reference has a table of its own (`fidelity`)."""
        return self.cards[name].against != "the reference"

    def in_short(self) -> list[str]:
        """The sentences that matter, most urgent first."""
        return [" ".join(lines) for lines in self.points()]

    def points(self) -> list[tuple[str, ...]]:
        """What matters, most urgent first; each point is a claim and the lines that belong to it.

        Dead axes, earlier looks, findings about axes, costs, what several scores say together, advice, what is missing.
        """
        found = [lines(finding) for finding in self.leading()]
        scores = [self.across.text] if self.across else []
        before = [*self.dead, *self.urgent()]
        after = [*self.costs, *scores, *self.doubts(), *self.advice(), *self.missed()]
        return [*((line,) for line in before), *found, *((line,) for line in after)]

    def leading(self) -> list[Finding]:
        """The findings about axes that are told first, and those about two axes that work together."""
        led = [finding for finding in self.told if finding.leads]
        first = [finding for finding in led if finding.kind in ("axis", "convergence", "fidelity")]
        return [
            *first,
            *(finding for finding in led if finding.kind == "interaction" and finding.verdict == "different"),
        ]

    def urgent(self) -> list[str]:
        """What a reader must know before anything is believed."""
        left = self.places - self.made - sum(self.missing.values())
        are = "is" if left == 1 else "are"
        unmade = (
            [f"{left:,} of {count(self.places, 'image')} {are} not made yet; these conclusions rest on the rest."]
            if left
            else []
        )
        return [*unmade, *self.warnings, *self.history, *self.unpaired]

    def doubts(self) -> list[str]:
        """What audits found against scores."""
        return [finding.sentence for finding in self.findings if finding.outcome in ("blind", "misled")]

    def missed(self) -> list[str]:
        """Which pictures failed, and which scores there are not."""
        failed = [finding.sentence for finding in self.findings if finding.kind == "missing"]
        return [*failed, *(f"{spoken(name)} was not computed: no scores." for name in self.unscored)]

    def advice(self, *, but: str = "") -> list[str]:
        """Sentences of the recommendations; where a score may recommend, those that only describe say nothing.

        Args:
            but: a score whose recommendation is told elsewhere.
        """
        # Where an audit forbids the recommendation, the audit says so already.
        said = [made for made in self.recommendations if made.outcome is None]
        able = [made for made in said if not self.cards[made.metric].describes]
        alone = [] if but in self.cards and self.cards[but].describes else said
        return [made.sentence for made in able or alone if made.metric != but]

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of what stands on this machine now."""
        found = {"python": platform.python_version()}
        return found | {package: known for package in PACKAGES if (known := plugins.version_of(package))}


def _counted(study: Study, rows: Sequence[Row]) -> Study:
    """The study without the prompts that the model cannot tell from an earlier one."""
    twins = heard.twins(rows)
    return replace(study, prompts=tuple(prompt for prompt in study.prompts if prompt.id not in twins))


def of(result: Result) -> Summary:
    """Gather everything from a result, finished or not."""
    table = result.columns()
    study = result.study
    rows = result.rows()
    cards = result.cards
    looks = result.looks
    failed = Counter((str(row.planned.cell), str(row.failure.reason)) for row in rows if row.failure and not row.image)
    return Summary(
        study=study,
        places=len(rows),
        made=sum(row.image is not None for row in rows),
        table=table,
        cards=cards,
        findings=result.findings,
        recommendations=result.recommendations,
        answer=head.answer(result),
        dead=tuple(axis.sentence for axis in dead.dead_axes(rows)),
        missing=dict(failed),
        outlook=outlook.of_study(
            _counted(study, rows),
            result.plan.cells,
            outlook.measured(study, table, cards),
            paired_seeds=result.paired_seeds,
        ),
        looks=looks,
        question_changes=tuple(looked.question_changes(looks, study.question, study.exclusions)),
        warnings=result.warnings,
        history=result.history,
        unpaired=() if result.paired_seeds else (UNPAIRED,),
        across=result.across,
        fingerprints=tuple(fingerprint.facts for fingerprint in result.fingerprints.values()),
        scored_by={name: by.facts for name, by in result.scored_by.items()},
        polled=result.polled,
    )
