"""Whether a number of steps gives the schedule that it names: where the steps begin, how far apart, how far they go.

Diffusers computes training times (0 is the picture, 999 is noise) from `timestep_spacing`. Some classes then leave the
first times out, and some go back by whole training times although the times are fractions apart. A picture at such a
number of steps differs from its neighbours for a reason other than its steps. This file repeats Diffusers' arithmetic,
because `teststrip plan` must not import torch; tests hold it against every scheduler class. Knows which class does what
from the class's source (`diffusion.schedulers`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from teststrip.diffusion.schedulers import SchedulerClass, calls, known
from teststrip.vocabulary import sampler

BEGIN: Final = 0.9
"""Below this share of the training times the first call is told that pure noise already shows something.

At 0.9 the noise level (sigma) of Stable Diffusion's training is 8.3, at the end 14.6.
"""
DRIFT: Final = 0.025
"""Steps go back too far, or not far enough, where the sum of their errors is this share of the training times.

A model that is always right then leaves 4 % of the noise in the picture, or takes as much too much; at 150 steps of
DDIM 15 %. The embedded model's pictures show errors from 0.04 on (60 and 80 steps) and no smaller ones (30 to 50, 70).
"""
UNEVEN: Final = 2
"""Steps are uneven where the longest is at least so many times the shortest; rounding of ordinary times stays below."""
MORE_CALLS: Final = 0.1
"""Calls are another number than steps where they differ by more than this share; PNDM's one call more mostly stays."""
IN_SIGMAS: Final = (
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
)
"""Configuration under which a class spaces its steps by noise level and not by time."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The training times of one number of steps.

    Attributes:
        steps: as asked.
        train: the number of training times.
        times: at which the model is called, falling, each once a step.
        stride: by how much each step goes back, where the class does not look at the next time; else None.
        even: whether the times are meant to be evenly spaced.
    """

    steps: int
    train: int
    times: tuple[float, ...]
    stride: int | None = None
    even: bool = True

    @property
    def apart(self) -> float:
        """How far the times are apart on average."""
        return (self.times[0] - self.times[-1]) / (self.steps - 1) if self.steps > 1 else float(self.train)

    @property
    def late(self) -> bool:
        """Whether the first step leaves out two steps or more at the noisy end, or begins far below it.

        One step is left out by design where the spacing is `leading`.
        """
        missing = self.train - 1 - self.times[0]
        return missing >= 2 * self.train / self.steps or self.times[0] < BEGIN * self.train

    @property
    def drifts(self) -> bool:
        """Whether the steps, all together, go back by clearly more or less than their times do."""
        if self.stride is None:
            return False
        drift = self.times[0] - self.times[-1] - (self.steps - 1) * self.stride
        return abs(drift) >= DRIFT * self.train

    @property
    def repeats(self) -> bool:
        """Whether there are fewer different times than steps."""
        return len(set(self.times)) < self.steps

    @property
    def gaps(self) -> tuple[float, float]:
        """The shortest and the longest step; both 0 for a single step."""
        found = [before - after for before, after in pairwise(self.times)]
        return (min(found), max(found)) if found else (0.0, 0.0)

    @property
    def uneven(self) -> bool:
        """Whether some steps are much longer than others that should be as long."""
        short, long = self.gaps
        return self.even and not self.repeats and long >= UNEVEN * short > 0

    @property
    def sound(self) -> bool:
        """Whether this schedule is what its number of steps names."""
        return not (self.late or self.drifts or self.repeats or self.uneven)


