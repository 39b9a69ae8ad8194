"""The board: everything a page shows of a study, as plain JSON-able data.

Made from a `Result`; read by the page's JavaScript (`assets/board.js` documents the same structure from the other
side). Knows nothing of HTML, files of a page, or servers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from teststrip.analysis.numbers.effects import scale
from teststrip.analysis.sentences import costs, headlines
from teststrip.analysis.sentences import votes as voted
from teststrip.analysis.sentences.answers import lines, told
from teststrip.analysis.sentences.phrases import VERDICTS, between, digits_of, fixed, number
from teststrip.errors import PictureError, StoreError
from teststrip.records import Axis, Card, Estimate, Finding, Prompt, Row, Study, Value
from teststrip.rows import dead, grid
from teststrip.study.pictures import written
from teststrip.views import head as heads
from teststrip.vocabulary import spoken

if TYPE_CHECKING:
    from teststrip.results.result import Result

FORMAT = 1
_OF_A_PICTURE = ("file", "digest", "size", "seconds", "scores", "calls", "thumb")
_GONE = "its file cannot be read. Run: teststrip verify"
DIGITS = 6  # of a score or a time: more than a person reads, a third of the bytes


def of(result: Result) -> dict[str, Any]:
    """The board of a result, finished or not."""
    rows = result.rows()
    across = result.across
    return build(
        result.study,
        rows,
        cards=result.cards,
        findings=result.findings,
        warnings=warnings(result),
        across=across.text if across else "",
        head=heads.of(result),
        votes=votes(result),
    )


def votes(result: Result) -> list[str]:
    """What raters say by now, a paragraph each; empty where no one voted."""
    return [line for one in result.polled for line in (f"{voted.headline(one)}:", *voted.short(one))]


def warnings(result: Result) -> list[str]:
    """What people must know before they look: dead axes, strange scores, earlier looks, a sentence each."""
    return [*(axis.sentence for axis in dead.dead_axes(result.rows())), *result.warnings, *result.history]


def build(
    study: Study,
    rows: Iterable[Row],
    *,
    cards: Mapping[str, Card] | None = None,
    findings: Sequence[Finding] = (),
    warnings: Sequence[str] = (),
    across: str = "",
    head: Mapping[str, Any] | None = None,
    votes: Sequence[str] = (),
) -> dict[str, Any]:
    """The board of a study and its rows.

    Args:
        study: what was asked.
        rows: one for each place of the design, in the order of the plan.
        cards: what is known of each metric; a score without a card is shown as a bare number.
        findings: most important first.
        warnings: sentences to show above them.
        across: what several scores say together, a paragraph to show below them.
        head: what stands at the top (`head.of`); its cards name findings by their place among those given here.
        votes: what raters say, a paragraph each; the key `votes` stands for a study that has some.

    Returns:
        `format, study, axes, prompts, titles, metrics, cells, places, findings, head, across, warnings, progress`.
        `titles` has what people call each axis, score and setting. `places` has one entry a row; `file` paths are
        relative to the study folder. NaN becomes None.
    """
    rows, cards = list(rows), cards or {}
    names = list(dict.fromkeys([*study.question.metrics, *(name for row in rows for name in row.scores)]))
    prompts = {prompt.id: index for index, prompt in enumerate(study.prompts)}
    levels = [{label: index for index, label in enumerate(axis.labels)} for axis in study.axes]
    common = _common_settings(rows)
    cells = _Cells(study.axes, levels, common)
    asked = [
        one
        for one in sorted(findings, key=lambda finding: not finding.leads)
        if one.kind == "missing" or not costs.counts(cards.get(one.metric, Card(one.metric)))
    ]
    places = [_place(index, row, cells=cells, prompts=prompts, names=names) for index, row in enumerate(rows)]
    return {
        "format": FORMAT,
        "study": {
            "name": study.name,
            "engines": {alias: ref.name for alias, ref in study.engines.items()},
            "settings": common,
            "replicates": study.images_each,
            "question": list(study.question.metrics),
            "seeds": list(study.seeds) if study.seeds else None,
        },
        "axes": [_axis(axis) for axis in study.axes],
        "prompts": [_prompt(prompt) for prompt in study.prompts],
        "titles": _titles(study, names, cells.seen, common),
        "metrics": [_metric(cards.get(name, Card(name))) for name in names],
        "cells": cells.seen,
        "places": places,
        "findings": [_finding(finding) for finding in asked],
        "head": _head(head, findings, asked) if head else {},
        "across": across,
        "warnings": list(warnings),
        "progress": progress(places),
        **({"votes": list(votes)} if votes else {}),
    }


def progress(places: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How far the study is: planned, made, failed."""
    made = sum("file" in place for place in places)
    failed = sum("failure" in place for place in places)
    return {"total": len(places), "made": made, "failed": failed}


