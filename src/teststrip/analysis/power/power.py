"""What a design can see, before any picture is made; and which design would see enough.

All in units of the within-prompt seed SD unless variances in score units are given. Knows counts and variances;
no data. Loads nothing heavy: `plan` prints it at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from teststrip.analysis.power import student
from teststrip.analysis.sentences.phrases import percent
from teststrip.records import DEFAULT_MARGIN, MINIMUM_DEGREES, MINIMUM_PROMPTS

PILOT = (12, 2)
"""Prompts and seeds that make a pilot."""
MANY = 100_000
"""More prompts than a study has: the answer means that no number of prompts would do."""


@dataclass(frozen=True, slots=True)
class Variances:
    """What scatters, as standard deviations.

    Attributes:
        residual: of one image after its prompt, its seed and its cell are known.
        interaction: of a prompt's own response to a cell; more seeds do not average it out.
        seed: between seeds of one prompt in one cell: the unit of the margin.
        source: where the numbers come from.
        metric: whose they are, where they are in score units.
    """

    residual: float = 0.5
    interaction: float = 0.2
    seed: float = 1.0
    source: str = "assumed (no pilot yet)"
    metric: str = ""

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
    low, high = 0.0, critical + 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(prompts, middle, critical) < power else (low, middle)
    return high * sd / math.sqrt(prompts)


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


def power_equivalent(prompts: int, margin: float, sd: float, *, truth: float = 0.0, alpha: float = 0.05) -> float:
    """Chance that two one-sided tests find a true difference `truth` inside the margin.

    >>> round(power_equivalent(100, 0.2, Variances().of_difference(1)), 2)
    0.66
    """
    if prompts < 2:
        return 0.0
    se = sd / math.sqrt(prompts)
    degrees = prompts - 1
    critical = student.quantile(1 - alpha, degrees)

    def inside(spread: float) -> float:
        half = critical * spread
        above = student.normal_cdf((margin - truth) / se - half)
        below = student.normal_cdf((-margin - truth) / se + half)
        return max(above - below, 0.0)

    return sum(weight * inside(spread) for spread, weight in student.spread(degrees))


def cautious(sd: float, prompts: int) -> float:
    """The 80 % upper confidence limit of an SD seen on few prompts: half of all small pilots show too little spread.

    Source: Browne 1995.

    >>> round(cautious(1.0, 5), 2), round(cautious(1.0, 100), 2)
    (1.56, 1.07)
    """
    return sd / student.spread_quantile(0.2, prompts - 1) if prompts > 1 else math.nan


def needed_equivalent(margin: float, sd: float, *, truth: float = 0.0, power: float = 0.8) -> int:
    """Prompts at which a true difference `truth` is shown to lie inside the margin with this power.

    Returns:
        At least MINIMUM_PROMPTS; MANY when no number of prompts below it would do.
    """
    if sd == 0:
        return MINIMUM_PROMPTS if abs(truth) <= margin else MANY
    return least(lambda prompts: power_equivalent(prompts, margin, sd, truth=truth) >= power)


def needed_different(difference: float, sd: float, *, power: float = 0.8, contrasts: int = 1) -> int:
    """Prompts at which this true difference is called different with this power; MANY = out of reach."""
    if difference == 0:
        return MANY
    if sd == 0:
        return MINIMUM_PROMPTS
    return least(lambda prompts: power_different(prompts, difference, sd, contrasts=contrasts) >= power)


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


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one split of images can see.

    Attributes:
        prompts: of the split.
        replicates: of the split; images a cell are the product of both.
        detectable: smallest difference of two cells found in 80 % of studies, in seed SD; inf = no verdict possible.
        equivalence: chance to show that two equal cells are equal within the margin.
        needed: prompts (at these replicates) at which equal cells are shown equal in 80 % of studies.
        margin: in seed SD.
    """

    prompts: int
    replicates: int
    detectable: float
    equivalence: float
    needed: int
    margin: float


def outlook(
    prompts: int,
    replicates: int,
    *,
    margin: float = DEFAULT_MARGIN,
    contrasts: int = 1,
    variances: Variances | None = None,
) -> Outlook:
    """What `prompts` × `replicates` images a cell can see of two cells, margin and answer in seed SD."""
    variances = variances or Variances()
    sd = variances.of_difference(replicates) / variances.seed
    return Outlook(
        prompts,
        replicates,
        detectable(prompts, sd, contrasts=contrasts) if prompts >= MINIMUM_PROMPTS else math.inf,
        power_equivalent(prompts, margin, sd) if prompts >= MINIMUM_PROMPTS else 0.0,
        needed_equivalent(margin, sd),
        margin,
    )


def better_split(
    prompts: int,
    replicates: int,
    *,
    margin: float = DEFAULT_MARGIN,
    contrasts: int = 1,
    variances: Variances | None = None,
) -> Outlook | None:
    """The same number of images a cell, split to see more: as many prompts as images, with one seed each.

    With one seed a prompt the seed SD itself cannot be measured; a margin in score units does not need it.

    Returns:
        None where the design has one seed a prompt already.
    """
    if replicates <= 1:
        return None
    return outlook(prompts * replicates, 1, margin=margin, contrasts=contrasts, variances=variances)


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


