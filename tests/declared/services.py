"""The services that docs/services.md declares, on this machine: each speaks its published protocol and bills pictures.

`config` takes a declaration out of the documentation as it stands there, and changes nothing but the addresses.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email import message_from_bytes
from pathlib import Path
from typing import Any, ClassVar

from tests.hosted.service import Reply, Request, Service, png_of
from tests.studies import png

KEY = "canary-7Q2declared-1234567890"
PAGE = Path(__file__).parents[2] / "docs" / "services.md"
SIZE = (16, 16)


def config(service: Local) -> str:
    """The declaration of the documentation, with the addresses of this machine."""
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [one for one in blocks if one.startswith(f"[services.{service.name}]")]
    block = re.sub(r'^base_url = ".*?"', f'base_url = "{service.url}"', block, flags=re.MULTILINE)
    block = re.sub(r"^hosts = .*$", f'hosts = ["{service.elsewhere}"]', block, flags=re.MULTILINE)
    return re.sub(r"^every = .*$", "every = 0.01", block, flags=re.MULTILINE)


class Local(Service):
    """What these services share.

    Attributes:
        name: in the documentation.
        variable: the environment variable of its key.
        header: what carries the key, and its value around it.
        settings: of a picture, in the words of the declaration.
        steps: the requests of one picture in their order, as `step` names them.
        bill: USD of a picture.
        jobs: what was asked, by the name of the request.
        polled: how often each was asked after.
        never: whether a picture is never ready.
        bad: what is wrong in a request, such as a key that reached a stranger.
    """

    name: ClassVar[str]
    variable: ClassVar[str] = ""
    header: ClassVar[tuple[str, str]] = ("authorization", "Bearer {key}")
    settings: ClassVar[Mapping[str, Any]] = {}
    steps: ClassVar[tuple[str, ...]] = ("submit", "poll", "poll", "fetch")
    bill: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.polled: dict[str, int] = {}
        self.never = False
        self.bad: list[str] = []

    @property
    def elsewhere(self) -> str:
        """This machine under another name: the host of polls and pictures."""
        return f"localhost:{self._server.server_port}"

    def step(self, request: Request) -> str:
        """Which step of the protocol a request is."""
        if request.path.startswith("/files/"):
            return "fetch"
        return "poll" if request.body is None else "submit"

    def reply(self, request: Request) -> Reply:
        name, value = self.header
        has_key = KEY in str(request.headers)
        if self.step(request) == "fetch":
            if has_key:
                self.bad.append("the key was sent to the host of the pictures")
            job = request.path.removeprefix("/files/").removesuffix(".png")
            return Reply(200, self.picture(job), {"content-type": "image/png"})
        if self.variable and request.headers.get(name) != value.replace("{key}", KEY):
            return Reply(401, {"detail": f"Unauthenticated: {request.headers.get(name)}"})
        return getattr(self, self.step(request))(request)  # type: ignore[no-any-return]

    def take(self, request: Request, asked: dict[str, Any]) -> str:
        """Keep what is asked; the name of the request."""
        name = f"job{len(self.jobs)}"
        self.jobs[name] = asked
        return name

    def ready(self, job: str) -> bool:
        """Whether a picture is there: from the second question on."""
        self.polled[job] = self.polled.get(job, 0) + 1
        return self.polled[job] > 1 and not self.never

    def picture(self, job: str) -> bytes:
        return self.drawn(self.jobs[job])

    def drawn(self, asked: Mapping[str, Any]) -> bytes:
        """The picture of what was asked, which depends on all of it."""
        return png_of(*sorted((name, str(value)) for name, value in asked.items()), size=SIZE)

    def prompt(self, request: Request) -> str:
        return str(self.flat(request)["prompt"])

    def flat(self, request: Request) -> dict[str, Any]:
        """What is asked, in the words of the declaration."""
        return dict(request.body)

    def address(self, job: str) -> str:
        return f"http://{self.elsewhere}/files/{job}.png"


class Replicate(Local):
    name, variable, path = "replicate", "REPLICATE_API_TOKEN", "/v1"
    settings: ClassVar = {"model": "maker/flux one", "num_inference_steps": 4, "guidance": 3.5}
    bill = 0.003

    def flat(self, request: Request) -> dict[str, Any]:
        return dict(request.body["input"])

    def submit(self, request: Request) -> Reply:
        if request.path != "/v1/models/maker/flux%20one/predictions":
            return Reply(404, {"detail": "The requested resource could not be found."})
        job = self.take(request, self.flat(request))
        return Reply(201, self.told(job, "starting"), billed=self.bill)

    def poll(self, request: Request) -> Reply:
        job = request.path.rpartition("/")[2]
        if job not in self.jobs:
            return Reply(404, {"detail": "The requested resource could not be found."})
        return Reply(200, self.told(job, "succeeded" if self.ready(job) else "processing"))

    def told(self, job: str, status: str) -> dict[str, Any]:
        urls = {"get": f"{self.url}/predictions/{job}", "cancel": f"{self.url}/predictions/{job}/cancel"}
        output = [self.address(job)] if status == "succeeded" else None
        return {"id": job, "version": "v1", "status": status, "urls": urls, "output": output, "error": None}


class Fal(Local):
    name, variable, header = "fal", "FAL_KEY", ("authorization", "Key {key}")
    settings: ClassVar = {"model": "fal-ai/flux/dev", "num_inference_steps": 20, "guidance_scale": 3.5}
    steps = ("submit", "poll", "poll", "result", "fetch")
    bill = 0.03

    def step(self, request: Request) -> str:
        found = super().step(request)
        return "result" if found == "poll" and not request.path.endswith("/status") else found

    def submit(self, request: Request) -> Reply:
        if request.headers.get("x-fal-no-retry") != "1":
            self.bad.append("the service would repeat the request by itself")
        job = self.take(request, self.flat(request))
        base = f"{self.url}/fal-ai/flux/requests/{job}"
        urls = {"status_url": f"{base}/status", "response_url": base, "cancel_url": f"{base}/cancel"}
        return Reply(200, {"request_id": job, "status": "IN_QUEUE", "queue_position": 0, **urls}, billed=self.bill)

    def poll(self, request: Request) -> Reply:
        job = request.path.split("/")[-2]
        ready = self.ready(job)
        return Reply(200 if ready else 202, {"status": "COMPLETED" if ready else "IN_PROGRESS", "request_id": job})

    def result(self, request: Request) -> Reply:
        job = request.path.rpartition("/")[2]
        image = {"url": self.address(job), "width": SIZE[0], "height": SIZE[1], "content_type": "image/png"}
        seed = self.jobs[job]["seed"]
        return Reply(200, {"images": [image], "seed": seed, "has_nsfw_concepts": [False], "prompt": "x"})


class Flux(Local):
    name, variable, header, path = "flux", "BFL_API_KEY", ("x-key", "{key}"), "/v1"
    settings: ClassVar = {"model": "flux-2-flex", "width": 64, "height": 64, "steps": 20, "guidance": 4.5}
    bill = 0.05

    def submit(self, request: Request) -> Reply:
        if request.body.get("prompt_upsampling") is not False:
            self.bad.append("the prompt would be rewritten")
        job = self.take(request, self.flat(request))
        polling = f"http://{self.elsewhere}/v1/get_result?id={job}"
        return Reply(200, {"id": job, "polling_url": polling, "cost": self.bill * 100}, billed=self.bill)

    def poll(self, request: Request) -> Reply:
        job = request.path.rpartition("=")[2]
        if not self.ready(job):
            return Reply(200, {"id": job, "status": "Pending", "result": None})
        result = {"sample": self.address(job), "seed": self.jobs[job]["seed"], "prompt": self.jobs[job]["prompt"]}
        return Reply(200, {"id": job, "status": "Ready", "result": result})


class Stability(Local):
    name, variable = "stability", "STABILITY_API_KEY"
    settings: ClassVar = {"model": "sd3.5-medium", "cfg_scale": 4.5, "negative_prompt": "a fence"}
    steps = ("submit",)
    bill = 0.035

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Any:
        if not headers.get("content-type", "").startswith("multipart/form-data"):
            self.bad.append("the request is no form")
            return {}
        form = message_from_bytes(f"content-type: {headers['content-type']}\r\n\r\n".encode() + raw)
        parts = form.get_payload()
        assert isinstance(parts, list)
        return {
            str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True)).decode()  # type: ignore[union-attr, arg-type]
            for part in parts
        }

    def submit(self, request: Request) -> Reply:
        if request.path != "/v2beta/stable-image/generate/sd3" or request.body["seed"] == "0":
            self.bad.append("a wrong path, or a seed that means any seed")
        drawn = base64.b64encode(self.drawn(self.flat(request))).decode()
        body = {"image": drawn, "finish_reason": "SUCCESS", "seed": int(request.body["seed"])}
        return Reply(200, body, billed=self.bill)


class Ideogram(Local):
    name, variable, header, path = "ideogram", "IDEOGRAM_API_KEY", ("api-key", "{key}"), "/v2"
    settings: ClassVar = {"model": "ideogram-4-5", "quality": "medium"}
    steps = ("quote", "submit", "poll", "poll", "fetch")
    bill = 0.06

    def step(self, request: Request) -> str:
        return "quote" if request.path.endswith("?dry_run=true") else super().step(request)

    def quote(self, request: Request) -> Reply:
        micros = round(self.bill * 1e6)
        return Reply(200, {"object": "price_quote", "quantity": 1, "usd_micros": micros, "qualifier": "exact"})

    def submit(self, request: Request) -> Reply:
        if request.body.get("magic_prompt") != "off" or request.body.get("async") is not True:
            self.bad.append("the prompt would be rewritten, or the answer has no name")
        job = self.take(request, self.flat(request))
        return Reply(202, {"generation_id": job, "generation_kind": "sampling"}, billed=self.bill)

    def poll(self, request: Request) -> Reply:
        job = request.path.rpartition("/")[2]
        if not self.ready(job):
            return Reply(200, {"generation_id": job, "status": "pending", "created": "2026-11-28T12:00:00Z"})
        asked = self.jobs[job]
        image = {"url": self.address(job), "prompt": asked["prompt"], "seed": asked["seed"], "is_image_safe": True}
        more = {"response_type": "url", "usage_cost_usd_micros": round(self.bill * 1e6), "data": [image]}
        return Reply(200, {"generation_id": job, "status": "completed", **more})


class Sketch(Local):
    name = "sketch"
    steps = ("submit",)

    def submit(self, request: Request) -> Reply:
        job = self.take(request, {**self.flat(request), "number": request.number})
        drawn = [base64.b64encode(self.picture(job)).decode()] * 9
        return Reply(200, {"images": drawn, "version": "35s5hfwn9n78gb06"}, billed=0.0)


SERVICES: tuple[type[Local], ...] = (Replicate, Fal, Flux, Stability, Ideogram, Sketch)
BLACK = png((0, 0, 0), SIZE)
HTML = Reply(200, b"<html>Please log in</html>", {"content-type": "text/html"})
CUT = Reply(200, b'{"id": "job0", "ima')

REFUSALS: dict[str, tuple[str, Any]] = {
    "replicate": ("poll", {"id": "job0", "status": "failed", "error": "NSFW content detected.", "output": None}),
    "fal": ("result", {"images": [{"url": "x"}], "has_nsfw_concepts": [True]}),
    "flux": ("poll", {"id": "job0", "status": "Request Moderated", "result": None}),
    "stability": ("submit", {"image": base64.b64encode(BLACK).decode(), "finish_reason": "CONTENT_FILTERED"}),
    "ideogram": ("poll", {"status": "completed", "data": [{"url": "", "is_image_safe": False}]}),
}
"""For each service the step that refuses, and what it then answers with status 200."""
