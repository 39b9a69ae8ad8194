"""A study and what became of it: the plan joined with the store.

Views, exports and analysis read a `Result` and never the store itself. A `Result` knows no engine and makes no picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import analysis
from teststrip import plan as planning
from teststrip import study as studies
from teststrip.analysis.sentences import trust
from teststrip.analysis.sentences.answers import told
from teststrip.analysis.sentences.phrases import count
from teststrip.errors import StoreError, UsageError
from teststrip.folder import STUDY_FILE
from teststrip.records import Across, Card, Finding, Fingerprint, KeptMargin, Look, Planned, Polled, Row, Study
from teststrip.records.concluded import one_line
from teststrip.records.looked import Registration
from teststrip.results import grids, looked, notebook, polled, registered, seeding
from teststrip.results.moment import Moment
from teststrip.rows import choice, grid, tables
from teststrip.store import Store, files, inside

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image as Picture

    from teststrip.analysis import Recommendation


def open_result(folder: str | Path) -> Result:
    """The result of a finished, running or interrupted study, opened for reading.

    Raises:
        StoreError: the folder holds no study.
    """
    return Result(study_in(Path(folder)), Store(folder))


def study_in(folder: Path) -> Study:
    """What a folder's study asks; no place of it is made.

    Raises:
        StoreError: the folder holds no study.
    """
    text = folder / STUDY_FILE
    if inside.is_link(text):
        raise StoreError(f"{folder}: {STUDY_FILE} is a link. Put the file itself there, as `teststrip run` does")
    if not text.is_file():
        raise StoreError(
            f"{folder}: no study here ({STUDY_FILE} is missing). Name a folder that "
            "`teststrip run` made, for example runs/guidance-vs-steps"
        )
    return studies.reopen(text)


class Result:
    """The rows of a study: each planned shot with its image, its failure, or neither yet.

    A result reads each part of the store once and keeps what it read; `refresh` makes it read again.

    Attributes:
        study: what was asked.
        plan: the shots of the study.
        store: the folder.
    """

    def __init__(self, study: Study, store: Store, plan: planning.Plan | None = None) -> None:
        self.study = study
        self.store = store
        self.plan = plan or planning.of(study)
        self._planned: Sequence[Planned] = ()
        self._moment = Moment(self)

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        self.store.close()

    def __repr__(self) -> str:
        return one_line("Result", f"{self.study.name}; {count(len(self.plan), 'image')} planned; in {self.folder}")

    def refresh(self, store: Store | None = None) -> None:
        """Read the store again when it is next asked for, because a run may have gone on since.

        Args:
            store: the folder opened anew, where its ledger file was replaced; the old store is closed.
        """
        if store is not None:
            self.reopened(store)
        self._moment = Moment(self)

    def reopened(self, store: Store) -> None:
        """Go on with another opened store of this folder, and keep what was read. The old store is closed."""
        old, self.store = self.store, store
        old.close()

    @property
    def folder(self) -> Path:
        """Where the study lies."""
        return self.store.folder

    @property
    def planned(self) -> Sequence[Planned]:
        """The plan's shots. The result keeps them, so that their ids are hashed once."""
        if not self._planned:
            self._planned = tuple(self.plan)
        return self._planned

    @property
    def made(self) -> int:
        """The number of planned shots that have an image."""
        return sum(row.image is not None for row in self.rows())

    def rows(self) -> Sequence[Row]:
        """Each planned shot, in the order of the plan, with what became of it.

        Where a shot was made under several fingerprints (only with `allow_mixed`), the newest image counts.
        """
        return self._moment.rows

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """The fingerprints of what made this study's images, by their id."""
        used = {row.image.fingerprint_id for row in self.rows() if row.image}
        return {name: one for name, one in self.store.fingerprints().items() if name in used}

    @property
    def scored_by(self) -> Mapping[str, Fingerprint]:
        """The fingerprint (formula, weights, options) of each metric's scores, where the folder holds it."""
        known = self.store.fingerprints()
        return {name: known[one.version] for name, one in self._moment.scores.items() if one.version in known}

    @property
    def retired(self) -> int:
        """The number of images in the folder that the study no longer asks for. The store keeps them."""
        asked = {planned.shot.id for planned in self.planned}
        return sum(len(images) for shot, images in self._moment.images.items() if shot not in asked)

    @property
    def cards(self) -> Mapping[str, Card]:
        """What is known of each of the study's metrics, by name, in the study's order."""
        return self._moment.cards

    def columns(self) -> dict[str, list[Any]]:
        """The table that analysis reads, with one entry a planned shot in every column. See `rows.tables.columns`."""
        return self._moment.columns

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What can honestly be concluded, most important first."""
        return self._moment.findings

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """For each score that says which end is good, the cheapest cell that is not worse, or why there is none."""
        return self._moment.recommendations

    def best(self, metric: str | None = None, *, budget: str | None = None) -> Recommendation:
        """The recommendation by one score: its `sentence`, its `settings`, and whether it is `settled`.

        Args:
            metric: the score to go by; default the first of the study that says which end is good.
            budget: what a picture may cost: "4s", "50 calls", "0.02 USD"; default the study's.

        Raises:
            UsageError: no such score, a budget that cannot be read, or no score says which end is good.
        """
        made = self.advice(metric, budget=budget)
        able = [one for one in made if one.metric == metric or not self.cards[one.metric].describes]
        if not able:
            raise UsageError(f"no score of {self.study.name!r} says which end is good, so name one")
        return able[0]

    def advice(self, metric: str | None = None, *, budget: str | None = None) -> tuple[Recommendation, ...]:
        """The recommendations by each score that says which end is good, or by one score; arguments as of `best`."""
        if metric is None and budget is None:
            return self.recommendations
        return self._moment.advice(metric, budget)

    @property
    def versions(self) -> Mapping[str, str]:
        """The fingerprint id of each metric's scores."""
        return {name: one.version for name, one in self._moment.scores.items()}

    @property
    def state(self) -> str:
        """A digest of the images and scores that conclusions rest on."""
        return self._moment.state

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks at this study so far, read anew each time: a run that concludes adds one."""
        return tuple(self.store.looks(self.study.name))

    def look(self) -> Look:
        """The look that a run takes which concludes now; the store does not have it yet."""
        margins = analysis.margins(self.columns(), self.study, self.cards, versions=self.versions, pilot=self.pilot)
        return looked.look(self.study, self.rows(), data=self.state, margins=margins, findings=self.findings)

    @property
    def pilot(self) -> Mapping[str, KeptMargin]:
        """The margins that an earlier look kept and that count here, by metric."""
        return self._moment.pilot

    @property
    def paired_seeds(self) -> bool:
        """Whether a seed gives its picture again with every engine of the study, so that conclusions pair seeds."""
        return seeding.paired(self.study)

    @property
    def history(self) -> tuple[str, ...]:
        """What a reader must know of a registered question and of earlier looks, a sentence each."""
        study, made = self.study, self.registration
        earlier = looked.history(
            self.looks, study.question, versions=self.versions, kept=self.pilot, exclusions=study.exclusions
        )
        return (trust.registered(made), *earlier) if made else earlier

    @property
    def registration(self) -> Registration | None:
        """The question that was registered in this folder, compared with the present one; None where none was."""
        return registered.read(self.folder, self.study)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be known before a score is believed, a sentence each.

        Scores that know nothing of these pictures or cannot compare them, and what a model did not take as it was
        written.
        """
        return self._moment.warnings

    @property
    def across(self) -> Across | None:
        """What several scores say together; None where there is one score alone."""
        return analysis.across_scores(self.findings, self.cards)

    @property
    def polled(self) -> tuple[Polled, ...]:
        """What raters' votes say, read anew each time, because raters vote at any time; empty where no one voted."""
        return polled.of(self)

    def frame(self) -> pd.DataFrame:
        """One row an image: settings, seed, seconds, digest, path and every score."""
        import pandas as pd

        found = [
            {**one, "path": str(files.place(self.folder, str(one["path"])))} for one in tables.records(self.rows())
        ]
        return pd.DataFrame.from_records(found)

    def findings_frame(self) -> pd.DataFrame:
        """One row a finding: score, axis, scope, what is compared, effect, interval, margin, p, verdict, sentence."""
        import pandas as pd

        from teststrip.results import frames

        return pd.DataFrame.from_records(frames.findings(self.findings), columns=list(frames.FIELDS))

    def settings_frame(self) -> pd.DataFrame:
        """One row a setting: its levels, images, median cost, and each score with the interval to compare by."""
        import pandas as pd

        from teststrip.results import frames

        found = frames.settings(self.columns(), self.study.axes, self.cards)
        return pd.DataFrame.from_records([one.record() for one in found])

    def grid(
        self,
        columns: str,
        rows: str = grid.PROMPT,
        *,
        side: int = 128,
        where: Mapping[str, object] | None = None,
    ) -> Picture:
        """One picture of labelled cells, for a notebook. All cells of a prompt show its typical seed.

        Args:
            columns: an axis, "prompt", "replicate" or "seed"; it runs across.
            rows: another of these; it runs down.
            side: pixels of a cell's longer edge.
            where: keeps only rows with these values, for example {"prompt": "owl", "guidance_scale": 7}.

        Raises:
            UsageError: an unknown axis, or nothing left to show.
        """
        shown = self._shown(columns, rows, where or {})
        return grids.drawn(self.study, self.store, shown, rows=rows, columns=columns, side=side)

    def _shown(self, columns: str, rows: str, where: Mapping[str, object]) -> list[Row]:
        """The row that is shown for each cell of a grid."""
        chosen, cells = self._choice, grid.cells(grid.wanted(self.rows(), where), (rows, columns))
        return [chosen.of(own) for own in cells.values()]

    @property
    def _choice(self) -> choice.Choice:
        return self._moment.choice

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the study is, what can be concluded, and a grid of the first two axes."""
        axes = grid.varied(self.study)
        across, down = [*axes, *([grid.PROMPT] if axes else [grid.REPLICATE, grid.PROMPT])][:2]
        first = self.study.prompts[0]
        where = {grid.PROMPT: first.id} if len(axes) > 1 and len(self.study.prompts) > 1 else {}
        pictured = any(row.image and (not where or row.planned.prompt.id == first.id) for row in self.rows())
        shown = self._shown(across, down, where) if pictured else []
        seeds = self._choice.said(shown) if grid.REPLICATE not in (across, down) else ""
        return notebook.html(
            title=self.study.name,
            facts=f"{self.made} of {len(self.plan)} images · {self.folder}",
            sentences=[told(finding) for finding in self.findings if finding.leads][:3] if self.made else [],
            grid=grids.drawn(self.study, self.store, shown, rows=down, columns=across, side=96) if shown else None,
            caption=" · ".join(part for part in (first.text if where else "", seeds) if part),
        )
