"""What is known of a judge beside its votes, in words."""

from __future__ import annotations

import math

from teststrip.analysis.sentences.phrases import count, fixed, percent
from teststrip.records import Judged


def witnessed(found: Judged) -> str:
    """Whether a judge chooses as persons do on this study; the sentence that stands beside each result of a judge."""
    same = found.same
    if not found.persons:
        return f"No person has voted on this study, so whether {found.judge} sees what you see is unknown."
    if not same.votes:
        return f"{found.judge} saw no pair that a person decided, so whether it sees what you see is unknown."
    interval = f"{fixed(100 * same.low, 0)} to {fixed(100 * same.high, 0)} %"
    told = (
        f"{found.judge} made {percent(same.share)} of the choices that persons made on this study "
        f"({interval}, {count(same.votes, 'vote')}; a coin makes 50 %)."
    )
    if not math.isnan(same.ceiling):
        told += f" By the repeats of persons about {percent(same.ceiling)} is the most that it could make."
    if not same.recommends:
        told += " It may see no more of what you see than a coin."
    return told


def turned(found: Judged) -> str:
    """How often the order of two pictures changed what a judge said; empty where it saw no pair in both orders."""
    if not found.turned.of:
        return ""
    named = f"{found.judge} ({found.model})" if found.model else found.judge
    return (
        f"The order of two pictures changed the answer of {named} on {fixed(found.turned.count, 0)} of "
        f"{count(found.turned.of, 'pair')} ({percent(found.turned.rate)}); these count as ties."
    )
