"""What a picture cost: numbers that the engine counted, read from the image's record.

Looks at no pixels and computes nothing. Costs are metrics so that they stand in tables and charts beside quality.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Image, Setting


class _OfRecord(ABC):
    """A number that stands in each image's record."""

    options: ClassVar[Mapping[str, Setting]] = {}
    card: ClassVar[Card]

    def fingerprint(self) -> Fingerprint:
        """Which number is read; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One number for each image, NaN where the engine did not count; see Metric."""
        return [math.nan if (image := item.rows[0].image) is None else self.read(image) for item in items]

    @staticmethod
    @abstractmethod
    def read(image: Image) -> float:
        """The number of one image."""


class Seconds(_OfRecord):
    """Machine time of a picture."""

    card: ClassVar[Card] = Card(
        name="seconds",
        unit="s",
        higher_is_better=False,
        needs_pixels=False,
        about="Machine time of a picture; in a batch, its share of the batch's time.",
        low=0.0,
        high=math.inf,
        source="measured by the engine",
        failure="Depends on the machine, on what else it did, and on batching; the first picture bears the warm-up.",
        comparable="between all pictures made on one machine",
        rises_with=("num_inference_steps",),
    )

    @staticmethod
    def read(image: Image) -> float:
        """Machine time of an image, in seconds."""
        return image.seconds


class DenoiserCalls(_OfRecord):
    """How often the denoiser was asked."""

    card: ClassVar[Card] = Card(
        name="denoiser_calls",
        unit="calls",
        higher_is_better=False,
        needs_pixels=False,
        about="Rows sent through the denoiser for a picture; guidance counts twice.",
        low=0.0,
        high=math.inf,
        source="counted by the engine; a scheduler may call oftener than num_inference_steps says (PNDM: 51 for 50)",
        failure="A call of a large model is dearer than one of a small: not comparable between models.",
        comparable="between all pictures of one engine and model at one width and height",
        equal=("engine", "model", "width", "height"),
        rises_with=("num_inference_steps", "guidance_scale"),
    )

    @staticmethod
    def read(image: Image) -> float:
        """Denoiser calls of an image; NaN where the engine did not count them."""
        calls = image.facts.get("denoiser_calls")
        return float(calls) if isinstance(calls, int | float) else math.nan
