"""The servers of stable-diffusion.cpp and koboldcpp on this machine, by their published sources.

`CppService` is `examples/server/routes_sdapi.cpp` of August 2026: one model, no hashes, an infotext of its own. A name
that it does not know is its default. It never reads `override_settings`, `eta` and the names of tasks.
`OlderCppService` is that of spring 2026, whose `info` is empty. `KoboldService` is koboldcpp of 2026, which calls
a sampler by aliases that hold a schedule; `SilentService` is an early one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.hosted.service import Reply, Request
from tests.hosted.webui_service import Made, WebuiService, not_found

SAMPLERS = ("euler", "euler_a", "heun", "dpm2", "dpm++2s_a", "dpm++2m", "dpm++2mv2", "lcm", "ddim_trailing")
SCHEDULES = ("discrete", "karras", "exponential", "ays", "sgm_uniform", "simple", "smoothstep")
MEANT = {"euler a": "euler_a", "k_euler": "euler", "ddim": "ddim_trailing", "dpm++ 2m": "dpm++2m"}
"""Words for samplers that the server knows and does not list."""
LATENT = ("Latent", "Latent (nearest)", "Latent (bicubic)")


class CppService(WebuiService):
    """stable-diffusion.cpp.

    Attributes:
        parts: whether the model came as several files, so that its infotext leaves Model empty.
    """

    parts: ClassVar[bool] = False

    def reply(self, request: Request) -> Reply:
        known = self.lists().keys() | {"/sdapi/v1/txt2img"}
        if request.path not in known or (request.body is not None and not request.path.endswith("txt2img")):
            return Reply(404, b"")
        if request.path.endswith("txt2img") and not request.body.get("prompt"):
            return Reply(400, {"error": "prompt required"})
        return super().reply(request)

    def lists(self) -> dict[str, Any]:
        none, schedules = "8" * 10, ["default", "discrete", "normal", *SCHEDULES[1:]]
        return {
            "/sdapi/v1/sd-models": [
                {"title": "tiny", "model_name": "tiny", "filename": "tiny.gguf", "hash": none, "sha256": "8" * 64}
            ],
            "/sdapi/v1/samplers": [{"name": name, "aliases": [name], "options": {}} for name in ("default", *SAMPLERS)],
            "/sdapi/v1/schedulers": [{"name": name, "label": name} for name in schedules],
            "/sdapi/v1/upscalers": [{"name": name, "scale": 4} for name in ("None", "Lanczos", "Nearest")],
            "/sdapi/v1/latent-upscale-modes": [{"name": name} for name in LATENT],
            "/sdapi/v1/options": {"samples_format": "png", "sd_model_checkpoint": "tiny"},
        }

    def understood(self, body: Mapping[str, Any]) -> Made:
        sampler, schedule = body.get("sampler_name", ""), body.get("scheduler", "")
        sampler = sampler if sampler in SAMPLERS else MEANT.get(sampler.lower(), "euler_a")
        schedule = "discrete" if schedule == "normal" else schedule
        made = super().understood({**body, "override_settings": {}})
        made |= {"sampler": sampler, "schedule": schedule if schedule in SCHEDULES else "", "more": {}}
        made |= {"steps": body.get("steps", 20), "clip": max(int(body.get("clip_skip", -1)), -1)}
        if body.get("enable_hr"):
            made["more"] = {
                "Hires upscale": body.get("hr_scale", 2.0),
                "upscaler": body.get("hr_upscaler", "Latent"),
                "steps": body.get("hr_steps", 0),
            }
            made["strength"] = body.get("denoising_strength", 0.7)
        return made

    def infotext(self, made: Made) -> str:
        prompt, more = made["prompt"], made["more"]
        pairs: list[tuple[str, object]] = [
            ("Steps", made["steps"]),
            ("CFG scale", f"{made['cfg_scale']:.6f}"),
            ("Guidance", "3.500000"),
            ("Eta", "inf"),
            ("Seed", made["seeds"][0]),
            ("Size", f"{made['width']}x{made['height']}"),
            ("Model", "" if self.parts else "tiny.gguf"),
            ("RNG", "cuda"),
            ("Sampler", f"{made['sampler']} {made['schedule']}".strip()),
            *([("TE", "clip_l.safetensors"), ("TE", "t5xxl.safetensors"), ("Unet", "tiny.gguf")] if self.parts else []),
            *([("Clip skip", made["clip"])] if made["clip"] != -1 else []),
        ]
        if more:
            pairs += [("Hires upscale", more["upscaler"]), ("Hires scale", f"{more['Hires upscale']:.6f}")]
            pairs += [("Hires resize", "0x0"), ("Hires steps", more["steps"])]
            pairs += [("Denoising strength", f"{made['strength']:.6f}")]
        inside = {"schema": "sdcpp.image.params/v1", "seed": made["seeds"][0], "prompt": {"positive": prompt}}
        pairs += [("Version", "stable-diffusion.cpp"), ("SDCPP", json.dumps(inside))]
        negative = f"Negative prompt: {made['negative']}\n" if made["negative"] else ""
        return f"{prompt}\n{negative}" + ", ".join(f"{key}: {value}" for key, value in pairs)

    def info(self, made: Made) -> dict[str, Any]:
        names = ("prompt", "seed", "all_seeds", "width", "height", "steps", "cfg_scale", "sampler_name", "all_prompts")
        told = {name: value for name, value in super().info(made).items() if name in names}
        told |= {"negative_prompt": made["negative"]} if made["negative"] else {}
        told |= {"clip_skip": made["clip"]} if made["clip"] != -1 else {}
        if made["schedule"]:
            told["extra_generation_params"] = {"Schedule type": made["schedule"]}
        return told | {"sd_model_name": "tiny.gguf", "version": "stable-diffusion.cpp"}


class OlderCppService(CppService):
    """stable-diffusion.cpp of spring 2026: all that it says stands in the picture's file."""

    def told(self, made: Made) -> dict[str, Any]:
        return super().told(made) | {"info": ""}


class PartsService(OlderCppService):
    """It with a model of several files."""

    parts: ClassVar[bool] = True


class KoboldService(CppService):
    """koboldcpp: its own names and aliases of samplers, a smaller picture where the one asked for is too large."""

    def lists(self) -> dict[str, Any]:
        named = {"Euler": ["euler", "k_euler"], "Euler A": ["euler_a", "k_euler_a", "euler a"]}
        named["DPM++ 2M"] = ["dpm++2m", "k_dpmpp_2m", "dpm++ 2m karras", "dpm++ 2m"]
        samplers = [{"name": name, "aliases": others, "options": {}} for name, others in named.items()]
        return super().lists() | {"/sdapi/v1/samplers": samplers, "/sdapi/v1/latent-upscale-modes": []}

    def understood(self, body: Mapping[str, Any]) -> Made:
        meant = {"Euler": "euler", "Euler A": "euler_a", "DPM++ 2M": "dpm++2m"}
        made = super().understood({**body, "sampler_name": meant.get(body.get("sampler_name", ""), "")})
        return made | {name: made[name] // 64 * 64 for name in ("width", "height")}


class SilentService(CppService):
    """An early koboldcpp: it answers a picture and says nothing of it."""

    def reply(self, request: Request) -> Reply:
        return not_found() if request.path.endswith("latent-upscale-modes") else super().reply(request)

    def told(self, made: Made) -> dict[str, Any]:
        picture = base64.b64encode(self.drawn(made, made["seeds"][0])).decode()
        return {"images": [picture], "parameters": {}, "info": ""}
