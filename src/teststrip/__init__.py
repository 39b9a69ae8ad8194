"""Teststrip finds the right settings of a text-to-image model, with evidence.

>>> import teststrip
>>> study = teststrip.Study(prompts=["an owl"], engine={"name": "pattern"}, axes={"guidance_scale": [1, 3]})
>>> [axis.name for axis in study.axes]
['guidance_scale']
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teststrip.result import Result as Result
    from teststrip.result import open_result as open  # noqa: A004
    from teststrip.run import run as run
    from teststrip.spec import read as read
    from teststrip.spec import study as Study  # noqa: N812

__version__ = "0.1.0"
__all__ = ["Result", "Study", "__version__", "open", "read", "run"]

# Public name -> where it lives. Looked up on first use, so `import teststrip` loads nothing heavy.
_HOMES = {
    "Result": ("teststrip.result", "Result"),
    "Study": ("teststrip.spec", "study"),
    "open": ("teststrip.result", "open_result"),
    "read": ("teststrip.spec", "read"),
    "run": ("teststrip.run", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'teststrip' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """`teststrip.run` is the function, whoever imported the module of that name, and when."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
