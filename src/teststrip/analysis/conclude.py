"""Plain columns in, findings out: the order in which everything else here is used.

Knows no store and no picture; a notebook calls `findings` on anybody's CSV.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis import cells, columns, effects, intervals, margin, multiplicity, sentences, verdicts
from teststrip.analysis.columns import Array, Columns, Design
from teststrip.analysis.design import MANY, MINIMUM_PROMPTS, cautious, needed_different, needed_equivalent, round_up
from teststrip.analysis.effects import Contrast
from teststrip.analysis.margin import Margin
from teststrip.records import Axis, Card, Comparison, Finding, MetricInfo, Study

NOT_A_FAILURE = frozenset({"not made yet", "no row"})
"""Reasons that say nothing about the setting: nobody asked yet."""

MISSING_MARGIN = 0.05
"""Shares of missing images closer than this are called equal."""

SKEWED = 1.0
"""Sample skewness of prompt differences from which the bootstrap-t interval is told as well."""


def findings(
    table: Columns,
    metrics: Sequence[str] | Mapping[str, MetricInfo],
    *,
    axes: Sequence[str | Axis],
    margin: float | Mapping[str, float] = 0.2,
    prompt: str = "prompt",
    replicate: str | None = "replicate",
    missing: str | None = "missing",
    shared_seeds: bool = False,
) -> tuple[Finding, ...]:
    """What can honestly be concluded from scores of pictures.

    Args:
        table: one entry an image in each column; a dict of lists or a data frame.
        metrics: columns of scores, with what is known of them where it is.
        axes: columns that were varied on purpose.
        margin: the smallest difference that matters: seed SD, or {metric: score units}.
        prompt, replicate, missing: names of the columns of blocks, paired seeds and reasons for missing pictures.
        shared_seeds: all prompts used the same few seeds, which makes intervals too narrow; said in every finding.

    Returns:
        For each metric: each axis, each interaction, all cells; then where pictures are missing.

    Raises:
        UsageError: an absent column, two rows in one place, something that is no number.
    """
    design = columns.read(table, axes, prompt=prompt, replicate=replicate, missing=missing)
    infos = metrics if isinstance(metrics, Mapping) else {name: MetricInfo(name) for name in metrics}
    found: list[Finding] = []
    for name, info in infos.items():
        if name in table:
            found += of_metric(design, design.values(table[name], name), info, margin, shared_seeds=shared_seeds)
    return (*found, *missing_images(design))


def of_metric(
    design: Design,
    values: Array,
    info: MetricInfo,
    asked: float | Mapping[str, float],
    *,
    shared_seeds: bool = False,
) -> list[Finding]:
    """All findings of one metric; values [prompts, replicates, cells]."""
    if info.grouped and values.shape[1] > 1:
        values = _one_a_group(values)
    if np.isnan(values).all() or _counted(values):
        return []
    size = margin.margin_of(asked, info.name, values)
    contrasts = effects.planned(design)
    judged = judge(values, design, contrasts, size) if contrasts else None
    limits = _limits(design, values, info, size, shared_seeds=shared_seeds)
    found = []
    if judged is not None:
        each = dict.fromkeys(contrast.axes for contrast in contrasts)
        found += [_of_axes(axes, judged, design, values, info, size, limits) for axes in each]
    if sum(len(factor.labels) > 1 for factor in design.factors) > 1:
        found.append(cells.finding(design, values, info, size, limits))
    return found


@dataclass(frozen=True)
class Judged:
    """All contrasts of a metric with their numbers, index by index.

    Attributes:
        contrasts: what was asked. rows: the same as table rows.
        differences: [contrasts, prompts]. single: the same from one seed at a time, its SD over prompts.
        family: how many planned contrasts Holm corrects for.
    """

    contrasts: tuple[Contrast, ...]
    rows: tuple[Comparison, ...]
    differences: Array
    single: Array
    family: int


def judge(values: Array, design: Design, contrasts: Sequence[Contrast], size: Margin) -> Judged:
    """Estimate, correct and decide every contrast."""
    both = [effects.per_prompt(values, design, contrast) for contrast in contrasts]
    differences = np.stack([d for d, _ in both])
    images = [int(count[~np.isnan(d)].sum()) for d, count in both]
    planned = np.array([contrast.planned for contrast in contrasts])
    outer = intervals.paired_interval(differences, 0.95)
    inner = intervals.paired_interval(differences, 0.90, extra_se=size.se)
    p = intervals.t_p(differences)
    testable = planned & (outer.prompts >= MINIMUM_PROMPTS)
    family = multiplicity.holm(np.where(testable, p, np.nan))
    decided = verdicts.decide(
        p=family, inner_low=inner.low, inner_high=inner.high, margin=size.value, prompts=outer.prompts
    )
    rows = tuple(
        Comparison(
            contrast=contrast.text,
            effect=float(outer.mean[i]),
            low=float(outer.low[i]),
            high=float(outer.high[i]),
            inner_low=float(inner.low[i]),
            inner_high=float(inner.high[i]),
            p=float(p[i]),
            p_family=float(family[i]),
            prompts=int(outer.prompts[i]),
            images=images[i],
            verdict=verdicts.NAMES[list(verdicts.NAMES).index(decided[i])],
        )
        for i, contrast in enumerate(contrasts)
    )
    single = np.array([_sd_of_one_seed(values, design, contrast) for contrast in contrasts])
    return Judged(tuple(contrasts), rows, differences, single, int((~np.isnan(family)).sum()))


def _sd_of_one_seed(values: Array, design: Design, contrast: Contrast) -> float:
    """SD over prompts of the contrast in a design of one seed a prompt: each seed alone, averaged."""
    variances = []
    for r in range(values.shape[1]):
        d = effects.per_prompt(values[:, r : r + 1], design, contrast)[0]
        d = d[~np.isnan(d)]
        if d.size > 1:
            variances.append(d.var(ddof=1))
    return float(np.sqrt(np.mean(variances))) if variances else math.nan


def _of_axes(
    axes: tuple[int, ...],
    judged: Judged,
    design: Design,
    values: Array,
    info: MetricInfo,
    size: Margin,
    limits: tuple[str, ...],
) -> Finding:
    """The finding of one axis, or of the interaction of two."""
    chosen = [i for i, contrast in enumerate(judged.contrasts) if contrast.axes == axes]
    rows = [judged.rows[i] for i in chosen]
    interaction = len(axes) > 1
    pairs = [i for i in chosen if interaction or judged.contrasts[i].kind == "pair"]
    pairs = [i for i in pairs if judged.rows[i].prompts >= MINIMUM_PROMPTS] or pairs
    if not interaction:
        limits = (*limits, *_left_out(design, axes[0], [judged.rows[i].contrast for i in chosen if i not in pairs]))
    verdict = verdicts.of_axis(
        _verdicts(judged, pairs), _verdicts(judged, [i for i in chosen if judged.contrasts[i].planned])
    )
    head = _headline(verdict, chosen, pairs, judged)
    row = judged.rows[head]
    equivalent = verdict == "equivalent"
    names = [design.factors[i].name for i in axes]
    more, alternative = (
        (0, "")
        if verdict in ("different", "equivalent")
        else _settled_by(judged, chosen, pairs, values.shape[1:], size)
    )
    finding = Finding(
        metric=info.name,
        axis=" × ".join(names),
        contrast=row.contrast,
        effect=row.effect,
        low=row.inner_low if equivalent else row.low,
        high=row.inner_high if equivalent else row.high,
        level=0.90 if equivalent else 0.95,
        margin=size.value,
        p=min((r.p_family for r in rows if not math.isnan(r.p_family)), default=math.nan),
        prompts=row.prompts,
        images=_images(values, design, axes),
        verdict=verdict,
        method=_method(judged, head, info),
        more_prompts=more,
        kind="interaction" if interaction else "axis",
        unit=info.unit,
        seed_sd=size.seed_sd,
        levels=() if interaction else cells.levels(values, design, axes[0]),
        comparisons=tuple(rows),
        limits=limits,
        design=alternative,
    )
    span = "" if interaction else _span(design.factors[axes[0]])
    write = sentences.write_interaction if interaction else sentences.write
    return replace(finding, sentence=write(finding, span=span, margin=size.text))


def _left_out(design: Design, axis: int, contrasts: list[str]) -> list[str]:
    """Levels none of whose pairs could be judged, because nearly all of their pictures are missing."""
    gone = [contrast.split(" against ") for contrast in contrasts if " against " in contrast]
    others = len(design.factors[axis].labels) - 1
    return [
        f"{label} could not be judged: pictures of fewer than {MINIMUM_PROMPTS} prompts."
        for label in design.factors[axis].labels
        if others and sum(label in pair for pair in gone) == others
    ]


def _verdicts(judged: Judged, which: Iterable[int]) -> NDArray[np.str_]:
    return np.array([judged.rows[i].verdict for i in which], dtype=str)


def _headline(verdict: str, chosen: list[int], pairs: list[int], judged: Judged) -> int:
    """The row that the sentence tells."""
    rows = judged.rows
    if verdict == "equivalent":
        return max(pairs, key=lambda i: max(abs(rows[i].inner_low), abs(rows[i].inner_high)))
    if verdict == "different":
        different = [i for i in chosen if rows[i].verdict == "different" and judged.contrasts[i].planned]
        shapes = {judged.contrasts[i].kind: i for i in different if judged.contrasts[i].kind in ("trend", "bend")}
        if shapes:
            return max(shapes.values(), key=lambda i: abs(rows[i].effect))
        return min(different, key=lambda i: rows[i].p_family)
    return max(pairs, key=lambda i: abs(rows[i].effect) if math.isfinite(rows[i].effect) else -1.0)


def _settled_by(
    judged: Judged, chosen: list[int], pairs: list[int], shape: tuple[int, ...], size: Margin
) -> tuple[int | None, str]:
    """How many more prompts would bring a verdict if the truth is what was seen, and the same with one seed."""
    have = min((judged.rows[i].prompts for i in pairs), default=0)
    spread = np.array([_cautious_sd(d) for d in judged.differences])
    if not np.isfinite(spread[pairs]).all() or not size.value > 0:
        return None, ""
    total = _total(judged, chosen, pairs, spread, size)
    more = max(round_up(total - have), 1) if total < MANY else None
    replicates, count = shape
    alone = ""
    if replicates > 1 and np.isfinite(judged.single[pairs]).all():
        single = np.array([cautious(float(sd), have) for sd in judged.single])
        prompts = _total(judged, chosen, pairs, single, size)
        if prompts < MANY:
            prompts = round_up(prompts)
            alone = f"a study of {prompts:,} prompts × 1 seed ({prompts * count:,} images)"
    return more, alone


def _cautious_sd(differences: Array) -> float:
    kept = differences[~np.isnan(differences)]
    return cautious(float(kept.std(ddof=1)), kept.size) if kept.size > 1 else math.nan


def _total(judged: Judged, chosen: list[int], pairs: list[int], spread: Array, size: Margin) -> int:
    """Prompts for a verdict: every pair equivalent, or any planned contrast different."""
    effect = [row.effect for row in judged.rows]
    same = max((needed_equivalent(size.value, spread[i], truth=abs(effect[i])) for i in pairs), default=MANY)
    apart = min(
        (
            needed_different(effect[i], spread[i], contrasts=max(judged.family, 1))
            for i in chosen
            if judged.contrasts[i].planned and math.isfinite(effect[i])
        ),
        default=MANY,
    )
    return max(min(same, apart), MINIMUM_PROMPTS)


def _method(judged: Judged, head: int, info: MetricInfo) -> str:
    """One line: test, correction, cross-checks of the headline contrast."""
    d = judged.differences[head]
    d = d[~np.isnan(d)]
    parts = [
        f"paired by prompt and seed; Student's t on {d.size} prompt differences",
        f"Holm over {judged.family} planned contrasts" if judged.family > 1 else "no correction needed",
        "equivalence by two one-sided tests at 5 %",
    ]
    flip, t = intervals.sign_flip_p(d), judged.rows[head].p
    if math.isfinite(flip):
        agree = "agrees" if (flip < verdicts.ALPHA) == (t < verdicts.ALPHA) else "disagrees"
        parts.append(f"sign flips over prompts p = {flip:.2g} ({agree} with t, p = {t:.2g})")
    if d.size >= 10 and d.std() > 0 and abs(((d - d.mean()) ** 3).mean() / d.std() ** 3) > SKEWED:
        boot = intervals.bootstrap_t(d)
        parts.append(f"skewed: bootstrap-t interval {sentences.between(float(boot.low), float(boot.high))}")
    if info.grouped:
        parts.append("one value a prompt and cell")
    return "; ".join(parts)


def _span(factor: columns.Factor) -> str:
    if factor.numbers is None:
        return f"({sentences.listed(factor.labels)})"
    order = sorted(range(len(factor.labels)), key=lambda k: factor.numbers[k] if factor.numbers else 0.0)
    return f"{factor.labels[order[0]]} to {factor.labels[order[-1]]}"


def _images(values: Array, design: Design, axes: tuple[int, ...]) -> int:
    grid = design.grid(axes)
    return int((~np.isnan(values[..., np.unique(grid[grid >= 0])])).sum())


def _limits(design: Design, values: Array, info: MetricInfo, size: Margin, *, shared_seeds: bool) -> tuple[str, ...]:
    found = []
    if len(design.prompts) < MINIMUM_PROMPTS:
        found.append(
            f"{len(design.prompts)} prompts: no exact two-sided test on fewer than {MINIMUM_PROMPTS} reaches p < .05, "
            "so nothing here is a verdict."
        )
    if shared_seeds:
        found.append("All prompts share the same few seeds: the intervals are narrower than they should be.")
    found += [
        f"{sentences.spoken(info.name)} rises with {sentences.spoken(factor.name)} mechanically, whatever becomes of "
        "the picture: a rise is no proof of better pictures."
        for factor in design.factors
        if factor.name in info.couples
    ]
    if info.caveat:
        found.append(info.caveat)
    if size.note:
        found.append(f"Margin: {size.note}.")
    asked = design.row >= 0
    absent = int(np.isnan(values[asked]).sum()) if values.shape == asked.shape else 0
    if absent:
        found.append(
            f"{absent} of {int(asked.sum())} images have no {sentences.spoken(info.name)}; they are left out in pairs, "
            "never counted as 0."
        )
    return tuple(found)


def _one_a_group(values: Array) -> Array:
    """A group's value, once: [P, R, C] -> [P, 1, C]."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(present, values, 0.0).sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
    return mean


