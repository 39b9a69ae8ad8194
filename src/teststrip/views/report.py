"""The report of a study: as Markdown with charts, as plain text, as one JSON object. All from one summary.

Knows records and words; computes nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import disk
from teststrip.analysis.advice.best import of_result_columns as best_of_result_columns
from teststrip.analysis.advice.recommendation import Recommendation
from teststrip.analysis.sentences import VERDICTS, between, digits_of, fixed, number
from teststrip.folder import CHARTS, REPORT_FILE, STUDY_FILE
from teststrip.records import Comparison, Finding
from teststrip.views import charts, summary, text_tables
from teststrip.views.summary import Summary
from teststrip.vocabulary import spoken

if TYPE_CHECKING:
    from teststrip.results.result import Result

MOST_ROWS = 100
"""Rows of a table of settings; the rest is counted."""

LEGEND = (
    "Unit of evidence: the prompt. Every comparison is made inside a prompt and seed and averaged over the prompt's "
    "seeds; intervals and tests count prompts, not images. **Different**: p < .05 after Holm over the planned "
    "contrasts of this metric. **No difference that matters**: the 90 % interval lies inside the margin. Anything "
    "else is open, and said to be."
)


def write(result: Result, folder: Path) -> Path:
    """Write `report.md` and its charts into a folder, each in one step; returns the report's path."""
    told = summary.of(result)
    drawn = _charts(told)
    if drawn:
        (folder / CHARTS).mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        disk.replace(folder / CHARTS / name, svg)
    disk.replace(folder / REPORT_FILE, _markdown(told, frozenset(drawn)))
    return folder / REPORT_FILE


def markdown(result: Result) -> str:
    """The report as Markdown; its charts are files that `write` puts beside it."""
    told = summary.of(result)
    return _markdown(told, frozenset(_charts(told)))


def text(result: Result, *, tables: bool = False) -> str:
    """The conclusions in plain text, for a terminal; with `tables`, also the means behind them."""
    told = summary.of(result)
    lines = [f"{told.study.name}: {_size(told)}", ""]
    for sentence in _in_short(told):
        lines += [f"  * {sentence}"]
    behind = [*text_tables.tables(told), ""] if tables else []
    return "\n".join([*lines, *behind, "", *told.outlook()]) + "\n"


def as_json(result: Result) -> dict[str, Any]:
    """Everything the report says as plain JSON values; NaN and infinity become None."""
    told = summary.of(result)
    found: dict[str, Any] = _plain(
        {
            "study": told.study.name,
            "places": told.places,
            "images": told.made,
            "prompts": len(told.study.prompts),
            "replicates": told.replicates,
            "sentences": _in_short(told),
            "findings": [asdict(finding) for finding in told.findings],
            "recommendations": [asdict(recommendation) for recommendation in told.recommendations],
            "dead_axes": list(told.dead),
            "not_computed": told.unscored,
            "missing": [{"cell": c, "reason": r, "images": n} for (c, r), n in told.missing.items()],
            "design": list(told.outlook()),
            "fingerprints": list(told.fingerprints),
            "scored_by": dict(told.scored_by),
            "versions": told.versions(),
        }
    )
    return found


def best_text(result: Result, metric: str | None = None, budget: str | None = None) -> str:
    """What `teststrip best` prints: each recommendation, its settings and its limits."""
    lines = []
    for made in _best(result, metric, budget):
        lines += [
            made.sentence,
            *(f"  {axis} = {label}" for axis, label in (made.choice.levels if made.choice else ())),
        ]
        lines += [*(f"  Note: {limit}" for limit in made.limits), ""]
    return "\n".join(lines) if lines else "No metric here says which end is good: name one with --metric.\n"


def best_as_json(result: Result, metric: str | None = None, budget: str | None = None) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {"study": result.study.name, "recommendations": _plain([asdict(m) for m in _best(result, metric, budget)])}


def _best(result: Result, metric: str | None, budget: str | None) -> tuple[Recommendation, ...]:
    return best_of_result_columns(result.columns(), result.study, result.cards, metric=metric, budget=budget)


def chart_name(*words: str) -> str:
    """A file name from words: "clip_score", "num_inference_steps" -> "clip_score-num_inference_steps.svg"."""
    return "-".join(re.sub(r"[^a-z0-9_]+", "-", word.lower()).strip("-") for word in words if word) + ".svg"


def _charts(told: Summary) -> dict[str, str]:
    found = {}
    for finding in told.findings:
        if finding.kind in ("axis", "convergence"):
            found[_chart_of(finding)] = charts.level_chart(finding)
    for recommendation in told.recommendations:
        found[chart_name(recommendation.metric, "frontier")] = charts.frontier_chart(recommendation)
    return {name: svg for name, svg in found.items() if svg}


