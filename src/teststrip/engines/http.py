"""Any service that the user's configuration declares: where to ask, what to send, and what to read in its answers.

What the steps of a service do is the business of `declared`, and what becomes of a trouble that of `hosted`. Here
stands what both need of an engine: settings, prices, what a seed gives, and what answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from teststrip.declared import places, reading
from teststrip.declared.service import SeedRange, Service
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import checked, configuration
from teststrip.hosted.addresses import reach
from teststrip.hosted.configuration import Provider
from teststrip.hosted.engine import OPTIONS, HostedEngine
from teststrip.hosted.models import Model
from teststrip.hosted.trouble import Trouble
from teststrip.records import Failure, Fingerprint, Price, Render, Seeds, Setting, Shot, Value, by_name, digest_of

if TYPE_CHECKING:
    from teststrip.declared.dialogue import Dialogue

PROMPT = Setting("prompt", "str", doc="The text to draw.")
SEED = Setting(
    "seed", "int", 0, low=0, high=2**32 - 1, doc="What it gives is declared; with none it numbers replicates."
)


class HttpEngine(HostedEngine["Dialogue"]):
    """Asks a service of the user's configuration.

    Args:
        service: its name there.
        threads: requests at a time.
        timeout: seconds until an answer counts as lost.
        attempts: requests for an image at most.
        first_wait: seconds before the first repeat.
    """

    service = "http"
    home = ""
    key = ""
    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("service", "str", None, doc="A service that your configuration declares, by its name there."),
        *(option for option in OPTIONS if option.name != "provider"),
    )

    def __init__(
        self,
        *,
        service: str | None = None,
        threads: int = 4,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
    ) -> None:
        super().__init__(threads=threads, timeout=timeout, attempts=attempts, first_wait=first_wait)
        self._name = service
        self._dearer = ""

    @cached_property
    def declared(self) -> Service:
        """The declaration.

        Raises:
            EngineError: there is none, or it is wrong.
        """
        if not self._name:
            raise EngineError(
                'service is missing. Write service = "NAME" under [engine], and declare [services.NAME] in your'
                " configuration (docs/services.md)"
            )
        return reading.find(configuration.read(), self._name)

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Prompt and seed, and those that the declaration has."""
        return by_name(PROMPT, SEED, *(self.declared.settings.values() if self._name else ()))

    @property
    def seeds_as_opened(self) -> Seeds:
        """What the declaration says."""
        return (self.declared.seed if self._name else SeedRange()).gives

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError where an address cannot be written, EngineError where the declaration is wrong."""
        service = self.declared
        values = {**settings, "seed": 0}
        for step in (service.submit, service.quote):
            try:
                places.address(step.path if step else "", values)
            except ValueError as error:
                raise StudyError(f"{error}. It is a part of the address at the service {service.name!r}") from None

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The service by its name, and a digest of what it is sent beside the settings."""
        service = self.declared
        steps = [[one.method, one.path, one.json, one.form, dict(one.headers)] for one in (service.submit,)]
        seed = [service.seed.low, service.seed.high]
        asked = {"base_url": service.base_url, "steps": steps, "seed": seed, "picture": list(service.reading.picture)}
        return Fingerprint({"engine": "http", "service": service.name, "declaration": digest_of(asked)[:16]})

    def price(self, settings: Mapping[str, Value]) -> Price | None:
        """The most that one picture can cost, by the declaration; None = unknown."""
        try:
            return self.declared.bill.of(settings)
        except EngineError:  # a study of another machine
            return None

    def may_pay_twice(self) -> bool:
        """Not where the declaration says how the service knows a request again, and so charges once."""
        try:
            return super().may_pay_twice() and not self.declared.idempotency
        except EngineError:  # a study of another machine
            return False

    def remark(self, settings: Mapping[str, Value]) -> str:
        """Nothing: no table of ours knows the service."""
        return ""

    def names(self) -> Mapping[str, list[str]]:
        """None beyond the choices of the declaration."""
        return {}

    @cached_property
    def provider(self) -> Provider:
        """Where the service is, and which key it takes."""
        found = self.declared
        may = reach(found.base_url, http=found.http, private=found.private)
        return Provider(found.name, found.base_url, may, found.key)

    def connect(self, provider: Provider, secret: str) -> tuple[Dialogue, Callable[[], None]]:
        """What speaks with the service, on connections of ours."""
        import httpx2  # noqa: F401 - imported first, so that the error about a missing package names this one

        from teststrip.declared.dialogue import Dialogue
        from teststrip.declared.requests import Client

        self._manners = replace(self._manners, idempotent=bool(self.declared.idempotency))
        client = Client(self.declared, secret, self._timeout)
        dialogue = Dialogue(self.declared, client, seconds=self._timeout, told=self.told, note=self.noted)
        return dialogue, client.close

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, as `HostedEngine.render` says.

        Raises:
            EngineError: also where an image cost more than the declaration says, once all answers are there.
        """
        yield from super().render(shots)
        if self._dearer:  # no further request was left that could have said so
            raise EngineError(self._dearer)

    def ask(self, shot: Shot) -> checked.Answer:
        """One request for one picture, and what follows until the picture is there."""
        if self._dearer:
            raise Trouble("stop", self._dearer)
        return self._weighed(shot, lambda: self._client().draw(shot))

    def after(self, shot: Shot, ticket: str) -> checked.Answer:
        """The picture of a request whose answer was lost."""
        return self._weighed(shot, lambda: self._client().after(shot, ticket))

    def _weighed(self, shot: Shot, answer: Callable[[], checked.Answer]) -> checked.Answer:
        """The answer; where it cost more than the declaration allows, picture or not, no further one is bought."""
        try:
            found = answer()
        except Trouble as trouble:
            self._weigh(shot, trouble.paid)
            raise
        self._weigh(shot, found.paid)
        return found

    def _weigh(self, shot: Shot, paid: float | None) -> None:
        most = self.declared.bill.of(shot.settings)
        if most is not None and paid is not None and paid > most.amount * (1 + 1e-9):
            self._dearer = (
                f"the service charged {paid:g} {most.currency} for an image, more than the {most.amount:g} of price in"
                f" [services.{self._name}], so [budget] money does not hold. Raise price if you agree, and run again"
            )

    def _reckoned(self, model: Model, settings: Mapping[str, Value]) -> Price | None:
        return None