def explain(
    prompts: int,
    replicates: int,
    *,
    margin: float | Mapping[str, float] = DEFAULT_MARGIN,
    contrasts: int = 1,
    cells: int = 1,
    variances: Variances | None = None,
) -> tuple[str, ...]:
    """What `plan` prints about a design, a sentence each.

    Args:
        prompts: how many the design has.
        replicates: how many seeds each prompt has.
        margin: in seed SD, or in score units by metric: that of the measured metric counts.
        contrasts: how many are planned, so corrected for together.
        cells: how many settings the design has.
        variances: default those usual for scores.

    >>> print(explain(5, 6, cells=16)[0])
    For prompts like these: 5 prompts cannot settle anything; no exact test on fewer than 6 prompts reaches p < .05.
    """
    variances = variances or Variances()
    size = _margin_in_sd(margin, variances)
    now = outlook(prompts, replicates, margin=size, contrasts=contrasts, variances=variances)
    better = better_split(prompts, replicates, margin=size, contrasts=contrasts, variances=variances)
    lines = []
    if prompts < MINIMUM_PROMPTS:
        lines.append(
            f"For prompts like these: {prompts} prompts cannot settle anything; no exact test on fewer than "
            f"{MINIMUM_PROMPTS} prompts reaches p < .05."
        )
    else:
        among = f", corrected for {contrasts} planned comparisons" if contrasts > 1 else ""
        lines.append(
            f"For prompts like these: {prompts} prompts × {replicates} {_seeds(replicates)} find a difference of "
            f"{now.detectable:.2f} SD between two settings in 80 % of studies{among}."
        )
        lines.append(
            f"Shows that two equal settings are equal within ±{size:.3g} SD in {percent(now.equivalence)} of studies."
        )
    if now.equivalence < 0.8:
        images = round_up(now.needed) * replicates * cells
        lines.append(
            f"To show equality in 80 % of studies: about {round_up(now.needed)} prompts × {replicates} "
            f"{_seeds(replicates)} ({images:,} images)."
        )
    if better is not None and math.isfinite(better.detectable):
        lines.append(
            f"The same {prompts * replicates * cells:,} images as {better.prompts} prompts × 1 seed would find "
            f"{better.detectable:.2f} SD and show equality in {percent(better.equivalence)} of studies: more prompts "
            "beat more seeds."
        )
    lines.append(
        f"Spread used, in SD between seeds: {variances.residual / variances.seed:.2f} an image, "
        f"{variances.interaction / variances.seed:.2f} a prompt's own response; {variances.source}."
    )
    if isinstance(margin, Mapping) and variances.metric not in margin:
        lines.append(f"The study's margins are in score units: until those scores are measured ±{size} SD stands in.")
    return tuple(lines)


def detectable_here(prompts: int, replicates: int, *, contrasts: int = 1, variances: Variances | None = None) -> float:
    """The smallest true difference on these very prompts that is found in 80 % of studies, in seed SD.

    A prompt's own response is part of what is asked, so images alone scatter. The degrees of freedom are what
    Satterthwaite's come to where prompts scatter alike.

    Returns:
        inf where the design has too few seeds for a verdict on these prompts.

    >>> round(detectable_here(5, 6), 2), detectable_here(5, 1)
    (0.38, inf)
    """
    variances = variances or Variances()
    if prompts * (replicates - 1) < MINIMUM_DEGREES:
        return math.inf
    degrees = max(int((replicates - 1) / (replicates + 1) * (prompts * (replicates - 1) + 2)), 1)
    sd = math.sqrt(2) * variances.residual / variances.seed
    seen = detectable(degrees + 1, sd, contrasts=contrasts)
    return seen * math.sqrt((degrees + 1) / (prompts * replicates))


def explain_here(
    prompts: int,
    replicates: int,
    *,
    contrasts: int = 1,
    variances: Variances | None = None,
    shared_seeds: bool = False,
) -> str:
    """What `plan` prints about answers on these very prompts.

    Args:
        prompts, replicates, contrasts, variances: as in `explain`.
        shared_seeds: all prompts have the same seeds, which are then counted once.

    >>> print(explain_here(1, 3))
    On this prompt: nothing can be settled with 3 seeds a prompt; 6 would do.
    """
    these = "this prompt" if prompts == 1 else f"these {prompts} prompts"
    rows = 1 if shared_seeds else prompts
    least = detectable_here(rows, replicates, contrasts=contrasts, variances=variances)
    if math.isinf(least):
        needed = math.ceil(MINIMUM_DEGREES / rows) + 1
        seeds = f"{replicates} {_seeds(replicates)} a prompt"
        return f"On {these}: nothing can be settled with {seeds}; {needed} would do."
    among = f", corrected for {contrasts} planned comparisons" if contrasts > 1 else ""
    return (
        f"On {these}: {rows * replicates} paired seeds find a difference of {least:.2f} SD between two settings in "
        f"80 % of studies{among}."
    )


def _margin_in_sd(margin: float | Mapping[str, float], variances: Variances) -> float:
    if not isinstance(margin, Mapping):
        return margin
    return margin[variances.metric] / variances.seed if variances.metric in margin else DEFAULT_MARGIN


def _seeds(count: int) -> str:
    return "seed" if count == 1 else "seeds"


def round_up(count: float) -> int:
    """Up to two significant digits, for "about": 113 -> 120."""
    if count <= 0:
        return 0
    step: int = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return math.ceil(count / step) * step
