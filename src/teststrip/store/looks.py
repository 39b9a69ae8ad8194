"""Looks as rows of the ledger: what was asked, of which data, with which margins, and what was answered.

A row is written in one statement of one transaction, so a kill leaves it whole or absent. Knows records and JSON.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Literal

from teststrip.pictures.stamps import from_json, to_json
from teststrip.records import Answer, KeptMargin, LevelRef, Look, Question, Scope
from teststrip.records.looked import Exclusions

_MOST = 1e100  # its square is still a number


def insert(connection: sqlite3.Connection, look: Look, at: str) -> None:
    """Write down a look, inside the caller's transaction."""
    question: dict[str, object] = {
        "metrics": look.question.metrics,
        "margin": look.question.margin,
        "scope": look.question.scope,
    }
    if look.exclusions is not None:
        question = {**question, "exclusions": look.exclusions}
    if look.question.reference:
        question = {**question, "reference": [asdict(level) for level in look.question.reference]}
    facts = {
        "data": look.data,
        "prompts": look.prompts,
        "images": look.images,
        "margins": {name: _plain(margin) for name, margin in look.margins.items()},
        "answers": [asdict(answer) for answer in look.answers],
    }
    connection.execute(
        "INSERT INTO looks (at, study, question, facts) VALUES (?, ?, ?, ?)",
        (at, to_json(look.study), to_json(question), to_json(facts)),
    )


def read(row: tuple[object, ...]) -> Look:
    """The look of a row `at, study, question, facts`; `numbered` says which one it is.

    Raises:
        ValueError: the row is not as `insert` makes it.
    """
    try:
        return _read(row)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is not as Teststrip writes it ({error!r:.60})") from error


def numbered(look: Look, number: int) -> Look:
    """The look as the so manyth of its study; margins without a look of their own are kept from this one."""
    margins = {name: replace(kept, look=kept.look or number) for name, kept in look.margins.items()}
    return replace(look, number=number, margins=margins)


def _read(row: tuple[object, ...]) -> Look:
    at, study, question, facts = row
    asked, found = _table(question), _table(facts)
    return Look(
        study=_text(from_json(_text(study))),
        question=Question(
            tuple(map(_text, asked["metrics"])),
            _margin(asked["margin"]),
            scope=_scope(asked["scope"]),
            reference=tuple(map(_level, asked.get("reference", ()))),
        ),
        data=_text(found["data"]),
        prompts=int(found["prompts"]),
        images=int(found["images"]),
        margins={_text(name): _kept(margin) for name, margin in found["margins"].items()},
        answers=tuple(_answer(answer) for answer in found["answers"]),
        at=_text(at),
        exclusions=_exclusions(asked.get("exclusions")),
    )


def _plain(margin: KeptMargin) -> dict[str, object]:
    """JSON knows no NaN: an unknown SD is null."""
    return {**asdict(margin), "seed_sd": None if math.isnan(margin.seed_sd) else margin.seed_sd}


def _kept(table: Mapping[str, Any]) -> KeptMargin:
    sd = table["seed_sd"]
    kept = KeptMargin(**{**table, "seed_sd": math.nan if sd is None else _finite(sd)})
    for number in (kept.value, kept.se, kept.seeds_se):
        _finite(number)
    return kept


def _answer(table: Mapping[str, Any]) -> Answer:
    answer = Answer(**table)
    for text in table.values():
        if isinstance(text, str):
            _text(text)
    return answer


def _scope(value: object) -> Literal[Scope, "both"]:
    known: tuple[Literal[Scope, "both"], ...] = ("these prompts", "prompts like these", "both")
    return known[known.index(value)]


def _level(table: Mapping[str, Any]) -> LevelRef:
    return LevelRef(_text(table["axis"]), int(table["index"]), _text(table["label"]))


def _exclusions(value: object) -> Exclusions | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError("there is no list where one should be")  # noqa: TRY004 - data, not an argument
    return tuple({_text(axis): tuple(map(_text, labels)) for axis, labels in rule.items()} for rule in value)


def _margin(value: object) -> float | Mapping[str, float]:
    if isinstance(value, Mapping):
        return {_text(name): _finite(margin) for name, margin in value.items()}
    return _finite(value)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        raise ValueError("a number in it is none that can be meant")
    return float(value)


def _text(value: object) -> str:
    if not (isinstance(value, str) and value.isprintable()):
        raise ValueError("a text in it is none")
    return value


def _table(text: object) -> dict[str, Any]:
    found = from_json(text) if isinstance(text, str) else None
    if not isinstance(found, dict):
        raise ValueError("there is no table where one should be")  # noqa: TRY004 - data, not an argument
    return found