def schedule(name: str, steps: int, config: Mapping[str, object]) -> Schedule | None:
    """The schedule of a scheduler class under a model's configuration.

    Args:
        name: of the scheduler class.
        steps: `num_inference_steps`.
        config: the configuration of the model's own scheduler; what it leaves out has the default of the class.

    Returns:
        None where a class has no training times of this kind, because it works in noise levels or its pipeline gives it
        the levels, and where nothing is known of the configuration.
    """
    kind = known().get(name)
    train = config.get("num_train_timesteps", 1000)
    if kind is None or not kind.spacing or not config or not isinstance(train, int) or train < 1 or steps < 1:
        return None
    if kind.distilled:
        original = config.get("original_inference_steps", 50)
        found = _distilled(steps, train, original) if isinstance(original, int) and original > 0 else ()
        return Schedule(steps, train, found) if found else None
    in_sigmas = any(config.get(key) for key in IN_SIGMAS)
    clipped = config.get("lambda_min_clipped")
    if (in_sigmas and kind.extra) or (isinstance(clipped, int | float) and math.isfinite(clipped)):
        return None  # such a class takes its levels from all of the noise, whatever the times
    offset = config.get("steps_offset", 0)
    times = _times(kind, str(config.get("timestep_spacing") or kind.spacing), steps, train)
    if not times:
        return None
    if config.get("timestep_spacing", kind.spacing) == "leading" and isinstance(offset, int):
        times = tuple(time + offset for time in times)
    return Schedule(steps, train, times, train // steps if kind.strides else None, even=not in_sigmas)


def _times(kind: SchedulerClass, spacing: str, steps: int, train: int) -> tuple[float, ...]:
    """The falling times of a spacing, as in table 2 of arXiv 2305.08891 and as each class rounds them.

    Returns:
        An empty tuple for a spacing that this file does not know.
    """
    extra = kind.extra
    if spacing == "leading":
        stride = train // (steps + extra)
        return tuple(float(i * stride) for i in range(steps - 1 + extra, extra - 1, -1))
    if spacing == "trailing":
        count = math.ceil(train / (train / steps))
        return tuple(float(round(train - i * (train / steps)) - 1) for i in range(count))
    if spacing == "linspace":
        last = steps - 1 + extra
        gap = (train - 1) / last if last else 0.0
        exact = [i * gap for i in range(last, extra - 1, -1)]
        return tuple(float(round(time)) for time in exact) if kind.rounds else tuple(exact)
    return ()


def _distilled(steps: int, train: int, original: int) -> tuple[float, ...]:
    """The times of LCM and TCD: so many of the times of distillation, none in between."""
    taught = [i * (train // original) - 1 for i in range(original, 0, -1)]
    return tuple(float(taught[i * original // steps]) for i in range(steps)) if steps <= original else ()


def remarks(name: str, steps: int, config: Mapping[str, object]) -> Iterator[str]:
    """What a person should know of a number of steps that is not what was asked, each as a clause after "settings".

    Args:
        name: of the scheduler class.
        steps: `num_inference_steps`.
        config: as in `schedule`.
    """
    who = f"{steps:,} step{'' if steps == 1 else 's'} of {sampler(name)}"
    were = "was" if steps == 1 else "were"
    found = schedule(name, steps, config)
    if found and not found.sound:
        why = "; ".join(_why(found))
        yield f"will not get the {who} that {were} asked for: {why}. {_remedy(name, found, config)}"
    made = calls(name, steps, config)
    if abs(made - steps) > MORE_CALLS * steps:
        yield f"will take {made:,} calls of the model for {who}: compare by denoiser_calls, not by steps"


def _why(found: Schedule) -> Iterator[str]:
    top = found.train - 1
    if found.late:
        yield (
            f"they begin at time {found.times[0]:,.0f} of {top:,}, where the model is told that pure noise already"
            " shows something"
        )
    if found.drifts and found.stride is not None:
        yield (
            f"each step goes back {found.stride:,} of {found.train:,} training times, while the times are"
            f" {found.apart:.3g} apart, so each step leaves noise that the next one does not expect"
        )
    if found.repeats:
        yield f"there are only {len(set(found.times)):,} different times"
    if found.uneven:
        short, long = found.gaps
        yield f"some steps go back {short:.3g} training times and others {long:.3g}"


def _remedy(name: str, found: Schedule, config: Mapping[str, object]) -> str:
    """The next numbers of steps that are what they name; and another spacing, where that would do."""
    near = [*_sound_steps(name, range(found.steps - 1, 0, -1), config)]
    near += _sound_steps(name, range(found.steps + 1, found.train + 1), config)
    take = f"Take {' or '.join(f'{steps:,}' for steps in near)} steps" if near else "Take another scheduler"
    other = schedule(name, found.steps, {**config, "timestep_spacing": "trailing"})
    if found.late and other and other.sound:
        take += ', or a copy of the model with "timestep_spacing": "trailing" in scheduler/scheduler_config.json'
    return take


def _sound_steps(name: str, counts: Iterable[int], config: Mapping[str, object]) -> Iterator[int]:
    """The first of these counts that is sound and divides the times without a rest."""
    kind = known()[name]
    whole = config.get("original_inference_steps", 50) if kind.distilled else config.get("num_train_timesteps", 1000)
    for steps in counts:
        if not isinstance(whole, int) or (whole % steps and whole % (steps + kind.extra)):
            continue
        found = schedule(name, steps, config)
        if found and found.sound:
            yield steps
            return
