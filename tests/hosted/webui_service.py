"""A web UI on this machine: `/sdapi/v1` as A1111 1.10 speaks it, and a build of Forge.

It does what the published sources do where a name is unknown: it answers 200 and draws with the model that is loaded,
the first sampler, the schedule "Automatic". `bend` changes what it really does, and its answer tells that truth.
"""

from __future__ import annotations

import base64
import json
import struct
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tests.hosted.service import Reply, Request, Service, png_of

Made = dict[str, Any]
USER, PASSWORD = "ada", "canary-7Q2webui"

MODELS = {
    "dream.safetensors [879db523c3]": ("dream", "879db523c3"),
    "real.safetensors [c0d1994c73]": ("real", "c0d1994c73"),
}
SAMPLERS = {
    "DPM++ 2M": ["k_dpmpp_2m"],
    "Euler a": ["k_euler_a", "k_euler_ancestral"],
    "Euler": ["k_euler"],
    "DDIM": ["ddim"],
}
SCHEDULES = {"automatic": "Automatic", "karras": "Karras", "exponential": "Exponential", "sgm_uniform": "SGM Uniform"}
STYLES = {"film": ("{prompt}, film grain", "cartoon"), "ink": ("ink drawing", "")}
NO_SCHEDULE = {"DDIM"}
"""Samplers that ignore a schedule, as those of A1111 do that count in time steps."""


def with_text(png: bytes, text: str) -> bytes:
    """A PNG with an infotext, behind its head."""
    body = b"iTXtparameters\0\0\0\0\0" + text.encode()
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def not_found(name: str = "Not Found") -> Reply:
    return Reply(404, {"detail": name})


