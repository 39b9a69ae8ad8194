"""What a paper takes from a study: its findings and its settings as tables, in CSV or in LaTeX.

CSV has every number whole, for another program. LaTeX has the numbers as the report rounds them: a `tabular` with the
rules of booktabs, to be read by `\\input`. To add a table: its records for CSV, its heads and rows for LaTeX, and its
line in `verbs/export.py`. Knows records and words; computes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip.analysis.sentences.phrases import VERDICTS, between, digits_of, fixed, number
from teststrip.characters import printable
from teststrip.results import frames
from teststrip.vocabulary import spoken

if TYPE_CHECKING:
    from teststrip.records import Card, Finding
    from teststrip.results.result import Result

LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "`": r"\textasciigrave{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "…": r"\ldots{}",
    **{raised: f"$^{{{digit}}}$" for raised, digit in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)},
}
"""How LaTeX writes the characters that it would obey, that its old fonts lack, or that it does not know."""
_SPECIAL = re.compile("[" + re.escape("".join(LATEX)) + "]")
_PAIR = re.compile(r"([-',])(?=\1)")
"""Two of these in a row would be one other character."""


def findings_latex(result: Result) -> str:
    """The findings that compare something, a row each."""
    heads = ["score", "about", "scope", "comparison", "effect", "interval", "level", "p", "prompts", "verdict"]
    compared = [one for one in result.findings if one.asked is not None and one.kind != "missing"]
    return table(heads, [_finding(one) for one in compared], words=4)


def settings_latex(result: Result) -> str:
    """All settings, a row each: its levels, each score with half its 95 % interval, the median time, the images."""
    axes = result.study.axes
    heads = [*(spoken(axis.name) for axis in axes), *map(_head, result.cards.values()), "median time (s)", "images"]
    rows = [
        [*one.labels, *map(frames.mean, one.scores.values()), number(one.seconds), f"{one.images:,}"]
        for one in frames.settings(result.columns(), axes, result.cards)
    ]
    return table(heads, rows, words=len(axes))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> str:
    """A `tabular` of booktabs.

    Args:
        heads: of the columns.
        rows: as many cells as there are heads.
        words: so many columns from the left hold words and stand to the left; the others stand to the right.
    """
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{" + "l" * words + "r" * (len(heads) - words) + "}",
        r"\toprule",
        _row(heads),
        r"\midrule",
        *map(_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return printable("\n".join(lines) + "\n")


def escape(text: str) -> str:
    """Text that LaTeX sets as it is, whatever stands beside it.

    >>> escape("100 % of guidance_scale")
    '100 \\\\% of guidance\\\\_scale'
    """
    line = " ".join(printable(text).split())
    written = _PAIR.sub(r"\1{}", _SPECIAL.sub(lambda found: LATEX[found[0]], line))
    # Behind the end of a row either of these would be an argument of that end.
    return f"{{{written[0]}}}{written[1:]}" if written.startswith(("[", "*")) else written


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"


def _head(card: Card) -> str:
    # The names of costs say their units already.
    return spoken(card.name) + (f" ({card.unit})" if card.unit and card.needs_pixels else "")


def _finding(one: Finding) -> list[str]:
    assert one.asked is not None
    p = "–" if math.isnan(one.p) else "< 0.001" if one.p < 0.001 else f"{one.p:.3f}"
    return [
        spoken(one.metric),
        " and ".join(spoken(level.axis) for level in one.asked.plus) if one.axis else "whole settings",
        one.scope,
        one.contrast,
        fixed(one.effect, digits_of(one.low, one.high), signed=True),
        between(one.low, one.high),
        f"{one.level:.0%}",
        p,
        str(one.prompts),
        one.outcome or VERDICTS[one.verdict],
    ]
