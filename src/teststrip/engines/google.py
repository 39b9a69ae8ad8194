"""Google's Gemini image models by the official client, and Imagen's `predict` protocol for endpoints of the user's own.

Google has shut its Imagen models down; the protocol stays for private and compatible endpoints. Answers are read as the
JSON that they are, because the client drops fields and warns of words that it does not know. A seed is best effort: the
protocol has 31 bits, so the number that was sent is among the facts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip.errors import EngineError
from teststrip.hosted import checked, contradicted, predict
from teststrip.hosted.engine import OPTIONS, HostedEngine
from teststrip.hosted.models import Model
from teststrip.hosted.tokens import count
from teststrip.hosted.trouble import Trouble, asked_to_wait
from teststrip.records import Fingerprint, Price, Seeds, Setting, Shot, Value, by_name

if TYPE_CHECKING:
    from teststrip.hosted.configuration import Provider

LONGEST_PROMPT = 100_000  # characters; models read fewer tokens, and say so
THOUGHTS = 8192  # tokens of thinking that are reserved for; a guess on the safe side, settled by the answer's count
SEEDS = 2**31

GEMINI = by_name(
    Setting("prompt", "str", doc="The text to draw."),
    Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Best effort: a like picture, not the same one."),
    Setting("model", "str", doc="The model, as the service spells it."),
    Setting("aspect_ratio", "str", doc='Width to height: "1:1", "16:9" and others by model.'),
    Setting("image_size", "str", doc='"512", "1K", "2K" or "4K", by model; left out, the service takes 1K.'),
    Setting("temperature", "float", low=0, high=2, doc="How freely the model samples."),
    Setting(
        "thinking_level",
        "str",
        choices=("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
        doc="How much the model thinks before it draws; thinking is paid.",
    ),
    Setting(
        "safety",
        "str",
        choices=("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"),
        doc="From where on the service refuses, in all its categories.",
    ),
)
CATEGORIES = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
REFUSED = {
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
    *("IMAGE_RECITATION", "MODEL_ARMOR", "PUP_LIMITED_DISABLED"),
}
"""Words of `finishReason` by which the service refuses a picture."""


class GoogleEngine(HostedEngine[Any]):
    """Asks Google, or an endpoint that speaks one of its protocols.

    Args:
        provider: an endpoint of the user's configuration; None = Google's Gemini API.
        protocol: "gemini" or "predict"; None = gemini.
        threads: requests at a time.
        timeout: seconds until an answer counts as lost.
        attempts: requests for an image at most.
        first_wait: seconds before the first repeat.

    Raises:
        EngineError: "predict" is asked of Google itself.
    """

    service = "google"
    home = "https://generativelanguage.googleapis.com"
    key = "env:GEMINI_API_KEY"
    seeds: ClassVar[Seeds] = "best effort"
    options: ClassVar[Mapping[str, Setting]] = by_name(
        *OPTIONS,
        Setting("protocol", "str", None, choices=("gemini", "predict"), doc="predict: Imagen's, of your own endpoint."),
    )

    def __init__(
        self,
        *,
        provider: str | None = None,
        protocol: str | None = None,
        threads: int = 4,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
    ) -> None:
        super().__init__(provider=provider, threads=threads, timeout=timeout, attempts=attempts, first_wait=first_wait)
        self._predicts = protocol == "predict"
        if self._predicts and provider is None:
            raise EngineError(
                "protocol: Google has shut its Imagen models down, the last on 17 August 2026. Their protocol is for"
                " an endpoint of your own: name it by provider, or ask model = 'gemini-3.1-flash-image'"
            )

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Those of the protocol."""
        return predict.SETTINGS if self._predicts else GEMINI

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """As `HostedEngine.fingerprint`, and the protocol where it is not Gemini's."""
        facts = super().fingerprint(shot).facts
        return Fingerprint({**facts, "protocol": "predict"} if self._predicts else facts)

    def connect(self, provider: Provider, secret: str) -> tuple[Any, Callable[[], None]]:
        """The official client, or a plain one for `predict`, on a connection of ours."""
        from google.genai import Client
        from google.genai.types import HttpOptions

        from teststrip.hosted import connections

        http = connections.client(provider.reach, seconds=self._timeout)
        if self._predicts:
            return http, http.close
        options = HttpOptions(
            base_url=provider.base_url,
            api_version=provider.more.get("api_version"),
            timeout=int(self._timeout * 1000),
            httpx_client=http,
        )
        return Client(vertexai=False, api_key=secret or "none", http_options=options), http.close

    def ask(self, shot: Shot) -> checked.Answer:
        """One request for one picture."""
        checked.sendable(shot.prompt, LONGEST_PROMPT)
        seed = shot.seed % SEEDS
        body, headers = self._predicted(shot, seed) if self._predicts else self._generated(shot, seed)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Trouble("invalid", checked.unread(body), paid=None)
        if isinstance(error := answer.get("error"), dict):
            raise Trouble("invalid", f"the service answered 200, but: {self.told(error.get('message'))}", paid=None)
        facts = {"sent_seed": seed, **_said(answer)}
        if request := headers.get("x-request-id"):
            facts["request_id"] = request
        if self._predicts:
            price = self.provider.price
            found = predict.picture(answer, facts, paid=price.amount if price else None, told=self.told)
            contradicted.by_shape(found, shot.settings, within=predict.RATIO)
            return found
        found = self._candidate(answer, facts, self._paid(answer, shot))
        contradicted.by_shape(found, shot.settings)
        return found

    def _generated(self, shot: Shot, seed: int) -> tuple[str, Mapping[str, str]]:
        """The answer of the Gemini API: body and headers."""
        from google.genai import errors
        from google.genai.types import GenerateContentConfig

        from teststrip.hosted import connections

        client = self._client()
        config = GenerateContentConfig.model_validate({**_config(shot.settings), "seed": seed})
        try:
            answer = client.models.generate_content(
                model=str(shot.settings["model"]), contents=shot.prompt, config=config
            )
        except errors.APIError as error:
            details = error.details if isinstance(error.details, dict) else {}
            raise self._refusal(error.code, details, error.message, getattr(error.response, "headers", {})) from None
        except ValueError as error:  # JSON that the client could not read
            raise Trouble("invalid", checked.unread(str(getattr(error, "doc", ""))), paid=None) from None
        except Exception as error:
            if connections.cause(error) is None:
                raise
            raise connections.trouble(error) from None
        raw = answer.sdk_http_response
        return str(raw.body or ""), {name.lower(): str(value) for name, value in (raw.headers or {}).items()}

    def _predicted(self, shot: Shot, seed: int) -> tuple[str, Mapping[str, str]]:
        """The answer of an endpoint that speaks Imagen's protocol: body and headers."""
        import httpx2

        from teststrip.hosted import connections

        client, secret, settings = self._client(), self.secret, shot.settings
        try:
            answer = client.post(
                predict.endpoint(self.provider, str(settings["model"])),
                json=predict.body(shot.prompt, settings, seed),
                headers={"authorization": f"Bearer {secret}"} if secret else {},
            )
        except httpx2.HTTPError as error:
            raise connections.trouble(error) from None
        if answer.status_code != 200:
            try:
                details = answer.json()
            except ValueError:
                details = {}
            details = details if isinstance(details, dict) else {}
            told = details.get("error")
            message = told.get("message") if isinstance(told, dict) else answer.text
            raise self._refusal(answer.status_code, details, message, answer.headers)
        return answer.text, answer.headers

    def _candidate(self, answer: Mapping[str, Any], facts: dict[str, object], paid: float | None) -> checked.Answer:
        feedback = answer.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            why = f"{feedback['blockReason']}: {feedback.get('blockReasonMessage') or 'the prompt was blocked'}"
            raise Trouble("refused", f"refused at the input: {self.told(why)}", paid=paid)
        candidates = answer.get("candidates")
        first = candidates[0] if isinstance(candidates, list) and candidates else None
        if not isinstance(first, dict):
            raise Trouble("error", "the service answered without a picture and without a reason", paid=paid)
        content = first.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        shown = [part for part in parts or [] if isinstance(part, dict) and not part.get("thought")]
        for part in shown:
            data = part.get("inlineData") or part.get("inline_data")
            if isinstance(data, dict):
                return checked.picture(data.get("data"), facts=facts, paid=paid)
        reason = str(first.get("finishReason") or "no reason")
        words = " ".join(str(part["text"]) for part in shown if part.get("text")) or first.get("finishMessage") or ""
        said = self.told(f"{reason}: {words}" if words else reason)
        if reason in REFUSED:
            raise Trouble("refused", f"refused: {said}", paid=paid)
        kind = "words instead of a picture" if words else "no picture"
        raise Trouble("error", f"the service answered with {kind}: {said}", paid=paid)

    def _refusal(self, status: int, details: Mapping[str, Any], message: object, headers: Mapping[str, str]) -> Trouble:
        """What an answer with an error status means."""
        text, written = self.told(message or "no message"), json.dumps(details)
        if status == 429:
            if "PerDay" in written or re.search(r"limit: 0\b", written):
                return Trouble("stop", f"the quota of today is used up, or the model has none for this key: {text}")
            return Trouble("again", f"the service is busy (429): {text}", wait=_delay(written, headers, text))
        if status in (401, 402, 403, 404) or "API_KEY_INVALID" in written or "API key" in str(message):
            return Trouble("stop", f"the service says no, and would to every request ({status}): {text}")
        if "FAILED_PRECONDITION" in written or 300 <= status < 400:
            return Trouble("stop", f"the service says no, and would to every request ({status}): {text}")
        if status == 503:
            return Trouble("again", f"the service is busy (503): {text}", wait=_delay(written, headers, text))
        if status == 504:
            return Trouble("unknown", "no answer came in time (504): perhaps paid", paid=None)
        if status >= 500:
            return Trouble("again", f"the service failed ({status}): {text}", paid=None)
        return Trouble("invalid", f"the request is wrong ({status}): {text}")

    def _paid(self, answer: Mapping[str, Any], shot: Shot) -> float | None:
        """What was paid by the tokens of the answer, thinking among them."""
        if self._provider_name is not None:
            price = self.provider.price
            return price.amount if price else None
        usage, model = answer.get("usageMetadata"), self.model(shot.settings)
        return None if model is None or not isinstance(usage, dict) else cost(model, usage)

    def _reckoned(self, model: Model, settings: Mapping[str, Value]) -> Price | None:
        picture = model.pictures.get(str(settings.get("image_size") or "1K"))
        if picture is None:
            return None
        prompt = str(settings.get("prompt") or "").encode("utf-8", "surrogatepass")
        words = len(prompt) * model.rates.get("text_in", 0.0) + THOUGHTS * model.rates.get("text_out", 0.0)
        return Price(picture * 1.2 + words / 1e6, "USD")