def _chart_of(finding: Finding) -> str:
    group = finding.contrast.removeprefix("knee").removeprefix(" with ") if finding.kind == "convergence" else ""
    return chart_name(finding.metric, finding.axis, group)


def _in_short(told: Summary) -> list[str]:
    """The sentences that matter, most urgent first: dead axes, findings about axes, advice, what is missing."""
    kinds = ("axis", "convergence")
    first = [f.sentence for f in told.findings if f.kind in kinds and (f.verdict == "different" or not _cost(told, f))]
    together = [f.sentence for f in told.findings if f.kind == "interaction" and f.verdict == "different"]
    doubts = [f.sentence for f in told.findings if f.kind == "audit" and "recommends nothing" in f.sentence]
    missing = [finding.sentence for finding in told.findings if finding.kind == "missing"]
    left = told.places - told.made - sum(told.missing.values())
    unmade = (
        [f"{left:,} of {told.places:,} images are not made yet; these conclusions rest on the rest."] if left else []
    )
    unscored = [f"{spoken(name)} was not computed: no scores." for name in told.unscored]
    advice = [
        recommendation.sentence for recommendation in told.recommendations if not _repeats(recommendation, doubts)
    ]
    return [*told.dead, *unmade, *first, *together, *doubts, *advice, *missing, *unscored]


def _cost(told: Summary, finding: Finding) -> bool:
    return finding.metric in told.infos and not told.infos[finding.metric].needs_pixels


def _repeats(recommendation: Recommendation, doubts: Sequence[str]) -> bool:
    return any(recommendation.reason and recommendation.reason[1:] in doubt for doubt in doubts)


def _size(told: Summary) -> str:
    cells = len(told.layout.cells)
    return (
        f"{len(told.study.prompts)} prompts × {told.replicates} seed{'s' * (told.replicates != 1)} × {cells} settings, "
        f"{told.made:,} of {told.places:,} images"
    )


def _markdown(told: Summary, drawn: frozenset[str]) -> str:
    lines = [f"# {_escape(told.study.name)}", "", _size(told) + ".", "", "## In short", ""]
    lines += [f"- {_escape(sentence)}" for sentence in _in_short(told)] or ["- Nothing to conclude from yet."]
    lines += ["", LEGEND, ""]
    for metric in told.infos:
        lines += _metric(told, metric, drawn)
    lines += ["## What this design can see", "", *(f"- {_escape(line)}" for line in told.outlook()), ""]
    if told.missing:
        lines += ["## Missing images", ""]
        rows = [[cell, reason, f"{count:,}"] for (cell, reason), count in sorted(told.missing.items())]
        lines += [*_table(["setting", "reason", "images"], rows), ""]
        for finding in told.findings:
            if finding.kind == "missing":
                lines += [_escape(finding.sentence), ""]
    return "\n".join([*lines, *_appendix(told)]) + "\n"


def _metric(told: Summary, metric: str, drawn: frozenset[str]) -> Iterator[str]:
    own = [finding for finding in told.findings if finding.metric == metric]
    name = spoken(metric)
    yield from (f"## {_escape(name[0].upper() + name[1:])}", "")
    if metric in told.unscored:
        yield from ("Not computed: there are no scores.", "")
        return
    for finding in own:
        yield from _finding(finding, drawn)
    for recommendation in told.recommendations:
        if recommendation.metric == metric:
            yield from _recommendation(recommendation, drawn)
    rows = told.cell_means(metric)
    yield from ("### All settings", "")
    cells = [[label, number(mean), f"{number(seconds)} s", f"{images:,}"] for label, mean, seconds, images in rows]
    yield from _table(["setting", f"mean {name}", "median time", "images"], cells[:MOST_ROWS])
    yield from ("", f"… and {len(cells) - MOST_ROWS} more.", "") if len(cells) > MOST_ROWS else ("",)


