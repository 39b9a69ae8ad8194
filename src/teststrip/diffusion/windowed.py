"""A call whose guidance is off in some of its steps: outside of the window its denoiser computes the conditional row.

The call's copy of the pipeline gets a proxy in the place of each denoiser. Outside of the window the proxy hands the
model the conditional half of the rows, and gives its answer back for both halves; where a pipeline calls the model
twice a step, the second call gets the answer of the first. Guidance leads from the one answer to the other, so between
two equal ones it leads nowhere: the step is that of a picture without guidance, at the cost of one row.

Knows models and schedulers as they look from outside, whether they are real or wait in a batch; `windows` says which
steps and which half. Imports torch.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from teststrip.batching import DENOISERS
from teststrip.batching.listed import Listed
from teststrip.batching.stacking import SHARED, Path, rebuilt


def windowed(steps: Callable[[int], range], place: int | None) -> Callable[[Any], Any]:
    """What makes a call's own copy of a pipeline guide in the window alone.

    Args:
        steps: the indices of the guided ones of so many steps.
        place: of the conditional half of the rows, 0 or 1; None = the pipeline calls its denoiser twice a step, first
            for the conditional answer.

    Returns:
        changes a copy of a pipeline whose scheduler belongs to this call, and gives it back; models are not changed.
    """

    def prepare(pipeline: Any) -> Any:
        own = pipeline.__dict__  # not setattr, which would rewrite the pipeline's configuration
        own.pop("_num_timesteps", None)  # of an earlier call
        clock = Clock(pipeline, steps)
        answer = _by_call(clock) if place is None else _by_half(clock, place)
        for name in DENOISERS:
            if isinstance(model := getattr(pipeline, name, None), torch.nn.Module):
                own[name] = _proxy(model, functools.partial(answer, model))
        return pipeline

    return prepare


class Clock:
    """Which step a call is in: its scheduler steps at the end of each.

    Args:
        pipeline: the call's own copy; its scheduler gets a `step` that is counted.
        steps: the indices of the guided ones of so many steps.

    Attributes:
        first: the answer to the step's first call of the denoiser outside of the window; None before it.
    """

    def __init__(self, pipeline: Any, steps: Callable[[int], range]) -> None:
        self._pipeline = pipeline
        self._steps = steps
        self._taken = 0
        self.first: Any = None
        step = pipeline.scheduler.step

        @functools.wraps(step)  # pipelines ask for the names of its arguments
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._taken += 1
            self.first = None
            return step(*args, **kwargs)

        pipeline.scheduler.step = counted

    @property
    def guided(self) -> bool:
        """Whether this step lies in the window; the share is of the steps that the pipeline will take."""
        count = self._pipeline.__dict__.get("_num_timesteps") or len(self._pipeline.scheduler.timesteps)
        return self._taken in self._steps(count)


def _by_call(clock: Clock) -> Callable[..., Any]:
    def answer(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if clock.guided:
            return model(*args, **kwargs)
        if clock.first is None:
            clock.first = model(*args, **kwargs)
        return clock.first

    return answer


def _by_half(clock: Clock, place: int) -> Callable[..., Any]:
    def answer(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if clock.guided:
            return model(*args, **kwargs)
        kept = half(_bound(model, args, kwargs), place)
        if kept is None:
            return model(*args, **kwargs)
        bound = inspect.BoundArguments(_signature(model), kept)
        return doubled(model(*bound.args, **bound.kwargs), listed=isinstance(next(iter(kept.values())), list))

    return answer


def half(tree: Mapping[str, Any], place: int) -> Any:
    """The arguments of one half of the rows; None where there is a single row.

    Args:
        tree: arguments by name; the first one is a batch of rows, or a list with one entry a row.
        place: 0 or 1.
    """
    first = next(iter(tree.values()))
    rows = len(first)
    if rows % 2:
        return None
    kept = slice(place * rows // 2, (place + 1) * rows // 2)
    if isinstance(first, list):
        return {name: value[kept] if _has_rows(value, rows) else value for name, value in tree.items()}

    def change(path: Path, leaf: Any) -> Any:
        if isinstance(leaf, Listed):
            return Listed(leaf.entries[kept])
        shared = SHARED.intersection(map(str, path))
        return leaf[kept] if isinstance(leaf, torch.Tensor) and _has_rows(leaf, rows) and not shared else leaf

    return rebuilt(dict(tree), change)


def _has_rows(value: Any, rows: int) -> bool:
    return (isinstance(value, list) or (isinstance(value, torch.Tensor) and value.ndim > 0)) and len(value) == rows


def doubled(output: Any, *, listed: bool = False) -> Any:
    """The answer to one half of the rows as that to both; `listed` answers are lists with one entry a row."""
    if isinstance(output, torch.Tensor):
        return torch.cat([output, output]) if output.ndim else output
    if isinstance(output, dict):  # Diffusers' outputs are ordered dicts whose constructors take the fields
        return type(output)(**{name: doubled(item, listed=listed) for name, item in output.items()})
    if isinstance(output, list) and listed:
        return output + output
    if isinstance(output, list | tuple):
        return type(output)(doubled(item, listed=listed) for item in output)
    return output


def _proxy(model: torch.nn.Module, answer: Callable[..., Any]) -> torch.nn.Module:
    """A shallow copy of a model that is called like the model, with hooks left to the model itself."""
    proxy = copy.copy(model)
    for hooks in ("_forward_hooks", "_forward_pre_hooks"):
        proxy.__dict__[hooks] = OrderedDict()
    proxy.__dict__["forward"] = answer
    return proxy


def _bound(model: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_signature(model).bind(*args, **kwargs).arguments)


def _signature(model: torch.nn.Module) -> inspect.Signature:
    """What a model is called with. Its class is asked, because a proxy's own `forward` takes anything."""
    kind: Any = type(getattr(model, "_orig_mod", model))
    _, *parameters = inspect.signature(kind.forward).parameters.values()
    return inspect.Signature(parameters)
