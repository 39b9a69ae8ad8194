"""Which further design would bring a verdict, if the truth is what was seen. Knows contrasts and their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from teststrip.analysis.columns import Array
from teststrip.analysis.design import (
    MANY,
    MINIMUM_PROMPTS,
    cautious,
    needed_different,
    needed_equivalent,
    round_up,
)
from teststrip.analysis.judging import Judgement


def more_prompts(judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], margin: float) -> int | None:
    """About how many further prompts of the same design bring a verdict in 80 % of studies; None = out of reach.

    Args:
        judged: a single study.
        chosen: its contrasts that belong to this question. pairs: those that equivalence needs.
        margin: score units.
    """
    total = _total(judged, chosen, pairs, np.array([_sd(d) for d in judged.differences]), margin)
    have = min((int(judged.outer.prompts[i]) for i in pairs), default=0)
    return None if total >= MANY else max(round_up(total - have), 1)


def one_seed_prompts(
    judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], margin: float, single: Sequence[float]
) -> int | None:
    """Prompts of a new study with one seed each that bring a verdict in 80 % of studies; None = out of reach.

    Args:
        single: SD over prompts of each contrast when every prompt has one seed (`judging.sd_of_one_seed`).
    """
    spread = np.array([cautious(sd, int(n)) for sd, n in zip(single, judged.outer.prompts, strict=True)])
    total = _total(judged, chosen, pairs, spread, margin)
    return None if total >= MANY else round_up(total)


def _sd(differences: Array) -> float:
    kept = differences[~np.isnan(differences)]
    return cautious(float(kept.std(ddof=1)), kept.size) if kept.size > 1 else math.nan


def _total(judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], spread: Array, margin: float) -> int:
    """Prompts for a verdict: every pair equivalent, or any planned contrast different."""
    if not pairs or not np.isfinite(spread[list(pairs)]).all() or not margin > 0:
        return MANY
    effect = judged.outer.mean
    same = max(needed_equivalent(margin, float(spread[i]), truth=abs(float(effect[i]))) for i in pairs)
    apart = min(
        (
            needed_different(float(effect[i]), float(spread[i]), contrasts=max(judged.size, 1))
            for i in chosen
            if judged.contrasts[i].planned and math.isfinite(effect[i]) and math.isfinite(spread[i])
        ),
        default=MANY,
    )
    return max(min(same, apart), MINIMUM_PROMPTS)
