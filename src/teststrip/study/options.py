"""Options of engines that levels of axes set: `[axes] dtype = ["float32", "bfloat16"]`.

An option that can change a picture may be an axis by itself or stand in a linked level. It is a part of the cell's
`EngineRef`, exactly as if it stood under `[engine]`, and never of its settings. Knows what options engines declare, and
the study's engines with the options of a cell on top; renders nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from teststrip.errors import EngineError, StudyError
from teststrip.protocols import Engine
from teststrip.records import EngineRef, Setting, Study, Value
from teststrip.study.engines import Known
from teststrip.study.place import Place, dotted
from teststrip.study.values import coerce, label

Engines = Mapping[str, Known]


def names(engines: Engines) -> list[str]:
    """The options that may be axes: those of any engine that can change its pictures."""
    every = (name for known in engines.values() for name in type(known.engine).options if not _operates(known, name))
    return list(dict.fromkeys(every))


def is_option(name: str, engines: Engines) -> bool:
    """Whether any engine has an option of that name, and none has a setting of that name."""
    mine = any(name in type(known.engine).options for known in engines.values())
    return mine and not any(name in known.knobs for known in engines.values())


def read_option(name: str, value: object, place: Place, engines: Engines) -> Value:
    """The value of an option on an axis, coerced as the first engine takes it.

    Raises:
        StudyError: an engine has no such option or refuses the value, or the option changes no picture.
    """
    found: list[Value] = []
    for known in engines.values():
        declared = type(known.engine).options
        if name not in declared:
            raise place.error(
                f"{known.owner} has no option {name!r}. Write it under [engines.NAME] of those that have it, not for"
                f" {known.alias!r}"
            )
        if _operates(known, name):
            raise place.error(
                f"{name} changes no picture of {known.owner}, so its levels would be the same pictures under the same"
                f" ids. Write it under [{dotted(known.place.keys)}], and compare times by a study for each"
            )
        found.append(coerce(value, declared[name], place, known.owner))
    return found[0]


def remedy(name: str, known: Known) -> str:
    """Where an option belongs that was written where settings stand, as the end of a message."""
    here = dotted(known.place.keys)
    return f"; it is an option. Write it under [{here}]" + (
        "" if _operates(known, name) else ", or several values under [axes]"
    )


def _operates(known: Known, name: str) -> bool:
    return name in type(known.engine).operation


def check_set_once(study: Study, engines: Engines, axes: Place) -> None:
    """Check that no engine's table sets an option that an axis sets.

    Raises:
        StudyError: one does.
    """
    for axis in study.axes:
        for i, level in enumerate(axis.levels):
            for name, known in product(level.options, engines.values()):
                if name in known.written:
                    here = axes / axis.name if axis.kind == "option" else axes / axis.name / i / name
                    raise here.error(f"{dotted((known.place / name).keys)} is there too. Keep one of them")


@dataclass(frozen=True, slots=True)
class Maker:
    """The engine of a cell.

    Attributes:
        name: the engine's alias, and the options that the levels set: "engine, dtype float32".
        ref: the engine with these options.
    """

    name: str
    ref: EngineRef


class Makers:
    """The engines of a study's cells: each engine with what the levels of a cell set on top.

    Args:
        study: axes and engines.
        declared: the options of each engine, by alias.
    """

    def __init__(self, study: Study, declared: Mapping[str, Mapping[str, Setting]]) -> None:
        self._levels = {
            place: {level.label: level.options for level in axis.levels}
            for place, axis in enumerate(study.axes)
            if any(level.options for level in axis.levels)
        }
        self._plain = {alias: Maker(alias, ref) for alias, ref in study.engines.items()}
        self._declared = declared
        self._made: dict[tuple[str, ...], Maker] = {}

    def of(self, alias: str, cell: Sequence[tuple[str, str]]) -> Maker:
        """The engine of a cell, whose engine has this alias."""
        if not self._levels:
            return self._plain[alias]
        key = (alias, *(cell[place][1] for place in self._levels))
        if key not in self._made:
            chosen: dict[str, Value] = {}
            for place, levels in self._levels.items():
                chosen |= levels[cell[place][1]]
            said = (f"{name} {label(value)}" for name, value in chosen.items())
            ref = with_options(self._plain[alias].ref, chosen, self._declared[alias])
            self._made[key] = Maker(", ".join([alias, *said]), replace(ref, alternates=True))
        return self._made[key]


def with_options(ref: EngineRef, chosen: Mapping[str, Value], declared: Mapping[str, Setting]) -> EngineRef:
    """The engine with these options on top of its own, each as this engine takes it."""
    if not chosen:
        return ref
    own = {name: coerce(value, declared[name], Place("study"), ref.name) for name, value in chosen.items()}
    both = {**ref.options, **own}
    # As `[engine]` is read: None is there only where it is another thing than leaving the option out.
    return replace(
        ref, options={name: v for name, v in both.items() if v is not None or declared[name].default is not None}
    )


class Variants:
    """Instances of an engine with other options, each made once, to be asked what they have against settings."""

    def __init__(self) -> None:
        self._made: dict[str, Engine | str] = {}

    def objection(self, known: Known, ref: EngineRef, settings: Mapping[str, Value]) -> str:
        """What the engine with the options of `ref` has against these settings; "" = nothing.

        A model that is damaged or not on this machine is an objection, too, and so are options that cannot be together.
        """
        if ref.key not in self._made:
            self._made[ref.key] = self._opened(known, ref)
        engine = self._made[ref.key]
        if isinstance(engine, str):
            return engine
        try:
            engine.check(settings)
        except (StudyError, EngineError) as error:
            return str(error)
        return ""

    @staticmethod
    def _opened(known: Known, ref: EngineRef) -> Engine | str:
        if ref == known.ref:
            return known.engine
        try:
            return type(known.engine)(**ref.options, **ref.operation)
        except (StudyError, EngineError) as error:
            return str(error)
