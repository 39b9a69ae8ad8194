"""The full report of a study, as Markdown with charts, as plain text and as one JSON object; the short one is `brief`.

All from one summary. Knows records and words; computes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip.analysis.advice.recommendation import Recommendation
from teststrip.analysis.sentences import fidelity, judges, votes
from teststrip.analysis.sentences.phrases import (
    VERDICTS,
    between,
    capital,
    count,
    digits_of,
    fixed,
    number,
    setting,
    with_group,
)
from teststrip.analysis.sentences.phrases import seeds as counted_seeds
from teststrip.characters import printable
from teststrip.folder import CHARTS, FULL_REPORT_FILE, REPORT_FILE, STUDY_FILE
from teststrip.records import Comparison, Finding, Preferred
from teststrip.results import polled
from teststrip.store import inside
from teststrip.views import brief, charts, text_tables
from teststrip.views import summary as summaries
from teststrip.views.markdown import escape, table
from teststrip.views.summary import Summary
from teststrip.vocabulary import spoken

if TYPE_CHECKING:
    from teststrip.results.result import Result

MOST_ROWS = 100
"""Rows of a table of settings; the rest is counted."""

IN_SD = "1 SD is what the score changes when nothing but the seed does."
"""Stands before what a design can see, where figures are in this unit."""


def write(result: Result, folder: Path) -> Path:
    """Write both reports and their charts into a folder, each file in one step; returns the short report's path."""
    summary = summaries.of(result)
    drawn = charts.drawn(summary.told, summary.recommendations)
    for name, svg in drawn.items():
        inside.write(folder, f"{CHARTS}/{name}", svg)
    inside.write(folder, FULL_REPORT_FILE, _full_markdown(summary, frozenset(drawn)))
    return inside.write(folder, REPORT_FILE, brief.markdown(brief.of(summary), frozenset(drawn)))


def text(result: Result, width: int | None = None) -> str:
    """The short report for a terminal of that width; None = of any width."""
    return brief.text(brief.of(summaries.of(result)), f"teststrip report {result.folder} --full", width)


def markdown(result: Result) -> str:
    """The short report as Markdown; its charts are files that `write` puts beside it."""
    summary = summaries.of(result)
    return brief.markdown(brief.of(summary), frozenset(charts.drawn(summary.told, summary.recommendations)))


def full_text(result: Result) -> str:
    """All conclusions in plain text, the means behind them, and what the design can see."""
    summary = summaries.of(result)
    lines = [f"{summary.study.name}: {brief.size(summary)}", ""]
    for claim, *more in summary.points():
        lines += [f"  * {claim}", *(f"    - {line}" for line in more)]
    for head, *said in _voted(summary):
        lines += ["", head, *(f"  * {line}" for line in said)]
    return "\n".join([*lines, *text_tables.tables(summary), "", "", IN_SD, *summary.outlook]) + "\n"


def full_markdown(result: Result) -> str:
    """The full report as Markdown; its charts are files that `write` puts beside it."""
    summary = summaries.of(result)
    return _full_markdown(summary, frozenset(charts.drawn(summary.told, summary.recommendations)))


def as_json(result: Result) -> dict[str, Any]:
    """Everything the report says as plain JSON values; NaN and infinity become None."""
    summary = summaries.of(result)
    found: dict[str, Any] = plain(
        {
            "study": summary.study.name,
            "places": summary.places,
            "images": summary.made,
            "prompts": len(summary.study.prompts),
            "replicates": summary.study.images_each,
            "sentences": summary.in_short(),
            "findings": [_record(finding) for finding in summary.findings],
            "recommendations": [asdict(recommendation) for recommendation in summary.recommendations],
            "looks": [asdict(look) for look in summary.looks],
            "question_changes": [asdict(change) for change in summary.question_changes],
            "across_scores": asdict(summary.across) if summary.across else None,
            "dead_axes": list(summary.dead),
            "not_computed": summary.unscored,
            "missing": [{"cell": c, "reason": r, "images": n} for (c, r), n in summary.missing.items()],
            "design": list(summary.outlook),
            "fingerprints": list(summary.fingerprints),
            "scored_by": dict(summary.scored_by),
            "versions": summary.versions(),
            **({"votes": [asdict(one) for one in summary.polled]} if summary.polled else {}),
        }
    )
    return found


def _voted(summary: Summary) -> Iterator[tuple[str, ...]]:
    """For each kind of rater a head, and all that the votes say."""
    for one in summary.polled:
        yield (votes.headline(one), *votes.told(one))


def _record(finding: Finding) -> dict[str, Any]:
    """A finding as JSON: under the name `design`, as the page has it, the design that would settle it."""
    found = asdict(finding)
    found["design"] = found.pop("alternative")
    return found


