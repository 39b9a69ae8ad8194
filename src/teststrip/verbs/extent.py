"""What it takes to read a large study, said before it is read: a folder may be a stranger's, and ask for millions.

A study may have 10 million places; views, tables and conclusions hold all of them in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from teststrip.errors import UsageError
from teststrip.records import Study
from teststrip.study.cells import places

MOST = 100_000
"""Places that are read without asking."""

# The slowest and the largest verb (csv) from 3,000 to 10,000 places in 5 cells; bench/results/reading.json, two cores.
SECONDS_A_PLACE = 1.9e-4
BYTES_A_PLACE = 4.0e3


def refuse_large(study: Study, folder: Path) -> None:
    """Refuse a study that takes long to read.

    Raises:
        UsageError: it has more places than MOST; says what they take.
    """
    if (count := places(study)) > MOST:
        raise UsageError(
            f"{folder}: this study has {count:,} places, and reading them takes {cost(count)}. Add --yes to go on"
        )


def warnings(count: int) -> Iterator[str]:
    """What `plan` says of a study of so many places, where they are many."""
    if count > MOST:
        yield (
            f"to read {count:,} places takes {cost(count)}, so report, best, verify, view and export ask for --yes. "
            "Fewer replicates or levels answer most questions"
        )


def cost(count: int) -> str:
    """Time and memory that so many places take, roughly; reading their pictures comes on top.

    >>> cost(1_000_000)
    'about 3 min and 4 GB of memory'
    """
    minutes = max(1, round(count * SECONDS_A_PLACE / 60))
    time = f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
    return f"about {time} and {max(1, round(count * BYTES_A_PLACE / 1e9))} GB of memory"