def to_json(board: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element: `<`, `>`, `&` and the line separators are escaped."""
    text = json.dumps(board, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate is legal in a Python string and no UTF-8: the page shows a replacement character instead.
    text = text.encode("utf-8", "replace").decode("utf-8")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def shown(board: Mapping[str, Any], show: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
    """The board as a page shows it.

    Args:
        board: as `build` makes it.
        show: what a page shows of a place that has a picture; a picture that cannot be read raises StoreError or
            PictureError, counts as missing, and is said in a warning, and the page goes on.
    """
    places, missing = [], []
    for place in board["places"]:
        try:
            places.append(show(place) if "file" in place else place)
        except (StoreError, PictureError) as error:
            missing.append(str(error))
            kept = {name: value for name, value in place.items() if name not in _OF_A_PICTURE}
            places.append({**kept, "failure": {"reason": "invalid", "text": _GONE, "retryable": True}})
    if not missing:
        return {**board, "places": places}
    count = "1 picture" if len(missing) == 1 else f"{len(missing)} pictures"
    said = f"{count} cannot be read, for example: {missing[0]}"
    counts = {**board["progress"], **progress(places)}
    return {**board, "places": places, "progress": counts, "warnings": [*board["warnings"], said]}


def pictures(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The places that have a picture."""
    return (place for place in board["places"] if "file" in place)


class _Cells:
    """The cells seen so far, each with the settings that its shots share beyond the common ones."""

    def __init__(self, axes: Sequence[Axis], levels: Sequence[Mapping[str, int]], common: Mapping[str, Value]) -> None:
        self.axes, self.levels, self.common = axes, levels, common
        self.seen: list[dict[str, Any]] = []
        self.index: dict[tuple[int, ...], int] = {}

    def of(self, row: Row) -> int:
        labels = dict(row.planned.cell.levels)
        at = tuple(known[labels[axis.name]] for axis, known in zip(self.axes, self.levels, strict=True))
        if at not in self.index:
            self.index[at] = len(self.seen)
            shot = row.planned.shot
            self.seen.append(
                {
                    "at": list(at),
                    "engine": shot.engine.name,
                    "options": {name: _plain(value) for name, value in shot.engine.options.items()},
                    "settings": {
                        name: _plain(value)
                        for name, value in shot.settings.items()
                        if name not in self.common and name not in _own(row)
                    },
                }
            )
        return self.index[at]


def _place(index: int, row: Row, *, cells: _Cells, prompts: Mapping[str, int], names: Sequence[str]) -> dict[str, Any]:
    planned, image = row.planned, row.image
    place: dict[str, Any] = {
        "i": index,
        "shot": planned.shot.id,
        "cell": cells.of(row),
        "prompt": prompts[planned.prompt.id],
        "replicate": planned.replicate,
        "seed": planned.shot.seed,
    }
    if planned.shot.prompt != planned.prompt.text:
        place["text"] = planned.shot.prompt
    if image is not None:
        place["file"] = str(PurePosixPath(image.path))
        place["digest"] = image.digest
        place["size"] = [image.width, image.height]
        place["seconds"] = _number(image.seconds)
        place["scores"] = [_number(row.scores.get(name)) for name in names]
        calls = image.facts.get("denoiser_calls")
        if isinstance(calls, int | float):
            place["calls"] = calls
    elif row.failure is not None:
        place["failure"] = {
            "reason": row.failure.reason,
            "text": row.failure.text,
            "retryable": row.failure.retryable,
        }
    return place


def _own(row: Row) -> set[str]:
    """Settings that a shot has from its prompt and replicate, not from its cell."""
    return {"prompt", "seed", *row.planned.prompt.settings}


def _common_settings(rows: Sequence[Row]) -> dict[str, Value]:
    """The settings that have one value in all shots, prompt and seed left aside."""
    if not rows:
        return {}
    common = {k: v for k, v in rows[0].planned.shot.settings.items() if k not in _own(rows[0])}
    for row in rows:
        settings = row.planned.shot.settings
        for name in [name for name, value in common.items() if settings.get(name, _ABSENT) != value]:
            del common[name]
    return {name: _plain(value) for name, value in common.items()}


_ABSENT = object()


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "kind": axis.kind,
        "labels": list(axis.labels),
        "short": grid.short(axis.labels),
        "numbers": list(axis.numbers) if axis.numbers else None,
        "logarithmic": axis.numbers is not None and scale(axis.numbers)[1],
        "settings": [{name: _plain(value) for name, value in level.settings.items()} for level in axis.levels],
        "options": [{name: _plain(value) for name, value in level.options.items()} for level in axis.levels],
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    given = {"label": prompt.label, "pictures": written(prompt)} if prompt.pictures else {}
    return {"id": prompt.id, "text": prompt.text, "tags": list(prompt.tags), **given}


def _metric(card: Card) -> dict[str, Any]:
    facts = {"name": card.name, "unit": card.unit, "higher_is_better": card.higher_is_better}
    return {**facts, "describes": card.describes}


def _titles(
    study: Study, scores: Sequence[str], cells: Sequence[Mapping[str, Any]], common: Mapping[str, Value]
) -> dict[str, str]:
    settings = (name for cell in cells for name in cell["settings"])
    return {name: spoken(name) for name in (*(axis.name for axis in study.axes), *scores, *common, *settings)}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "metric": finding.metric,
        "axis": finding.axis,
        "contrast": finding.contrast,
        "effect": _number(finding.effect),
        "low": _number(finding.low),
        "high": _number(finding.high),
        "level": _number(finding.level),
        "margin": _number(finding.margin),
        "p": _number(finding.p),
        "scope": finding.scope,
        "prompts": finding.prompts,
        "images": finding.images,
        "verdict": finding.verdict,
        "method": finding.method,
        "more_prompts": finding.more_prompts,
        "sentence": told(finding) or f"{spoken(finding.metric)}: {finding.contrast}",
        "lines": list(lines(finding)),
        "headline": headlines.write(finding),
        "detail": headlines.detail(finding),
        "answer": VERDICTS[finding.verdict],
        "kind": finding.kind,
        "design": finding.alternative,
        "limits": list(finding.limits),
        "levels": [_point(level) for level in finding.levels],
        "curves": [
            {"axis": one.axis, "by": one.by, "label": one.label, "points": [_point(point) for point in one.points]}
            for one in finding.curves
        ],
    }


def _point(level: Estimate) -> dict[str, Any]:
    """A point of a chart, with what is said of it."""
    return {
        "label": level.label,
        "x": _number(level.x),
        "mean": _number(level.mean),
        "low": _number(level.low),
        "high": _number(level.high),
        "prompts": level.prompts,
        "text": estimate(level),
    }


def _head(head: Mapping[str, Any], findings: Sequence[Finding], asked: Sequence[Finding]) -> dict[str, Any]:
    """The head with its cards' findings by their place among those that the page has."""
    cards = [{**card, "finding": asked.index(findings[card["finding"]])} for card in head["cards"]]
    return {**head, "cards": cards}


def estimate(level: Estimate) -> str:
    """The mean of a level with its interval, in words."""
    if not math.isfinite(level.low):
        return number(level.mean)
    mean = fixed(level.mean, digits_of(level.low, level.high))
    return f"{mean} (95 % from {between(level.low, level.high)})"


def _plain(value: Value) -> Value:
    """A setting as JSON can hold it: exact, but words for what is not finite."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float | None:
    """A JSON number: shortened; None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")
