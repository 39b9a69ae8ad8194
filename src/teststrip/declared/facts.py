"""What answers say beside the picture: which model, seed and prompt; and what is kept to ask after a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from teststrip.declared.paths import read, text
from teststrip.declared.service import Paths, Service


def told(service: Service, said: Iterable[object], values: Mapping[str, object]) -> dict[str, Any]:
    """The facts of a picture.

    Args:
        service: as it is declared.
        said: the answers of its request, the newest first.
        values: what was sent.
    """
    said, reading = list(said), service.reading
    found: dict[str, Any] = {"sent_seed": values["seed"]} if "seed" in service.submit.places else {}
    answered = {"model": _first(said, reading.version), "seed": _first(said, reading.seed)}
    if known := {name: value for name, value in answered.items() if value}:
        found["answered"] = known
    if (rewritten := _first(said, reading.prompt)) and rewritten != values["prompt"]:
        found["revised_prompt"] = rewritten
    if name := _first(said, reading.id) or values.get("id"):
        found["request_id"] = name
    return found


def kept(service: Service, data: object) -> dict[str, Any]:
    """What is needed of a first answer once it is gone: addresses, and what `told` reads."""
    reading = service.reading
    addresses = [path for step in (service.poll, service.result) if step for path in step.address]
    found: dict[str, Any] = {}
    for path in (*addresses, *reading.id, *reading.seed, *reading.version, *reading.prompt, *reading.cost.paths):
        if isinstance(value := read(data, [path]), str | int | float):
            _put(found, path, value)
    return found


def _first(said: Iterable[object], paths: Paths) -> str:
    return next((found for one in said if (found := text(one, paths))), "")


def _put(table: dict[str, Any], path: str, value: object) -> None:
    """Write a value where `paths.read` finds it."""
    *parents, last = path.split(".")
    for part in parents:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[last] = value
