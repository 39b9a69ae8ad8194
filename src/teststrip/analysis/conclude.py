"""Plain columns in, findings out: the order in which the other modules of the analysis are used.

Knows no store and no picture; a notebook may call `findings` on any table of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from teststrip.analysis.kinds import audit, cells, convergence
from teststrip.analysis.kinds import axis as axis_finding
from teststrip.analysis.kinds import missing as absences
from teststrip.analysis.kinds.axis import Evidence
from teststrip.analysis.kinds.missing import Missing
from teststrip.analysis.numbers import columns, effects, within
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.judging import Judgement, judge
from teststrip.analysis.numbers.margin import Margin, margin_of
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.sentences import answers, missing
from teststrip.records import (
    DEFAULT_MARGIN,
    MINIMUM_PROMPTS,
    Axis,
    Card,
    Finding,
    Scope,
    Study,
    Value,
    Verdict,
)
from teststrip.vocabulary import spoken

HERE: Scope = "these prompts"
WIDE: Scope = "prompts like these"
BY_GROUP = (
    "The seeds of a prompt have one score together, so seeds are no evidence: nothing is said of these prompts alone."
)
SETTLED: tuple[Verdict, ...] = ("different", "equivalent")
MISSING_MARGIN = 0.05
"""Shares of missing images closer than this are called equal."""
SHARES = Margin(MISSING_MARGIN, 0.0, f"{MISSING_MARGIN:.0%}", math.nan)


def findings(
    table: Columns,
    metrics: Sequence[str] | Mapping[str, Card],
    *,
    axes: Sequence[str | Axis],
    margin: float | Mapping[str, float] = DEFAULT_MARGIN,
    prompt: str = "prompt",
    replicate: str | None = "replicate",
    missing: str | None = "missing",
    noise: str = "sampler_noise",
    shared_seeds: bool = False,
    settings: Mapping[str, Value] | None = None,
    scope: Literal[Scope, "both"] = "both",
    known_bad: audit.KnownBad | None = None,
) -> tuple[Finding, ...]:
    """What can honestly be concluded from scores of pictures.

    Args:
        table: one entry an image in each column; a dict of lists or a data frame.
        metrics: columns of scores, with a card for each where more than its name is known.
        axes: columns that were varied on purpose.
        margin: the smallest difference that matters: seed SD, or {metric: score units}.
        prompt: the column of blocks.
        replicate: the column of paired seeds.
        missing: the column of reasons for missing pictures.
        noise: the column that says which sampler drew fresh noise at each step, "" for none; where there is no such
            column the samplers' names decide.
        shared_seeds: all prompts used the same few seeds, which makes intervals too narrow; every finding says so.
        settings: what was the same in every picture; names the scheduler where that is no axis.
        scope: what the answers about axes are about: these very prompts, prompts like these, or both.
        known_bad: combinations of levels that are known to be bad, to test scores on; None = what is usually bad.

    Returns:
        For each metric: each axis and each interaction in each scope that the design supports, the scope that leads
        first; all cells, its audit; of a metric of pairs the knee of convergence; then where pictures are missing.

    Raises:
        UsageError: an absent column, two rows in one place, something that is no number.
    """
    layout = columns.read(table, axes, prompt=prompt, replicate=replicate, missing=missing)
    cards = metrics if isinstance(metrics, Mapping) else {name: Card(name) for name in metrics}
    found: list[Finding] = []
    unscored: list[tuple[Card, Missing]] = []
    for name, card in cards.items():
        if name not in table:
            continue
        values = layout.values(table[name], name)
        if card.arity == 2:
            apart = card.between_seeds_column
            found += convergence.findings(
                layout,
                values,
                card,
                axes=axes,
                settings=settings,
                noise=list(table[noise]) if noise in table else None,
                limits=_said(card),
                scope=scope,
                shared_seeds=shared_seeds,
                between_seeds=layout.values(table[apart], apart) if apart in table else None,
            )
        else:
            lost = _lost(layout, values, card, table)
            found += of_metric(layout, values, card, margin, shared_seeds=shared_seeds, scope=scope, lost=lost)
            if lost and lost.unscored:
                unscored.append((card, lost))
            if not np.isnan(values).all():
                size = margin_of(margin, card.name, values)
                found += audit.findings(layout, values, card, size, known_bad=known_bad, shared_seeds=shared_seeds)
    found += missing_findings(layout, Card("missing images", higher_is_better=False), absences.of_pictures(layout))
    for card, lost in unscored:
        found += missing_findings(layout, Card(f"missing {card.name}", higher_is_better=False), lost, of=card.name)
    return tuple(found)


def _lost(layout: Layout, values: Array, card: Card, table: Columns) -> Missing | None:
    """The scores of single pictures that are missing, if any are and any are not."""
    if card.arity != 1 or np.isnan(values).all():
        return None
    column = card.pending_column
    pending = layout.values(table[column], column) if column in table else None
    lost = absences.of_scores(layout, values, pending)
    return lost if lost.count else None


def of_metric(
    layout: Layout,
    values: Array,
    card: Card,
    asked: float | Mapping[str, float],
    *,
    shared_seeds: bool = False,
    scope: Literal[Scope, "both"] = "prompts like these",
    lost: Missing | None = None,
) -> list[Finding]:
    """All findings of one metric; values [prompts, replicates, cells]; `lost` is what is missing of them."""
    by_group = card.arity is None and values.shape[1] > 1
    if by_group:
        values = mean(values, 1, keepdims=True)  # a group's value, once
    if np.isnan(values).all() or _counted(values):
        return []
    size = margin_of(asked, card.name, values)
    both = _limits(layout, values, card, size)
    if by_group and scope != WIDE:
        both = (*both, BY_GROUP)
    wide = (*both, *_limits_of_prompts(layout, shared_seeds=shared_seeds))
    found: list[Finding] = []
    about = partial(_about_axes, layout, card=card, size=size, shared_seeds=shared_seeds, scope=scope)
    answers_ = about(values, both=both, wide=wide)
    if lost:
        shares = _about_axes(
            layout, lost.gone, card=Card(""), size=SHARES, both=(), wide=(), shared_seeds=shared_seeds, scope=scope
        )
        low, high = (about(case, both=(), wide=()) for case in absences.filled(values, lost.gone))
        answers_ = {
            key: absences.told(one, shares[key], (low[key], high[key]), higher_is_better=card.higher_is_better)
            if len(key[0]) == 1 and key in shares and key in low and key in high
            else one
            for key, one in answers_.items()
        }
    for axes in dict.fromkeys(axes for axes, _ in answers_):
        found += _in_order([one for (own, _), one in answers_.items() if own == axes])
    if scope != HERE and sum(len(factor.labels) > 1 for factor in layout.factors) > 1:
        found.append(cells.finding(layout, values, card, size, wide))
    return found


def _about_axes(
    layout: Layout,
    values: Array,
    *,
    card: Card,
    size: Margin,
    both: Sequence[str],
    wide: Sequence[str],
    shared_seeds: bool,
    scope: Literal[Scope, "both"],
) -> dict[tuple[tuple[int, ...], Scope], Finding]:
    """A finding for each axis and each two axes in each scope; `both` limits all answers, `wide` the wide ones."""
    contrasts = effects.planned(layout, values)
    scopes = []
    if contrasts and scope != HERE:
        judged = judge(values, layout, contrasts, size.value, size.se)
        scopes.append(Evidence(layout, values, card, size, judged, tuple(wide)))
    if contrasts and scope != WIDE:
        judged = within.judge(values, layout, contrasts, size.value, size.seeds_se, shared_seeds=shared_seeds)
        if scope == HERE or (judged.verdict != "insufficient design").any():
            limits = (*both, *_limits_of_seeds(judged, values))
            scopes.append(Evidence(layout, values, card, size, judged, limits, shared_seeds))
    return {
        (axes, evidence.judged.scope): axis_finding.finding(evidence, axes)
        for axes in dict.fromkeys(contrast.axes for contrast in contrasts)
        for evidence in scopes
    }


def _in_order(found: Sequence[Finding]) -> Sequence[Finding]:
    """One question in one or two scopes: the wider one leads if it has a verdict, else the one that says more."""
    if len(found) < 2:
        return found
    wide, here = found
    narrow = wide.verdict not in SETTLED and (here.verdict in SETTLED or wide.verdict == "insufficient design")
    lead, other = (here, wide) if narrow else (wide, here)
    return replace(lead, beside=answers.write_beside(other)), replace(other, leads=False)


def _limits_of_prompts(layout: Layout, *, shared_seeds: bool) -> list[str]:
    """What limits answers about prompts like these."""
    found = []
    if len(layout.prompts) < MINIMUM_PROMPTS:
        found.append(
            f"{len(layout.prompts)} prompts: no exact two-sided test on fewer than {MINIMUM_PROMPTS} reaches p < .05, "
            "so nothing here is a verdict on prompts like these."
        )
    if shared_seeds:
        found.append("All prompts share the same few seeds: the intervals are narrower than they should be.")
    return found


def _limits_of_seeds(judged: Judgement, values: Array) -> list[str]:
    """What limits answers about these prompts: a score of two values needs pairs enough for an exact test."""
    assert judged.seeds is not None
    if np.unique(values[~np.isnan(values)]).size > 2:
        return []
    needed = math.floor(math.log2(2 * max(judged.size, 1) / ALPHA)) + 1
    have = int(judged.seeds.max(initial=0))
    if have >= needed:
        return []
    return [f"A score of two values: {have} paired seeds settle little here; from {needed} on a clear answer can show."]


def _limits(layout: Layout, values: Array, card: Card, size: Margin) -> tuple[str, ...]:
    """What limits answers in every scope."""
    found = list(_said(card))
    found += [
        f"{spoken(card.name)} rises with {spoken(factor.name)} mechanically, whatever becomes of "
        "the picture: a rise is no proof of better pictures."
        for factor in layout.factors
        if factor.name in card.rises_with
    ]
    if size.note:
        found.append(f"Margin: {size.note}.")
    asked = layout.row >= 0
    absent = int(np.isnan(values[asked]).sum()) if values.shape == asked.shape else 0
    if absent:
        found.append(
            f"{absent} of {int(asked.sum())} images have no {spoken(card.name)}; they are left out in pairs, "
            "never counted as 0."
        )
    return tuple(found)


def _said(card: Card) -> tuple[str, ...]:
    return (card.failure,) if card.failure else ()


def _counted(values: Array) -> bool:
    """Whether each cell has one number in all its pictures: counted (denoiser calls), so there is nothing to infer."""
    flat = values.reshape(-1, values.shape[-1])
    with np.errstate(invalid="ignore"):
        low = np.where(np.isnan(flat), np.inf, flat).min(axis=0)
        high = np.where(np.isnan(flat), -np.inf, flat).max(axis=0)
    return flat.shape[0] > 1 and bool((high <= low).all())


def missing_findings(layout: Layout, card: Card, lost: Missing, *, of: str = "") -> list[Finding]:
    """Where something is missing for a reason: one finding an axis, if anything is.

    Args:
        card: of the shares.
        lost: what is missing; what was not made yet is not.
        of: the score that is missing; "" = pictures are.
    """
    if not lost.count:
        return []
    head = missing.head(lost.count, lost.known, lost.reasons, of=of)
    return [
        replace(finding, kind="missing", sentence=missing.write(finding, head))
        for finding in of_metric(layout, lost.gone, card, {card.name: MISSING_MARGIN})
        if finding.kind == "axis"
    ]


def of_result_columns(table: Columns, study: Study, cards: Mapping[str, Card]) -> tuple[Finding, ...]:
    """The findings of a study from its result's columns; `cards` say what is known of its metrics."""
    return findings(
        table,
        cards,
        axes=study.axes,
        margin=study.question.margin,
        shared_seeds=study.seeds is not None and len(study.prompts) > 1,
        settings=study.settings,
        scope=study.question.scope,
        known_bad=audit.of_study(study),
    )
