"""The cheapest setting that is not worse, or the reason why there is none to recommend.

The best mean of many settings is partly luck, and "not surely worse" is not "not worse". So: on four fifths of the
prompts the setting with the best mean is found, and every cheaper one must *prove* that it is not worse by more than
the margin; the choice is then looked at again on the fifth of the prompts that had no say. Knows columns; no store.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis import sentences
from teststrip.analysis.advice import costs as costing
from teststrip.analysis.advice.recommendation import Recommendation, write
from teststrip.analysis.kinds import audit
from teststrip.analysis.numbers import columns, effects, intervals, multiplicity
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.margin import Margin, margin_of
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.power.power import MANY, round_up
from teststrip.analysis.power.settle import cautious_sd, needed_equivalent
from teststrip.errors import UsageError, nearest
from teststrip.records import (
    DEFAULT_MARGIN,
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Comparison,
    Contrast,
    Estimate,
    Finding,
    Outcome,
    Study,
)
from teststrip.vocabulary import spoken

HELD_OUT = 0.2
FEWEST_TO_HOLD_OUT = 10
"""Below so many prompts none are held out: what is left would be too few to choose by."""

ALONE = (
    "Settings are compared as sums of what each axis does on average over the others: there is no sign that axes work "
    "together, but no proof that they do not. The held-out prompts compare the two settings themselves."
)


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
) -> Recommendation:
    """The cheapest setting that is not worse than the best by more than the margin.

    Args:
        table: one entry an image in each column; `denoiser_calls`, `seconds` or `money` among them.
        metric: the score to go by; a plain name means "higher is better".
        axes, margin, prompt, replicate, missing: as in `findings`.
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
    points = costing.points(layout, values, card, costs, seconds)
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
        return _none(case, sentences.audit_claim(case.doubt), outcome=case.doubt.outcome)
    if not case.allowed():
        return _none(case, _too_dear(case))
    return _choose(case, margin_of(margin, card.name, values))


def of_result_columns(
    table: Columns, study: Study, cards: Mapping[str, Card], *, metric: str | None = None, budget: str | None = None
) -> tuple[Recommendation, ...]:
    """One recommendation for each of a study's metrics that says how good a picture is, or for the one named.

    Args:
        table: the result's columns.
        study: what was asked.
        cards: what is known of the study's metrics.
        metric: only this one.
        budget: default the study's.

    Raises:
        UsageError: no such metric in these results.
    """
    if metric is not None and metric not in cards and metric not in table:
        raise UsageError(f"no scores of {metric!r} here{nearest(metric, cards)}. There are: {', '.join(cards)}")
    of_looks = [card for card in cards.values() if card.needs_pixels and card.arity != 2]
    chosen = [cards.get(metric, Card(metric))] if metric else of_looks
    question = study.question
    return tuple(
        recommend(table, card, axes=study.axes, margin=question.margin, budget=budget or question.budget)
        for card in chosen
        if metric or card.higher_is_better is not None
    )


@dataclass(frozen=True)
class _Case:
    card: Card
    layout: Layout
    values: Array
    costs: Array
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
        within = self.costs <= self.budget.amount if self.budget else np.full(scored.shape, fill_value=True)
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
    choosing = _scored(case.values[~split(case.layout.prompts)])
    if choosing < MINIMUM_PROMPTS:
        return f"of the prompts that choose only {choosing} have {score} yet; the least is {MINIMUM_PROMPTS}"
    return ""


def _too_dear(case: _Case) -> str:
    cheapest = np.nanmin(case.costs) if np.isfinite(case.costs).any() else math.nan
    unit = costing.UNITS[case.column]
    budget = case.budget.text if case.budget else ""
    return f"no setting costs at most {budget}; the cheapest takes {sentences.number(float(cheapest))} {unit}".rstrip()


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


def split(prompts: Sequence[str]) -> NDArray[np.bool_]:
    """Which prompts are held out: a fifth, chosen by the hash of their ids, the same in every run."""
    held = np.zeros(len(prompts), dtype=bool)
    if len(prompts) >= FEWEST_TO_HOLD_OUT:
        ranks = [hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest() for prompt in prompts]
        order = sorted(range(len(prompts)), key=ranks.__getitem__)
        held[order[: round(len(prompts) * HELD_OUT)]] = True
    return held


@dataclass(frozen=True)
class Choice:
    """The outcome of the rule on arrays.

    Attributes:
        best: the cell with the best mean.
        choice: the cell to recommend.
        candidates: the cheaper cells.
        differences: [candidates, prompts], each candidate minus the best; above zero = better.
        p: of each candidate, that it is not worse; after Holm.
    """

    best: int
    choice: int
    candidates: tuple[int, ...]
    differences: Array
    p: Array


def choose(
    values: Array, layout: Layout, costs: Array, allowed: Sequence[int], *, sign: float, margin: Margin, additive: bool
) -> Choice:
    """The rule itself.

    Args:
        values: [prompts, replicates, cells] of the prompts that choose.
        costs: [cells].
        allowed: cells to choose from.
        sign: 1 when higher is better, else -1.
        additive: compare settings as sums of what each axis does (`works_alone`), else as whole cells.
    """
    means = sign * (_additive_means(values, layout, allowed) if additive else _cell_means(values, allowed))
    best = allowed[int(np.nanargmax(means))]
    # Where costs are unknown nothing is cheaper.
    cheaper = [c for c in allowed if costs[c] < costs[best]]
    pairs = [(c, best) for c in cheaper]
    differences = sign * (_additive_pairs(values, layout, pairs) if additive else effects.cell_pairs(values, pairs))
    p = intervals.one_sided_p(differences, -margin.value, extra_se=margin.se)
    enough = (~np.isnan(differences)).sum(axis=-1) >= MINIMUM_PROMPTS
    proved = multiplicity.holm(np.where(enough, p, np.nan)) if cheaper else p
    rank = dict(zip(allowed, means, strict=True))
    passing = [c for c, q in zip(cheaper, proved, strict=True) if q < ALPHA]
    choice = min(passing, key=lambda c: (costs[c], -rank[c]), default=best)
    return Choice(best, choice, tuple(cheaper), differences, proved)


