"""All that a report says about a study, gathered once; how it is written down is `report.py`'s business."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from teststrip import analysis
from teststrip.analysis.kinds import cells
from teststrip.analysis.numbers import columns, effects
from teststrip.analysis.power import pilot
from teststrip.analysis.power import power as design
from teststrip.records import Card, Finding, Study
from teststrip.rows import dead

if TYPE_CHECKING:
    from teststrip.results.result import Result

PACKAGES = ("teststrip", "numpy", "scipy", "pillow", "torch", "diffusers", "transformers")
"""Whose versions stand in the appendix, where they are installed."""


@dataclass(frozen=True)
class Summary:
    """What is to be told.

    Attributes:
        study: what was asked. places, made: planned images, and those there are.
        table: the columns. infos: what is known of each metric, in the study's order.
        findings: all of them. recommendations: one a metric of quality.
        dead: sentences about axes that change no pixel.
        missing: (cell, reason) to number, of pictures that failed; not those nobody made yet.
        fingerprints: facts of what made the pictures. scored_by: facts of each metric whose scores these are.
    """

    study: Study
    places: int
    made: int
    table: Mapping[str, list[Any]]
    infos: Mapping[str, Card]
    findings: tuple[Finding, ...]
    recommendations: tuple[analysis.Recommendation, ...]
    dead: tuple[str, ...]
    missing: Mapping[tuple[str, str], int]
    fingerprints: tuple[Mapping[str, object], ...]
    scored_by: Mapping[str, Mapping[str, object]]

    @property
    def replicates(self) -> int:
        """Images for each prompt and cell."""
        return len(self.study.seeds) if self.study.seeds else self.study.replicates

    @cached_property
    def layout(self) -> columns.Design:
        """The design found in the columns."""
        return columns.read(self.table, self.study.axes)

    @property
    def unscored(self) -> list[str]:
        """Metrics that were asked for and have no score at all."""
        return [name for name in self.infos if not np.isfinite(self._values(name)).any()]

    def _values(self, name: str) -> columns.Array:
        return self.layout.values(self.table[name], name)

    def cell_means(self, name: str) -> list[tuple[str, float, float, int]]:
        """Each cell's label, mean score (prompts' heights taken out), median seconds, images; best first."""
        info = self.infos[name]
        points = cells.estimates(self._values(name), self.layout)
        seconds = self._values("seconds").reshape(-1, len(points))
        rows = []
        for c, point in enumerate(points):
            known = seconds[:, c][~np.isnan(seconds[:, c])]
            middle = float(np.median(known)) if known.size else float("nan")
            rows.append((self.layout.spoken(c), point.mean, middle, point.images))
        return sorted(rows, key=lambda row: row[1], reverse=info.higher_is_better is not False)

    def outlook(self) -> tuple[str, ...]:
        """What this design can see, from the spread of the first score where there is any."""
        names = [name for name, info in self.infos.items() if info.needs_pixels and info.arity == 1]
        measured = pilot.of_columns(self.table, names, axes=self.study.axes)
        planned = sum(contrast.planned for contrast in effects.planned(self.layout))
        return design.explain(
            len(self.study.prompts),
            self.replicates,
            margin=self.study.question.margin,
            contrasts=max(planned, 1),
            cells=len(self.layout.cells),
            variances=measured,
        )

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of what stands on this machine now."""
        found = {"python": platform.python_version()}
        for package in PACKAGES:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
        return found


def of(result: Result) -> Summary:
    """Gather everything from a result, finished or not."""
    table = result.columns()
    study = result.study
    rows = result.rows()
    failed = Counter((str(row.planned.cell), str(row.failure.reason)) for row in rows if row.failure and not row.image)
    return Summary(
        study=study,
        places=len(rows),
        made=sum(row.image is not None for row in rows),
        table=table,
        infos=result.cards,
        findings=result.findings,
        recommendations=result.recommendations,
        dead=tuple(axis.sentence for axis in dead.dead_axes(rows)),
        missing=dict(failed),
        fingerprints=tuple(fingerprint.facts for fingerprint in result.fingerprints.values()),
        scored_by={name: by.facts for name, by in result.scored_by.items()},
    )
