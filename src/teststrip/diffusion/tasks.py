"""Which pipeline class goes with a model and the pictures that prompts give to it, and what it does with them.

Read from the source of the installed Diffusers: the tables of its `AutoPipeline`s, and the arguments of each class.
Knows classes and names of settings; nothing of files, weights or pixels.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from teststrip.diffusion.pipelines import PipelineClass, find
from teststrip.diffusion.source import files, function, text
from teststrip.errors import StudyError
from teststrip.records import Setting, Value

PICTURES: Final = (
    Setting("image", "str", optional=True, doc="The picture to begin with or to edit; each prompt brings its own."),
    Setting("mask_image", "str", optional=True, doc="White where the image is painted anew; each prompt brings it."),
    Setting("control_image", "str", optional=True, doc="What the ControlNet follows; each prompt brings its own."),
    Setting("ip_adapter_image", "str", optional=True, doc="What the IP-Adapter looks at; each prompt brings its own."),
)
"""Pictures as settings of a shot: the SHA-256 of the file."""

NAMES: Final = frozenset(setting.name for setting in PICTURES)

TABLES: Final = "pipelines/auto_pipeline.py"
TEXT: Final = "AUTO_TEXT2IMAGE_PIPELINES_MAPPING"
IMAGE: Final = "AUTO_IMAGE2IMAGE_PIPELINES_MAPPING"
INPAINT: Final = "AUTO_INPAINT_PIPELINES_MAPPING"

OWN_SIZE: Final = re.compile(r"height or self\.(?:default_sample_size|unet\.config\.sample_size)")
"""How a pipeline writes that a height left out is the model's own."""

NEEDS: Final = {
    "control_image": ("controlnet", "the folder of a ControlNet"),
    "ip_adapter_image": ("ip_adapter", "the .safetensors file of an IP-Adapter"),
}
"""The setting that a picture needs, and what it names."""


GOES_WITH: Final = {
    "strength": "image",
    "padding_mask_crop": "mask",
    "controlnet_conditioning_scale": "control_image",
    "control_guidance_start": "control_image",
    "control_guidance_end": "control_image",
    "guess_mode": "control_image",
}
"""Settings of pipelines that are given a picture, and the key by which a prompt brings it."""


def hint(name: str, settings: Mapping[str, Value]) -> str:
    """What a setting needs that a pipeline lacks because no prompt brings a picture, as the end of a message."""
    key = GOES_WITH.get(name)
    return f'. It goes with prompts that have {key} = "..."' if key and not given(settings) else ""


def given(settings: Mapping[str, Value]) -> frozenset[str]:
    """The pictures that a shot gives to its model, by name."""
    return frozenset(name for name in NAMES if settings.get(name) is not None)


