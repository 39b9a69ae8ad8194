"""From columns of numbers to findings; knows nothing of files, engines or pictures.

>>> from teststrip import analysis
>>> scores = {"prompt": [], "replicate": [], "guidance_scale": [], "score": []}
>>> for prompt in range(8):
...     for guidance in (3.0, 7.0):
...         for column, value in zip(scores, (prompt, 0, guidance, prompt % 3 + guidance + prompt / 10 * guidance)):
...             scores[column].append(value)
>>> print(analysis.findings(scores, ["score"], axes=["guidance_scale"])[0].verdict)
different
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teststrip.analysis.across import of as across_scores
    from teststrip.analysis.advice.best import of_result_columns as best_of_result_columns
    from teststrip.analysis.advice.best import recommend
    from teststrip.analysis.advice.recommendation import Recommendation
    from teststrip.analysis.conclude import findings, margins, of_result_columns

__all__ = [
    "Recommendation",
    "across_scores",
    "best_of_result_columns",
    "findings",
    "margins",
    "of_result_columns",
    "recommend",
]

# Public name -> (module, name there). Looked up on first use, because `plan` reads `power` and must not load NumPy.
_HOMES = {
    "Recommendation": ("advice.recommendation", "Recommendation"),
    "across_scores": ("across", "of"),
    "best_of_result_columns": ("advice.best", "of_result_columns"),
    "findings": ("conclude", "findings"),
    "margins": ("conclude", "margins"),
    "of_result_columns": ("conclude", "of_result_columns"),
    "recommend": ("advice.best", "recommend"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'teststrip.analysis' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(f"teststrip.analysis.{module}"), attribute)
