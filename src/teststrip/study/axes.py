"""The axes of a study and the combinations left out.

An axis is a setting or an option of the engine, a bundle of linked ones under a free name, a `{word}` of the prompts,
or `engine`. Its levels are checked here one by one; what they mean together is checked in `agreement`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from teststrip.errors import among, nearest
from teststrip.records import MADE_HEIGHT, MADE_WIDTH, NONE, Axis, Level, Setting, Value
from teststrip.stacks import STACKED
from teststrip.study import options, schedules
from teststrip.study.engines import Known, reserved
from teststrip.study.keys import RANGE
from teststrip.study.place import Place, kind_of, name_of, shown
from teststrip.study.samplers import SPACING, settings_of
from teststrip.study.schedules import SETTING as SCHEDULE
from teststrip.study.tables import check_keys, foreign, opened, table, translated
from teststrip.study.values import MOST_LEVELS, checked_text, label, spread
from teststrip.vocabulary import GUIDER, SCHEDULER, spacing_named

ENGINE_AXIS = "engine"
# Columns that every table of results has; an axis of that name would hide one.
COLUMNS = (
    *("prompt", "replicate", "seed", "seconds", "missing", "denoiser_calls", "image", "label", "reason", "tags"),
    *(MADE_WIDTH, MADE_HEIGHT),
)
FREE_NAME = re.compile(r"[^\W\d_][\w .-]{0,63}")


@dataclass(frozen=True, slots=True)
class Context:
    """What axes are checked against.

    Attributes:
        engines: all engines by alias; each of them must know a setting of the study.
        words: the `{word}` places of the prompts.
        schedules: the lists of steps by name, each as the word that stands for it in a shot.
    """

    engines: Mapping[str, Known]
    words: frozenset[str]
    schedules: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Known:
        """The first engine: messages name it where all engines agree."""
        return next(iter(self.engines.values()))

    def is_setting(self, name: str) -> bool:
        """Whether any engine has a setting of that name."""
        return any(name in known.knobs for known in self.engines.values())

    def knob(self, name: str, place: Place) -> tuple[Setting, str]:
        """A setting that every engine knows.

        Returns:
            The setting, and how messages name the engine that owns it.

        Raises:
            StudyError: an engine has no such setting.
        """
        for known in self.engines.values():
            if name not in known.knobs:
                owner = self._without(known, name)
                raise place.error(f"{known.owner} has no setting {name!r}{owner}")
        return self.first.knobs[name], self.first.owner

    def meant(self, name: str, value: object, place: Place) -> dict[str, Value]:
        """What the value of a setting sets, as every engine takes it."""
        self.knob(name, place)
        if name == SCHEDULE:
            if not (found := schedules.settings_of(value, self.schedules)):
                return {}
            value = found[name]
        results = [known.meant(name, value, place) for known in self.engines.values()]
        return results[0]

    def _without(self, known: Known, name: str) -> str:
        if len(self.engines) > 1 and self.is_setting(name):
            return f". Write it under [engines.NAME] of those that have it, not for {known.alias!r}"
        if name in type(known.engine).options:
            return options.remedy(name, known)
        return (
            foreign(name)
            or nearest(name, [*known.knobs, *options.names(self.engines)])
            or (". `teststrip engines` lists them")
        )


def read_settings(data: object, place: Place, context: Context) -> dict[str, Value]:
    """The settings that are held fixed, by name."""
    settings: dict[str, Value] = {}
    for key, value, here in opened(data, context.first.knobs, place):
        name = translated(key, context.first.knobs)
        reserved(name, here)
        if isinstance(value, list | Mapping) and context.is_setting(name):
            raise here.error(
                f"must be one value, not {kind_of(value)}. Several values are an axis: write it under [axes]"
            )
        _add(settings, context.meant(name, value, here), here)
    return settings


def _add(settings: dict[str, Value], more: Mapping[str, Value], place: Place) -> None:
    for name, value in more.items():
        if name in settings:
            raise place.error(f"is {name}, which is there already")
        settings[name] = value


def read_axes(data: object, place: Place, context: Context) -> tuple[Axis, ...]:
    """All axes, each with its levels."""
    axes: dict[str, Axis] = {}
    for key, value, here in opened(data, context.first.knobs, place):
        axis = _axis(key, value, here, context)
        if axis.name in axes:
            raise here.error(f"is {axis.name}, which is an axis already")
        axes[axis.name] = axis
    return tuple(axes.values())


def read_exclusions(data: object, place: Place, axes: Sequence[Axis]) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """For each [[exclude]], the labels that are left out together, by the name of their axis."""
    if not isinstance(data, list):
        raise place.error(f"must be a list of tables, not {kind_of(data)}. Write [[exclude]]")
    by_name = {axis.name: axis for axis in axes}
    rules = []
    for i, entry in enumerate(data):
        if not table(entry, place / i):
            raise (place / i).error("is empty and would leave out everything. Name an axis and a value")
        rules.append(read_levels(entry, place / i, by_name))
    return tuple(rules)


def read_levels(entry: object, place: Place, by_name: Mapping[str, Axis]) -> dict[str, tuple[str, ...]]:
    """The labels that a table names, by the name of their axis; a table names axes and a value or several of each."""
    found = {}
    for key, value, here in opened(entry, by_name, place):
        name = translated(key, by_name)
        if key == SCHEDULER and SPACING in by_name and all(_is_spacing(one) for one in _listed(value)):
            name = SPACING  # as ComfyUI calls it, and perhaps this study
        if name not in by_name:
            raise place.error(f"{key!r} is no axis{among(key, by_name, 'Axes')}")
        found[name] = _labels(value, here, by_name[name])
    return found


def _labels(value: object, place: Place, axis: Axis) -> tuple[str, ...]:
    wanted = _listed(value)
    if not wanted:
        raise place.error("is empty. Give at least one value")
    found = []
    for one in wanted:
        level = next((level for level in axis.levels if _same(level.sets.get(axis.name), one)), None)
        level = level or next((level for level in axis.levels if level.label == one), None)
        level = level or next((level for level in axis.levels if one in (None, NONE) and _says_none(level, axis)), None)
        level = level or next((level for level in axis.levels if level.sets == settings_of(one)), None)
        if level is None:
            raise place.error(f"{shown(one)} is no level of this axis. Levels: {_few(axis.labels)}")
        found.append(level.label)
    return tuple(dict.fromkeys(found))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _says_none(level: Level, axis: Axis) -> bool:
    return level.sets.get(axis.name, "") is None


def _is_spacing(value: object) -> bool:
    return isinstance(value, str) and spacing_named(value) is not None


def _same(mine: Value, asked: object) -> bool:
    """Whether the values are equal, where true is not 1."""
    return mine is not None and mine == asked and isinstance(mine, bool) == isinstance(asked, bool)


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")


def _axis(key: str, value: object, place: Place, context: Context) -> Axis:
    is_option = options.is_option(key, context.engines)
    values = _values(value, place, home="[engine]" if is_option else "[settings]")
    if all(isinstance(one, Mapping) for one in values):
        return _linked(key, values, place, context)
    for i, one in enumerate(values):
        if isinstance(one, list | Mapping):
            raise (place / i).error(f"is {kind_of(one)} among plain values. Write either all values or all tables")
    if key == ENGINE_AXIS:
        return _engine_axis(values, place, context)
    name = key if key in context.words else translated(key, context.first.knobs)
    if context.is_setting(name):
        reserved(name, place)
        if key in context.words:
            raise place.error(f"is a setting of {context.first.owner} and a {{{key}}} in a prompt too. Rename the word")
        meant = [context.meant(name, v, place / i) for i, v in enumerate(values)]
        stacked = name in STACKED and any(one.get(name) != value for one, value in zip(meant, values, strict=True))
        if stacked or any(one.keys() != {name} for one in meant) or any(one in context.schedules for one in values):
            return _by_names(key, values, meant, place)
        return Axis(name, "setting", _distinct([Level(label(one[name]), one) for one in meant], place))
    if key in context.words:
        _free_name(key, place)
        levels = [Level(label(v), {key: v}) for v in (_word(v, place / i) for i, v in enumerate(values))]
        return Axis(key, "word", _distinct(levels, place))
    if is_option:
        return _option_axis(key, values, place, context)
    return _unknown(key, place, context)


def _by_names(key: str, names: Sequence[object], meant: Sequence[Mapping[str, Value]], place: Place) -> Axis:
    """An axis of names that stand for other settings: samplers for a class and options, schedules for their numbers.

    Each level is called as it is written.
    """
    name = SPACING if key == SCHEDULER and not any(SCHEDULER in one for one in meant) else key
    _free_name(name, place)
    return Axis(name, "linked", _distinct([Level(str(n), one) for n, one in zip(names, meant, strict=True)], place))


def _unknown(key: str, place: Place, context: Context) -> Axis:
    first = context.first
    if key.startswith((f"{SCHEDULER}.", f"{GUIDER}.")):
        context.knob(key, place)
    hint = (
        foreign(key)
        or nearest(key, [*first.knobs, *context.words, *options.names(context.engines)])
        or (f". Use it in a prompt as {{{key}}}, name a setting, or write its levels as tables")
    )
    raise place.error(f"{first.owner} has no setting {key!r} and no prompt holds {{{key}}}{hint}")


def _option_axis(name: str, values: list[object], place: Place, context: Context) -> Axis:
    chosen = [options.read_option(name, value, place / i, context.engines) for i, value in enumerate(values)]
    _free_name(name, place)
    return Axis(name, "option", _distinct([Level(label(value), {}, {name: value}) for value in chosen], place))


def _values(value: object, place: Place, *, home: str) -> list[object]:
    """The values of an axis as a list; a range is spread out. A single value would belong in the table `home`."""
    if isinstance(value, Mapping):
        check_keys(table(value, place), RANGE, place)
        return list(spread(value, place))
    if not isinstance(value, list):
        raise place.error(f"must be a list, not {kind_of(value)}. A single value belongs under {home}")
    if not value:
        raise place.error("is empty. Give at least one value, or leave the axis out")
    if len(value) > MOST_LEVELS:
        raise place.error(f"has {len(value):,} levels; the most is {MOST_LEVELS:,}")
    return value


def _word(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(
            f"must be text in quotes, since it is a word of the prompts, not {kind_of(value)} ({shown(value)})"
        )
    return checked_text(value, place)


def _distinct(levels: list[Level], place: Place) -> tuple[Level, ...]:
    seen: dict[str, int] = {}
    for i, level in enumerate(levels):
        if level.label in seen:
            raise (place / i).error(f"{shown(level.label)} is there already, at [{seen[level.label]}]. Remove one")
        seen[level.label] = i
    return tuple(levels)


def _engine_axis(values: list[object], place: Place, context: Context) -> Axis:
    levels = []
    for i, alias in enumerate(values):
        if not isinstance(alias, str) or alias not in context.engines:
            raise (place / i).error(
                f"there is no [engines.{name_of(alias)}]{among(name_of(alias), context.engines, 'There are')}"
            )
        levels.append(Level(alias, {ENGINE_AXIS: alias, **context.engines[alias].settings}))
    return Axis(ENGINE_AXIS, "engine", _distinct(levels, place))


def _linked(name: str, values: list[object], place: Place, context: Context) -> Axis:
    if name == ENGINE_AXIS:
        raise place.error('must list names: write [engines.NAME] for each engine and engine = ["NAME", ...]')
    if name in context.words:
        raise place.error(f"fills {{{name}}} in a prompt, so its levels must be texts, not tables")
    _free_name(name, place)
    levels = [_linked_level(table(value, place / i), place / i, context) for i, value in enumerate(values)]
    if not any(level.sets for level in levels):
        raise place.error("no level sets anything. Write { label = ..., scheduler = ... }")
    return Axis(name, "linked", _distinct(levels, place))


def _linked_level(entry: Mapping[str, object], place: Place, context: Context) -> Level:
    settings: dict[str, Value] = {}
    chosen: dict[str, Value] = {}
    labels: list[str] = []
    for key, value, here in opened(entry, context.first.knobs, place):
        if key == "label":
            continue
        if options.is_option(key, context.engines):
            chosen[key] = options.read_option(key, value, here, context.engines)
            labels.append(label(chosen[key]))
            continue
        setting = translated(key, context.first.knobs)
        reserved(setting, here)
        meant = context.meant(setting, value, here)
        _add(settings, meant, here)
        itself = meant.keys() == {setting} and setting not in STACKED
        labels.append(label(meant[setting]) if itself else str(value))
    name = entry.get("label", ", ".join(labels) or None)
    if not isinstance(name, str) or not name.strip():
        raise (place / "label").error('must be text in quotes. Write label = "..."')
    return Level(checked_text(name, place / "label"), settings, chosen)


def _free_name(name: str, place: Place) -> None:
    if name.lower() in COLUMNS:
        raise place.error(f"{name!r} is a column of every result. Choose another name for this axis")
    if not FREE_NAME.fullmatch(name):
        raise place.error(
            "the name of an axis must be letters, digits, spaces, '.', '_' or '-', and begin with a letter"
        )
