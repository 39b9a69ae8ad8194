"""Which scheduler classes can stand in for a model's own, and how often each calls the denoiser.

Read from the source of the installed Diffusers, so that a name is checked before anything is loaded.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from teststrip.diffusion.source import files, text
from teststrip.errors import StudyError, among
from teststrip.records import Value

Sampling = tuple[str, int, Mapping[str, object]]
"""The class that takes the steps, their number, and its configuration; an empty one where it is not known."""

# These read the configuration of a noise-prediction model, but no list of Diffusers says so.
ALSO_NOISE: Final = frozenset({"LCMScheduler", "TCDScheduler"})
# Flow matching: Diffusers lists none as compatible.
FLOW_MATCHING: Final = frozenset(
    {"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler"}
)
# Listed as compatible, but for inverting pictures or made for one video model.
OTHER_TASKS: Final = re.compile(r"Inverse|CogVideoX|LTX")

CLASS: Final = re.compile(r"^class (\w+Scheduler)\(.*?\):\n(.*?)(?=^\S|\Z)", re.M | re.S)
"""A scheduler class in a source: its name and its body."""

SOURCES: Final = "schedulers/scheduling_*.py"
"""Where the sources of scheduler classes lie in Diffusers."""

NEEDS: Final = {"DPMSolverSDEScheduler": "torchsde", "LMSDiscreteScheduler": "scipy"}
"""The package that a scheduler needs in addition to Diffusers."""

RUNGE_KUTTA_EXTRA: Final = 9
"""PNDM's warm-up, where it is on: three steps take four calls each."""

STRIDE: Final = re.compile(r"prev_timestep = timestep - self\.config\.num_train_timesteps // self\.num_inference_steps")
"""How the source of a class says that a step goes back by whole training times."""


@dataclass(frozen=True, slots=True)
class SchedulerClass:
    """A scheduler class as its source describes it.

    Attributes:
        name: of the class.
        compatible: the classes that can take its configuration.
        order: 2 for a scheduler that calls the denoiser twice a step.
        spacing: how its times are spaced unless a configuration says otherwise; "" where it does not space times so.
        extra: 1 where `leading` and `linspace` space one step more than is asked and leave out the last; else 0.
        rounds: whether `linspace` rounds its times.
        strides: whether a step goes back by whole training times // steps, wherever the next step begins.
        distilled: whether the times are chosen among those of a distillation.
    """

    name: str
    compatible: frozenset[str]
    order: int
    spacing: str = ""
    extra: int = 0
    rounds: bool = False
    strides: bool = False
    distilled: bool = False


@cache
def known() -> Mapping[str, SchedulerClass]:
    """All scheduler classes of the installed Diffusers by name; empty without Diffusers."""
    sources = [text(path) for path in files(SOURCES)]
    karras: frozenset[str] = frozenset()
    for source in sources:
        if match := re.search(r"^class KarrasDiffusionSchedulers\(Enum\):\n(.*?)^\S", source, re.M | re.S):
            karras = frozenset(re.findall(r"^    (\w+) = \d+", match.group(1), re.M))
    found = {}
    for name, body in bodies().items():
        listed = re.search(r"^    _compatibles = (\[.*?\])", body, re.M | re.S)
        words = listed.group(1) if listed else ""
        order = re.search(r"^    order = (\d)", body, re.M)
        found[name] = SchedulerClass(
            name,
            (karras | ALSO_NOISE if "KarrasDiffusionSchedulers" in words else frozenset())
            | frozenset(re.findall(r"\"(\w+)\"", words)),
            int(order.group(1)) if order else 1,
            **_spacing(body),
        )
    return found


