"""Submit, poll, fetch: from one shot to a picture, or a `Trouble` of its kind.

What happens after a request was taken costs nothing and may be asked as often as it likes: polls and pictures are asked
for again, a request for a picture is not. As soon as the service has named a request, its name is noted as a *ticket*,
and from then on a lost answer is `unknown`, which the next run resolves by the ticket.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from teststrip.declared import facts
from teststrip.declared.paths import read, text
from teststrip.declared.pictures import picture
from teststrip.declared.requests import Client, Said, amount, message, refusal
from teststrip.declared.service import Service, Step
from teststrip.errors import EngineError
from teststrip.hosted import checked, connections
from teststrip.hosted.trouble import Trouble
from teststrip.records import Shot

BUSY = {408, 409, 425, 429, 503, 529}
MAYBE_DONE = {504, 522, 524}  # a proxy gave up waiting for an answer
LONGEST_TICKET = 8000
"""Letters of what is kept of an answer, so that the service can be asked after it."""
GONE = 5
"""So often in a row may a service not know a request that it has just taken."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A request of which the service was told.

    Attributes:
        shot: what is asked.
        values: what the places stand for, "id" among them.
        until: when its answer counts as lost, by the monotonic clock.
        said: answers with facts in them, the newest first.
        ticketed: whether the service can be asked after it.
        quoted: what the service said that it costs; None = it was not asked.
    """

    shot: Shot
    values: Mapping[str, object]
    until: float
    said: list[object] = field(default_factory=list)
    ticketed: bool = False
    quoted: float | None = None


class Dialogue:
    """Asks a declared service for pictures. One instance serves all threads.

    Args:
        service: as it is declared.
        client: sends its requests.
        seconds: until an answer counts as lost.
        told: makes a line for people of a text of the service.
        note: keeps a ticket of the request that this thread makes.
    """

    def __init__(
        self,
        service: Service,
        client: Client,
        *,
        seconds: float,
        told: Callable[[object], str],
        note: Callable[[str], None],
    ) -> None:
        self._service = service
        self._client = client
        self._seconds = seconds
        self._told = told
        self._note = note

    def draw(self, shot: Shot) -> checked.Answer:
        """Ask for a picture.

        Raises:
            Trouble: there is none.
        """
        service = self._service
        checked.sendable(shot.prompt, service.longest_prompt)
        values = {**{name: shot.settings.get(name) for name in service.settings}, "prompt": shot.prompt}
        values["seed"] = service.seed.of(shot.seed)
        quoted = self._quote(shot, values)
        said = self._submit(shot, values)
        errand = Errand(shot, values, time.monotonic() + self._seconds, quoted=quoted)
        if service.poll is None:
            return self._finish(errand, said)
        errand, states = self._taken(errand, said), service.states
        if text(said.data, states.paths) in (*states.done, *states.failed):  # it answered at once
            answer = self._told_state(errand, said)
            assert answer is not None
            return answer
        return self._wait(errand)

    def after(self, shot: Shot, ticket: str) -> checked.Answer:
        """Ask after a request by its ticket.

        Raises:
            Trouble: there is no picture.
        """
        kept = json.loads(ticket)
        values = {**shot.settings, "prompt": shot.prompt, "seed": self._service.seed.of(shot.seed), "id": kept["id"]}
        errand = Errand(
            shot, values, time.monotonic() + self._seconds, [kept["said"]], ticketed=True, quoted=kept["quoted"]
        )
        if "picture" in kept:
            return self._finish(errand, Said(200, {}, b"", kept["said"]))
        return self._wait(errand)

    def _quote(self, shot: Shot, values: Mapping[str, object]) -> float | None:
        """What the service says that the picture will cost; None where it is not asked."""
        service = self._service
        if service.quote is None:
            return None
        try:
            said = self._client.ask(service.quote, self._url(service.quote, values), values)
        except httpx2.HTTPError as error:
            raise _free(connections.trouble(error)) from None
        if said.status >= 300:
            raise self._rejected(said)
        quoted, most = amount(service.quoted, [said.data]), service.bill.of(shot.settings)
        if quoted is None:
            raise Trouble("stop", f"the service did not say what the image costs: {message(service, said, self._told)}")
        if most is not None and quoted > most.amount * (1 + 1e-9):
            raise Trouble(
                "stop",
                f"the service asks {quoted:g} {most.currency} for an image, more than the {most.amount:g} of price in"
                f" [services.{service.name}]. Nothing was bought; raise price if you agree",
            )
        return quoted

    def _submit(self, shot: Shot, values: Mapping[str, object]) -> Said:
        service = self._service
        url = self._url(service.submit, values)
        try:
            said = self._client.buy(url, values, shot.id)
        except httpx2.HTTPError as error:
            trouble = connections.trouble(error)
            if trouble.kind == "unknown" and service.idempotency:  # the service knows it again, and charges once
                trouble = Trouble("again", trouble.text, paid=None)
            raise trouble from None
        if said.status < 300:
            if why := refusal(service, said, self._told):
                raise Trouble("refused", f"refused: {why}", paid=self._paid([said.data], Errand(shot, values, 0.0)))
            return said
        raise self._rejected(said)

    def _rejected(self, said: Said) -> Trouble:
        """What an error status of a first request means."""
        status, service = said.status, self._service
        told = message(service, said, self._told)
        if why := refusal(service, said, self._told):
            return Trouble("refused", f"refused: {why}")
        if status in (401, 402, 403, 404) or 300 <= status < 400:
            return Trouble("stop", f"the service says no, and would to every request ({status}): {told}")
        if status in BUSY:
            return Trouble("again", f"the service is busy ({status}): {told}", wait=said.wait)
        if status in MAYBE_DONE:
            kind = "again" if service.idempotency else "unknown"
            return Trouble(kind, f"no answer came in time ({status}): perhaps paid", paid=None)  # type: ignore[arg-type]
        if status >= 500:
            return Trouble("again", f"the service failed ({status}): {told}", paid=None, wait=said.wait)
        return Trouble("invalid", f"the request is wrong ({status}): {told}")

    def _taken(self, errand: Errand, said: Said) -> Errand:
        """The errand with its ticket noted."""
        service, poll = self._service, self._service.poll
        assert poll is not None
        name = text(said.data, service.reading.id)
        if not (read(said.data, poll.address) if poll.address else name):
            why = f"the answer names no request to ask after: {message(service, said, self._told)}"
            raise Trouble("invalid", why, paid=None)
        found = facts.kept(service, said.data)
        self._keep(errand, id=name, said=found)
        return replace(errand, values={**errand.values, "id": name}, said=[found], ticketed=True)

    def _keep(self, errand: Errand, **facts: Any) -> None:
        """Note a ticket, unless it is longer than any that is meant."""
        ticket = json.dumps({"quoted": errand.quoted, **facts})
        if len(ticket) <= LONGEST_TICKET:
            self._note(ticket)

    def _wait(self, errand: Errand) -> checked.Answer:
        """Poll until the service says that the picture is there, or why it is not."""
        service, gone = self._service, 0
        assert service.poll is not None
        while True:
            said, pause = self._again(service.poll, errand), service.every
            if said is not None and said.status in (404, 410):
                gone += 1
                if gone >= GONE:
                    raise _lost(f"the service does not know the request any more ({said.status})")
            elif said is not None:
                gone, pause = 0, max(pause, said.wait or 0.0)
                if (answer := self._told_state(errand, said)) is not None:
                    return answer
            if time.monotonic() + pause > errand.until:
                raise _lost(f"the picture was not there after {self._seconds:g} s")
            time.sleep(pause)

    def _again(self, step: Step, errand: Errand) -> Said | None:
        """The answer to a question that costs nothing; None where none came this time."""
        try:
            url = self._url(step, errand.values, errand.said)
        except Trouble as why:
            raise _lost(why.text, ends=True) from None
        try:
            return self._client.ask(step, url, errand.values)
        except httpx2.HTTPError as error:
            trouble = connections.trouble(error)
            if trouble.kind == "stop":
                raise _lost(trouble.text, ends=True) from None
            return None

    def _told_state(self, errand: Errand, said: Said) -> checked.Answer | None:
        """The picture where a poll says that it is there; None where the service works on it."""
        service, states = self._service, self._service.states
        if not _final(said):
            return None
        told = message(service, said, self._told)
        if why := refusal(service, said, self._told):
            raise Trouble("refused", f"refused: {why}", paid=self._paid([said.data, *errand.said], errand))
        if said.status >= 300:
            raise _lost(f"the service does not say what became of the request ({said.status}): {told}")
        word = text(said.data, states.paths)
        if not states.paths:
            return self._finish(errand, said) if read(said.data, service.reading.picture) is not None else None
        if word in states.done:
            return self._finish(errand, self._result(errand, said))
        if word in states.failed:
            raise Trouble(
                "error", f"the service failed: {word}. {told}", paid=self._paid([said.data, *errand.said], errand)
            )
        if word in states.lost:
            raise _lost(f"the service does not know the request any more: {word}")
        if word not in states.running:
            why = f"the service says {word!r}, which states of [services.{service.name}] does not name"
            raise _lost(self._told(why), ends=True)
        return None

    def _result(self, errand: Errand, said: Said) -> Said:
        """The answer that holds the picture, where it is another than that of the poll."""
        service = self._service
        if service.result is None:
            return said
        asked = replace(errand, said=[said.data, *errand.said])
        while not _final(found := self._again(service.result, asked)):
            if time.monotonic() + service.every > errand.until:
                raise _lost("the picture is made, and the service did not hand it over")
            time.sleep(service.every)
        assert found is not None
        if found.status < 300:
            return found
        told = message(service, found, self._told)
        if why := refusal(service, found, self._told):
            raise Trouble("refused", f"refused: {why}", paid=self._paid([found.data, *errand.said], errand))
        if found.status < 400 or found.status in (401, 402, 403, 404, 410):
            raise _lost(f"the service does not hand the picture over ({found.status}): {told}")
        raise Trouble("invalid", f"the request is wrong ({found.status}): {told}", paid=None)

    def _finish(self, errand: Errand, said: Said) -> checked.Answer:
        """The picture of the last answer, with what the answers say of it."""
        service, reading = self._service, self._service.reading
        every = [said.data, *errand.said]
        paid, values = self._paid(every, errand), errand.values
        if why := refusal(service, said, self._told):
            raise Trouble("refused", f"refused: {why}", paid=paid)
        if reading.form == "url" and not errand.ticketed and isinstance(read(said.data, reading.picture), str):
            self._keep(errand, id=text(said.data, reading.id), said=said.data, picture=True)
        found = picture(service, self._client, said, until=errand.until, paid=paid, told=self._told)
        told = facts.told(service, every, values)
        sent, used = values["seed"], told.get("answered", {}).get("seed")
        if service.seed.gives == "exact" and used is not None and str(used) != str(sent):
            raise Trouble("invalid", f"the seed {sent} was asked for, and the service used {used}", paid=paid)
        sizes = values.get("width"), values.get("height")
        size = sizes if service.same_size and all(isinstance(one, int) for one in sizes) else None
        return checked.picture(found, facts=told, paid=paid, size=size)  # type: ignore[arg-type]

    def _paid(self, said: list[object], errand: Errand) -> float | None:
        """What answers say that the picture cost, or else what was quoted or declared."""
        if (found := amount(self._service.reading.cost, said)) is not None:
            return found
        price = self._service.bill.of(errand.shot.settings)
        return errand.quoted if errand.quoted is not None else price.amount if price else None

    def _url(self, step: Step, values: Mapping[str, object], said: list[object] | None = None) -> str:
        for one in said or [None]:
            if step.address and read(one, step.address) is None:
                continue
            try:
                return self._client.url(step, values, one)
            except EngineError as error:
                raise Trouble("stop", self._told(error)) from None
            except ValueError as error:
                raise Trouble("invalid", f"the address cannot be written: {self._told(error)}") from None
        raise Trouble("stop", f"no answer holds the address {' or '.join(step.address)}")


def _final(said: Said | None) -> bool:
    """Whether an answer to what costs nothing is the last word: neither lost, nor busy, nor cut."""
    if said is None or said.status in BUSY or said.status >= 500:
        return False
    return said.status >= 300 or said.data is not None


def _lost(text: str, *, ends: bool = False) -> Trouble:
    """The service took the request, and its end is not known."""
    return Trouble("unknown", f"{text}: perhaps paid; the next run asks after it", paid=None, ends=ends)


def _free(trouble: Trouble) -> Trouble:
    """A trouble of a request that buys nothing."""
    return Trouble("again", trouble.text) if trouble.kind == "unknown" else trouble
