"""Samplers by the names of other tools: the class of Diffusers that they mean, or what else would have to be set."""

from __future__ import annotations

import json
from collections.abc import Mapping

from teststrip.protocols import Engine, Names
from teststrip.records import Setting
from teststrip.study.place import Place, shown
from teststrip.vocabulary import sampler_named

SCHEDULER = "scheduler"


def translated_sampler(value: object, setting: Setting, engine: Engine, place: Place) -> object:
    """The class that a sampler's name stands for; any other value as it is.

    Raises:
        StudyError: the sampler is a class with options, or Diffusers has none like it.
    """
    known = setting.choices or (engine.names().get(SCHEDULER, ()) if isinstance(engine, Names) else ())
    if setting.name != SCHEDULER or not isinstance(value, str) or not known or value in known:
        return value
    found = sampler_named(value)
    if found is None:
        return value
    name, options = found
    if name and not options:
        return name
    raise place.error(_meaning(value, name, options))


def class_named(value: object) -> object:
    """The class that a sampler's name stands for, where it needs no options; any other value as it is."""
    found = sampler_named(value) if isinstance(value, str) else None
    return found[0] if found and found[0] and not found[1] else value


def _meaning(value: str, name: str, options: Mapping[str, object]) -> str:
    where = "in scheduler/scheduler_config.json of a copy of the model"
    if name:
        return f'{shown(value)} is "{name}" with {_written(options)}. Write the class here, and the options {where}'
    if options:
        return f"{shown(value)} is no sampler; it spaces the steps of one. Write {_written(options)} {where}"
    return f"{shown(value)} means no scheduler of Diffusers. `teststrip engines diffusers` lists those that there are"


def _written(options: Mapping[str, object]) -> str:
    """Options as JSON writes them, for people."""
    return json.dumps(dict(options))[1:-1]
