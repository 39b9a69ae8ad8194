"""An executor by the words of `--executor`, or by the table `[executor]` of the user's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from teststrip import plugins
from teststrip.errors import UsageError
from teststrip.executors.options import TABLE, text
from teststrip.protocols import Executor


def executor_of(words: str, table: Mapping[str, object] = MappingProxyType({})) -> Executor:
    """The executor that these words name: "local", "processes", "processes:4", "ray:10.0.0.7:6379".

    An executor's class is found through the entry points `teststrip.executors`, and has a class method `of`. It takes
    what stands behind the colon, and where the table is about this executor, the table's other keys.

    Raises:
        UsageError: there is no such executor, or it cannot be had so here.
        MissingExtra: a package that it needs is not installed.
    """
    name, _, argument = words.partition(":")
    options = {key: value for key, value in table.items() if key != "name"} if table.get("name") == name else {}
    of = plugins.load("executors", name).of
    made: Executor = of(argument, options) if options else of(argument)
    return made


def configured(table: Mapping[str, object]) -> str:
    """The name of the executor that a user's table `[executor]` chooses; "" where there is no table.

    Raises:
        UsageError: the table has no name.
    """
    if table and not text(table, "name"):
        raise UsageError(f'{TABLE}: name is missing. Write name = "ray", or "processes"')
    return text(table, "name")
