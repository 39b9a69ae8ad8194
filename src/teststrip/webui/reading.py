"""Asks a server what it has. A list that it does not have is None, which is told and never filled with a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from teststrip.errors import EngineError, shortened
from teststrip.hosted.trouble import Trouble
from teststrip.webui.lists import API, NO_HASH, Checkpoint, Lists, Named, stem

_DISCRETE, _NORMAL = "discrete", "normal"


class Asked(Protocol):
    """What reads a path of a server; `web.Web` is one."""

    def get(self, path: str) -> Any:
        """The JSON value at a path; None where there is none. Raises Trouble."""
        ...


def read(web: Asked) -> Lists:
    """Ask a server what it has.

    Raises:
        EngineError: it is not reached, or is no such server.
    """
    try:
        models, samplers = web.get(f"{API}/sd-models"), web.get(f"{API}/samplers")
        if models is None or samplers is None:
            raise EngineError(
                "the server is reached and has no list of models or samplers. Start the web UI with --api, and write"
                " its base_url without a path"
            )
        return Lists(
            models=_models(models),
            samplers=_list(samplers, "name", "aliases"),
            schedules=_schedules(web),
            vaes=_vaes(web),
            upscalers=_upscalers(web),
            styles=_styles(web.get(f"{API}/prompt-styles")),
            options=_table(web.get(f"{API}/options")),
            extensions=_extensions(web.get(f"{API}/extensions")),
            version=_version(web),
        )
    except Trouble as trouble:
        raise EngineError(trouble.text) from None


def _models(found: object) -> list[Checkpoint]:
    models = []
    for entry in _rows(found):
        title = _text(entry.get("title")) or _text(entry.get("model_name"))
        if not title:
            continue
        names = {stem(one) for one in (title, _text(entry.get("model_name")), _text(entry.get("filename"))) if one}
        digest, whole = _text(entry.get("hash")).lower(), _text(entry.get("sha256")).lower()
        known = not digest.startswith(NO_HASH) and not whole.startswith(NO_HASH)
        names |= {title.lower(), _text(entry.get("model_name")).lower()} - {""}
        models.append(Checkpoint(title, frozenset(names), digest if known else "", whole if known else ""))
    if not models:
        raise EngineError("the server has no model loaded and lists none. Load one there, and run again")
    return models


def _optional(web: Asked, path: str, name: str, *others: str) -> list[Named] | None:
    found = web.get(f"{API}/{path}")
    return None if found is None else _list(found, name, *others)


def _schedules(web: Asked) -> list[Named] | None:
    """Schedules; the servers of stable-diffusion.cpp list one of them under two names, and answer with the first."""
    found = _optional(web, "schedulers", "label", "name", "aliases")
    if found is None or not {_DISCRETE, _NORMAL} <= {one.name for one in found}:
        return found
    both = (replace(one, others=(*one.others, _NORMAL)) if one.name == _DISCRETE else one for one in found)
    return [one for one in both if one.name != _NORMAL]


def _vaes(web: Asked) -> list[Named] | None:
    """VAEs; Forge lists them among its modules."""
    found = _optional(web, "sd-vae", "model_name")
    return _optional(web, "sd-modules", "model_name") if found is None else found


def _upscalers(web: Asked) -> list[Named] | None:
    of_pixels, of_latents = _optional(web, "upscalers", "name"), _optional(web, "latent-upscale-modes", "name")
    return None if of_pixels is None and of_latents is None else [*(of_latents or []), *(of_pixels or [])]


def _styles(found: object) -> dict[str, tuple[str, str]] | None:
    if found is None:
        return None
    return {
        _text(entry.get("name")): (_text(entry.get("prompt")), _text(entry.get("negative_prompt")))
        for entry in _rows(found)
        if _text(entry.get("name"))
    }


def _extensions(found: object) -> dict[str, str]:
    """The extensions that are on, each with its commit: scripts that always run are among them."""
    return {
        _text(entry.get("name")): _text(entry.get("commit_hash")) or _text(entry.get("version"))
        for entry in _rows(found)
        if entry.get("enabled") is True and _text(entry.get("name"))
    }


def _version(web: Asked) -> str:
    """The version of the program, where it says that without a picture."""
    for path, keys in ((f"{API}/version", ("hash", "commit", "version")), ("/internal/sysinfo", ("Version",))):
        try:
            found = web.get(path)
        except Trouble as trouble:
            if trouble.kind in ("again", "timeout"):  # not asked, so not known not to be there
                raise
            continue
        if isinstance(found, dict) and (said := next((_text(found[one]) for one in keys if _text(found.get(one))), "")):
            return shortened(said, 80)
    return ""


def _list(found: object, name: str, *others: str) -> list[Named]:
    """Rows that have a name, with further names in fields that hold a text or a list of texts."""
    named = []
    for entry in _rows(found):
        called = _text(entry.get(name)) or next((_text(entry.get(one)) for one in others if _text(entry.get(one))), "")
        if called:
            named.append(Named(called, tuple(_texts(entry.get(one) for one in others))))
    return named


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        yield from (_text(one) for one in (value if isinstance(value, list) else [value]) if _text(one))


def _rows(found: object) -> list[Mapping[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _table(found: object) -> dict[str, object]:
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
