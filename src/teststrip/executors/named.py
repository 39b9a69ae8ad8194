"""An executor by the words of `--executor`: a name, and perhaps a colon and what the executor makes of the rest."""

from __future__ import annotations

from teststrip import plugins
from teststrip.protocols import Executor


def executor_of(words: str) -> Executor:
    """The executor that these words name: "local", "processes", "processes:4".

    An executor's class is found through the entry points `teststrip.executors`, and has a class method `of`, which
    takes what stands behind the colon.

    Raises:
        UsageError: there is no such executor, or it cannot be had so here.
        MissingExtra: a package that it needs is not installed.
    """
    name, _, argument = words.partition(":")
    made: Executor = plugins.load("executors", name).of(argument)
    return made
