"""The chance that a study shows all levels of an axis to be equal, where they are equal; and the prompts for it.

Counts what the verdict asks for: every pair of levels has its own 90 % interval, widened by the margin's own error,
inside the margin that the study will have. All pairs are given one error, though each has its own: that is right
where the chance is 80 %, and up to 7 points too high for eight levels where it is low. Knows counts and standard
deviations; no data, and no NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from teststrip.analysis.power import student
from teststrip.analysis.power.power import SHARE, least
from teststrip.records import MINIMUM_PROMPTS

PANELS = 60
"""Of the integral over the sample SD: the chance is good to 1e-6."""
LUCKS = 15
"""Pilots of equal chance that stand for all of them."""
HERMITE = (
    (-2.8569700, 0.0112574),
    (-1.3556262, 0.2220759),
    (0.0, 0.5333333),
    (1.3556262, 0.2220759),
    (2.8569700, 0.0112574),
)
"""Nodes and weights of an integral over a standard normal (Gauss-Hermite, five nodes)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What has to be shown: that so many levels are equal.

    Attributes:
        levels: how many; every pair of them has to lie inside the margin.
        margin: the true one.
        sd: over prompts of the difference of two levels, in the unit of the margin.
        margin_error: the margin's relative standard error in a study of one prompt; that of n prompts is √n times
            smaller. 0 = the margin is given in score units.
        degrees: of freedom behind `sd`, of a pilot; None = `sd` is taken as it stands.
    """

    levels: int
    margin: float
    sd: float
    margin_error: float = 0.0
    degrees: int | None = None

    def chance(self, prompts: int, luck: float = 1.0) -> float:
        """The chance that a study of so many prompts shows it.

        Args:
            prompts: of the study.
            luck: the pilot's SD in units of the true one.

        >>> round(Asked(2, 0.2, 0.76).chance(100), 2), round(Asked(4, 0.2, 0.76).chance(100), 2)
        (0.67, 0.24)
        """
        if prompts < MINIMUM_PROMPTS:
            return 0.0
        if self.sd == 0:
            return 1.0
        se = self.sd / luck / math.sqrt(prompts)
        critical = student.quantile(0.95, prompts - 1)
        error = self.margin_error / math.sqrt(prompts)
        total = 0.0
        for z, share in HERMITE if error else ((0.0, 1.0),):
            margin = self.margin * max(1 + z * error, 0.0)
            for s, weight in _nodes(prompts - 1):
                half = critical * math.hypot(s * se, margin * error)
                # The range of the levels' means, each of which has half the variance of a difference.
                total += share * weight * student.range_cdf((margin - half) / se * math.sqrt(2), self.levels)
        return total

    def lucks(self) -> tuple[float, ...]:
        """What the pilot's SD may be in units of the true one, from unlucky to lucky, each with the same chance."""
        if self.degrees is None:
            return (1.0,)
        return tuple(student.spread_quantile((i + 0.5) / LUCKS, self.degrees) for i in range(LUCKS))

    def assurance(self, prompts: int) -> float:
        """The mean chance over what the true spread may be."""
        lucks = self.lucks()
        return math.fsum(self.chance(prompts, luck) for luck in lucks) / len(lucks)

    def likely(self, prompts: int) -> tuple[float, float]:
        """The chance lies between these two for four of five pilots."""
        if self.degrees is None:
            return (self.chance(prompts),) * 2
        low, high = (self.chance(prompts, student.spread_quantile(p, self.degrees)) for p in (0.1, 0.9))
        return low, high

    def needed(self) -> int:
        """The fewest prompts that show it in 80 % of studies, on average over pilots; MANY = out of reach."""
        return _needed(self)


@lru_cache(maxsize=64)
def _nodes(degrees: int) -> tuple[tuple[float, float], ...]:
    """The nodes of `student.spread` that count: the others, a third of all, weigh less than 1e-7 together."""
    return tuple(node for node in student.spread(degrees, PANELS) if node[1] > 1e-9)


@lru_cache(maxsize=256)
def _needed(asked: Asked) -> int:
    """Asked for again for each axis of as many levels."""
    return least(lambda prompts: asked.assurance(prompts) >= SHARE)


def margin_error(seeds: int, cells: int, shared: float) -> float:
    """The relative standard error of a margin in seed SD, of a study of one prompt; NaN with one seed a prompt.

    Args:
        seeds: of each prompt.
        cells: in each of which the seeds of a prompt are seen; the margin rests on the median over cells.
        shared: which part of the variance between seeds all cells share, 0..1.

    Source:
        Normal theory. The SD of one cell has a variance of 1 / (2 df). Two cells of a normal sample correlate by the
        square of what they share; the median of n uncorrelated ones has π / (2n + π − 2) of the variance of one.
    """
    if seeds < 2:
        return math.nan
    alike = shared**2
    return math.sqrt((alike + (1 - alike) * math.pi / (2 * cells + math.pi - 2)) / (2 * (seeds - 1)))
