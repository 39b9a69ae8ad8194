"""What would bring a verdict on a question that has none: from judged contrasts to numbers of prompts or seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import effects
from teststrip.analysis.numbers.judging import sd_of_one_seed
from teststrip.analysis.power import settle


@dataclass(frozen=True, slots=True)
class Settling:
    """What would bring a verdict; 0 = no question is left to them, None = unknown, or not within reach.

    Attributes:
        prompts: so many more of this design, if nothing differs.
        prompts_if_different: so many more of this design, if what was seen is true.
        seeds: so many more a prompt, if nothing differs.
        seeds_if_different: so many more a prompt, if what was seen is true.
        alternative: a study of one seed a prompt that shows equality for fewer images, in words; "" = none.
    """

    prompts: int | None = 0
    prompts_if_different: int | None = 0
    seeds: int | None = 0
    seeds_if_different: int | None = 0
    alternative: str = ""


def of(evidence: Evidence, *, chosen: Sequence[int], pairs: Sequence[int]) -> Settling:
    """What would bring a verdict.

    Where seeds are shared or cannot be had again, no number is named for the scope in which they are a sample.

    Args:
        evidence: of the score in one scope.
        chosen: indices of the contrasts that belong to the question.
        pairs: indices of those that equivalence needs.
    """
    judged, values, layout = evidence.judged, evidence.values, evidence.layout
    other_seeds = not evidence.pairing.paired if evidence.by_seeds else evidence.pairing.crossed
    if other_seeds or not evidence.outlook:
        return Settling(None, None, None, None)
    needed = frozenset(pairs)
    asked = [i for i in chosen if i in needed or judged.contrasts[i].planned]
    differences, blocks = judged.differences[asked], 1
    if evidence.by_seeds:
        each = np.stack([effects.per_seed(values, layout, judged.contrasts[i])[0] for i in asked])
        differences, blocks = settle.of_seeds(each, shared_seeds=evidence.pairing.shared)
    question = settle.Open(
        differences=differences,
        weights=np.array([judged.contrasts[i].weights for i in asked]),
        pairs=np.array([i in needed for i in asked]),
        planned=np.array([judged.contrasts[i].planned for i in asked]),
        claims=judged.size,
        margin=evidence.margin.value,
        margin_se=evidence.margin_se,
        blocks=blocks,
    )
    equal, different = settle.if_equal(question), settle.if_as_seen(question)
    if evidence.by_seeds:
        return Settling(None, None, equal, different)
    return Settling(equal, different, alternative=_one_seed(question, evidence, pairs, equal))


def _one_seed(question: settle.Open, evidence: Evidence, pairs: Sequence[int], more: int | None) -> str:
    """A new study of one seed a prompt, where it shows equality for fewer images than `more` prompts of this design."""
    judged, values, layout = evidence.judged, evidence.values, evidence.layout
    replicates, count = values.shape[1:]
    if replicates < 2 or question.margin_se > 0 or not question.answerable:
        return ""
    alone = sum(sd_of_one_seed(values, layout, judged.contrasts[i]) ** 2 for i in pairs)
    together = float(np.nanvar(judged.differences[list(pairs)], axis=-1, ddof=1).sum())
    if not (together > 0 and math.isfinite(alone)):
        return ""
    needed = settle.one_seed_prompts(question, alone / together)
    if needed is None or (more is not None and needed >= more * replicates):
        return ""
    return f"a study of {needed:,} prompts × 1 seed ({needed * count:,} images)"
