"""OpenAI's image protocol on this machine: `POST /v1/images/generations`, with its errors and its bill."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tests.hosted.service import Reply, Request, Service, png_of
from tests.studies import png

KEY = "sk-canary-7Q2hosted-1234567890"
BILL = (10 * 5 + 100 * 30) / 1e6
"""USD of one picture, by the tokens that an answer counts and the rates of gpt-image-2."""


def error(status: int, message: str, code: str | None = None, *, headers: Mapping[str, str] = {}, **more: Any) -> Reply:
    """An error as the service spells it."""
    return Reply(
        status, {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}, headers
    )


def refusal(stage: str) -> Reply:
    more = {
        "type": "image_generation_user_error",
        "moderation_details": {"moderation_stage": stage, "categories": ["violence"]},
    }
    return error(400, "Your request was rejected by the safety system.", "moderation_blocked", **more)


TROUBLES: dict[str, tuple[Reply, str]] = {
    "moderation of the input": (refusal("input"), "refused"),
    "moderation of the output": (refusal("output"), "refused"),
    "an older refusal": (error(400, "Rejected.", "content_policy_violation"), "refused"),
    "a refusal without a code": (
        error(400, "Blocked: safety_violations=[violence]", type="image_generation_user_error"),
        "refused",
    ),
    "another fault of the user": (error(400, "Too small.", type="image_generation_user_error"), "invalid"),
    "a wrong value": (error(400, "Invalid value: 'ultra'.", "invalid_value", param="quality"), "invalid"),
    "not understood": (error(422, "Unprocessable."), "invalid"),
    "no money": (error(429, "You exceeded your current quota.", "insufficient_quota"), "stop"),
    "the account's limit": (error(400, "Billing hard limit has been reached", "billing_hard_limit_reached"), "stop"),
    "a wrong key": (error(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key"), "stop"),
    "an unverified organisation": (error(403, "Your organization must be verified to use the model."), "stop"),
    "a model that is gone": (error(404, "The model does not exist.", "model_not_found"), "stop"),
    "moved elsewhere": (Reply(302, b"", {"location": "http://169.254.169.254/"}), "stop"),
    "too fast": (error(429, "Limit 5, Used 5. Please try again in 0.01s.", "rate_limit_exceeded"), "again"),
    "busy": (error(503, "Overloaded.", headers={"retry-after": "0.01"}), "again"),
    "broken": (error(500, "The server had an error."), "again once"),
    "broken in HTML": (Reply(502, b"<html><h1>Bad gateway</h1>", {"content-type": "text/html"}), "again once"),
    "a proxy that gave up": (Reply(524, b"<html>A timeout occurred</html>", {"content-type": "text/html"}), "unknown"),
    "a gateway that gave up": (Reply(504, b"", {}), "unknown"),
}
"""Answers with an error status, and what follows from each."""


def spoiled(request: Request) -> dict[str, tuple[Reply, str]]:
    """Answers of status 200 that hold no picture for the cell, each billed, and what follows from each."""
    good = body_of(request)
    black = good | {"data": [{"b64_json": base64.b64encode(png((0, 0, 0), size_of(request))).decode()}]}
    small = good | {"data": [{"b64_json": base64.b64encode(png_of("x", size=(8, 8))).decode()}]}
    cases: dict[str, tuple[Any, str]] = {
        "an error in it": ({"error": {"message": "The engine is overloaded.", "code": "server_error"}}, "invalid"),
        "a refusal in it": ({"error": {"message": "Rejected.", "code": "content_policy_violation"}}, "refused"),
        "nothing in it": ({}, "invalid"),
        "null": (b"null", "invalid"),
        "a list": ([], "invalid"),
        "an empty list": (good | {"data": []}, "invalid"),
        "data of another kind": (good | {"data": "x"}, "invalid"),
        "no picture in the list": (good | {"data": [{}]}, "invalid"),
        "an address": (good | {"data": [{"url": "http://169.254.169.254/x.png"}]}, "invalid"),
        "text for a picture": (good | {"data": [{"b64_json": "no base64!"}]}, "invalid"),
        "HTML for a picture": (good | {"data": [{"b64_json": base64.b64encode(b"<html></html>").decode()}]}, "invalid"),
        "half a picture": (good | {"data": [{"b64_json": good["data"][0]["b64_json"][:200]}]}, "invalid"),
        "a number for a picture": (good | {"data": [{"b64_json": 7}]}, "invalid"),
        "a black picture": (black, "blank"),
        "another size": (small, "invalid"),
        "HTML": (b"<html>Please log in</html>", "invalid"),
        "truncated JSON": (b'{"created": 1, "data": [{"b64_js', "invalid"),
        "no UTF-8": (b'{"data": "\xff\xfe"}', "invalid"),
        "nothing at all": (b"", "invalid"),
    }
    kinds = {"HTML": {"content-type": "text/html"}}
    return {name: (Reply(200, body, kinds.get(name, {}), billed=BILL), kind) for name, (body, kind) in cases.items()}


def size_of(request: Request) -> tuple[int, int]:
    asked = request.body.get("size") or "auto"
    return (24, 16) if asked == "auto" else tuple(map(int, asked.split("x")))  # type: ignore[return-value]


def body_of(request: Request) -> dict[str, Any]:
    asked = request.body
    size = size_of(request)
    parts = (asked["prompt"], asked.get("seed", request.number), asked["model"], asked.get("quality"))
    return {
        "created": 1,
        "background": "opaque",
        "output_format": "png",
        "quality": asked.get("quality", "medium"),
        "size": f"{size[0]}x{size[1]}",
        "data": [{"b64_json": base64.b64encode(png_of(*parts, size=size)).decode()}],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
            "output_tokens": 100,
            "total_tokens": 110,
        },
    }


class OpenAIService(Service):
    path = "/v1"

    def reply(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return TROUBLES["a wrong key"][0]
        if request.path != "/v1/images/generations":
            return error(404, "Not found.")
        return Reply(200, body_of(request), {"x-request-id": f"req_{request.number}"}, billed=BILL)

    def prompt(self, request: Request) -> str:
        return str(request.body["prompt"])