def best_text(result: Result, metric: str | None = None, budget: str | None = None) -> str:
    """What `teststrip best` prints: each recommendation, its settings and its limits."""
    lines = []
    for made in result.advice(metric, budget=budget):
        lines += [
            made.sentence,
            *(f"  {axis} = {label}" for axis, label in (made.choice.levels if made.choice else ())),
        ]
        lines += [*(f"  Note: {limit}" for limit in made.limits), ""]
    return "\n".join(lines) if lines else "No metric here says which end is good: name one with --metric.\n"


def best_by_votes(result: Result, budget: str | None = None) -> str:
    """What `teststrip best --by votes` prints: the recommendation and its settings."""
    made = polled.best(result, budget)
    levels = (f"  {axis} = {label}" for axis, label in made.levels)
    return "\n".join([votes.preferred(made), *levels, *_of_judges(result, made)]) + "\n"


def best_by_votes_as_json(result: Result, budget: str | None = None) -> dict[str, Any]:
    """The recommendation by votes as plain JSON values."""
    made = polled.best(result, budget)
    told = {**asdict(made), "sentence": votes.preferred(made), "judges": _of_judges(result, made)}
    return {"study": result.study.name, "by_votes": plain(told)}


def _of_judges(result: Result, made: Preferred) -> list[str]:
    """Whether the judges whose votes recommend something see what persons see; nothing where persons recommend it."""
    return [judges.witnessed(one) for found in result.polled if found.kind == made.kind for one in found.judges]


def best_as_json(result: Result, metric: str | None = None, budget: str | None = None) -> dict[str, Any]:
    """Each recommendation as plain JSON values."""
    return {
        "study": result.study.name,
        "recommendations": plain([asdict(m) for m in result.advice(metric, budget=budget)]),
    }


def _full_markdown(summary: Summary, drawn: frozenset[str]) -> str:
    lines = [f"# {escape(summary.study.name)}", "", brief.size(summary) + ".", "", "## In short", ""]
    for claim, *more in summary.points() or [("Nothing to conclude from yet.",)]:
        lines += [f"- {escape(claim)}", *(f"  - {escape(line)}" for line in more)]
    lines += ["", brief.LEGEND, ""]
    for head, *said in _voted(summary):
        lines += [f"## {escape(head)}", "", *(f"- {escape(line)}" for line in said), ""]
    for metric in summary.cards:
        lines += _metric(summary, metric, drawn)
    lines += ["## What this design can see", "", IN_SD, "", *(f"- {escape(line)}" for line in summary.outlook), ""]
    if summary.missing:
        lines += ["## Missing images", ""]
        rows = [[cell, reason, f"{count:,}"] for (cell, reason), count in sorted(summary.missing.items())]
        lines += [*table(["setting", "reason", "images"], rows), ""]
        for finding in summary.findings:
            if finding.kind == "missing":
                lines += [escape(finding.sentence), ""]
    return printable("\n".join([*lines, *_appendix(summary)]) + "\n")


def _metric(summary: Summary, metric: str, drawn: frozenset[str]) -> Iterator[str]:
    own = [finding for finding in summary.told if finding.metric == metric]
    name = spoken(metric)
    yield from (f"## {escape(capital(name))}", "")
    if metric in summary.unscored:
        yield from ("Not computed: there are no scores.", "")
        return
    common = [limit for limit in own[0].limits if all(limit in one.limits for one in own)] if len(own) > 1 else []
    if common:
        yield from ("What limits every answer here:", "", *(f"- {escape(limit)}" for limit in common), "")
    for finding in own:
        yield from _finding(replace(finding, limits=tuple(one for one in finding.limits if one not in common)), drawn)
    for recommendation in summary.recommendations:
        if recommendation.metric == metric:
            yield from _recommendation(recommendation, drawn, known=common)
    if not summary.by_setting(metric):
        return
    rows = summary.cell_means(metric)
    yield from ("### All settings", "")
    cells = [[label, number(mean), f"{number(seconds)} s", f"{images:,}"] for label, mean, seconds, images in rows]
    yield from table(["setting", f"mean {name}", "median time", "images"], cells[:MOST_ROWS])
    yield from ("", f"… and {len(cells) - MOST_ROWS} more.", "") if len(cells) > MOST_ROWS else ("",)


def _heading(finding: Finding) -> str:
    """What a finding is about: "guidance and steps", "Audit: steps", "Convergence with UniPC"."""
    if finding.kind == "convergence":
        return f"Convergence{with_group(finding.group)}"
    if finding.fidelity:
        return f"the same picture as with {setting(finding.fidelity.reference)}, {finding.scope}"
    if finding.kind == "cells" or finding.asked is None:
        return "Settings compared"
    axes = " and ".join(spoken(level.axis) for level in finding.asked.plus)
    return f"Audit: {axes}" if finding.kind == "audit" else f"{axes}, {finding.scope}"


