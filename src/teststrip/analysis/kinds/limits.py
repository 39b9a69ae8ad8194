"""What limits the answers about a metric, a sentence each: few prompts, shared seeds, scores that rise mechanically."""

from __future__ import annotations

import math

import numpy as np

from teststrip.analysis.kinds.terms import Terms
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.judging import HERE, WIDE, Judgement
from teststrip.analysis.numbers.margin import Margin
from teststrip.analysis.numbers.samples import LEAST_SHARED_SEEDS
from teststrip.analysis.numbers.verdicts import ALPHA
from teststrip.analysis.sentences.phrases import count
from teststrip.records import MINIMUM_PROMPTS, Card
from teststrip.vocabulary import spoken

BY_GROUP = (
    "The seeds of a prompt have one score together, so seeds are no evidence: nothing is said of these prompts alone."
)


def of_card(card: Card) -> tuple[str, ...]:
    """What the metric itself is known to miss."""
    return (card.failure,) if card.failure else ()


def of_metric(layout: Layout, values: Array, card: Card, size: Margin, terms: Terms) -> tuple[str, ...]:
    """What limits answers in every scope; values [prompts, replicates, cells]."""
    found = list(of_card(card))
    found += [
        f"{spoken(card.name)} rises with {spoken(factor.name)} mechanically, whatever becomes of "
        "the picture: a rise is no proof of better pictures."
        for factor in layout.factors
        if factor.name in card.rises_with
    ]
    if size.note:
        found.append(f"Margin: {size.note}.")
    asked = layout.row >= 0
    absent = int(np.isnan(values[asked]).sum()) if values.shape == asked.shape else 0
    if absent:
        found.append(
            f"{absent} of {int(asked.sum())} images have no {spoken(card.name)}; they are left out in pairs, "
            "never counted as 0."
        )
    if card.arity is None and HERE in terms.scopes:
        found.append(BY_GROUP)
    return tuple(found)


def of_scope(layout: Layout, values: Array, judged: Judgement, terms: Terms) -> list[str]:
    """What limits answers in the scope of these judgements."""
    return _of_prompts(layout, terms) if judged.scope == WIDE else _of_seeds(judged, values)


def _of_prompts(layout: Layout, terms: Terms) -> list[str]:
    found = []
    if len(layout.prompts) < MINIMUM_PROMPTS:
        found.append(
            f"{count(len(layout.prompts), 'prompt')}: no exact two-sided test on fewer than {MINIMUM_PROMPTS} reaches "
            "p < .05, so nothing here is a verdict on prompts like these."
        )
    if terms.pairing.shared and terms.pairing.paired:
        seeds = len(layout.replicates)
        few = f"; from {seeds} seeds nothing can be concluded" if seeds < LEAST_SHARED_SEEDS else ""
        found.append(
            "All prompts share the same few seeds, so the luck of each seed counts in every prompt: the intervals are "
            f"wider for it{few}. Leave `seeds` out, and each prompt gets seeds of its own."
        )
    return found


def _of_seeds(judged: Judgement, values: Array) -> list[str]:
    """A score of two values needs pairs enough for an exact test."""
    if np.unique(values[~np.isnan(values)]).size > 2:
        return []
    needed = math.floor(math.log2(2 * max(judged.size, 1) / ALPHA)) + 1
    have = int(judged.seeds.max(initial=0))
    if have >= needed:
        return []
    return [f"A score of two values: {have} paired seeds settle little here; from {needed} on a clear answer can show."]
