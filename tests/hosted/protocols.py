"""The protocols of hosted engines for tests of whole runs: a service, a study of it, and what spoils its answers.

`Compatible` is a server of the user's own that takes further fields. A picture of each service depends on all that its
request asks, so a picture of another cell is found out.
"""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hosted import google_service as google
from tests.hosted import openai_service as openai
from tests.hosted.service import Fault, Reply, Request, Service, png_of

from teststrip.records import Shot

PHASES = ("accepted", "read", "headers", "half", "whole")
SEEDS = 2**31
Key = tuple[object, ...]
"""The prompt, the level and, where it is sent, the seed: what tells one shot of a study from another."""


class Compatible(openai.OpenAIService):
    """A server that speaks OpenAI's protocol and reads a seed, a number of steps and a guidance, too."""

    def reply(self, request: Request) -> Reply:
        reply = super().reply(request)
        if reply.status == 200:
            asked = request.body
            parts = [asked[name] for name in ("prompt", "seed", "model", "num_inference_steps", "guidance_scale")]
            reply.body["data"] = [{"b64_json": google.coded(png_of(*parts, size=openai.size_of(request)))}]
        return reply


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    Attributes:
        service: the local server.
        key: that the server wants.
        bill: USD of one picture there.
        engine: `[engine]` of a study of it.
        axis: that varies, and two levels.
        asked: what tells one shot from another, by its request.
        meant: the same by the shot.
        picture: base64 of the picture in a body.
        again: answers after which a shot is asked again in the same run.
        final: answers that end a shot without a picture and cost nothing.
        spoiled: answers of status 200 without a picture for the cell, each billed, and what follows from each.
    """

    service: Callable[[], Service]
    key: str
    bill: float
    engine: Mapping[str, Any]
    axis: tuple[str, list[Any]]
    asked: Callable[[Request], Key]
    meant: Callable[[Shot], Key]
    picture: Callable[[Any], str]
    again: tuple[Reply, ...]
    final: tuple[Reply, ...]
    spoiled: Callable[[Request], Mapping[str, tuple[Reply, str]]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    replicates: int = 2

    def drawn(self, service: Service, request: Request) -> bytes:
        """The picture that the service draws for a request."""
        return base64.b64decode(self.picture(service.reply(request).body))


def gemini_spoiled(request: Request) -> Mapping[str, tuple[Reply, str]]:
    return {name: (Reply(200, body, billed=google.BILL), kind) for name, (body, kind) in google.WITHOUT.items()}


def predict_spoiled(request: Request) -> Mapping[str, tuple[Reply, str]]:
    def predicted(data: object) -> dict[str, Any]:
        return {"predictions": [{"bytesBase64Encoded": data, "mimeType": "image/png"}]}

    wide = google.coded(png_of("x", size=(48, 16)))
    cases: dict[str, tuple[Any, str]] = {
        "a filtered picture": ({"predictions": [{"raiFilteredReason": "Violence. Code: 1"}]}, "refused"),
        "no prediction": ({"predictions": []}, "error"),
        "nothing in it": ({}, "error"),
        "an error in it": ({"error": {"code": 500, "message": "overloaded"}}, "invalid"),
        "a list": ([], "invalid"),
        "predictions of another kind": ({"predictions": "x"}, "error"),
        "no picture": ({"predictions": [{}]}, "invalid"),
        "text for a picture": (predicted("no base64!"), "invalid"),
        "half a picture": (predicted(google.coded(png_of("x"))[:100]), "invalid"),
        "another ratio": (predicted(wide), "invalid"),
        "a number for a picture": (predicted(7), "invalid"),
        "HTML": (b"<html>Please log in</html>", "invalid"),
        "truncated JSON": (b'{"predictions": [{"byt', "invalid"),
        "nothing at all": (b"", "invalid"),
    }
    return {name: (Reply(200, body, billed=0.04), kind) for name, (body, kind) in cases.items()}


def _replies(troubles: Mapping[str, tuple[Reply, str]], kinds: tuple[str, ...]) -> tuple[Reply, ...]:
    return tuple(reply for reply, kind in troubles.values() if kind in kinds)


OURS = {"first_wait": 0.0, "timeout": 20.0, "provider": "here"}
AGAIN, FINAL = ("again", "again once"), ("refused", "invalid", "unknown")

OPENAI = Protocol(
    service=openai.OpenAIService,
    key=openai.KEY,
    bill=openai.BILL,
    engine={"name": "openai", "model": "gpt-image-2", **OURS},
    settings={"size": "32x16"},
    axis=("quality", ["low", "high"]),
    asked=lambda request: (request.body["prompt"], request.body["quality"]),
    meant=lambda shot: (shot.prompt, shot.settings["quality"]),
    picture=lambda body: str(body["data"][0]["b64_json"]),
    again=_replies(openai.TROUBLES, AGAIN),
    final=_replies(openai.TROUBLES, FINAL),
    spoiled=openai.spoiled,
    replicates=1,
)
COMPATIBLE = Protocol(
    service=Compatible,
    key=openai.KEY,
    bill=openai.BILL,
    engine={"name": "openai", "model": "own", "extra": "seed, num_inference_steps, guidance_scale", **OURS},
    settings={"size": "32x16", "guidance_scale": 4.5},
    axis=("num_inference_steps", [10, 50]),
    asked=lambda request: (request.body["prompt"], request.body["num_inference_steps"], request.body["seed"]),
    meant=lambda shot: (shot.prompt, shot.settings["num_inference_steps"], shot.seed),
    picture=OPENAI.picture,
    again=OPENAI.again,
    final=OPENAI.final,
    spoiled=openai.spoiled,
)
GEMINI = Protocol(
    service=google.GoogleService,
    key=google.KEY,
    bill=google.BILL,
    engine={"name": "google", **OURS},
    axis=("model", ["gemini-3.1-flash-image", "gemini-3-pro-image"]),
    asked=lambda request: (
        request.body["contents"][0]["parts"][0]["text"],
        request.path.rpartition("/")[2].partition(":")[0],
        request.body["generationConfig"]["seed"],
    ),
    meant=lambda shot: (shot.prompt, shot.settings["model"], shot.seed % SEEDS),
    picture=lambda body: str(body["candidates"][0]["content"]["parts"][1]["inlineData"]["data"]),
    again=_replies(google.TROUBLES, AGAIN),
    final=_replies(google.TROUBLES, FINAL),
    spoiled=gemini_spoiled,
)
PREDICT = Protocol(
    service=google.GoogleService,
    key=google.KEY,
    bill=0.04,
    engine={"name": "google", "protocol": "predict", "model": "imagen-4.0-generate-001", **OURS},
    settings={"aspect_ratio": "1:1"},
    axis=("guidance_scale", [2.0, 9.0]),
    asked=lambda request: (
        request.body["instances"][0]["prompt"],
        request.body["parameters"]["guidanceScale"],
        request.body["parameters"]["seed"],
    ),
    meant=lambda shot: (shot.prompt, shot.settings["guidance_scale"], shot.seed % SEEDS),
    picture=lambda body: str(body["predictions"][0]["bytesBase64Encoded"]),
    again=GEMINI.again,
    final=GEMINI.final,
    spoiled=predict_spoiled,
)
PROTOCOLS = {"OpenAI": OPENAI, "compatible": COMPATIBLE, "Gemini": GEMINI, "predict": PREDICT}


class Chaos:
    """Spoils three of ten requests, each in another way: the same ones whichever thread comes first.

    Attributes:
        charged: how often the service took money for each shot in this round.
        ended: how often it took money for each shot for an answer after which the shot is never asked again.
        faults: how many requests and connections were spoiled.
    """

    def __init__(self, protocol: Protocol, service: Service, seed: int) -> None:
        self.protocol = protocol
        self.seed = seed
        self.charged: Counter[Key] = Counter()
        self.ended: Counter[Key] = Counter()
        self.faults = 0
        service.spoil = self.spoil
        service.instead = self.instead

    def spoil(self, number: int) -> Fault | None:
        chance = random.Random(f"connection {self.seed} {number}")
        if chance.random() > 0.1:
            return None
        self.faults += 1
        return Fault(chance.choice(("close", "reset")), chance.choice(PHASES))  # type: ignore[arg-type]

    def instead(self, request: Request) -> Reply | None:
        chance = random.Random(f"request {self.seed} {request.number}")
        reply, kind = None, "picture"
        if chance.random() <= 0.2:
            self.faults += 1
            if chance.random() < 0.5:
                reply = chance.choice(chance.choice((self.protocol.again, self.protocol.final)))
            else:
                reply, kind = chance.choice(list(self.protocol.spoiled(request).values()))
        if reply is None or reply.billed is not None:
            key = self.protocol.asked(request)
            self.charged[key] += 1
            self.ended[key] += kind != "error"
        return reply
