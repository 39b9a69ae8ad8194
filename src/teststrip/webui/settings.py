"""The settings of the web UIs, by Diffusers' names where it has one, else as `teststrip import` names what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from teststrip.errors import StudyError, nearest
from teststrip.records import Setting, Value
from teststrip.vocabulary import SAMPLERS, spacing_named

LONGEST_PROMPT: Final = 100_000

_ALL = (
    Setting("prompt", "str", doc="The text to draw."),
    Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Sent as it is, one picture a request."),
    Setting("model", "str", doc="The model by title, name or hash; left out, the one that is loaded.", is_name=True),
    Setting("negative_prompt", "str", doc="What to keep away from; left out, nothing."),
    Setting("num_inference_steps", "int", low=1, high=1000, doc="Sampling steps."),
    Setting("guidance_scale", "float", low=0, high=100, doc="The CFG scale."),
    Setting("distilled_cfg_scale", "float", low=0, high=100, doc="Forge: the distilled guidance of Flux."),
    Setting("scheduler", "str", doc="The sampler, by the server's name or an alias.", is_name=True),
    Setting("spacing", "str", doc="The schedule type, by the server's name or an alias.", is_name=True),
    Setting("width", "int", low=64, high=8192, doc="Width of the first pass in pixels, a multiple of 8."),
    Setting("height", "int", low=64, high=8192, doc="Height of the first pass in pixels, a multiple of 8."),
    Setting("clip_skip", "int", low=0, high=11, doc="Layers of CLIP to skip, from 0: the web UI's 2 is 1 here."),
    Setting("vae", "str", doc="The VAE by name, or Automatic, or None.", is_name=True),
    Setting("eta", "float", low=0, high=1, doc="How much noise a sampler adds that has it."),
    Setting("styles", "str", doc="Styles of the server, joined by ' + '."),
    Setting("hires_upscale", "float", low=1, high=8, doc="A second pass, so many times as large."),
    Setting("hires_upscaler", "str", doc="What enlarges before the second pass.", is_name=True),
    Setting("hires_steps", "int", low=1, high=1000, doc="Steps of the second pass; left out, as many as the first."),
    Setting("strength", "float", low=0, high=1, doc="Denoising strength of the second pass."),
    Setting("override_settings", "str", doc="Options of the server for this picture, as a JSON object."),
)
SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType({setting.name: setting for setting in _ALL})

SECOND_PASS: Final = ("hires_upscaler", "hires_steps", "strength")
OWN_OPTIONS: Final[Mapping[str, str]] = {
    "sd_model_checkpoint": "model",
    "sd_vae": "vae",
    "CLIP_stop_at_last_layers": "clip_skip",
}
"""Options of a server that are settings here."""


def check(settings: Mapping[str, Value]) -> None:
    """Check what needs no server.

    Raises:
        StudyError: values cannot go together.
    """
    for side in ("width", "height"):
        value = settings.get(side)
        if isinstance(value, int) and value % 8:
            raise StudyError(
                f"{side}: {value} is no multiple of 8, and web UIs would draw another size. Write {value // 8 * 8}"
            )
    if settings.get("hires_upscale") is None:
        for name in SECOND_PASS:
            if settings.get(name) is not None:
                raise StudyError(f"{name}: there is no second pass without hires_upscale. Write hires_upscale = 2.0")
    name = str(settings.get("scheduler") or "")
    if name.endswith("Scheduler") and name not in SAMPLERS:
        raise StudyError(f"scheduler: web UIs have no sampler for {name!r}{nearest(name, SAMPLERS)}")
    if name and spacing_named(name) is not None:
        raise StudyError(f"scheduler: {name!r} is no sampler; it spaces the steps of one. Write spacing = {name!r}")
    overrides(settings)


def styles(settings: Mapping[str, Value]) -> list[str]:
    """The names of the styles."""
    return [name for part in str(settings.get("styles") or "").split(" + ") if (name := part.strip())]


def overrides(settings: Mapping[str, Value]) -> dict[str, object]:
    """The options of the server that a study sets itself.

    Raises:
        StudyError: they are no JSON object, or one of them is a setting here.
    """
    text = settings.get("override_settings")
    if not text:
        return {}
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StudyError("""override_settings: is no JSON object. Write '{"eta_noise_seed_delta": 31337}'""")
    for name, setting in OWN_OPTIONS.items():
        if name in found:
            raise StudyError(f"override_settings: {name} is the setting {setting}. Write {setting} = ...")
    return found
