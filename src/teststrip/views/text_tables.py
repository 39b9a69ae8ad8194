"""The tables of a report in plain text: of each score its axes level by level, then all settings. For terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from teststrip.analysis.sentences import fidelity
from teststrip.analysis.sentences.phrases import between, digits_of, fixed, number
from teststrip.records import Finding
from teststrip.views.summary import Summary
from teststrip.vocabulary import spoken


def tables(summary: Summary) -> Iterator[str]:
    """Lines: for each score that was computed, a table an axis and one of all settings."""
    for metric in summary.cards:
        if metric in summary.unscored:
            continue
        unit = summary.cards[metric].unit
        yield from ("", spoken(metric) + (f" ({unit})" if unit else ""))
        for finding in summary.findings:
            shown = finding.leads and finding.kind in ("axis", "convergence")
            if finding.metric == metric and finding.levels and shown:
                yield from ("", *_levels(finding))
            if finding.metric == metric and finding.fidelity:
                yield from ("", *aligned(*fidelity.rows(finding)))
        if not summary.by_setting(metric):
            continue
        rows = [
            [label, number(mean), f"{number(seconds)} s", f"{images:,}"]
            for label, mean, seconds, images in summary.cell_means(metric)
        ]
        yield from ("", *aligned(["setting", "mean", "median time", "images"], rows))


def _levels(finding: Finding) -> list[str]:
    what = "median distance" if finding.kind == "convergence" else "mean"
    rows = [
        [
            level.label,
            fixed(level.mean, digits_of(level.low, level.high)),
            between(level.low, level.high),
            str(level.prompts),
            f"{level.images:,}",
        ]
        for level in finding.levels
    ]
    return aligned([spoken(finding.axis), what, "95 % interval", "prompts", "images"], rows)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  " + "   ".join([first, *others]).rstrip()

    return [line(heads), "  " + "   ".join("─" * width for width in widths), *map(line, rows)]