def works_alone(values: Array, layout: Layout) -> bool:
    """No sign that two axes work together: no interaction reaches p < .05 even without correction.

    Then a setting is judged by what each of its levels does on average over the other axes, which needs far fewer
    prompts than comparing whole cells.
    """
    contrasts = [contrast for contrast in effects.planned(layout) if contrast.kind == "interaction"]
    p = [float(intervals.t_p(effects.per_prompt(values, layout, contrast)[0])) for contrast in contrasts]
    return bool(p) and all(q >= ALPHA for q in p)


def _cell_means(values: Array, allowed: Sequence[int]) -> Array:
    means, _ = effects.level_means(values, np.asarray(allowed, dtype=np.intp)[None, :])
    return intervals.paired_interval(means.T).mean


def _additive_means(values: Array, layout: Layout, allowed: Sequence[int]) -> Array:
    """Sums of what each level does, up to a constant; [allowed]."""
    total = np.zeros(len(allowed))
    for axis in range(len(layout.factors)):
        means, _ = effects.level_means(values, layout.grid((axis,)))
        average = intervals.paired_interval(means.T).mean
        total += np.array([average[layout.cells[c][axis]] for c in allowed])
    return total


def _additive_pairs(values: Array, layout: Layout, pairs: Sequence[tuple[int, int]]) -> Array:
    """Within-prompt differences [pairs, prompts]: for each axis its two levels, averaged over the other axes."""

    @cache
    def of_levels(axis: int, plus: int, minus: int) -> Array:
        return effects.per_prompt(values, layout, effects.pair(layout, axis, plus, minus))[0]

    found = np.zeros((len(pairs), values.shape[0]))
    for row, (a, b) in enumerate(pairs):
        for axis, (plus, minus) in enumerate(zip(layout.cells[a], layout.cells[b], strict=True)):
            if plus != minus:
                found[row] += of_levels(axis, plus, minus)
    return found


def _choose(case: _Case, size: Margin) -> Recommendation:
    held = split(case.layout.prompts)
    values = case.values[~held]
    choosing = _scored(values)
    additive = works_alone(values, case.layout)
    made = choose(values, case.layout, case.costs, case.allowed(), sign=case.sign, margin=size, additive=additive)
    best, choice = case.points[made.best], case.points[made.choice]
    rows = tuple(
        _compared(case, size, case.sign * d, c, made.best, float(q))
        for c, d, q in zip(made.candidates, made.differences, made.p, strict=True)
    )
    against = rows[made.candidates.index(made.choice)] if made.choice != made.best else None
    held_out, fresh = None, None
    if held.any():
        own = intervals.paired_interval(mean(case.values[held][..., made.choice], 1))
        seen = int((~np.isnan(case.values[held][..., made.choice])).sum())
        fresh = Estimate(choice.label, None, float(own.mean), float(own.low), float(own.high), int(own.prompts), seen)
        if against is not None:
            difference = effects.cell_pairs(case.values[held], [(made.choice, made.best)])[0]
            held_out = _compared(case, size, difference, made.choice, made.best, math.nan)
            worst = held_out.high if case.sign > 0 else -held_out.low
            if worst < -size.value:
                return _none(case, f"{choice.label} passed on the prompts that chose it and failed on held-out ones")
    recommendation = Recommendation(
        metric=case.card.name,
        sentence="",
        choice=choice,
        best=best,
        against_best=against,
        held_out=held_out,
        fresh=fresh,
        candidates=rows,
        points=costing.by_cost(case.points),
        cost=case.column,
        unit=costing.UNITS.get(case.column, ""),
        margin=size.value,
        prompts=choosing,
        budget=case.budget.text if case.budget else "",
        method=f"best mean on {choosing} prompts; every cheaper setting against it, one-sided t on prompts "
        f"for “not worse by more than {size.text}” at 5 %, Holm over {len(rows)}; settings compared as "
        f"{'sums of what each axis does' if additive else 'whole cells'}; {int(held.sum())} prompts held out",
        limits=(*((ALONE,) if additive else ()), *_limits(case, size, held)),
    )
    more = _more(made, size) if against is None and rows else None
    return replace(recommendation, sentence=write(recommendation, margin=size.text, more=more))


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
    """Prompts, held out ones included, at which an equal cheaper setting would prove itself in 80 % of studies."""
    usable = [sd for sd in map(cautious_sd, made.differences) if math.isfinite(sd)]
    if not usable or not size.value > 0:
        return None
    # One-sided at 5 %: the same prompts as two one-sided tests need when the truth lies at one side only.
    needed = needed_equivalent(size.value, min(usable))
    return None if needed >= MANY else round_up(needed / (1 - HELD_OUT))


def _limits(case: _Case, size: Margin, held: NDArray[np.bool_]) -> tuple[str, ...]:
    found = []
    if not held.any():
        found.append(
            f"Fewer than {FEWEST_TO_HOLD_OUT} prompts: none held out, so the best setting's score is flattered by luck."
        )
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
