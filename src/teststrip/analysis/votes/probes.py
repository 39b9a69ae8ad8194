"""Probes: what is odd about how votes came about. Each asks one question and answers with a record, never with words.

A probe fires where a careful rater would show as much in one of a hundred sets of votes, all raters of the set
together. It accuses no one: it says where a person should look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from scipy import stats

from teststrip.analysis.votes import agreement, circles, davidson, winning
from teststrip.analysis.votes.ballots import WON, Ballots, read
from teststrip.analysis.votes.strengths import Strengths
from teststrip.records import MINIMUM_PROMPTS, Place, Probe, ProbeKind, RaterKind, Vote

SURE = 0.01
"""So rarely a careful set of votes makes one probe fire."""
SIDE: ProbeKind = "favours a side"
SAME_KEY = 0.95
LEAST = 20
"""Votes of a rater below which pressing the same key is no habit."""
FAST = 400
"""Milliseconds; two pictures are not compared in less (choices between two lit lamps take 300)."""
HASTY, MISSED = 0.05, 0.10
"""Shares of hasty answers and of missed catches that a careful rater may have."""
CARRIED = 1 / 3
"""A rater decides alone where the others see so small a part of the surest difference, or its opposite."""


def probes(
    votes: Sequence[Vote],
    places: Mapping[str, Place],
    strengths: Strengths,
    *,
    kind: RaterKind = "person",
    asked: Collection[ProbeKind] = get_args(ProbeKind),
) -> tuple[Probe, ...]:
    """Ask probes.

    Args:
        votes: in the order of time.
        places: of each shot by its id.
        strengths: what the study asks.
        kind: persons and judges are never counted together.
        asked: which probes; all by default.
    """
    own = [vote for vote in votes if vote.rater_kind == kind]
    by_rater = {rater: [vote for vote in own if vote.rater == rater] for rater in sorted({v.rater for v in own})}
    found: list[Probe] = []
    for name, ask in OF_A_RATER.items():
        # A judge is a program, and may be as fast as it is.
        if name in asked and not (kind == "judge" and name == "answers too fast"):
            found += _of_raters(name, ask, by_rater)
    # One key says it all; the side that it favours is no second finding.
    stuck = {rater for rater, cast in by_rater.items() if _same_key(cast)[2] < SURE}
    found = [replace(one, fires=one.fires and one.rater not in stuck) if one.kind == SIDE else one for one in found]
    ballots = read(own, places, kind=kind)
    if not ballots.weight.size:
        return tuple(found)
    if "tires" in asked:
        found += _tires(own, places, strengths, by_rater, kind)
    if "goes in circles" in asked:
        found.append(_circles(ballots, strengths))
    if "parts that never meet" in asked:
        found.append(_parts(ballots, strengths))
    if "decides alone" in asked:
        raters = list(dict.fromkeys(v.rater for v in own if v.pair.kind == "asked"))
        found += _alone(ballots, strengths, raters)
    return tuple(found)


Answer = tuple[float, float, float, int]
"""Value, what a careful rater would show, p, votes."""


def _of_raters(
    name: ProbeKind, ask: Callable[[Sequence[Vote]], Answer], by_rater: Mapping[str, Sequence[Vote]]
) -> Iterator[Probe]:
    for rater, votes in by_rater.items():
        value, expected, p, count = ask(votes)
        yield _probe(name, rater, (value, expected, min(p * len(by_rater), 1.0), count))


def _probe(name: ProbeKind, rater: str, answer: Answer) -> Probe:
    value, expected, p, count = answer
    return Probe(name, rater, value, expected, p, count, fires=p < SURE)


def one_sided(votes: Sequence[Vote]) -> tuple[str, ...]:
    """The raters whose votes are no answers: nearly all of them are for the left picture, or for the right one.

    A rater who always says "tie" is not among them, since that is what a careful rater says where nothing differs.

    Args:
        votes: of raters of one kind.
    """
    found = []
    for rater in dict.fromkeys(vote.rater for vote in votes):
        own = [vote for vote in votes if vote.rater == rater and vote.pair.kind != "catch"]
        sides = sum(WON[vote.choice] != 0 for vote in own)
        if _same_key(own)[2] < SURE and 2 * sides > len(own):
            found.append(rater)
    return tuple(found)


def _side(votes: Sequence[Vote]) -> Answer:
    """Sides are drawn by a coin, so a rater without a favourite side presses both keys alike."""
    said = [WON[vote.choice] for vote in votes if vote.pair.kind != "catch" and WON[vote.choice]]
    left = sum(won > 0 for won in said)
    return _ratio(left, len(said)), 0.5, _binomial(left, len(said), 0.5, "two-sided"), len(said)


def _same_key(votes: Sequence[Vote]) -> Answer:
    keys = [vote.choice for vote in votes if vote.pair.kind != "catch"]
    most = max((keys.count(key) for key in set(keys)), default=0)
    always = len(keys) >= LEAST and most >= SAME_KEY * len(keys)
    return _ratio(most, len(keys)), 0.5, 0.0 if always else 1.0, len(keys)


def _fast(votes: Sequence[Vote]) -> Answer:
    hasty = sum(vote.milliseconds < FAST for vote in votes)
    return _ratio(hasty, len(votes)), HASTY, _binomial(hasty, len(votes), HASTY, "greater"), len(votes)


def _catches(votes: Sequence[Vote]) -> Answer:
    said = [WON[vote.choice] for vote in votes if vote.pair.kind == "catch"]
    missed = sum(won != 0 for won in said)
    return _ratio(missed, len(said)), MISSED, _binomial(missed, len(said), MISSED, "greater"), len(said)


def _himself(votes: Sequence[Vote]) -> Answer:
    """Even a rater to whom all pictures are alike says the same in half of the repeats that are no tie."""
    decided = [one == other for one, other in agreement.repeated(votes) if one and other]
    alike = sum(decided)
    return _ratio(alike, len(decided)), 0.5, _binomial(alike, len(decided), 0.5, "less"), len(decided)


def _last_answer(votes: Sequence[Vote]) -> Answer:
    """Runs of the same key: as long as a coin's, since a coin draws the sides (Wald & Wolfowitz 1940)."""
    said = np.array([WON[vote.choice] for vote in votes if vote.pair.kind == "asked" and WON[vote.choice]])
    left, right = int((said > 0).sum()), int((said < 0).sum())
    size = left + right
    if min(left, right) < 5:
        return float("nan"), float("nan"), 1.0, size
    runs = 1 + int((said[1:] != said[:-1]).sum())
    mean = 1 + 2 * left * right / size
    variance = (mean - 1) * (mean - 2) / (size - 1)
    p = float(2 * stats.norm.sf(max(abs(runs - mean) - 0.5, 0) / variance**0.5))
    return 1 - (runs - 1) / (size - 1), 1 - (mean - 1) / (size - 1), p, size


