"""Whether two settings of a prompt share their seeds, which the engines of a study decide. Loads no weights."""

from __future__ import annotations

from teststrip import plugins
from teststrip.errors import TeststripError
from teststrip.protocols import Engine
from teststrip.records import Seeds, Study


def paired(study: Study) -> bool:
    """Whether every engine of the study gives a seed's picture again."""
    return all(seeds_of(engine.name) == "exact" for engine in study.engines.values())


def seeds_of(engine: str) -> Seeds:
    """What a seed gives with an engine. An engine that is not installed here counts as exact, as most engines are."""
    try:
        found: type[Engine] = plugins.load("engines", engine)
    except TeststripError:
        return "exact"
    return found.seeds
