"""Charts as SVG text, drawn from findings and recommendations alone. Knows shapes and numbers; writes no file.

Every mark carries its numbers (`data-label`, `data-mean`, `data-low`, `data-high`), so that a chart can be read back
and held against the table and the sentence made from the same record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from teststrip.analysis.advice.recommendation import Recommendation
from teststrip.analysis.numbers.effects import scale
from teststrip.analysis.sentences.phrases import capital, number
from teststrip.characters import printable
from teststrip.records import Estimate, Finding
from teststrip.vocabulary import spoken

NAMESPACE = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 40, 56
LABEL_WIDTH, LABEL_HEIGHT = 7.0, 13.0
"""Pixels of a character at 12 px, for keeping labels apart."""

STYLE = """
svg{background:#fff;color:#1b1f24;font:12px system-ui,sans-serif}
.axis,.bar{stroke:currentColor;stroke-width:1}.grid{stroke:currentColor;opacity:.12}
.bar{opacity:.65}.bar.off{opacity:.2;fill:none}.line{fill:none;stroke:#0a58ca;stroke-width:2}.dot{fill:#0a58ca}.off{fill:#8a94a0}.on{fill:#b3261e}
.c0{--c:#0a58ca}.c1{--c:#b3261e}.c2{--c:#22784a}.c3{--c:#8a4fd0}
.c4{--c:#a35a00}.c5{--c:#00798a}.c6{--c:#b0368a}.c7{--c:#5a6068}
.curve{fill:none;stroke:var(--c);stroke-width:2}
.curved .dot{fill:var(--c)}.curved .bar{stroke:var(--c)}.curved text{fill:var(--c);font-weight:600}
text{fill:currentColor}.title{font-weight:600;font-size:14px}
@media (prefers-color-scheme:dark){svg{background:#14171a;color:#e6e9ec}
.line{stroke:#6ea8fe}.dot{fill:#6ea8fe}.on{fill:#ff8a80}.c0{--c:#6ea8fe}.c1{--c:#ff8a80}.c2{--c:#7fcaa2}.c3{--c:#c9a6ff}
.c4{--c:#f2b566}.c5{--c:#6fd3e0}.c6{--c:#f29ad4}.c7{--c:#b5bcc4}}
""".strip()


@dataclass(frozen=True, slots=True)
class Mark:
    """One point with its interval.

    Attributes:
        label: of the level or setting.
        x: its number, or its place among words.
        y: the mean.
        low, high: the interval of `y`.
        kind: a class of STYLE.
    """

    label: str
    x: float
    y: float
    low: float
    high: float
    kind: str = "dot"


@dataclass(frozen=True, slots=True)
class Line:
    """Marks that a line joins, with a name at its end."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps a number to a pixel, straight or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self._of(self.low), self._of(self.high)
        share = 0.5 if high == low else (self._of(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def drawn(findings: Sequence[Finding], recommendations: Sequence[Recommendation]) -> dict[str, str]:
    """All charts of a report, by the name of their file; those that have nothing to show are left out."""
    found = {name_of(one): level_chart(one) for one in findings if one.kind in ("axis", "convergence", "fidelity")}
    found |= {name_of(one): curves_chart(one) for one in findings if one.curves}
    found |= {frontier_name(one): frontier_chart(one) for one in recommendations}
    return {name: svg for name, svg in found.items() if svg}


def name_of(finding: Finding) -> str:
    """The file of a finding's chart: "clip_score-num_inference_steps.svg"."""
    return _file(finding.metric, finding.axis, finding.group, finding.scope if finding.scope == "these prompts" else "")


def frontier_name(recommendation: Recommendation) -> str:
    """The file of a recommendation's chart: "clip_score-frontier.svg"."""
    return _file(recommendation.metric, "frontier")


def _file(*words: str) -> str:
    return "-".join(re.sub(r"[^a-z0-9_]+", "-", word.lower()).strip("-") for word in words if word) + ".svg"


def level_chart(finding: Finding) -> str:
    """The score against one axis, with the 95 % intervals to compare levels by; "" when there is nothing to draw."""
    levels = [level for level in finding.levels if math.isfinite(level.mean)]
    if len(levels) < 2:
        return ""
    numeric = all(level.x is not None for level in levels)
    if numeric:
        levels.sort(key=lambda level: level.x or 0.0)
    xs = [float(level.x or 0.0) if numeric else float(i) for i, level in enumerate(levels)]
    logarithmic = numeric and scale(xs)[1]
    marks = [Mark(level.label, x, level.mean, level.low, level.high) for x, level in zip(xs, levels, strict=True)]
    unit = f" ({finding.unit})" if finding.unit and finding.kind != "convergence" else ""
    what = "distance to the most steps" if finding.kind == "convergence" else spoken(finding.metric)
    across = _Scale(min(xs), max(xs), LEFT + 24, WIDTH - RIGHT - 24, logarithmic)
    return _chart(
        f"{capital(what)} by {spoken(finding.axis)}",
        marks,
        across,
        x_title=spoken(finding.axis) + (", log scale" if logarithmic else ""),
        y_title=f"{what}{unit}",
        ticks=[(mark.x, mark.label) for mark in marks],
        line=[(mark.x, mark.y) for mark in marks] if numeric else [],
    )


def curves_chart(finding: Finding) -> str:
    """The score along one axis, a line for each level of the other, each labelled at its end."""
    curves = [curve for curve in finding.curves if len(curve.points) > 1]
    if len(curves) < 2:
        return ""
    longest = max((curve.points for curve in curves), key=len)
    numeric = all(point.x is not None for point in longest)
    places = {point.label: float(i) for i, point in enumerate(longest)}

    def at(point: Estimate) -> float:
        return float(point.x or 0.0) if numeric else places.get(point.label, 0.0)

    xs = [at(point) for point in longest]
    logarithmic = numeric and scale(xs)[1]
    score, along, by = spoken(finding.metric), spoken(curves[0].axis), spoken(curves[0].by)
    names = [f"{by} {curve.label}" if curve.x is not None else curve.label for curve in curves]
    room = max(map(len, names)) * LABEL_WIDTH + 8
    across = _Scale(min(xs), max(xs), LEFT + 24, WIDTH - RIGHT - room, logarithmic)
    lines = []
    for name, curve in zip(names, curves, strict=True):
        marks = [Mark(f"{along} {p.label}, {by} {curve.label}", at(p), p.mean, p.low, p.high) for p in curve.points]
        lines.append(Line(name, tuple(marks)))
    unit = f" ({finding.unit})" if finding.unit else ""
    return _chart(
        f"{capital(score)} by {along} and {by}",
        [mark for line in lines for mark in line.marks],
        across,
        x_title=along + (", log scale" if logarithmic else ""),
        y_title=f"{score}{unit}",
        ticks=[(at(point), point.label) for point in longest],
        lines=lines,
    )


def frontier_chart(recommendation: Recommendation) -> str:
    """Quality against cost with the frontier, the choice marked; "" when no cost is known."""
    usable = [p for p in recommendation.points if math.isfinite(p.mean)]
    timed = len(usable) > 1 and all(math.isfinite(p.seconds) for p in usable)
    cost = {p.levels: p.seconds if timed else p.cost for p in usable}
    usable = [p for p in usable if math.isfinite(cost[p.levels])]
    if len(usable) < 2:
        return ""
    chosen = recommendation.choice.levels if recommendation.choice else None
    frontier = {p.levels for p in usable if (p.frontier_by_seconds if timed else p.frontier)}
    marks = [
        Mark(
            p.label,
            cost[p.levels],
            p.mean,
            p.low,
            p.high,
            "on" if p.levels == chosen else "dot" if p.levels in frontier else "off",
        )
        for p in usable
    ]
    marks.sort(key=lambda mark: ("off", "dot", "on").index(mark.kind))  # what matters is drawn on top
    low, high = min(mark.x for mark in marks), max(mark.x for mark in marks)
    logarithmic = low > 0 and high / low > 8
    across = _Scale(low, high, LEFT + 24, WIDTH - RIGHT - 24, logarithmic)
    unit = "seconds a picture" if timed else f"{recommendation.unit} a picture".strip()
    score = spoken(recommendation.metric)
    return _chart(
        f"{capital(score)} against {unit}",
        marks,
        across,
        x_title=unit + (", log scale" if logarithmic else ""),
        y_title=score,
        ticks=[(tick, number(tick)) for tick in _round_ticks(low, high, logarithmic=logarithmic)],
        line=sorted((cost[p.levels], p.mean) for p in usable if p.levels in frontier),
        named=[mark for mark in reversed(marks) if mark.kind != "off"],
    )


def _chart(
    title: str,
    marks: Sequence[Mark],
    across: _Scale,
    *,
    x_title: str,
    y_title: str,
    ticks: Sequence[tuple[float, str]],
    line: Sequence[tuple[float, float]] = (),
    lines: Sequence[Line] = (),
    named: Sequence[Mark] = (),
) -> str:
    lows = [mark.low for mark in marks if math.isfinite(mark.low)] + [mark.y for mark in marks]
    highs = [mark.high for mark in marks if math.isfinite(mark.high)] + [mark.y for mark in marks]
    room = (max(highs) - min(lows)) * 0.06 or 1.0
    up = _Scale(min(lows) - room, max(highs) + room, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
    ]
    for value in _round_ticks(up.low, up.high):
        y = up(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(number(value))}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>')
    taken = -math.inf
    for value, label in ticks:
        x, half = across(value), len(label) * LABEL_WIDTH / 2
        if x - half > taken:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(label)}</text>')
            taken = x + half
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    if line:
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="line" points="{points}"/>')
    if lines:
        parts += _lines(lines, across, up)
    else:
        parts += [_mark(mark, across(mark.x), up) for mark in marks]
    parts += _names(named, across, up)
    return printable("\n".join([*parts, "</svg>\n"]))


def _lines(lines: Sequence[Line], across: _Scale, up: _Scale) -> list[str]:
    """Each line in its colour, its name beside its last mark and never on another name."""
    ends = _apart([up(line.marks[-1].y) for line in lines])
    parts = []
    for n, (line, end) in enumerate(zip(lines, ends, strict=True)):
        points = " ".join(f"{across(mark.x):.1f},{up(mark.y):.1f}" for mark in line.marks)
        x = across(line.marks[-1].x) + 10
        parts += [
            f'<g class="curved c{n % 8}"><polyline class="curve" points="{points}"/>',
            *(_mark(mark, across(mark.x), up) for mark in line.marks),
            f'<text x="{x:.1f}" y="{end + 4:.1f}">{escape(line.name)}</text></g>',
        ]
    return parts


def _apart(heights: Sequence[float]) -> list[float]:
    """Heights of labels moved down until none lies on another.

    >>> _apart([50.0, 10.0, 52.0])
    [50.0, 10.0, 63.0]
    """
    found = list(heights)
    last = -math.inf
    for n in sorted(range(len(found)), key=found.__getitem__):
        last = found[n] = max(found[n], last + LABEL_HEIGHT)
    return found


def _names(marks: Sequence[Mark], across: _Scale, up: _Scale) -> list[str]:
    """Names of single marks, the most important first; a name that would lie on another one is left out."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    for mark in marks:
        x, y, width = across(mark.x), up(mark.y), len(mark.label) * LABEL_WIDTH
        for left, height in ((x + 6, y - 9), (x - 6 - width, y - 9), (x + 6, y + 18), (x - 6 - width, y + 18)):
            inside = left > LEFT and left + width < WIDTH - 4
            free = all(left >= b or a >= left + width or abs(height - h) >= LABEL_HEIGHT for a, b, h in taken)
            if inside and free:
                taken.append((left, left + width, height))
                parts.append(f'<text class="name" x="{left:.1f}" y="{height:.1f}">{escape(mark.label)}</text>')
                break
    return parts


def _mark(mark: Mark, x: float, up: _Scale) -> str:
    bar = ""
    if math.isfinite(mark.low) and math.isfinite(mark.high):
        low, high = up(mark.low), up(mark.high)
        path = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"
        bar = f'<path class="bar {mark.kind}" d="{path}"/>'
    text = f"{mark.label}: {number(mark.y)} ({number(mark.low)} to {number(mark.high)})"
    return (
        f'<g class="mark" data-label={quoteattr(mark.label)} data-mean="{mark.y!r}" data-low="{mark.low!r}" '
        f'data-high="{mark.high!r}">{bar}<circle class="{mark.kind}" cx="{x:.1f}" cy="{up(mark.y):.1f}" r="4.5">'
        f"<title>{escape(text)}</title></circle></g>"
    )


def _round_ticks(low: float, high: float, *, logarithmic: bool = False) -> list[float]:
    """Four to eight round numbers inside [low, high]; powers of two on a log scale."""
    if logarithmic:
        return [2.0**k for k in range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)]
    span = high - low
    if not span > 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 8)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
