"""A model's forward without Python: its operations are recorded once and run again by PyTorch's own interpreter.

A forward is some hundred operations, and between any two of them Python takes the lock that all threads share. For a
small model on a CPU that is a fifth of the time, and lanes and driver wait for each other. A recording (a trace of
TorchScript, run operation by operation, nothing fused) computes the same bytes and never asks for the lock.

A recording is kept only where it gives the bytes of the model itself, on the rows at hand and on others. Knows one
model and the arguments of its calls; nothing of pipelines or of what waits for the answer.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from teststrip.batching.answers import mapped, tensors
from teststrip.batching.stacking import TIMES, leaves, rebuilt

Tree = Mapping[str, Any]
"""The arguments of a model call, by the names of its parameters."""

POSSIBLE = sys.version_info < (3, 14)
"""PyTorch warns that its tracer may break from Python 3.14 on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a kind of forward is recorded.

    Attributes:
        forwards: of a kind before it is recorded: they cost about as much as recording does, so recording at most
            doubles the time.
        short_seconds: a forward that takes this long is not recorded, because Python's share of it is too small.
    """

    forwards: int = 32
    short_seconds: float = 0.5


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Recording:
    """The operations of forwards of one kind.

    Attributes:
        trace: computes them.
        answer: an answer of the model, for its form.
    """

    trace: Callable[..., tuple[torch.Tensor, ...]]
    answer: Any

    def __call__(self, tree: Tree) -> Any:
        """Compute a forward of the same kind, with other values."""
        with torch.jit.optimized_execution(should_optimize=False):  # type: ignore[attr-defined]
            made: Iterator[torch.Tensor] = iter(self.trace(*_given(tree).values()))
        return mapped(self.answer, lambda _: next(made))


class Recorder:
    """Computes forwards of a model: first by the model, later by recordings of it.

    Several threads may call `run` at once. One thread calls `record` now and then; only that makes recordings.

    Args:
        model: whose weights are used.
        compute: computes a forward from arguments by name.
        limits: when a forward is recorded.
    """

    def __init__(self, model: torch.nn.Module, compute: Callable[[Tree], Any], limits: Limits = DEFAULT_LIMITS) -> None:
        self._model = model
        self._compute = compute
        self._limits = limits
        self._seen: Counter[Hashable] = Counter()
        self._due: dict[Hashable, Tree] = {}
        self._made: dict[Hashable, Recording | None] = {}  # None where a recording would give other bytes
        self._lock = threading.Lock()  # protects _seen and _due, to which all lanes write

    def run(self, tree: Tree) -> Any:
        """Compute one forward."""
        kind = _kind(tree)
        if recording := self._made.get(kind):
            return recording(tree)
        begin = time.perf_counter()
        answer = self._compute(tree)
        if kind not in self._made and self.is_short(time.perf_counter() - begin):
            with self._lock:
                self._seen[kind] += 1
                if self._seen[kind] == self._limits.forwards:
                    self._due[kind] = tree
        return answer

    def is_short(self, seconds: float) -> bool:
        """Whether a forward that takes this long is recorded."""
        return seconds < self._limits.short_seconds

    def record(self, tree: Tree | None = None, seconds: float = 0.0) -> int:
        """Record the kinds of forward that came often enough.

        Args:
            tree: arguments whose kind is recorded at once, if its forward is short; None = none.
            seconds: that a forward of these arguments takes.

        Returns:
            the number of recordings that were made and kept.
        """
        if tree is not None and self.is_short(seconds) and (kind := _kind(tree)) not in self._made:
            self._due[kind] = tree
        good = 0
        while self._due:
            with self._lock:
                kind, example = self._due.popitem()
            self._made[kind] = self._recorded(example)
            good += self._made[kind] is not None
        return good

    def _recorded(self, tree: Tree) -> Recording | None:
        with torch.inference_mode(mode=False), torch.no_grad(), warnings.catch_warnings():
            # The tracer warns of decisions on shapes (they are part of the kind) and of its age.
            warnings.simplefilter("ignore")
            tree = _copied(tree, torch.clone)
            try:
                answer = self._compute(tree)
                traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                    ByPlace(self._model, self._compute, tree), tuple(_given(tree).values()), check_trace=False
                )
                recording = Recording(traced, mapped(answer, lambda _: torch.empty(0)))
                same = all(_same(recording(asked), self._compute(asked)) for asked in (tree, *_others(tree)))
            except Exception:  # what cannot be recorded is computed by the model; only time is lost
                return None
            return recording if same else None


class ByPlace(torch.nn.Module):
    """A model as a function of tensors to tensors, all else in its arguments fixed: the form that can be traced.

    Args:
        model: whose weights are used.
        compute: computes a forward from arguments by name.
        tree: the arguments.
    """

    def __init__(self, model: torch.nn.Module, compute: Callable[[Tree], Any], tree: Tree) -> None:
        super().__init__()
        self.model = model
        self._compute = compute
        self._tree = tree

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All tensors of the answer, in order."""
        places = dict(zip(_given(self._tree), given, strict=True))
        return tuple(tensors(self._compute(rebuilt(self._tree, places.get))))


def _given(tree: Tree) -> dict[Hashable, torch.Tensor]:
    return {path: leaf for path, leaf in leaves(tree) if isinstance(leaf, torch.Tensor)}


def _kind(tree: Tree) -> Hashable:
    return tuple(
        (path, tuple(leaf.shape), leaf.dtype) if isinstance(leaf, torch.Tensor) else (path, repr(leaf))
        for path, leaf in leaves(tree)
    )


def _copied(tree: Tree, change: Callable[[torch.Tensor], torch.Tensor]) -> Tree:
    return rebuilt(tree, lambda _, leaf: change(leaf) if isinstance(leaf, torch.Tensor) else leaf)  # type: ignore[no-any-return]


def _others(tree: Tree) -> Iterator[Tree]:
    """Arguments of the same kind with other values, at the ends and in the middle of time, and with texts of one word.

    A model that branches on a value gives a different answer here and is not recorded.
    """
    for moment, change in ((0, _another), (400, _another), (999, _another), (400, _with_other_masks)):
        yield {
            name: torch.full_like(leaf, moment) if name in TIMES and isinstance(leaf, torch.Tensor) else changed
            for (name, leaf), changed in zip(tree.items(), _copied(tree, change).values(), strict=True)
        }


def _another(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * 0.75 if tensor.is_floating_point() else tensor.flip(0) if tensor.ndim else tensor


def _with_other_masks(tensor: torch.Tensor) -> torch.Tensor:
    """A mask of as many texts, each as long as there is room, or a word long where they are; else the tensor."""
    if tensor.is_floating_point() or not tensor.ndim or not bool(((tensor == 0) | (tensor == 1)).all()):
        return tensor
    ones = torch.ones_like(tensor)
    if torch.equal(tensor, ones):
        ones[..., 1:] = 0
    return ones


def _same(one: Any, two: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(two), strict=True))
