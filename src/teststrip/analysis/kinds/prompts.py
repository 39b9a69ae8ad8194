"""What single prompts, tags and settings of the other axes add to a finding about one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from teststrip.analysis.kinds import carriers, response, tags
from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import effects, samples
from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.numbers.settings import compared
from teststrip.records import Comparison, Contrast, Finding

MOST_SIMPLE = 10
"""So many differences at settings of other axes are kept."""


def without_carried(evidence: Evidence, axes: tuple[int, ...]) -> tuple[Judgement, dict[int, tuple[str, ...]]]:
    """The judgement without differences that a few prompts carry, and these prompts by contrast.

    The mean over these very prompts is what it is, whichever of them carry it: that scope names them and keeps the
    verdict.
    """
    judged = evidence.judged
    ours = [i for i, contrast in enumerate(judged.contrasts) if contrast.axes == axes]
    found = {
        i: tuple(evidence.layout.prompts[place] for place in few)
        for i in ours
        if judged.verdict[i] == "different" and (few := carriers.of(judged.differences, judged.contrasts, i)).size
    }
    if evidence.by_seeds or not found:
        return judged, found
    decided = judged.verdict.astype(object)
    decided[list(found)] = "inconclusive"
    return replace(judged, verdict=decided.astype(str)), found


def with_prompts(
    evidence: Evidence, found: Finding, head: WeightedContrast, pairs: Sequence[WeightedContrast]
) -> Finding:
    """The finding with what single prompts, tags and settings of the other axes make of it."""
    layout, margin = evidence.layout, evidence.margin.value
    own = _per_seed(evidence, head)
    answer = response.of(
        own, layout.prompts, head.asked, margin=margin, higher_is_better=evidence.card.higher_is_better
    )
    simple: tuple[Comparison, ...] = ()
    on_average = False
    if found.verdict == "equivalent":
        simple = _simple_effects(evidence, pairs)
        alike = all(response.speaks_for_prompts(_per_seed(evidence, pair), margin) for pair in pairs)
        on_average = bool(simple) or not alike
    by_tag = tags.of(mean(own, 1), layout.prompts, evidence.tags) if evidence.tags else ()
    return replace(found, response=answer, simple=simple, on_average=on_average, by_tag=by_tag)


def _per_seed(evidence: Evidence, contrast: WeightedContrast) -> Array:
    """Paired differences [prompts, seeds]; of these prompts only of those that show a spread over seeds."""
    own = effects.per_seed(evidence.values, evidence.layout, contrast)[0]
    if evidence.by_seeds and not evidence.pairing.shared:
        own = np.where((~np.isnan(own)).sum(axis=1, keepdims=True) >= samples.LEAST_SEEDS, own, np.nan)
    return own


def _simple_effects(evidence: Evidence, pairs: Sequence[WeightedContrast]) -> tuple[Comparison, ...]:
    """The pairs at each setting of the other axes, as far as they are not shown to be small; the largest first."""
    layout = evidence.layout
    found = []
    for pair in pairs:
        grid = layout.grid(pair.axes)
        plus, minus = (grid[:, one[0].index] for one in (pair.asked.plus, pair.asked.minus))
        there = (plus >= 0) & (minus >= 0)
        if len(layout.factors) > 1:
            found += [_simple_effect(evidence, *both) for both in zip(plus[there], minus[there], strict=True)]
    kept = [row for row in found if row.verdict != "equivalent"]
    return tuple(sorted(kept, key=lambda row: -np.nan_to_num(abs(row.effect)))[:MOST_SIMPLE])


def _simple_effect(evidence: Evidence, plus: int, minus: int) -> Comparison:
    """Two cells that differ on one axis, as a row with its own intervals."""
    found = compared(evidence.values, [(plus, minus)], scope=evidence.scope, pairing=evidence.pairing)
    asked = Contrast("settings", evidence.layout.levels(plus), evidence.layout.levels(minus))
    images = int((~np.isnan(evidence.values[..., [plus, minus]])).sum())
    (row,) = found.rows([asked], evidence.margin, family=found.p, images=[images], scope=evidence.scope)
    return row