def _finding(finding: Finding, drawn: frozenset[str]) -> Iterator[str]:
    heading = _heading(finding)
    claim, *more = finding.lines or (finding.sentence,)
    yield from (f"### {escape(capital(heading))}", "", f"**{escape(claim)}**", "")
    if more:
        yield from (escape(" ".join(more)), "")
    chart = charts.name_of(finding)
    if finding.kind in ("axis", "convergence", "fidelity", "interaction") and chart in drawn:
        axis = spoken("num_inference_steps" if finding.kind == "convergence" else finding.axis)
        axis = f"{spoken(finding.curves[0].axis)} and {spoken(finding.curves[0].by)}" if finding.curves else axis
        yield from (f"![{escape(spoken(finding.metric))} by {escape(axis)}]({CHARTS}/{chart})", "")
    if finding.levels and finding.kind in ("axis", "convergence"):
        what = "median distance" if finding.kind == "convergence" else "mean"
        rows = [
            [level.label, number(level.mean), between(level.low, level.high), str(level.prompts), f"{level.images:,}"]
            for level in finding.levels
        ]
        yield from (*table([spoken(finding.axis), what, "95 % interval", "prompts", "images"], rows), "")
    if finding.fidelity:
        heads, rows = fidelity.rows(finding)
        yield from (*table([escape(head) for head in heads], rows), "")
    if finding.comparisons:
        shown = finding.comparisons[:MOST_ROWS]
        heads = ["comparison", "effect", "95 % interval", "90 % interval", "p (Holm)", "prompts", "verdict"]
        rows = [comparison_row(row) for row in shown]
        if finding.kind == "cells":  # each against the best, which the sentence names
            rows = [[setting(row.asked.plus), *cells[1:]] for row, cells in zip(shown, rows, strict=True)]
        yield from (*table(heads, rows), "")
        if len(finding.comparisons) > MOST_ROWS:
            yield from (f"… and {len(finding.comparisons) - MOST_ROWS} more.", "")
    seeds = f"{counted_seeds(finding.seeds, paired=finding.paired)}, " if finding.seeds else ""
    n = f"{count(finding.prompts, 'prompt')}, {seeds}{finding.images:,} images"
    facts = [f"Method: {finding.method}.", f"n = {n}."]
    if math.isfinite(finding.margin) and finding.kind in ("axis", "interaction", "cells"):
        unit = f" {finding.unit}" if finding.unit else ""
        facts.append(f"Margin: ±{number(finding.margin)}{unit}.")
    yield from (escape(" ".join(facts)), "")
    if finding.limits:
        yield from (*(f"- {escape(limit)}" for limit in finding.limits), "")


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


def _recommendation(made: Recommendation, drawn: frozenset[str], *, known: Sequence[str]) -> Iterator[str]:
    yield from ("### Recommendation", "", f"**{escape(made.sentence)}**", "")
    chart = charts.frontier_name(made)
    if chart in drawn:
        yield from (f"![{escape(spoken(made.metric))} against cost]({CHARTS}/{chart})", "")
    if made.candidates:
        rows = [
            [*comparison_row(row)[:3], "not worse" if row.verdict == "equivalent" else "not proved"]
            for row in made.candidates[:MOST_ROWS]
        ]
        yield from (*table(["cheaper setting", "difference", "95 % interval", "verdict"], rows), "")
    if made.method:
        yield from (escape(f"Method: {made.method}."), "")
    limits = [limit for limit in made.limits if limit not in known]
    if limits:
        yield from (*(f"- {escape(limit)}" for limit in limits), "")


def _appendix(summary: Summary) -> Iterator[str]:
    yield from ("## To reproduce", "", "```", f"teststrip run {_file_name(summary)}", "```", "")
    versions = ", ".join(f"{name} {value}" for name, value in summary.versions().items())
    yield from (f"Versions here: {versions}.", "")
    for index, facts in enumerate(summary.fingerprints, 1):
        yield from _facts(f"What made the pictures ({index} of {len(summary.fingerprints)})", facts)
    for name, facts in summary.scored_by.items():
        yield from _facts(f"What scored: {escape(spoken(name))}", facts)


def _facts(head: str, facts: Mapping[str, object]) -> Iterator[str]:
    text = json.dumps(plain(facts), indent=1, sort_keys=True, ensure_ascii=False).replace("```", "` ` `")
    yield from (f"{head}:", "", "```json", text, "```", "")


def _file_name(summary: Summary) -> str:
    return f"{STUDY_FILE} --out {summary.study.name}"


def plain(value: Any) -> Any:
    """A value as JSON can have it: NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
