"""How many more prompts (or seeds) would bring a verdict: if nothing changes, and if what was seen is true.

Draws what the study may come to and puts it through the rules of the verdicts. The draws are the same each time, so
that the same study gets the same answer. The spread of few prompts is no certain thing: each draw has its own.
Knows contrasts, their differences and the margin. A *unit* is a prompt; where a study is about its very prompts it is
a paired seed, and the prompts are the blocks in which seeds scatter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.power import spread
from teststrip.analysis.power.power import MANY, REACH, SHARE, least
from teststrip.records import MINIMUM_DEGREES, MINIMUM_PROMPTS

DRAWS = 1_024
"""Of what a study may come to: the chance is good to 1.3 points, the number of prompts to 4 %."""
FINE = 0.02
"""The number of prompts is looked for to this share, because two of its digits are told."""


@dataclass(frozen=True)
class Open:
    """A question without a verdict.

    Attributes:
        differences: [contrasts, units] of all contrasts of the question, score units, NaN = missing. Of paired seeds
            what is left of each without the mean of its prompt, plus the mean over prompts (`of_seeds`).
        weights: [contrasts, levels].
        pairs: which contrasts have to lie inside the margin.
        planned: which of them may show a difference.
        claims: for how many contrasts Holm corrects.
        margin: score units.
        margin_se: its standard error; 0 = the margin is given in score units.
        blocks: how many means the units scatter around: 1, or where they are paired seeds, as many as prompts.
    """

    differences: Array
    weights: Array
    pairs: NDArray[np.bool_]
    planned: NDArray[np.bool_]
    claims: int
    margin: float
    margin_se: float = 0.0
    blocks: int = 1

    @cached_property
    def spread(self) -> spread.Spread:
        """How the contrasts scatter."""
        return spread.of_contrasts(self.differences, self.weights, blocks=self.blocks)

    @cached_property
    def have(self) -> Array:
        """How many units each contrast has."""
        count: Array = (~np.isnan(self.differences)).sum(axis=1).astype(float)
        return count

    @cached_property
    def answers(self) -> float:
        """Which share of further units will tell all pairs, going by those that there are."""
        return float(self.have[self.pairs].min() / self.differences.shape[1])

    @property
    def answerable(self) -> bool:
        """Whether there is anything to reckon with."""
        return bool(self.pairs.any() and self.have.min() > self.blocks and self.margin > 0)

    def degrees(self, units: Array) -> Array:
        """Of freedom that so many units have: Satterthwaite's, as they are on average where blocks scatter alike."""
        each = units / self.blocks
        found: Array = (each - 1) / (each + 1) * (self.blocks * (each - 1) + 2)
        return found

    def enough(self, units: Array) -> bool:
        """Whether so many units are enough for a verdict."""
        return bool((units - self.blocks >= MINIMUM_DEGREES).all())


def of_seeds(differences: Array, *, shared_seeds: bool) -> tuple[Array, int]:
    """Paired seeds as units, and their blocks.

    Args:
        differences: [contrasts, prompts, seeds], NaN = missing.
        shared_seeds: a column is one seed for all prompts, so that the seeds are the only sample.
    """
    if shared_seeds:
        return mean(differences, 1), 1
    single = (~np.isnan(differences)).sum(axis=-1) < 2
    kept = np.where(single[..., None], np.nan, differences)
    middle = mean(kept, 2, keepdims=True)
    units = kept - middle + mean(middle, 1, keepdims=True)
    return units.reshape(len(units), -1), int((~single).sum(axis=1).min())


def if_equal(question: Open) -> int | None:
    """How many more prompts, or seeds a prompt, show that all pairs are equal, if they are; None = out of reach."""
    if not question.answerable:
        return None
    return _fewest(lambda more: _Future.going_on(question, more * question.blocks).equal())


