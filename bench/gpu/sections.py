"""A section is a list of parts with a time limit; a part gives numbers, or says why it cannot.

Knows clocks and errors; nothing of models. A part is predicted before it begins, from the section's earlier parts, and
again within itself, from what it has measured of its own work. What does not fit into the section's time is left out
and listed, so that a slow card gives fewer numbers and takes no longer. A part that raises ends alone.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from teststrip.batching import Batcher, out_of_memory
from teststrip.errors import first_line

Numbers = dict[str, Any]


class LeftOut(Exception):
    """A part cannot be measured here. The text says why."""


class Budget:
    """The seconds that are left to a section.

    Args:
        seconds: from now on.
        clock: gives seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end, at least none."""
        return max(0.0, self._end - self._clock())

    def lacks(self, seconds: float) -> str:
        """Why work that takes so long does not fit; an empty text where it does."""
        if seconds < self.left:
            return ""
        return f"it takes about {seconds:.3g} seconds, and {self.left:.3g} are left"

    def need(self, seconds: float) -> None:
        """Begin work that takes about so long.

        Raises:
            LeftOut: it does not fit.
        """
        if why := self.lacks(seconds):
            raise LeftOut(why)


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement of a section.

    Attributes:
        name: in the results.
        measure: gives the numbers; it asks the budget before it begins more work.
        cost: what must be left of the section before it begins, in relation to the section's other parts; 0 = the part
            predicts itself.
    """

    name: str
    measure: Callable[[Budget], Numbers]
    cost: float = 1.0


def as_it_is(model: Any) -> Any:
    """The model or pipeline itself."""
    return model


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured on.

    Attributes:
        device: of all models.
        small: whether all is reduced to what a processor does in seconds.
        batcher: what merges calls.
        ready: what is done with each pipeline and model before it is measured.
        clock: gives the seconds that all times and limits are read from.
    """

    device: torch.device
    small: bool = False
    batcher: Callable[..., Batcher] = Batcher
    ready: Callable[[Any], Any] = as_it_is
    clock: Callable[[], float] = time.perf_counter

    @property
    def cuda(self) -> bool:
        """Whether there is a card whose memory can be counted and filled."""
        return self.device.type == "cuda"

    @property
    def formats(self) -> tuple[str, ...]:
        """The number formats that pictures are compared in; processors are slow in float16."""
        return ("float32", "bfloat16") if self.small else ("float32", "float16", "bfloat16")

    @property
    def part_seconds(self) -> float:
        """How long one way of making pictures may take, about: the number of pictures goes by it."""
        return 0.1 if self.small else 4.0

    def settle(self) -> None:
        """Block until all that was asked of the device is computed."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def timed(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """What some work gives, and its seconds on the device."""
        self.settle()
        begin = self.clock()
        made = work()
        self.settle()
        return made, self.clock() - begin

    def tidy(self) -> None:
        """Give memory of a card back that nothing uses, and count its peak anew."""
        if self.cuda:
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_megabytes(self) -> float | None:
        """Memory of the card at its peak since `tidy`; None on other devices."""
        return round(torch.cuda.max_memory_allocated() / 2**20, 1) if self.cuda else None


@dataclass(slots=True)
class Section:
    """What a section found.

    Attributes:
        limit: in seconds.
        seconds: that it took.
        parts: the numbers of each part that was measured.
        left_out: by part, why it was not measured.
        broken: by part, what it raised.
    """

    limit: float
    seconds: float = 0.0
    parts: dict[str, Numbers] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """The parts that do not hold."""
        return [name for name, numbers in self.parts.items() if numbers.get("holds") is False]

    @property
    def holds(self) -> bool | None:
        """Whether all that was checked holds; None where nothing was checked."""
        found = [numbers["holds"] for numbers in self.parts.values() if numbers.get("holds") is not None]
        return all(found) if found else None


def measured(
    parts: Iterable[Part], setup: Setup, limit: float, after: Callable[[Section], object] = lambda _: None
) -> Section:
    """Measure the parts of a section, one after another, where they fit into its time.

    Args:
        parts: in the order of their weight: the first one begins as long as there is time at all.
        setup: what is measured on.
        limit: in seconds.
        after: called with what was found so far, after each part.
    """
    found = Section(limit)
    budget = Budget(limit, setup.clock)
    first = setup.clock()
    seconds = costs = 0.0  # of the parts that were measured and have a cost
    for part in parts:
        begin = setup.clock()
        setup.tidy()
        try:
            budget.need(part.cost * seconds / costs if costs else 0.0)
            found.parts[part.name] = part.measure(budget)
            if part.cost:
                seconds, costs = seconds + setup.clock() - begin, costs + part.cost
        except LeftOut as why:
            found.left_out[part.name] = str(why)
        except Exception as error:  # a part ends alone, whatever it raises
            said = f"{type(error).__name__}: {first_line(error)}"
            (found.left_out if out_of_memory(error) else found.broken)[part.name] = said
        found.seconds = round(setup.clock() - first, 2)
        after(found)
    setup.tidy()
    return found
