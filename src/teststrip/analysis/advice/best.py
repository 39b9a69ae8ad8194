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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.advice import costs as costing
from teststrip.analysis.advice import recommendation
from teststrip.analysis.advice.choice import Choice, choose
from teststrip.analysis.advice.recommendation import Recommendation
from teststrip.analysis.kinds import audit, cells, comparable
from teststrip.analysis.numbers import columns, kept, means
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.comparing import comparison
from teststrip.analysis.numbers.judging import HERE, OWN_SEEDS, WIDE, Pairing
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.power.power import round_up
from teststrip.analysis.power.settle import cautious_sd, needed_different
from teststrip.analysis.sentences import audits, heeded, phrases
from teststrip.errors import UsageError, among
from teststrip.records import (
    DEFAULT_MARGIN,
    MINIMUM_DEGREES,
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Comparison,
    Contrast,
    Finding,
    Outcome,
    Scope,
    Study,
    Value,
)
from teststrip.records.looked import Kept
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
    shared_seeds: bool = False,
    paired_seeds: bool = True,
    scope: Literal[Scope, "both"] = "both",
    known_bad: audit.KnownBad | None = None,
    pilot: Kept | None = None,
) -> Recommendation:
    """The cheapest setting that is not worse than the best by more than the margin.

    For prompts like these where that can be said; else for these very prompts, where that can be said.

    Args:
        table: one entry an image in each column; `denoiser_calls`, `seconds` or `money` among them.
        metric: the score to go by; a plain name means "higher is better".
        axes, margin, prompt, replicate, missing, shared_seeds, paired_seeds, scope, known_bad, pilot: as in `findings`.
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
        pairing=Pairing(paired=paired_seeds, shared=shared_seeds),
        makings=comparable.of(layout, table, axes),
    )
    if reason := _forbidden(case):
        return _none(case, reason)
    size = kept.size(margin, card.name, values, pilot or {})
    case = replace(case, audits=audit.findings(layout, values, card, size, known_bad=known_bad, pairing=case.pairing))
    if case.doubt:
        return _none(case, audits.claim(case.doubt), outcome=case.doubt.outcome)
    if np.isnan(case.makings.made(values)).all():
        return _none(case, "no setting was made at the size that it asks for")
    if not case.allowed():
        return _none(case, _too_dear(case))
    if not case.makings.alike(case.allowed(), card):
        return _none(case, heeded.compared_only(card))
    made = [_about(case, size, about) for about in (WIDE, HERE) if scope in (about, "both")]
    return _leading(made)


def _about(case: _Case, size: Margin, scope: Scope) -> Recommendation:
    """The recommendation in one scope, or why there is none."""
    case = replace(case, scope=scope)
    reason = _few(case)
    return replace(_none(case, reason), few=True) if reason else _choose(case, size)


def _leading(made: Sequence[Recommendation]) -> Recommendation:
    """Of one question in one or two scopes the wider answer if it is settled, else the one that says more."""
    lead, *others = sorted(made, key=lambda one: (not one.settled, one.choice is None))
    if others and lead.choice is not None and lead.scope == HERE:
        said = recommendation.beside(others[0])
        return replace(lead, sentence=f"{lead.sentence} {said}", beside=said)
    return lead


def of_result_columns(
    table: Columns,
    study: Study,
    cards: Mapping[str, Card],
    *,
    metric: str | None = None,
    budget: str | None = None,
    paired_seeds: bool = True,
    pilot: Kept | None = None,
) -> tuple[Recommendation, ...]:
    """One recommendation for each of a study's metrics that says how good a picture is, or for the one named.

    A metric that only describes has a recommendation without a choice, whose sentence says why.

    Args:
        table: the result's columns.
        study: what was asked.
        cards: what is known of the study's metrics.
        metric: only this one.
        budget: default the study's.
        paired_seeds: as in `findings`.
        pilot: margins that an earlier look kept.

    Raises:
        UsageError: no such metric in these results.
    """
    if metric is not None and metric not in cards and metric not in table:
        raise UsageError(f"no scores of {metric!r} here{among(metric, cards, 'There are')}")
    of_looks = [card for card in cards.values() if card.needs_pixels and card.arity != 2]
    chosen = [cards.get(metric, Card(metric))] if metric else of_looks
    question = study.question
    found = (
        recommend(
            table,
            card,
            axes=study.axes,
            margin=question.margin,
            budget=budget or question.budget,
            shared_seeds=study.seeds is not None and len(study.prompts) > 1,
            paired_seeds=paired_seeds,
            scope=question.scope,
            known_bad=audit.of_study(study),
            pilot=pilot,
        )
        for card in chosen
        if metric or card.higher_is_better is not None or card.describes
    )
    return tuple(
        replace(made, settings=_settings(study, made.choice.levels), options=_options(study, made.choice.levels))
        if made.choice
        else made
        for made in found
    )


def _settings(study: Study, chosen: Sequence[tuple[str, str]]) -> dict[str, Value]:
    """The settings of a cell with their values as the study has them, from (axis, label of its level)."""
    levels = {(axis.name, level.label): level.settings for axis in study.axes for level in axis.levels}
    return {**study.settings, **{name: value for one in chosen for name, value in levels[one].items()}}


def _options(study: Study, chosen: Sequence[tuple[str, str]]) -> dict[str, Value]:
    """The options of the engine that the levels of a cell set."""
    levels = {(axis.name, level.label): level.options for axis in study.axes for level in axis.levels}
    return {name: value for one in chosen for name, value in levels[one].items()}


@dataclass(frozen=True)
class _Case:
    card: Card
    layout: Layout
    values: Array
    costs: costing.Costs
    points: tuple[costing.Point, ...]
    column: str
    budget: costing.Budget | None
    makings: comparable.Makings
    audits: Sequence[Finding] = ()
    pairing: Pairing = OWN_SEEDS
    scope: Scope = WIDE

    @property
    def sign(self) -> int:
        return -1 if self.card.higher_is_better is False else 1

    @property
    def doubt(self) -> Finding | None:
        """The audit that the score failed, if it failed one."""
        return next((found for found in self.audits if found.outcome in ("blind", "misled")), None)

    def allowed(self) -> list[int]:
        """Cells with scores, within the budget, that were made as they were asked."""
        scored: NDArray[np.bool_] = np.any(~np.isnan(self.makings.made(self.values)), axis=(0, 1))
        within = self.costs.middle <= self.budget.amount if self.budget else np.full(scored.shape, fill_value=True)
        return [int(c) for c in np.flatnonzero(scored & within)]


def _forbidden(case: _Case) -> str:
    """Why nothing may be recommended, or ""."""
    card, score = case.card, spoken(case.card.name)
    if card.describes:
        return f"it only describes pictures, because {card.describes}"
    if card.higher_is_better is None:
        return f"neither end of {score} is the good one"
    if not card.needs_pixels or card.arity == 2:
        return f"{score} does not say how good a picture is"
    if np.isnan(case.values).all():
        return f"there is no {score} yet"
    if np.nanmax(case.values) <= np.nanmin(case.values):
        return f"{score} is {phrases.number(float(np.nanmin(case.values)))} in every picture, so it prefers none"
    return ""


def _few(case: _Case) -> str:
    """Why the design can recommend nothing in this scope, or ""."""
    prompts, scored, score = len(case.layout.prompts), _scored(case.values), spoken(case.card.name)
    if case.scope == WIDE:
        if prompts < MINIMUM_PROMPTS:
            return f"{phrases.count(prompts, 'prompt')} cannot rank settings; the least is {MINIMUM_PROMPTS}"
        if scored < MINIMUM_PROMPTS:
            return (
                f"only {scored} of {phrases.count(prompts, 'prompt')} have {score} yet; the least is {MINIMUM_PROMPTS}"
            )
        return ""
    if case.card.arity is None:
        return f"{score} is one value a prompt, so there are no seeds to go by"
    rows = 1 if case.pairing.shared else scored
    seeds = case.values.shape[1]
    if rows * (seeds - 1) < MINIMUM_DEGREES:
        needed = math.ceil(MINIMUM_DEGREES / max(rows, 1)) + 1
        return f"{phrases.count(seeds, 'seed')} a prompt cannot rank settings; {needed} would do"
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
        sentence=recommendation.refused(case.card.name, reason, case.scope, _scored(case.values)),
        reason=reason,
        scope=case.scope,
        points=() if case.card.higher_is_better is None else costing.by_cost(case.points),
        cost=case.column,
        unit=costing.UNITS.get(case.column, ""),
        budget=case.budget.text if case.budget else "",
        outcome=outcome,
    )


def _choose(case: _Case, size: Margin) -> Recommendation:
    allowed = case.allowed()
    enough = means.enough(case.values, np.asarray(allowed)[None, :])
    judged = [c for c, good in zip(allowed, enough, strict=True) if good]
    made = choose(case.values, case.costs, judged, sign=case.sign, margin=size, scope=case.scope, pairing=case.pairing)
    best, choice = case.points[judged[made.best]], case.points[judged[made.choice]]
    rows = _rows(case, made, size)
    prompts = _scored(case.values)
    seeds = int(made.against_best.sample.seeds.max(initial=0))
    here = phrases.seeds(seeds, paired=case.pairing.paired)
    units = here if case.scope == HERE else f"{prompts} prompts"
    found = Recommendation(
        metric=case.card.name,
        sentence="",
        choice=choice,
        best=best,
        # A single setting has beaten nothing, unless nothing else was allowed.
        settled=made.settled and len(judged) >= min(len(allowed), 2),
        against_best=rows.get(made.choice),
        candidates=tuple(row for c, row in rows.items() if made.cheaper[c]),
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
        method=f"{len(judged)} whole settings, each against every other; one-sided t on {units} "
        f"for “not worse by more than {size.text}” at 5 %, Holm over settings; “surely behind” by two-sided t, "
        "corrected for all pairs",
        limits=(*_limits(case, size), *_poor(case, set(allowed) - set(judged))),
        scope=case.scope,
    )
    more = _more(made, size) if case.scope == WIDE else None
    return replace(found, sentence=recommendation.write(found, more=more), more=more)


def _rows(case: _Case, made: Choice, size: Margin) -> dict[int, Comparison]:
    """Every setting against the best, by its index in the choice; `p_family` is that of "not worse", corrected."""
    outer, error = made.against_best.interval(), size.se_in(case.scope)
    inner = made.against_best.interval(0.90, extra_se=error)
    alone = made.against_best.not_below_p(-size.value, extra_se=error)
    best = made.cells[made.best]
    return {
        c: comparison(
            Contrast("settings", case.layout.levels(made.cells[c]), case.layout.levels(best)),
            outer=outer[i].signed(case.sign),
            inner=inner[i].signed(case.sign),
            p=float(alone[i]),
            p_family=float(made.p[c]),
            images=int((~np.isnan(case.values[..., [made.cells[c], best]])).sum()),
            verdict="equivalent" if made.p[c] < ALPHA else "inconclusive",
        )
        for i, c in enumerate(made.others)
    }


def _more(made: Choice, size: Margin) -> int | None:
    """Prompts at which a setting as good as the best would prove itself in 80 % of studies; None = unknown."""
    doubtful = [i for i, c in enumerate(made.others) if not made.behind[c]]
    cheap = [i for i in doubtful if made.cheaper[made.others[i]]]
    usable = [sd for sd in map(cautious_sd, made.against_best.differences[cheap or doubtful]) if sd > 0]
    if not usable or not size.value > 0:
        return None
    needed = needed_different(size.value, min(usable), contrasts=max(len(made.cells) - 1, 1))
    return round_up(needed)


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
            "The score was not audited: the study has no setting that is known to be bad (`known_bad` under "
            "[question]) to test it on."
        )
    found += [audits.write(one) for one in case.audits if one.outcome == "not tested yet"]
    if case.card.failure:
        found.append(case.card.failure)
    if size.note:
        found.append(f"Margin: {size.note}.")
    return tuple(found)
