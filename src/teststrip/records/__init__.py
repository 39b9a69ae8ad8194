"""The nouns: frozen records of the standard library alone, which hold facts and no logic.

    asked       settings, prompts, axes, study, shots       concluded   comparisons, findings
    answered    renders, failures, images, scores, rows     events      what trackers are notified of
    canonical   the one spelling that hashes are taken of   heeded      what was not taken as it was written

Words: axis = factor, level = value of a factor, replicate = paired seed, prompt = block, cell = setting = arm.

To add a field, give it a line in the docstring of its class, and let the code that makes the record fill it.
"""

from teststrip.records.across import Across, Agreement, Family, Together
from teststrip.records.answered import (
    MADE_HEIGHT,
    MADE_WIDTH,
    Card,
    Failure,
    Fingerprint,
    Image,
    Reason,
    Render,
    Row,
    Score,
)
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
    Finding,
    LevelRef,
    Outcome,
    PromptEffect,
    Response,
    Scope,
    Shape,
    TagEffect,
    Verdict,
)
from teststrip.records.events import Concluded, Event, Failed, Saved, Scored, Started
from teststrip.records.heeded import Encoded, Heard, Incomparable, OtherSize, Reading
from teststrip.records.looked import Answer, Changed, KeptMargin, Look, QuestionChange

__all__ = [
    "BUDGET",
    "DEFAULT_MARGIN",
    "MADE_HEIGHT",
    "MADE_WIDTH",
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
    "Encoded",
    "EngineRef",
    "Estimate",
    "Event",
    "Failed",
    "Failure",
    "Family",
    "Finding",
    "Fingerprint",
    "Heard",
    "Image",
    "Incomparable",
    "KeptMargin",
    "Level",
    "LevelRef",
    "Look",
    "OtherSize",
    "Outcome",
    "Planned",
    "Price",
    "Prompt",
    "PromptEffect",
    "Question",
    "QuestionChange",
    "Reading",
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
    "canonical_json",
    "digest_of",
]
