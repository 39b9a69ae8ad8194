"""Worlds: studies made from a stated truth, as the plain columns that a person would have.

A world says what each setting is worth and how prompts, seeds and pictures scatter around that; `World.study` draws one
study of it. Imports nothing of Teststrip, on purpose: what judges the studies must not have a say in how they are made.

To add one: give `World` a mean, and where that is not enough a *response* (what a prompt makes of a setting), a
*scatter* (how loud the noise is) or a *gap* (which pictures are not there). `ALL` names the worlds of the campaign.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Rng = np.random.Generator
Setting = tuple[float, ...]

Response = Callable[[Rng, int, "World"], Array]
"""What prompts make of settings, beside the mean: [prompts, *levels], with mean 0 over all prompts there could be."""
Scatter = Callable[[int, "World"], Array]
"""How many times louder the noise is: broadcasts to [prompts, seeds, *levels]."""
Gap = Callable[[Rng, int, "World"], Mask]
"""Which pictures are not there: broadcasts to [prompts, seeds, *levels]."""


def flat(*_levels: float) -> float:
    """The mean of a world in which nothing matters."""
    return 0.0


def quiet(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Normal noise of SD 1."""
    return rng.standard_normal(shape)


def heavy(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Student's t of 3 degrees of freedom, scaled to SD 1: one picture of fifty lies beyond three SD."""
    return rng.standard_t(3, shape) / math.sqrt(3.0)


@dataclass(frozen=True)
class Study:
    """One study of a world.

    Attributes:
        columns: one entry a picture in each.
        each: [prompts, *levels] what each setting is worth on each of these prompts, the luck of seeds and pictures
            aside.
    """

    columns: dict[str, list[Any]]
    each: Array

    @property
    def here(self) -> Array:
        """What each setting is worth on exactly these prompts, [*levels]."""
        found: Array = self.each.mean(axis=0)
        return found

    def first(self, prompts: int) -> dict[str, list[Any]]:
        """The columns of the first so many prompts, as they were when no more had been made."""
        names = list(dict.fromkeys(self.columns["prompt"]))[:prompts]
        count = sum(name in set(names) for name in self.columns["prompt"])
        return {name: entries[:count] for name, entries in self.columns.items()}


@dataclass(frozen=True)
class World:
    """What is true, and how it scatters. All numbers are in units of the score.

    Attributes:
        axes: the settings that vary, and their levels.
        mean: what a setting is worth over all prompts there could be; in a world of 0/1 scores, the chance of a 1.
        prompts: how many a study has.
        seeds: how many each prompt has.
        margin: the smallest difference that matters.
        height: SD of prompts, in all settings alike.
        luck: SD of the seeds of a prompt, in all settings alike.
        own: SD of a prompt's own response to a setting.
        shot: SD of one picture, when its prompt, seed and setting are known.
        responses: what prompts make of settings, beside the mean.
        scatters: how loud the noise of pictures is.
        unmade: pictures that were never asked for.
        refused: pictures that were asked for and refused.
        noise: the shape of the noise of pictures.
        zero_one: scores are 0 or 1.
        shared: SD of what a seed does to a setting in all prompts; above 0 all prompts share their seeds.
        rare: a prompt whose settings differ by more than this is one of few.
    """

    axes: Mapping[str, Setting]
    mean: Callable[..., float] = flat
    prompts: int = 30
    seeds: int = 2
    margin: float = 0.2
    height: float = 2.0
    luck: float = math.sqrt(0.75)
    own: float = 0.2
    shot: float = 0.5
    responses: tuple[Response, ...] = ()
    scatters: tuple[Scatter, ...] = ()
    unmade: tuple[Gap, ...] = ()
    refused: tuple[Gap, ...] = ()
    noise: Callable[[Rng, tuple[int, ...]], Array] = field(default=quiet)
    zero_one: bool = False
    shared: float = 0.0
    rare: float = math.inf

    @property
    def shape(self) -> tuple[int, ...]:
        """How many levels each axis has."""
        return tuple(len(levels) for levels in self.axes.values())

    @property
    def settings(self) -> list[Setting]:
        """All combinations of levels, made or not, the last axis running fastest."""
        return list(itertools.product(*self.axes.values()))

    def truth(self) -> Array:
        """What each setting is worth, [*levels]."""
        return np.array([float(self.mean(*setting)) for setting in self.settings]).reshape(self.shape)

    @property
    def nothing_differs(self) -> bool:
        """Whether all settings are worth the same."""
        return bool(np.ptp(self.truth()) == 0)

    def made(self) -> list[Setting]:
        """The settings of which every prompt can have a picture, though some may be refused."""
        gone = np.zeros((1, 1, *self.shape), dtype=bool)
        for gap in self.unmade:
            gone = gone | gap(np.random.default_rng(0), 1, self).all(axis=(0, 1))
        return [setting for setting, out in zip(self.settings, gone.ravel(), strict=True) if not out]

    def behind(self, setting: Setting) -> float:
        """How much less a setting is worth than the best of those made."""
        return max(float(self.mean(*other)) for other in self.made()) - float(self.mean(*setting))

    def best(self) -> tuple[Setting, float]:
        """The best setting that is made, and its lead over the second."""
        first, *others = sorted(self.made(), key=self.behind)
        return first, (self.behind(others[0]) if others else math.inf)

    def on(self, axis: str) -> int:
        """The place of an axis in [prompts, seeds, *levels]."""
        return 2 + list(self.axes).index(axis)

    def along(self, axis: str, numbers: Array) -> Array:
        """One number a level of an axis, so that it broadcasts to [prompts, seeds, *levels]."""
        shape = [1] * (2 + len(self.axes))
        shape[self.on(axis)] = len(numbers)
        return np.asarray(numbers).reshape(shape)

    def study(self, rng: Rng, prompts: int | None = None, *, first: int = 0) -> Study:
        """Draw one study.

        Args:
            rng: where chance comes from.
            prompts: how many; None = the world's own number.
            first: the number of the first prompt, for a study that goes on.
        """
        count = prompts or self.prompts
        size = (count, self.seeds, *self.shape)
        flatly = (count, 1, *self.shape)
        worth = np.broadcast_to(self.truth(), flatly).copy()
        if self.zero_one:
            # A prompt and a seed are hard or easy once, for all settings: so most pairs of scores are ties.
            score = (rng.random((*size[:2], *(1 for _ in self.shape))) < worth).astype(float)
        else:
            worth += self.own * rng.standard_normal(flatly)
            for response in self.responses:
                worth += response(rng, count, self).reshape(flatly)
            loud = np.ones(())
            for scatter in self.scatters:
                loud = loud * scatter(count, self)
            ones = tuple(1 for _ in self.shape)
            score = worth + self.height * rng.standard_normal((count, 1, *ones))
            score = score + loud * self.luck * rng.standard_normal((count, self.seeds, *ones))
            score = score + loud * self.shot * self.noise(rng, size)
            if self.shared:
                score = score + self.shared * rng.standard_normal((1, self.seeds, *self.shape))
        gone, refused = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
        for gap in self.unmade:
            gone |= gap(rng, count, self)
        for gap in self.refused:
            refused |= gap(rng, count, self)
        return Study(self._columns(score, gone, refused, first), worth[:, 0])

    def _columns(self, score: Array, gone: Mask, refused: Mask, first: int) -> dict[str, list[Any]]:
        places = np.argwhere(~gone)
        kept = ~gone
        columns: dict[str, list[Any]] = {
            "prompt": [f"prompt {first + p}" for p in places[:, 0]],
            "replicate": places[:, 1].tolist(),
        }
        for at, (name, levels) in enumerate(self.axes.items()):
            columns[name] = [levels[i] for i in places[:, 2 + at]]
        columns["denoiser_calls"] = [2.0 * n for n in columns.get("num_inference_steps", [20] * len(places))]
        columns["missing"] = ["refused" if is_refused else None for is_refused in refused[kept]]
        columns["score"] = np.where(refused, np.nan, score)[kept].tolist()
        return columns


def joined(study: Study, more: Study) -> dict[str, list[Any]]:
    """The columns of a study that went on."""
    return {name: [*entries, *more.columns[name]] for name, entries in study.columns.items()}


# What prompts make of settings.


def slopes(axis: str, sd: float) -> Response:
    """Each prompt rises or falls along the axis in its own measure; the mean answer is zero."""

    def response(rng: Rng, prompts: int, world: World) -> Array:
        ramp = world.along(axis, np.linspace(-1.0, 1.0, len(world.axes[axis])))
        own = sd * rng.standard_normal((prompts, *(1 for _ in range(1 + len(world.axes)))))
        return np.broadcast_to(own * ramp, (prompts, 1, *world.shape))

    return response


def opposites(axis: str, size: float) -> Response:
    """Half of all prompts gain by the axis' last level what the other half loses."""

    def response(rng: Rng, prompts: int, world: World) -> Array:
        last = world.along(axis, np.eye(len(world.axes[axis]))[-1])
        sign = rng.choice([-size, size], (prompts, *(1 for _ in range(1 + len(world.axes)))))
        return np.broadcast_to(sign * last, (prompts, 1, *world.shape))

    return response


def few_answer(axis: str, share: float, size: float) -> Response:
    """A few prompts gain a lot by the axis' last level and all others lose a little, so that the mean is zero."""

    def response(rng: Rng, prompts: int, world: World) -> Array:
        last = world.along(axis, np.eye(len(world.axes[axis]))[-1])
        answers = rng.random((prompts, *(1 for _ in range(1 + len(world.axes))))) < share
        return np.broadcast_to(size * (answers - share) * last, (prompts, 1, *world.shape))

    return response


# How loud the noise is.


def broken(axis: str, levels: Setting, times: float = 6.0) -> Scatter:
    """At some levels of the axis everything falls apart."""

    def scatter(_prompts: int, world: World) -> Array:
        return world.along(axis, np.array([times if level in levels else 1.0 for level in world.axes[axis]]))

    return scatter


def every_second(times: float) -> Scatter:
    """Every second prompt is louder; 2 times the SD is 4 times the variance."""

    def scatter(prompts: int, world: World) -> Array:
        loud = np.where(np.arange(prompts) % 2 == 1, times, 1.0)
        return loud.reshape(prompts, *(1 for _ in range(1 + len(world.axes))))

    return scatter


def one_prompt(times: float) -> Scatter:
    """The first prompt is louder than all others."""

    def scatter(prompts: int, world: World) -> Array:
        loud = np.where(np.arange(prompts) == 0, times, 1.0)
        return loud.reshape(prompts, *(1 for _ in range(1 + len(world.axes))))

    return scatter


# Which pictures are not there.


def at(setting: Setting) -> Gap:
    """This combination, in every prompt."""

    def gap(_rng: Rng, _prompts: int, world: World) -> Mask:
        return np.array([other == setting for other in world.settings]).reshape(1, 1, *world.shape)

    return gap


def in_half(setting: Setting, share: float = 0.5) -> Gap:
    """This combination, in a share of all pictures drawn by lot."""

    def gap(rng: Rng, prompts: int, world: World) -> Mask:
        lot = rng.random((prompts, world.seeds, *(1 for _ in world.shape))) < share
        return lot & at(setting)(rng, prompts, world)

    return gap


def beyond(axis: str, level: float, prompts: int) -> Gap:
    """This level of the axis, in all but the first so many prompts."""

    def gap(_rng: Rng, count: int, world: World) -> Mask:
        there = np.array([other == level for other in world.axes[axis]])
        late = (np.arange(count) >= prompts).reshape(count, *(1 for _ in range(1 + len(world.axes))))
        return late & world.along(axis, there)

    return gap


# The worlds of the campaign.

GUIDANCE = "guidance_scale"
STEPS = "num_inference_steps"


def guided(levels: int, **changes: Any) -> World:
    """One axis of so many levels, none of which matters, unless `changes` say otherwise."""
    return replace(World({GUIDANCE: tuple(float(g) for g in range(3, 3 + levels))}), **changes)


def twisted(prompts: int) -> World:
    """Steps matter where guidance is lowest, in a way that a straight line does not see: no linear interaction."""
    bump = {4.0: 0.9, 8.0: 0.3, 16.0: -0.3, 32.0: -0.9}
    rise = {4.0: 0.0, 8.0: 0.4, 16.0: 0.7, 32.0: 1.0}
    return World(
        {GUIDANCE: (1.0, 4.0, 7.0), STEPS: (4.0, 8.0, 16.0, 32.0)},
        lambda g, s: rise[s] + (bump[s] if g == 4 else 0.0),
        prompts=prompts,
        seeds=1,
        own=0.0,
        shot=0.3,
    )


def holed(prompts: int, *, refused: bool = False) -> World:
    """The highest guidance is bad, and its picture with few steps is never made, or refused for half of the prompts."""
    cost = {3.0: 0.0, 7.0: 0.0, 12.0: -1.0}
    world = World(
        {GUIDANCE: (3.0, 7.0, 12.0), STEPS: (4.0, 30.0)},
        lambda g, s: cost[g] - (3.0 if s == 4 else 0.0),
        prompts=prompts,
        seeds=1,
        own=0.0,
        shot=0.3,
    )
    hole = (12.0, 4.0)
    return replace(world, refused=(in_half(hole),)) if refused else replace(world, unmade=(at(hole),))


def rare(prompts: int) -> World:
    """Four guidances that are worth the same, the last made for the first so many of forty prompts."""
    return guided(4, prompts=40, seeds=1, unmade=(beyond(GUIDANCE, 6.0, prompts),))


def leading(prompts: int) -> World:
    """Four guidances of which one leads by 1.0, five times the margin."""
    return guided(4, mean=lambda g: 1.0 if g == 4 else 0.0, prompts=prompts)


def coin(prompts: int) -> World:
    """0/1 scores of two levels whose chances differ by exactly the margin; most pairs are ties."""
    return guided(2, mean=lambda g: 0.70 if g == 3 else 0.65, prompts=prompts, seeds=1, margin=0.05, zero_one=True)


def broken_levels(prompts: int) -> World:
    """Two levels of five fall apart; two of the sound ones differ by 0.2, a fifth of the sound seed SD."""
    return World(
        {STEPS: (4.0, 8.0, 16.0, 32.0, 64.0)},
        lambda s: {32.0: -0.2}.get(s, 0.0),
        prompts=prompts,
        scatters=(broken(STEPS, (4.0, 8.0)),),
    )


def opposed(prompts: int) -> World:
    """Half of the prompts gain 0.4, half lose 0.4: on average nothing."""
    return guided(2, prompts=prompts, responses=(opposites(GUIDANCE, 0.4),))


def few(prompts: int) -> World:
    """A tenth of the prompts gain 4, all others lose a little: on average nothing."""
    return guided(2, prompts=prompts, responses=(few_answer(GUIDANCE, 0.1, 4.0),), rare=2.0)


def same_seeds(prompts: int) -> World:
    """All prompts share four seeds, and what a seed does to a setting it does in every prompt."""
    return guided(3, prompts=prompts, seeds=4, own=0.1, shared=0.3)


def three_axes(prompts: int) -> World:
    """Three axes of two levels each, none of which matters."""
    return World({GUIDANCE: (3.0, 7.0), STEPS: (8.0, 30.0), "eta": (0.0, 1.0)}, prompts=prompts)


def these(prompts: int, seeds: int, levels: int = 2, **changes: Any) -> World:
    """Few prompts that answer each in its own way; with `own=0.0` nothing differs on any of them."""
    return guided(levels, prompts=prompts, seeds=seeds, **changes)


ALL: dict[str, World] = {
    "interaction without a linear part": twisted(40),
    "an excluded combination": holed(40),
    "a half-refused combination": holed(40, refused=True),
    "a level made for 3 of 40 prompts": rare(3),
    "a clear winner": leading(20),
    "0/1 scores": coin(30),
    "two broken levels": broken_levels(30),
    "opposite prompts": opposed(100),
    "few prompts answer": few(20),
    "shared seeds": same_seeds(30),
    "three axes": three_axes(10),
    "random slopes": guided(4, prompts=20, responses=(slopes(GUIDANCE, 0.5),)),
    "heavy tails": guided(2, prompts=12, noise=heavy),
    "variances 1:4": these(6, 5, scatters=(every_second(2.0),)),
    "one prompt six-fold": these(5, 6, scatters=(one_prompt(6.0),)),
    "nothing differs": guided(4, prompts=12),
}
"""One of each kind, by name."""