def if_as_seen(question: Open) -> int | None:
    """How many more prompts, or seeds a prompt, show the difference, if what was seen is true; None = out of reach.

    Counts a new study with so many more prompts. What is seen already is the assumption and is not counted as evidence
    for itself once more.
    """
    if not question.answerable:
        return None
    return _fewest(
        lambda more: _Future.new(question, more * question.blocks, mean(question.differences, 1)).different()
    )


def one_seed_prompts(question: Open, share: float) -> int | None:
    """Prompts of a new study with one seed each that show that all pairs are equal, if they are.

    Args:
        question: with a margin in score units, because one seed a prompt shows no SD between seeds.
        share: how many times the variance over prompts is larger with one seed than with all.

    Returns:
        None = not within reach.
    """
    if not question.answerable or question.margin_se:
        return None
    have = int(question.have.min())
    truth, louder = np.zeros(len(question.have)), math.sqrt(share)
    more = _fewest(lambda more: _Future.new(question, more, truth, louder=louder).equal())
    return None if more is None else have + more


def _fewest(chance: Callable[[int], float]) -> int | None:
    """The fewest more with which the chance is 80 %, to two digits; None = more than REACH."""
    low, high = 0, 1
    while chance(high) < SHARE:
        if high >= REACH:
            return None
        low, high = high, min(high * 2, REACH)
    while high - low > max(1, FINE * high):
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= SHARE else (middle, high)
    return int(float(f"{high:.2g}"))


@dataclass(frozen=True)
class _Future:
    """What a study may have come to: [draws, contrasts], and one number of units for each contrast."""

    question: Open
    units: Array
    mean: Array
    variance: Array
    margin: Array
    margin_se: Array

    @classmethod
    def going_on(cls, question: Open, more: int) -> _Future:
        """The study that there is, with more units, where the truth is that nothing differs."""
        new, lucks = more * question.answers, _draws(question.spread.root.shape[1])
        fresh, squares = _sample(question, new, lucks)
        have, seen = question.have, mean(question.differences, 1)
        total = have + new
        left = question.differences - seen[:, None]
        old = np.where(np.isnan(left), 0.0, left**2).sum(axis=1)
        between = have * new / total * (fresh - seen) ** 2
        return cls(
            question,
            total,
            (have * seen + new * fresh) / total,
            (old + squares + between) / (total - question.blocks),
            *_margins(question, new, lucks),
        )

    @classmethod
    def new(cls, question: Open, more: int, truth: Array, *, louder: float = 1.0) -> _Future:
        """Another study with as many units as there are and more, where this is the truth of each contrast."""
        lucks = _draws(question.spread.root.shape[1])
        units = float(question.have[question.pairs].min()) + more * question.answers
        scattered, squares = _sample(question, units, lucks, blocks=question.blocks)
        return cls(
            question,
            np.full(len(truth), units),
            truth + louder * scattered,
            louder**2 * squares / (units - question.blocks),
            *_margins(question, more * question.answers, lucks),
        )

    def _equal(self) -> NDArray[np.bool_]:
        pairs, units = self.question.pairs, self.units
        se = np.hypot(np.sqrt(self.variance / units), self.margin_se[:, None])[:, pairs]
        half = special.stdtrit(self.question.degrees(units[pairs]), 0.95) * se
        inside: NDArray[np.bool_] = (np.abs(self.mean[:, pairs]) + half <= self.margin[:, None]).all(axis=1)
        return inside & self.question.enough(units[pairs])

    def equal(self) -> float:
        """The share of draws in which the question is answered: equivalent."""
        return float(self._equal().mean())

    def different(self) -> float:
        """The share of draws in which the question is answered: different."""
        planned = self.question.planned
        degrees = self.question.degrees(self.units[planned])
        critical = special.stdtrit(degrees, 1 - 0.025 / max(self.question.claims, 1))
        se = np.sqrt(self.variance / self.units)[:, planned]
        found = (np.abs(self.mean[:, planned]) > critical * se).any(axis=1)
        return float((found & ~self._equal()).mean()) if self.question.enough(self.units) else 0.0


