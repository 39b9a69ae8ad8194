"""One HTTP request of a step, and what its answer says. Imports httpx2, so engines import it when they first ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from teststrip.declared import places
from teststrip.declared.hosts import Hosts
from teststrip.declared.paths import read, text
from teststrip.declared.service import Cost, Service, Step
from teststrip.hosted import connections
from teststrip.hosted.connections import HEADERS
from teststrip.hosted.trouble import asked_to_wait

SECONDS = 60.0
"""The longest time of an answer to what costs nothing and can be asked again."""
LOOKED_AT = 4000
"""Letters of an answer in which a refusal is looked for, so that no pattern of the user's takes long."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    Attributes:
        status: of HTTP.
        headers: by name, in small letters.
        body: as it came.
        data: the body's JSON; None where it is none.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Any

    @property
    def is_picture(self) -> bool:
        """Whether the body says that it is a picture."""
        return self.headers.get("content-type", "").startswith(("image/", "application/octet-stream"))

    @property
    def wait(self) -> float | None:
        """Seconds that the service asks to wait, by the headers, or by the words of an error."""
        words = self.body[:LOOKED_AT].decode("utf-8", "replace") if self.status >= 300 else ""
        return asked_to_wait(self.headers, words)


class Client:
    """Sends the requests of a service; thread-safe.

    Args:
        service: as it is declared.
        secret: its key; "" = none.
        seconds: the longest time of one answer.
    """

    def __init__(self, service: Service, secret: str, seconds: float) -> None:
        self.hosts = Hosts(service)
        self._service = service
        self._secret = secret
        steps = [step for step in (service.submit, service.poll, service.result, service.quote) if step]
        also = {service.key_header[0], service.idempotency, *(name for step in steps for name in step.headers)}
        also = also - HEADERS - {""}
        self._http = connections.client(self.hosts, seconds=seconds, also=also)
        self._seconds = seconds
        self._quickly = min(SECONDS, seconds / 4)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def url(self, step: Step, values: Mapping[str, object], said: object) -> str:
        """The address of a step: below the base URL, or named by an earlier answer.

        Raises:
            EngineError: the address may not be asked.
            ValueError: a place of the path has no value.
        """
        if step.path:
            return self._service.base_url + places.address(step.path, values)
        return self.hosts.judge(read(said, step.address))

    def buy(self, url: str, values: Mapping[str, object], idempotency: str) -> Said:
        """The answer to the request for a picture.

        Raises:
            httpx2.HTTPError: none came; `connections.trouble` says what follows.
        """
        return self._send(self._seconds, self._service.submit, url, values, idempotency)

    def ask(self, step: Step, url: str, values: Mapping[str, object]) -> Said:
        """The answer to a request that costs nothing, with the key.

        Raises:
            httpx2.HTTPError: none came.
        """
        return self._send(self._quickly, step, url, values, "")

    def _send(self, seconds: float, step: Step, url: str, values: Mapping[str, object], idempotency: str) -> Said:
        headers = dict(step.headers)
        if self._secret:
            name, value = self._service.key_header
            headers[name] = value.replace("{key}", self._secret)
        if idempotency and self._service.idempotency:
            headers[self._service.idempotency] = idempotency
        body: dict[str, Any] = {}
        if step.json is not None:
            headers["content-type"] = "application/json"
            body["content"] = json.dumps(places.fill(step.json, values) or {}).encode()
        if step.form is not None:
            form = places.fill(step.form, values) or {}
            assert isinstance(form, Mapping)
            body["files"] = {name: (None, places.as_text(value).encode()) for name, value in form.items()}
        wait = _bounded(seconds)
        return _said(self._http.request(step.method, url, headers=headers, timeout=wait, **body))

    def get(self, url: str) -> Said:
        """The answer to a request without the key, as for a picture at an address.

        Raises:
            httpx2.HTTPError: none came.
        """
        wait = _bounded(self._quickly)
        return _said(self._http.request("GET", url, headers={"accept": "image/*"}, timeout=wait))


def refusal(service: Service, said: Said, told: Callable[[object], str]) -> str:
    """How an answer refuses, for people; "" where it does not."""
    states = service.states
    if text(said.data, states.paths) in states.refused:
        return told(f"{text(said.data, states.paths)} {message(service, said, told)}")
    for one in service.refusals:
        if said.status not in one.statuses if one.statuses else not one.paths and said.status < 300:
            continue
        looked_at = read(said.data, one.paths) if one.paths else said.body[:LOOKED_AT].decode("utf-8", "replace")
        if looked_at is not None and one.matches.search(places.as_text(looked_at)[:LOOKED_AT]):
            return message(service, said, told) or told(places.as_text(looked_at))
    return ""


def message(service: Service, said: Said, told: Callable[[object], str]) -> str:
    """What an answer says of an error, for people."""
    return told(
        text(said.data, service.reading.message)
        or (said.body[:300].decode("utf-8", "replace") if said.data is None else "")
    )


def amount(cost: Cost, said: list[object]) -> float | None:
    """The money that answers name, the newest first; None where they name none."""
    for one in said:
        found = read(one, cost.paths)
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                continue
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 1e9:
            return float(found) * (cost.unit.amount if cost.unit else 1.0)
    return None


def _bounded(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=connections.CONNECT_SECONDS)


def _said(answer: httpx2.Response) -> Said:
    try:
        data = json.loads(answer.content)
    except (ValueError, RecursionError):
        data = None
    return Said(
        answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content, data
    )
