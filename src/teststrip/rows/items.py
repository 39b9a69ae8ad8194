"""Which pictures a metric looks at together: one, a pair, or a group.

`verbs.score` makes a metric's items here, and `results` finds the stored scores by these items, so that the score of an
earlier, smaller group is not taken for that of today's group. Knows rows and the seam of metrics, but no pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from teststrip.errors import UsageError
from teststrip.protocols import ArrangedMetric, Metric
from teststrip.records import Cell, Image, LevelRef, Row
from teststrip.rows import references

Digests = tuple[str, ...]
"""The images that a score is about, as the store keeps them: sorted where their order means nothing."""


def arranged(metric: Metric, rows: Sequence[Row], reference: Sequence[LevelRef] = ()) -> dict[Digests, tuple[Row, ...]]:
    """The items of a metric among rows that have an image, by the digests of their images.

    Args:
        metric: of which the items are.
        rows: that have an image.
        reference: the levels that name the study's reference cell; empty = there is none.

    Raises:
        DesignError: the study has no images that belong together as this metric needs them.
        UsageError: a metric of pairs does not say which images are a pair.
    """
    ordered = metric.card.arity is not None
    return {_digests(item, ordered=ordered): item for item in _items(metric, rows, reference)}


def holders(metric: Metric, item: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows that a score belongs to: a pair's score to the first image, a group's score to all images."""
    return item if metric.card.arity is None else item[:1]


def between_seeds(item: tuple[Row, ...]) -> bool:
    """Whether a pair is of two seeds: its value is a yardstick, and no score of a picture."""
    return len({row.planned.shot.seed for row in item}) > 1


def image_of(row: Row) -> Image:
    """The image of a row that is known to have one."""
    assert row.image is not None, "only rows with an image are arranged"
    return row.image


def _items(metric: Metric, rows: Sequence[Row], reference: Sequence[LevelRef]) -> Iterable[tuple[Row, ...]]:
    if isinstance(metric, ArrangedMetric):
        return metric.arrange(rows)
    card = metric.card
    if card.against:
        return references.pairs(rows, card, reference)
    if card.arity == 1:
        return [(row,) for row in rows]
    if card.arity is None:
        groups: dict[tuple[str, Cell], list[Row]] = defaultdict(list)
        for row in rows:
            groups[row.planned.prompt.id, row.planned.cell].append(row)
        return [tuple(group) for group in groups.values()]
    raise UsageError(f"metric {card.name!r} compares {card.arity} images but neither its card nor `arrange` says which")


def _digests(item: tuple[Row, ...], *, ordered: bool) -> Digests:
    digests = [image_of(row).digest for row in item]
    return tuple(digests if ordered else sorted(digests))
