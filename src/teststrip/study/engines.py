"""The engines of a study: `[engine]`, or several as `[engines.NAME]`.

Finds each engine's class by name and asks it which options and settings there are; loads no weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from teststrip import plugins
from teststrip.errors import EngineError, StudyError, UsageError, nearest
from teststrip.protocols import Engine
from teststrip.records import EngineRef, Setting, Value
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.samplers import meant
from teststrip.study.stacks import Named
from teststrip.study.tables import foreign, opened, table, translated
from teststrip.study.values import coerce

DEFAULT = "diffusers"
ONLY = "engine"
"""The alias of the engine in a study of one engine."""


@dataclass(frozen=True, slots=True)
class Known:
    """An engine as a study names it.

    Attributes:
        alias: "engine", or the NAME of [engines.NAME].
        ref: name and options.
        engine: the instance, without weights.
        settings: those that stand in the engine's table (`model`, `revision`, ...), coerced.
        place: of the engine's table.
        knobs: all settings of the engine, by name.
        written: the options that stand in the engine's table; the others are defaults.
        named: the files that the study gives names to.
    """

    alias: str
    ref: EngineRef
    engine: Engine
    settings: Mapping[str, Value]
    place: Place
    knobs: Mapping[str, Setting] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
    named: Named = field(default_factory=Named)

    @property
    def owner(self) -> str:
        """How messages name the engine."""
        return f"engine {self.ref.name!r}"

    def meant(self, name: str, value: object, place: Place) -> dict[str, Value]:
        """What the value of a setting sets, as the engine takes it.

        One setting, itself; but the popular name of a sampler may stand for a class and its options, and names of
        files stand for these files.
        """
        stacked = self.named.settings_of(name, value, place)
        found = meant(name, value, self.engine, self.knobs, place) if stacked is None else stacked
        return {one: coerce(inner, self.knobs[one], place, self.owner) for one, inner in found.items()}


def read_engines(data: Mapping[str, object], place: Place, named: Named, folder: Path) -> dict[str, Known]:
    """All engines by alias, in the study's order; settings may use names of files, and paths begin at `folder`."""
    if "engines" not in data:
        return {ONLY: _read(ONLY, data.get("engine", {}), place / "engine", named, folder)}
    if "engine" in data:
        raise (place / "engine").error("there is [engines] too. Keep one of them")
    several = table(data["engines"], place / "engines")
    if not several:
        raise (place / "engines").error("is empty. Write [engines.NAME] for each engine, or leave it out")
    for alias in several:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", alias):
            raise (place / "engines" / alias).error("a name must be letters, digits, '.', '_' or '-', at most 64")
    return {alias: _read(alias, entry, place / "engines" / alias, named, folder) for alias, entry in several.items()}


def _read(alias: str, value: object, place: Place, named: Named, folder: Path) -> Known:
    entry = table(value, place)
    name = entry.get("name", alias if alias in plugins.installed("engines") else DEFAULT)
    if not isinstance(name, str):
        raise (place / "name").error(f"must be text in quotes, not {kind_of(name)} ({shown(name)})")
    try:
        kind = plugins.load("engines", name)
    except UsageError as error:
        raise (place / "name").error(str(error)) from None
    options: Mapping[str, Setting] = kind.options
    owner = f"engine {name!r}"
    # Defaults are part of what was asked, so that a study with dtype = "auto" and one without dtype have equal ids.
    given: dict[str, Value] = {
        key: option.default
        for key, option in options.items()
        if option.default is not None and key not in kind.operation
    }
    rest: dict[str, object] = {}
    for key, inner in entry.items():
        if key in options:
            given[key] = coerce(inner, options[key], place / key, owner)
        elif key != "name":
            rest[key] = inner
    given = {key: option for key, option in given.items() if option is not None or options[key].default is not None}
    for key in getattr(kind, "paths", frozenset()) & given.keys():  # see NamesPaths
        given[key] = _path(str(given[key]), folder, place / key)
    ref = EngineRef(
        name,
        options={key: option for key, option in given.items() if key not in kind.operation},
        operation={key: option for key, option in given.items() if key in kind.operation},
    )
    try:
        engine: Engine = kind(**ref.options, **ref.operation)
    except (StudyError, EngineError) as error:
        raise place.error(str(error)) from None
    knobs = engine.settings
    written = frozenset(entry.keys() & options.keys())
    known = Known(alias, ref, engine, {}, place, knobs, written, named)
    settings: dict[str, Value] = {}
    for key, inner, here in opened(rest, knobs, place):
        setting = translated(key, knobs)
        if setting not in knobs:
            hint = foreign(key) or nearest(key, [*options, *knobs]) or f". Options: {', '.join(options) or 'none'}"
            raise place.error(f"{owner} has no option {key!r}{hint}")
        reserved(setting, here)
        settings |= known.meant(setting, inner, here)
    return replace(known, settings=settings)


def _path(text: str, folder: Path, place: Place) -> str:
    """A path from the study's folder on. Another machine is never asked: a study file may be a stranger's."""
    if text.startswith(("//", "\\\\")):
        raise place.error("leads to another machine. Copy the folder to this one")
    return str((folder / text).absolute()) if text else ""


def reserved(setting: str, place: Place) -> None:
    """Refuse `prompt` and `seed`: every engine has these settings, but the design gives their values.

    Raises:
        StudyError: the setting is one of the two.
    """
    if setting == "prompt":
        raise place.error('prompts are the blocks of the design. Write prompts = ["..."] at the top')
    if setting == "seed":
        raise place.error(
            "seeds are the replicates of the design. Write replicates = 6, or seeds = [1, 2, 3], at the top"
        )
