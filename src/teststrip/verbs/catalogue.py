"""What is installed, as plain values for programs: engines with their settings, metrics with their cards, trackers.

Knows the doors of parts; loads no weights. What does not load stands there with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from teststrip import plugins
from teststrip.errors import TeststripError, UsageError
from teststrip.protocols import Engine, Grouped, Names
from teststrip.records import Setting, Value
from teststrip.servers import Served

Told = Mapping[str, object]


def everything(kind: plugins.Kind) -> list[Told]:
    """All parts of a kind, each told whole; of one that does not load, its name and what is missing."""
    return [_one_or_missing(kind, name) for name in plugins.installed(kind)]


def one(kind: plugins.Kind, name: str) -> Told:
    """One part told whole.

    Raises:
        UsageError: there is no such part.
        MissingExtra: a package that it needs is not installed.
    """
    return {"name": name, **TELL[kind](plugins.load(kind, name))}


def groups(engine: object, settings: Mapping[str, Value]) -> Mapping[str, Sequence[Setting]]:
    """The settings of an engine by the title of their group, as far as they go with these settings.

    Args:
        engine: an instance.
        settings: of a shot: `model`, `scheduler`.

    Raises:
        UsageError: the engine does not tell models apart.
    """
    if isinstance(engine, Grouped):
        return engine.grouped(settings)
    if settings:
        raise UsageError(f"this engine does not say what {' and '.join(settings)} takes. Leave that out")
    return {"Settings": tuple(engine.settings.values())} if isinstance(engine, Engine) else {}


def of_model(name: str, settings: Mapping[str, Value]) -> Told:
    """What an engine takes with a model, by group, for programs."""
    found = groups(plugins.load("engines", name)(), settings)
    return {
        "name": name,
        **settings,
        "groups": {title: [asdict(one) for one in knobs] for title, knobs in found.items()},
    }


def served(name: str, address: str) -> Mapping[str, Setting]:
    """What the server at an address has, as the settings of an engine.

    Raises:
        UsageError: there is no such engine, or it asks no server.
        EngineError: the server is not reached, or is none of the engine's kind.
    """
    return _asks(name).served(address)


def of_server(name: str, address: str) -> Told:
    """What the server at an address has, for programs."""
    return {"name": name, "server": address, "settings": [asdict(one) for one in served(name, address).values()]}


def begun(name: str, address: str) -> Mapping[str, object]:
    """The keys of a study that fits the server at an address. Raises as `served`."""
    return _asks(name).begun(address)


def _asks(name: str) -> Served:
    kind = plugins.load("engines", name)
    if not isinstance(kind, Served):
        raise UsageError(f"engine {name!r} asks no server of yours. Leave the address out")
    return kind


def about(kind: type) -> str:
    """The first line of a class's documentation."""
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""


def _one_or_missing(kind: plugins.Kind, name: str) -> Told:
    try:
        return one(kind, name)
    except TeststripError as error:
        return {"name": name, "missing": str(error)}


def _engine(kind: Any) -> Told:
    made = kind()
    return {
        "about": about(kind),
        "settings": [asdict(knob) for knob in made.settings.values()],
        "options": [asdict(knob) for knob in made.options.values()],
        "axes": [name for name in made.options if name not in made.operation],
        "names": {setting: list(known) for setting, known in made.names().items()} if isinstance(made, Names) else {},
    }


def _metric(kind: Any) -> Told:
    made = kind()
    card = {key: _plain(value) for key, value in asdict(made.card).items()}
    return {**card, "options": [asdict(option) for option in made.options.values()]}


def _tracker(kind: Any) -> Told:
    return {"about": about(kind)}


def _plain(value: object) -> object:
    """A value that JSON has; None for a bound that is infinite and a number that is unknown."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


TELL: Mapping[plugins.Kind, Callable[[Any], Told]] = {"engines": _engine, "metrics": _metric, "trackers": _tracker}
