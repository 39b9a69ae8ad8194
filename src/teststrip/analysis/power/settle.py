"""Which further design would bring a verdict, if the truth is what was seen. Knows contrasts and their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.judging import Judgement
from teststrip.analysis.power.power import MANY, least, round_up
from teststrip.records import MINIMUM_PROMPTS


def more_prompts(judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], margin: float) -> int | None:
    """About how many further prompts of the same design bring a verdict in 80 % of studies; None = out of reach.

    Args:
        judged: a single study.
        chosen: indices of the contrasts that belong to this question.
        pairs: indices of those that equivalence needs.
        margin: score units.
    """
    total = _total(judged, chosen, pairs, np.array([cautious_sd(d) for d in judged.differences]), margin)
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


def more_seeds(judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], margin: float) -> int | None:
    """About how many further seeds a prompt bring a verdict on these prompts in 80 % of studies; None = out of reach.

    Args:
        judged: a single study, judged for these prompts.
        chosen, pairs, margin: as in `more_prompts`.
    """
    seeds, prompts = judged.seeds, np.maximum(judged.outer.prompts, 1)
    spread = np.array(
        [cautious(sd, int(n)) for sd, n in zip(judged.outer.se * np.sqrt(seeds), seeds - prompts + 1, strict=True)]
    )
    total = _total(judged, chosen, pairs, spread, margin)
    have = min((float(seeds[i] / prompts[i]) for i in pairs), default=0.0)
    most = float(prompts[list(pairs)].max()) if pairs else 1.0
    return None if total >= MANY else max(round_up(math.ceil(total / most - have)), 1)


def cautious(sd: float, prompts: int) -> float:
    """The 80 % upper confidence limit of an SD (Browne 1995), as `power.cautious`; NaN below two prompts."""
    if prompts < 2:
        return math.nan
    return sd * math.sqrt((prompts - 1) / float(special.chdtri(prompts - 1, 0.8)))


def cautious_sd(differences: Array) -> float:
    """`cautious` of the standard deviation of these prompt differences; NaN entries are left out."""
    kept = differences[~np.isnan(differences)]
    return cautious(float(kept.std(ddof=1)), kept.size) if kept.size > 1 else math.nan


def needed_equivalent(margin: float, sd: float, *, truth: float = 0.0, power: float = 0.8) -> int:
    """Prompts at which a true difference `truth` is shown to lie inside the margin; MANY = out of reach.

    A report asks this of every pair. So it takes the spread as known and counts with SciPy, which is a thousand times
    faster than `power.needed_equivalent` and differs by a prompt or two.
    """
    if sd == 0:
        return MINIMUM_PROMPTS if truth <= margin else MANY
    if truth >= margin:
        return MANY

    def shown(prompts: int) -> bool:
        degrees, se = prompts - 1, sd / math.sqrt(prompts)
        half = special.stdtrit(degrees, 0.95)
        sides = (special.stdtr(degrees, (margin + side * truth) / se - half) for side in (-1, 1))
        return bool(sum(sides) - 1 >= power)

    return least(shown)


def needed_different(difference: float, sd: float, *, power: float = 0.8, contrasts: int = 1) -> int:
    """Prompts at which this true difference is called different in a family of so many; MANY = out of reach."""
    if difference == 0:
        return MANY
    if sd == 0:
        return MINIMUM_PROMPTS

    def found(prompts: int) -> bool:
        critical = special.stdtrit(prompts - 1, 1 - 0.025 / contrasts)
        shift = abs(difference) / (sd / math.sqrt(prompts))
        return bool(shift > critical + 30 or 1 - special.nctdtr(prompts - 1, shift, critical) >= power)

    return least(found)


def _total(judged: Judgement, chosen: Sequence[int], pairs: Sequence[int], spread: Array, margin: float) -> int:
    """Prompts (or paired seeds) for a verdict: every pair equivalent, or any planned contrast different."""
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
