"""What all engines share that ask a service: server and key, threads and repeats, the purse, and the table of models.

A hosted engine adds its settings, what it asks, and how it reads the answer. Nothing is looked up before it is needed,
so that a study opens on a machine without client, key and configuration.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import ClassVar, Generic, TypeVar
from urllib.parse import quote

from teststrip import plugins
from teststrip.errors import EngineError, StudyError, first_line, shortened
from teststrip.hosted import configuration, models
from teststrip.hosted.addresses import reach
from teststrip.hosted.asking import Asking, Manners, OpenPurse
from teststrip.hosted.checked import Answer
from teststrip.hosted.configuration import Provider
from teststrip.hosted.keys import key, redacted
from teststrip.hosted.models import Model, Table
from teststrip.hosted.trouble import Trouble
from teststrip.protocols import Purse
from teststrip.records import Failure, Fingerprint, Price, Render, Seeds, Setting, Shot, Value, by_name

Client = TypeVar("Client")


OPTIONS = (
    Setting("provider", "str", None, doc="A server of your own, by its name in your configuration."),
    Setting("threads", "int", 4, low=1, high=64, doc="Requests at a time."),
    Setting("timeout", "float", 600.0, low=1, high=3600, doc="Seconds until an answer counts as lost."),
    Setting("attempts", "int", 6, low=1, high=20, doc="Requests for an image at most, while the service is busy."),
    Setting("first_wait", "float", 1.0, low=0, high=60, doc="Seconds before the first repeat; each waits longer."),
)
LONGEST_FACT = 4000
"""Letters of a text that is kept of an answer, such as a prompt that the service wrote anew."""

OPERATION = frozenset({"threads", "timeout", "attempts", "first_wait"})


class HostedEngine(ABC, Generic[Client]):
    """Asks a service for pictures.

    Attributes:
        service: its name in the tables of models.
        home: its base URL.
        key: where its key is, unless a server of the user's own says otherwise.
    """

    service: ClassVar[str]
    home: ClassVar[str]
    key: ClassVar[str]
    options: ClassVar[Mapping[str, Setting]] = by_name(*OPTIONS)
    operation: ClassVar[frozenset[str]] = OPERATION
    seeds: ClassVar[Seeds] = "none"

    def __init__(
        self,
        *,
        provider: str | None = None,
        threads: int = 4,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
    ) -> None:
        self._provider_name = provider
        self._manners = Manners(threads=threads, attempts=attempts, first_wait=first_wait)
        self._timeout = timeout
        self._purse: Purse = OpenPurse()
        self._asking: Asking | None = None
        self._connected: tuple[Client, Callable[[], None], str] | None = None

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Setting]:
        """The settings by name."""

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError or EngineError where the server is unknown, the model retired, or a value not its own."""
        name = settings.get("model")
        if not name:
            raise StudyError(f"model is missing. Write model = {self._example!r}")
        if self._provider_name is None:
            model = self.table.find(str(name), models.today())
            for setting in model.values:
                model.check(setting, settings.get(setting))
        else:
            self.provider  # noqa: B018 - the configuration is read, and says what is wrong

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """None: nothing is known of the model's work."""
        return None

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The model and the server by their names; what really answered is among the facts of each picture."""
        provider = {"provider": self._provider_name} if self._provider_name is not None else {}
        return Fingerprint({"engine": self.service, "model": shot.settings.get("model"), **provider})

    def price(self, settings: Mapping[str, Value]) -> Price | None:
        """The most that one picture can cost, by the table of models or the user's own word; None = unknown."""
        if self._provider_name is None:
            model = self.model(settings)
            return None if model is None else self._reckoned(model, settings)
        try:
            return self.provider.price
        except EngineError:  # a study of another machine
            return None

    def pay_from(self, purse: Purse) -> None:
        """Ask this purse before each request."""
        self._purse = purse

    def may_pay_twice(self) -> bool:
        """Whether a request that the service may have charged without a picture is sent once more."""
        return self._manners.attempts > 1 and not self._manners.idempotent

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in the order in which they come.

        Raises:
            EngineError: there is no key, or no request can succeed.
            MissingExtra: the official client is not installed.
        """
        self._client()
        self._asking = Asking(
            self._guarded,
            price=lambda shot: self.price(shot.settings),
            fingerprint=self.fingerprint,
            manners=self._manners,
            purse=self._purse,
            after=self._guarded,
        )
        yield from self._asking.render(shots)

    def finish(self) -> None:
        """Begin no further request."""
        if self._asking is not None:
            self._asking.finish()

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected[1]()
            self._connected = None

    def remark(self, settings: Mapping[str, Value]) -> str:
        """What `plan` says of a model that is shut down soon, and of a table that is old."""
        model, today = self.model(settings), models.today()
        if self._provider_name is not None or model is None:
            return ""
        old = f"are priced by a table of {models.day(self.table.checked)}: look whether prices have changed"
        return "\n".join(filter(None, [model.leaving(today), old if self.table.old(today) else ""]))

    def names(self) -> Mapping[str, list[str]]:
        """The models that can be asked today."""
        today = models.today()
        return {"model": [name for name, model in self.table.models.items() if not model.retired(today)]}

    @abstractmethod
    def ask(self, shot: Shot) -> Answer:
        """Make one request. Called in threads. Raises Trouble where there is no picture."""

    def after(self, shot: Shot, ticket: str) -> Answer:
        """Ask after a request by its ticket. Called in threads. Raises Trouble where there is no picture.

        An engine that never notes a ticket has none to ask after.
        """
        raise Trouble("unknown", "this service cannot be asked after a request", paid=None)

    def noted(self, ticket: str) -> None:
        """Keep how the service can be asked after the request that this thread makes; never with the key in it."""
        spelled = {self.secret, quote(self.secret, safe=""), json.dumps(self.secret)[1:-1]} - {""}
        if self._asking is not None and not any(word in ticket for word in spelled):
            self._asking.note(ticket)

    def _guarded(self, shot: Shot, ticket: str = "") -> Answer:
        """One request, or a question after one, whose answer and whose troubles are bounded and hold no key."""
        try:
            answer = self.after(shot, ticket) if ticket else self.ask(shot)
        except Trouble as trouble:
            trouble.text = redacted(trouble.text, self.secret)
            raise
        except Exception as error:  # a fault of a client must not leave its shot without an answer
            text = redacted(f"{type(error).__name__}: {first_line(error)}", self.secret)
            raise Trouble("invalid", shortened(text, 300), paid=None) from None
        return replace(answer, facts={name: self._bounded(value) for name, value in answer.facts.items()})

    def _bounded(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {shortened(str(name), 60): self._bounded(inner) for name, inner in islice(value.items(), 40)}
        if not isinstance(value, str):
            return value
        return shortened(value.replace(self.secret, "[key]") if self.secret else value, LONGEST_FACT)

    @abstractmethod
    def connect(self, provider: Provider, secret: str) -> tuple[Client, Callable[[], None]]:
        """The official client, and what closes it."""

    @abstractmethod
    def _reckoned(self, model: Model, settings: Mapping[str, Value]) -> Price | None:
        """The most that a picture of a model costs, by the service's own formula."""

    @cached_property
    def table(self) -> Table:
        """The models of the service, with those of the user's configuration."""
        return models.table(self.service, configuration.read().models.get(self.service))

    @cached_property
    def provider(self) -> Provider:
        """The service, or the user's own server."""
        if self._provider_name is None:
            return Provider("", self.home, reach(self.home), self.key)
        return configuration.read().provider(self._provider_name)

    @property
    def secret(self) -> str:
        """The key in use; "" before anything was asked."""
        return self._connected[2] if self._connected else ""

    def told(self, text: object) -> str:
        """A text of the service for people: one line, without the key, not too long."""
        line = "a page of HTML" if str(text).lstrip().startswith("<") else " ".join(str(text).split())
        return shortened(redacted(line, self.secret), 300)

    def model(self, settings: Mapping[str, Value]) -> Model | None:
        """What the table says of the model of these settings; None where it knows none."""
        return self.table.models.get(str(settings.get("model")))

    @property
    def _example(self) -> str:
        today = models.today()
        return next(name for name, model in self.table.models.items() if not model.retired(today))

    def _client(self) -> Client:
        if self._connected is None:
            secret = key(self.provider.key)
            try:
                self._connected = (*self.connect(self.provider, secret), secret)
            except ModuleNotFoundError as error:
                raise plugins.missing(error) from error
        return self._connected[0]
