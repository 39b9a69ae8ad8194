"""OpenAI's image models by the official client, and servers of the user's own that speak its protocol.

Knows one request and its answers: `POST /images/generations`. What becomes of a trouble is the business of `hosted`.
No model of the service takes a seed: seeds number the replicates. A server of one's own may take further fields, which
`extra` declares by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip.errors import EngineError, StudyError, among
from teststrip.hosted import checked, contradicted, protocol
from teststrip.hosted.engine import OPTIONS, HostedEngine
from teststrip.hosted.models import Model
from teststrip.hosted.tokens import AUTO, cost, count, most, size_of
from teststrip.hosted.trouble import Trouble
from teststrip.records import Price, Setting, Shot, Value, by_name

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types import ImagesResponse

    from teststrip.hosted.configuration import Provider

LONGEST_PROMPT = 32_000  # characters, as the service documents it
OVERHEAD = 64  # tokens that a service may put around a prompt; a guess on the safe side

SETTINGS = (
    Setting("prompt", "str", doc="The text to draw."),
    Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Numbers the replicates; only a server with extra reads it."),
    Setting("model", "str", doc="The model, as the service spells it."),
    Setting("size", "str", doc='Width and height, "1024x1024", or "auto"; left out, the service chooses.'),
    Setting("quality", "str", doc='"low", "medium" or "high"; some models also "xhigh" and "max". It sets the price.'),
    Setting("background", "str", choices=("auto", "opaque", "transparent"), doc="What is behind the subject."),
    Setting("moderation", "str", choices=("auto", "low"), doc="How strictly the service refuses."),
    Setting("output_format", "str", choices=("png", "jpeg", "webp"), doc="The format of the picture's file."),
    Setting("output_compression", "int", low=0, high=100, doc="Per cent of quality that a JPEG or WebP keeps."),
    Setting("complexity", "str", choices=("low", "medium", "high"), doc="How much a model plans before it draws."),
)
SENT = ("model", "size", "quality", "background", "moderation", "output_format", "output_compression")
NEW = ("complexity",)  # sent as a field of the body, because not every version of the client has it as an argument
EXTRA = by_name(
    Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Sent to the server."),
    Setting("negative_prompt", "str", doc="What to keep away from; sent to the server."),
    Setting("num_inference_steps", "int", low=1, high=1000, doc="Steps; sent to the server."),
    Setting("guidance_scale", "float", low=0, high=100, doc="Guidance; sent to the server."),
    Setting("true_cfg_scale", "float", low=0, high=100, doc="Guidance with a negative prompt; sent to the server."),
    Setting("strength", "float", low=0, high=1, doc="Strength; sent to the server."),
    Setting("style", "str", doc="Style; sent to the server."),
    Setting("response_format", "str", choices=("b64_json",), doc="Asks an older server for the picture itself."),
)
"""Fields beyond the protocol that a server of the user's own may take."""


