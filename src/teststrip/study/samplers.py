"""Samplers by the names of other tools: the settings of Diffusers that they stand for, or why there are none.

"DPM++ 2M Karras" is a class and an option: `scheduler` and `scheduler.use_karras_sigmas`. A1111 and ComfyUI also give
the two parts apart; the name of a spacing alone stands for its options alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Final

from teststrip.protocols import Engine, Names
from teststrip.records import Setting, Study, Value
from teststrip.study.place import Place, shown
from teststrip.vocabulary import SCHEDULER, options_written, sampler_named, spacing_named

HEAD: Final = f"{SCHEDULER}."

SPACING: Final = "spacing"
"""The name of an axis of spacings that a study calls `scheduler`, as ComfyUI does."""


def meant(name: str, value: object, engine: Engine, knobs: Mapping[str, Setting], place: Place) -> Mapping[str, object]:
    """The settings that the value of a setting stands for: the setting itself, except for a sampler's popular name.

    Args:
        name: of the setting.
        value: as the study gives it.
        engine: it knows the names of its scheduler classes.
        knobs: the settings of the engine.
        place: of the value.

    Raises:
        StudyError: the engine has no such options, or Diffusers has no such sampler.
    """
    if name != SCHEDULER or not isinstance(value, str) or value in (known := _known(engine, knobs)):
        return {name: value}
    if not known and not any(knob.startswith(HEAD) for knob in knobs):
        return {name: value}  # the engine has names of its own
    found = settings_of(value)
    if found is None:
        return {name: value}
    if not found and spacing_named(value) is None:
        raise place.error(
            f"{shown(value)} means no scheduler of Diffusers. `teststrip engines NAME` lists those that there are"
        )
    if lacking := [option for option in found if option not in knobs]:
        raise place.error(_without_options(value, found, lacking))
    return found


def settings_of(value: object) -> dict[str, object] | None:
    """The settings that a popular name of a sampler or of a spacing stands for; None for any other value.

    >>> settings_of("DPM++ 2M Karras")
    {'scheduler': 'DPMSolverMultistepScheduler', 'scheduler.use_karras_sigmas': True}
    >>> settings_of("karras"), settings_of("DDIMScheduler")
    ({'scheduler.use_karras_sigmas': True}, None)
    """
    found = sampler_named(value) if isinstance(value, str) else None
    if found is None:
        return None
    name, options = found
    return ({SCHEDULER: name} if name else {}) | {HEAD + option: one for option, one in options.items()}


def sentences(study: Study) -> Iterator[str]:
    """What the popular names in a study's axes stand for, and which options of a scheduler it holds fixed.

    "DPM++ 2M Karras is DPMSolverMultistepScheduler with scheduler.use_karras_sigmas = true".
    """
    for axis in study.axes:
        for level in axis.levels:
            if axis.kind == "linked" and level.settings == settings_of(level.label):
                yield f"{level.label} is {_in_words(level.settings)}"
    if any(name.startswith(HEAD) for name in study.settings):
        yield f"all settings have {_in_words(study.settings)}"


def _in_words(settings: Mapping[str, Value]) -> str:
    """The class and the options of a scheduler among these settings."""
    options = {name.removeprefix(HEAD): value for name, value in settings.items() if name.startswith(HEAD)}
    given = options_written(options)
    if name := settings.get(SCHEDULER):
        return f"{name} with {given}" if given else str(name)
    return given or "the spacing of the class itself"


def _known(engine: Engine, knobs: Mapping[str, Setting]) -> Container[str]:
    return knobs[SCHEDULER].choices or (engine.names().get(SCHEDULER, ()) if isinstance(engine, Names) else ())


def _without_options(value: str, found: Mapping[str, object], lacking: list[str]) -> str:
    options = {name.removeprefix(HEAD): found[name] for name in lacking}
    if name := found.get(SCHEDULER):
        return (
            f'{shown(value)} is "{name}" with {options_written(options)}, and this engine takes no options of a'
            " scheduler. Write another one"
        )
    return (
        f"{shown(value)} is no sampler; it spaces the steps of one by {options_written(options)}, and this engine takes"
        " no options of a scheduler. Leave it out"
    )
