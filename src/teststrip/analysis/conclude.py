"""Plain columns in, findings out: the order in which the other modules of the analysis are used.

Knows no store and no picture; a notebook may call `findings` on any table of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from teststrip.analysis.kinds import audit, cells, comparable, convergence, limits
from teststrip.analysis.kinds import axis as axis_finding
from teststrip.analysis.kinds import missing as absences
from teststrip.analysis.kinds.audit import KnownBad
from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.kinds.missing import Missing
from teststrip.analysis.kinds.terms import Terms
from teststrip.analysis.numbers import columns, effects, kept
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.judging import WIDE, Pairing, judge
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.sentences import answers, missing
from teststrip.analysis.sentences import settings as whole_settings
from teststrip.records import DEFAULT_MARGIN, Axis, Card, Finding, KeptMargin, Scope, Study, Value, Verdict
from teststrip.records.looked import Kept

SETTLED: tuple[Verdict, ...] = ("different", "equivalent")
SHARES = Margin(0.05, 0.0, "5 points", math.nan)
"""Shares of missing images closer than this are called equal."""

COUNTED = "denoiser_calls"

Asked = tuple[tuple[int, ...], Scope]
"""A question: the axes it is about, by their indices, and what the answer is about."""


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
    paired_seeds: bool = True,
    settings: Mapping[str, Value] | None = None,
    scope: Literal[Scope, "both"] = "both",
    tags: Mapping[str, Sequence[str]] | None = None,
    known_bad: KnownBad | None = None,
    pilot: Kept | None = None,
    outlook: bool = True,
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
        shared_seeds: all prompts used the same few seeds, so that prompts and seeds are two samples, crossed.
        paired_seeds: a seed gives its picture again; False = two settings of a prompt have no seed in common.
        settings: what was the same in every picture; names the scheduler where that is no axis.
        scope: what the answers about axes are about: these very prompts, prompts like these, or both.
        tags: of prompts, by their name in the column; None = they have none.
        known_bad: combinations of levels that are known to be bad, to test scores on; None = what is usually bad.
        pilot: margins that an earlier look kept, by metric; they count in place of those of these scores.
        outlook: open questions are told what would settle them, and answers what other tests say, which is most of the
            work; False = for simulations.

    Returns:
        For each metric: each axis and each interaction in each scope that the design supports, the scope that leads
        first; all cells, its audit; of a metric of pairs the knee of convergence; then where pictures or scores are
        missing.

    Raises:
        UsageError: an absent column, two rows in one place, something that is no number.
    """
    layout = columns.read(table, axes, prompt=prompt, replicate=replicate, missing=missing)
    pairing = Pairing(paired=paired_seeds, shared=shared_seeds)
    makings = comparable.of(layout, table, axes)
    terms = Terms(margin, pilot or {}, pairing, scope, tags or {}, known_bad, outlook, makings)
    cards = metrics if isinstance(metrics, Mapping) else {name: _card(name) for name in metrics}
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
                limits=limits.of_card(card),
                scope=scope,
                shared_seeds=shared_seeds,
                apart=makings.across(card),
                between_seeds=layout.values(table[apart], apart) if apart in table else None,
            )
            continue
        lost = _lost(layout, values, card, table)
        found += of_metric(layout, values, card, terms, lost=lost)
        if lost and lost.unscored:
            unscored.append((card, lost))
        if not np.isnan(values).all():
            size = kept.size(margin, name, once(values, card), terms.pilot)
            found += audit.findings(layout, values, card, size, known_bad=known_bad, pairing=pairing)
    of_pictures = absences.of_pictures(layout)
    found += missing_findings(layout, Card("missing images", higher_is_better=False), of_pictures, pairing)
    for card, lost in unscored:
        own = Card(f"missing {card.name}", higher_is_better=False)
        found += missing_findings(layout, own, lost, pairing, of=card.name)
    return tuple(found)


