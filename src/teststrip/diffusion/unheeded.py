"""Settings that a pipeline takes and does not heed, read from its source and the model's configuration.

`teststrip plan` says so before anything is made; what only the pictures can tell is found there (`rows.dead`). Knows
the few ways that Diffusers' own pipelines have.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from teststrip.diffusion import guiders, scheduler_options, windows
from teststrip.diffusion.models import Model
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.schedulers import Sampling, calls
from teststrip.diffusion.source import function, parsed_class
from teststrip.records import Value
from teststrip.vocabulary import GUIDER, options_written, sampler

EMBEDDINGS: Final = (("transformer", "guidance_embeds"), ("unet", "time_cond_proj_dim"))
"""Configuration of models that read guidance as a number, with or without a second row."""
REPLACED: Final[Mapping[str, tuple[str, bool]]] = {
    "shift": ("use_dynamic_shifting", True),
    "base_shift": ("use_dynamic_shifting", False),
    "max_shift": ("use_dynamic_shifting", False),
    "time_shift_type": ("use_dynamic_shifting", False),
    "flow_shift": ("use_flow_sigmas", False),
    "dynamic_thresholding_ratio": ("thresholding", False),
    "sample_max_value": ("thresholding", False),
}
"""An option, and another one with the value at which the first one is not read."""
BOTH_SIDES: Final = "not height or not width"
"""How a pipeline writes that a single side is not heeded."""


def remarks(pipeline: PipelineClass, settings: Mapping[str, Value], model: Model, sampling: Sampling) -> Iterator[str]:
    """What is not heeded of these settings, each as a clause after "settings".

    Args:
        pipeline: as its source describes it.
        settings: of a shot.
        model: as found; its configuration is asked.
        sampling: the class that takes the steps, their number, and its configuration.
    """
    scheduler, steps, config = sampling
    guider = settings.get(GUIDER) is not None
    guided = guiders.guides(settings, pipeline) if guider else pipeline.guided(settings, model.config)
    off = "" if guided else _why_off(pipeline, settings)
    scale = _number(settings, "guidance_scale")
    if settings.get("negative_prompt") and "negative_prompt" in pipeline.knobs and not guided:
        yield f"do not heed the negative_prompt: {off}. Leave it out, or turn guidance on"
    if (_number(settings, "true_cfg_scale") or 0) > 1 and not guided and "negative_prompt" in pipeline.knobs:
        yield 'do not heed true_cfg_scale: it needs a negative_prompt. Write negative_prompt = " "'
    if (scale or 0) > 1 and not guided and not _embeds(pipeline, model):
        yield f"do not heed guidance_scale: {pipeline.name} makes no guidance with this model. Leave it out"
    if (_number(settings, "eta") or 0) > 0 and not _takes_eta(scheduler):
        yield f"do not heed eta: {sampler(scheduler)} does not take it. DDIM and TCD do"
    if guider and off:
        yield f"do not heed guider: {off}. Leave guider out, or turn guidance on"
    yield from windows.unheeded(settings, off, calls(scheduler, steps, config))
    yield from _options(settings, scheduler, config)
    sides = [side for side in ("width", "height") if settings.get(side) is not None]
    if len(sides) == 1 and wants_both(pipeline):
        other = "height" if sides == ["width"] else "width"
        yield f"do not heed {sides[0]}: {pipeline.name} takes both sides or none. Write {other}, too"


def _options(settings: Mapping[str, Value], scheduler: str, config: Mapping[str, object]) -> Iterator[str]:
    """The options of a scheduler that another option takes the place of."""
    if not config:
        return  # nothing is known of the model's own scheduler
    defaults = {
        one.name.removeprefix(scheduler_options.PREFIX): one.default for one in scheduler_options.of(scheduler).values()
    }
    now = {**defaults, **config}
    for option, (other, off) in REPLACED.items():
        name = scheduler_options.PREFIX + option
        if settings.get(name) is not None and other in now and bool(now[other]) is off:
            written = options_written({other: off})
            yield f"do not heed {name}: {written} takes its place in {sampler(scheduler)}. Leave it out, or change that"


def _why_off(pipeline: PipelineClass, settings: Mapping[str, Value]) -> str:
    name = "true_cfg_scale" if "true_cfg_scale" in pipeline.knobs else "guidance_scale"
    value = settings.get(name)
    value = pipeline.knobs[name].default if value is None and name in pipeline.knobs else value
    if isinstance(value, int | float) and value <= 1:
        return f"guidance is off at {name} {value:g}"
    return f"{pipeline.name} makes no second row for it with this model"


def _number(settings: Mapping[str, Value], name: str) -> float | None:
    value = settings.get(name)
    return float(value) if isinstance(value, int | float) else None


def _embeds(pipeline: PipelineClass, model: Model) -> bool:
    """Whether the model reads guidance as a number. What is not known counts as yes: no setting is called dead."""
    source = _source(pipeline.tree)
    asked = [(part, key) for part, key in EMBEDDINGS if key in source]
    return any(not _known(model, part) or bool(model.config(part, key)) for part, key in asked)


def _known(model: Model, part: str) -> bool:
    model.config(part, "")
    return bool(model.configs.get(part))


@cache
def _takes_eta(scheduler: str) -> bool:
    """Whether a step of the scheduler class takes eta, as pipelines ask before they hand it over."""
    tree = parsed_class(scheduler, "schedulers/*.py")
    step = function(tree, "step") if tree else None
    return step is None or any(one.arg == "eta" for one in (*step.args.args, *step.args.kwonlyargs))


def wants_both(pipeline: PipelineClass) -> bool:
    """Whether a pipeline heeds width and height together only."""
    return BOTH_SIDES in _source(pipeline.tree)


@cache
def _source(pipeline: ast.ClassDef) -> str:
    return ast.unparse(pipeline)
