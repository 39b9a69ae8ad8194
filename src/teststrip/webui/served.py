"""What a server has, as the settings of a study, and the keys of a study file that fits it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from teststrip import plugins
from teststrip.hosted import configuration
from teststrip.hosted.addresses import reach
from teststrip.hosted.configuration import Provider
from teststrip.records import Setting
from teststrip.webui import reading
from teststrip.webui.lists import Lists, Named
from teststrip.webui.settings import SETTINGS

HOME = "http://127.0.0.1:7860"
"""Where A1111, Forge, reForge and SD.Next listen, unless they are told otherwise."""
NAME = "webui"
"""The name of a server in a study for an address that the configuration does not have."""
_SAMPLERS = 3
_STEPS = (15, 30)


def server(name: str | None) -> Provider:
    """A server of the user's configuration; None = this machine's own.

    Raises:
        EngineError: there is no such server, or its entry is wrong.
    """
    return Provider("", HOME, reach(HOME)) if name is None else configuration.read().provider(name)


def asked(provider: Provider) -> Lists:
    """What a server has.

    Raises:
        EngineError: it is not reached, or is no such server.
    """
    try:
        from teststrip.webui.web import Web
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    web = Web(provider, seconds=30.0)
    try:
        return reading.read(web)
    finally:
        web.close()


def settings(address: str) -> dict[str, Setting]:
    """The settings by name, with the server's choices; without those of which it has no list."""
    found = asked(configuration.read().at(address))
    choices = {
        "model": [one.title for one in found.models],
        "scheduler": [one.name for one in found.samplers],
        "spacing": _names(found.schedules),
        "vae": None if found.vaes is None else ["Automatic", "None", *(one.name for one in found.vaes)],
        "hires_upscaler": _names(found.upscalers),
        "styles": None if found.styles is None else list(found.styles),
    }
    without = {name for name, known in choices.items() if known is None}
    if found.program != "Forge":
        without.add("distilled_cfg_scale")
    return {
        name: replace(setting, choices=tuple(dict.fromkeys(choices.get(name) or ())))
        for name, setting in SETTINGS.items()
        if name not in without
    }


def study(address: str) -> dict[str, object]:
    """The keys of a study of samplers and steps for a server: all else is as the server has it."""
    provider = configuration.read().at(address)
    found = asked(provider)
    engine: dict[str, object] = {"name": "webui"}
    if provider.base_url.rstrip("/") != HOME:
        engine["provider"] = provider.name or NAME
    model = found.loaded or found.models[0]
    samplers = [one.name for one in found.samplers if one.name.lower() != "default"]
    size = 1024 if any(word in model.title.lower() for word in ("xl", "flux", "sd3", "pony", "illustrious")) else 512
    return {
        "name": "webui-samplers",
        "engine": engine,
        "settings": {"model": model.title, "width": size, "height": size, "guidance_scale": 7.0},
        "axes": {"scheduler": samplers[:_SAMPLERS], "num_inference_steps": list(_STEPS)},
    }


def _names(known: Iterable[Named] | None) -> list[str] | None:
    return None if known is None else [one.name for one in known]
