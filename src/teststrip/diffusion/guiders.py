"""Guiders: other ways to lead from the answer without the prompt to the answer with it, where Diffusers offers them.

Diffusers has them for modular pipelines. `FAMILIES` names the pipelines whose modular form makes the same pictures with
plain guidance; all others are refused. Of the guiders those are offered that ask for two answers a step at most, so
that the rows of a picture are known before it is made. Names, options and defaults are read from the installed source;
nothing is imported. `guided` makes the calls. To add a family: a line in `FAMILIES`, once the test of equal pictures
passes for it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from teststrip.diffusion import schedulers
from teststrip.diffusion.pipelines import Kind, PipelineClass, arguments_of, kind_of_argument, sentence_on
from teststrip.diffusion.schedulers import Sampling
from teststrip.diffusion.source import function, parsed_class
from teststrip.diffusion.windows import START, STOP
from teststrip.errors import StudyError, among
from teststrip.records import Setting, Value
from teststrip.vocabulary import GUIDER

PREFIX: Final = f"{GUIDER}."
SETTING: Final = Setting(
    GUIDER, "str", optional=True, is_name=True, doc="Class that guides; the pipeline's own way when left out."
)
SOURCES: Final = "guiders/*guidance*.py"

FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "StableDiffusionXLPipeline": ("StableDiffusionXLModularPipeline", "guidance_scale"),
    "QwenImagePipeline": ("QwenImageModularPipeline", "true_cfg_scale"),
    "Flux2KleinPipeline": ("Flux2KleinBaseModularPipeline", "guidance_scale"),
}
"""The modular form of a pipeline, and the setting that is the guider's scale."""

OFFERED: Final = (
    "AdaptiveProjectedGuidance",
    "AdaptiveProjectedMixGuidance",
    "ClassifierFreeGuidance",
    "ClassifierFreeZeroStarGuidance",
    "MagnitudeAwareGuidance",
    "TangentialClassifierFreeGuidance",
)
"""Guiders of two answers a step. Others skip layers or perturb attention, which are lists and changes of the model."""

ZERO_STAR: Final = "ClassifierFreeZeroStarGuidance"
MAGNITUDES: Final = "MagnitudeAwareGuidance"
OWN: Final = frozenset({"guidance_scale", "enabled"})
"""Arguments of a guider that are no option: the scale is the pipeline's setting."""
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {"start": (0, 1), "stop": (0, 1), "guidance_rescale": (0, 1)}

DOCS: Final = {
    "eta": "How much of the guidance along the answer itself stays; 1 = all of it, 0 = none.",
    "adaptive_projected_guidance_scale": "The scale once the adaptive projected guidance has started.",
}
"""Sentences on options of which the class says nothing."""

WELL_KNOWN: Final[Mapping[Kind, str]] = {
    "float": "adaptive_projected_guidance_momentum adaptive_projected_guidance_rescale"
    " adaptive_projected_guidance_scale alpha eta guidance_rescale start stop",
    "int": "adaptive_projected_guidance_start_step zero_init_steps",
    "bool": "use_original_formulation",
}
"""Options by kind: studies are read with them where Diffusers is not there."""

HEEDED: Final = frozenset(
    {"prompt", "negative_prompt", "width", "height", "num_inference_steps", "guidance_scale", "true_cfg_scale"}
)
"""Arguments of a pipeline that a guided call takes, too."""


@cache
def names() -> tuple[str, ...]:
    """The guiders of the installed Diffusers that are offered here."""
    return tuple(name for name in OFFERED if parsed_class(name, SOURCES))


@cache
def of(guider: str) -> Mapping[str, Setting]:
    """The options of a guider as settings, by their dotted names, with the defaults of the class."""
    tree = parsed_class(guider, SOURCES)
    made = function(tree, "__init__") if tree else None
    if tree is None or made is None:
        return {}
    return MappingProxyType({one.name: one for one in _options(made, ast.get_docstring(tree) or "")})


def _options(made: ast.FunctionDef, described: str) -> Iterator[Setting]:
    for name, annotation, default in arguments_of(made):
        kind, optional = kind_of_argument(annotation)
        if kind is None or name in OWN or not (default is None or isinstance(default, str | int | float)):
            continue
        low, high = BOUNDS.get(name, (None, None))
        yield Setting(
            PREFIX + name,
            kind,
            default,
            low=low,
            high=high,
            optional=optional or default is None,
            doc=sentence_on(described, name) or DOCS.get(name, ""),
        )


@cache
def every() -> Mapping[str, Setting]:
    """Every option of every guider, sorted by name, the defaults left open; whether a guider has it says `check`."""
    found: dict[str, Setting] = {}
    for kind, known in ({} if names() else WELL_KNOWN).items():
        found |= {PREFIX + name: Setting(PREFIX + name, kind, optional=True) for name in known.split()}
    for guider in names():
        for name, option in of(guider).items():
            found.setdefault(name, replace(option, default=None, optional=True))
    return MappingProxyType(dict(sorted(found.items())))