def check(settings: Mapping[str, Value]) -> None:
    """Raise StudyError for a picture that is none, or that lacks what goes with it."""
    pictures = given(settings)
    for name in sorted(pictures):
        value = settings[name]
        if not (isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")):
            key = "mask" if name == "mask_image" else name
            raise StudyError(
                f'{name}: pictures belong to prompts. Write prompts = [{{ text = "...", {key} = "photo.png" }}]'
            )
    for name, (setting, _) in NEEDS.items():
        if settings.get(setting) and name not in pictures:
            raise StudyError(f'{setting}: needs prompts with {name} = "..."')
    if settings.get("ip_adapter_image") and not settings.get("ip_adapter"):
        setting, what = NEEDS["ip_adapter_image"]
        raise StudyError(f'ip_adapter_image: nothing looks at it. Write {setting} = "...", {what}')


def pipeline_for(own: str, pictures: frozenset[str], *, controlnet: bool) -> str:
    """The class that takes these pictures with the weights of a model.

    Args:
        own: the class that the model was saved as.
        pictures: names of those that the prompts give.
        controlnet: whether the study names a ControlNet.

    Returns:
        the model's own class where that takes just these pictures, or where there are none.

    Raises:
        StudyError: there is no such class; the message says what is.
    """
    if not pictures:
        return own
    there = find(own)
    if there is None or (not controlnet and not unfit(there, pictures)):
        return own
    if "control_image" in pictures and not controlnet:
        setting, what = NEEDS["control_image"]
        raise StudyError(f'control_image: {own} follows none by itself. Write {setting} = "...", {what}')
    found = _named(own, pictures, controlnet=controlnet)
    kind = find(found) if found else None
    if kind is None or (why := unfit(kind, pictures)):
        listed = " and ".join(sorted(pictures))
        more = f": {kind.name} comes nearest, but {why}" if kind else ""
        raise StudyError(f"model: no pipeline of this Diffusers makes pictures from {listed} with {own}{more}")
    return kind.name


def _named(own: str, pictures: frozenset[str], *, controlnet: bool) -> str:
    """The name that the tables have for a class of these pictures, or the one that Diffusers' classes are named by."""
    base = _tables().get(TEXT, {}).get(_family(own), own)
    if controlnet and "ControlNet" not in base:
        base = re.sub(r"(PAG)?Pipeline$", r"ControlNet\1Pipeline", base)
    if not pictures & {"image", "mask_image"}:
        return base
    table, word = (INPAINT, "Inpaint") if "mask_image" in pictures else (IMAGE, "Img2Img")
    return _tables().get(table, {}).get(_family(base)) or base.replace("Pipeline", f"{word}Pipeline")


def unfit(pipeline: PipelineClass, pictures: frozenset[str]) -> str:
    """Why a class cannot make pictures from a text and these pictures; "" when it can."""
    if not pictures:
        return pipeline.unfit
    if "prompt" not in pipeline.knobs:
        return "it takes no prompt"
    bound = arguments(pipeline, pictures)
    for name in sorted(pictures):
        if name not in bound:
            return f"it takes no {name}"
    for name, needed in pipeline.takes.items():
        if needed and name not in bound.values():
            return f"it takes {name}, too"
    return ""


def arguments(pipeline: PipelineClass, pictures: frozenset[str]) -> dict[str, str]:
    """The argument of the class's call that each picture is; a picture that it does not take is left out.

    A ControlNet of the older pipelines calls what it follows `image`.
    """
    found = {name: name for name in pictures if name in pipeline.takes}
    older = "control_image" in pictures and "control_image" not in pipeline.takes and "ControlNet" in pipeline.name
    if older and "image" not in pictures and "image" in pipeline.takes:
        found["control_image"] = "image"
    return found


@cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    """The tables of Diffusers' AutoPipelines: what each calls a family, and the class for it."""
    found: dict[str, dict[str, str]] = {}
    for path in files(TABLES):
        for node in ast.parse(text(path)).body:
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            pairs = [one for one in ast.walk(node.value) if isinstance(one, ast.Tuple) and len(one.elts) == 2]
            table = found.setdefault(node.targets[0].id, {})
            for pair in pairs:
                key, kind = pair.elts
                if isinstance(key, ast.Constant) and isinstance(kind, ast.Name):
                    table[str(key.value)] = kind.id
    return found


def _family(name: str) -> str:
    """What the tables call the family of a class; "" where none of them has it."""
    tables = (_tables().get(table, {}) for table in (TEXT, IMAGE, INPAINT))
    return next((family for table in tables for family, kind in table.items() if kind == name), "")


@cache
def classes() -> tuple[str, ...]:
    """The classes of the tables that begin with a picture or follow one."""
    tables = _tables()
    controlled = [kind for kind in tables.get(TEXT, {}).values() if "Control" in kind]
    return tuple(dict.fromkeys([*tables.get(IMAGE, {}).values(), *tables.get(INPAINT, {}).values(), *controlled]))


def steps_left(pipeline: PipelineClass, settings: Mapping[str, Value], steps: int) -> int:
    """How many of these steps are taken, where `strength` leaves the first ones out; 0 where none is left.

    Args:
        pipeline: as its source describes it.
        settings: of a shot.
        steps: `num_inference_steps`.
    """
    knob = pipeline.knobs.get("strength")
    strength = settings.get("strength", knob.default if knob else None)
    times = function(pipeline.tree, "get_timesteps") if knob else None
    if times is None or not isinstance(strength, int | float):
        return steps
    if "int(num_inference_steps * strength)" in ast.unparse(times):
        return min(int(steps * strength), steps)
    return steps - int(max(steps - min(steps * strength, steps), 0))


def fewest_steps(pipeline: PipelineClass, settings: Mapping[str, Value], steps: int) -> int:
    """The smallest number of steps, up to these, of which `strength` leaves one."""
    return next((n for n in range(1, steps) if steps_left(pipeline, settings, n)), steps)


def remark(pipeline: PipelineClass, settings: Mapping[str, Value]) -> str:
    """In which size pictures are made where a study gives an image and no size, as a clause after "settings"."""
    sides = [settings.get(side) for side in ("width", "height")]
    if settings.get("image") is None or any(side is not None for side in sides):
        return ""
    if "width" not in pipeline.knobs:
        return "are made in the size of each prompt's image"
    source = ast.unparse(pipeline.tree)
    if "image_width" in source or not OWN_SIZE.search(source):
        return ""
    return "are made in the model's own size, whatever the size of the image: the image is stretched to it"


def check_steps(pipeline: PipelineClass, settings: Mapping[str, Value], steps: int) -> None:
    """Raise StudyError where `strength` leaves no step, or a window of control is empty."""
    strength = settings.get("strength")
    if isinstance(strength, int | float) and not steps_left(pipeline, settings, steps):
        least = math.ceil(1000 / steps) / 1000
        raise StudyError(f"strength: {strength:g} of {steps} steps leaves none. Write at least {least:g}")
    start, end = (_number(pipeline, settings, f"control_guidance_{side}") for side in ("start", "end"))
    if start is not None and end is not None and start >= end:
        raise StudyError(f"control_guidance_start: {start:g} must be below control_guidance_end, which is {end:g}")


def _number(pipeline: PipelineClass, settings: Mapping[str, Value], name: str) -> float | None:
    knob = pipeline.knobs.get(name)
    value = settings.get(name)
    value = knob.default if value is None and knob else value
    return float(value) if isinstance(value, int | float) else None
