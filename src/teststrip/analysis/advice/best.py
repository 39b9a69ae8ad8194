"""The cheapest setting that is not worse, or what is known instead, or the reason why there is none to recommend.

The best mean of many settings is partly luck, and "not surely worse" is not "not worse". So a setting is recommended
when it *proves* that it is not worse than any other one by more than the margin; where none does, the text says "no
winner yet". Whole settings are compared, never sums of what each axis does (docs/decisions/0013). Knows columns; no
store.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.advice import costs as costing
from teststrip.analysis.advice.recommendation import Recommendation, write
from teststrip.analysis.kinds import audit, cells
from teststrip.analysis.numbers import columns, effects, intervals, kept, means, multiplicity
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.kept import Kept
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.power.power import MANY, round_up
from teststrip.analysis.power.settle import cautious_sd, needed_different
from teststrip.analysis.sentences import audits, phrases
from teststrip.errors import UsageError, nearest
from teststrip.records import (
    DEFAULT_MARGIN,
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Comparison,
    Contrast,
    Finding,
    Outcome,
    Study,
)
from teststrip.vocabulary import spoken


def recommend(
    table: Columns,
    metric: str | Card,
    *,
    axes: Sequence[str | Axis],
    margin: float | Mapping[str, float] = DEFAULT_MARGIN,
    budget: str | None = None,
    prompt: str = "prompt",
    replicate: str | None = "replicate",
    missing: str | None = "missing",
    pilot: Kept | None = None,
) -> Recommendation:
    """The cheapest setting that is not worse than the best by more than the margin.

    Args:
        table: one entry an image in each column; `denoiser_calls`, `seconds` or `money` among them.
        metric: the score to go by; a plain name means "higher is better".
        axes, margin, prompt, replicate, missing, pilot: as in `findings`.
        budget: "4s", "50 calls", "0.02 USD": only settings that cost at most that much a picture.

    Raises:
        UsageError: an absent column (of the metric, or of the budget's cost), or a budget that cannot be read.
    """
    card = Card(metric, higher_is_better=True) if isinstance(metric, str) else metric
    limit = costing.Budget.parse(budget) if budget else None
    layout = columns.read(table, axes, prompt=prompt, replicate=replicate, missing=missing)
    if card.name not in table:
        raise UsageError(f"no column {card.name!r} to recommend by")
    values = layout.values(table[card.name], card.name)
    column = costing.column_of(table, limit, axes)
    costs = costing.of_cells(layout, table, column)
    seconds = costing.of_cells(layout, table, "seconds" if "seconds" in table else None)
    points = costing.points(layout, values, card, costs.middle, seconds.middle)
    case = _Case(
        card=card,
        layout=layout,
        values=values,
        costs=costs,
        points=points,
        column=column or "",
        budget=limit,
        audits=audit.findings(layout, values, card),
    )
    if reason := _forbidden(case):
        return _none(case, reason)
    if case.doubt:
        return _none(case, audits.claim(case.doubt), outcome=case.doubt.outcome)
    if not case.allowed():
        return _none(case, _too_dear(case))
    return _choose(case, kept.size(margin, card.name, values, pilot or {}))


def of_result_columns(
    table: Columns,
    study: Study,
    cards: Mapping[str, Card],
    *,
    metric: str | None = None,
    budget: str | None = None,
    pilot: Kept | None = None,
) -> tuple[Recommendation, ...]:
    """One recommendation for each of a study's metrics that says how good a picture is, or for the one named.

    Args:
        table: the result's columns.
        study: what was asked.
        cards: what is known of the study's metrics.
        metric: only this one.
        budget: default the study's.
        pilot: margins that an earlier look kept.

    Raises:
        UsageError: no such metric in these results.
    """
    if metric is not None and metric not in cards and metric not in table:
        raise UsageError(f"no scores of {metric!r} here{nearest(metric, cards)}. There are: {', '.join(cards)}")
    of_looks = [card for card in cards.values() if card.needs_pixels and card.arity != 2]
    chosen = [cards.get(metric, Card(metric))] if metric else of_looks
    question = study.question
    return tuple(
        recommend(table, card, axes=study.axes, margin=question.margin, budget=budget or question.budget, pilot=pilot)
        for card in chosen
        if metric or card.higher_is_better is not None
    )


@dataclass(frozen=True)
class _Case:
    card: Card
    layout: Layout
    values: Array
    costs: costing.Costs
    points: tuple[costing.Point, ...]
    column: str
    budget: costing.Budget | None
    audits: Sequence[Finding]

    @property
    def sign(self) -> float:
        return -1.0 if self.card.higher_is_better is False else 1.0

    @property
    def doubt(self) -> Finding | None:
        """The audit that the score failed, if it failed one."""
        return next((found for found in self.audits if found.outcome != "sees"), None)

    def allowed(self) -> list[int]:
        """Cells with scores, within the budget."""
        scored: NDArray[np.bool_] = np.any(~np.isnan(self.values), axis=(0, 1))
        within = self.costs.middle <= self.budget.amount if self.budget else np.full(scored.shape, fill_value=True)
        return [int(c) for c in np.flatnonzero(scored & within)]


def _forbidden(case: _Case) -> str:
    """Why nothing may be recommended, or ""."""
    card, prompts = case.card, len(case.layout.prompts)
    score = spoken(card.name)
    if card.higher_is_better is None:
        return f"neither end of {score} is the good one"
    if not card.needs_pixels or card.arity == 2:
        return f"{score} does not say how good a picture is"
    if np.isnan(case.values).all():
        return f"there is no {score} yet"
    if prompts < MINIMUM_PROMPTS:
        return f"{prompts} prompts cannot rank settings; the least is {MINIMUM_PROMPTS}"
    if (scored := _scored(case.values)) < MINIMUM_PROMPTS:
        return f"only {scored} of {prompts} prompts have {score} yet; the least is {MINIMUM_PROMPTS}"
    return ""


def _too_dear(case: _Case) -> str:
    known = case.costs.middle
    cheapest = np.nanmin(known) if np.isfinite(known).any() else math.nan
    unit = costing.UNITS[case.column]
    budget = case.budget.text if case.budget else ""
    return f"no setting costs at most {budget}; the cheapest takes {phrases.number(float(cheapest))} {unit}".rstrip()


def _scored(values: Array) -> int:
    """Prompts of [prompts, replicates, cells] with any score."""
    return int((~np.isnan(values)).any(axis=(1, 2)).sum())


def _none(case: _Case, reason: str, *, outcome: Outcome | None = None) -> Recommendation:
    return Recommendation(
        metric=case.card.name,
        sentence=f"No recommendation by {spoken(case.card.name)}: {reason}.",
        reason=reason,
        points=costing.by_cost(case.points),
        cost=case.column,
        unit=costing.UNITS.get(case.column, ""),
        budget=case.budget.text if case.budget else "",
        outcome=outcome,
    )


@dataclass(frozen=True)
class Choice:
    """The outcome of the rule on arrays.

    Attributes:
        cells: the cells that were compared, [N].
        best: the one with the best mean, an index of `cells`.
        choice: the one to name, an index of `cells`; where nothing is settled, `best`.
        settled: the choice is proved not to be worse than any other cell by the margin.
        differences: [N, prompts], each cell minus `best`; above zero = better.
        p: [N], of the claim that the cell is not worse than any other one by the margin; after Holm.
        cheaper: [N], the cell costs surely less than `best`.
        behind: [N], the cell is surely worse than `best`.
    """

    cells: tuple[int, ...]
    best: int
    choice: int
    settled: bool
    differences: Array
    p: Array
    cheaper: NDArray[np.bool_]
    behind: NDArray[np.bool_]


def choose(values: Array, costs: costing.Costs, cells: Sequence[int], *, sign: float, margin: Margin) -> Choice:
    """The rule itself: the cheapest cell that is proved not worse than *every* other one.

    The best of all is one of the others, so a cell that is worse than it by the margin passes in at most 5 % of studies
    (an intersection-union test for each cell, Holm over cells).

    Args:
        values: [prompts, replicates, cells].
        costs: of all cells.
        cells: those to choose from, at least one, each with enough prompts.
        sign: 1 when higher is better, else -1.
        margin: of the score.

    Source:
        Hsu 1984, multiple comparisons with the best.
    """
    chosen = np.asarray(cells)
    count = len(cells)
    score = sign * means.of_levels(values, chosen[None, :]).levels
    best = int(np.argmax(score))
    worst = np.zeros(count)
    for c in range(count):
        against = sign * effects.cell_pairs(values, [(chosen[c], other) for other in np.delete(chosen, c)])
        p = intervals.one_sided_p(against, -margin.value, extra_se=margin.se)
        worst[c] = np.where(_tested(against), p, 1.0).max(initial=0.0)
    # One of the cells is the best, so at most all others can pass wrongly.
    proved = multiplicity.holm(worst, spare=1)
    differences = sign * effects.cell_pairs(values, [(c, chosen[best]) for c in chosen])
    # Corrected for all pairs, because the scores themselves picked the best.
    apart = intervals.t_p(differences) * count * (count - 1) / 2 < ALPHA
    behind = apart & _tested(differences) & (mean(differences, -1) < 0)
    less = np.array([costs.surely_below(c)[chosen] for c in chosen])  # [a, b]: b costs surely less than a
    passing = (proved < ALPHA) & ~less[:, best]
    choice = best
    if passing.any():
        cheapest = int(np.argmin(np.where(passing, np.nan_to_num(costs.middle[chosen], nan=math.inf), math.inf)))
        equal = passing & ~less[:, cheapest]
        choice = int(np.argmax(np.where(equal, score, -math.inf)))
    settled = bool(passing.any() or behind.sum() == count - 1)
    return Choice(tuple(cells), best, choice, settled, differences, proved, less[best], behind)


def _tested(differences: Array) -> NDArray[np.bool_]:
    """Which comparisons [..., prompts] rest on enough prompts."""
    enough: NDArray[np.bool_] = (~np.isnan(differences)).sum(axis=-1) >= MINIMUM_PROMPTS
    return enough


def _choose(case: _Case, size: Margin) -> Recommendation:
    allowed = case.allowed()
    enough = means.enough(case.values, np.asarray(allowed)[None, :])
    judged = [c for c, good in zip(allowed, enough, strict=True) if good]
    made = choose(case.values, case.costs, judged, sign=case.sign, margin=size)
    best, choice = case.points[judged[made.best]], case.points[judged[made.choice]]
    rows = [
        _compared(case, size, case.sign * d, c, judged[made.best], float(q))
        for c, d, q in zip(judged, made.differences, made.p, strict=True)
    ]
    prompts = _scored(case.values)
    recommendation = Recommendation(
        metric=case.card.name,
        sentence="",
        choice=choice,
        best=best,
        # A single setting has beaten nothing, unless nothing else was allowed.
        settled=made.settled and len(judged) >= min(len(allowed), 2),
        against_best=rows[made.choice] if made.choice != made.best else None,
        candidates=tuple(row for row, cheaper in zip(rows, made.cheaper, strict=True) if cheaper),
        rivals=len(judged) - 1,
        behind=int(made.behind.sum()),
        unproved=int((made.cheaper & ~made.behind).sum()),
        saves=1 - choice.cost / best.cost if made.cheaper[made.choice] else 0.0,
        points=costing.by_cost(case.points),
        cost=case.column,
        unit=costing.UNITS.get(case.column, ""),
        margin=size.value,
        prompts=prompts,
        budget=case.budget.text if case.budget else "",
        method=f"{len(judged)} whole settings, each against every other; one-sided t on {prompts} prompts for “not "
        f"worse by more than {size.text}” at 5 %, Holm over settings; “surely behind” by two-sided t, corrected for "
        "all pairs",
        limits=(*_limits(case, size), *_poor(case, set(allowed) - set(judged))),
    )
    return replace(recommendation, sentence=write(recommendation, margin=size.text, more=_more(made, size)))


def _compared(case: _Case, size: Margin, difference: Array, cell: int, best: int, p: float) -> Comparison:
    """A setting against the best; `p` is that of "not worse", corrected."""
    return comparison(
        Contrast("settings", case.layout.levels(cell), case.layout.levels(best)),
        outer=intervals.paired_interval(difference),
        inner=intervals.paired_interval(difference, 0.90, extra_se=size.se),
        p=float(intervals.one_sided_p(case.sign * difference, -size.value, extra_se=size.se)),
        p_family=p,
        images=int((~np.isnan(case.values[..., [cell, best]])).sum()),
        verdict="equivalent" if p < ALPHA else "inconclusive",
    )


def _more(made: Choice, size: Margin) -> int | None:
    """Prompts at which a setting as good as the best would prove itself in 80 % of studies; None = out of reach."""
    doubtful = ~made.behind
    doubtful[made.best] = False
    asked = doubtful & made.cheaper if (doubtful & made.cheaper).any() else doubtful
    usable = [sd for sd in map(cautious_sd, made.differences[asked]) if sd > 0]
    if not usable or not size.value > 0:
        return None
    needed = needed_different(size.value, min(usable), contrasts=max(len(made.cells) - 1, 1))
    return None if needed >= MANY else round_up(needed)


def _poor(case: _Case, poor: Collection[int]) -> list[str]:
    """A sentence on each setting that may be shown but never recommended."""
    return cells.left_out(cells.estimates(case.values, case.layout), poor)


def _limits(case: _Case, size: Margin) -> tuple[str, ...]:
    found = []
    if not case.column:
        found.append("No column of cost: the best mean is all that can be named, not the cheapest that is not worse.")
    found += [
        f"{spoken(case.card.name)} rises with {spoken(factor.name)} mechanically, whatever becomes of the picture."
        for factor in case.layout.factors
        if factor.name in case.card.rises_with
    ]
    if not case.audits:
        found.append(
            "The score was not audited: the study has no known-bad setting (3 steps; guidance 30) to test it on."
        )
    if case.card.failure:
        found.append(case.card.failure)
    if size.note:
        found.append(f"Margin: {size.note}.")
    return tuple(found)
