"""An answer held against what was asked: each value by all that the server says of it.

A value that is contradicted is never taken. One of which the server says nothing is `unconfirmed`: a server that
ignored a field would look the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from teststrip.errors import shortened
from teststrip.imports.notes import number
from teststrip.vocabulary import plainly
from teststrip.webui.lists import NO_HASH, Named, same_file
from teststrip.webui.order import AUTOMATIC, Order
from teststrip.webui.said import Said

ECHOES: Mapping[str, tuple[str, tuple[object, ...]]] = {
    "randn_source": ("rng", ("GPU", "NV")),
    "eta_noise_seed_delta": ("ensd", (0,)),
    "token_merging_ratio": ("tokenmergingratio", (0,)),
    "s_min_uncond": ("ngms", (0,)),
    "eta_ancestral": ("eta", (1,)),
    "eta_ddim": ("etaddim", (0,)),
    "sd_vae_decode_method": ("vaedecoder", ("Full",)),
}
"""Options that an infotext names, under which key, and the values of which it says nothing."""
UNASKED: Mapping[str, str] = {
    "hiresupscale": "a second pass",
    "hiresresize": "a second pass",
    "facerestoration": "face restoration",
    "variationseedstrength": "a second seed",
    "refiner": "a refiner",
    "tiling": "tiling",
}
"""Keys of an infotext that say that something acted which is never asked for, unless a setting of ours asks for it."""
STEADY = (
    *("vae", "vaehash", "modelhash", "model", "rng", "ensd", "tokenmergingratio", "ngms", "version", "parser"),
    *("module1", "module2", "module3"),  # Forge's: VAE and text encoders
)
"""Keys of an infotext that must stay through a run, for one model and one VAE."""
OWN_CHOICE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "clip_skip": (("clip_skip",), ("clipskip",), ()),
    "scheduler": (("sampler_name",), ("sampler",), ("spacing",)),
    "spacing": ((), ("scheduletype", "scheduler"), ("scheduler",)),
    "num_inference_steps": (("steps",), ("steps",), ()),
    "guidance_scale": (("cfg_scale",), ("cfgscale",), ()),
    "distilled_cfg_scale": (("distilled_cfg_scale",), ("distilledcfgscale",), ()),
    "width": (("width",), (), ("height",)),
    "height": (("height",), (), ("width",)),
}
"""Settings that a server chooses where they are not asked for: its keys in `info` and infotext, and what its choice may
depend on. A choice must stay through a run, for one model and one VAE."""
_LORA = re.compile(r"<lora:([^:<>]+)")
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Held:
    """What came of the comparison.

    Attributes:
        against: sentences on what is not as it was asked.
        unconfirmed: the settings of which the server says nothing.
    """

    against: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one setting is compared.

    Attributes:
        name: of the setting.
        asked: as a person reads it.
        same: whether a value that the server gives is what was asked.
        found: the values that the server gives.
        silent: whether a server that did as asked may say nothing.
    """

    name: str
    asked: object
    same: Callable[[object], bool]
    found: Iterable[object]
    silent: bool = False


def held(order: Order, said: Said) -> Held:
    """The answer against the order."""
    against, unconfirmed = list(_unasked(order, said)), []
    for rule in _rules(order, said):
        found = list(rule.found)
        wrong = [value for value in found if not rule.same(value)]
        if wrong:
            against.append(f"{rule.name}: asked for {_shown(rule.asked)}, and the server says {_shown(wrong[0])}")
        elif not found and not rule.silent:
            unconfirmed.append(rule.name)
    return Held(tuple(against), tuple(dict.fromkeys(unconfirmed)))


def steady(order: Order, said: Said) -> dict[tuple[str, ...], str]:
    """What must stay through a run, without what the order itself sets; "nothing" where the answer does not say it.

    Returns:
        What the answer says, by its name, model, VAE, and what else it may depend on.
    """
    under = (order.model.title if order.model else "", order.vae.name if order.vae else "")
    own = {ECHOES[name][0] for name in order.overrides if name in ECHOES}
    found: dict[tuple[str, ...], str] = {}
    for key in STEADY:
        if key not in own:
            found[key, *under] = str(next(iter(said.values(text=(key,))), "nothing"))
    for name in ("sd_model_hash", "sd_vae_hash", "version"):
        value = said.info.get(name)
        if isinstance(value, str) and value != NO_HASH:
            found[name, *under] = value
    for name, (info, text, on) in OWN_CHOICE.items():
        if order.settings.get(name) is None and not (name == "spacing" and order.schedule is not None):
            scope = (str(order.settings.get(one)) for one in on)
            found[name, *under, *scope] = str(next(iter(said.values(info, text)), "nothing"))
    return found


