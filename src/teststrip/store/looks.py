"""Looks as rows of the ledger: what was asked, of which data, with which margins, and what was answered.

A row is written in one statement of one transaction, so a kill leaves it whole or absent. Knows records and JSON.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from teststrip.pictures.stamps import from_json, to_json
from teststrip.records import Answer, KeptMargin, Look, Question


def insert(connection: sqlite3.Connection, look: Look, at: str) -> None:
    """Write down a look, inside the caller's transaction."""
    question = {"metrics": look.question.metrics, "margin": look.question.margin, "scope": look.question.scope}
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


def read(row: tuple[object, ...], number: int) -> Look:
    """The look of a row `at, study, question, facts`.

    Raises:
        ValueError, TypeError, KeyError: the row is not as `insert` makes it.
    """
    at, study, question, facts = row
    asked, found = _table(question), _table(facts)
    return Look(
        study=str(from_json(str(study))),
        question=Question(tuple(map(str, asked["metrics"])), _margin(asked["margin"]), scope=asked["scope"]),
        data=str(found["data"]),
        prompts=int(found["prompts"]),
        images=int(found["images"]),
        margins={str(name): _kept(margin, number) for name, margin in found["margins"].items()},
        answers=tuple(Answer(**answer) for answer in found["answers"]),
        number=number,
        at=str(at),
    )


def _plain(margin: KeptMargin) -> dict[str, object]:
    """JSON knows no NaN: an unknown SD is null."""
    return {**asdict(margin), "seed_sd": None if math.isnan(margin.seed_sd) else margin.seed_sd}


def _kept(table: Mapping[str, Any], number: int) -> KeptMargin:
    sd = table["seed_sd"]
    kept = KeptMargin(**{**table, "seed_sd": math.nan if sd is None else float(sd)})
    return replace(kept, look=kept.look or number)


def _margin(value: object) -> float | Mapping[str, float]:
    if isinstance(value, Mapping):
        return {str(name): float(margin) for name, margin in value.items()}
    return float(str(value))


def _table(text: object) -> dict[str, Any]:
    found = from_json(str(text))
    if not isinstance(found, dict):
        raise ValueError("no table")  # noqa: TRY004 - data, not an argument
    return found
