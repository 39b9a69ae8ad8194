"""Teststrip finds the right settings of a text-to-image model, with evidence.

>>> import teststrip
>>> axes = {"guidance_scale": [1, 3]}
>>> study = teststrip.Study(name="owl", engine={"name": "pattern"}, prompts=["an owl"], axes=axes)
>>> [axis.name for axis in study.axes]
['guidance_scale']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teststrip.results.result import Result as Result
    from teststrip.results.result import open_result as open  # noqa: A004
    from teststrip.study import read as read
    from teststrip.study import study as Study  # noqa: N812
    from teststrip.verbs.run import run as run

__version__ = "0.1.0"
__all__ = ["Result", "Study", "__version__", "open", "read", "run"]

# Each public name and where it lives. The first use looks it up, so that `import teststrip` loads nothing heavy.
_HOMES = {
    "Result": ("teststrip.results", "Result"),
    "Study": ("teststrip.study", "study"),
    "open": ("teststrip.results", "open_result"),
    "read": ("teststrip.study", "read"),
    "run": ("teststrip.verbs.run", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'teststrip' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value
