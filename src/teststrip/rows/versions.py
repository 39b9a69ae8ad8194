"""Which versions of a hosted model answered: a service may change the model behind a name in the middle of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from teststrip.errors import shortened
from teststrip.records import Row

LONGEST = 80
"""Letters of a version that are believed of a ledger."""


def answered(rows: Sequence[Row]) -> dict[str, Mapping[str, int]]:
    """For each model that was asked for and answered as several versions: the images of each, by what it said."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        said = row.image.facts.get("answered") if row.image else None
        version = said.get("model") if isinstance(said, Mapping) else None
        if isinstance(version, str):
            asked = str(row.planned.shot.settings.get("model"))
            found.setdefault(asked, Counter())[shortened(version, LONGEST)] += 1
    return {asked: versions for asked, versions in found.items() if len(versions) > 1}
