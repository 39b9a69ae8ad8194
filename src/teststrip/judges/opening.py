"""From what the user's configuration declares to the judge that answers."""

from __future__ import annotations

from teststrip.judges.declared import Declared
from teststrip.judges.questions import Judge


def opened(found: Declared) -> Judge:
    """The judge itself. Its model is loaded, or its server asked, with the first question."""
    if found.server is None:
        from teststrip.judges.local import LocalJudge

        return LocalJudge(found)
    from teststrip.judges.served import ServedJudge

    return ServedJudge(found, found.server)