def _counted(values: Array) -> bool:
    """The same number in every picture of a cell: counted, not measured (denoiser calls). Nothing to infer."""
    flat = values.reshape(-1, values.shape[-1])
    with np.errstate(invalid="ignore"):
        low = np.where(np.isnan(flat), np.inf, flat).min(axis=0)
        high = np.where(np.isnan(flat), -np.inf, flat).max(axis=0)
    return flat.shape[0] > 1 and bool((high <= low).all())


def missing_images(design: Design) -> tuple[Finding, ...]:
    """Where pictures are missing for a reason (refused, out of memory, ...): one finding an axis, if there are any.

    Pictures nobody has made yet are not missing.
    """
    known = np.frompyfunc(lambda reason: reason not in NOT_A_FAILURE, 1, 1)(design.reasons).astype(bool)
    failed = known & np.frompyfunc(lambda reason: reason is not None, 1, 1)(design.reasons).astype(bool)
    if not failed.any():
        return ()
    values = np.where(known, failed.astype(float), np.nan)
    info = MetricInfo("missing images", "", higher_is_better=False)
    texts, counts = np.unique(design.reasons[failed].astype(str), return_counts=True)
    reasons = sentences.listed([f"{count} {text}" for text, count in zip(texts, counts, strict=True)])
    head = f"{int(failed.sum())} of {int(known.sum())} images are missing ({reasons})"
    return tuple(
        replace(finding, kind="missing", sentence=sentences.write_missing(finding, head))
        for finding in of_metric(design, values, info, {info.name: MISSING_MARGIN})
        if finding.kind == "axis"
    )


def of_result_columns(table: Columns, study: Study, metrics: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings of a study from its result's columns; metrics are classes that fit `protocols.Metric`."""
    return findings(
        table,
        {name: info_of(name, metrics.get(name)) for name in study.question.metrics},
        axes=study.axes,
        margin=study.question.margin,
        shared_seeds=study.seeds is not None and len(study.prompts) > 1,
    )


def info_of(name: str, metric: Any) -> MetricInfo:
    """What the analysis has to know of a metric: from its class, or nothing at all."""
    card = getattr(metric, "card", None)
    card = card if isinstance(card, Card) else None
    return MetricInfo(
        name,
        unit=getattr(metric, "unit", ""),
        higher_is_better=getattr(metric, "higher_is_better", None),
        grouped=getattr(metric, "arity", 1) is None,
        couples=card.rises_with if card else (),
        caveat=card.failure if card else "",
    )
