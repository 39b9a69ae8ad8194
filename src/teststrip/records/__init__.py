"""The nouns: frozen records of the standard library alone, which hold facts and no logic.

    asked       settings, prompts, axes, study, shots       concluded   comparisons, findings
    answered    renders, failures, images, scores, rows     events      what trackers are notified of
    canonical   the one spelling that hashes are taken of

Words: axis = factor, level = value of a factor, replicate = paired seed, prompt = block, cell = setting = arm.

To add a field, give it a line in the docstring of its class, and let the code that makes the record fill it.
"""

from teststrip.records.across import Across, Agreement, Family, Together
from teststrip.records.answered import Card, Failure, Fingerprint, Image, Reason, Render, Row, Score
from teststrip.records.asked import (
    BUDGET,
    DEFAULT_MARGIN,
    Axis,
    Cell,
    EngineRef,
    Level,
    Planned,
    Price,
    Prompt,
    Question,
    Seeds,
    Setting,
    Shot,
    Study,
)
from teststrip.records.canonical import Value, canonical_json, digest_of
from teststrip.records.concluded import (
    MINIMUM_DEGREES,
    MINIMUM_PROMPTS,
    Comparison,
    Contrast,
    Curve,
    Estimate,
    Fidelity,
    Finding,
    LevelRef,
    Likeness,
    Outcome,
    PromptDistance,
    PromptEffect,
    Response,
    Scope,
    Shape,
    TagEffect,
    Verdict,
    Yardstick,
)
from teststrip.records.events import Concluded, Event, Failed, Saved, Scored, Started
from teststrip.records.looked import Answer, Changed, KeptMargin, Look, QuestionChange

__all__ = [
    "BUDGET",
    "DEFAULT_MARGIN",
    "MINIMUM_DEGREES",
    "MINIMUM_PROMPTS",
    "Across",
    "Agreement",
    "Answer",
    "Axis",
    "Card",
    "Cell",
    "Changed",
    "Comparison",
    "Concluded",
    "Contrast",
    "Curve",
    "EngineRef",
    "Estimate",
    "Event",
    "Failed",
    "Failure",
    "Family",
    "Fidelity",
    "Finding",
    "Fingerprint",
    "Image",
    "KeptMargin",
    "Level",
    "LevelRef",
    "Likeness",
    "Look",
    "Outcome",
    "Planned",
    "Price",
    "Prompt",
    "PromptDistance",
    "PromptEffect",
    "Question",
    "QuestionChange",
    "Reason",
    "Render",
    "Response",
    "Row",
    "Saved",
    "Scope",
    "Score",
    "Scored",
    "Seeds",
    "Setting",
    "Shape",
    "Shot",
    "Started",
    "Study",
    "TagEffect",
    "Together",
    "Value",
    "Verdict",
    "Yardstick",
    "canonical_json",
    "digest_of",
]
