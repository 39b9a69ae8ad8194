"""A scripted rater who prefers colourful pictures votes on a run, and the votes are read: the example of docs/votes.md.

    python -m bench.scripted_rater runs/demo

The script gets what a person's browser gets, two blinded pictures, and knows no setting. It chooses the one with the
higher colourfulness (Hasler & Süsstrunk 2003), with an eye that errs a little, and calls small differences a tie. The
run is copied first, so that no votes of a script come into a folder with votes of persons.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from teststrip.analysis.sentences import votes as words
from teststrip.metrics.pixels import colourfulness
from teststrip.pictures.pixels import decode
from teststrip.records import Choice, Vote
from teststrip.results import Result, open_result, polling
from teststrip.views import report
from teststrip.views.voting import Poll, Ticket, moment

VOTES = 400
EYE = 4.0
"""SD of what the eye adds to a difference, in levels of colourfulness."""
ALIKE = 3.0
"""A smaller difference is a tie, levels."""
RATER = "script-colour"
QUESTION = "Which picture is more colourful?"


def choice(ticket: Ticket, rng: np.random.Generator) -> Choice:
    """What the script says of a pair, by its pixels alone."""
    if ticket.seen.same:
        return "tie"
    left, right = (colourfulness(decode(data)) for data in (ticket.seen.left, ticket.seen.right))
    seen = left - right + rng.normal(0.0, EYE)
    return "tie" if abs(seen) < ALIKE else "left" if seen > 0 else "right"


def vote(result: Result, count: int = VOTES, seed: int = 0) -> int:
    """Let the script vote, pair by pair, as the page would show them. It is no person, so it votes as a judge.

    Returns:
        The number of votes.
    """
    rng = np.random.default_rng(seed)
    poll = Poll(result.folder, result.rows, chooser=polling.chooser(result.study))
    for number in range(count):
        ticket = poll.ticket(RATER, ())
        if ticket is None:
            return number
        age = round(1000 * (time.monotonic() - ticket.issued))
        said = choice(ticket, rng)
        poll.file.add([Vote(ticket.id, ticket.pair, said, RATER, "judge", age, QUESTION, moment())])
    return count


def main() -> None:
    """Vote on a copy of the run that is named, and print what the votes say."""
    run = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / run.name
        shutil.copytree(run, folder)
        with open_result(folder) as result:
            vote(result)
            for one in result.polled:
                print(words.headline(one))
                for line in words.told(one):
                    print(f"  * {line}")
            print()
            print(report.best_by_votes(result), end="")


if __name__ == "__main__":
    main()
