"""What a server of ComfyUI has, as settings with its own names, and as the beginning of a study that fits it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from teststrip import plugins
from teststrip.comfy.families import CHECKPOINT, DIFFUSION_MODEL, FAMILIES
from teststrip.comfy.nodes import Input
from teststrip.comfy.pool import HOME
from teststrip.comfy.server import Server
from teststrip.errors import EngineError
from teststrip.hosted import configuration
from teststrip.hosted.configuration import Provider
from teststrip.hosted.keys import key
from teststrip.hosted.trouble import Trouble
from teststrip.records import Setting

SECONDS: Final = 30.0
SOURCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "model": (CHECKPOINT, DIFFUSION_MODEL),
    "vae": (("VAELoader", "vae_name"),),
    "text_encoder": (("CLIPLoader", "clip_name"),),
    "text_encoder_2": (("DualCLIPLoader", "clip_name2"),),
    "num_inference_steps": (("KSampler", "steps"),),
    "guidance_scale": (("KSampler", "cfg"),),
    "true_cfg_scale": (("KSampler", "cfg"),),
    "scheduler": (("KSampler", "sampler_name"),),
    "spacing": (("KSampler", "scheduler"),),
    "width": (("EmptyLatentImage", "width"),),
    "height": (("EmptyLatentImage", "height"),),
    "shift": (("ModelSamplingAuraFlow", "shift"),),
}
"""The inputs of nodes that say what a setting may be."""

NAME: Final = "comfyui"
"""How a study names a server that the configuration does not know yet."""

_FAMILIES: Final = (
    ("z-image", r"z[-_ ]?image"),
    ("qwen-image", r"qwen"),
    ("flux", r"flux"),
    ("sdxl", r"xl|pony|illustrious|noob|animagine"),
)
_OTHERS: Final = r"sd3|sd_3|stable.?cascade|wan[-_ 0-9.]|ltx|hunyuan|inpaint|refiner|svd|edit|video|kontext|flux[-_.]?2"
"""Names of models that no built-in graph fits."""


def served(address: str, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """These settings with the choices and bounds of the server at an address, a URL or a name of the configuration."""
    inputs = _asked(configuration.read().at(address))
    return {name: _narrowed(setting, inputs.get(name, [])) for name, setting in settings.items()}


def begun(address: str) -> dict[str, object]:
    """The keys of a study of sampler × steps on the server at an address, a URL or a name of the configuration."""
    provider = configuration.read().at(address)
    name = provider.name
    if not name and provider.base_url != HOME:
        name = NAME  # a study holds no address; `teststrip init` says what to write into the configuration
    inputs = _asked(provider)
    models = [str(one) for input_ in inputs.get("model", []) for one in input_.choices]
    fitting = [(model, family) for model in models if (family := family_of(model))]
    if not fitting:
        raise EngineError(f"{provider.base_url} has no model that a built-in graph fits. Name a workflow of your own")
    model, family = fitting[0]
    samplers = {str(one) for input_ in inputs.get("scheduler", []) for one in input_.choices}
    axis = [one for one in ("euler", "dpmpp_2m", "euler_ancestral", "uni_pc") if one in samplers][:3]
    side = FAMILIES[family].side
    steps = [4, 8, 12] if family == "z-image" else [10, 20, 30]
    return {
        "name": "comfyui",
        "engine": {"name": "comfyui", "family": family, **({"provider": name} if name else {})},
        "settings": {"model": model, "width": side, "height": side},
        "axes": {**({"scheduler": axis} if len(axis) > 1 else {}), "num_inference_steps": steps},
    }


def _narrowed(setting: Setting, there: list[Input]) -> Setting:
    """A setting with the choices or the bounds of a server's inputs."""
    choices = tuple(dict.fromkeys(str(one) for input_ in there for one in input_.choices))
    if choices:
        return replace(setting, choices=choices)
    if not there or setting.kind == "str":
        return setting
    low, high = there[0].low, there[0].high
    return replace(setting, low=setting.low if low is None else low, high=setting.high if high is None else high)


def family_of(model: str) -> str:
    """The family that the name of a model's file suggests; "" where it suggests one without a built-in graph.

    >>> family_of("sd_xl_base_1.0.safetensors"), family_of("v1-5-pruned-emaonly.safetensors"), family_of("sd3.5.gguf")
    ('sdxl', 'sd15', '')
    """
    if re.search(_OTHERS, model, re.IGNORECASE):
        return ""
    return next((family for family, words in _FAMILIES if re.search(words, model, re.IGNORECASE)), "sd15")


def _asked(provider: Provider) -> dict[str, list[Input]]:
    """What the server says of each setting.

    Raises:
        EngineError: no server of ComfyUI answers.
        MissingExtra: the HTTP client is not installed.
    """
    try:
        server = Server(provider, key(provider.key), SECONDS)
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    try:
        server.stats()
        found: dict[str, list[Input]] = {}
        for name, sources in SOURCES.items():
            for kind, input_ in sources:
                known = server.node(kind)
                if known is not None and input_ in known.inputs:
                    found.setdefault(name, []).append(known.inputs[input_])
    except Trouble as trouble:
        raise EngineError(trouble.text) from None
    finally:
        server.close()
    return found
