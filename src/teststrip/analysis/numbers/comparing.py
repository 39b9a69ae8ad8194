"""One row of a finding's table from its numbers; the row's words come from `sentences`, after everything else."""

from __future__ import annotations

from teststrip.analysis.numbers.samples import Interval
from teststrip.analysis.sentences import phrases
from teststrip.records import Comparison, Contrast, Verdict


def comparison(
    asked: Contrast, *, outer: Interval, inner: Interval, p: float, p_family: float, images: int, verdict: Verdict
) -> Comparison:
    """A comparison as a record, with its words.

    Args:
        asked: what is compared.
        outer: the 95 % interval, of a single comparison (arrays of no axes).
        inner: the 90 % interval.
        p: two-sided, of this comparison alone.
        p_family: after the family's correction; NaN = not tested.
        images: how many it rests on.
        verdict: one of four.
    """
    return Comparison(
        contrast=phrases.contrast(asked),
        asked=asked,
        effect=float(outer.mean),
        low=float(outer.low),
        high=float(outer.high),
        inner_low=float(inner.low),
        inner_high=float(inner.high),
        p=p,
        p_family=p_family,
        prompts=int(outer.prompts),
        images=images,
        verdict=verdict,
    )
