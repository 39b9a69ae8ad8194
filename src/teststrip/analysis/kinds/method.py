"""How an answer was reckoned, in one line for those who check it: test, correction, intervals, second opinions."""

from __future__ import annotations

import math

import numpy as np

from teststrip.analysis.kinds.evidence import Evidence
from teststrip.analysis.numbers import intervals, verdicts
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.sentences import phrases

SKEWED = 1.0
"""Sample skewness of prompt differences from which the method line has the bootstrap-t interval as well."""


def of(evidence: Evidence, judged: Judgement, head: int) -> str:
    """The line of the contrast at this place of the judgement."""
    parts = _of_seeds(evidence, judged, head) if evidence.by_seeds else _of_prompts(evidence, judged, head)
    if judged.size > 1:
        parts.append(f"Holm over {judged.size} planned contrasts (other pairs: over all {len(judged.contrasts)})")
        parts.append("95 % intervals hold together (Bonferroni)")
    parts.append("equivalence by two one-sided tests at 5 % (90 % interval)")
    if evidence.outlook and not evidence.by_seeds and not evidence.pairing.crossed:
        parts += _second_opinions(judged.differences[head], float(judged.p[head]))
    if evidence.card.arity is None:
        parts.append("one value a prompt and cell")
    return "; ".join(parts)


def _of_prompts(evidence: Evidence, judged: Judgement, head: int) -> list[str]:
    prompts = int(judged.outer.prompts[head])
    if not evidence.pairing.paired:
        return [f"paired by prompt, not by seed; Student's t on {prompts} prompt differences"]
    if evidence.pairing.crossed:
        degrees = float(judged.sample.degrees[head])
        return [
            f"paired by prompt and seed; {prompts} prompts and the seeds that they share are crossed samples",
            f"variances added; Student's t with {degrees:g} degrees of freedom",
        ]
    return [f"paired by prompt and seed; Student's t on {prompts} prompt differences"]


def _of_seeds(evidence: Evidence, judged: Judgement, head: int) -> list[str]:
    prompts, seeds = int(judged.outer.prompts[head]), int(judged.seeds[head])
    over = f"mean over {prompts} prompt{'s' * (prompts != 1)} of the mean over their seeds"
    if not evidence.pairing.paired:
        return [f"not paired by seed; {over}", f"Welch's t, {seeds} pictures a setting"]
    return [
        f"paired by prompt and seed; {over}",
        f"Student's t with Satterthwaite's degrees of freedom, {seeds} paired seeds",
    ]


def _second_opinions(differences: Array, p: float) -> list[str]:
    """What other tests say of the prompt differences."""
    d = differences[~np.isnan(differences)]
    found = []
    flip = intervals.sign_flip_p(d)
    if math.isfinite(flip):
        agree = "agrees" if (flip < verdicts.ALPHA) == (p < verdicts.ALPHA) else "disagrees"
        found.append(f"sign flips over prompts p = {flip:.2g} ({agree} with t, p = {p:.2g})")
    if d.size >= 10 and d.std() > 0 and abs(((d - d.mean()) ** 3).mean() / d.std() ** 3) > SKEWED:
        boot = intervals.bootstrap_t(d)
        found.append(f"skewed: bootstrap-t interval {phrases.between(float(boot.low), float(boot.high))}")
    return found
