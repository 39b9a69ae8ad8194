"""Gives every image its scores; computes only what is not there yet.

Knows the seam of metrics and how to feed it: it finds the items that have no score yet, decodes each picture once for
all metrics, holds a bounded number of them in memory, and stores scores as they come. Knows no formula and no model.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from teststrip import plugins
from teststrip.errors import TeststripError, UsageError
from teststrip.protocols import Item, Metric
from teststrip.records import Event, Fingerprint, Image, LevelRef, Row, Score, Scored, Study
from teststrip.rows.items import Digests, arranged, image_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from teststrip.results.result import Result
    from teststrip.store import Store

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pass may hold in memory, and for how long.

    Attributes:
        kept_bytes: decoded pictures that are kept because another metric may want them; by default 85 pictures of
            1024 × 1024 pixels.
        chunk_bytes: decoded pictures that a metric gets in one call; a group is never divided.
        chunk_images: pictures that a metric gets in one call; a group is never divided.
        flush_seconds: how long scores wait in memory, which is what a kill can lose; Ctrl-C loses nothing.
        report_seconds: how often a pass says how far it is.
    """

    kept_bytes: int = 256 * 2**20
    chunk_bytes: int = 96 * 2**20
    chunk_images: int = 64
    flush_seconds: float = 2.0
    report_seconds: float = 10.0


LIMITS = Limits()


def score(
    result: Result,
    names: Sequence[str] | None = None,
    *,
    emit: Callable[[Event], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    limits: Limits = LIMITS,
) -> None:
    """Compute and store the scores that are missing.

    A score is there when the same metric (by fingerprint: formula, weights, options) has seen the same images. A
    metric that cannot be computed says why in a note and is left out; all other metrics go on.

    Args:
        result: the study, its store open for writing. Call `result.refresh()` to see the new scores.
        names: of metrics; default those of the study's question or, if it names none, all that need no weights.
        emit: gets one `Scored` a metric; a long pass sends several, whose counts add up.
        stopped: asked between chunks; once it is true the pass ends early, with what it has stored.
        limits: on memory and on the time between two reports.

    Raises:
        UsageError: an unknown metric.
    """
    rows = _prompt_by_prompt(result)
    asked = names or result.study.question.metrics
    jobs = [_job(name, result.study) for name in dict.fromkeys(asked)] or _free_jobs(result.study)
    for job in jobs:
        job.arrange(rows, result.study.question.reference)
    pictures = _Pictures(result.store, limits.kept_bytes)
    with _Outbox(result.store, emit, limits) as outbox:
        outbox.drop_known(jobs)
        for end in _chunk_ends(rows, limits):
            if stopped():
                return
            for job in jobs:
                outbox.add(job, job.work(end, pictures))
        for job in jobs:
            if asked or job.arranged:
                outbox.conclude(job.name, job.note)


@dataclass
class _Job:
    """A metric and what it still has to do.

    Attributes:
        name: as the study file spells it.
        metric: what computes; None once it has given up.
        fingerprint: of the metric; None when it has no weights.
        todo: digests to item, for each item without a score, in the order in which the pass completes the items.
        ends: digests to the place in the pass of the image that completes the item.
        arranged: how many items there are, with or without a score.
        note: why some or all items have no score.
    """

    name: str
    metric: Metric | None = None
    fingerprint: Fingerprint | None = None
    todo: dict[Digests, tuple[Row, ...]] = field(default_factory=dict)
    ends: dict[Digests, int] = field(default_factory=dict)
    arranged: int = 0
    note: str = ""

    def give_up(self, error: Exception) -> None:
        """Compute nothing more, and say why in one line."""
        if isinstance(error, ModuleNotFoundError):
            error = plugins.missing(error)
        why = str(error) if isinstance(error, TeststripError) else f"it failed: {type(error).__name__}: {error}"
        self.note = f"not computed, because {' '.join(why.split())}"
        self.metric = None
        self.todo.clear()

    def arrange(self, rows: Sequence[Row], reference: Sequence[LevelRef]) -> None:
        """Find the items among all rows with an image; the levels name the study's reference cell."""
        if self.metric is None:
            return
        place = {image_of(row).digest: number for number, row in enumerate(rows)}
        try:
            items = arranged(self.metric, rows, reference)
        except Exception as error:  # a metric's edge: one that fails never stops another
            self.give_up(error)
            return
        self.ends = {digests: max(place[digest] for digest in digests) for digests in items}
        self.todo = {digests: items[digests] for digests in sorted(items, key=self.ends.__getitem__)}
        self.arranged = len(items)

    def work(self, end: int, pictures: _Pictures) -> list[Score]:
        """The scores of the items that are complete before place `end` of the pass."""
        if self.metric is None or self.fingerprint is None:
            return []
        due = list(takewhile(lambda digests: self.ends[digests] < end, self.todo))
        items: dict[Digests, Item] = {}
        for digests in due:
            rows = self.todo.pop(digests)
            pixels = [pictures[image_of(row)] for row in rows] if self.metric.card.needs_pixels else []
            whole = [array for array in pixels if array is not None]
            if len(whole) == len(pixels):
                items[digests] = Item(rows, tuple(whole))
            else:
                self.note = "not computed for damaged pictures. Run: teststrip verify"
        if not items:
            return []
        try:
            values = self.metric.score(list(items.values()))
            return [
                Score(self.name, digests, float(value), self.fingerprint.id)
                for digests, value in zip(items, values, strict=True)
            ]
        except Exception as error:  # a metric's edge, as in `arrange`
            self.give_up(error)
            return []


class _Pictures:
    """Decoded pictures, kept up to a number of bytes; those used longest ago are dropped first."""

    def __init__(self, store: Store, most: int) -> None:
        self._store, self._most = store, most
        self._kept: OrderedDict[str, Pixels | None] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, image: Image) -> Pixels | None:
        """The pixels [H, W, 3] of an image; None when the file cannot be read."""
        if image.digest in self._kept:
            self._kept.move_to_end(image.digest)
            return self._kept[image.digest]
        pixels = self._kept[image.digest] = decoded(self._store, image)
        self._bytes += _size(pixels)
        while self._bytes > self._most:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return pixels


