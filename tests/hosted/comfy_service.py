"""ComfyUI's protocol on this machine, by its published source (server.py and execution.py of 0.3.64).

A graph waits in the queue, runs at a look into the history, and is then in the history with the files it left. Values
are turned into the kind of their input before they are compared, as the real server does, and pictures hold the graph
that made them. `behave` says of a graph how it is treated badly.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.hosted.service import Reply, Request, Service, png_of

from teststrip.hosted import configuration

Graph = dict[str, dict[str, Any]]

SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "uni_pc", "res_multistep", "a_custom_sampler"]
SPACINGS = ["simple", "normal", "karras"]
SIZE = {"default": 512, "min": 16, "max": 16384, "step": 8}


def v1(required: Mapping[str, Any], output: list[str], **more: Any) -> dict[str, Any]:
    return {"input": {"required": required}, "output": output, "python_module": "nodes"} | more


OBJECTS: dict[str, dict[str, Any]] = {
    "CheckpointLoaderSimple": v1(
        {"ckpt_name": [["sd15.safetensors", "xl/sd_xl.safetensors", "flux-all.safetensors"], {}]},
        ["MODEL", "CLIP", "VAE"],
    ),
    "UNETLoader": v1(
        {
            "unet_name": [["flux1-dev.safetensors", "z_image_turbo.safetensors", "qwen_image.safetensors"]],
            "weight_dtype": [["default", "fp8_e4m3fn"]],
        },
        ["MODEL"],
    ),
    "CLIPLoader": v1(
        {
            "clip_name": [["qwen_3_4b.safetensors", "qwen_2.5_vl_7b_fp8_scaled.safetensors"]],
            "type": [["stable_diffusion", "lumina2", "qwen_image"]],
        },
        ["CLIP"],
    ),
    "DualCLIPLoader": v1(
        {
            "clip_name1": [["clip_l.safetensors", "t5xxl_fp16.safetensors"]],
            "clip_name2": [["clip_l.safetensors", "t5xxl_fp16.safetensors"]],
            "type": [["sdxl", "flux"]],
        },
        ["CLIP"],
    ),
    "VAELoader": v1({"vae_name": [["ae.safetensors", "qwen_image_vae.safetensors", "other.safetensors"]]}, ["VAE"]),
    "CLIPTextEncode": v1({"text": ["STRING", {"multiline": True}], "clip": ["CLIP", {}]}, ["CONDITIONING"]),
    "FluxGuidance": v1(
        {"conditioning": ["CONDITIONING", {}], "guidance": ["FLOAT", {"default": 3.5, "min": 0.0, "max": 100.0}]},
        ["CONDITIONING"],
    ),
    "ModelSamplingAuraFlow": v1(
        {"model": ["MODEL"], "shift": ["FLOAT", {"default": 1.73, "min": 0.0, "max": 100.0}]}, ["MODEL"]
    ),
    "EmptyLatentImage": v1(
        {"width": ["INT", SIZE], "height": ["INT", SIZE], "batch_size": ["INT", {"min": 1, "max": 4096}]}, ["LATENT"]
    ),
    "EmptySD3LatentImage": v1(
        {"width": ["INT", SIZE], "height": ["INT", SIZE], "batch_size": ["INT", {"min": 1, "max": 4096}]}, ["LATENT"]
    ),
    "KSampler": v1(
        {
            "model": ["MODEL", {}],
            "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}],
            "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
            "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}],
            "sampler_name": ["COMBO", {"options": SAMPLERS}],
            "scheduler": [SPACINGS, {}],
            "positive": ["CONDITIONING", {}],
            "negative": ["CONDITIONING", {}],
            "latent_image": ["LATENT", {}],
            "denoise": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}],
        },
        ["LATENT"],
    ),
    "VAEDecode": v1({"samples": ["LATENT", {}], "vae": ["VAE", {}]}, ["IMAGE"]),
    "SaveImage": v1({"images": ["IMAGE", {}], "filename_prefix": ["STRING", {}]}, [], output_node=True),
    "Lucky": v1(
        {"image": ["IMAGE", {}], "luck": ["INT", {"default": 7, "control_after_generate": True}]},
        ["IMAGE"],
        python_module="custom_nodes.lucky-nodes",
    ),
    "Tint": v1(
        {"image": ["IMAGE", {}], "warmth": ["FLOAT", {"min": -1.0, "max": 1.0}], "steps": ["INT", {"min": 1}]},
        ["IMAGE"],
        python_module="custom_nodes.tint",
    ),
    "PaidImage": v1(
        {"prompt": ["STRING", {}], "seed": ["INT", {}]},
        ["IMAGE"],
        api_node=True,
        python_module="comfy_api_nodes.nodes_paid",
    ),
}
STATS = {
    "system": {"os": "posix", "comfyui_version": "0.3.64", "pytorch_version": "2.8.0", "argv": ["main.py"]},
    "devices": [{"name": "cuda:0 A card", "type": "cuda", "index": 0}],
}

BAD: dict[str, str] = {
    "empty": "again",  # the graph ran and left nothing, as out of a cache
    "no list": "again",
    "forgotten": "again",  # the server was restarted after it had taken the graph
    "failed": "error",
    "out of memory": "oom",
    "interrupted": "error",
    "failed in silence": "error",
    "gone": "error",  # the file is no longer there
    "dropped": "invalid",  # 200 with node_errors: a part of the graph is left out
    "another model": "invalid",
    "another sampler": "invalid",
    "another schedule": "invalid",
    "another seed": "invalid",
    "another picture": "invalid",
    "another node": "invalid",
    "without a word": "invalid",  # started with --disable-metadata
    "words cut off": "invalid",
    "half a picture": "invalid",
    "two pictures": "invalid",
    "another size": "invalid",
    "black": "blank",
}
"""How a graph can be treated badly, and what follows."""

HARMLESS = ("no status", "not a number", "an older id")
"""What a real server does besides, and what must give the picture all the same."""


def drawn(graph: Graph) -> tuple[Any, ...]:
    """What a picture depends on: all values of the graph but the name of its file."""
    return tuple(
        (name, node["class_type"], key, repr(value))
        for name, node in sorted(graph.items())
        for key, value in sorted(node["inputs"].items())
        if key != "filename_prefix"
    )


def png_with(graph: Graph, *, seen: Graph | None = None, said: str | None = None, black: bool = False) -> bytes:
    """A picture of a graph, which holds the graph `seen`, or what is `said` in its place."""
    latent = next((node["inputs"] for node in graph.values() if "width" in node["inputs"]), {})
    size = (int(latent.get("width", 16)), int(latent.get("height", 16)))
    pixels = np.asarray(Image.open(io.BytesIO(png_of(*drawn(graph), size=size))).convert("RGB"))
    notes = PngInfo()
    if said is None:
        notes.add_text("prompt", json.dumps(seen or graph))
    elif said:
        notes.add_text("prompt", said)
    file = io.BytesIO()
    Image.fromarray(np.zeros_like(pixels) if black else pixels).save(file, "PNG", pnginfo=notes)
    return file.getvalue()


class ComfyService(Service):
    """A server of ComfyUI.

    Attributes:
        behave: says of each graph how it is treated badly; "" = well.
        stats: what `/system_stats` answers.
        objects: what `/object_info` answers.
        sizes: bytes of each model's file.
        holds: graphs stay where they are in the queue.
        ran: the ids of graphs that were run, with the graphs.
        deleted: what was taken out of the queue.
        interrupted: the ids that were ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.behave: Callable[[Graph], str] = lambda graph: ""
        self.stats: dict[str, Any] = json.loads(json.dumps(STATS))
        self.objects: dict[str, Any] = json.loads(json.dumps(OBJECTS))
        self.sizes = {"sd15.safetensors": 1000, "xl/sd_xl.safetensors": 2000}
        self.holds = False
        self.ran: list[tuple[str, Graph]] = []
        self.deleted: list[str] = []
        self.interrupted: list[str] = []
        self._pending: list[tuple[str, Graph]] = []
        self._running: list[tuple[str, Graph]] = []
        self._history: dict[str, Any] = {}
        self._files: dict[str, bytes] = {}

    def restart(self) -> None:
        """Forget queue and history."""
        self._pending.clear()
        self._running.clear()
        self._history.clear()

    def reply(self, request: Request) -> Reply:
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            return Reply(403, b"")
        parts = [unquote(part) for part in urlsplit(request.path).path.strip("/").split("/")]
        with self._lock:
            return self._about(parts) or self._work(parts, request)

    def _about(self, parts: list[str]) -> Reply | None:
        """What the server says of itself."""
        match parts:
            case ["system_stats"]:
                return Reply(200, self.stats)
            case ["object_info"]:
                return Reply(200, self.objects)
            case ["object_info", name]:
                return Reply(200, {name: self.objects[name]} if name in self.objects else {})
            case ["experiment", "models", _]:
                return Reply(200, [{"name": name, "size": size} for name, size in self.sizes.items()])
            case ["view_metadata", _]:
                return Reply(404, b"")
        return None

    def _work(self, parts: list[str], request: Request) -> Reply:
        """What becomes of graphs."""
        match parts:
            case ["prompt"]:
                return self._take(request.body)
            case ["queue"] if request.body is not None:
                self.deleted += request.body["delete"]
                self._pending = [one for one in self._pending if one[0] not in request.body["delete"]]
                return Reply(200, b"")
            case ["queue"]:
                rows = [[[0, *one, {}, []] for one in queue] for queue in (self._running, self._pending)]
                return Reply(200, {"queue_running": rows[0], "queue_pending": rows[1]})
            case ["interrupt"]:
                self._interrupt(request.body.get("prompt_id"))
                return Reply(200, b"")
            case ["history", ident]:
                self._tick()
                found = {ident: self._history[ident]} if ident in self._history else {}
                return Reply(200, json.dumps(found).encode())
            case ["view"]:
                asked = parse_qs(urlsplit(request.path).query)
                data = self._files.get(asked["filename"][0])
                return Reply(404, b"") if data is None else Reply(200, data, {"content-type": "image/png"})
        return Reply(404, b"404: Not Found")

    def _take(self, body: Any) -> Reply:
        graph: Graph = json.loads(json.dumps(body["prompt"]))
        ident = str(body.get("prompt_id") or uuid.uuid4())
        errors = self._faults(graph)
        if errors:
            error = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
            return Reply(400, {"error": {**error, "details": "", "extra_info": {}}, "node_errors": errors})
        bad = self.behave(graph)
        if bad == "an older id":
            ident = str(uuid.uuid4())
        self._pending.append((ident, graph))
        if bad == "forgotten":
            self.restart()
        dropped = {"9": {"errors": [error_of("value_not_in_list", "x")], "class_type": "SaveImage"}}
        return Reply(
            200, {"prompt_id": ident, "number": 1, "node_errors": dropped if bad == "dropped" else {}}, billed=0.0
        )

    def _faults(self, graph: Graph) -> dict[str, Any]:
        """What `validate_prompt` finds; turns the values of the graph."""
        found: dict[str, Any] = {}
        for name, node in graph.items():
            if node["class_type"] not in self.objects:
                return {name: {"errors": [error_of("invalid_prompt", "no such node")], "class_type": "?"}}
            errors = []
            for key, (kind, *more) in self.objects[node["class_type"]]["input"]["required"].items():
                inputs, about = node["inputs"], more[0] if more else {}
                if key not in inputs:
                    errors.append(error_of("required_input_missing", key))
                    continue
                if isinstance(inputs[key], list):
                    continue
                turn = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}.get(str(kind))
                inputs[key] = value = turn(inputs[key]) if turn else inputs[key]
                if "min" in about and value < about["min"]:
                    errors.append(error_of("value_smaller_than_min", key))
                if "max" in about and value > about["max"]:
                    errors.append(error_of("value_bigger_than_max", key))
                choices = kind if isinstance(kind, list) else about.get("options")
                if choices and value not in choices:
                    errors.append(error_of("value_not_in_list", f"{key}: '{value}' not in {choices}"))
            if errors:
                found[name] = {"errors": errors, "dependent_outputs": [], "class_type": node["class_type"]}
        return found

    def _tick(self) -> None:
        """Run the oldest graph of the queue."""
        if self._pending and not self._running:
            self._running.append(self._pending.pop(0))
        if self._running and not self.holds:
            self._run(*self._running.pop(0))

    def _interrupt(self, ident: str | None) -> None:
        for one, graph in [*self._running]:
            if ident in (None, one):
                self.interrupted.append(one)
                self._running.clear()
                status = messages("execution_interrupted", {"node_id": "1"})
                self._history[one] = {"prompt": [0, one, graph, {}, []], "outputs": {}, "status": status}

    def _run(self, ident: str, graph: Graph) -> None:
        self.ran.append((ident, graph))
        bad = self.behave(graph)
        saver = next(name for name, node in graph.items() if "filename_prefix" in node["inputs"])
        folder, _, name = graph[saver]["inputs"]["filename_prefix"].rpartition("/")
        images = [{"filename": f"{name}_00001_.png", "subfolder": folder, "type": "output"}]
        self._files[images[0]["filename"]] = self._picture(graph, bad)
        outputs: Any = {saver: {"images": images * (2 if bad == "two pictures" else 1)}}
        status = messages("execution_success", {"timestamp": 2500})
        match bad:
            case "empty":
                outputs = {}
            case "no list":
                outputs = {saver: {"images": None}}
            case "gone":
                del self._files[images[0]["filename"]]
            case "failed" | "out of memory":
                kind = "torch.OutOfMemoryError" if bad == "out of memory" else "RuntimeError"
                facts = {"node_id": "5", "node_type": "KSampler", "exception_type": kind}
                status = messages("execution_error", {**facts, "exception_message": "it broke\nand more"})
                outputs = {}
            case "interrupted":
                status, outputs = messages("execution_interrupted", {"node_id": "5"}), {}
            case "failed in silence":
                status, outputs = {"status_str": "error", "completed": False, "messages": []}, {}
            case "no status":
                status = None
            case "not a number":
                outputs["7"] = {"value": [float("nan"), float("inf")]}
        self._history[ident] = {"prompt": [0, ident, graph, {}, [saver]], "outputs": outputs, "status": status}

    def _picture(self, graph: Graph, bad: str) -> bytes:
        changed: Graph = json.loads(json.dumps(graph))
        swaps = {
            "another model": ("ckpt_name", "xl/sd_xl.safetensors"),
            "another sampler": ("sampler_name", "uni_pc"),
            "another schedule": ("scheduler", "simple"),
            "another seed": ("seed", 2**33),
            "another picture": ("filename_prefix", "teststrip/another"),
            "another size": ("width", 48),
        }
        for node in changed.values():
            if bad in swaps and swaps[bad][0] in node["inputs"]:
                node["inputs"][swaps[bad][0]] = swaps[bad][1]
            if bad == "another node" and node["class_type"] == "VAEDecode":
                node["class_type"] = "VAEDecodeTiled"
        if bad == "another picture" and len(self.ran) > 1:  # as where another client wrote over the file
            changed = self.ran[-2][1]
        if bad == "another size":  # the words are right, and the pixels are not
            return png_with(changed, seen=graph)
        said = {"without a word": "", "words cut off": json.dumps(graph)[:100]}.get(bad)
        data = png_with(changed, said=said, black=bad == "black")
        return data[: len(data) // 2] if bad == "half a picture" else data

    def prompt(self, request: Request) -> str:
        return json.dumps(request.body)[:100]


def error_of(kind: str, details: str) -> dict[str, Any]:
    message = {"value_not_in_list": "Value not in list"}.get(kind, kind)
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def messages(last: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The status of a graph whose last message is this one."""
    said = [["execution_start", {"timestamp": 1000}], ["execution_cached", {"nodes": []}], [last, facts]]
    word = "success" if last == "execution_success" else "error"
    return {"status_str": word, "completed": word == "success", "messages": said}


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, **services: ComfyService) -> None:
    """Write a configuration that names these servers, and no other."""
    file = folder / "config.toml"
    file.write_text("".join(f'[providers.{name}]\nbase_url = "{one.url}"\n' for name, one in services.items()))
    monkeypatch.setenv(configuration.VARIABLE, str(file))
