"""The report that is read: the answer, what was found, the best settings, what to bear in mind. One screen.

Each claim stands here once, and so does each limit; tables of comparisons, methods and the facts to reproduce a study
by are in the full report (`report.py`). Costs are facts of the table and no findings. Knows a summary and words;
computes nothing.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from teststrip.analysis.advice.answer import Answer, card
from teststrip.analysis.sentences import costs, fidelity, votes
from teststrip.analysis.sentences.phrases import count, duration, number
from teststrip.characters import printable
from teststrip.folder import CHARTS, FULL_REPORT_FILE
from teststrip.records import Finding
from teststrip.results import frames
from teststrip.rows import grid
from teststrip.views import charts
from teststrip.views.markdown import escape, table
from teststrip.views.summary import Summary
from teststrip.views.text_tables import aligned
from teststrip.vocabulary import spoken

MOST_ROWS = 5
"""Settings in the table beside those that the answer names; the others are counted."""
MOST_SCORES = 3
"""Scores in the table, so that a row fits on a line."""


LEGEND = (
    "**How to read this.** *On these prompts* is about the prompts of this study and no others; more seeds make it "
    "surer. *For prompts like these* is about other prompts of their kind; only more prompts make it surer, and it "
    "takes six. Brackets hold the differences that fit the pictures. *Less than … counts as no change* is the margin, "
    "the smallest difference that matters. *Not settled* is no answer: neither yes nor no. Terms and rules: "
    "docs/statistics.md."
)


@dataclass(frozen=True)
class Brief:
    """What a reader needs first.

    Attributes:
        name: of the study.
        size: what was asked and how much of it there is.
        answer: what to use, or what can be said instead; its caveats stand in `mind`.
        also: the recommendations by other scores, a sentence or two each.
        found: claims; each with the lines that say how to settle it, where it is not settled.
        shown: the charts of claims and recommendations, by the name of the file, with the words in their place.
        heads: of the table of settings: a mark, the axes, scores, costs, images.
        rows: the best settings first; those that the answer names, wherever they stand, with a mark in the first cell.
        axes: how many columns name a setting, with the mark.
        others: how many settings the table leaves out.
        mind: limits, warnings and what is missing, a sentence or two each.
        votes: for persons and for judges, whose votes they are, and then what they say; empty where no one voted.
    """

    name: str
    size: str
    answer: Answer
    also: tuple[str, ...]
    found: tuple[tuple[str, ...], ...]
    shown: dict[str, str]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    axes: int
    others: int
    mind: tuple[str, ...]
    votes: tuple[tuple[str, ...], ...] = ()


def of(summary: Summary) -> Brief:
    """The short report of a summary."""
    told = summary.leading()
    heads, rows = _settings(summary)
    told_rows = tuple(row for place, row in enumerate(rows) if place < MOST_ROWS or row[0])
    if len(rows) == len(told_rows) + 1:  # "and 1 more" would take the line of that row
        told_rows = tuple(rows)
    return Brief(
        name=summary.study.name,
        size=size(summary),
        answer=summary.answer,
        also=tuple(summary.advice(but=summary.answer.metric)),
        found=(*((line,) for line in summary.dead), *map(_claim, told)),
        shown=_charts(summary, told),
        heads=heads,
        rows=told_rows,
        axes=1 + len(summary.study.axes),
        others=len(rows) - len(told_rows),
        mind=tuple(dict.fromkeys(_mind(summary))),
        votes=tuple((votes.headline(one), *votes.short(one)) for one in summary.polled),
    )


def size(summary: Summary) -> str:
    """What was asked, and how much of it there is."""
    prompts, seeds = count(len(summary.study.prompts), "prompt"), count(summary.study.images_each, "seed")
    settings = count(len(summary.layout.cells), "setting")
    return f"{prompts} × {seeds} × {settings}, {summary.made:,} of {count(summary.places, 'image')}"


def _claim(finding: Finding) -> tuple[str, ...]:
    """The claim; where it is not settled, also what would settle it; of fidelity, which prompts changed most."""
    if finding.fidelity:
        return tuple(fidelity.short(finding))
    claim, *more = finding.lines or (finding.sentence,)
    return (claim, *more) if finding.verdict in ("inconclusive", "insufficient design") else (claim,)


def _charts(summary: Summary, told: Sequence[Finding]) -> dict[str, str]:
    """The charts of scores that may recommend, because a short report shows only what decides."""
    able = [made for made in summary.recommendations if not summary.cards[made.metric].describes]
    found = {charts.frontier_name(made): f"{spoken(made.metric)} against cost" for made in able}
    return found | {
        charts.name_of(one): f"{spoken(one.metric)} by {spoken(one.axis)}"
        for one in told
        if one.kind == "axis" and one.metric in {made.metric for made in able}
    }


def _settings(summary: Summary) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Heads and rows of all settings, the best by the score that decides first."""
    axes = summary.study.axes
    looks = [name for name, card in summary.cards.items() if not costs.counts(card) and summary.by_setting(name)]
    scores = [name for name in looks if name not in summary.unscored]
    able = [made.metric for made in summary.recommendations if not summary.cards[made.metric].describes]
    shown = [*(name for name in able if name in scores), *(name for name in scores if name not in able)][:MOST_SCORES]
    settings = list(summary.settings)
    if shown and summary.cards[shown[0]].higher_is_better is not None:
        sign = -1 if summary.cards[shown[0]].higher_is_better else 1
        settings.sort(key=lambda one: sign * one.scores[shown[0]].mean if one.scores[shown[0]].images else math.inf)
    shorts = [dict(zip(axis.labels, grid.short(axis.labels), strict=True)) for axis in axes]
    chosen = {made.choice.levels for made in summary.recommendations if made.choice}
    times = [duration(one.seconds) if math.isfinite(one.seconds) else "–" for one in settings]
    calls = [number(one.calls) if math.isfinite(one.calls) else "–" for one in settings]
    spent = {name: said for name, said in (("time", times), ("calls", calls)) if set(said) != {"–"}}
    rows = []
    for place, one in enumerate(settings):
        mark = "→" if tuple(zip((axis.name for axis in axes), one.labels, strict=True)) in chosen else ""
        means = [frames.mean(one.scores[name]) for name in shown]
        names = (short[label] for short, label in zip(shorts, one.labels, strict=True))
        rows.append((mark, *names, *means, *(said[place] for said in spent.values()), f"{one.images:,}"))
    heads = ("", *(spoken(axis.name) for axis in axes), *map(spoken, shown), *spent, "images")
    return heads, tuple(rows)