def _finding(finding: Finding, drawn: frozenset[str]) -> Iterator[str]:
    heading = " and ".join(spoken(axis) for axis in finding.axis.split(" × ")) if finding.axis else "Settings compared"
    heading = {"audit": f"Audit: {heading}", "convergence": f"Convergence{finding.contrast[4:]}"}.get(
        finding.kind, heading
    )
    yield from (f"### {_escape(heading[0].upper() + heading[1:])}", "", f"**{_escape(finding.sentence)}**", "")
    chart = _chart_of(finding)
    if finding.kind in ("axis", "convergence") and chart in drawn:
        axis = spoken("num_inference_steps" if finding.kind == "convergence" else finding.axis)
        yield from (f"![{_escape(spoken(finding.metric))} by {_escape(axis)}]({CHARTS}/{chart})", "")
    if finding.levels and finding.kind in ("axis", "convergence"):
        what = "median distance" if finding.kind == "convergence" else "mean"
        rows = [
            [level.label, number(level.mean), between(level.low, level.high), str(level.prompts), f"{level.images:,}"]
            for level in finding.levels
        ]
        yield from (*_table([spoken(finding.axis), what, "95 % interval", "prompts", "images"], rows), "")
    if finding.comparisons:
        shown = finding.comparisons[:MOST_ROWS]
        heads = ["comparison", "effect", "95 % interval", "90 % interval", "p (Holm)", "prompts", "verdict"]
        rows = [comparison_row(row) for row in shown]
        if finding.kind == "cells":
            rows = [[_spoken_setting(row[0]), *row[1:]] for row in rows]
        yield from (*_table(heads, rows), "")
        if len(finding.comparisons) > MOST_ROWS:
            yield from (f"… and {len(finding.comparisons) - MOST_ROWS} more.", "")
    facts = [f"Method: {finding.method}.", f"n = {finding.prompts} prompts, {finding.images:,} images."]
    if math.isfinite(finding.margin) and finding.kind in ("axis", "interaction", "cells"):
        unit = f" {finding.unit}" if finding.unit else ""
        facts.append(f"Margin: ±{number(finding.margin)}{unit}.")
    yield from (_escape(" ".join(facts)), "")
    if finding.limits:
        yield from (*(f"- {_escape(limit)}" for limit in finding.limits), "")


def _spoken_setting(contrast: str) -> str:
    """The first of two settings, with its axes as people say them."""
    setting = contrast.split(" against ", maxsplit=1)[0]
    return ", ".join(" ".join([spoken(name), *rest]) for name, *rest in map(str.split, setting.split(", ")))


def comparison_row(row: Comparison) -> list[str]:
    """A comparison as cells of a table, with the digits that its interval deserves."""
    p = row.p_family
    shown = "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return [
        row.contrast,
        fixed(row.effect, digits_of(row.low, row.high), signed=True),
        between(row.low, row.high),
        between(row.inner_low, row.inner_high),
        shown,
        str(row.prompts),
        VERDICTS[row.verdict],
    ]


def _recommendation(made: Recommendation, drawn: frozenset[str]) -> Iterator[str]:
    yield from ("### Recommendation", "", f"**{_escape(made.sentence)}**", "")
    chart = chart_name(made.metric, "frontier")
    if chart in drawn:
        yield from (f"![{_escape(spoken(made.metric))} against cost]({CHARTS}/{chart})", "")
    if made.candidates:
        rows = [
            [*comparison_row(row)[:3], "not worse" if row.verdict == "equivalent" else "not proved"]
            for row in made.candidates[:MOST_ROWS]
        ]
        yield from (*_table(["cheaper setting", "difference", "95 % interval", "verdict"], rows), "")
    if made.method:
        yield from (_escape(f"Method: {made.method}."), "")
    if made.limits:
        yield from (*(f"- {_escape(limit)}" for limit in made.limits), "")


def _appendix(told: Summary) -> Iterator[str]:
    yield from ("## To reproduce", "", "```", f"teststrip run {_file_name(told)}", "```", "")
    yield from ("Versions here: " + ", ".join(f"{name} {value}" for name, value in told.versions().items()) + ".", "")
    for index, facts in enumerate(told.fingerprints, 1):
        yield from _facts(f"What made the pictures ({index} of {len(told.fingerprints)})", facts)
    for name, facts in told.scored_by.items():
        yield from _facts(f"What scored: {_escape(spoken(name))}", facts)


def _facts(head: str, facts: Mapping[str, object]) -> Iterator[str]:
    text = json.dumps(_plain(facts), indent=1, sort_keys=True, ensure_ascii=False).replace("```", "` ` `")
    yield from (f"{head}:", "", "```json", text, "```", "")


def _file_name(told: Summary) -> str:
    return f"{STUDY_FILE} --out {told.study.name}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(["---", *["---:"] * (len(heads) - 1)]) + "|"]
    return lines + ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]


def _escape(text: str) -> str:
    """Text that Markdown shows as it is: labels and prompts come from anywhere."""
    return re.sub(r"([\\`*_{}\[\]<>|#!])", r"\\\1", re.sub(r"\s+", " ", text))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
