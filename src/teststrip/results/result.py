"""A study and what became of it: the plan joined with the store.

Every view, export and analysis reads a `Result`; none of them asks the store itself. Knows no engine and makes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import plan as planning
from teststrip import plugins
from teststrip import study as spec
from teststrip.errors import StoreError, TeststripError, UsageError
from teststrip.folder import STUDY_FILE
from teststrip.protocols import Metric
from teststrip.records import Finding, Fingerprint, Image, Planned, Row, Study
from teststrip.results import notebook
from teststrip.rows import items
from teststrip.store import Store
from teststrip.weights import hub

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image as Picture


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
    return Result(spec.reopen(text), Store(folder))


class Result:
    """The rows of a study: each planned shot with its image, its failure, or neither yet.

    Attributes:
        study: what was asked.
        plan: its shots.
        store: the folder.
    """

    def __init__(self, study: Study, store: Store, plan: planning.Plan | None = None) -> None:
        self.study = study
        self.store = store
        self.plan = plan or planning.of(study)

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self.store.close()

    def __repr__(self) -> str:
        return f"<Result of {self.study.name!r}, {len(self.plan)} images, in {self.folder}>"

    @property
    def folder(self) -> Path:
        """Where the study lies."""
        return self.store.folder

    @property
    def made(self) -> int:
        """How many planned shots have an image."""
        return sum(row.image is not None for row in self.rows())

    def rows(self, plan: Iterable[Planned] | None = None) -> Iterator[Row]:
        """Each planned shot, in the order of the plan, with what became of it.

        `plan`: the same shots, kept by a caller that asks often: their ids are then counted once.

        Where a shot was made under several fingerprints (only with `allow_mixed`), the newest image counts.
        """
        images, failures, scores = self._images, self._failures, self._scores
        for planned in self.plan if plan is None else plan:
            made = images.get(planned.shot.id)
            if made:
                yield Row(planned, image=made[-1], scores=scores.get(made[-1].digest, {}))
            else:
                yield Row(planned, failure=failures.get(planned.shot.id))

    def refresh(self) -> None:
        """Read the store again: a run may have gone on since."""
        for name in ("_images", "_failures", "_stored", "_versions", "_scores", "fingerprints", "findings"):
            self.__dict__.pop(name, None)

    @cached_property
    def _images(self) -> Mapping[str, list[Image]]:
        return self.store.images()

    @cached_property
    def _failures(self) -> Mapping[str, Any]:
        return self.store.failures()

    @cached_property
    def _stored(self) -> Mapping[str, Mapping[str, Mapping[items.Digests, float]]]:
        """Metric -> fingerprint id -> images -> value, of every version of every metric."""
        stored: dict[str, dict[str, dict[items.Digests, float]]] = {}
        for score in self.store.scores():
            stored.setdefault(score.metric, {}).setdefault(score.fingerprint_id, {})[score.digests] = score.value
        return stored

    @cached_property
    def _versions(self) -> Mapping[str, tuple[Metric | None, str]]:
        """Each metric and the fingerprint id whose scores count.

        Versions of a metric (formula, weights, options) are never mixed: the present one counts or, as long as it has
        no score at all, the one that has most.
        """
        found: dict[str, tuple[Metric | None, str]] = {}
        for name, versions in self._stored.items():
            metric, present = self._metric(name)
            found[name] = metric, present if present in versions else max(versions, key=lambda one: len(versions[one]))
        return found

    @cached_property
    def _scores(self) -> Mapping[str, Mapping[str, float]]:
        """Image digest -> metric -> value; a pair's score belongs to its first image, a group's to all of them."""
        images = self._images
        rows = [Row(one, image=images[one.shot.id][-1]) for one in self.plan if one.shot.id in images]
        found: dict[str, dict[str, float]] = {}
        for name, (metric, version) in self._versions.items():
            values = self._stored[name][version]
            for digests, holders in _holders(metric, rows):
                if digests in values:
                    for digest in holders:
                        found.setdefault(digest, {})[name] = values[digests]
        return found

    def _metric(self, name: str) -> tuple[Metric | None, str]:
        """A metric as the study uses it, and the id of its fingerprint; None and "" where that cannot be."""
        metric = None
        try:
            metric = plugins.load("metrics", name)(**self.study.metric_options.get(name, {}))
            with hub.nothing_fetched():
                return metric, metric.fingerprint().id
        except TeststripError:  # not installed here, or no weights; scores made elsewhere still count
            return metric, ""

    @cached_property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """What made this study's pictures, by id."""
        used = {row.image.fingerprint_id for row in self.rows() if row.image}
        return {name: one for name, one in self.store.fingerprints().items() if name in used}

    @property
    def scored_by(self) -> Mapping[str, Fingerprint]:
        """What computed each metric's scores (formula, weights, options), by metric, where the folder knows it."""
        known = self.store.fingerprints()
        return {name: known[version] for name, (_, version) in self._versions.items() if version in known}

    @property
    def retired(self) -> int:
        """Images in the folder that the study no longer asks for. They are kept."""
        planned = {planned.shot.id for planned in self.plan}
        return sum(len(images) for shot, images in self._images.items() if shot not in planned)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """The study's metrics: name to metric class (unit, arity, higher_is_better), in the study's order."""
        return {name: plugins.load("metrics", name) for name in self.study.question.metrics}

    def columns(self) -> dict[str, list[Any]]:
        """One entry a planned shot in every column; what analysis reads.

        Columns: `prompt` (its id), `replicate`, `seed`, one for each axis (numbers where the axis is numeric, else
        labels), `missing` (None or the reason), `seconds`, `denoiser_calls` (None where the engine did not count),
        `money` where the study says what an hour costs, and one for each score (NaN where there is none).
        """
        axes = {axis.name: dict(zip(axis.labels, axis.numbers or axis.labels, strict=True)) for axis in self.study.axes}
        rows = list(self.rows())
        names = list(dict.fromkeys([*self.study.question.metrics, *(n for row in rows for n in row.scores)]))
        table: dict[str, list[Any]] = {
            "prompt": [row.planned.prompt.id for row in rows],
            "replicate": [row.planned.replicate for row in rows],
            "seed": [row.planned.shot.seed for row in rows],
        }
        for axis, values in axes.items():
            table[axis] = [values[row.planned.cell[axis]] for row in rows]
        table["missing"] = [_missing(row) for row in rows]
        table["seconds"] = [row.image.seconds if row.image else math.nan for row in rows]
        table["denoiser_calls"] = [row.image.facts.get("denoiser_calls") if row.image else None for row in rows]
        if price := self.study.question.price_an_hour:
            table["money"] = [seconds * price / 3600 for seconds in table["seconds"]]
        for name in names:
            table[name] = [float(row.scores.get(name, math.nan)) for row in rows]
        return table

    def frame(self) -> pd.DataFrame:
        """One row an image: settings, seed, seconds, digest, path, every score."""
        import pandas as pd

        rows = [row for row in self.rows() if row.image is not None]
        records = [
            {
                "prompt_id": row.planned.prompt.id,
                "replicate": row.planned.replicate,
                **{axis: row.planned.cell[axis] for axis, _ in row.planned.cell.levels},
                **row.planned.shot.settings,
                "seconds": image.seconds,
                "denoiser_calls": image.facts.get("denoiser_calls"),
                **row.scores,
                "digest": image.digest,
                "path": str(self.store.path(image)),
                "fingerprint": image.fingerprint_id,
            }
            for row in rows
            if (image := row.image) is not None
        ]
        return pd.DataFrame.from_records(records)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What can honestly be concluded, most important first."""
        from teststrip import analysis

        return analysis.of_result_columns(self.columns(), self.study, self.metrics)

    def grid(
        self,
        columns: str,
        rows: str = "prompt",
        *,
        side: int = 128,
        where: Mapping[str, object] | None = None,
    ) -> Picture:
        """One picture of labelled cells, for a notebook.

        Args:
            columns, rows: two of the axes, "prompt", "replicate" or "seed".
            side: pixels of a cell's longer edge.
            where: keeps only rows with these values, for example {"prompt": "owl", "guidance_scale": 7}.

        Raises:
            UsageError: an unknown axis, or nothing left to show.
        """
        from teststrip.pictures.sheet import sheet

        chosen = [row for row in self.rows() if row.image is not None and self._matches(row.planned, where or {})]
        if not chosen:
            raise UsageError("grid: no image fits. Loosen `where`, or run the study first")
        across = self._labels(chosen, columns)
        down = self._labels(chosen, rows)
        cells: dict[tuple[str, str], bytes] = {}
        for row in chosen:
            place = (self._label(row.planned, rows), self._label(row.planned, columns))
            if place not in cells and row.image is not None:
                cells[place] = self.store.read(row.image)
        return sheet(cells, down=down, across=across, titles=(rows, columns), side=side)

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the study is, what can be concluded, and a grid of its two first axes."""
        made, axes = self.made, [axis.name for axis in self.study.axes if len(axis.levels) > 1]
        across, down = (axes[0], axes[1]) if len(axes) > 1 else (axes[0] if axes else "replicate", "prompt")
        first = self.study.prompts[0]
        where = {"prompt": first.id} if len(axes) > 1 and len(self.study.prompts) > 1 else {}
        rows = [row for row in self.rows() if row.image is not None and self._matches(row.planned, where)]
        return notebook.html(
            title=self.study.name,
            facts=f"{made} of {len(self.plan)} images · {self.folder}",
            sentences=[finding.sentence for finding in self.findings[:3]] if made else [],
            grid=self.grid(across, down, side=96, where=where) if rows else None,
            caption=first.text if where else "",
        )

    def _label(self, planned: Planned, axis: str) -> str:
        if axis == "prompt":
            return planned.prompt.text
        if axis == "replicate":
            return str(planned.replicate)
        if axis == "seed":
            return str(planned.shot.seed)
        if axis not in dict(planned.cell.levels):
            known = [name for name, _ in planned.cell.levels] + ["prompt", "replicate", "seed"]
            raise UsageError(f"no axis {axis!r}{plugins.nearest(axis, known)}. There are: {', '.join(known)}")
        return planned.cell[axis]

    def _labels(self, rows: Sequence[Row], axis: str) -> list[str]:
        """The labels that occur, in the study's order."""
        return (
            list(dict.fromkeys(self._label(row.planned, axis) for row in rows))
            if axis not in self._axis_labels
            else [
                label for label in self._axis_labels[axis] if any(self._label(r.planned, axis) == label for r in rows)
            ]
        )

    @cached_property
    def _axis_labels(self) -> Mapping[str, tuple[str, ...]]:
        return {axis.name: axis.labels for axis in self.study.axes}

    def _matches(self, planned: Planned, where: Mapping[str, object]) -> bool:
        return all(
            str(wanted) in {self._label(planned, axis), planned.prompt.id if axis == "prompt" else ""}
            for axis, wanted in where.items()
        )


def _holders(metric: Metric | None, rows: Sequence[Row]) -> Iterator[tuple[items.Digests, list[str]]]:
    """What may have a score, and the digests of the images that such a score belongs to."""
    if metric is None:
        yield from (((digest,), [digest]) for digest in (items.image_of(row).digest for row in rows))
        return
    try:
        for digests, item in items.arranged(metric, rows).items():
            yield digests, [items.image_of(row).digest for row in items.holders(metric, item)]
    except TeststripError:  # no images here that belong together as it needs them
        return


def _missing(row: Row) -> str | None:
    if row.image is not None:
        return None
    return row.failure.reason if row.failure else "not made yet"
