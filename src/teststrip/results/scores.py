"""Which version of each score counts, and to which images it belongs.

Versions of a metric (formula, weights, options) are never mixed. The present version counts; where it has no score at
all, the version with the most scores counts. Knows metrics and rows, but no pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from teststrip import plugins
from teststrip.errors import TeststripError
from teststrip.protocols import Metric
from teststrip.records import Row, Score, Study
from teststrip.rows import items
from teststrip.weights.loading import nothing_fetched

Values = Mapping[items.Digests, float]


@dataclass(frozen=True, slots=True)
class Counted:
    """The scores of a metric that count.

    Attributes:
        metric: with the study's options; None when the metric is not installed here.
        version: the fingerprint id of these scores.
        values: by the digests of the images that a score is about.
    """

    metric: Metric | None
    version: str
    values: Values


def counted(study: Study, scores: Iterable[Score]) -> dict[str, Counted]:
    """The scores that count, by metric, out of all versions that are stored."""
    stored: dict[str, dict[str, dict[items.Digests, float]]] = {}
    for score in scores:
        stored.setdefault(score.metric, {}).setdefault(score.fingerprint_id, {})[score.digests] = score.value
    found = {}
    for name, versions in stored.items():
        metric, present = _metric(name, study)
        version = present if present in versions else max(versions, key=lambda one: len(versions[one]))
        found[name] = Counted(metric, version, versions[version])
    return found


def by_image(scores: Mapping[str, Counted], rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The scores of each image.

    Args:
        scores: the scores that count.
        rows: all rows that have an image.

    Returns:
        Image digest to metric to value. A pair's score belongs to the first image, a group's score to all images.
    """
    found: dict[str, dict[str, float]] = {}
    for name, those in scores.items():
        for digests, holders in _holders(those.metric, rows):
            if digests in those.values:
                for digest in holders:
                    found.setdefault(digest, {})[name] = those.values[digests]
    return found


def _metric(name: str, study: Study) -> tuple[Metric | None, str]:
    """A metric with the study's options and its fingerprint's id; None or "" where it cannot be made here."""
    metric = None
    try:
        metric = plugins.load("metrics", name)(**study.metric_options.get(name, {}))
        with nothing_fetched():
            return metric, metric.fingerprint().id
    except TeststripError:  # not installed here, or without weights; scores made on another machine still count
        return metric, ""


def _holders(metric: Metric | None, rows: Sequence[Row]) -> Iterator[tuple[items.Digests, list[str]]]:
    """Each item that may have a score: its digests, and the digests of the images that the score belongs to."""
    if metric is None:
        yield from (((digest,), [digest]) for digest in (items.image_of(row).digest for row in rows))
        return
    try:
        for digests, item in items.arranged(metric, rows).items():
            yield digests, [items.image_of(row).digest for row in items.holders(metric, item)]
    except TeststripError:  # there are no images that belong together as the metric needs them
        return
