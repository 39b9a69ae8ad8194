"""A declared service: its steps, and what is read in its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from teststrip.declared import places
from teststrip.records import Price, Seeds, Setting

Paths = tuple[str, ...]
"""Paths into an answer; the first that leads to something counts."""

Form = Literal["url", "base64", "data url", "bytes"]
"""What an answer gives for a picture: its address, its bytes in base64, a data URL, or the body itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a service.

    Attributes:
        method: "GET" or "POST".
        path: below the base URL, with places; "" = the address stands in an earlier answer.
        address: where an earlier answer holds the address.
        json: the body as JSON, with places; None = none.
        form: the body as a form (multipart/form-data), with places; None = none.
        headers: by name.
    """

    method: str = "GET"
    path: str = ""
    address: Paths = ()
    json: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> frozenset[str]:
        """The names of all its places."""
        return frozenset(places.names([self.path, self.json, self.form]))


@dataclass(frozen=True, slots=True)
class SeedRange:
    """What a seed is to a service.

    Attributes:
        gives: what the same seed gives; "none" where it is not sent.
        low, high: the seeds that the service takes; those of a study are counted from `low` on, modulo their number.
    """

    gives: Seeds = "none"
    low: int = 0
    high: int = 2**32 - 1

    def of(self, seed: int) -> int:
        """The seed that is sent.

        >>> SeedRange("best effort", 1, 10).of(10)
        1
        """
        return self.low + seed % (self.high - self.low + 1)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a picture costs at most.

    Attributes:
        price: of each picture; None where it depends on a setting, or is not known.
        by: the setting that it depends on; "" = none.
        prices: by the value of that setting.
    """

    price: Price | None = None
    by: str = ""
    prices: Mapping[str, Price] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """Of the prices; "" where none is known."""
        return next((price.currency for price in (self.price, *self.prices.values()) if price), "")

    def of(self, settings: Mapping[str, object]) -> Price | None:
        """The most that a picture with these settings costs; None = not known."""
        return self.prices.get(str(settings.get(self.by))) if self.by else self.price


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money in an answer.

    Attributes:
        paths: where it stands; empty = nowhere.
        unit: what 1 of it is; None = 1 in the currency of the price.
    """

    paths: Paths = ()
    unit: Price | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an answer says that the content policy refuses.

    Attributes:
        matches: is looked for.
        paths: what it is looked for in; empty = in the whole answer.
        statuses: of HTTP with which it counts; empty = all, and of whole answers those above 299, because a good answer
            may repeat the prompt.
    """

    matches: re.Pattern[str]
    paths: Paths = ()
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class States:
    """The words by which a service says how far a picture is.

    Attributes:
        paths: where the word stands; empty = a picture in the answer says that it is done.
        running, done, failed, refused: the words.
        lost: the words for a request that the service does not know any more.
    """

    paths: Paths = ()
    running: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read in an answer.

    Attributes:
        picture: where the picture stands.
        form: what stands there.
        id: the name of the request.
        seed: the seed that was used.
        version: the model that answered.
        prompt: the prompt as the service rewrote it.
        message: what the service says of an error.
        cost: what it charged.
    """

    picture: Paths = ()
    form: Form = "url"
    id: Paths = ()
    seed: Paths = ()
    version: Paths = ()
    prompt: Paths = ()
    message: Paths = ("error.message", "error", "message", "detail.0.msg", "detail", "errors.0", "name")
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the user declared it.

    Attributes:
        name: as a study names it.
        base_url: where its paths begin.
        http: whether addresses without TLS are allowed beyond this machine.
        private: whether addresses of the user's own network are allowed.
        hosts: further hosts of the service; "*.NAME" = all below NAME.
        key: a reference, as `keys.key` takes it.
        key_header: the header that carries the key, and its value around "{key}".
        settings: by name, without prompt and seed.
        seed: what a seed is to it.
        bill: what a picture costs at most.
        longest_prompt: in characters.
        same_size: whether a picture must have the `width` and `height` that were asked.
        idempotency: the header by which the service knows a request that it was sent before; "" = none.
        every: seconds between two polls.
        submit: asks for a picture.
        poll: asks whether it is ready; None = the first answer holds it.
        result: asks for the answer after the poll said done; None = the poll's own answer holds it.
        quote: asks what a picture costs; None = the service does not say.
        quoted: where the answer to that says it.
        states: how far a picture is.
        reading: what is read in answers.
        refusals: how an answer refuses.
    """

    name: str
    base_url: str
    submit: Step
    reading: Reading
    http: bool = False
    private: bool = False
    hosts: tuple[str, ...] = ()
    key: str = ""
    key_header: tuple[str, str] = ("authorization", "Bearer {key}")
    settings: Mapping[str, Setting] = field(default_factory=dict)
    seed: SeedRange = SeedRange()
    bill: Bill = Bill()
    longest_prompt: int = 10_000
    same_size: bool = False
    idempotency: str = ""
    every: float = 1.0
    poll: Step | None = None
    result: Step | None = None
    quote: Step | None = None
    quoted: Cost = Cost()
    states: States = States()
    refusals: tuple[Refusal, ...] = ()
