"""What stands at the top of a page, as plain data: the answer, a card a score, costs as facts, the table of settings.

Everything is said here; `assets/answer.js` and `assets/settings.js` lay it out. To show a further number of each
setting, add it to `_settings`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from teststrip.analysis.advice import answer as answers
from teststrip.analysis.advice.answer import Answer, Design
from teststrip.analysis.numbers import columns
from teststrip.analysis.sentences import costs, headlines
from teststrip.analysis.sentences.phrases import duration, number
from teststrip.records import Card, Finding
from teststrip.results import frames

if TYPE_CHECKING:
    from teststrip.results.result import Result

RANK = ("different", "equivalent", "inconclusive", "insufficient design")
"""Verdicts, the one that says most first."""
KINDS = ("axis", "interaction", "convergence", "fidelity", "cells", "audit", "missing")
"""Kinds of findings, those that stand for their score first."""
MOST_CARDS = 3
"""Scores that have a card on the first screen; further ones are folded."""


def of(result: Result) -> dict[str, Any]:
    """The head of a page of this result; {} before there is any picture."""
    if not any(row.image for row in result.rows()):
        return {}
    made = answer(result)
    return {
        "answer": _answer(made),
        "cards": [_card(one, result.findings) for one in cards(result.findings, result.cards)],
        "costs": list(costs.facts(result.findings, result.cards)),
        "settings": _settings(result, made),
    }


def answer(result: Result) -> Answer:
    """The answer to a study, with the price of what would settle it on the machine that made its pictures."""
    seconds = [row.image.seconds for row in result.rows() if row.image]
    study = result.study
    design = Design(
        prompts=len(study.prompts),
        seeds=study.images_each,
        settings=len(result.plan.cells),
        seconds=float(np.median(seconds)) if seconds else math.nan,
        shared_seeds=study.seeds is not None and len(study.prompts) > 1,
    )
    return answers.of(result.recommendations, result.findings, design=design, warnings=result.warnings)


def cards(findings: Sequence[Finding], known: Mapping[str, Card]) -> list[Finding]:
    """The finding that stands for each score of looks: the one that says most, of single axes before others."""
    found = []
    for name, card in known.items():
        own = [one for one in findings if one.metric == name and one.leads and not costs.counts(card)]
        if own:
            found.append(min(own, key=lambda one: (RANK.index(one.verdict), KINDS.index(_kind(one)))))
    return found[:MOST_CARDS]


def _card(finding: Finding, findings: Sequence[Finding]) -> dict[str, Any]:
    """A card: its finding by its place, and what else is known of the score's axes."""
    others = [one for one in findings if one.metric == finding.metric and one.kind == "axis" and one.leads]
    also = [headlines.write(one) for one in others if one is not finding]
    return {"finding": findings.index(finding), "also": also[:MOST_CARDS]}


def _kind(finding: Finding) -> str:
    return finding.kind if finding.kind in KINDS else "axis"


def _answer(made: Answer) -> dict[str, Any]:
    said = asdict(made)
    del said["choice"]
    return {**said, "at": list(made.choice.at) if made.choice else None}


def _settings(result: Result, made: Answer) -> dict[str, Any]:
    """The table of settings: names of its scores, and a row a setting."""
    layout = columns.read(result.columns(), result.study.axes)
    settings = frames.settings(result.columns(), result.study.axes, result.cards)
    scores = [name for name, card in result.cards.items() if not costs.counts(card) and card.arity != 2]
    shown = [name for name in scores if any(name in one.scores and one.scores[name].images for one in settings)]
    leading = next((one for one in result.recommendations if one.metric == made.metric), None)
    frontier = {point.at for point in leading.points if point.frontier} if leading else set()
    rows = []
    for cell, (at, one) in enumerate(zip(layout.cells, settings, strict=True)):
        mark = "recommended" if made.choice and made.choice.at == at else ""
        rows.append(
            {
                "at": list(at),
                "name": layout.spoken(cell),
                "scores": [_value(one.scores[name].mean) for name in shown],
                "texts": [frames.mean(one.scores[name]) for name in shown],
                "seconds": _value(one.seconds),
                "time": duration(one.seconds) if math.isfinite(one.seconds) else "–",
                "calls": _value(one.calls),
                "called": number(one.calls) if math.isfinite(one.calls) else "–",
                "images": one.images,
                "mark": mark or ("frontier" if at in frontier else ""),
            }
        )
    return {"scores": shown, "rows": rows}


def _value(number: float) -> float | None:
    """A number to sort by; None for what is not finite."""
    return float(f"{number:.6g}") if math.isfinite(number) else None
