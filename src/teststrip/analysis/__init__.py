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

from teststrip.analysis.best import of_result_columns as best_of_result_columns
from teststrip.analysis.best import recommend
from teststrip.analysis.conclude import findings, info_of, infos_of_study, of_result_columns
from teststrip.analysis.recommendation import Recommendation

__all__ = [
    "Recommendation",
    "best_of_result_columns",
    "findings",
    "info_of",
    "infos_of_study",
    "of_result_columns",
    "recommend",
]
