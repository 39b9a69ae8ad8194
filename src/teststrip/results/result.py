"""A study and what became of it: the plan joined with the store.

Every view, export and analysis reads a `Result`; none of them asks the store itself. Knows no engine and makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import analysis
from teststrip import plan as planning
from teststrip import study as studies
from teststrip.errors import StoreError
from teststrip.folder import STUDY_FILE
from teststrip.records import Card, Finding, Fingerprint, Image, Planned, Row, Study
from teststrip.results import notebook, scores
from teststrip.rows import grid, tables
from teststrip.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image as Picture

    from teststrip.analysis import Recommendation


def open_result(folder: str | Path) -> Result:
    """The result of a finished, running or interrupted study, opened for reading.

    Raises:
        StoreError: the folder holds no study.
    """
    folder = Path(folder)
    text = folder / STUDY_FILE
    if not text.is_file():
        raise StoreError(
            f"{folder}: no study here ({STUDY_FILE} is missing). Name a folder that "
            "`teststrip run` made, for example runs/guidance-vs-steps"
        )
    return Result(studies.reopen(text), Store(folder))


class Result:
    """The rows of a study: each planned shot with its image, its failure, or neither yet.

    What it says is of one moment, the first time it was asked; `refresh` brings it up to date.

    Attributes:
        study: what was asked.
        plan: its shots.
        store: the folder.
    """

    def __init__(self, study: Study, store: Store, plan: planning.Plan | None = None) -> None:
        self.study = study
        self.store = store
        self.plan = plan or planning.of(study)
        self._planned: Sequence[Planned] = ()
        self._moment = _Moment(self)

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self.store.close()

    def __repr__(self) -> str:
        return f"<Result of {self.study.name!r}, {len(self.plan)} images, in {self.folder}>"

    def refresh(self, store: Store | None = None) -> None:
        """Read the store again: a run may have gone on since.

        Args:
            store: the folder's ledger opened anew, in the place of one that was replaced; the old one is closed.
        """
        if store is not None:
            self.reopened(store)
        self._moment = _Moment(self)

    def reopened(self, store: Store) -> None:
        """Go on with another opened store of the same folder; nothing that was read is read again."""
        old, self.store = self.store, store
        old.close()

    @property
    def folder(self) -> Path:
        """Where the study lies."""
        return self.store.folder

    @property
    def planned(self) -> Sequence[Planned]:
        """The plan's shots as a list, kept, so that their ids are hashed once."""
        if not self._planned:
            self._planned = tuple(self.plan)
        return self._planned

    @property
    def made(self) -> int:
        """How many planned shots have an image."""
        return sum(row.image is not None for row in self.rows())

    def rows(self) -> Sequence[Row]:
        """Each planned shot, in the order of the plan, with what became of it.

        Where a shot was made under several fingerprints (only with `allow_mixed`), the newest image counts.
        """
        return self._moment.rows

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """What made this study's pictures, by id."""
        used = {row.image.fingerprint_id for row in self.rows() if row.image}
        return {name: one for name, one in self.store.fingerprints().items() if name in used}

    @property
    def scored_by(self) -> Mapping[str, Fingerprint]:
        """What computed each metric's scores (formula, weights, options), by metric, where the folder knows it."""
        known = self.store.fingerprints()
        return {name: known[one.version] for name, one in self._moment.scores.items() if one.version in known}

    @property
    def retired(self) -> int:
        """Images in the folder that the study no longer asks for. They are kept."""
        asked = {planned.shot.id for planned in self.planned}
        return sum(len(images) for shot, images in self._moment.images.items() if shot not in asked)

    @property
    def cards(self) -> Mapping[str, Card]:
        """What is known of each of the study's metrics, by name, in the study's order."""
        return self._moment.cards

    def columns(self) -> dict[str, list[Any]]:
        """One entry a planned shot in every column; what analysis reads. See `rows.tables.columns`."""
        return self._moment.columns

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What can honestly be concluded, most important first."""
        return self._moment.findings

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """The cheapest setting that is not worse, by each score that says which end is good; or why there is none."""
        return self._moment.recommendations

    def frame(self) -> pd.DataFrame:
        """One row an image: settings, seed, seconds, digest, path, every score."""
        import pandas as pd

        found = [{**one, "path": str(self.folder / str(one["path"]))} for one in tables.records(self.rows())]
        return pd.DataFrame.from_records(found)

    def grid(
        self,
        columns: str,
        rows: str = grid.PROMPT,
        *,
        side: int = 128,
        where: Mapping[str, object] | None = None,
    ) -> Picture:
        """One picture of labelled cells, for a notebook; each cell shows its first image, so equal seeds.

        Args:
            columns, rows: two of the axes, "prompt", "replicate" or "seed".
            side: pixels of a cell's longer edge.
            where: keeps only rows with these values, for example {"prompt": "owl", "guidance_scale": 7}.

        Raises:
            UsageError: an unknown axis, or nothing left to show.
        """
        from teststrip.pictures.sheet import sheet

        chosen = grid.wanted(self.rows(), where or {})
        cells = {
            (down, across): self.store.read(image)
            for (down, across), own in grid.cells(chosen, (rows, columns)).items()
            if (image := own[0].image) is not None
        }
        down, across = (grid.labels(self.study, chosen, dimension) for dimension in (rows, columns))
        return sheet(cells, down=down, across=across, titles=(rows, columns), side=side)

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the study is, what can be concluded, and a grid of its two first axes."""
        axes = grid.varied(self.study)
        across, down = [*axes, *([grid.PROMPT] if axes else [grid.REPLICATE, grid.PROMPT])][:2]
        first = self.study.prompts[0]
        where = {grid.PROMPT: first.id} if len(axes) > 1 and len(self.study.prompts) > 1 else {}
        shown = any(row.image and (not where or row.planned.prompt.id == first.id) for row in self.rows())
        return notebook.html(
            title=self.study.name,
            facts=f"{self.made} of {len(self.plan)} images · {self.folder}",
            sentences=[finding.sentence for finding in self.findings[:3]] if self.made else [],
            grid=self.grid(across, down, side=96, where=where) if shown else None,
            caption=first.text if where else "",
        )


@dataclass
class _Moment:
    """What a result's store says at one moment, each part read when it is first wanted and then kept."""

    result: Result

    @cached_property
    def images(self) -> Mapping[str, list[Image]]:
        return self.result.store.images()

    @cached_property
    def scores(self) -> Mapping[str, scores.Counted]:
        return scores.counted(self.result.study, self.result.store.scores())

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._joined())

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        return tables.columns(self.result.study, self.rows)

    @cached_property
    def cards(self) -> Mapping[str, Card]:
        return scores.cards(self.result.study, self.columns)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return analysis.of_result_columns(self.columns, self.result.study, self.cards)

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        return analysis.best_of_result_columns(self.columns, self.result.study, self.cards)

    def _joined(self) -> Iterator[Row]:
        images, failures, planned = self.images, self.result.store.failures(), self.result.planned
        newest = {one.shot.id: images[one.shot.id][-1] for one in planned if one.shot.id in images}
        pictured = [Row(one, image=newest[one.shot.id]) for one in planned if one.shot.id in newest]
        values = scores.by_image(self.scores, pictured)
        for one in planned:
            image = newest.get(one.shot.id)
            if image is None:
                yield Row(one, failure=failures.get(one.shot.id))
            else:
                yield Row(one, image=image, scores=values.get(image.digest, {}))
