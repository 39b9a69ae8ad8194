"""A section is a list of parts with a time limit; a part gives numbers, or says why it cannot.

Knows clocks and errors; nothing of models. The limit is read between two parts, so a part is never cut short; what did
not begin in time is listed. A part that raises ends alone.
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
Part = tuple[str, Callable[[], Numbers]]
"""A name, and what measures."""


class LeftOut(Exception):
    """A part cannot be measured here. The text says why."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured on.

    Attributes:
        device: of all models.
        small: whether all is reduced to what a processor does in seconds.
        batcher: what merges calls.
    """

    device: torch.device
    small: bool = False
    batcher: Callable[..., Batcher] = Batcher

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
        return 0.1 if self.small else 6.0

    def settle(self) -> None:
        """Block until all that was asked of the device is computed."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

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


def measured(parts: Iterable[Part], setup: Setup, limit: float) -> Section:
    """Measure the parts of a section, one after another, as long as its time lasts."""
    found = Section(limit)
    begin = time.perf_counter()
    for name, measure in parts:
        if time.perf_counter() - begin >= limit:
            found.left_out[name] = f"the {limit:g} seconds of this section were over"
            continue
        setup.tidy()
        try:
            found.parts[name] = measure()
        except LeftOut as why:
            found.left_out[name] = str(why)
        except Exception as error:  # a part ends alone, whatever it raises
            said = f"{type(error).__name__}: {first_line(error)}"
            (found.left_out if out_of_memory(error) else found.broken)[name] = said
    found.seconds = round(time.perf_counter() - begin, 2)
    setup.tidy()
    return found
