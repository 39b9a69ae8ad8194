"""Writes a `Study` as TOML, with prompt files and `--set` folded in. Reading that text gives an equal study."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from teststrip import plugins
from teststrip.characters import printable
from teststrip.errors import TeststripError
from teststrip.records import NONE, Axis, EngineRef, Study, Value
from teststrip.study import pictures
from teststrip.study.engines import ONLY
from teststrip.study.values import label


def dump(study: Study, *, beside: Path | None = None) -> str:
    """The study as TOML that stands alone, beside copies of its pictures (`pictures.copy_of`).

    Args:
        study: what was asked.
        beside: the folder that the text will lie in. Paths of engines begin there, so that both can be moved together;
            None = paths are written as they are.
    """
    return "\n".join(_lines(study, beside)) + "\n"


def _lines(study: Study, beside: Path | None) -> Iterator[str]:
    yield f"name = {_value(study.name)}"
    yield "prompts = ["
    for prompt in study.prompts:
        entry: dict[str, object] = {"text": prompt.text, "id": prompt.id}
        tags = {"tags": list(prompt.tags)} if prompt.tags else {}
        yield f"  {_value(entry | tags | pictures.written(prompt))},"
    yield "]"
    yield f"replicates = {study.replicates}" if study.seeds is None else f"seeds = {_value(list(study.seeds))}"
    bundles = {
        a.labels[i]: level.settings for a in study.axes if a.kind == "engine" for i, level in enumerate(a.levels)
    }
    # An axis that sets an option is where its values stand: of such an option the engine has its default.
    varied = {name for axis in study.axes for level in axis.levels for name in level.options}
    for alias, ref in study.engines.items():
        several = alias in bundles or len(study.engines) > 1 or alias != ONLY
        written = _engine(ref, bundles.get(alias, {}), beside)
        engine = {name: value for name, value in written.items() if name not in varied}
        yield from _table(["engines", alias] if several else ["engine"], engine)
    yield from _table(["settings"], study.settings)
    if study.axes:
        yield from _table(["axes"], {axis.name: _levels(axis) for axis in study.axes})
    for rule in study.exclusions:
        yield "\n[[exclude]]"
        for axis, labels in rule.items():
            yield f"{_key(axis)} = {_value(list(labels))}"
    question = study.question
    yield from _table(
        ["question"],
        {
            "metrics": list(question.metrics),
            "margin": question.margin,
            "budget": question.budget,
            "price_an_hour": question.price_an_hour,
            "scope": None if question.scope == "both" else question.scope,
            "known_bad": None
            if question.known_bad is None
            else [{level.axis: level.label for level in levels} for levels in question.known_bad],
            "reference": {level.axis: level.label for level in question.reference} or None,
        },
    )
    if study.money is not None:
        yield from _table(["budget"], {"money": f"{Decimal(repr(study.money.amount)):f} {study.money.currency}"})
    for metric, chosen in study.metric_options.items():
        yield from _table(["metrics", metric], chosen)
    for tracker, options in study.trackers.items():
        yield from _table(["trackers", tracker], options, even_empty=True)


def _engine(ref: EngineRef, bundle: Mapping[str, Value], beside: Path | None) -> dict[str, object]:
    settings = {name: value for name, value in bundle.items() if name != "engine"}
    operation = {key: _from(beside, value) if key in _paths(ref) else value for key, value in ref.operation.items()}
    return {"name": ref.name, **ref.options, **operation, **settings}


def _paths(ref: EngineRef) -> frozenset[str]:
    """The options of an engine that are paths; none of an engine that is not installed here."""
    try:
        return getattr(plugins.load("engines", ref.name), "paths", frozenset())
    except TeststripError:
        return frozenset()


def _from(beside: Path | None, value: Value) -> Value:
    """A path as it is written in a file of that folder; whole where no way leads there."""
    if beside is None or not isinstance(value, str) or not Path(value).is_absolute():
        return value
    try:
        return Path(os.path.relpath(value, beside.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        return value


def _levels(axis: Axis) -> list[object]:
    if axis.kind == "linked":
        return [{"label": level.label, **level.sets} for level in axis.levels]
    values = [level.sets[axis.name] for level in axis.levels]
    texts = axis.kind == "setting" and any(isinstance(value, str) for value in values)
    if None in values and texts:  # a text that is left out has no word, unless it is a name, as in an option
        return [{"label": level.label, **level.sets} for level in axis.levels]
    return [NONE if value is None else value for value in values]


def _table(path: Sequence[str], content: Mapping[str, object], *, even_empty: bool = False) -> Iterator[str]:
    content = {key: value for key, value in content.items() if value is not None}
    if content or even_empty:
        yield f"\n[{'.'.join(_key(step) for step in path)}]"
        for key, value in content.items():
            yield f"{_key(key)} = {_value(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return label(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's too, except surrogate pairs. JSON leaves DEL and bidi as they are.
        return printable(json.dumps(value, ensure_ascii=False))
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return str(value)
