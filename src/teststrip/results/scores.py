"""Which scores count, and to which images they belong.

A study's own metrics count; a study that names none has those that have scores. Versions of a metric (formula, weights,
options) are never mixed. The present version counts; where it has no score at all, the version with the most scores
counts. Only scores that count are read. Knows metrics and rows, but no pixels.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from teststrip import plugins
from teststrip.analysis.sentences import heeded, trust
from teststrip.analysis.sentences.phrases import capital
from teststrip.errors import TeststripError
from teststrip.protocols import Choosy, Metric
from teststrip.records import Axis, Card, Incomparable, LevelRef, Row, Study
from teststrip.rows import items
from teststrip.store import Store
from teststrip.weights import hub

MOST_UNNAMED = 100
"""Metrics that a study has which names none; a stranger's ledger may hold any number of names."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The scores of a metric that count.

    Attributes:
        version: the fingerprint id of these scores.
        values: by the digest of the image that a score belongs to. A pair's score belongs to the first image, a
            group's score to all images.
        between_seeds: of a metric of pairs, how far an image is from that of another seed, by the digest of the image.
    """

    version: str
    values: Mapping[str, float]
    between_seeds: Mapping[str, float] = field(default_factory=dict)


def counted(study: Study, store: Store, rows: Sequence[Row]) -> dict[str, Counted]:
    """The scores that count, by metric, in alphabetical order.

    Args:
        study: what was asked.
        store: of the study.
        rows: all rows that have an image.
    """
    found = {}
    for name in sorted(study.question.metrics) or islice(store.scored(), MOST_UNNAMED):
        metric, present = _metric(name, study)
        if version := store.version_of(name, present):
            own, apart = _holders(metric, rows, study.question.reference)
            values = (_values(store, name, version, those) for those in (own, apart))
            found[name] = Counted(version, *values)
    return found


def by_image(scores: Mapping[str, Counted]) -> dict[str, dict[str, float]]:
    """The scores of each image: image digest to metric to value."""
    found: dict[str, dict[str, float]] = {}
    for name, those in scores.items():
        for digest, value in those.values.items():
            found.setdefault(digest, {})[name] = value
    return found


def cards(study: Study, columns: Container[str]) -> dict[str, Card]:
    """The card of each of the study's metrics, as its options make it; loads no weights.

    A study that names no metrics has those that are installed and have a column. A metric that is not installed here
    gets a card that says nothing but its name, because scores that were made elsewhere still count.
    """
    names = study.question.metrics or [name for name in plugins.installed("metrics") if name in columns]
    return {name: _card(metric, study) if (metric := _opened(name, study)) else Card(name) for name in names}


def misfits(study: Study, names: Iterable[str]) -> dict[str, str]:
    """Of these metrics those that know nothing of the study's pictures, and why."""
    found = ((name, _misfit(metric, study)) for name in names if (metric := _opened(name, study)))
    return {name: why for name, why in found if why}


def warnings(study: Study) -> tuple[str, ...]:
    """A sentence on each metric the study names that knows nothing of its pictures, or cannot compare all of them.

    Loads no weights.
    """
    unfit = [trust.misfit(name, why) for name, why in misfits(study, study.question.metrics).items()]
    return (*unfit, *(heeded.incomparable(one) for one in incomparable(study, cards(study, ()))))


def incomparable(study: Study, known: Mapping[str, Card]) -> Iterator[Incomparable]:
    """The metrics that cannot be compared along axes of the study, by what its levels ask for."""
    for card in known.values():
        across = tuple(axis.name for axis in study.axes if _differ(axis, card.equal))
        if across:
            yield Incomparable(card.name, card.equal, across)


def _differ(axis: Axis, settings: Iterable[str]) -> bool:
    """Whether levels of an axis differ in one of these settings."""
    return any(len({level.settings.get(name) for level in axis.levels}) > 1 for name in settings)


def _misfit(metric: Metric, study: Study) -> str:
    return metric.misfit(study) if isinstance(metric, Choosy) else ""


def _card(metric: Metric, study: Study) -> Card:
    """The card of a metric; one that knows nothing of these pictures describes them, and neither end is good."""
    why = _misfit(metric, study)
    if not why:
        return metric.card
    failure = f"{capital(why)}. {metric.card.failure}".rstrip()
    return replace(metric.card, higher_is_better=None, describes=why, failure=failure)


def _opened(name: str, study: Study) -> Metric | None:
    """A metric as the study uses it; None where it is not installed."""
    try:
        metric: Metric = plugins.load("metrics", name)(**study.metric_options.get(name, {}))
    except TeststripError:
        return None
    return metric


def _metric(name: str, study: Study) -> tuple[Metric | None, str]:
    """A metric as the study uses it, and the id of its fingerprint; None and "" where that cannot be."""
    metric = _opened(name, study)
    if metric is None:
        return None, ""
    try:
        with hub.nothing_fetched():
            return metric, metric.fingerprint().id
    except TeststripError:  # no weights here; scores made elsewhere still count
        return metric, ""


def _values(store: Store, name: str, version: str, holders: Mapping[items.Digests, Sequence[str]]) -> dict[str, float]:
    """A metric's values, by the digest of the image that a value belongs to."""
    stored = {score.digests: score.value for score in store.scores_of(name, version, holders)}
    return {digest: stored[digests] for digests, images in holders.items() if digests in stored for digest in images}


Holders = dict[items.Digests, list[str]]
"""Each item that may have a score: its digests, and the digests of the images that the score belongs to."""


def _holders(metric: Metric | None, rows: Sequence[Row], reference: Sequence[LevelRef]) -> tuple[Holders, Holders]:
    """The items that are scores of images, and the pairs of two seeds."""
    own: Holders = {}
    apart: Holders = {}
    if metric is None:
        return {(digest,): [digest] for digest in (items.image_of(row).digest for row in rows)}, apart
    try:
        arranged = items.arranged(metric, rows, reference)
    except TeststripError:  # there are no images that belong together as the metric needs them
        return own, apart
    for digests, item in arranged.items():
        pair = metric.card.arity == 2 and items.between_seeds(item)
        (apart if pair else own)[digests] = [items.image_of(row).digest for row in items.holders(metric, item)]
    return own, apart
