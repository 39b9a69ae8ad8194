"""What a model answers: the rows of each call are taken out of it, and put together again.

Knows trees of tensors and lists with one entry a row; nothing of arguments, pipelines or waiting calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from teststrip.batching.listed import Listed


def marked(output: Any, width: int) -> Any:
    """The output of a model that takes lists: each list of `width` entries in it is `Listed`."""
    if isinstance(output, list) and len(output) == width:
        return Listed(tuple(output))
    if isinstance(output, dict):
        return type(output)(**{name: marked(item, width) for name, item in output.items()})
    return tuple(marked(item, width) for item in output) if isinstance(output, tuple) else output


def rows_of(output: Any, start: int, stop: int, width: int) -> Any:
    """Rows start..stop of everything in a model's output that has `width` of them."""

    def some(part: Any) -> Any:
        if isinstance(part, Listed):
            return Listed(part.entries[start:stop])
        return part[start:stop] if part.ndim and part.shape[0] == width else part

    return mapped(output, some)


def mapped(output: Any, change: Callable[[Any], Any]) -> Any:
    """A model's output with each tensor changed, in the order of `tensors`; `Listed` counts as one."""
    if isinstance(output, torch.Tensor | Listed):
        return change(output)
    if isinstance(output, dict):  # Diffusers' outputs are ordered dicts whose constructors take the fields
        return type(output)(**{name: mapped(item, change) for name, item in output.items()})
    if isinstance(output, list | tuple):
        return type(output)(mapped(item, change) for item in output)
    return output


def joined(parts: Sequence[Any]) -> Any:
    """The outputs of one request that was answered by several forwards, as one output."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, torch.Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Listed):
        return Listed(tuple(entry for part in parts for entry in part.entries))
    if isinstance(first, dict):
        return type(first)(**{name: joined([part[name] for part in parts]) for name in first})
    if isinstance(first, list | tuple):
        return type(first)(joined(items) for items in zip(*parts, strict=True))
    return first


def reunited(answers: Sequence[Any], places: Sequence[int]) -> Any:
    """The answers to all requests of one call, as a model that takes lists gives them.

    Args:
        answers: to one request after another.
        places: of their rows in the call.
    """
    back = [places.index(place) for place in range(len(places))]

    def whole(part: Any) -> Any:
        if isinstance(part, Listed):
            return list(part.at(back).entries)
        return part[back] if part.ndim and part.shape[0] == len(back) else part

    return mapped(joined(answers), whole)


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """Every tensor of an output; NumPy arrays as tensors."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        for item in output.values():
            yield from tensors(item)
    elif isinstance(output, list | tuple | Listed):
        for item in output.entries if isinstance(output, Listed) else output:
            yield from tensors(item)
    elif type(output).__module__ == "numpy" and getattr(output, "dtype", None) is not None and output.dtype.kind == "f":
        yield torch.from_numpy(output)
