"""The finding about one axis, or about two together, from judged contrasts. Chooses what the sentence says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from teststrip.analysis.kinds import cells, doubles, headline, method, prompts, settling
from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import effects, judging, means, samples, verdicts
from teststrip.analysis.numbers.columns import Factor
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.numbers.samples import Interval
from teststrip.analysis.sentences import answers, phrases
from teststrip.records import MINIMUM_PROMPTS, Comparison, Curve, Estimate, Finding, Shape, Verdict
from teststrip.vocabulary import STEPS, spoken

MOST_LINES, MOST_POINTS = 12, 240
"""An interaction plot of more lines or points is no picture that people read."""


def finding(evidence: Evidence, axes: tuple[int, ...]) -> Finding:
    """The finding of one axis, or of the interaction of two (indices of the layout's factors)."""
    judged, carried = prompts.without_carried(evidence, axes)
    size, rows = evidence.margin, judged.rows()
    chosen = [i for i, contrast in enumerate(judged.contrasts) if contrast.axes == axes]
    asked = [i for i in chosen if judged.contrasts[i].kind in ("pair", "interaction")]
    pairs = [i for i in asked if rows[i].verdict != "insufficient design"] or asked
    unpaired = sorted({*asked} - {*pairs})  # sets, because 600 levels have 179,700 pairs
    planned = [i for i in chosen if judged.contrasts[i].planned]
    verdict = verdicts.of_axis(judged.verdict[pairs], judged.verdict[planned])
    head, shape = _headline(evidence, judged, verdict, chosen=chosen, pairs=pairs, carried=carried)
    equivalent = verdict == "equivalent"
    row = rows[head]
    settled = settling.Settling()
    if verdict in ("inconclusive", "insufficient design"):
        settled = settling.of(evidence, chosen=chosen, pairs=pairs)
    factors = [evidence.layout.factors[i] for i in axes]
    compared = [rows[i] for i in pairs]
    found = Finding(
        metric=evidence.card.name,
        axis=" × ".join(factor.name for factor in factors),
        contrast=row.contrast,
        effect=row.effect,
        low=row.inner_low if equivalent else row.low,
        high=row.inner_high if equivalent else row.high,
        level=0.90 if equivalent else 0.95,
        margin=size.value,
        p=min((rows[i].p_family for i in planned if not math.isnan(rows[i].p_family)), default=math.nan),
        prompts=row.prompts,
        images=_images(evidence, axes),
        verdict=verdict,
        method=method.of(evidence, judged, head),
        more_prompts=settled.prompts,
        kind="interaction" if len(axes) > 1 else "axis",
        unit=evidence.card.unit,
        seed_sd=size.seed_sd,
        levels=_points(evidence, axes[0]) if len(axes) == 1 else _along(evidence, judged.contrasts[head]),
        comparisons=tuple(rows[i] for i in chosen),
        limits=(
            *evidence.limits,
            *_left_out(evidence, axes, [rows[i] for i in unpaired]),
            *(_not_together(evidence, judged.contrasts[head]) if len(axes) > 1 else ()),
            *(_prompts_left_out(evidence, chosen) if evidence.by_seeds else ()),
        ),
        alternative=settled.alternative,
        asked=row.asked,
        scope=judged.scope,
        seeds=int(judged.seeds[head]) if evidence.by_seeds else 0,
        paired=evidence.pairing.paired,
        more_seeds=settled.seeds,
        prompts_if_different=settled.prompts_if_different,
        seeds_if_different=settled.seeds_if_different,
        carriers=carried.get(head, ()),
        shape=shape,
        curves=_curves(evidence, (axes[0], axes[1])) if len(axes) > 1 else (),
    )
    if len(axes) > 1:
        found = replace(found, method=f"{found.method}; {answers.scale(found, size.text)}")
        found = answers.worded(found, answers.write_interaction(found))
        return doubles.checked(found, evidence, (axes[0], axes[1]))
    found = prompts.with_prompts(evidence, found, judged.contrasts[head], [judged.contrasts[i] for i in pairs])
    found = replace(found, method=f"{answers.scale(found, size.text)}; {found.method}")
    return answers.worded(found, answers.write(found, span=_span(factors[0], compared)))


def _headline(
    evidence: Evidence,
    judged: Judgement,
    verdict: Verdict,
    *,
    chosen: Sequence[int],
    pairs: Sequence[int],
    carried: Mapping[int, tuple[str, ...]],
) -> tuple[int, Shape | None]:
    """The contrast that the sentence is about, and the shape that is told with it."""
    falling = evidence.card.higher_is_better is False
    told = [i for i in pairs if i in carried]
    if verdict == "inconclusive" and told and not evidence.by_seeds:
        return max(told, key=lambda i: abs(judged.outer.mean[i])), None
    found = headline.of(verdict, judged, chosen=chosen, pairs=pairs, falling_is_better=falling)
    return found.index, found.shape


def _span(factor: Factor, pairs: Sequence[Comparison]) -> str:
    """The levels that were compared, in words."""
    compared = {level.index for row in pairs for level in (*row.asked.plus, *row.asked.minus)}
    order = [k for k in factor.rising if k in compared]
    if factor.numbers is None:
        return f"({phrases.listed([factor.labels[k] for k in order])})"
    return f"{factor.labels[order[0]]} to {factor.labels[order[-1]]}"


def _along(evidence: Evidence, interaction: WeightedContrast) -> tuple[Estimate, ...]:
    """What the first axis does at each level of the second, with 95 % intervals."""
    numbers = evidence.layout.factors[interaction.axes[1]].numbers
    found = []
    for part in effects.along(evidence.layout, interaction):
        at = part.asked.plus[-1]
        own, images = _alone(evidence, part)
        if math.isnan(own.mean):  # a combination without pictures
            continue
        found.append(
            Estimate(
                label=at.label,
                x=numbers[at.index] if numbers else None,
                mean=float(own.mean),
                low=float(own.low),
                high=float(own.high),
                prompts=int(own.prompts),
                images=images,
            )
        )
    return tuple(found)


def _alone(evidence: Evidence, part: WeightedContrast) -> tuple[Interval, int]:
    """The 95 % interval of a contrast that is not corrected for others, and how many images stand behind it."""
    alone = judging.judge(
        evidence.values, evidence.layout, [part], math.inf, scope=evidence.judged.scope, pairing=evidence.pairing
    )
    return alone.outer[0], int(alone.images[0])


def _points(evidence: Evidence, axis: int) -> tuple[Estimate, ...]:
    """The levels of an axis as points of a chart; the scope says whether prompts or seeds scatter."""
    factor = evidence.layout.factors[axis]
    return _of_grid(evidence, evidence.layout.grid((axis,)), factor.labels, factor.numbers)


def _curves(evidence: Evidence, axes: tuple[int, int]) -> tuple[Curve, ...]:
    """The lines of an interaction plot, which run along steps, else along an axis of numbers, else of more levels."""
    layout, factors = evidence.layout, evidence.layout.factors
    shape = [len(factors[axis].labels) for axis in axes]
    if not evidence.outlook or min(shape) > MOST_LINES or shape[0] * shape[1] > MOST_POINTS:
        return ()

    def order(axis: int) -> tuple[bool, bool, int]:
        return factors[axis].numbers is None, factors[axis].name != STEPS, -len(factors[axis].labels)

    along, by = sorted(axes, key=order)
    levels = [(k, j) for j in range(len(factors[by].labels)) for k in range(len(factors[along].labels))]
    grid = layout.grid((by, along))
    numbers = factors[along].numbers
    labels = tuple(factors[along].labels[k] for k, _ in levels)
    points = _of_grid(evidence, grid, labels, numbers and tuple(numbers[k] for k, _ in levels))
    width = len(factors[along].labels)
    found = []
    for j in factors[by].rising:
        own = [points[j * width + k] for k in factors[along].rising]
        known = tuple(point for point in own if math.isfinite(point.mean))
        x = factors[by].numbers
        found.append(Curve(factors[along].name, factors[by].name, factors[by].labels[j], known, x[j] if x else None))
    return tuple(curve for curve in found if curve.points)


def _of_grid(
    evidence: Evidence, grid: means.Indices, labels: tuple[str, ...], numbers: tuple[float, ...] | None
) -> tuple[Estimate, ...]:
    """Points of a chart for the columns of a grid of cells [M, K]; labels and numbers are [K]."""
    values = evidence.values
    if not evidence.by_seeds:
        return cells.of_grid(values, grid, labels, numbers)
    whole = means.of_levels(values, grid)
    each = means.of_levels(values.reshape(-1, 1, values.shape[-1]), grid).by_prompt  # a seed in the place of a prompt
    seen = each.T.reshape(len(labels), *values.shape[:2])
    own = samples.interval(samples.over_seeds(seen, shared_seeds=evidence.pairing.shared))
    # Morey 2008, as in `cells.of_grid`: taking out each seed's height takes out 1/K of the variance.
    half = (own.high - own.mean) * math.sqrt(len(labels) / max(len(labels) - 1, 1))
    return tuple(
        Estimate(
            label,
            numbers[k] if numbers else None,
            float(whole.levels[k]),
            float(whole.levels[k] - half[k]),
            float(whole.levels[k] + half[k]),
            int(own.prompts[k]),
            int(whole.images[k]),
        )
        for k, label in enumerate(labels)
    )


def _images(evidence: Evidence, axes: tuple[int, ...]) -> int:
    grid = evidence.layout.grid(axes)
    return int((~np.isnan(evidence.values[..., np.unique(grid[grid >= 0])])).sum())


def _left_out(evidence: Evidence, axes: tuple[int, ...], rows: Sequence[Comparison]) -> list[str]:
    """Levels that were not compared, because they rest on fewer prompts than the others or could not be paired."""
    if len(axes) > 1:
        return []
    layout, labels = evidence.layout, evidence.layout.factors[axes[0]].labels
    unmade = {k for axis, k in evidence.makings.unmade if axis == axes[0]} if evidence.makings else set()
    poor = set(range(len(labels))) - set(means.judged(evidence.values, layout.grid(axes)))
    gone = Counter(level.index for row in rows for level in (*row.asked.plus, *row.asked.minus))
    few = "too few paired seeds" if evidence.by_seeds else f"pictures of fewer than {MINIMUM_PROMPTS} prompts"
    said = [f"{labels[k]} was not made at the size that it asks for: shown, never compared." for k in sorted(unmade)]
    return (
        said
        + cells.left_out(cells.levels(evidence.values, layout, axes[0]), poor - unmade)
        + [
            f"{label} could not be judged: {few}."
            for index, label in enumerate(labels)
            if len(labels) > 1 and gone[index] == len(labels) - len(poor) - 1
        ]
    )


def _not_together(evidence: Evidence, interaction: WeightedContrast) -> list[str]:
    """The levels that an interaction is not about, because some of their combinations have too few pictures."""
    said = []
    for axis, kept in zip(interaction.axes, interaction.levels, strict=False):
        factor = evidence.layout.factors[axis]
        said += [f"{spoken(factor.name)} {factor.labels[k]}" for k in factor.rising if k not in kept]
    if not said:
        return []
    return [f"Not every combination has pictures enough, so this is told without {phrases.listed(said)}."]


def _prompts_left_out(evidence: Evidence, chosen: Sequence[int]) -> list[str]:
    """Prompts that show no spread over seeds in some comparison, because a single pair of pictures is left or none."""
    gone = np.flatnonzero(np.isnan(evidence.judged.differences[list(chosen)]).any(axis=0))
    names = [evidence.layout.prompts[place] for place in gone]
    if not names:
        return []
    has, is_ = ("has", "is") if len(names) == 1 else ("have", "are")
    return [f"{phrases.listed(names)} {has} fewer than two paired seeds in some comparisons and {is_} left out there."]
