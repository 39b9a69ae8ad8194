"""The cheapest setting that is proved by votes not to be worse than any other one: the rule of `choice`, on win rates.

A setting passes when its win rate against every other setting is surely above one half less the margin (an
intersection-union test, Holm over settings, as for scores). Each setting has a strength of its own (decision 62). Knows
columns and votes; no store.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from teststrip.analysis.advice import costs as costing
from teststrip.analysis.numbers import columns, multiplicity
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.votes import ballots, conclude, probes, strengths, winning
from teststrip.analysis.votes.ballots import Ballots
from teststrip.records import MINIMUM_DEGREES, Preferred, RaterKind, Scope, Study, Vote
from teststrip.records.voted import EVEN, RATE_MARGIN


def of_votes(
    votes: Sequence[Vote],
    shots: Sequence[str],
    table: columns.Columns,
    study: Study,
    *,
    budget: str | None = None,
    kind: RaterKind = "person",
    margin: float = RATE_MARGIN,
) -> Preferred:
    """What to use by the votes, for prompts like these where that is settled, else for these very prompts.

    Args:
        votes: of the study, in the order of time.
        shots: the id of the shot of each row of the table.
        table: the result's columns.
        study: what was asked.
        budget: what a picture may cost; default the study's.
        kind: persons or judges.
        margin: a win rate so far from one half is one that matters, 0..1.

    Raises:
        UsageError: a budget that cannot be read, or whose cost is not known.
    """
    layout = columns.read(table, study.axes)
    text = budget or study.question.budget
    limit = costing.Budget.parse(text) if text else None
    column = costing.column_of(table, limit, study.axes)
    costs = costing.of_cells(layout, table, column)
    own = [vote for vote in votes if vote.rater_kind == kind]
    left_out = probes.one_sided(own)
    cast = ballots.read(
        [vote for vote in own if vote.rater not in left_out],
        conclude.places_of(layout, shots),
        kind=kind,
        prompts=len(layout.prompts),
        seeds=max(len(layout.replicates), 1),
    )
    nothing = Preferred(kind, reason="there are no votes that count", left_out=left_out)
    if not cast.weight.size:
        return nothing
    shown = np.union1d(cast.left, cast.right)
    allowed = [int(c) for c in shown if limit is None or costs.middle[c] <= limit.amount]
    if len(allowed) < 2:
        return replace(nothing, reason="fewer than two settings that were voted on are within the budget")
    case = _Case(layout, costs, cast, allowed, margin)
    made = [replace(_about(case, scope), unit=costing.UNITS.get(column or "", "")) for scope in get_args(Scope)]
    first, *_ = sorted(made, key=lambda one: (not one.settled, bool(one.reason), one.scope != "prompts like these"))
    return replace(first, kind=kind, left_out=left_out, budget=text or "")


@dataclass(frozen=True)
class _Case:
    layout: columns.Layout
    costs: costing.Costs
    cast: Ballots
    cells: list[int]
    margin: float


def _about(case: _Case, scope: Scope) -> Preferred:
    """The rule in one scope."""
    pairs = list(combinations(range(len(case.cells)), 2))
    asked = strengths.whole(case.layout, [(case.cells[one], case.cells[other]) for one, other in pairs])
    won = winning.judge(case.cast, asked, scope=scope, margin=case.margin)
    votes, prompts = int(won.votes), int(won.sample.prompts.max(initial=0))
    if (won.sample.nominal < MINIMUM_DEGREES).any() or len(won.sample.mean) < len(pairs):
        return Preferred("person", reason="too few prompts or seeds have votes", scope=scope, votes=votes)
    count = len(case.cells)
    odds, error, degrees = (np.zeros((count, count)) for _ in range(3))
    for k, (one, other) in enumerate(pairs):
        odds[one, other], odds[other, one] = won.sample.mean[k], -won.sample.mean[k]
        error[one, other] = error[other, one] = won.sample.se[k]
        degrees[one, other] = degrees[other, one] = won.sample.degrees[k]
    best = int(odds.sum(axis=1).argmax())
    away = ~np.eye(count, dtype=bool)
    p = np.where(away, _not_worse(odds, error, degrees, case.margin), 0.0).max(axis=1)
    passing = multiplicity.holm(p, spare=1) < ALPHA
    behind = _behind(odds[best], error[best], degrees[best], count)
    behind[best] = False
    cells = np.array(case.cells)
    cheaper = np.array([case.costs.surely_below(c)[cells] for c in cells])  # [a, b]: b costs surely less than a
    choice = best
    if passing.any():
        price = np.where(passing, np.nan_to_num(case.costs.middle[cells], nan=math.inf), math.inf)
        cheapest = int(price.argmin()) if np.isfinite(price).any() else int(np.where(passing, -p, -2.0).argmax())
        equal = passing & ~cheaper[:, cheapest]
        choice = int(np.where(equal, odds.sum(axis=1), -math.inf).argmax())
    reach = float(special.stdtrit(max(degrees[choice, best], 1.0), 0.975)) * error[choice, best]
    return Preferred(
        "person",
        levels=tuple((level.axis, level.label) for level in case.layout.levels(case.cells[choice])),
        label=case.layout.spoken(case.cells[choice]),
        best="" if choice == best else case.layout.spoken(case.cells[best]),
        settled=bool(passing.any() or behind.sum() == count - 1),
        rate=float(special.expit(odds[choice, best])),
        low=float(special.expit(odds[choice, best] - reach)),
        high=float(special.expit(odds[choice, best] + reach)),
        cost=float(case.costs.middle[case.cells[choice]]),
        saves=_saved(case, choice, best) if cheaper[best, choice] else 0.0,
        rivals=count - 1,
        behind=int(behind.sum()),
        votes=votes,
        prompts=prompts,
        scope=scope,
        margin=case.margin,
    )


def _not_worse(odds: Array, error: Array, degrees: Array, margin: float) -> Array:
    """One-sided p that a win rate lies above one half less the margin."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (odds - special.logit(EVEN - margin)) / error
    found: Array = np.nan_to_num(stats.t.sf(t, np.maximum(degrees, 1.0)), nan=1.0)
    return found


def _behind(odds: Array, error: Array, degrees: Array, count: int) -> NDArray[np.bool_]:
    """Which settings are surely worse; corrected for all pairs, because the votes themselves picked the best."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.nan_to_num(2 * stats.t.sf(np.abs(odds) / error, np.maximum(degrees, 1.0)), nan=1.0)
    found: NDArray[np.bool_] = (p * count * (count - 1) / 2 < ALPHA) & (odds > 0)
    return found


def _saved(case: _Case, choice: int, best: int) -> float:
    middle = case.costs.middle
    return float(1 - middle[case.cells[choice]] / middle[case.cells[best]])
