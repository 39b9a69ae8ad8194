"""What all workers must agree on: what would answer one sample shot of each weights.

Knows shots and fingerprints; nothing of a cluster.
"""

from __future__ import annotations

from collections.abc import Hashable

from teststrip.errors import shortened
from teststrip.records import Fingerprint, Shot


class Agreement:
    """The sample shot of each weights, and what would answer it by the first worker that was asked.

    >>> from teststrip.records import EngineRef
    >>> agreement, shot = Agreement(), Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": 1})
    >>> agreement.sample("one model", shot) is shot
    True
    >>> agreement.differs("one model", Fingerprint({"torch": "2.12"})), agreement.differs("one model", Fingerprint({}))
    ('', "torch None and '2.12'")
    """

    def __init__(self) -> None:
        self._samples: dict[Hashable, Shot] = {}
        self._expected: dict[Hashable, Fingerprint] = {}

    def sample(self, weights: Hashable, shot: Shot) -> Shot:
        """The shot about which workers are asked for these weights: this one, where there is none so far."""
        return self._samples.setdefault(weights, shot)

    def note(self, weights: Hashable, shot: Shot, found: Fingerprint) -> None:
        """Note what would answer a shot. It becomes the sample where there is none so far."""
        if self.sample(weights, shot).id == shot.id:
            self._expected.setdefault(weights, found)

    def differs(self, weights: Hashable, found: Fingerprint) -> str:
        """Compare what would answer the sample by one worker with what would by the first one.

        Returns:
            the facts that differ, this worker's first; "" = none does, or this worker is the first.
        """
        expected = self._expected.setdefault(weights, found)
        if found.id == expected.id:
            return ""
        names = sorted({*found.facts, *expected.facts})
        differ = [
            f"{name} {found.facts.get(name)!r} and {expected.facts.get(name)!r}"
            for name in names
            if found.facts.get(name) != expected.facts.get(name)
        ]
        return shortened("; ".join(differ))
