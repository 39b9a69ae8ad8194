"""What a study wants to know, and which trackers are notified: `[question]`, `[metrics]`, `[trackers]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal, get_args

from teststrip import plugins
from teststrip.errors import TeststripError, among, nearest
from teststrip.records import BUDGET, DEFAULT_MARGIN, Axis, LevelRef, Question, Scope, Setting, Value
from teststrip.study.axes import read_levels
from teststrip.study.keys import QUESTION
from teststrip.study.place import Place, kind_of, name_of, shown
from teststrip.study.tables import check_keys, table
from teststrip.study.values import coerce, finite, number


def read_question(value: object, place: Place, axes: Sequence[Axis]) -> Question:
    """The question: metrics, margin, budget, price, scope; of these axes, levels known to be bad and the reference."""
    data = table(value, place)
    check_keys(data, QUESTION, place)
    metrics = _metrics(data.get("metrics", []), place / "metrics")
    margin = _margin(data.get("margin", DEFAULT_MARGIN), place / "margin", metrics)
    budget = _budget(data.get("budget"), place / "budget")
    price = data.get("price_an_hour")
    hourly = None if price is None else _positive(price, place / "price_an_hour")
    scope = _scope(data.get("scope", "both"), place / "scope")
    bad = _known_bad(data["known_bad"], place / "known_bad", axes) if "known_bad" in data else None
    reference = _reference(data["reference"], place / "reference", axes) if "reference" in data else ()
    _check_referred(metrics, reference, place / "metrics", axes)
    return Question(metrics, margin, budget, hourly, scope, bad, reference)


def read_trackers(value: object, place: Place) -> dict[str, dict[str, Value]]:
    """The options of each tracker by its name, coerced to what the tracker declares."""
    known = plugins.installed("trackers")
    trackers = {}
    for name, entry in table(value, place).items():
        if name not in known:
            raise (place / name).error(f"unknown tracker{among(name, known, 'Installed')}")
        trackers[name] = _options("trackers", name, entry, place / name)
    return trackers


def read_metric_options(value: object, place: Place, metrics: tuple[str, ...]) -> dict[str, dict[str, Value]]:
    """The options of each metric by its name, coerced to what the metric declares."""
    found: dict[str, dict[str, Value]] = {}
    for name, entry in table(value, place).items():
        here = place / name
        if name not in metrics:
            raise here.error(_not_asked(name, metrics))
        found[name] = _options("metrics", name, entry, here)
    return found


def _options(kind: plugins.Kind, name: str, value: object, place: Place) -> dict[str, Value]:
    """The options in the table of a metric or tracker, coerced to what its class declares."""
    known: Mapping[str, Setting] = plugins.load(kind, name).options
    options, whose = {}, f"{kind[:-1]} {name!r}"
    for key, option in table(value, place).items():
        if key not in known:
            listed = nearest(key, known) or f". Options: {', '.join(known) or 'none'}"
            raise place.error(f"{whose} has no option {key!r}{listed}")
        options[key] = coerce(option, known[key], place / key, whose)
    return options


def _metrics(value: object, place: Place) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise place.error(f'must be a list of names, not {kind_of(value)}. Write metrics = ["sharpness"]')
    known = plugins.installed("metrics")
    for i, name in enumerate(value):
        if not isinstance(name, str) or name not in known:
            raise (place / i).error(f"unknown metric {shown(name)}{among(name_of(name), known, 'Installed')}")
        if name in value[:i]:
            raise (place / i).error(f"{name!r} is there already. Remove one")
    return tuple(value)


def _margin(value: object, place: Place, metrics: tuple[str, ...]) -> float | Mapping[str, float]:
    if not isinstance(value, Mapping):
        return _positive(value, place)
    margins = {}
    for name, margin in table(value, place).items():
        if name not in metrics:
            raise (place / name).error(_not_asked(name, metrics))
        margins[name] = _positive(margin, place / name)
    if not margins:
        raise place.error("is empty. Write margin = 0.2, or { sharpness = 5.0 } in a metric's own units")
    return margins


def _not_asked(name: str, metrics: tuple[str, ...]) -> str:
    hint = nearest(name, metrics) or ". Add it there or remove it here"
    return f"is not among question.metrics{hint}"


def _scope(value: object, place: Place) -> Literal[Scope, "both"]:
    known: tuple[Literal[Scope, "both"], ...] = (*get_args(Scope), "both")
    if value not in known:
        raise place.error(f"{shown(value)} is no scope{among(name_of(value), known, 'Known')}")
    return known[known.index(value)]


def _known_bad(value: object, place: Place, axes: Sequence[Axis]) -> tuple[tuple[LevelRef, ...], ...]:
    """Combinations of levels; a table that lists several levels of an axis stands for one combination with each."""
    by_name = {axis.name: axis for axis in axes}
    found: list[tuple[LevelRef, ...]] = []
    for i, entry in enumerate(value if isinstance(value, list) else [value]):
        here = place / i if isinstance(value, list) else place
        if not isinstance(entry, Mapping):
            raise here.error(f"must be a table, not {kind_of(entry)}. Write known_bad = {{ num_inference_steps = 2 }}")
        chosen = read_levels(entry, here, by_name)
        if not chosen:
            raise here.error("is empty. Name an axis and a value")
        for name, labels in chosen.items():
            if len(labels) == len(by_name[name].levels):
                raise (here / name).error("names every level, so none is left to compare with. Keep a good one")
        found += product(*([_level(by_name[name], label) for label in labels] for name, labels in chosen.items()))
    _check_good_left(found, place, by_name)
    return tuple(dict.fromkeys(found))


def _level(axis: Axis, label: str) -> LevelRef:
    return LevelRef(axis.name, axis.labels.index(label), label)


def _check_good_left(found: Sequence[tuple[LevelRef, ...]], place: Place, by_name: Mapping[str, Axis]) -> None:
    """Check that several tables together leave a level of each axis that is not bad by itself."""
    for name, axis in by_name.items():
        alone = {levels[0].index for levels in found if len(levels) == 1 and levels[0].axis == name}
        if len(alone) == len(axis.levels):
            raise place.error(f"names every level of {name}, so none is left to compare with. Keep a good one")


def _reference(value: object, place: Place, axes: Sequence[Axis]) -> tuple[LevelRef, ...]:
    """One level of each axis that is named."""
    by_name = {axis.name: axis for axis in axes}
    if not isinstance(value, Mapping):
        raise place.error(f"must be a table, not {kind_of(value)}. Write reference = {{ num_inference_steps = 50 }}")
    chosen = read_levels(value, place, by_name)
    if not chosen:
        raise place.error("is empty. Name an axis and a value")
    for name, labels in chosen.items():
        if len(labels) > 1:
            raise (place / name).error("names several levels, and a picture is compared with one. Keep one")
        if len(by_name[name].levels) < 2:
            raise (place / name).error("is the only level of its axis, so nothing is compared with it. Add a level")
    return tuple(_level(by_name[name], label) for name, (label,) in chosen.items())


def _check_referred(metrics: Sequence[str], reference: Sequence[LevelRef], place: Place, axes: Sequence[Axis]) -> None:
    """Check that there is a reference where a metric needs one, and that no axis is called like such a metric."""
    taken = {axis.name for axis in axes}
    for i, name in enumerate(metrics):
        if name in taken and _refers(name):
            raise (place / i).error(
                f"{name} is the name of an axis, too, and a table has one column of a name. Rename the axis"
            )
        if not reference and _refers(name):
            example = next((_last(axis) for axis in axes if len(axis.levels) > 1), "num_inference_steps = 50")
            raise (place / i).error(
                f"{name} compares pictures with those of a reference, and question.reference names none. Write, for "
                f"example, reference = {{ {example} }}"
            )


def _last(axis: Axis) -> str:
    """The last level of an axis, as a study file spells it."""
    level = axis.levels[-1]
    return f"{axis.name} = {shown(level.sets.get(axis.name, level.label))}"


def _refers(name: str) -> bool:
    """Whether a metric compares with the study's reference; of one that cannot be loaded here that is not known."""
    try:
        return bool(plugins.load("metrics", name).card.against == "the reference")
    except (TeststripError, AttributeError):
        return False


def _budget(value: object, place: Place) -> str | None:
    if value is None:
        return None
    match = re.fullmatch(BUDGET, value) if isinstance(value, str) else None
    if match is None:
        raise place.error(f'{shown(value)} is no budget. Write "4s", "50 calls" or "0.02 USD"')
    finite(float(match[1]), place)
    return match[0]


def _positive(value: object, place: Place) -> float:
    found = number(value, place)
    if found <= 0:
        raise place.error(f"{shown(value)} must be above 0 and finite")
    return found
