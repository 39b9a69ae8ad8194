"""The steps of a declaration: what is sent, and where, by which places."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from teststrip.declared import places
from teststrip.declared.service import Step
from teststrip.declared.tables import Table
from teststrip.errors import among

KEYS = ("method", "path", "address", "json", "form", "headers")
HEADER = re.compile(r"[A-Za-z0-9-]+")


def read(table: Table, name: str, known: set[str], *, method: str = "GET") -> Step | None:
    """A step; None where it is not declared.

    Args:
        table: of the service.
        name: of the step.
        known: the places that it may have.
        method: where the declaration names none.

    Raises:
        EngineError: the step is wrong.
    """
    if name not in table:
        return None
    more = {"poll": ("every",), "quote": ("cost", "cost_unit")}.get(name, ())
    inner = table.table(name, (*KEYS, *more))
    step = Step(
        method=inner.text("method", method, ("GET", "POST")),
        path=inner.text("path"),
        address=inner.paths("address"),
        json=_body(inner, "json"),
        form=_body(inner, "form"),
        headers=_headers(inner),
    )
    for place in places.names([step.path, step.json, step.form, step.headers]):
        if place not in known:
            raise inner.error(f"the place {{{place}}} is no setting{among(place, sorted(known), 'There are')}")
    if bool(step.path) == bool(step.address):
        raise inner.error('has either a path below base_url, path = "/...", or the address that an answer names')
    if step.path and not (step.path.startswith("/") and re.fullmatch(r"[!-~]+", step.path)):
        raise inner.error(f"{step.path!r} is no path. It begins with / and has no spaces", "path")
    if name in ("submit", "quote") and not step.path:
        raise inner.error('comes first, so no answer names its address. Write path = "/..."', "address")
    if step.json is not None and step.form is not None:
        raise inner.error("has json and form. Keep one of them")
    return step


def _body(table: Table, key: str) -> Mapping[str, Any] | None:
    if key not in table:
        return None
    found = table.value(key)
    if not isinstance(found, Mapping):
        raise table.error("must be a table of what is sent", key)
    if not _sendable(found):
        raise table.error("holds what cannot be sent as JSON, such as a date. Write it as text", key)
    if key == "form" and any(isinstance(value, Mapping | list) for value in found.values()):
        raise table.error("a part of a form is a text, a number or a truth value", key)
    return found


def _sendable(value: object) -> bool:
    """Whether a value of TOML can be written as JSON."""
    if isinstance(value, Mapping):
        return all(map(_sendable, value.values()))
    if isinstance(value, list):
        return all(map(_sendable, value))
    return isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value))


def _headers(table: Table) -> dict[str, str]:
    inner = table.table("headers")
    found = {name.lower(): inner.text(name) for name in inner}
    for name, value in found.items():
        if not HEADER.fullmatch(name) or not re.fullmatch(r"[ -~]*", value) or list(places.names(value)):
            raise inner.error("must be a header with a plain text; settings go into the body", name)
        if name in ("authorization", "host", "content-length", "content-type", "transfer-encoding", "cookie"):
            raise inner.error("is not set here. A key is named by key, and its header by key_header", name)
    return found
