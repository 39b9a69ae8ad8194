"""One picture as it is asked: every value found in the server's lists, and the body of the request.

What is not asked is left to the server, except for what would make another picture than one of this seed: one picture a
request, no second seed, no face restoration, no tiling, and the model that was loaded when the run met the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from teststrip.errors import nearest
from teststrip.records import Value
from teststrip.vocabulary import SPACINGS, plainly
from teststrip.webui.lists import Checkpoint, Lists, Named, Unknown
from teststrip.webui.settings import overrides, styles

FIELDS: Mapping[str, str] = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "distilled_cfg_scale": "distilled_cfg_scale",
    "width": "width",
    "height": "height",
    "eta": "eta",
    "hires_upscale": "hr_scale",
    "strength": "denoising_strength",
}
"""Settings that go as they are, and what the protocol calls them."""
AUTOMATIC = frozenset({"automatic", "default"})
"""Schedules that leave the choice to the server, in small letters."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a server for one picture.

    Attributes:
        settings: as the study gives them.
        prompt, negative: as the server should read them, with the texts of styles.
        model: None where it is not known which one is loaded.
        sampler, schedule, vae, upscaler: as the server names them; None = its own choice.
        styles: the names of the styles.
        overrides: options of the server.
        spacings: every schedule of the server, plainly spelled, because some servers write it behind the sampler.
        body: of the request, without the name of the task.
    """

    settings: Mapping[str, Value]
    prompt: str
    negative: str
    model: Checkpoint | None = None
    sampler: Named | None = None
    schedule: Named | None = None
    vae: Named | None = None
    upscaler: Named | None = None
    styles: tuple[str, ...] = ()
    overrides: Mapping[str, object] = field(default_factory=dict)
    spacings: frozenset[str] = frozenset(SPACINGS)
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the picture; None where the server chooses one of them."""
        width, height = self.settings.get("width"), self.settings.get("height")
        if not isinstance(width, int) or not isinstance(height, int):
            return None
        times = float(self.settings.get("hires_upscale") or 1)
        return int(width * times), int(height * times)

    @property
    def options(self) -> Mapping[str, object]:
        """The options of the server that go with the picture."""
        found: Mapping[str, object] = self.body["override_settings"]
        return found


def order(settings: Mapping[str, Value], lists: Lists, sent: Iterable[str] = ()) -> Order:
    """The order of a picture.

    Args:
        settings: of the picture.
        lists: what the server has.
        sent: options that go with other pictures. Where this one does not set them, it sends what the server had when
            it was asked, because Forge keeps what came with the picture before.

    Raises:
        Unknown: the server does not have a value.
        StudyError: `override_settings` is no JSON object.
    """
    sampler, held = _found(settings, "scheduler", lists.sampler) or (None, "")
    schedule = _found(settings, "spacing", lists.schedule)
    if schedule is not None and held and not schedule.is_called(held):
        raise Unknown(
            f"scheduler: {settings['scheduler']!r} holds the spacing {held!r}, and spacing says {schedule.name!r}"
        )
    model = _found(settings, "model", lists.model) or lists.loaded
    vae, upscaler = _found(settings, "vae", lists.vae), _found(settings, "hires_upscaler", lists.upscaler)
    own = overrides(settings)
    for name in own:
        if name not in lists.options:
            raise Unknown(f"override_settings: the server has no option {name!r}{nearest(name, lists.options)}")
    used = tuple(styles(settings))
    prompt, negative = str(settings["prompt"]), str(settings.get("negative_prompt") or "")
    for name in used:
        positive, other = lists.style(name)
        prompt, negative = _styled(prompt, positive), _styled(negative, other)
    found = Order(
        settings,
        prompt=prompt,
        negative=negative,
        model=model,
        sampler=sampler,
        schedule=schedule if schedule is not None or not held else lists.schedule(held),
        vae=vae,
        upscaler=upscaler,
        styles=used,
        overrides=own,
        spacings=frozenset(SPACINGS) | {plainly(one.name) for one in lists.schedules or ()},
    )
    return replace(found, body=_body(found, lists, sent))


def _found(settings: Mapping[str, Value], name: str, find: Any) -> Any:
    value = settings.get(name)
    return None if value in (None, "") else find(str(value))


def _body(order: Order, lists: Lists, sent: Iterable[str]) -> dict[str, Any]:
    settings = order.settings
    body: dict[str, Any] = {
        "prompt": str(settings["prompt"]),
        "negative_prompt": str(settings.get("negative_prompt") or ""),
        "seed": int(settings.get("seed") or 0),
        "subseed": int(settings.get("seed") or 0),
        "subseed_strength": 0,
        "batch_size": 1,
        "n_iter": 1,
        "restore_faces": False,
        "tiling": False,
        "send_images": True,
        "save_images": False,
        "styles": list(order.styles),
        "override_settings": _options(order, lists, sent),
        "override_settings_restore_afterwards": True,
    }
    body |= {ours: settings[name] for name, ours in FIELDS.items() if settings.get(name) is not None}
    if order.sampler is not None:
        body["sampler_name"] = order.sampler.name
    if order.schedule is not None:
        body["scheduler"] = order.schedule.name
    if settings.get("clip_skip") is not None:
        body["clip_skip"] = int(settings["clip_skip"] or 0) + 1  # SD.Next and stable-diffusion.cpp read it here
    if settings.get("hires_upscale") is not None:
        body["enable_hr"] = True
        if order.upscaler is not None:
            body["hr_upscaler"] = order.upscaler.name
        if settings.get("hires_steps") is not None:
            body["hr_second_pass_steps"] = body["hr_steps"] = settings["hires_steps"]
    return body


def _options(order: Order, lists: Lists, sent: Iterable[str]) -> dict[str, object]:
    options: dict[str, object] = {name: lists.options[name] for name in sorted(sent) if name in lists.options}
    options.update(order.overrides)
    if order.model is not None:
        options["sd_model_checkpoint"] = order.model.title
    if order.vae is not None:
        options["sd_vae"] = order.vae.name
    if order.settings.get("clip_skip") is not None and "CLIP_stop_at_last_layers" in lists.options:
        options["CLIP_stop_at_last_layers"] = int(order.settings["clip_skip"] or 0) + 1
    return options


def _styled(prompt: str, style: str) -> str:
    """A prompt with the text of a style, as these servers join the two."""
    if "{prompt}" in style:
        return style.replace("{prompt}", prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)
