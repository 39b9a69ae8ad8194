"""Models that read how long each row's text is, from its mask, and cut the row to that length (Lumina 2).

Rows of one forward are then padded to the longest among them, so that a row's bytes would depend on its neighbours. So
rows share a forward where their texts are equally long. Knows masks and sources of models; nothing of requests.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch

READS_LENGTHS = re.compile(r"mask\.sum\(dim=1\)\.tolist\(\)")
"""Lengths as numbers of Python: shapes depend on them."""


def cuts_texts(model: torch.nn.Module) -> bool:
    """Whether a part of a model of Diffusers reads the lengths of texts as numbers."""
    kinds: set[Any] = {type(part) for part in model.modules()}
    return any(_reads_lengths(kind) for kind in kinds if kind.__module__.startswith("diffusers."))


@functools.cache
def _reads_lengths(kind: Any) -> bool:
    return bool(READS_LENGTHS.search(inspect.getsource(kind.forward)))


def lengths(arguments: Mapping[str, Any], rows: int) -> list[Hashable]:
    """For each row of a model call, the lengths that its masks give.

    >>> mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    >>> lengths({"hidden_states": torch.zeros(2, 3), "encoder_attention_mask": mask}, 2)
    [(2,), (1,)]
    """
    masks = [
        value
        for name, value in arguments.items()
        if name.endswith("mask") and isinstance(value, torch.Tensor) and value.ndim == 2 and len(value) == rows
    ]
    sums = [mask.sum(dim=1).tolist() for mask in masks]
    return [tuple(of_mask[row] for of_mask in sums) for row in range(rows)]


def rows_by_length(each: Iterable[Hashable]) -> list[list[int]]:
    """The rows of equal lengths together, in the order in which the lengths come.

    >>> rows_by_length([(2,), (1,), (2,)])
    [[0, 2], [1]]
    """
    groups: dict[Hashable, list[int]] = {}
    for row, length in enumerate(each):
        groups.setdefault(length, []).append(row)
    return list(groups.values())