def _mind(summary: Summary) -> Iterator[str]:
    yield from (*summary.urgent(), *summary.doubts(), *summary.missed())
    if summary.across and summary.across.axes:
        yield summary.across.text
    for made in summary.recommendations:
        if not summary.cards[made.metric].describes:
            yield from made.limits


def text(brief: Brief, more: str, width: int | None = None) -> str:
    """The short report for a terminal.

    Args:
        brief: what it says.
        more: the command that prints everything.
        width: of the terminal; columns of the table that do not fit are named below it. None = any width.
    """
    lines = [f"{brief.name}: {brief.size}", "", *(f"│ {line}" for line in card(brief.answer)), ""]
    lines += [line for said in brief.also for line in (said, "")]
    if brief.found:
        lines += ["What was found", *_bullets(brief.found, "  * ", "    - "), ""]
    for head, *said in brief.votes:
        lines += [head, *_bullets([(line,) for line in said], "  * ", ""), ""]
    lines += [*_table(brief, width or sys.maxsize), *([f"  … and {brief.others} more"] if brief.others else []), ""]
    if brief.mind:
        lines += ["Bear in mind", *_bullets([(line,) for line in brief.mind], "  * ", ""), ""]
    return "\n".join([*lines, f"Tables, methods, what the design can see: {more}"]) + "\n"


def _table(brief: Brief, width: int) -> list[str]:
    """The table of settings, narrow enough: the last columns go first, never those that name a setting."""
    kept = len(brief.heads)
    while True:
        lines = aligned(brief.heads[:kept], [row[:kept] for row in brief.rows])
        if max(map(len, lines)) <= width or kept <= brief.axes + 1:
            break
        kept -= 1
    left_out = brief.heads[kept:]
    return [*lines, *([f"  no room here for: {', '.join(left_out)}"] if left_out else [])]


def _bullets(points: Sequence[Sequence[str]], first: str, second: str) -> Iterator[str]:
    for point in points:
        yield from (f"{second if number else first}{line}" for number, line in enumerate(point))


def markdown(brief: Brief, drawn: frozenset[str]) -> str:
    """The short report as Markdown.

    Args:
        brief: what it says.
        drawn: names of the charts that there are.
    """
    lines = [f"# {escape(brief.name)}", "", f"{brief.size}.", ""]
    headline, *more = card(brief.answer)
    lines += [f"**{escape(headline)}**", "", *(f"{escape(line)}  " for line in more), ""]
    lines += [line for said in brief.also for line in (escape(said), "")]
    if brief.found:
        escaped = [[escape(line) for line in point] for point in brief.found]
        lines += ["## What was found", "", *_bullets(escaped, "- ", "  - "), ""]
    for head, *told in brief.votes:
        lines += [f"## {escape(head)}", "", *(f"- {escape(line)}" for line in told), ""]
    lines += [f"![{escape(words)}]({CHARTS}/{name})\n" for name, words in brief.shown.items() if name in drawn]
    lines += ["## Settings", "", *table([escape(head) for head in brief.heads], brief.rows), ""]
    lines += [f"… and {brief.others} more.", ""] if brief.others else []
    if brief.mind:
        lines += ["## Bear in mind", "", *(f"- {escape(line)}" for line in brief.mind), ""]
    lines += [LEGEND, "", f"[All tables, methods and limits]({FULL_REPORT_FILE})"]
    return printable("\n".join(lines) + "\n")
