"""OpenAI's chat completions on this machine: a judge that compares two pictures by their pixels, or misbehaves."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
from tests.hosted.openai_service import KEY, TROUBLES
from tests.hosted.service import Reply, Request, Service

from teststrip import pictures

PRICE = 0.01
Rule = Callable[[np.ndarray, np.ndarray], str]


def first(one: np.ndarray, other: np.ndarray) -> str:
    """Whatever stands there, the first picture."""
    return "A"


def contrast(one: np.ndarray, other: np.ndarray) -> str:
    """The picture with more contrast."""
    return "C" if np.array_equal(one, other) else "A" if one.std() > other.std() else "B"


def completion(content: object, **message: Any) -> dict[str, Any]:
    """An answer of the protocol."""
    reason = message.pop("finish_reason", "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "sees-2026-11-01",
        "choices": [
            {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 1, "total_tokens": 901},
    }


def parts(request: Request) -> tuple[list[np.ndarray], list[str], list[str]]:
    """The pictures of a question, the addresses that they stand in, and its texts."""
    content = request.body["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    shown = [pictures.decode(base64.b64decode(url.partition(",")[2])) for url in urls]
    return shown, urls, [part["text"] for part in content if part["type"] == "text"]


class ChatService(Service):
    """Answers by a rule about the pixels of the two pictures."""

    path = "/v1"
    rule: Rule = staticmethod(contrast)

    def reply(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return TROUBLES["a wrong key"][0]
        one, other = parts(request)[0]
        return Reply(200, completion(self.rule(one, other)), billed=PRICE)

    def prompt(self, request: Request) -> str:
        return parts(request)[2][-1]
