"""What an error of OpenAI's protocol means, of the service itself and of servers that speak as it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from teststrip.hosted.trouble import Trouble, asked_to_wait, until_reset

if TYPE_CHECKING:
    from openai import APIStatusError

REFUSED: Final = frozenset({"moderation_blocked", "content_policy_violation"})
STOPPED: Final = {
    "insufficient_quota": "the account has no money left",
    "billing_hard_limit_reached": "the account's own limit of money is reached",
    "invalid_api_key": "the key is not valid",
    "model_not_found": "the model does not exist, or the account may not use it",
    "account_deactivated": "the account is closed",
}
BUSY: Final = frozenset({408, 409, 425, 429, 503, 529})
MAYBE_DONE: Final = frozenset({504, 522, 524})  # a proxy gave up waiting for an answer


def refusal(error: APIStatusError, told: Callable[[object], str], gone: str = "") -> Trouble:
    """What follows from an answer with an error status.

    Args:
        error: as the official client raises it.
        told: makes one line for people of a text of the service, without the key.
        gone: what is known of a model that no longer exists, to follow its sentence.
    """
    status, code = error.status_code, str(error.code or "")
    body = error.body if isinstance(error.body, dict) else {}
    text = told(body.get("message") or error.message)
    unsafe = str(body.get("type")) == "image_generation_user_error" and "safety" in text.lower()
    if code in REFUSED or unsafe or "moderation_details" in body:
        details = body.get("moderation_details")
        details = details if isinstance(details, dict) else {}
        stage, categories = details.get("moderation_stage"), details.get("categories")
        where = f" at the {stage}" if stage in ("input", "output") else ""
        named = f" for {', '.join(map(str, categories))}" if isinstance(categories, list) and categories else ""
        return Trouble("refused", told(f"refused{where}{named}: {text}"), paid=None if stage == "output" else 0.0)
    if code in STOPPED:
        return Trouble("stop", f"the service says no, and would to every request: {STOPPED[code]}{gone}. {text}")
    if status in (401, 402, 403, 404) or 300 <= status < 400:
        return Trouble("stop", f"the service says no, and would to every request ({status}): {text}")
    if status in BUSY:
        wait = asked_to_wait(error.response.headers, text)
        if wait is None and status == 429:
            wait = until_reset(error.response.headers)
        return Trouble("again", f"the service is busy ({status}): {text}", wait=wait)
    if status in MAYBE_DONE:
        return Trouble("unknown", f"no answer came in time ({status}): perhaps paid", paid=None)
    if status >= 500:
        wait = asked_to_wait(error.response.headers)
        return Trouble("again", f"the service failed ({status}): {text}", paid=None, wait=wait)
    return Trouble("invalid", f"the request is wrong ({status}): {text}")
