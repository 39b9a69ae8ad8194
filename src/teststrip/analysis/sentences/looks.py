"""Looks in words: how often a study was looked at, what was changed in between, which margin was kept."""

from __future__ import annotations

from collections.abc import Mapping

from teststrip.analysis.sentences.phrases import count, listed, number, setting
from teststrip.records import KeptMargin, Question, QuestionChange
from teststrip.records.looked import Exclusions
from teststrip.vocabulary import spoken


def repeated(looks: int) -> str:
    """What a reader must know of a study that was looked at more than once while it grew.

    The figure is the row `looks` of the campaign: 21.6 % of studies in which nothing differs.
    """
    return (
        f"Look {looks} of this study. Each look tests at 5 % anew: in simulation, looking every 5 prompts "
        "called two equal settings different in about one study in five (docs/verdicts-calibration.md)."
    )


def kept(margin: KeptMargin) -> str:
    """Which look a margin is kept from."""
    prompts = count(margin.prompts, "prompt")
    return f"kept from look {margin.look} ({prompts}), so that it does not move with the pictures that it judges"


def renewed(metric: str, look: int) -> str:
    """Why a margin that was kept holds no longer."""
    return (
        f"The margin of {spoken(metric)} is reckoned anew: these scores are of another version of the metric than "
        f"those of look {look}."
    )


def changed(change: QuestionChange) -> str:
    """What was changed in the question, when, and after how many images."""
    images = count(change.images, "image")
    return (
        f"The question was changed after {images} (look {change.look}, {change.at}): {_part(change)}. "
        "Pictures that were there when a question was written are a hint for its answer, no test of it."
    )


def _part(change: QuestionChange) -> str:
    before, after = change.before, change.after
    if change.part == "metrics":
        return f"the scores were {_metrics(before)}; now they are {_metrics(after)}"
    if change.part == "margin":
        return f"the margin was {_margin(before)}; now it is {_margin(after)}"
    if change.part == "reference":
        return f"the reference was {_reference(before)}; now it is {_reference(after)}"
    if change.part == "exclusions":
        left_out, now = map(_left_out, change.left_out)
        return f"left out was {left_out}; now it is {now}"
    return f"it was about {_scope(before)}; now it is about {_scope(after)}"


def _metrics(question: Question) -> str:
    return listed([spoken(name) for name in question.metrics]) or "all that were there"


def _margin(question: Question) -> str:
    if isinstance(question.margin, Mapping):
        return listed([f"{number(size)} for {spoken(name)}" for name, size in question.margin.items()])
    return f"{number(question.margin)} SD"


def _reference(question: Question) -> str:
    return setting(question.reference) if question.reference else "none"


def _left_out(exclusions: Exclusions) -> str:
    """Exclusions in words.

    >>> _left_out(({"guidance_scale": ("7", "9"), "num_inference_steps": ("50",)},))
    'guidance 7 or 9 with steps 50'
    """
    rules = [" with ".join(f"{spoken(axis)} {' or '.join(labels)}" for axis, labels in r.items()) for r in exclusions]
    return listed(rules) or "nothing"


def _scope(question: Question) -> str:
    return "both scopes" if question.scope == "both" else question.scope
