"""How far votes can be trusted: a rater with himself, with pictures that are one, and raters with each other.

Source:
    Krippendorff 2011, Computing Krippendorff's alpha-reliability; Clopper & Pearson 1934.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from scipy import special

from teststrip.analysis.votes.ballots import WON
from teststrip.records import Care, RaterKind, Share, Vote

Key = tuple[tuple[str, str], tuple[str, str]]
"""Two pictures, each by its shot and its digest: one that was made again is another picture."""


def share(count: float, of: int, level: float = 0.95) -> Share:
    """A share with its exact interval; 0 to 1 where there is nothing to count.

    >>> half = share(5, 10)
    >>> round(half.low, 3), round(half.high, 3)
    (0.187, 0.813)
    """
    tail = (1 - level) / 2
    low = float(special.betaincinv(count, of - count + 1, tail)) if count > 0 else 0.0
    high = float(special.betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return Share(count, of, low, high)


def pair_of(vote: Vote) -> tuple[Key, float]:
    """The two pictures in order of their shots, and what the first of them won: 1, 0 or -1."""
    left, right = ((side.shot, side.digest) for side in (vote.pair.left, vote.pair.right))
    won = WON[vote.choice]
    return ((left, right), won) if left <= right else ((right, left), -won)


def repeated(votes: Iterable[Vote]) -> list[tuple[float, float]]:
    """What one rater said of each pair that was shown twice: at first, and again."""
    first: dict[Key, float] = {}
    found = []
    for vote in votes:
        key, won = pair_of(vote)
        if vote.pair.kind == "asked":
            first.setdefault(key, won)
        elif vote.pair.kind == "repeat" and key in first:
            found.append((first.pop(key), won))
    return found


def care(votes: Sequence[Vote], *, kind: RaterKind = "person") -> tuple[Care, ...]:
    """How carefully was voted: all raters together first, then each by name.

    Args:
        votes: in the order of time.
        kind: persons and judges are never counted together.
    """
    by_rater: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.rater_kind == kind:
            by_rater[vote.rater].append(vote)
    pairs = {rater: repeated(own) for rater, own in by_rater.items()}
    everyone = [vote for own in by_rater.values() for vote in own]
    together = _care("", everyone, [pair for own in pairs.values() for pair in own])
    return (together, *(_care(rater, by_rater[rater], pairs[rater]) for rater in sorted(by_rater)))


def _care(rater: str, votes: Sequence[Vote], again: Sequence[tuple[float, float]]) -> Care:
    asked = [vote for vote in votes if vote.pair.kind == "asked"]
    decided = [vote for vote in asked if WON[vote.choice]]
    catches = [vote for vote in votes if vote.pair.kind == "catch"]
    return Care(
        rater=rater,
        votes=len(asked),
        ties=share(len(asked) - len(decided), len(asked)),
        both_bad=share(sum(vote.choice == "both bad" for vote in asked), len(asked)),
        left=share(sum(vote.choice == "left" for vote in decided), len(decided)),
        repeats=share(sum(one == other for one, other in again), len(again)),
        catches=share(sum(not WON[vote.choice] for vote in catches), len(catches)),
    )


def ceiling(pairs: Sequence[tuple[float, float]]) -> float:
    """The largest share of decided votes that anything could foretell, by how often repeats agree; NaN = no repeats.

    A rater who agrees with himself in a share a of decided repeats says what is foretold best in a share q, where
    a = q² + (1 - q)².

    >>> ceiling([(1.0, 1.0), (-1.0, -1.0)]), ceiling([(1.0, -1.0), (1.0, 1.0)])
    (1.0, 0.5)
    """
    decided = [one == other for one, other in pairs if one and other]
    if not decided:
        return float("nan")
    alike = sum(decided) / len(decided)
    return float((1 + max(2 * alike - 1, 0.0) ** 0.5) / 2)


def between_raters(votes: Iterable[Vote], *, kind: RaterKind = "person") -> float:
    """Krippendorff's alpha over pairs that several raters answered: 1 = of one mind, 0 = as by chance; NaN = unknown.

    A win against a loss is twice as far apart as a win against a tie (the level of intervals).
    """
    units: dict[Key, dict[str, float]] = defaultdict(dict)
    for vote in votes:
        if vote.rater_kind == kind and vote.pair.kind == "asked":
            key, won = pair_of(vote)
            units[key].setdefault(vote.rater, won)
    return alpha([list(unit.values()) for unit in units.values()])


def alpha(units: Iterable[Sequence[float]]) -> float:
    """Krippendorff's alpha for values on a scale of intervals.

    Args:
        units: what the raters said of each; those with one value are left out.

    >>> alpha([[1, 1], [0, 0], [1, 1]])
    1.0
    """
    kept = [list(unit) for unit in units if len(unit) > 1]
    values = [value for unit in kept for value in unit]
    size = len(values)
    among = _apart(values)
    if size < 2 or among == 0:
        return float("nan")
    within = sum(_apart(unit) / (len(unit) - 1) for unit in kept)
    return 1 - (size - 1) * within / among


def _apart(values: Sequence[float]) -> float:
    """The sum over all pairs of values of how far they are apart, squared."""
    return len(values) * sum(value**2 for value in values) - sum(values) ** 2
