"""The user's own configuration: servers, services and judges by name, models of the user's own, and an executor.

A study names a server; only this file says where it is and which key it takes, so that a study can be handed on.

    # ~/.config/teststrip/config.toml
    [providers.studio]
    base_url = "http://127.0.0.1:8000/v1"
    key = "env:STUDIO_KEY"
    price = "0 USD"

    [models.openai."gpt-image-3"]
    like = "gpt-image-2"

    [executor]
    name = "processes"
    workers = 4
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from teststrip.errors import EngineError, among
from teststrip.hosted.addresses import Reach, reach
from teststrip.records import BUDGET, Price

T = TypeVar("T")

VARIABLE = "TESTSTRIP_CONFIG"
"""The environment variable that names another file."""

_TABLES = {
    "providers": "[providers.NAME]",
    "models": "[models.openai.NAME]",
    "services": "[services.NAME]",
    "judges": "[judges.NAME]",
    "executor": "[executor]",
}
_PROVIDER = ("base_url", "key", "allow_http", "allow_private", "price", "api_version", "project", "location", "user")


@dataclass(frozen=True, slots=True)
class Provider:
    """A server of the user's own, or a service.

    Attributes:
        name: as a study names it; "" = the service itself.
        base_url: where requests go.
        reach: which addresses they may go to.
        key: a reference, as `keys.key` takes it.
        price: the most that a picture costs there; None = unknown.
        more: what else the protocol needs: api_version, project, location, user.
    """

    name: str
    base_url: str
    reach: Reach
    key: str = ""
    price: Price | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the user's file says.

    Attributes:
        path: of the file.
        providers: by name, as they stand in the file.
        models: by service and name, as they stand in the file.
        services: declared services by name, as they stand in the file; `declared` reads them.
        judges: models that vote by name, as they stand in the file; `judges` reads them.
        executor: where engines run, as it stands in the file; `executors` reads it.
    """

    path: Path
    providers: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)
    judges: Mapping[str, Any] = field(default_factory=dict)
    executor: Mapping[str, Any] = field(default_factory=dict)

    def provider(self, name: str) -> Provider:
        """A server by its name.

        Raises:
            EngineError: there is none, or its entry is wrong; the message says where and what.
        """
        return self.entry("providers", name, server, asked="provider", write=" with its base_url")

    def entry(self, table: str, name: str, read: Callable[[str, object], T], *, asked: str, write: str = "") -> T:
        """What an entry of one of the tables declares.

        Args:
            table: its name: "services".
            name: of the entry.
            read: makes of a name and an entry what it declares; raises EngineError without saying where it stands.
            asked: what asked for the name.
            write: what to write where there is no such entry, to follow its head.

        Raises:
            EngineError: there is none, or its entry is wrong; the message says where and what.
        """
        entries: Mapping[str, Any] = getattr(self, table)
        if name not in entries:
            raise EngineError(
                f"{asked}: {name!r} is unknown{among(name, entries, 'There are')}."
                f" Write [{table}.{name}]{write} into {self.path}"
            )
        try:
            return read(name, entries[name])
        except EngineError as error:
            raise EngineError(f"{self.path}: {table}.{name}: {error}") from None

    def at(self, address: str) -> Provider:
        """The server at an address that the user writes by hand: as the file has it, by name or URL, or the URL itself.

        Raises:
            EngineError: it is neither a name nor a URL, or its entry is wrong.
        """
        if "://" not in address:
            if address not in self.providers and re.search("[.:]", address):
                raise EngineError(f"{address!r} is no address of a server. Write http://{address}")
            return self.provider(address)
        url = address.rstrip("/")
        for name, entry in self.providers.items():
            if isinstance(entry, Mapping) and str(entry.get("base_url", "")).rstrip("/") == url:
                return self.provider(name)
        return Provider("", url, reach(url, http=True, private=True))


def read(environment: Mapping[str, str] = os.environ) -> Configuration:
    """The user's configuration; an empty one where there is no file.

    Raises:
        EngineError: the file cannot be read.
    """
    path = where(environment)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Configuration(path)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read: {error}") from None
    if unknown := sorted(data.keys() - set(_TABLES)):
        raise EngineError(f"{path}: unknown table {unknown[0]!r}{among(unknown[0], _TABLES, 'Known')}")
    for name, example in _TABLES.items():
        if not isinstance(data.get(name, {}), dict):
            raise EngineError(f"{path}: {name} must be tables. Write {example}")
    return Configuration(path, **data)


def where(environment: Mapping[str, str] = os.environ) -> Path:
    """The path of the user's configuration.

    >>> where({"XDG_CONFIG_HOME": "/conf"}).as_posix()
    '/conf/teststrip/config.toml'
    """
    if named := environment.get(VARIABLE):
        return Path(named).expanduser()
    return Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "teststrip" / "config.toml"


def server(name: str, entry: object) -> Provider:
    """The server that a table of the file describes.

    Raises:
        EngineError: the table is wrong; the message says what.
    """
    if not isinstance(entry, Mapping):
        raise EngineError("must be a table")
    if unknown := sorted(entry.keys() - set(_PROVIDER)):
        raise EngineError(f"unknown key {unknown[0]!r}{among(unknown[0], _PROVIDER, 'Known')}")
    for key in ("base_url", "key", "price", "api_version", "project", "location", "user"):
        if not isinstance(entry.get(key, ""), str):
            raise EngineError(f"{key} must be text in quotes")
    for key in ("allow_http", "allow_private"):
        if not isinstance(entry.get(key, False), bool):
            raise EngineError(f"{key} must be true or false")
    url = entry.get("base_url", "")
    if not url:
        raise EngineError('base_url is missing. Write base_url = "https://HOST/v1"')
    may = reach(url, http=entry.get("allow_http", False), private=entry.get("allow_private", False))
    more = {key: entry[key] for key in ("api_version", "project", "location", "user") if key in entry}
    return Provider(name, url, may, entry.get("key", ""), _price(entry), more)


def _price(entry: Mapping[str, Any]) -> Price | None:
    if "price" not in entry:
        return None
    match = re.fullmatch(BUDGET, entry["price"])
    if match is None or not match[2].isupper():
        raise EngineError('price must be an amount and a currency: "0.02 USD"')
    return Price(float(match[1]), match[2])