def _card(name: str) -> Card:
    """What is known of a score of which only the name is known: calls are counted in every table."""
    return Card(name, needs_pixels=name != COUNTED)


def _lost(layout: Layout, values: Array, card: Card, table: Columns) -> Missing | None:
    """The scores of single pictures that are missing, if any are and any are not."""
    if card.arity != 1 or np.isnan(values).all():
        return None
    column = card.pending_column
    pending = layout.values(table[column], column) if column in table else None
    lost = absences.of_scores(layout, values, pending)
    return lost if lost.count else None


def of_metric(layout: Layout, values: Array, card: Card, terms: Terms, *, lost: Missing | None = None) -> list[Finding]:
    """All findings of one metric; values [prompts, replicates, cells]; `lost` is what is missing of them."""
    values = once(values, card)
    if np.isnan(values).all() or _idle(card, values):
        return []
    size = kept.size(terms.margin, card.name, values, terms.pilot)
    evidence = _evidence(layout, values, card, size, terms)
    about = _about_axes(evidence)
    if lost:
        about = _with_losses(about, layout, values, card, size, terms, lost)
    found: list[Finding] = []
    for axes in dict.fromkeys(axes for axes, _ in about):
        found += _in_order([one for (own, _), one in about.items() if own == axes])
    if sum(len(factor.labels) > 1 for factor in layout.factors) > 1:
        found += _in_order([one for one in map(cells.finding, evidence) if one])
    return found


def once(values: Array, card: Card) -> Array:
    """The value of a group once, where all its pictures hold it; values [prompts, replicates, cells]."""
    return mean(values, 1, keepdims=True) if card.arity is None and values.shape[1] > 1 else values


def _evidence(layout: Layout, values: Array, card: Card, size: Margin, terms: Terms) -> list[Evidence]:
    """The evidence in each scope that is asked about; of these prompts only where it can settle anything."""
    contrasts = _comparable(layout, values, card, terms)
    said = limits.of_metric(layout, values, card, size, terms)
    found = []
    for scope in terms.scopes if contrasts else ():
        judged = judge(values, layout, contrasts, size.value, size.se_in(scope), scope=scope, pairing=terms.pairing)
        if scope == WIDE or len(terms.scopes) == 1 or (judged.verdict != "insufficient design").any():
            own = (*said, *limits.of_scope(layout, values, judged, terms))
            found.append(
                Evidence(
                    layout, values, card, size, judged, own, terms.pairing, terms.tags, terms.outlook, terms.makings
                )
            )
    return found


def _comparable(layout: Layout, values: Array, card: Card, terms: Terms) -> tuple[effects.WeightedContrast, ...]:
    """The planned contrasts that compare what may be compared, and what was made as it was asked."""
    if terms.makings is None or terms.makings.free(card):
        return effects.planned(layout, values)
    made = terms.makings.made(values)
    return tuple(one for one in effects.planned(layout, made) if terms.makings.allow(one, card))


def _about_axes(evidence: Sequence[Evidence]) -> dict[Asked, Finding]:
    """A finding for each axis and each two axes, in each scope."""
    return {
        (axes, one.scope): axis_finding.finding(one, axes)
        for axes in dict.fromkeys(contrast.axes for one in evidence for contrast in one.judged.contrasts)
        for one in evidence
    }


def _with_losses(
    about: Mapping[Asked, Finding],
    layout: Layout,
    values: Array,
    card: Card,
    size: Margin,
    terms: Terms,
    lost: Missing,
) -> dict[Asked, Finding]:
    """The findings about single axes with what is missing, and what that could change."""
    terms = replace(terms, outlook=False)  # of these cases only the verdicts are told
    shares = _about_axes(_evidence(layout, lost.gone, Card(""), SHARES, terms))
    low, high = (_about_axes(_evidence(layout, case, card, size, terms)) for case in absences.filled(values, lost.gone))
    return {
        asked: absences.told(one, shares[asked], (low[asked], high[asked]), higher_is_better=card.higher_is_better)
        if len(asked[0]) == 1 and asked in shares and asked in low and asked in high
        else one
        for asked, one in about.items()
    }


