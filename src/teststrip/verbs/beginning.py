"""The first file of a study: the commented template, or one that fits a server."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from teststrip import study as studies
from teststrip.errors import EngineError, UsageError
from teststrip.folder import STUDY_FILE
from teststrip.hosted import addresses, configuration
from teststrip.verbs import catalogue


@dataclass(frozen=True, slots=True)
class Begun:
    """What was written.

    Attributes:
        file: the study.
        schema: the name of the schema beside it.
        provider: what the user's configuration lacks for this study; "" = nothing.
    """

    file: Path
    schema: str
    provider: str = ""


def begin(file: Path, *, engine: str | None = None, address: str = "") -> Begun:
    """Write a study file.

    Args:
        file: where; in a folder, a study.toml.
        engine: the engine that asks a server for a study that fits it; None = the commented template.
        address: of that server.

    Raises:
        UsageError: the file is there already, or the engine asks no server.
        EngineError: the server is not reached.
    """
    if file.is_dir():
        file /= STUDY_FILE
    if file.exists():
        raise UsageError(f"{file} is there already. Name another file, or remove it first")
    text, provider = studies.template(), ""
    if engine is not None:
        keys = {**tomllib.loads(text), "axes": {}, **catalogue.begun(engine, address)}
        provider = _provider(keys.get("engine"), address)
        text = studies.dump(studies.study(**keys))
    file.write_text(f"#:schema {studies.SCHEMA_FILE}\n\n{text}", encoding="utf-8")
    file.with_name(studies.SCHEMA_FILE).write_text(json.dumps(studies.schema()) + "\n", encoding="utf-8")
    return Begun(file, studies.SCHEMA_FILE, provider)


def _provider(engine: object, address: str) -> str:
    """The entry of a server that a study names and the user's configuration does not have."""
    name = engine.get("provider") if isinstance(engine, Mapping) else None
    found = configuration.read()
    if not isinstance(name, str) or name in found.providers:
        return ""
    return f"# {found.path}\n[providers.{name}]\nbase_url = {json.dumps(address)}{_allowed(address)}"


def _allowed(address: str) -> str:
    """What the user allows by hand for a server that is not on this machine.

    >>> _allowed("http://127.0.0.1:7860"), _allowed("https://studio.example.com")
    ('', '\\nallow_private = true    # where the address is one of your own network')
    """
    with suppress(EngineError):
        if addresses.reach(address).private:
            return ""
    plain = (
        "" if address.startswith("https://") else "\nallow_http = true       # no encryption: in your own network only"
    )
    return f"{plain}\nallow_private = true    # where the address is one of your own network"