def cost(model: Model, usage: Mapping[str, Any]) -> float | None:
    """What an answer cost in USD, by its own count of tokens; None where it does not count them."""
    asked, made = count(usage.get("promptTokenCount")), count(usage.get("candidatesTokenCount"))
    if asked is None or made is None:
        return None
    details = usage.get("candidatesTokensDetails")
    kinds = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    drawn = sum(count(one.get("tokenCount")) or 0 for one in kinds if one.get("modality") == "IMAGE") if kinds else made
    words = max(0, made - drawn) + (count(usage.get("thoughtsTokenCount")) or 0)
    rates = model.rates
    dollars = (
        asked * rates.get("text_in", 0.0) + drawn * rates.get("image_out", 0.0) + words * rates.get("text_out", 0.0)
    )
    return dollars / 1e6


def _config(settings: Mapping[str, Value]) -> dict[str, Any]:
    """What is asked beside the prompt, in the client's words."""
    config: dict[str, Any] = {
        "response_modalities": ["IMAGE"],
        "candidate_count": 1,
        "should_return_http_response": True,
    }
    if settings.get("temperature") is not None:
        config["temperature"] = settings["temperature"]
    if image := {name: settings[name] for name in ("aspect_ratio", "image_size") if settings.get(name) is not None}:
        config["image_config"] = image
    if settings.get("thinking_level") is not None:
        config["thinking_config"] = {"thinking_level": settings["thinking_level"]}
    if settings.get("safety") is not None:
        config["safety_settings"] = [
            {"category": f"HARM_CATEGORY_{name}", "threshold": settings["safety"]} for name in CATEGORIES
        ]
    return config


def _said(answer: Mapping[str, Any]) -> dict[str, object]:
    """What the answer says of itself."""
    facts: dict[str, object] = {}
    if version := answer.get("modelVersion"):
        facts["answered"] = {"model": str(version)}
    if response := answer.get("responseId"):
        facts["response_id"] = str(response)
    usage = answer.get("usageMetadata")
    if isinstance(usage, dict):
        facts["usage"] = {str(name): number for name, value in usage.items() if (number := count(value)) is not None}
    return facts


def _delay(written: str, headers: Mapping[str, str], text: str) -> float | None:
    """The seconds to wait, by the error's `RetryInfo`, the headers or its words."""
    found = re.search(r'"retryDelay": "([0-9]{1,6}(?:\.[0-9]{1,9})?)s"', written)
    return float(found[1]) if found else asked_to_wait(headers, text)