def options(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The options that settings give to the guider, sorted, as its constructor names them."""
    found = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    return {name: value for name, value in sorted(found.items()) if value is not None}


def check(
    settings: Mapping[str, Value], pipeline: PipelineClass, config: Callable[[str, str], Value], *, offload: str
) -> None:
    """Raise StudyError for a guider that the pipeline cannot have, an option that it lacks, or what it would not heed.

    Args:
        settings: of a shot.
        pipeline: as its source describes it.
        config: looks up a key of a component's configuration.
        offload: the engine's option.
    """
    name, given = settings.get(GUIDER), options(settings)
    if name is None:
        for option in given:
            raise StudyError(
                f'{PREFIX}{option}: no guider is set that could have it. Write guider = "{_having(option)}"'
            )
        return
    if name not in names():
        raise StudyError(f"{GUIDER}: there is no guider {str(name)!r}{among(str(name), names(), 'There are')}")
    if pipeline.name not in FAMILIES or (pipeline.name == "Flux2KleinPipeline" and config("", "is_distilled")):
        have = ", ".join(sorted(FAMILIES))
        raise StudyError(f"{GUIDER}: {pipeline.name} has none with this model. Those that have: {have}")
    if offload != "none":
        raise StudyError(f"{GUIDER}: a guided call cannot move models. Leave offload out, or {GUIDER}")
    known = [option.removeprefix(PREFIX) for option in of(str(name))]
    for option in given:
        if option not in known:
            raise StudyError(f"{PREFIX}{option}: {name} has no option {option!r}{among(option, known, 'It has')}")
    _check_values(settings, given, pipeline)


def _check_values(settings: Mapping[str, Value], given: Mapping[str, Value], pipeline: PipelineClass) -> None:
    start, stop = _part(given)
    if start > stop or start >= 1:
        raise StudyError(f"{PREFIX}start: {start:g} is no part of the steps before {PREFIX}stop {stop:g}. Write less")
    for share in (START, STOP):
        if settings.get(share) is not None:
            raise StudyError(
                f"{share}: a guider has shares of its own. Write {PREFIX}{share.removeprefix('guidance_')}"
            )
    for argument in sorted(pipeline.knobs.keys() - HEEDED):
        if settings.get(argument) is not None:
            raise StudyError(f"{argument}: a call with a guider does not take it. Leave {argument} out, or {GUIDER}")
    if settings.get("schedule") is not None:
        raise StudyError(f"schedule: a call with a guider takes a number of steps. Leave schedule out, or {GUIDER}")
    if settings[GUIDER] == MAGNITUDES and pipeline.name == "StableDiffusionXLPipeline":
        raise StudyError(
            f"{GUIDER}: {MAGNITUDES} measures rows of tokens, and StableDiffusionXLPipeline has pictures. Take another"
        )
    zeros = given.get("zero_init_steps", 1)
    if settings[GUIDER] == ZERO_STAR and pipeline.name == "QwenImagePipeline" and zeros:
        raise StudyError(
            f"{PREFIX}zero_init_steps: QwenImagePipeline divides by the size of its answer, which is zero in these"
            f" steps. Write {PREFIX}zero_init_steps = 0"
        )


def check_steps(settings: Mapping[str, Value], sampling: Sampling) -> None:
    """Raise StudyError for a scheduler that takes other calls than steps, because guiders count calls as steps.

    Args:
        settings: of a shot.
        sampling: the class that takes the steps, their number, and its configuration.
    """
    if settings.get(GUIDER) is None:
        return
    steps, calls = sampling[1], schedulers.calls(*sampling)
    if calls != steps:
        raise StudyError(
            f"{GUIDER}: the scheduler takes {calls:,} calls for {steps:,} steps, and a guider would stop at call"
            f" {steps:,}. Take a scheduler of one call a step"
        )


def rows(settings: Mapping[str, Value], pipeline: PipelineClass, steps: int) -> int:
    """The denoiser rows of a picture with a guider, of so many steps."""
    start, stop = _part(options(settings))
    return steps + (int(stop * steps) - int(start * steps) if guides(settings, pipeline) else 0)


def guides(settings: Mapping[str, Value], pipeline: PipelineClass) -> bool:
    """Whether the guider that is set asks for a second answer: not at the scale that means none."""
    off = 0.0 if options(settings).get("use_original_formulation") else 1.0
    return not math.isclose(_scale(settings, pipeline), off)


def around(pipeline: PipelineClass, settings: Mapping[str, Value]) -> Callable[[Any], Any] | None:
    """What gives a modular pipeline in the place of a call's own copy; None where settings ask for no guider.

    Args:
        pipeline: as its source describes it.
        settings: of a shot.
    """
    if settings.get(GUIDER) is None:
        return None
    from teststrip.diffusion.guided import guided

    modular, _ = FAMILIES[pipeline.name]
    given = {"guidance_scale": _scale(settings, pipeline), **options(settings)}
    return guided(modular, str(settings[GUIDER]), given)


def _scale(settings: Mapping[str, Value], pipeline: PipelineClass) -> float:
    name = FAMILIES[pipeline.name][1]
    value = settings.get(name)
    return float(pipeline.knobs[name].default if value is None else value)  # type: ignore[arg-type]


def _part(given: Mapping[str, Value]) -> tuple[float, float]:
    start, stop = given.get("start"), given.get("stop")
    return float(start or 0), 1.0 if stop is None else float(stop)


def _having(option: str) -> str:
    return next((name for name in names() if PREFIX + option in of(name)), "ClassifierFreeGuidance")
