"""The smallest difference that a design can see, before any picture is made.

All in units of the within-prompt seed SD unless variances in score units are given. Knows counts and variances;
no data. Loads nothing heavy: `plan` prints it at once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from teststrip.analysis.power import student
from teststrip.records import MINIMUM_DEGREES, MINIMUM_PROMPTS

PILOT = (12, 2)
"""Prompts and seeds that make a pilot."""
MANY = 100_000
"""More prompts than a study has: the answer means that no number of prompts would do."""
REACH = 3_000
"""More further prompts than this, or seeds a prompt, are not within reach."""
SHARE = 0.8
"""Of studies that shall get the verdict."""
DRAWS = 2_000
"""Of the variances of few prompts; the smallest difference seen is good to half a percent."""
MOST_DRAWN = 40
"""Degrees of freedom from which their own luck no longer matters."""


@dataclass(frozen=True, slots=True)
class Variances:
    """What scatters, as standard deviations.

    Attributes:
        residual: of one image after its prompt, its seed and its cell are known.
        interaction: of a prompt's own response to a cell; more seeds do not average it out.
        seed: between seeds of one prompt in one cell: the unit of the margin.
        source: where the numbers come from.
        metric: whose they are, where they are in score units.
        degrees: of freedom behind the spread of a difference; None = the spread is taken as it stands.
        seed_degrees: the same of `seed`.
    """

    residual: float = 0.5
    interaction: float = 0.2
    seed: float = 1.0
    source: str = "assumed (no pilot yet)"
    metric: str = ""
    degrees: int | None = None
    seed_degrees: int | None = None

    @property
    def shared(self) -> float:
        """Which part of the variance between seeds all cells share, 0..1."""
        return max(1 - (self.residual / self.seed) ** 2, 0.0)

    def of_difference(self, replicates: float) -> float:
        """SD over prompts of the difference of two cells, each a mean over `replicates` seeds."""
        return math.sqrt(2 * (self.residual**2 / replicates + self.interaction**2))


def detectable(prompts: int, sd: float, *, power: float = 0.8, alpha: float = 0.05, contrasts: int = 1) -> float:
    """The smallest true difference found with this power by a two-sided paired t-test over prompts.

    Args:
        prompts: at least 2.
        sd: of the within-prompt difference, any unit; the answer has the same.
        contrasts: size of the family; the test is made at alpha / contrasts, Holm's first step.

    Returns:
        inf below two prompts.

    Source:
        Non-central t. 30 prompts × 1 seed with the default variances:

    >>> round(detectable(30, Variances().of_difference(1)), 2)
    0.4
    """
    if prompts < 2:
        return math.inf
    critical = student.quantile(1 - alpha / contrasts / 2, prompts - 1)
    shift = student.root(lambda shift: _power(prompts, shift, critical) - power, 0.0, critical + 40.0)
    return shift * sd / math.sqrt(prompts)


def _power(prompts: int, shift: float, critical: float) -> float:
    """Chance that |t| exceeds the critical value when the mean lies `shift` standard errors from zero."""
    if shift > critical + 30:
        return 1.0
    degrees = prompts - 1
    return 1 - student.noncentral_cdf(critical, degrees, shift) + student.noncentral_cdf(-critical, degrees, shift)


def power_different(prompts: int, difference: float, sd: float, *, alpha: float = 0.05, contrasts: int = 1) -> float:
    """Chance to call this true difference different; the verdict needs MINIMUM_PROMPTS."""
    if prompts < MINIMUM_PROMPTS:
        return 0.0
    critical = student.quantile(1 - alpha / contrasts / 2, prompts - 1)
    return _power(prompts, abs(difference) / (sd / math.sqrt(prompts)), critical)


def least(settles: Callable[[int], bool]) -> int:
    """The fewest prompts that settle it, by doubling and bisection; MANY = out of reach."""
    low = high = MINIMUM_PROMPTS
    if settles(low):
        return low
    while not settles(high):
        low, high = high, high * 2
        if high >= MANY:
            return MANY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def planned_contrasts(axes: Sequence[tuple[int, bool]]) -> int:
    """How many contrasts are planned, so corrected for together: as `effects.planned`, but without its weights.

    Args:
        axes: of each, how many levels it has and whether they are numbers.

    >>> planned_contrasts([(4, True), (4, True)]), planned_contrasts([(2, True)]), planned_contrasts([(3, False)])
    (11, 1, 3)
    """
    own = [_of_numbers(count) if numeric else count * (count - 1) // 2 for count, numeric in axes]
    simple = [min(count - 1, 1) if numeric else count - 1 for count, numeric in axes]
    return sum(own) + sum(a * b for a, b in combinations(simple, 2))


def _of_numbers(count: int) -> int:
    """Neighbours and, from three levels on, trend and bend."""
    return count - 1 + 2 * (count > 2)


def detectable_here(prompts: int, replicates: int, *, contrasts: int = 1, variances: Variances | None = None) -> float:
    """The smallest true difference on these very prompts that is found in 80 % of studies, in seed SD.

    A prompt's own response is part of what is asked, so images alone scatter.

    Returns:
        inf where the design has too few seeds for a verdict on these prompts.

    >>> round(detectable_here(5, 6), 2), detectable_here(5, 1)
    (0.38, inf)
    """
    variances = variances or Variances()
    if prompts * (replicates - 1) < MINIMUM_DEGREES:
        return math.inf
    sd = math.sqrt(2) * variances.residual / variances.seed
    degrees = (replicates - 1) / (replicates + 1) * (prompts * (replicates - 1) + 2)
    if prompts == 1 or degrees > MOST_DRAWN:
        seen = detectable(int(degrees) + 1, sd, contrasts=contrasts)
        return seen * math.sqrt((int(degrees) + 1) / (prompts * replicates))
    bounds = [s * _quantile(1 - 0.025 / contrasts, freedom) for s, freedom in _spreads(prompts, replicates)]

    def chance(shift: float) -> float:
        outside = (student.normal_cdf(shift - b) + student.normal_cdf(-shift - b) for b in bounds)
        return math.fsum(outside) / len(bounds)

    shift = student.root(lambda shift: chance(shift) - SHARE, 0.0, max(bounds) + 10.0)
    return shift * sd / math.sqrt(prompts * replicates)


@lru_cache(maxsize=16)
def _spreads(prompts: int, replicates: int) -> tuple[tuple[float, float], ...]:
    """Draws of the standard error that few seeds show, in units of the true one, and Satterthwaite's degrees.

    The two go together: where one prompt happens to scatter far more than the others, the degrees are few.
    """
    rng, half = random.Random(0), (replicates - 1) / 2  # noqa: S311 a fixed sample, no secret
    found = []
    for _ in range(DRAWS):
        variances = [rng.gammavariate(half, 1 / half) for _ in range(prompts)]
        total = math.fsum(variances)
        degrees = total**2 / math.fsum(v * v for v in variances) * (replicates - 1)
        found.append((math.sqrt(total / prompts), degrees))
    return tuple(found)


def _quantile(p: float, degrees: float) -> float:
    """Student's quantile between whole degrees of freedom: its logarithm is nearly straight in 1 / degrees."""
    low = max(int(degrees), 1)
    share = (1 / low - 1 / degrees) * low * (low + 1)
    return math.exp((1 - share) * math.log(student.quantile(p, low)) + share * math.log(student.quantile(p, low + 1)))


def round_up(count: float, *, digits: int = 2) -> int:
    """Up to so many significant digits, for "about": 113 -> 120."""
    if count <= 0:
        return 0
    step: int = 10 ** max(math.floor(math.log10(count)) + 1 - digits, 0)
    return math.ceil(count / step) * step