def _in_order(found: Sequence[Finding]) -> Sequence[Finding]:
    """One question in one or two scopes: the wider one leads if it has a verdict, else the one that says more."""
    if len(found) < 2:
        return found
    wide, here = found
    narrow = wide.verdict not in SETTLED and (here.verdict in SETTLED or wide.verdict == "insufficient design")
    lead, other = (here, wide) if narrow else (wide, here)
    beside = whole_settings.write_beside if lead.kind == "cells" else answers.write_beside
    return replace(lead, beside=beside(other)), replace(other, leads=False)


def _idle(card: Card, values: Array) -> bool:
    """Whether there is nothing to infer: one number everywhere, or a count that is fixed in each cell (its calls)."""
    if np.nanmax(values) <= np.nanmin(values):
        return True
    if card.needs_pixels:
        return False
    flat = values.reshape(-1, values.shape[-1])
    with np.errstate(invalid="ignore"):
        low = np.where(np.isnan(flat), np.inf, flat).min(axis=0)
        high = np.where(np.isnan(flat), -np.inf, flat).max(axis=0)
    return flat.shape[0] > 1 and bool((high <= low).all())


def missing_findings(layout: Layout, card: Card, lost: Missing, pairing: Pairing, *, of: str = "") -> list[Finding]:
    """Where something is missing for a reason: one finding an axis, if anything is.

    Args:
        layout: who stands where.
        card: of the shares.
        lost: what is missing; what was not made yet is not.
        pairing: what a seed means in the study.
        of: the score that is missing; "" = pictures are.
    """
    if not lost.count:
        return []
    head = missing.head(lost.count, lost.known, lost.reasons, of=of)
    terms = Terms({card.name: SHARES.value}, pairing=pairing, scope=WIDE)
    return [
        replace(finding, kind="missing", sentence=missing.write(finding, head))
        for finding in of_metric(layout, lost.gone, card, terms)
        if finding.kind == "axis"
    ]


def margins(
    table: Columns, study: Study, cards: Mapping[str, Card], *, versions: Mapping[str, str], pilot: Kept | None = None
) -> dict[str, KeptMargin]:
    """The margin in force of each metric that has scores, to be written down.

    Args:
        table: the result's columns.
        study: what was asked.
        cards: what is known of its metrics.
        versions: the fingerprint id of each metric's scores.
        pilot: margins that an earlier look kept.
    """
    layout = columns.read(table, study.axes)
    found: dict[str, KeptMargin] = {}
    for name, card in cards.items():
        if name not in table or card.arity == 2:
            continue
        values = once(layout.values(table[name], name), card)
        if np.isnan(values).all() or _idle(card, values):
            continue
        fresh = kept.keep(study.question.margin, name, values, versions.get(name, ""))
        if held := (pilot or {}).get(name, fresh):
            found[name] = held
    return found


def of_result_columns(
    table: Columns, study: Study, cards: Mapping[str, Card], *, pilot: Kept | None = None, paired_seeds: bool = True
) -> tuple[Finding, ...]:
    """The findings of a study from its result's columns.

    Args:
        table: the result's columns.
        study: what was asked.
        cards: what is known of its metrics.
        pilot: margins that an earlier look kept.
        paired_seeds: as in `findings`.
    """
    return findings(
        table,
        cards,
        axes=study.axes,
        margin=study.question.margin,
        shared_seeds=study.seeds is not None and len(study.prompts) > 1,
        paired_seeds=paired_seeds,
        settings=study.settings,
        scope=study.question.scope,
        tags={prompt.id: prompt.tags for prompt in study.prompts if prompt.tags},
        known_bad=audit.of_study(study),
        pilot=pilot,
    )
