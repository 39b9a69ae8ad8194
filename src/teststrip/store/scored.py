"""Scores as readers want them: those of one version of a metric about given images, and no other row.

A ledger keeps the scores of every metric and version that ever saw its images, and a stranger's may hold millions that
mean nothing. All questions here are answered by the primary key, so that rows of no use to the study are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from teststrip.records import Score
from teststrip.store import rows
from teststrip.store.ledger import Ledger

_AT_ONCE = 500  # items in one query; SQLite before 3.32 takes at most 999 values


def of(ledger: Ledger, metric: str, version: str, items: Iterable[tuple[str, ...]]) -> Iterator[Score]:
    """The scores of a version of a metric about these items, which are digests in the order of the stored score."""
    names = map(" ".join, items)
    while some := list(islice(names, _AT_ONCE)):
        where = f"WHERE metric = ? AND fingerprint_id = ? AND digests IN ({', '.join('?' * len(some))})"
        yield from ledger.read(rows.SCORES, where, (metric, version, *some))


def version(ledger: Ledger, metric: str, present: str) -> str | None:
    """The version of a metric that counts: the present one; where it has no score, the one with the most scores.

    Returns:
        None where the metric has no score.
    """
    now = "WHERE metric = ? AND fingerprint_id = ? LIMIT 1"
    fullest = "WHERE metric = ? GROUP BY fingerprint_id ORDER BY count(*) DESC, fingerprint_id LIMIT 1"
    for where, values in ((now, (metric, present)), (fullest, (metric,))):
        for found in ledger.read(rows.VERSIONS, where, values):
            return found
    return None


def metrics(ledger: Ledger) -> Iterator[str]:
    """The names of the metrics that have a score, in alphabetical order. One jump in the key a name."""
    name = ""
    while name := next(ledger.read(rows.METRICS, "WHERE metric > ? ORDER BY metric LIMIT 1", (name,)), ""):
        yield name
