"""The setting `schedule`: times or noise levels of the steps, given as a list instead of a number of steps.

A list is written in the setting itself ("timesteps 999 850 736", made of `[schedules.NAME]` by the room `study`), or it
is one that Diffusers has a name for, read from its source. Knows no model; imports nothing of Diffusers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.schedulers import alternatives, bodies
from teststrip.diffusion.source import files, text
from teststrip.errors import StudyError, among
from teststrip.records import Value
from teststrip.vocabulary import steps_read

SETTING: Final = "schedule"
AYS: Final = "ays"
"""Align Your Steps (arXiv 2404.14507): the times of the model's kind."""

TABLE: Final = re.compile(r"^AysSchedules = (\{.*?^\})", re.M | re.S)
"""Where Diffusers keeps its named lists."""

ENDS: Final = {"Timesteps": "timesteps", "Sigmas": "sigmas"}
"""How the name of a list says what it holds."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A list of steps.

    Attributes:
        argument: of the pipeline's call that takes the list, "timesteps" or "sigmas".
        values: falling.
    """

    argument: str
    values: tuple[float, ...]

    def count(self, scheduler: str) -> int:
        """The number of steps; some classes take the level after the last step as a part of the list."""
        last = self.argument == "sigmas" and "len(sigmas) - 1" in bodies().get(scheduler, "")
        return len(self.values) - last


@cache
def named() -> Mapping[str, Steps]:
    """The lists that Diffusers has a name for; empty without Diffusers."""
    found: dict[str, Steps] = {}
    for path in files("schedulers/scheduling_utils.py"):
        if match := TABLE.search(text(path)):
            for name, values in ast.literal_eval(match[1]).items():
                for kind in (kind for end, kind in ENDS.items() if name.endswith(end)):
                    found[name] = Steps(kind, tuple(values))
    return MappingProxyType(found)


def names() -> tuple[str, ...]:
    """What `schedule` may be without a list of one's own."""
    return (AYS, *named()) if named() else ()


def asked(settings: Mapping[str, Value], pipeline: str) -> Steps | None:
    """The list that settings ask for; None = a number of steps.

    Args:
        settings: of a shot.
        pipeline: the name of its class, by which "ays" means the times for Stable Diffusion or for its XL.

    Raises:
        StudyError: there is no list of that name.
    """
    word = settings.get(SETTING)
    if word is None:
        return None
    if found := steps_read(str(word)):
        return Steps(*found)
    kind = "StableDiffusionXL" if "XL" in pipeline or "Kolors" in pipeline else "StableDiffusion"
    name = f"{kind}Timesteps" if word == AYS else str(word)
    if name not in named():
        raise StudyError(f"{SETTING}: there is no {word!r}{among(str(word), names(), 'Write [schedules.NAME], or')}")
    return named()[name]


def check(settings: Mapping[str, Value], pipeline: PipelineClass, own: str) -> None:
    """Raise StudyError for a list that the pipeline or its scheduler does not take, or that is not as long as asked.

    Args:
        settings: of a shot.
        pipeline: as its source describes it.
        own: class of the model's own scheduler.
    """
    steps = asked(settings, pipeline.name)
    if steps is None:
        return
    if steps.argument not in pipeline.lists:
        takes = f"It takes {' and '.join(sorted(pipeline.lists))}" if pipeline.lists else "Leave the setting out"
        raise StudyError(f"{SETTING}: {pipeline.name} takes no {steps.argument}. {takes}")
    scheduler = str(settings.get("scheduler") or own)
    if not takes_list(scheduler, steps.argument):
        fit = [name for name in alternatives(own) if takes_list(name, steps.argument)]
        raise StudyError(
            f"{SETTING}: {scheduler} takes no {steps.argument}. Schedulers that do: {', '.join(fit) or 'none'}"
        )
    count, number = steps.count(scheduler), settings.get("num_inference_steps")
    if number is not None and number != count:
        raise StudyError(
            f"num_inference_steps: {number} is not the {count} of the schedule {str(settings[SETTING])[:40]!r}."
            " Leave it out, or take a schedule of that length"
        )


@cache
def takes_list(scheduler: str, argument: str) -> bool:
    """Whether a scheduler class can be given its times or its noise levels."""
    signature = re.search(r"^    def set_timesteps\((.*?)\)[^\n]*:\n", bodies().get(scheduler, ""), re.M | re.S)
    return bool(signature and re.search(rf"\b{argument}:", signature[1]))
