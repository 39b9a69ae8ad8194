"""Imagen's protocol `predict`, which private and compatible endpoints speak: settings, request, answer.

Google's own Imagen models are shut down. Rewriting of prompts is off unless a study turns it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from teststrip.hosted import checked
from teststrip.hosted.configuration import Provider
from teststrip.hosted.trouble import Trouble
from teststrip.records import Setting, Value

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        setting.name: setting
        for setting in (
            Setting("prompt", "str", doc="The text to draw."),
            Setting(
                "seed", "int", 0, low=0, high=2**32 - 1, doc="Best effort; not sent where the picture has a watermark."
            ),
            Setting("model", "str", doc="The model, as the endpoint spells it."),
            Setting("negative_prompt", "str", doc="What to keep away from."),
            Setting("guidance_scale", "float", low=0, high=100, doc="How closely the picture follows the prompt."),
            Setting("aspect_ratio", "str", choices=("1:1", "3:4", "4:3", "9:16", "16:9"), doc="Width to height."),
            Setting("image_size", "str", choices=("1K", "2K"), doc="Size of the picture."),
            Setting(
                "add_watermark",
                "bool",
                doc="Whether the picture is marked; left out, it is not, so that seeds are read.",
            ),
            Setting("enhance_prompt", "bool", doc="Whether the service rewrites the prompt; left out, it does not."),
            Setting(
                "person_generation", "str", choices=("dont_allow", "allow_adult", "allow_all"), doc="Who may be drawn."
            ),
        )
    }
)
IN_WORDS = {"negative_prompt": "negativePrompt", "guidance_scale": "guidanceScale", "aspect_ratio": "aspectRatio"}
IN_WORDS |= {"image_size": "sampleImageSize", "person_generation": "personGeneration"}

RATIO = 0.08
"""How far a picture's width to height may be from the ratio: Imagen's own 3:4 is 896x1280, 7 % off."""


def body(prompt: str, settings: Mapping[str, Value], seed: int) -> dict[str, Any]:
    """The request for one picture."""
    marked = bool(settings.get("add_watermark"))
    parameters: dict[str, Any] = {
        "sampleCount": 1,
        "includeRaiReason": True,
        "addWatermark": marked,
        "enhancePrompt": bool(settings.get("enhance_prompt")),
    }
    parameters |= {} if marked else {"seed": seed}  # the protocol takes no seed beside a watermark
    parameters |= {word: settings[name] for name, word in IN_WORDS.items() if settings.get(name) is not None}
    return {"instances": [{"prompt": prompt}], "parameters": parameters}


def endpoint(provider: Provider, model: str) -> str:
    """Where `predict` is asked: below the project, where the configuration names one."""
    more, base = provider.more, provider.base_url.rstrip("/")
    project, location = more.get("project"), more.get("location")
    where = f"/projects/{quote(project, '')}/locations/{quote(location or 'us-central1', '')}" if project else ""
    return f"{base}/{more.get('api_version', 'v1beta1')}{where}/publishers/google/models/{quote(model, '')}:predict"


def picture(
    answer: Mapping[str, Any], facts: dict[str, object], *, paid: float | None, told: Callable[[object], str]
) -> checked.Answer:
    """The picture of an answer.

    Args:
        answer: JSON of the endpoint.
        facts: what is known of the answer.
        paid: what it cost.
        told: makes a line for people of a text of the service.

    Raises:
        Trouble: there is none.
    """
    found = answer.get("predictions")
    first = found[0] if isinstance(found, list) and found else None
    if not isinstance(first, dict):
        raise Trouble("error", "the endpoint answered without a picture and without a reason", paid=paid)
    if reason := first.get("raiFilteredReason"):
        raise Trouble("refused", f"refused: {told(reason)}", paid=paid)
    rewritten = first.get("prompt")
    revised = {"revised_prompt": rewritten} if isinstance(rewritten, str) and rewritten else {}
    return checked.picture(first.get("bytesBase64Encoded"), facts={**facts, **revised}, paid=paid)