@dataclass(frozen=True)
class _Lucks:
    """Fixed draws: of means [draws, p], of sample covariances [draws, p, p], of spreads and margins [draws]."""

    means: Array
    shapes: Array
    places: Array
    margins: Array


@lru_cache(maxsize=32)
def _draws(directions: int) -> _Lucks:
    """The draws for contrasts of so many directions; fewer where there are many, which costs their cube."""
    count = DRAWS if directions <= 4 else DRAWS // 2 if directions <= 8 else DRAWS // 4
    rng = np.random.default_rng(directions)
    means = rng.standard_normal((count // 2, directions))
    shapes = np.tril(rng.standard_normal((count, directions, directions)))
    places = (rng.permutation(count) + 0.5) / count
    return _Lucks(np.concatenate([means, -means]), shapes, places, rng.permutation(special.ndtri(places)))


@lru_cache(maxsize=32)
def _luck(degrees: float, directions: int) -> Array:
    """The SD that was seen in units of the true one, of each draw, [draws, 1]: one for all numbers of units.

    Kept because the quantiles of chi-square take 5 ms, and `_fewest` asks for the same ones thirty times a question.
    """
    luck: Array = np.sqrt(special.chdtri(degrees, 1 - _draws(directions).places) / degrees)[:, None]
    return luck


def _sample(question: Open, units: float, lucks: _Lucks, *, blocks: int = 1) -> tuple[Array, Array]:
    """Means, and sums of squares within so many blocks, of a sample of so many units around zero: [draws, contrasts].

    Source:
        Bartlett's decomposition of a Wishart matrix; chi-square by Wilson and Hilferty, which makes it smooth in the
        number of units. The true variance is uncertain by the degrees of freedom behind it.
    """
    root = question.spread.root
    p = root.shape[1]
    luck = _luck(question.spread.degrees, p)
    scattered = lucks.means @ root.T / math.sqrt(units) / luck
    freedom = np.maximum(units - blocks - np.arange(p), 0.0)
    shapes = lucks.shapes.copy()
    z = shapes[:, np.arange(p), np.arange(p)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ninth = 2 / (9 * freedom)
        chi2 = np.where(freedom > 0, freedom * np.maximum(1 - ninth + z * np.sqrt(ninth), 0.0) ** 3, 0.0)
    shapes[:, np.arange(p), np.arange(p)] = np.sqrt(chi2)
    squares = ((root @ shapes) ** 2).sum(axis=-1) / luck**2
    return scattered, squares


def _margins(question: Open, new: float, lucks: _Lucks) -> tuple[Array, Array]:
    """The margin that the study will have, and its standard error, [draws]."""
    have = float(question.have[question.pairs].min())
    total = have + new
    margin = np.maximum(question.margin + question.margin_se * math.sqrt(new / total) * lucks.margins, 0.0)
    return margin, question.margin_se * math.sqrt(have / total) * margin / question.margin


def cautious(sd: float, prompts: int) -> float:
    """The 80 % upper confidence limit of an SD seen on few prompts (Browne 1995); NaN below two prompts.

    Half of all small pilots show too little spread.

    >>> round(cautious(1.0, 5), 2), round(cautious(1.0, 100), 2)
    (1.56, 1.07)
    """
    if prompts < 2:
        return math.nan
    return sd * math.sqrt((prompts - 1) / float(special.chdtri(prompts - 1, 0.8)))


def cautious_sd(differences: Array) -> float:
    """`cautious` of the standard deviation of these prompt differences; NaN entries are left out."""
    kept = differences[~np.isnan(differences)]
    return cautious(float(kept.std(ddof=1)), kept.size) if kept.size > 1 else math.nan


def needed_different(difference: float, sd: float, *, power: float = SHARE, contrasts: int = 1) -> int:
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