def _spacing(body: str) -> dict[str, Any]:
    """What the body of a class says about its training times: the fields of SchedulerClass from `spacing` on."""
    distilled = "original_inference_steps" in body
    default = re.search(r'^        timestep_spacing: .*= "(\w+)",', body, re.M)
    if not default or not (distilled or 'timestep_spacing == "' in body):
        return {}
    where = [re.findall(r"^    def (\w+)", body[: found.start()], re.M)[-1] for found in STRIDE.finditer(body)]
    return {
        "spacing": default.group(1),
        "extra": int("// (num_inference_steps + 1)" in body),
        "rounds": bool(re.search(r"np\.linspace\([^()]*\)\s*\.round\(\)", body)),
        "strides": any(name.startswith("step") for name in where),
        "distilled": distilled,
    }


@cache
def bodies() -> Mapping[str, str]:
    """The source of each scheduler class by name, without its first line; empty without Diffusers."""
    return {name: body for path in files(SOURCES) for name, body in CLASS.findall(text(path))}


@cache
def alternatives(own: str) -> tuple[str, ...]:
    """Names of the classes that can stand in for a model's own scheduler, itself first, the others sorted.

    A class can stand in where the model's own scheduler lists it, or where it lists the model's own scheduler.
    """
    table = known()
    listed = set(table[own].compatible) if own in table else set()
    if own in ALSO_NOISE:
        listed |= table["DDIMScheduler"].compatible if "DDIMScheduler" in table else set()
    if own in FLOW_MATCHING:
        listed |= FLOW_MATCHING
    listed |= {name for name, other in table.items() if own in other.compatible}
    return (own, *sorted(name for name in listed - {own} if name in table and not OTHER_TASKS.search(name)))


def names() -> tuple[str, ...]:
    """The names of all scheduler classes for pictures, sorted; which of them fit is a matter of the model."""
    return tuple(sorted(name for name in known() if not OTHER_TASKS.search(name)))


def facts_of(scheduler: Any) -> dict[str, object]:
    """An image's facts on its scheduler: the class and, where the configuration makes it draw noise, that it does."""
    config = scheduler.config
    noisy = "sde" in str(config.get("algorithm_type") or "") or config.get("stochastic_sampling") is True
    return {"scheduler": type(scheduler).__name__, **({"sampler_noise": True} if noisy else {})}


def calls(name: str, steps: int, config: Mapping[str, object]) -> int:
    """How often a scheduler calls the denoiser for a number of steps.

    Args:
        name: of the scheduler class.
        steps: `num_inference_steps`.
        config: the scheduler's configuration; PNDM's warm-up depends on it.
    """
    if name == "PNDMScheduler":
        # The multistep part repeats one step to get started.
        return steps + 1 if config.get("skip_prk_steps", False) else steps + RUNGE_KUTTA_EXTRA
    scheduler = known().get(name)
    return 2 * steps - 1 if scheduler and scheduler.order == 2 else steps


def check(settings: Mapping[str, Value], own: str, config: Mapping[str, object], pipeline: str) -> None:
    """Raise StudyError for a scheduler that cannot work.

    Args:
        settings: of a shot.
        own: class name of the model's own scheduler; "" when the model has none.
        config: configuration of the model's own scheduler.
        pipeline: its class name, for the message.
    """
    name = settings.get("scheduler")
    if name is None or not known():
        return
    if not own:
        raise StudyError(f"scheduler: {pipeline} has one of its own kind. Leave the setting out")
    accepted = alternatives(own)
    if name not in accepted:
        raise StudyError(
            f"scheduler: {name!r} cannot stand in for {own} in {pipeline}{among(str(name), accepted, 'Known')}"
        )
    needed = NEEDS.get(str(name))
    if needed and importlib.util.find_spec(needed) is None:
        raise StudyError(f"scheduler: {name} needs {needed}. Run: pip install {needed}")
    steps = settings.get("num_inference_steps")
    most = config.get("original_inference_steps", 50)
    if name == "LCMScheduler" and isinstance(steps, int) and isinstance(most, int) and steps > most:
        raise StudyError(f"num_inference_steps: LCMScheduler takes at most {most} steps, not {steps}")
