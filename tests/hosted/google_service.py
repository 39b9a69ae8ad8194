"""Google's protocols on this machine: `generateContent` of the Gemini API, and `predict` of Imagen."""

from __future__ import annotations

import base64
from typing import Any

from tests.hosted.service import Reply, Request, Service, png_of
from tests.studies import png

KEY = "AIzaCanary7Q2hosted12345678901234567890"
USAGE = {
    "promptTokenCount": 8,
    "candidatesTokenCount": 1120,
    "thoughtsTokenCount": 300,
    "totalTokenCount": 1428,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
BILL = (8 * 0.5 + 1120 * 60 + 300 * 3) / 1e6
"""USD of one picture by that usage and the rates of gemini-3.1-flash-image, thinking among them."""


def error(status: int, word: str, message: str, *details: dict[str, Any]) -> Reply:
    """An error as the service spells it."""
    return Reply(status, {"error": {"code": status, "message": message, "status": word, "details": list(details)}})


def quota(quota_id: str, delay: str = "0.01s") -> Reply:
    violation = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", violation, retry)


TROUBLES: dict[str, tuple[Reply, str]] = {
    "too many a minute": (quota("GenerateRequestsPerMinutePerProjectPerModel"), "again"),
    "too many a day": (quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "stop"),
    "no free tier": (error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric, limit: 0"), "stop"),
    "overloaded": (error(503, "UNAVAILABLE", "The model is overloaded."), "again"),
    "broken": (error(500, "INTERNAL", "An internal error has occurred."), "again once"),
    "broken in HTML": (Reply(502, b"<html><h1>Bad gateway</h1>", {"content-type": "text/html"}), "again once"),
    "too slow": (error(504, "DEADLINE_EXCEEDED", "Deadline expired."), "unknown"),
    "a wrong key": (error(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), "stop"),
    "another country": (error(400, "FAILED_PRECONDITION", "User location is not supported."), "stop"),
    "not allowed": (error(403, "PERMISSION_DENIED", "Denied."), "stop"),
    "a model that is gone": (error(404, "NOT_FOUND", "models/x is not found"), "stop"),
    "a wrong value": (error(400, "INVALID_ARGUMENT", "Unknown name responseModalities"), "invalid"),
    "moved elsewhere": (Reply(302, b"", {"location": "http://169.254.169.254/"}), "stop"),
}
"""Answers with an error status, and what follows from each."""


def finished(reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason}], "usageMetadata": USAGE}


def drawn(data: object) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": data}}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


WITHOUT: dict[str, tuple[Any, str]] = {
    "a blocked prompt": ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}, "refused"),
    "a blocked picture": (finished("IMAGE_SAFETY"), "refused"),
    "a recitation": (finished("IMAGE_RECITATION", {"text": "I cannot."}), "refused"),
    "words only": (finished("STOP", {"text": "I cannot draw people."}), "error"),
    "no image": (finished("NO_IMAGE"), "error"),
    "too many tokens": (finished("MAX_TOKENS"), "error"),
    "a reason of next year": (finished("TOO_BORING"), "error"),
    "a picture that is a thought": (finished("STOP", {"thought": True, **drawn(coded(png_of("thought")))}), "error"),
    "no parts": ({"candidates": [{"content": {"parts": None}, "finishReason": "STOP"}]}, "error"),
    "no content": ({"candidates": [{"finishReason": "OTHER"}]}, "error"),
    "no candidate": ({"candidates": []}, "error"),
    "nothing in it": ({}, "error"),
    "an error in it": ({"error": {"code": 500, "message": "overloaded"}}, "invalid"),
    "a list": ([], "invalid"),
    "null": (b"null", "invalid"),
    "text for a picture": (finished("STOP", drawn("no base64!")), "invalid"),
    "half a picture": (finished("STOP", drawn(coded(png_of("x"))[:100])), "invalid"),
    "HTML for a picture": (finished("STOP", drawn(coded(b"<html></html>"))), "invalid"),
    "a number for a picture": (finished("STOP", drawn(7)), "invalid"),
    "a black picture": (finished("STOP", drawn(coded(png((0, 0, 0))))), "blank"),
    "HTML": (b"<html>Please log in</html>", "invalid"),
    "truncated JSON": (b'{"candidates": [{"cont', "invalid"),
    "nothing at all": (b"", "invalid"),
}
"""Answers of status 200 without a picture for the cell, and what follows from each."""


def size_of(ratio: str | None, size: str | None) -> tuple[int, int]:
    """Width and height as they were asked for; a small picture where no size was."""
    wide, high = map(int, (ratio or "1:1").split(":"))
    side = {None: 16, "512": 512, "1K": 1024, "2K": 2048, "4K": 4096}[size]
    return round(side * (wide / high) ** 0.5), round(side * (high / wide) ** 0.5)


class GoogleService(Service):
    path = ""

    def reply(self, request: Request) -> Reply:
        if request.path.endswith(":predict"):
            if request.headers.get("authorization") != f"Bearer {KEY}":
                return TROUBLES["not allowed"][0]
            asked = request.body["parameters"]
            size = size_of(asked.get("aspectRatio"), asked.get("sampleImageSize"))
            data = png_of(self.prompt(request), asked.get("seed"), asked.get("guidanceScale"), size=size)
            prediction = {"bytesBase64Encoded": coded(data), "mimeType": "image/png"}
            return Reply(200, {"predictions": [prediction]}, billed=0.04)
        if request.headers.get("x-goog-api-key") != KEY:
            return TROUBLES["a wrong key"][0]
        config = request.body["generationConfig"]
        thought = {"thought": True, "text": "An owl has feathers."}
        image = config.get("imageConfig", {})
        size = size_of(image.get("aspectRatio"), image.get("imageSize"))
        data = png_of(self.prompt(request), config.get("seed"), request.path, size=size)
        said = finished("STOP", thought, drawn(coded(data)))
        return Reply(200, said | {"modelVersion": "gemini-3.1-flash-image-001", "responseId": "r1"}, billed=BILL)

    def prompt(self, request: Request) -> str:
        if "instances" in request.body:
            return str(request.body["instances"][0]["prompt"])
        return str(request.body["contents"][0]["parts"][0]["text"])
