"""Lists with one entry a row, which some denoisers take where others take one batch (Z-Image).

Entries of equal form share a forward. Entries of different form would be padded to the longest of their forward, so
that a row's bytes would depend on its neighbours; they are asked for one form after another. Knows tensors and nested
lists; nothing of requests, models or waiting calls.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from teststrip.batching.calls import CannotMerge


@dataclass(frozen=True, slots=True)
class Listed:
    """A Python list with one entry a row."""

    entries: tuple[Any, ...]

    def same(self, rows: int) -> Hashable:
        """The entry that every row has. Raises CannotMerge where rows differ."""
        if len(self.entries) != rows or any(entry != self.entries[0] for entry in self.entries):
            raise CannotMerge("a list of its denoiser's arguments differs from row to row")
        return repr(self.entries[0])

    def at(self, rows: list[int]) -> Listed:
        """The entries of these rows, in this order."""
        return Listed(tuple(self.entries[row] for row in rows))


def with_lists(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a model call, with each list that has one entry a row as `Listed`.

    A model takes lists when its first argument is one. Lists of plain numbers or words are no entries of rows.
    """
    first = next(iter(arguments.values()), None)
    if not isinstance(first, list) or not first:
        return dict(arguments)
    return {
        name: Listed(tuple(value)) if _has_entries(value, len(first)) else value for name, value in arguments.items()
    }


def _has_entries(value: Any, rows: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == rows
        and all(entry is None or isinstance(entry, torch.Tensor | list) for entry in value)
    )


def form(entry: Any) -> Hashable:
    """What two entries must have in common to share a forward: nesting, shapes, types, and all that is no tensor.

    >>> form([torch.zeros(4, 8), 1]) == form([torch.ones(4, 8), 1]), form(torch.zeros(4)) == form(torch.zeros(5))
    (True, False)
    """
    if isinstance(entry, torch.Tensor):
        return tuple(entry.shape), entry.dtype, entry.device
    if isinstance(entry, list | tuple):
        return type(entry).__name__, tuple(form(item) for item in entry)
    if entry is None or isinstance(entry, str | int | float | bool):
        return type(entry).__name__, entry
    raise CannotMerge(f"a list of its denoiser's arguments holds a {type(entry).__name__}")


def rows_by_form(arguments: Mapping[str, Any], rows: int) -> list[list[int]]:
    """The rows of a call, those of one form together; in the order in which the forms come."""
    lists = [value.entries for value in arguments.values() if isinstance(value, Listed)]
    groups: dict[Hashable, list[int]] = {}
    for row in range(rows):
        groups.setdefault(tuple(form(entries[row]) for entries in lists), []).append(row)
    return list(groups.values())
