"""Where pictures or scores are missing, and what a verdict would be if the missing ones were the worst or the best.

A score that is no number counts as missing, as a picture that was refused does. What was not made or not scored yet
says nothing about its setting. Knows columns of numbers and reasons; judges nothing itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers.arrays import Array, mean
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.sentences import answers
from teststrip.analysis.sentences import missing as sentences
from teststrip.records import NO_ROW, Comparison, Finding

NOT_SCORED_YET = "not scored yet"
NOT_A_FAILURE = frozenset({"not made yet", NO_ROW, NOT_SCORED_YET})
"""Reasons that say nothing about the setting, because no engine or metric was asked yet."""
NO_SCORE = "no score"
"""The reason of a picture whose score is no number."""


@dataclass(frozen=True)
class Missing:
    """What is missing, place by place.

    Attributes:
        gone: [P, R, C], 1 where something is missing, 0 where it is there, NaN where it is not known yet.
        reasons: how often each reason occurs.
        unscored: how many of the missing are pictures without a score.
    """

    gone: Array
    reasons: tuple[tuple[str, int], ...]
    unscored: int = 0

    @property
    def count(self) -> int:
        """How many are missing."""
        return int(np.nansum(self.gone))

    @property
    def known(self) -> int:
        """How many are missing or there."""
        return int((~np.isnan(self.gone)).sum())


def of_pictures(layout: Layout) -> Missing:
    """The pictures that are missing for a reason (refused, out of memory, ...)."""
    return _counted(layout.reasons)


def of_scores(layout: Layout, values: Array, pending: Array | None = None) -> Missing:
    """The scores that are missing, with their picture or without.

    Args:
        values: [prompts, replicates, cells] of a metric of single pictures.
        pending: in the same shape, above 0 where a picture was not scored yet.
    """
    reasons = layout.reasons.copy()
    empty = _there(reasons) & np.isnan(values)
    waiting = empty & (pending > 0) if pending is not None else np.zeros_like(empty)
    reasons[empty] = NO_SCORE
    reasons[waiting] = NOT_SCORED_YET
    return replace(_counted(reasons), unscored=int((empty & ~waiting).sum()))


def _there(reasons: NDArray[np.object_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.frompyfunc(lambda cause: cause is None, 1, 1)(reasons).astype(bool)
    return found


def _counted(reasons: NDArray[np.object_]) -> Missing:
    known = np.frompyfunc(lambda cause: cause not in NOT_A_FAILURE, 1, 1)(reasons).astype(bool)
    failed = known & ~_there(reasons)
    texts, counts = np.unique(reasons[failed].astype(str), return_counts=True)
    named = tuple((str(text), int(count)) for text, count in zip(texts, counts, strict=True))
    return Missing(np.where(known, failed.astype(float), np.nan), named)


def filled(values: Array, gone: Array) -> tuple[Array, Array]:
    """The scores if every missing one were as low, or as high, as the extreme that was seen.

    Scores of different prompts stand at different heights, so the extreme is the furthest below or above its prompt's
    mean that any score is.

    Args:
        values: [prompts, replicates, cells].
        gone: as in `Missing`.
    """
    height = mean(values.reshape(len(values), -1), 1)[:, None, None]
    height = np.where(np.isnan(height), np.nanmean(values), height)
    off = values - height
    low, high = (np.where(gone == 1, height + extreme, values) for extreme in (np.nanmin(off), np.nanmax(off)))
    return low, high


def told(
    finding: Finding, shares: Finding, cases: tuple[Finding, Finding], *, higher_is_better: bool | None
) -> Finding:
    """A finding about an axis with what is missing along that axis.

    Args:
        finding: of the scores that are there.
        shares: of the shares that are missing, for the same axis and scope.
        cases: the same finding if every missing score were the lowest, and the highest, that was seen.
        higher_is_better: of the metric; it says which of the two is the worst.
    """
    surely = shares.verdict == "different"
    limits = [sentences.by_level(shares)]
    turned = False
    if finding.verdict in ("different", "equivalent"):
        rows = [_row(case, finding) for case in cases]
        turns = [_turns(finding, case, row) for case, row in zip(cases, rows, strict=True)]
        turned = any(turns)
        limits.append(sentences.worst_case(finding, rows, turns, higher_is_better=higher_is_better))
    clause = [sentences.clause(shares)] if surely else []
    first = surely and turned and finding.verdict == "different"
    ordered = (*reversed(limits), *finding.limits) if first else (*finding.limits, *limits)
    return answers.worded(replace(finding, limits=ordered), [*(finding.lines or (finding.sentence,)), *clause])


def _row(case: Finding, finding: Finding) -> Comparison | None:
    """The comparison that leads a finding, in another one about the same axis."""
    return next((row for row in case.comparisons if row.asked == finding.asked), None)


def _turns(finding: Finding, case: Finding, row: Comparison | None) -> bool:
    """Whether another verdict, or the opposite direction, would stand in this case."""
    if case.verdict != finding.verdict or row is None:
        return True
    opposite = math.copysign(1.0, row.effect) != math.copysign(1.0, finding.effect)
    return finding.verdict == "different" and (opposite or row.verdict != "different")
