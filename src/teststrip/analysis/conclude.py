"""Plain columns in, findings out: the order in which the other modules of the analysis are used.

Knows no store and no picture; a notebook may call `findings` on any table of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from teststrip.analysis.kinds import audit, cells, convergence
from teststrip.analysis.kinds import axis as axis_finding
from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import columns, effects, margin, within
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.judging import Judgement, judge
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.sentences import answers, missing, phrases
from teststrip.records import DEFAULT_MARGIN, MINIMUM_PROMPTS, Axis, Card, Finding, Scope, Study, Value, Verdict
from teststrip.vocabulary import spoken

NOT_A_FAILURE = frozenset({"not made yet", "no row"})
"""Reasons that say nothing about the setting, because no engine was asked yet."""

COUNTED = "denoiser_calls"
"""The column that is a count in every table, also where no card says so."""

HERE: Scope = "these prompts"
WIDE: Scope = "prompts like these"
BY_GROUP = "A score of a group is one value a prompt: without seeds to count, nothing is said of these prompts."
SETTLED: tuple[Verdict, ...] = ("different", "equivalent")
MISSING_MARGIN = 0.05
"""Shares of missing images closer than this are called equal."""


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
    tags: Mapping[str, Sequence[str]] | None = None,
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
        tags: of prompts, by their name in the column; None = they have none.

    Returns:
        For each metric: each axis and each interaction in each scope that the design supports, the scope that leads
        first; all cells, its audit; of a metric of pairs the knee of convergence; then where pictures are missing.

    Raises:
        UsageError: an absent column, two rows in one place, something that is no number.
    """
    layout = columns.read(table, axes, prompt=prompt, replicate=replicate, missing=missing)
    cards = metrics if isinstance(metrics, Mapping) else {name: Card(name) for name in metrics}
    found: list[Finding] = []
    for name, card in cards.items():
        if name not in table:
            continue
        values = layout.values(table[name], name)
        if card.arity == 2:
            drawn = list(table[noise]) if noise in table else None
            found += convergence.findings(
                layout, values, card, axes=axes, settings=settings, noise=drawn, limits=_said(card)
            )
        else:
            found += of_metric(layout, values, card, margin, shared_seeds=shared_seeds, scope=scope, tags=tags)
            found += audit.findings(layout, values, card)
    return (*found, *missing_images(layout))


def of_metric(
    layout: Layout,
    values: Array,
    card: Card,
    asked: float | Mapping[str, float],
    *,
    shared_seeds: bool = False,
    scope: Literal[Scope, "both"] = "prompts like these",
    tags: Mapping[str, Sequence[str]] | None = None,
) -> list[Finding]:
    """All findings of one metric; values [prompts, replicates, cells]."""
    by_group = card.arity is None and values.shape[1] > 1
    if by_group:
        values = mean(values, 1, keepdims=True)  # a group's value, once
    if np.isnan(values).all() or _nothing_to_infer(values, card):
        return []
    size = margin.margin_of(asked, card.name, values)
    both = _limits(layout, values, card, size)
    if by_group and scope != WIDE:
        both = (*both, BY_GROUP)
    wide = (*both, *_limits_of_prompts(layout, shared_seeds=shared_seeds))
    found: list[Finding] = []
    if contrasts := effects.planned(layout, values):
        scopes = []
        if scope != HERE:
            judged = judge(values, layout, contrasts, size.value, size.se)
            scopes.append(Evidence(layout, values, card, size, judged, wide, shared_seeds, tags or {}))
        if scope != WIDE:
            judged = within.judge(values, layout, contrasts, size.value, size.seeds_se, shared_seeds=shared_seeds)
            if scope == HERE or (judged.verdict != "insufficient design").any():
                limits = (*both, *_limits_of_seeds(judged, values))
                scopes.append(Evidence(layout, values, card, size, judged, limits, shared_seeds, tags or {}))
        for axes in dict.fromkeys(c.axes for c in contrasts):
            found += _in_order([axis_finding.finding(evidence, axes) for evidence in scopes])
    if scope != HERE and sum(len(factor.labels) > 1 for factor in layout.factors) > 1:
        found.append(cells.finding(layout, values, card, size, wide))
    return found


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


def _nothing_to_infer(values: Array, card: Card) -> bool:
    """Whether all pictures have one number; or, of what is no picture's looks, all pictures of each cell.

    The second is counted (denoiser calls). A score of pictures that is 0 in one cell and 1 in another is no count, but
    the clearest answer there is.
    """
    flat = values.reshape(-1, values.shape[-1])
    with np.errstate(invalid="ignore"):
        low = np.where(np.isnan(flat), np.inf, flat).min(axis=0)
        high = np.where(np.isnan(flat), -np.inf, flat).max(axis=0)
    if flat.shape[0] < 2 or not (high <= low).all():
        return False
    return card.name == COUNTED or not card.needs_pixels or bool(high.max() <= low.min())


def missing_images(layout: Layout) -> tuple[Finding, ...]:
    """Where pictures are missing for a reason (refused, out of memory, ...): one finding an axis, if there are any.

    Pictures that were not made yet are not missing.
    """
    known = np.frompyfunc(lambda cause: cause not in NOT_A_FAILURE, 1, 1)(layout.reasons).astype(bool)
    failed = known & np.frompyfunc(lambda cause: cause is not None, 1, 1)(layout.reasons).astype(bool)
    if not failed.any():
        return ()
    values = np.where(known, failed.astype(float), np.nan)
    card = Card("missing images", "", higher_is_better=False)
    texts, counts = np.unique(layout.reasons[failed].astype(str), return_counts=True)
    reasons = phrases.listed([f"{count} {text}" for text, count in zip(texts, counts, strict=True)])
    head = f"{int(failed.sum())} of {int(known.sum())} images are missing ({reasons})"
    return tuple(
        replace(finding, kind="missing", sentence=missing.write(finding, head))
        for finding in of_metric(layout, values, card, {card.name: MISSING_MARGIN})
        if finding.kind == "axis"
    )


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
        tags={prompt.id: prompt.tags for prompt in study.prompts if prompt.tags},
    )