def _rules(order: Order, said: Said) -> Iterator[_Rule]:
    yield from _numbers(order, said)
    yield _Rule("prompt", order.prompt, lambda value: _alike(value, order.prompt), said.prompts())
    yield _Rule(
        "negative_prompt",
        order.negative,
        lambda value: _alike(value, order.negative),
        said.negatives(),
        not order.negative,
    )
    yield from _names(order, said)
    yield from _overridden(order, said)
    for name in _LORA.findall(order.prompt):
        used = [
            value for value in said.values(text=("lorahashes", "loranetworks")) if name.lower() in str(value).lower()
        ]
        yield _Rule(f"<lora:{name}>", name, lambda value: True, used)


def _numbers(order: Order, said: Said) -> Iterator[_Rule]:
    settings = order.settings
    sizes = list(said.values(text=("size",)))
    places: Mapping[str, Iterable[object]] = {
        "num_inference_steps": said.values(("steps",), ("steps",)),
        "guidance_scale": said.values(("cfg_scale",), ("cfgscale",)),
        "distilled_cfg_scale": said.values(("distilled_cfg_scale",), ("distilledcfgscale",)),
        "width": [*said.values(("width",)), *(_side(size, 0) for size in sizes)],
        "height": [*said.values(("height",)), *(_side(size, 1) for size in sizes)],
        "eta": said.values(text=("eta", "etaddim")),
        "hires_upscale": _upscale(said, named=False),
        "hires_steps": said.values(text=("hiressteps",)),
        "strength": said.values(("denoising_strength",), ("denoisingstrength",)),
    }
    yield _number("seed", int(settings.get("seed") or 0), said.values(("seed", "all_seeds"), ("seed",)))
    for name, found in places.items():
        if (value := settings.get(name)) is not None:
            own = 0.0 if order.sampler and plainly(order.sampler.name).startswith(("ddim", "plms", "uni")) else 1.0
            yield _number(name, value, found, silent=name == "eta" and value == own)
    if (clip := settings.get("clip_skip")) is not None:
        layers = int(clip) + 1
        said_so = said.values(("clip_skip",), ("clipskip",))
        yield _number("clip_skip", layers, said_so, silent=layers == 1 and bool(said.parts))


def _number(name: str, asked: object, found: Iterable[object], *, silent: bool = False) -> _Rule:
    return _Rule(name, asked, lambda value: _equal(value, asked), found, silent)


def _names(order: Order, said: Said) -> Iterator[_Rule]:
    schedules = list(said.values(text=("scheduletype", "scheduler")))
    if (sampler := order.sampler) is not None:
        named = list(said.values(("sampler_name",), ("sampler",)))
        glued = [None if sampler.is_called(value) else _glued(sampler, value, order.spacings) for value in named]
        right = [value for value, spacing in zip(named, glued, strict=True) if spacing is None or spacing]
        its_choice = plainly(sampler.name) in AUTOMATIC
        yield _Rule("scheduler", sampler.name, lambda value: its_choice or value in right, named, its_choice)
        schedules += [spacing for spacing in glued if spacing]
    if (schedule := order.schedule) is not None:
        left_to_it = plainly(schedule.name) in AUTOMATIC
        yield _Rule(
            "spacing", schedule.name, lambda value: left_to_it or schedule.is_called(value), schedules, left_to_it
        )
    if (upscaler := order.upscaler) is not None:
        named = [*said.values(text=("hiresupscaler",)), *_upscale(said, named=True)]
        yield _Rule("hires_upscaler", upscaler.name, upscaler.is_called, named)
    if (vae := order.vae) is not None and vae.name != "Automatic":
        none = vae.name == "None"
        found = [value for value in said.values(("sd_vae_name",), ("vae",)) if not (none and value in ("None", ""))]
        same: Callable[[object], bool] = lambda value: not none and same_file(str(value), vae.name)  # noqa: E731
        yield _Rule("vae", vae.name, same, found, silent=none and (bool(said.parts) or "sd_vae_name" in said.info))
    if (model := order.model) is not None:
        hashes = [value for value in said.values(("sd_model_hash",), ("modelhash",)) if value and value != NO_HASH]
        if model.hash or model.sha256:
            yield _Rule(
                "model",
                model.title,
                lambda value: _hashed(value, model.hash, model.sha256),
                hashes,
                bool(_models(said)),
            )
        # A file may be renamed while its hash stays, so a name is asked only where no hash answers.
        if not hashes or not (model.hash or model.sha256):
            yield _Rule("model", model.title, lambda value: model.is_file(str(value)), _models(said))
    if order.styles:
        styles = list(said.values(("styles",)))
        yield _Rule("styles", " + ".join(order.styles), lambda value: value in order.styles, styles, silent=True)