def decoded(store: Store, image: Image) -> Pixels | None:
    """The pixels [H, W, 3] of an image, read-only; None when the file cannot be read."""
    from teststrip import pictures

    try:
        pixels: Pixels = pictures.decode(store.read(image))
    except (TeststripError, OSError):
        return None
    pixels.flags.writeable = False  # several metrics read this one array
    return pixels


class _Outbox:
    """Scores on their way into the store, and what trackers hear of them."""

    def __init__(self, store: Store, emit: Callable[[Event], None], limits: Limits) -> None:
        self._store, self._emit, self._limits = store, emit, limits
        self._waiting: list[Score] = []
        self._by: dict[str, Fingerprint] = {}
        self._unreported: dict[str, int] = defaultdict(int)
        self._flushed = self._reported = time.monotonic()

    def __enter__(self) -> _Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def drop_known(self, jobs: Sequence[_Job]) -> None:
        """Take the items whose scores the store has off each job."""
        for job in jobs:
            if job.fingerprint:
                for old in self._store.scores_of(job.name, job.fingerprint.id, tuple(job.todo)):
                    job.todo.pop(old.digests, None)

    def add(self, job: _Job, scores: Sequence[Score]) -> None:
        """Store these scores within `flush_seconds`, and report them within `report_seconds`."""
        self._waiting += scores
        if scores and job.fingerprint:
            self._by[job.name] = job.fingerprint
        self._unreported[job.name] += len(scores)
        now = time.monotonic()
        if now - self._flushed > self._limits.flush_seconds:
            self._flush()
        if now - self._reported > self._limits.report_seconds:
            self._flush()
            self._reported = now
            for metric, count in self._unreported.items():
                if count:
                    self._emit(Scored(metric, count))
            self._unreported.clear()

    def conclude(self, name: str, note: str) -> None:
        """Report a metric for the last time, after its scores are stored."""
        self._flush()
        self._emit(Scored(name, self._unreported.pop(name, 0), note))

    def _flush(self) -> None:
        if self._waiting:
            self._store.add_scores(self._waiting, self._by.values())
        self._waiting = []
        self._flushed = time.monotonic()


def _job(name: str, study: Study) -> _Job:
    job = _Job(name)
    try:
        job.metric = plugins.load("metrics", name)(**study.metric_options.get(name, {}))
        job.fingerprint = job.metric.fingerprint()
    except UsageError:
        raise
    except Exception as error:  # a metric's edge, as in `_Job.arrange`
        job.give_up(error)
    return job


def _free_jobs(study: Study) -> list[_Job]:
    """One job for each metric that needs no weights: for a study that does not say what it wants to know."""
    jobs = [_job(name, study) for name in plugins.installed("metrics")]
    return [job for job in jobs if job.metric is not None and not job.metric.card.needs]


def _prompt_by_prompt(result: Result) -> list[Row]:
    """The rows with an image; pictures that are compared with one another stand close together."""
    prompts = {prompt.id: number for number, prompt in enumerate(result.study.prompts)}
    rows = [row for row in result.rows() if row.image is not None]
    return sorted(rows, key=lambda row: prompts[row.planned.prompt.id])


def _chunk_ends(rows: Sequence[Row], limits: Limits) -> Iterator[int]:
    """The places in the pass at which the metrics are asked."""
    count = size = 0
    for place, row in enumerate(rows):
        count, size = count + 1, size + 3 * image_of(row).width * image_of(row).height
        if count >= limits.chunk_images or size >= limits.chunk_bytes:
            yield place + 1
            count = size = 0
    yield len(rows)


def _size(pixels: Pixels | None) -> int:
    return 0 if pixels is None else pixels.nbytes
