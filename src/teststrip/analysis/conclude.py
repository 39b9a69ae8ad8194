"""Plain columns in, findings out: the order in which the other modules of the analysis are used.

Knows no store and no picture; a notebook may call `findings` on any table of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from teststrip.analysis import sentences
from teststrip.analysis.kinds import audit, cells, convergence
from teststrip.analysis.kinds import axis as axis_finding
from teststrip.analysis.kinds.axis import Evidence
from teststrip.analysis.numbers import columns, effects, margin
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Columns, Layout
from teststrip.analysis.numbers.judging import judge
from teststrip.analysis.numbers.margin import Margin
from teststrip.records import DEFAULT_MARGIN, MINIMUM_PROMPTS, Axis, Card, Finding, Study, Value
from teststrip.vocabulary import spoken

NOT_A_FAILURE = frozenset({"not made yet", "no row"})
"""Reasons that say nothing about the setting, because no engine was asked yet."""

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

    Returns:
        For each metric: each axis, each interaction, all cells, its audit; of a metric of pairs the knee of
        convergence; then where pictures are missing.

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
            found += of_metric(layout, values, card, margin, shared_seeds=shared_seeds)
            found += audit.findings(layout, values, card)
    return (*found, *missing_images(layout))


def of_metric(
    layout: Layout,
    values: Array,
    card: Card,
    asked: float | Mapping[str, float],
    *,
    shared_seeds: bool = False,
) -> list[Finding]:
    """All findings of one metric; values [prompts, replicates, cells]."""
    if card.arity is None and values.shape[1] > 1:
        values = mean(values, 1, keepdims=True)  # a group's value, once
    if np.isnan(values).all() or _counted(values):
        return []
    size = margin.margin_of(asked, card.name, values)
    limits = _limits(layout, values, card, size, shared_seeds=shared_seeds)
    found = []
    if contrasts := effects.planned(layout, values):
        judged = judge(values, layout, contrasts, size.value, size.se)
        evidence = Evidence(layout, values, card, size, judged, limits)
        found += [axis_finding.finding(evidence, axes) for axes in dict.fromkeys(c.axes for c in contrasts)]
    if sum(len(factor.labels) > 1 for factor in layout.factors) > 1:
        found.append(cells.finding(layout, values, card, size, limits))
    return found


def _limits(layout: Layout, values: Array, card: Card, size: Margin, *, shared_seeds: bool) -> tuple[str, ...]:
    found = list(_said(card))
    if len(layout.prompts) < MINIMUM_PROMPTS:
        found.append(
            f"{len(layout.prompts)} prompts: no exact two-sided test on fewer than {MINIMUM_PROMPTS} reaches p < .05, "
            "so nothing here is a verdict."
        )
    if shared_seeds:
        found.append("All prompts share the same few seeds: the intervals are narrower than they should be.")
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
    reasons = sentences.listed([f"{count} {text}" for text, count in zip(texts, counts, strict=True)])
    head = f"{int(failed.sum())} of {int(known.sum())} images are missing ({reasons})"
    return tuple(
        replace(finding, kind="missing", sentence=sentences.write_missing(finding, head))
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
    )