def _models(said: Said) -> list[object]:
    """The names of the model; stable-diffusion.cpp leaves Model empty where the parts of a model are files apart."""
    found = [value for value in said.values(("sd_model_name",), ("model",)) if value != ""]
    return found or list(said.values(text=("unet",)))


def _upscale(said: Said, *, named: bool) -> list[object]:
    """What a second pass enlarges by, or how often; stable-diffusion.cpp writes the former under the key of the latter.

    Args:
        said: the answer.
        named: whether the upscaler is meant.
    """
    found = said.values(text=("hiresupscale",))
    apart = [value for value in found if (number(value) is None) == named]
    return apart if named else [*apart, *said.values(text=("hiresscale",))]


def _overridden(order: Order, said: Said) -> Iterator[_Rule]:
    for name, value in order.overrides.items():
        key, unsaid = ECHOES.get(name, ("", ()))
        found = said.values(text=(key,)) if key else ()
        same: Callable[[object], bool] = lambda answer, value=value: _equal(answer, value) or str(answer) == str(value)  # type: ignore[misc]  # noqa: E731
        yield _Rule(f"override_settings {name}", value, same, found, silent=value in unsaid and bool(said.parts))


def _unasked(order: Order, said: Said) -> Iterator[str]:
    for key, what in UNASKED.items():
        if said.has(key) and not (what == "a second pass" and order.settings.get("hires_upscale") is not None):
            yield f"the server says that it used {what}, which was not asked for"
    strength = said.info.get("subseed_strength")
    if isinstance(strength, int | float) and strength != 0:
        yield "the server says that it used a second seed, which was not asked for"
    if said.info.get("restore_faces") is True:
        yield "the server says that it used face restoration, which was not asked for"


def _equal(value: object, asked: object) -> bool:
    """Whether a value is the number that was asked. Whole numbers are equal or not; servers round others to 32 bits.

    >>> _equal(4294967295, 4294967294), _equal("7.300000", 7.3), _equal(float("nan"), 7.0)
    (False, True, False)
    """
    found, wanted = number(value), number(asked)
    if found is None or wanted is None:
        return False
    return found == wanted if isinstance(wanted, int) else math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)


def _alike(value: object, asked: str) -> bool:
    return isinstance(value, str) and value.split() == asked.split()


def _hashed(value: object, digest: str, sha256: str) -> bool:
    plain = str(value).lower()
    return len(plain) >= 8 and any(one.startswith(plain) or plain.startswith(one) for one in (digest, sha256) if one)


def _glued(sampler: Named, value: object, spacings: frozenset[str]) -> str:
    """The schedule in a name that holds both, as "DPM++ 2M Karras" and "euler_a karras"; "" where it holds none."""
    plain, names = plainly(str(value)), {plainly(one) for one in (sampler.name, *sampler.others)}
    its_choice = plainly(sampler.name) in AUTOMATIC
    for spacing in sorted(spacings, key=len, reverse=True):
        if plain.endswith(f"_{spacing}") and (its_choice or plain.removesuffix(f"_{spacing}") in names):
            return spacing
    return ""


def _side(size: object, side: int) -> object:
    width, _, height = str(size).partition("x")
    return (width, height)[side].strip()


def _shown(value: object) -> str:
    return repr(shortened(str(value), _SHOWN)) if isinstance(value, str) else shortened(str(value), _SHOWN)
