"""What the engine `diffusers` offers: its options, its settings beside those of a pipeline's call, and all in groups.

The groups of a model have the defaults of its pipeline and of its scheduler. To add one of them: a line here. Loads
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from teststrip.diffusion import (
    additions,
    backends,
    guiders,
    models,
    part_options,
    pipelines,
    scheduler_options,
    schedulers,
    step_lists,
    tasks,
    weighting,
    windows,
)
from teststrip.records import Setting, Value
from teststrip.vocabulary import GUIDER
from teststrip.weights.loading import DEVICE

OPTIONS: Final = (
    Setting(
        "dtype",
        "str",
        "auto",
        choices=("auto", "float32", "float16", "bfloat16"),
        doc="Number format of the weights; auto is float32 on a CPU, else float16 for U-Nets, bfloat16 for others.",
    ),
    Setting("variant", "str", "", doc='Weight files, for example "fp16"; "" = the plain ones, or the only ones.'),
    Setting("config", "str", "", doc='Folder with the configuration of a single-file model; "" = from the hub.'),
    Setting("safety_checker", "bool", default=True, doc="Whether a model's safety checker looks at the pictures."),
    DEVICE,
    Setting(
        "offload",
        "str",
        "none",
        choices=("none", "model", "sequential"),
        doc="What waits in main memory while it is not needed: whole models, or layers (slow).",
    ),
    Setting("keep", "int", 2, low=1, high=64, doc="Models kept in memory when the model is an axis."),
    Setting(
        "batch",
        "int",
        low=1,
        high=1024,
        choices=("auto",),
        doc="Rows of each forward of the denoiser; found by itself when left out; 1 = one plain call a picture.",
    ),
    Setting(
        "backend",
        "str",
        "torch",
        choices=backends.NAMES,
        doc="What computes the denoiser's forwards; auto is the fastest that makes the pictures of PyTorch.",
    ),
    *part_options.OPTIONS,
)

OWN_SETTINGS: Final = (
    Setting("model", "str", models.EMBEDDED, doc="'emoji' (embedded), a folder, a .safetensors file, or a hub name."),
    Setting("revision", "str", optional=True, is_name=True, doc="Branch, tag or commit of a hub name."),
    Setting("seed", "int", low=0, high=2**32 - 1, doc="Of the noise, for this one picture."),
    Setting(
        "scheduler",
        "str",
        optional=True,
        is_name=True,
        doc="Class that takes the steps; the model's own when left out.",
    ),
    Setting(
        "schedule",
        "str",
        optional=True,
        is_name=True,
        doc='Times of the steps instead of their number: "ays", or a [schedules.NAME].',
    ),
    Setting(
        "lora",
        "str",
        optional=True,
        is_name=True,
        doc='A .safetensors file that adapts the model, or a stack: "one.safetensors 0.8 + other.safetensors 0.5".',
    ),
    Setting(
        "textual_inversion",
        "str",
        optional=True,
        is_name=True,
        doc="A .safetensors file of vectors for a new word of the prompts; several are joined by +.",
    ),
    Setting(
        "prompt_weighting",
        "str",
        optional=True,
        choices=(weighting.COMPEL,),
        doc="Lets compel read weights in prompts, (red:1.2) and [red], and prompts of any length as a whole.",
    ),
    Setting(
        "lora_scale", "float", low=-10, high=10, optional=True, doc="How strongly a single lora adapts; 1 = as trained."
    ),
    *windows.SETTINGS,
    guiders.SETTING,
)
"""What a pipeline's call does not take, but a study can set."""

SETTINGS: Final = (*OWN_SETTINGS, *additions.SETTINGS, *tasks.PICTURES)
"""With what makes a model follow pictures, and the pictures that prompts bring."""

Groups = Mapping[str, Sequence[Setting]]
"""Settings by the title of their group."""


def every() -> Sequence[Setting]:
    """All settings that some model takes."""
    options = (*scheduler_options.every().values(), *guiders.every().values())
    return (*pipelines.knobs().values(), *SETTINGS, *options)


def of_any_model() -> Groups:
    """All settings that some model takes."""
    return {
        "Of any pipeline that has them": tuple(pipelines.knobs().values()),
        "Of the engine": SETTINGS,
        "Of schedulers that have them": tuple(scheduler_options.every().values()),
        "Of guiders that have them": tuple(guiders.every().values()),
    }


def of(model: models.Model, pipeline: pipelines.PipelineClass | None, settings: Mapping[str, Value]) -> Groups:
    """What a model takes, with the defaults of its pipeline and its scheduler.

    Args:
        model: as found.
        pipeline: as its source describes it; None where Diffusers is not installed.
        settings: they may name another scheduler, or a guider.

    Raises:
        StudyError: the scheduler does not fit the model.
    """
    own = model.scheduler[0]
    schedulers.check(settings, *model.scheduler, model.pipeline)
    now, guider = str(settings.get("scheduler") or own), str(settings.get(GUIDER) or "")
    fit = {"scheduler": schedulers.alternatives(own) if own else (), "schedule": step_lists.names()}
    guided = not pipeline or pipeline.name in guiders.FAMILIES
    if guided:
        fit[GUIDER] = guiders.names()
    if pipeline and not pipeline.lists:
        del fit["schedule"]
    lacking = {*(() if guided else (GUIDER,)), *(() if "schedule" in fit else ("schedule",))}
    return {
        f"Of {model.pipeline}": tuple(pipeline.knobs.values()) if pipeline else (),
        "Of the engine": tuple(
            replace(one, choices=fit.get(one.name, one.choices)) for one in SETTINGS if one.name not in lacking
        ),
        f"Of {now}": tuple(_as_configured(one, model) for one in scheduler_options.of(now).values()),
        **({f"Of {guider}": tuple(guiders.of(guider).values())} if guider else {}),
    }


def _as_configured(option: Setting, model: models.Model) -> Setting:
    """An option of a scheduler with what the model's own configuration says, where it says something."""
    value = model.scheduler[1].get(option.name.removeprefix(scheduler_options.PREFIX))
    return replace(option, default=value) if isinstance(value, str | int | float) else option
