"""What several scores say together, in words: one paragraph."""

from __future__ import annotations

from collections.abc import Sequence

from teststrip.analysis.sentences.phrases import listed, plural
from teststrip.records import Across, Family, Scope, Together
from teststrip.vocabulary import spoken


def write(across: Across) -> str:
    """One paragraph: how much was asked, what the scores say about each axis."""
    return " ".join([*_asked(across.families), *map(_about, across.axes)])


def _asked(families: Sequence[Family]) -> list[str]:
    """How many questions of how many scores, in each scope."""
    scopes = dict.fromkeys(family.scope for family in families)
    told = [_of_scope(scope, [family for family in families if family.scope == scope]) for scope in scopes]
    scores = len({family.metric for family in families})
    return [
        f"{scores} scores were asked: {'; '.join(told)}.",
        "The correction for many comparisons holds inside each score, not over all scores.",
    ]


def _of_scope(scope: Scope, families: Sequence[Family]) -> str:
    questions = _counted([family.questions for family in families], "question")
    comparisons = _counted([family.comparisons for family in families], "comparison")
    about = f"for {scope}" if scope == "prompts like these" else f"on {scope}"
    return f"{about} {questions} ({comparisons}) of {_counted([len(families)], 'score')}"


def _counted(numbers: Sequence[int], what: str) -> str:
    low, high = min(numbers), max(numbers)
    count = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{count} {what}{'s' * (high != 1)}"


def _about(told: Together) -> str:
    """What the scores say about one axis."""
    axis = spoken(told.axis)
    these = "this prompt" if told.prompts == 1 else f"these {told.prompts} prompts"
    opening = "For prompts like these" if told.scope == "prompts like these" else f"On {these}"
    if told.agreement == "alike":
        return f"{opening}, {axis}: {_names(told.alike)} agree that nothing changes in a way that matters."
    if told.agreement == "undecided" or told.asked is None:
        scores = [*told.better, *told.worse, *told.alike, *told.unsettled]
        return f"{opening}, {axis}: whether {_names(scores)} agree is not settled."
    return f"{opening}, {axis}: {_seen(told)}{_others(told)}.{_price(told)}"


def _seen(told: Together) -> str:
    """What the telling comparison shows, from the side on which more scores are better."""
    assert told.asked is not None
    (plus,), (minus,) = told.asked.plus, told.asked.minus
    better, worse = told.better, told.worse
    if len(worse) > len(better):
        plus, minus, better, worse = minus, plus, worse, better
    trend = told.asked.kind == "trend"
    where = f"towards {plus.label} (from {minus.label})" if trend else f"at {plus.label} than at {minus.label}"
    if told.agreement == "trade off":
        return f"a trade-off: {_names(better)} {_be(better)} better {where}, {_names(worse)} {_be(worse)} worse"
    if told.agreement == "agree":
        return f"{_names(better)} agree, {'both' if len(better) == 2 else 'all'} are better {where}"
    return f"only {_names(better)} {_be(better)} better {where}"


def _others(told: Together) -> str:
    parts = []
    if told.alike:
        parts.append(f"{_names(told.alike)} {'do' if _many(told.alike) else 'does'} not change in a way that matters")
    if told.unsettled:
        parts.append(f"{_names(told.unsettled)} {_be(told.unsettled)} not settled there")
    return "".join(f"; {part}" for part in parts)


def _price(told: Together) -> str:
    assert told.asked is not None
    sides = ((told.asked.plus[0], told.dearer), (told.asked.minus[0], told.cheaper))
    return "".join(f" The price of {side.label}: more {_names(costs)}." for side, costs in sides if costs)


def _names(metrics: Sequence[str]) -> str:
    return listed([spoken(metric) for metric in metrics])


def _many(metrics: Sequence[str]) -> bool:
    return len(metrics) > 1 or plural(spoken(metrics[0]))


def _be(metrics: Sequence[str]) -> str:
    return "are" if _many(metrics) else "is"