class OpenAIEngine(HostedEngine["OpenAI"]):
    """Asks OpenAI, or a server that speaks its protocol.

    Args:
        provider: a server of the user's configuration; None = OpenAI itself.
        extra: names of further fields that this server takes, joined by commas.
        threads: requests at a time.
        timeout: seconds until an answer counts as lost.
        attempts: requests for an image at most.
        first_wait: seconds before the first repeat.

    Raises:
        EngineError: `extra` names an unknown field, or stands without a server.
    """

    service = "openai"
    home = "https://api.openai.com/v1"
    key = "env:OPENAI_API_KEY"
    options: ClassVar[Mapping[str, Setting]] = by_name(
        *OPTIONS,
        Setting("extra", "str", None, doc='Further fields that your server takes: "seed, num_inference_steps".'),
    )

    def __init__(
        self,
        *,
        provider: str | None = None,
        extra: str | None = None,
        threads: int = 4,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
    ) -> None:
        super().__init__(provider=provider, threads=threads, timeout=timeout, attempts=attempts, first_wait=first_wait)
        self._extra = tuple(filter(None, (name.strip() for name in (extra or "").split(","))))
        for name in self._extra:
            if name not in EXTRA:
                raise EngineError(f"extra: {name!r} is unknown{among(name, EXTRA, 'Known')}")
        if self._extra and provider is None:
            raise EngineError("extra: OpenAI itself takes no further field. Name a server of your own by provider")

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Those of the protocol, and the fields that `extra` declares."""
        return {**by_name(*SETTINGS), **{name: EXTRA[name] for name in self._extra}}

    def check(self, settings: Mapping[str, Value]) -> None:
        """As `HostedEngine.check`; also that size, format and background go together."""
        super().check(settings)
        form = settings.get("output_format") or "png"
        if settings.get("background") == "transparent" and form == "jpeg":
            raise StudyError('background: a JPEG cannot be transparent. Write output_format = "png" or "webp"')
        if settings.get("output_compression") is not None and form == "png":
            raise StudyError('output_compression: a PNG has none. Write output_format = "jpeg" or "webp"')
        if (size := settings.get("size")) not in AUTO:
            width, height = size_of(str(size))
            model = self.model(settings)
            if self._provider_name is None and model is not None and "size" not in model.values:
                _check_free_size(width, height)

    def remark(self, settings: Mapping[str, Value]) -> str:
        """As `HostedEngine.remark`; also that what the service chooses is reckoned at its dearest."""
        left = [name for name in ("size", "quality") if settings.get(name) in AUTO]
        dearest = f"leave {' and '.join(left)} to the service, and are reckoned at the dearest" if left else ""
        said = super().remark(settings)
        return said if self._provider_name is not None else "\n".join(filter(None, [said, dearest]))

    def connect(self, provider: Provider, secret: str) -> tuple[OpenAI, Callable[[], None]]:
        """The official client, without its own repeats, on a connection of ours."""
        from openai import OpenAI

        from teststrip.hosted import connections

        own = () if provider.name else ("openai-organization", "openai-project")
        http = connections.client(provider.reach, seconds=self._timeout, also=own)
        client = OpenAI(
            api_key=secret or "none", base_url=provider.base_url, max_retries=0, timeout=self._timeout, http_client=http
        )
        return client, http.close

    def ask(self, shot: Shot) -> checked.Answer:
        """One request for one picture."""
        import openai

        from teststrip.hosted import connections

        settings = shot.settings
        checked.sendable(shot.prompt, LONGEST_PROMPT)
        asked: dict[str, Any] = {name: settings[name] for name in SENT if settings.get(name) is not None}
        more = {name: settings[name] for name in (*NEW, *self._extra) if settings.get(name) is not None}
        answer: Any = None
        try:
            draw: Any = self._client().images.with_raw_response.generate
            answer = draw(prompt=shot.prompt, n=1, extra_body=more or None, **asked)
            body = answer.parse()
        except openai.APIStatusError as error:
            raise self._refusal(error, str(settings.get("model"))) from None
        except openai.APIConnectionError as error:
            raise connections.trouble(error) from None
        except (ValueError, AttributeError, TypeError, openai.OpenAIError) as error:
            why = f"the client failed ({type(error).__name__})" if answer is None else checked.unread(answer.text)
            raise Trouble("invalid", why, paid=None) from None
        if body is None or isinstance(body, str):
            raise Trouble("invalid", checked.unread(answer.text), paid=None)
        facts = {**_facts(body), "request_id": answer.headers.get("x-request-id")}
        return self._picture(body, facts, shot)

    def _picture(self, body: ImagesResponse, facts: dict[str, object], shot: Shot) -> checked.Answer:
        paid = self._paid(facts, shot)
        found = getattr(body, "data", None)
        if not isinstance(found, list) or not found:
            error = getattr(body, "error", None)
            error = error if isinstance(error, dict) else {}
            text = self.told(error.get("message") or "it holds no picture")
            kind = "refused" if error.get("code") in protocol.REFUSED else "invalid"
            raise Trouble(kind, f"the service answered 200, but: {text}", paid=paid)  # type: ignore[arg-type]
        first = found[0]
        if not (encoded := getattr(first, "b64_json", None)) and getattr(first, "url", None):
            why = 'the server answered with an address. Declare extra = "response_format" and set it to "b64_json"'
            raise Trouble("invalid", why, paid=paid)
        if revised := getattr(first, "revised_prompt", None):
            facts["revised_prompt"] = str(revised)
        size = shot.settings.get("size")
        answer = checked.picture(
            encoded, facts=_known(facts), paid=paid, size=None if size in AUTO else size_of(str(size))
        )
        said = facts.get("answered")
        contradicted.by_word(answer, shot.settings, said if isinstance(said, dict) else {}, self.told)
        return answer

    def _paid(self, facts: Mapping[str, object], shot: Shot) -> float | None:
        """What was paid by the tokens of the answer; of a server of the user's own, what the user says."""
        if self._provider_name is not None:
            price = self.provider.price
            return price.amount if price else None
        model, usage = self.model(shot.settings), facts.get("usage")
        return None if model is None or not isinstance(usage, dict) else cost(model, usage)

    def _refusal(self, error: APIStatusError, model: str) -> Trouble:
        """What an answer with an error status means."""
        known = self.table.models.get(model)
        gone = f" ({known.off:%d %B %Y} was its last day)" if known and known.off and error.status_code == 404 else ""
        return protocol.refusal(error, self.told, gone)

    def _reckoned(self, model: Model, settings: Mapping[str, Value]) -> Price | None:
        prompt = str(settings.get("prompt") or "")
        tokens = len(prompt.encode("utf-8", "surrogatepass")) + OVERHEAD  # no token is shorter than a byte
        picture = most(model, settings.get("size"), settings.get("quality"))
        if picture is None or "text_in" not in model.rates:
            return None
        return Price(picture + tokens * model.rates["text_in"] / 1e6, "USD")


def _facts(body: object) -> dict[str, object]:
    """What the answer says of itself."""
    facts: dict[str, object] = {}
    answered = {name: getattr(body, name, None) for name in ("size", "quality", "background", "output_format", "model")}
    if known := {name: str(value) for name, value in answered.items() if value is not None}:
        facts["answered"] = known
    usage = getattr(body, "usage", None)
    if usage is not None:
        counts = {name: getattr(usage, name, None) for name in ("input_tokens", "output_tokens", "total_tokens")}
        inside, outside = getattr(usage, "input_tokens_details", None), getattr(usage, "output_tokens_details", None)
        counts |= {name: getattr(inside, name, None) for name in ("text_tokens", "image_tokens")}
        counts["output_text_tokens"] = getattr(outside, "text_tokens", None)
        facts["usage"] = {name: number for name, value in counts.items() if (number := count(value)) is not None}
    return facts


def _known(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if value not in (None, {})}


def _check_free_size(width: int, height: int) -> None:
    """Check a size by the rules of models that take any.

    Raises:
        StudyError: it breaks one of them.
    """
    why = ""
    if width % 16 or height % 16:
        why = "both numbers must be multiples of 16"
    elif max(width, height) > 3840:
        why = "no side may be above 3840"
    elif max(width, height) > 3 * min(width, height):
        why = "no side may be more than three times the other"
    elif not 655_360 <= width * height <= 8_294_400:
        why = f"{width * height:,} pixels; there must be 655,360 to 8,294,400"
    if why:
        raise StudyError(f"size: {width}x{height}: {why}")
