"""What single prompts make of a difference, and whether an average speaks for them.

Knows paired differences [prompts, seeds]; nothing of levels and words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.records import Contrast, PromptEffect, Response

ALPHA = 0.05
MOST_BEYOND = 0.25
"""An average speaks for single prompts where at most so many of them may lie beyond the margin.

Source: Anderson & Hauck 1990, individual equivalence: at least three quarters of the subjects lie inside.
"""


@dataclass(frozen=True)
class Answers:
    """Each prompt's own difference and how sure its seeds are of it.

    Attributes:
        own: [prompts] mean over seeds, score units; NaN = no pair.
        count: [prompts] pairs of seeds.
        variance: of one pair inside a prompt, pooled over prompts; NaN where no prompt has two pairs.
        freedom: its degrees of freedom.
    """

    own: Array
    count: Array
    variance: float
    freedom: int

    @classmethod
    def of(cls, differences: Array) -> Answers:
        """From paired differences [prompts, seeds]; NaN = no pair."""
        count = (~np.isnan(differences)).sum(axis=1)
        own = mean(differences, 1)
        freedom = int(np.maximum(count - 1, 0).sum())
        squares = float(np.nansum((differences - own[:, None]) ** 2))
        variance = squares / freedom if freedom else math.nan
        largest = float(np.nanmax(np.abs(own), initial=0.0))
        # Rounding, not spread: all differences of a prompt are equal but for the last bits.
        return cls(own, count, 0.0 if variance < (1e-12 * largest) ** 2 else variance, freedom)

    @property
    def between(self) -> float:
        """The variance of the prompts' own differences, the luck of their seeds included."""
        known = self.own[self.count > 0]
        return float(known.var(ddof=1)) if known.size > 1 else math.nan

    @property
    def luck(self) -> float:
        """The part of `between` that comes from seeds, on average over prompts."""
        return self.variance * float((1 / self.count[self.count > 0]).mean())

    @property
    def prompts(self) -> int:
        """How many prompts have a pair."""
        return int((self.count > 0).sum())

    def bound(self) -> float:
        """The largest SD of the prompts' own response that still fits: an upper 95 % bound; NaN = cannot be told.

        Source: Burdick & Graybill 1992, the modified large-sample bound of a difference of two variances.
        """
        degrees = self.prompts - 1
        if degrees < 1 or not self.freedom:
            return math.nan
        above = degrees / special.chdtri(degrees, 1 - ALPHA) - 1
        below = 1 - self.freedom / special.chdtri(self.freedom, ALPHA)
        ratio = special.fdtri(degrees, self.freedom, ALPHA)
        cross = ((1 - ratio) ** 2 - (above * ratio) ** 2 - below**2) / ratio
        seen, luck = self.between, self.luck
        spread = (above * seen) ** 2 + (below * luck) ** 2 + cross * seen * luck
        return math.sqrt(max(seen - luck + math.sqrt(max(spread, 0.0)), 0.0))

    def alike_p(self) -> float:
        """p that all prompts answer alike (analysis of variance); NaN = seeds cannot tell."""
        if self.prompts < 2 or not self.freedom:
            return math.nan
        if not self.luck > 0:
            return 0.0 if self.between > 0 else 1.0
        return float(special.fdtrc(self.prompts - 1, self.freedom, self.between / self.luck))

    def beyond(self, margin: float) -> float:
        """The share of prompts beyond the margin if their own response is as large as still fits; NaN = unknown."""
        centre, sd = float(np.nanmean(self.own)), self.bound()
        if self.prompts == 1:
            return float(abs(centre) > margin)
        if not sd > 0:
            return sd if math.isnan(sd) else float(abs(centre) > margin)
        return float(special.ndtr((-margin - centre) / sd) + special.ndtr((centre - margin) / sd))

    def shrunken(self) -> Array:
        """Each prompt's own difference, drawn towards the mean of all by as much as its seeds leave open."""
        centre = float(np.nanmean(self.own))
        own = max(self.between - self.luck, 0.0)
        share = own / (own + self.variance / np.maximum(self.count, 1)) if own > 0 else np.zeros(self.own.shape)
        found: Array = centre + share * (self.own - centre)
        return found

    def signs(self) -> Array:
        """The sign of each prompt whose difference is clear (5 %, two-sided); with one seed a prompt of each prompt."""
        own = np.where(self.count > 0, self.own, 0.0)
        if not self.freedom:
            return np.sign(own)
        least = special.stdtrit(self.freedom, 1 - ALPHA / 2) * np.sqrt(self.variance / np.maximum(self.count, 1))
        return np.where(np.abs(own) > least, np.sign(own), 0.0)


def speaks_for_prompts(differences: Array, margin: float) -> bool:
    """Whether what holds on average is shown to hold for nearly all prompts; False where seeds cannot tell."""
    return Answers.of(differences).beyond(margin) <= MOST_BEYOND


def of(
    differences: Array, names: Sequence[str], asked: Contrast, *, margin: float, higher_is_better: bool | None
) -> Response | None:
    """How prompts answer a difference; None where no prompt has it.

    Args:
        differences: [prompts, seeds] inside a prompt and seed, score units; NaN = no pair.
        names: of the prompts.
        asked: the difference.
        margin: the smallest difference that matters, score units.
        higher_is_better: of the score.
    """
    answers = Answers.of(differences)
    if not answers.prompts:
        return None
    signs, known = answers.signs(), answers.own[answers.count > 0]
    up, down = int((signs > 0).sum()), int((signs < 0).sum())
    higher = float(((known > 0) + 0.5 * (known == 0)).mean())
    p = answers.alike_p()
    differ = p < ALPHA
    shrunken = answers.shrunken()
    extremes = int(np.nanargmax(shrunken)), int(np.nanargmin(shrunken))
    ends = [PromptEffect(names[i], float(shrunken[i])) for i in extremes]
    tells = answers.freedom > 0 and answers.prompts > 1
    return Response(
        asked=asked,
        up=up,
        down=down,
        unclear=answers.prompts - up - down,
        clear=answers.freedom > 0,
        better=1 - higher if higher_is_better is False else higher,
        higher_is_better=higher_is_better,
        sd=math.sqrt(max(answers.between - answers.luck, 0.0)) if tells else math.nan,
        sd_high=answers.bound(),
        beyond=answers.beyond(margin),
        p=p,
        most=ends[0] if differ else None,
        least=ends[1] if differ else None,
    )
