"""Simulated raters whose preferences are known: worlds for `bench.votes`. Knows nothing of Teststrip.

A picture is as strong as its setting, and by luck as its prompt, its seed and the rater make it. The rater favours a
side, and sometimes presses any key. The truth of two settings is how often one is chosen over the other in the long
run, ties half and each as often on the left as on the right; it is integrated here, not estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.intp]
NODES = 24
"""Of Gauss and Hermite's rule; the integrand is a logistic curve, good to 1e-6 up to an SD of 3."""


@dataclass(frozen=True)
class Poll:
    """A world of raters and pictures.

    Attributes:
        levels: of each axis, what each adds to the strength of a picture, in log odds.
        prompts: how many.
        seeds: of each prompt.
        raters: how many.
        prompt_sd: what a prompt adds to a cell.
        seed_sd: what a seed of a prompt adds to a cell.
        rater_sd: what a rater adds to a cell.
        side: favour of the left side.
        side_sd: between raters.
        lapse: the share of answers that look at nothing: left or right by chance.
        tie: logarithm of the weight of ties; -inf = none.
    """

    levels: tuple[tuple[float, ...], ...]
    prompts: int = 40
    seeds: int = 2
    raters: int = 1
    prompt_sd: float = 0.0
    seed_sd: float = 0.0
    rater_sd: float = 0.0
    side: float = 0.0
    side_sd: float = 0.0
    lapse: float = 0.0
    tie: float = -1.0

    @property
    def cells(self) -> tuple[tuple[int, ...], ...]:
        """One level index an axis, in order of the axes."""
        return tuple(product(*(range(len(one)) for one in self.levels)))

    @property
    def strengths(self) -> Array:
        """[cells]."""
        return np.array([sum(one[k] for one, k in zip(self.levels, cell, strict=True)) for cell in self.cells])


@dataclass(frozen=True)
class Drawn:
    """Studies of a world; arrays with the studies first.

    Attributes:
        world: it was drawn from.
        of_prompts: [studies, prompts, cells].
        of_seeds: [studies, prompts, seeds, cells].
        of_raters: [studies, raters, cells].
        sides: [studies, raters].
    """

    world: Poll
    of_prompts: Array
    of_seeds: Array
    of_raters: Array
    sides: Array


def draw(rng: np.random.Generator, world: Poll, studies: int) -> Drawn:
    """Prompts, pictures and raters."""
    cells = len(world.cells)

    def normal(*shape: int) -> Array:
        return rng.standard_normal((studies, *shape))

    return Drawn(
        world,
        world.prompt_sd * normal(world.prompts, cells),
        world.seed_sd * normal(world.prompts, world.seeds, cells),
        world.rater_sd * normal(world.raters, cells),
        world.side + world.side_sd * normal(world.raters),
    )


def answer(
    rng: np.random.Generator, drawn: Drawn, *, prompt: Whole, seed: Whole, left: Whole, right: Whole, rater: Whole
) -> Array:
    """What raters say to pairs: 1 = left, 0 = tie, -1 = right; all arrays are [studies, votes]."""
    world, study = drawn.world, np.arange(len(prompt))[:, None]

    def strength(cell: Whole) -> Array:
        found: Array = (
            world.strengths[cell]
            + drawn.of_prompts[study, prompt, cell]
            + drawn.of_seeds[study, prompt, seed, cell]
            + drawn.of_raters[study, rater, cell]
        )
        return found

    difference = strength(left) - strength(right) + drawn.sides[study, rater]
    wins, ties = _shares(difference, world.tie)
    spun = rng.random(difference.shape)
    said = np.where(spun < wins, 1.0, np.where(spun < wins + ties, 0.0, -1.0))
    asleep = rng.random(difference.shape) < world.lapse
    return np.where(asleep, rng.choice([-1.0, 1.0], difference.shape), said)


def _shares(difference: Array, tie: float) -> tuple[Array, Array]:
    """The chances that left wins and that there is a tie."""
    up, down = np.exp(np.clip(difference, -60, 60) / 2), np.exp(-np.clip(difference, -60, 60) / 2)
    total = up + down + np.exp(tie)
    return up / total, np.exp(tie) / total


def _rate(difference: Array, world: Poll, side: Array, sd: float) -> Array:
    """The long-run win rate of a difference of strengths, both sides alike, over a normal scatter of it."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    rate = np.zeros(np.broadcast_shapes(difference.shape, side.shape))
    for node, weight in zip(nodes, weights, strict=True):
        for favour in (side, -side):
            wins, ties = _shares(difference + sd * node + favour, world.tie)
            rate += weight * (wins + ties / 2) / 2
    return (1 - world.lapse) * rate + world.lapse / 2


def truth(drawn: Drawn, axis: int, plus: int, minus: int, *, here: bool, these_raters: bool) -> Array:
    """The long-run win rate of one level over another, the other axes alike: [studies].

    Args:
        axis: by its index.
        plus: the level that may win.
        minus: the other level.
        here: on the prompts that were drawn, over all seeds; False = over all prompts.
        these_raters: of the raters that were drawn; False = of all raters.
    """
    world = drawn.world
    sd2 = (
        2 * world.seed_sd**2 + (0 if here else 2 * world.prompt_sd**2) + (0 if these_raters else 2 * world.rater_sd**2)
    )
    place = {cell: i for i, cell in enumerate(world.cells)}
    found = []
    for cell, i in place.items():
        if cell[axis] == plus:
            j = place[(*cell[:axis], minus, *cell[axis + 1 :])]
            difference = np.full((len(drawn.sides), 1, 1), world.strengths[i] - world.strengths[j])
            if here:
                difference = difference + (drawn.of_prompts[..., i] - drawn.of_prompts[..., j])[:, :, None]
            side = np.full((1, 1, 1), world.side)
            if these_raters:
                difference = difference + (drawn.of_raters[..., i] - drawn.of_raters[..., j])[:, None, :]
                side = drawn.sides[:, None, :]
            elif world.side_sd:
                # A side of its own for each rater is one more scatter; that of raters drawn stands for all.
                side = np.quantile(np.array([world.side]), 0.5) + world.side_sd * _normal_nodes()[None, None, :]
            found.append(_rate(difference, world, side, sd2**0.5).mean(axis=(1, 2)))
    mean: Array = np.mean(found, axis=0)
    return mean


def _normal_nodes(count: int = 40) -> Array:
    """Equally likely values of a standard normal."""
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf((k + 0.5) / count) for k in range(count)])


def at_random(
    rng: np.random.Generator, world: Poll, studies: int, votes: int, *, even: bool = True
) -> dict[str, Whole]:
    """Pairs to ask: random cells, seeds and sides; prompts and raters in turn where `even`, else by chance."""
    shape, cells = (studies, votes), len(world.cells)
    left = rng.integers(cells, size=shape)
    right = (left + rng.integers(1, cells, size=shape)) % cells
    turns = np.broadcast_to(np.arange(votes), shape)
    return {
        "prompt": turns % world.prompts if even else rng.integers(world.prompts, size=shape),
        "seed": rng.integers(world.seeds, size=shape),
        "left": left,
        "right": right,
        "rater": rng.integers(world.raters, size=shape),
    }


def table(levels: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """The cells of a world as plain columns; levels are numbered 1, 2, 3, ..."""
    columns: dict[str, list[float]] = {"prompt": []} | {f"axis{i}": [] for i in range(len(levels))}
    for cell in product(*(range(len(one)) for one in levels)):
        columns["prompt"].append(0.0)
        for i, k in enumerate(cell):
            columns[f"axis{i}"].append(float(k + 1))
    return columns
