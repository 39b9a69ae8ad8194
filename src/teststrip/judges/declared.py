"""`[judges.NAME]` of the user's configuration: which model votes under that name, and what it is asked.

A judge stands there and not in a study file, because it may have an address, a key and a folder of this machine, and
because it changes no picture. What it was stands in each of its votes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from teststrip.errors import EngineError, among
from teststrip.hosted import configuration
from teststrip.hosted.asking import Manners
from teststrip.hosted.configuration import Provider
from teststrip.judges.questions import QUESTION
from teststrip.records import canonical_json

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
TEXTS: Final[Mapping[str, int]] = {"model": 200, "question": 300, "revision": 80, "dtype": 20, "device": 20}
SERVER: Final = ("base_url", "key", "allow_http", "allow_private", "price")
NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "threads": (1, 64),
    "attempts": (1, 20),
    "timeout": (1, 3600),
    "first_wait": (0, 60),
}
OWN: Final = ("model", "messages", "stream", "n", "tools", "functions", "logprobs")
SENT: Final[Mapping[str, Any]] = {"temperature": 0, "max_tokens": 8}
"""What is sent to a server unless `send` says otherwise: the same answer each time, and a short one."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A judge as the user's configuration has it.

    Attributes:
        name: of the judge, and of the rater that its votes are by.
        model: a folder or hub id; of a server, the model's name there.
        question: what is asked.
        revision: branch, tag or commit of a hub id.
        dtype: of the weights in memory.
        device: where a model on this disk runs.
        server: who is asked; None = the model lies on this disk.
        send: fields of each request beside model and messages.
        manners: how a server is asked.
        timeout: seconds until an answer of a server counts as lost.
    """

    name: str
    model: str
    question: str = QUESTION
    revision: str = ""
    dtype: str = "auto"
    device: str = "auto"
    server: Provider | None = None
    send: Mapping[str, Any] = field(default_factory=lambda: SENT)
    manners: Manners = field(default_factory=Manners)
    timeout: float = 120.0


def find(name: str) -> Declared:
    """A judge by its name.

    Raises:
        EngineError: there is none, or its entry is wrong; the message says where and what.
    """
    return configuration.read().entry("judges", name, declared, asked="--judge", write=" with its model")


def declared(name: str, entry: object) -> Declared:
    """A judge from its table.

    Raises:
        EngineError: the table is wrong; the message says what.
    """
    if not NAME.fullmatch(name):
        raise EngineError("a judge's name has small letters, digits, dots, lines and at most 60 of them")
    if not isinstance(entry, Mapping):
        raise EngineError("must be a table")
    known = [*TEXTS, *SERVER, *NUMBERS, "send"]
    if unknown := sorted(entry.keys() - set(known)):
        raise EngineError(f"unknown key {unknown[0]!r}{among(unknown[0], known, 'Known')}")
    texts: dict[str, Any] = {key: _text(entry[key], key, most) for key, most in TEXTS.items() if key in entry}
    if "model" not in texts:
        raise EngineError('model is missing. Write model = "FOLDER", "OWNER/NAME", or the name that your server knows')
    if "base_url" in entry:
        return _served(name, texts, entry)
    for key in (*SERVER, *NUMBERS, "send"):
        if key in entry:
            raise EngineError(f"{key} is for a server. Write its base_url, or leave {key} out")
    return Declared(name, **texts)


def _served(name: str, texts: Mapping[str, Any], entry: Mapping[str, Any]) -> Declared:
    for key in ("revision", "dtype", "device"):
        if key in texts:
            raise EngineError(f"{key} is for a model on this disk, and base_url names a server. Leave one of them out")
    numbers: dict[str, Any] = {key: _number(entry[key], key, *NUMBERS[key]) for key in NUMBERS if key in entry}
    timeout = {key: numbers.pop(key) for key in ("timeout",) if key in numbers}
    return Declared(
        name,
        **texts,
        **timeout,
        server=configuration.server(name, {key: entry[key] for key in SERVER if key in entry}),
        send=_send(entry),
        manners=Manners(**numbers),
    )


def _send(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    send = entry.get("send", SENT)
    if not isinstance(send, Mapping) or not all(isinstance(value, str | int | float) for value in send.values()):
        raise EngineError("send must be a table of words and numbers: send = { temperature = 0, max_tokens = 8 }")
    for key in OWN:
        if key in send:
            raise EngineError(f"send: {key!r} is what a judge sets itself. Leave it out")
    if len(canonical_json(dict(send))) > 400:
        raise EngineError("send is too long: at most 400 letters as JSON")
    return send


def _text(value: object, key: str, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise EngineError(f"{key} must be a text in quotes, on one line, of at most {most} letters")
    return value


def _number(value: object, key: str, low: float, high: float) -> float:
    whole = key in ("threads", "attempts")
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
        raise EngineError(f"{key} must be a {'whole ' if whole else ''}number from {low:g} to {high:g}")
    return value
