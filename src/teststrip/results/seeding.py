"""Whether two settings of a prompt share their seeds, which the engines of a study decide. Loads no weights."""

from __future__ import annotations

from teststrip import plugins
from teststrip.errors import TeststripError
from teststrip.protocols import Engine
from teststrip.protocols import seeds_of as seeding
from teststrip.records import EngineRef, Seeds, Study


def paired(study: Study) -> bool:
    """Whether every engine of the study gives a seed's picture again."""
    return all(seeds_of(engine) == "exact" for engine in study.engines.values())


def seeds_of(ref: EngineRef) -> Seeds:
    """What a seed gives with an engine. An engine that is not installed here counts as exact, as most engines are.

    One that cannot start here, because its files are elsewhere, counts as its class says.
    """
    try:
        found: type[Engine] = plugins.load("engines", ref.name)
    except TeststripError:
        return "exact"
    try:
        return seeding(found(**ref.options, **ref.operation))
    except TeststripError:
        return found.seeds
