"""The margin as an earlier look reckoned it, so that the yardstick does not move while a study grows.

A margin in seed SD is an estimate. Reckoned anew at each look it would move with the data that it judges. So the first
look with seeds enough keeps it in score units, with its error. Knows arrays; nothing of ledgers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.margin import Margin, margin_of
from teststrip.analysis.sentences import looks
from teststrip.records import MINIMUM_PROMPTS, KeptMargin
from teststrip.records.looked import Kept, asked_sd

PILOT_DEGREES = 12
"""Degrees of freedom of seeds from which on a margin is kept: a pilot of 12 prompts × 2 seeds. The SD of a normal score
is then known to 1 / √(2 × 12) = 20 %."""


def size(asked: float | Mapping[str, float], metric: str, values: Array, kept: Kept) -> Margin:
    """The margin to judge one metric by: the kept one if there is one, else that of these values.

    Args:
        asked: as in the study file.
        metric: its name.
        values: [prompts, replicates, cells].
        kept: margins that hold for this question and these versions of the scores.

    Raises:
        UsageError: the margin is not above zero.
    """
    found = margin_of(asked, metric, values)
    held = kept.get(metric)
    if held is None:
        return found
    note = looks.kept(held)
    return replace(found, value=held.value, se=held.se, seeds_se=held.seeds_se, seed_sd=held.seed_sd, note=note)


def keep(asked: float | Mapping[str, float], metric: str, values: Array, version: str) -> KeptMargin | None:
    """The margin of these values as a record to keep; None where these values show none.

    With fewer prompts than make a verdict on prompts in general, the scatter over prompts is no measure of the
    margin's error, so the error over seeds is the least that is kept.
    """
    found = margin_of(asked, metric, values)
    if not (math.isfinite(found.value) and found.value > 0):
        return None
    seeds = (~np.isnan(values)).any(axis=-1).sum(axis=-1)  # [P]
    degrees, prompts = int(np.maximum(seeds - 1, 0).sum()), int((seeds > 0).sum())
    number = asked_sd(asked, metric)
    se = max(found.se, found.seeds_se) if prompts < MINIMUM_PROMPTS else found.se
    pilot = number is not None and degrees >= PILOT_DEGREES
    return KeptMargin(number, found.value, se, found.seeds_se, found.seed_sd, version, prompts, pilot)