class WebuiService(Service):
    """A1111.

    Attributes:
        bend: changes what is really made of a request.
        says: whether info and infotext tell all.
        password: asked for where it is not "".
        without: paths that are not there.
        task: what the server is at.
        interrupted: the tasks that were interrupted.
        halted: set by an interruption; a slow picture may wait for it.
        configured: what was posted as options.
    """

    program: ClassVar[str] = "v1.10.1"

    def __init__(self) -> None:
        self.bend: Callable[[Made, Request], None] = lambda made, request: None
        self.answer: Callable[[dict[str, Any], Request], Any] = lambda answer, request: answer
        self.password = ""
        self.without: set[str] = set()
        self.task: str | None = None
        self.interrupted: list[str | None] = []
        self.halted = threading.Event()
        self.configured: list[dict[str, Any]] = []
        self.loaded = next(iter(MODELS))
        self.made: list[Made] = []
        super().__init__()

    @property
    def asked(self) -> list[Request]:
        """The requests for pictures."""
        return [request for request in self.requests if request.path.endswith("/txt2img")]

    @property
    def options(self) -> dict[str, Any]:
        return {
            "sd_model_checkpoint": self.loaded,
            "sd_vae": "Automatic",
            "CLIP_stop_at_last_layers": 1,
            "randn_source": "GPU",
            "eta_noise_seed_delta": 0,
        }

    @property
    def current_task(self) -> str | None:
        """What `/sdapi/v1/progress` says: null in A1111, Forge and reForge, which took the name over at their start."""
        return None

    def configure(self, options: Mapping[str, Any]) -> None:
        """Set options for all."""
        self.loaded = options.get("sd_model_checkpoint", self.loaded)

    def reply(self, request: Request) -> Reply:
        wanted = "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if self.password and request.headers.get("authorization") != wanted:
            return Reply(401, {"detail": "Incorrect username or password"}, {"www-authenticate": "Basic"})
        path = request.path.partition("?")[0]
        if path in self.without:
            return not_found()
        if path == "/sdapi/v1/txt2img":
            return self.draw(request)
        if path == "/sdapi/v1/interrupt":
            self.interrupted.append(self.task)
            self.task = None
            self.halted.set()
            return Reply(200, {})
        if path == "/internal/progress":
            active = request.body["id_task"] == self.task
            return Reply(200, {"active": active, "queued": False, "completed": not active})
        if path == "/sdapi/v1/options" and request.body is not None:
            self.configured.append(request.body)
            self.configure(request.body)
            return Reply(200, None)
        lists = self.lists()
        return Reply(200, lists[path]) if path in lists else not_found()

    def lists(self) -> dict[str, Any]:
        return {
            "/sdapi/v1/sd-models": [
                {
                    "title": title,
                    "model_name": name,
                    "hash": digest,
                    "sha256": digest + "0" * 54,
                    "filename": f"/m/{name}.safetensors",
                }
                for title, (name, digest) in MODELS.items()
            ],
            "/sdapi/v1/samplers": [
                {"name": name, "aliases": others, "options": {}} for name, others in SAMPLERS.items()
            ],
            "/sdapi/v1/schedulers": [
                {"name": name, "label": label, "aliases": None} for name, label in SCHEDULES.items()
            ],
            "/sdapi/v1/sd-vae": [{"model_name": "soft.safetensors", "filename": "/v/soft.safetensors"}],
            "/sdapi/v1/upscalers": [{"name": "R-ESRGAN 4x+", "model_name": None, "scale": 4}],
            "/sdapi/v1/latent-upscale-modes": [{"name": "Latent"}],
            "/sdapi/v1/prompt-styles": [{"name": n, "prompt": p, "negative_prompt": m} for n, (p, m) in STYLES.items()],
            "/sdapi/v1/options": self.options,
            "/sdapi/v1/extensions": [
                {"name": "adetailer", "enabled": True, "commit_hash": "abc"},
                {"name": "asleep", "enabled": False, "commit_hash": "def"},
            ],
            "/sdapi/v1/progress": {"progress": 0.5, "current_task": self.current_task},
            "/internal/sysinfo": {"Version": self.program},
        }

    def understood(self, body: Mapping[str, Any]) -> Made:
        """What A1111 makes of a request: nothing that it does not know is an error."""
        override = body.get("override_settings") or {}
        sampler = next((n for n, o in SAMPLERS.items() if body.get("sampler_name") in (n, *o)), next(iter(SAMPLERS)))
        labels = {**{label: label for label in SCHEDULES.values()}, **SCHEDULES}
        made: Made = {
            "model": override.get("sd_model_checkpoint")
            if override.get("sd_model_checkpoint") in MODELS
            else self.loaded,
            "vae": override.get("sd_vae", "Automatic"),
            "clip": override.get("CLIP_stop_at_last_layers", 1),
            "rng": override.get("randn_source", "GPU"),
            "sampler": sampler,
            "schedule": labels.get(body.get("scheduler") or "Automatic", "Automatic")
            if sampler not in NO_SCHEDULE
            else "Automatic",
            "prompt": body.get("prompt", ""),
            "negative": body.get("negative_prompt", ""),
            "seeds": [body.get("seed", -1) + i for i in range(body.get("batch_size", 1) * body.get("n_iter", 1))],
            "more": {},
        }
        for name, default in (("steps", 50), ("cfg_scale", 7.0), ("width", 512), ("height", 512)):
            made[name] = body.get(name, default)
        for name in body.get("styles") or []:
            positive, negative = STYLES.get(name, ("", ""))
            made["prompt"] = (
                positive.replace("{prompt}", made["prompt"])
                if "{prompt}" in positive
                else f"{made['prompt']}, {positive}"
            )
            made["negative"] = ", ".join(filter(None, [made["negative"], negative]))
        if body.get("enable_hr"):
            made["more"] = {
                "Hires upscale": body.get("hr_scale", 2.0),
                "Hires upscaler": body.get("hr_upscaler", "Latent"),
            }
            made["more"] |= {"Hires steps": body["hr_second_pass_steps"]} if body.get("hr_second_pass_steps") else {}
            made["strength"] = body.get("denoising_strength", 0.75)
        if body.get("eta") not in (None, 1.0, 1):
            made["more"]["Eta"] = body["eta"]
        return made

    def draw(self, request: Request) -> Reply:
        made = self.understood(request.body)
        self.bend(made, request)
        answer = self.answer(self.told(made), request)
        with self._lock:
            self.made.append(made)
        return answer if isinstance(answer, Reply) else Reply(200, answer)

    def told(self, made: Made) -> dict[str, Any]:
        text, info = self.infotext(made), self.info(made)
        info["infotexts"] = [text] * len(made["seeds"])
        pictures = [self.picture(made, seed, text) for seed in made["seeds"]]
        return {"images": pictures, "parameters": {}, "info": json.dumps(info)}

    def picture(self, made: Made, seed: int, text: str) -> str:
        return base64.b64encode(with_text(self.drawn(made, seed), text)).decode()

    @staticmethod
    def drawn(made: Made, seed: int) -> bytes:
        """The picture: it depends on all that is really made."""
        times = made["more"].get("Hires upscale", 1)
        size = int(made["width"] * times), int(made["height"] * times)
        names = ("model", "vae", "clip", "rng", "sampler", "schedule", "prompt", "negative", "steps", "cfg_scale")
        return png_of(*(made[name] for name in names), made["more"], seed, size=size)

    def infotext(self, made: Made) -> str:
        name, digest = MODELS[made["model"]]
        pairs = {
            "Steps": made["steps"],
            "Sampler": made["sampler"],
            "Schedule type": made["schedule"] if made["schedule"] != "Automatic" else None,
            "CFG scale": made["cfg_scale"],
            "Seed": made["seeds"][0],
            "Size": f"{made['width']}x{made['height']}",
            "Model hash": digest,
            "Model": name,
            "VAE": made["vae"] if made["vae"] not in ("Automatic", "None") else None,
            "Denoising strength": made.get("strength"),
            "Clip skip": made["clip"] if made["clip"] > 1 else None,
            "RNG": made["rng"] if made["rng"] == "CPU" else None,
            **made["more"],
            "Version": made.get("version", self.program),
        }
        written = ", ".join(f"{key}: {value}" for key, value in pairs.items() if value is not None)
        negative = f"\nNegative prompt: {made['negative']}" if made["negative"] else ""
        return f"{made['prompt']}{negative}\n{written}"

    def info(self, made: Made) -> dict[str, Any]:
        name, digest = MODELS[made["model"]]
        return {
            "prompt": made["prompt"],
            "all_prompts": [made["prompt"]] * len(made["seeds"]),
            "negative_prompt": made["negative"],
            "seed": made["seeds"][0],
            "all_seeds": made["seeds"],
            "subseed_strength": 0,
            "width": made["width"],
            "height": made["height"],
            "sampler_name": made["sampler"],
            "cfg_scale": made["cfg_scale"],
            "steps": made["steps"],
            "restore_faces": False,
            "sd_model_name": name,
            "sd_model_hash": digest,
            "sd_vae_name": made["vae"] if made["vae"] not in ("Automatic", "None") else None,
            "denoising_strength": made.get("strength"),
            "extra_generation_params": made["more"],
            "index_of_first_image": 0,
            "styles": [],
            "clip_skip": made["clip"],
        }


class KeepingService(WebuiService):
    """A build that keeps the options of a picture after it, as Forge may."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        super().__init__()

    @property
    def options(self) -> dict[str, Any]:
        return super().options | {"forge_additional_modules": []} | self.kept

    def configure(self, options: Mapping[str, Any]) -> None:
        self.kept |= options

    def understood(self, body: Mapping[str, Any]) -> Made:
        known = super().options
        sent = {name: value for name, value in body["override_settings"].items() if name in known}
        self.kept |= sent
        return super().understood({**body, "override_settings": {**self.options, **sent}})