OF_A_RATER: dict[ProbeKind, Callable[[Sequence[Vote]], Answer]] = {
    "favours a side": _side,
    "always the same key": _same_key,
    "answers too fast": _fast,
    "misses catches": _catches,
    "disagrees with himself": _himself,
    "sticks to the last answer": _last_answer,
}


def _ratio(count: int, of: int) -> float:
    return count / of if of else float("nan")


def _binomial(count: int, of: int, share: float, side: str) -> float:
    return float(stats.binomtest(count, of, share, alternative=side).pvalue) if of else 1.0


def _tires(
    votes: Sequence[Vote],
    places: Mapping[str, Place],
    strengths: Strengths,
    by_rater: Mapping[str, Sequence[Vote]],
    kind: RaterKind,
) -> Iterator[Probe]:
    """Whether the first half of a rater's votes follows the settings more closely than the second half."""
    everyone = read(votes, places, kind=kind)
    design = strengths.design(everyone.left, everyone.right)
    fit = davidson.fit(design, everyone.won, everyone.weight, strengths.precision)
    for rater, own in by_rater.items():
        ballots = read(own, places, kind=kind)
        rows = strengths.design(ballots.left, ballots.right)[:, :-1] @ fit.beta[:-2]
        along = np.sign(rows) * ballots.won * np.abs(np.tanh(rows / 4))
        first, second = np.array_split(along, 2)
        p = 1.0
        if len(second) >= LEAST and along.std() > 0:
            p = float(stats.ttest_ind(first, second, equal_var=False, alternative="greater").pvalue)
        value = float(second.mean() / first.mean()) if len(second) and first.mean() > 0 else float("nan")
        yield _probe("tires", rater, (value, 1.0, min(p * len(by_rater), 1.0), len(along)))


def _circles(ballots: Ballots, strengths: Strengths) -> Probe:
    value, p = circles.test(ballots, strengths)
    enough = int(ballots.prompts_there()) >= MINIMUM_PROMPTS
    return _probe("goes in circles", "", (value, 1.0, p if enough else 1.0, ballots.won.size))


def _parts(ballots: Ballots, strengths: Strengths) -> Probe:
    """Into how many parts the votes divide what is asked: settings of two parts were never compared, even by others."""
    design = strengths.design(ballots.left, ballots.right)[:, :-1]
    rank = int(np.linalg.matrix_rank(design)) if design.size else 0
    apart = design.shape[1] - rank
    return Probe(
        "parts that never meet",
        "",
        1.0 + apart,
        1.0,
        float("nan"),
        ballots.won.size,
        fires=apart > 0 and ballots.won.size >= LEAST,
    )


def _alone(ballots: Ballots, strengths: Strengths, raters: Sequence[str]) -> Iterator[Probe]:
    """Whether the surest difference that the votes show is gone without one rater."""
    if ballots.raters < 2:
        return
    whole = winning.judge(ballots, strengths)
    shown = np.flatnonzero(whole.verdict == "different")
    surest = shown[np.argsort(whole.p[shown])[:1]]
    for number, rater in enumerate(raters):
        left = np.where(ballots.rater == number, 0.0, ballots.weight)
        design = strengths.design(ballots.left, ballots.right)
        fit = davidson.fit(design, ballots.won, left, strengths.precision)
        without = winning.log_odds(fit, strengths.weights)[0]
        parts = without[surest] / whole.sample.mean[surest]
        value = float(parts.min(initial=1.0))
        votes = int((ballots.rater == number).sum())
        yield Probe("decides alone", rater, value, 1.0, float("nan"), votes, fires=value < CARRIED)
