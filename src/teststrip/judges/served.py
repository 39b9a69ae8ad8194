"""A judge on a server: OpenAI's chat completions by the official client, of OpenAI or of a server of the user's own.

Knows one request and its answers. Addresses, threads, repeats, kinds of trouble and the purse are those of `hosted`,
so a judge is asked as carefully as an engine.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from teststrip import plugins
from teststrip.errors import first_line, shortened
from teststrip.hosted import keys, protocol
from teststrip.hosted.asking import Asking
from teststrip.hosted.checked import Answer
from teststrip.hosted.trouble import LATER, Trouble
from teststrip.judges.questions import FIRST, SECOND, TEMPLATE, Question, Said, words
from teststrip.records import Failure, Fingerprint, Judgement, Price, Shot, canonical_json

if TYPE_CHECKING:
    from openai import OpenAI

    from teststrip.hosted.configuration import Provider
    from teststrip.judges.declared import Declared
    from teststrip.protocols import Purse

LONGEST = 200
"""Letters of an answer that are kept; one that is longer is no letter."""


class ServedJudge:
    """Asks a server, a few questions at a time.

    Args:
        declared: the judge as the user's configuration has it.
        server: who is asked.
    """

    light = True

    def __init__(self, declared: Declared, server: Provider) -> None:
        self._declared, self._server = declared, server
        self._open: dict[str, Question] = {}  # by the id of the shot; threads of requests only read it
        self._client: OpenAI | None = None
        self._http: Any = None
        self._secret = ""

    @property
    def price(self) -> Price | None:
        """What the user says that a question costs at most."""
        return self._server.price

    def record(self) -> Judgement:
        """What answers; see Judge. A server does not say which weights it has."""
        return Judgement(self._declared.model, "", TEMPLATE, canonical_json(dict(self._declared.send)), ())

    def answers(self, questions: Iterable[Question], purse: Purse) -> Iterator[Said]:
        """One for each question; see Judge.

        Raises:
            EngineError: there is no key, or no question can succeed.
            MissingExtra: the official client is not installed.
        """
        self._connect()
        asking = Asking(
            self._guarded,
            price=lambda shot: self.price,
            fingerprint=lambda shot: Fingerprint({"judge": self._declared.model}),
            manners=self._declared.manners,
            purse=purse,
        )
        for done in asking.render(self._noted(questions)):
            self._open.pop(done.shot.id, None)
            if isinstance(done, Failure):
                later = done.retryable and done.reason in LATER
                yield Said(done.shot.id, shortened(done.text, LONGEST), 0.0, done.reason, later, done.paid)
            else:
                paid = done.facts.get("price")
                amount = float(paid) if isinstance(paid, int | float) else None
                yield Said(done.shot.id, done.data.decode("utf-8", "replace"), done.seconds, paid=amount)

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()

    def _noted(self, questions: Iterable[Question]) -> Iterator[Shot]:
        for question in questions:
            self._open[question.shot.id] = question
            yield question.shot

    def _connect(self) -> None:
        if self._client is not None:
            return
        self._secret = keys.key(self._server.key)
        try:
            from openai import OpenAI

            from teststrip.hosted import connections
        except ModuleNotFoundError as error:
            raise plugins.missing(error) from error
        self._http = connections.client(self._server.reach, seconds=self._declared.timeout)
        self._client = OpenAI(
            api_key=self._secret or "none",
            base_url=self._server.base_url,
            max_retries=0,
            timeout=self._declared.timeout,
            http_client=self._http,
        )

    def _guarded(self, shot: Shot) -> Answer:
        """One request, whose troubles hold no key. Runs in a thread of its own."""
        try:
            return self._ask(self._open[shot.id])
        except Trouble as trouble:
            trouble.text = keys.redacted(trouble.text, self._secret)
            raise
        except Exception as error:  # a fault of a client must not leave its question without an answer
            text = keys.redacted(f"{type(error).__name__}: {first_line(error)}", self._secret)
            raise Trouble("invalid", shortened(text, LONGEST), paid=None) from None

    def _ask(self, question: Question) -> Answer:
        import openai

        from teststrip.hosted import connections

        create: Any = self._client.chat.completions.with_raw_response.create  # type: ignore[union-attr]
        messages = [{"role": "user", "content": _content(question, self._declared.question)}]
        try:
            answer = create(model=self._declared.model, messages=messages, extra_body=dict(self._declared.send))
            body = answer.parse()
        except openai.APIStatusError as error:
            raise protocol.refusal(error, self._told) from None
        except openai.APIConnectionError as error:
            raise connections.trouble(error) from None
        except (ValueError, AttributeError, TypeError, openai.OpenAIError) as error:
            why = f"the answer is not as the protocol says ({type(error).__name__})"
            raise Trouble("invalid", why, paid=None) from None
        return self._read(body)

    def _read(self, body: object) -> Answer:
        paid = self.price.amount if self.price else None
        found = getattr(body, "choices", None)
        first = found[0] if isinstance(found, list) and found else None
        message = getattr(first, "message", None)
        refused = getattr(message, "refusal", None)
        if refused or getattr(first, "finish_reason", None) == "content_filter":
            raise Trouble("refused", f"refused: {self._told(refused or 'by the content filter')}", paid=paid)
        text = getattr(message, "content", None)
        if not isinstance(text, str) or not text.strip():
            raise Trouble("invalid", "the answer is empty", paid=paid)
        cut = self._told(text)[:LONGEST]
        price = {} if paid is None else {"price": paid}
        return Answer(cut.encode(), "text", 0, 0, "", facts=price, paid=paid)

    def _told(self, text: object) -> str:
        """A text of the server for people: one line, without the key, not too long."""
        line = "a page of HTML" if str(text).lstrip().startswith("<") else " ".join(str(text).split())
        return shortened(keys.redacted(line, self._secret), LONGEST)


def _content(question: Question, asked: str) -> list[dict[str, Any]]:
    """The parts of the message, in the order in which a judge reads them."""
    first, second = (
        {"type": "image_url", "image_url": {"url": f"data:{question.kind};base64,{base64.b64encode(data).decode()}"}}
        for data in (question.first, question.second)
    )
    return [_said(FIRST), first, _said(SECOND), second, _said(words(question.prompt, asked))]


def _said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
