"""How far a picture is from its reference, which has its prompt and seed: at the most steps, or in the reference cell.

Knows what is on the cards, and which pairs have no value; `pictures.distances` has the formulas, `weights.encoder`
the models, and `rows.references` pairs the pictures. Where a sampler draws fresh noise at each step, more steps give
another picture, as far away as that of another seed (0.595 against 0.586 in a toy model): against the most steps
there is no value then. Pictures of two sizes have none either, because resizing one of them would make up pixels.
Transparency was laid on white before a metric sees a picture.

To add one: a class with a card and a formula, and its entry point.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from teststrip import vocabulary
from teststrip.pictures import distances
from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Row, Setting, by_name
from teststrip.weights.encoder import BATCH, DEVICE, REVISION, Chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

DESCRIBES = "a picture that is near the reference is the same picture, and not a better one"
MOVED = "A subject that moved by a few pixels is as far away as one that changed."
NOT_GOOD = "It says that pictures stopped changing, not that they are good."
BLIND = (
    "Blind to colour; flat areas count as much as the subject, so that plain grey can be nearer than another picture. "
    "NaN below 11 pixels a side."
)
UNSEEN = "What the model does not see does not count: fine texture, small text, the picture's quality."
MODELS = "DINOv2: Oquab et al. 2023, arXiv 2304.07193; CLIP: Radford et al. 2021, arXiv 2103.00020"
LOSSLESS = 40.0
"""Decibels from which on people see no loss: image coding's rule of thumb."""


class _OfPairs:
    """A value of a picture and its reference."""

    options: ClassVar[Mapping[str, Setting]] = {}
    card: ClassVar[Card]

    def fingerprint(self) -> Fingerprint:
        """The formula; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One value for each pair, NaN where the two cannot be compared; see Metric."""
        fit = [item for item in items if self._applies(item)]
        values = dict(zip(map(id, fit), self.compare([item.pixels for item in fit]), strict=True))
        return [values.get(id(item), math.nan) for item in items]

    @abstractmethod
    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> Iterable[float]:
        """One value for each picture and its reference, which have one size."""

    def _applies(self, item: Item) -> bool:
        other = self.card.against == "the most steps" and _noise(item.rows[0])
        return not other and len({picture.shape for picture in item.pixels}) == 1


class _OfPixels(_OfPairs):
    """A formula of two arrays of pixels."""

    @staticmethod
    @abstractmethod
    def formula(left: Rgb, right: Rgb) -> float:
        """The value of a picture and its reference."""

    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> list[float]:
        """The formula of each pair."""
        return [self.formula(picture, reference) for picture, reference in pairs]


class _OfFeatures(_OfPairs):
    """Distance between what a vision model sees in the two pictures: 1 − cosine. `options` describes the arguments."""

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", optional=True, doc="CLIP, DINOv2 or ViT: folder or hub id."),
        REVISION,
        DEVICE,
        BATCH,
    )

    def __init__(
        self, *, model: str | None = None, revision: str | None = None, device: str = "auto", batch: int = 32
    ) -> None:
        self._chosen = Chosen(model, revision, device, batch)

    def fingerprint(self) -> Fingerprint:
        """Formula and weights; see Metric."""
        return Fingerprint({**super().fingerprint().facts, **self._chosen.weights.facts})

    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> list[float]:
        """One distance, 1 − cosine, for each pair."""
        import numpy as np

        if not pairs:
            return []
        vectors = self._chosen.encoder.pictures([picture for pair in pairs for picture in pair])
        cosines = (vectors[::2] * vectors[1::2]).sum(axis=1)
        # Rounding can leave a unit vector's square a hair above 1.
        return [float(distance) for distance in np.clip(1 - cosines, 0, 2)]


class Convergence(_OfPixels):
    """Distance in pixels to the most steps; see `rmse`."""

    card: ClassVar[Card] = Card(
        name="convergence",
        unit="levels",
        arity=2,
        higher_is_better=False,
        about="Root-mean-square difference to the same prompt and seed at the most steps; 0 there by definition.",
        low=0.0,
        high=255.0,
        source="root-mean-square error, on 8-bit sRGB levels",
        failure=f"{MOVED} {NOT_GOOD}",
        comparable="within a prompt, at one highest number of steps",
        unseen=255 / 10 ** (LOSSLESS / 20),  # 2.55 levels
        against="the most steps",
    )
    formula = staticmethod(distances.rmse)


class ConvergenceSsim(_OfPixels):
    """Structural similarity with the most steps; see `ssim`."""

    card: ClassVar[Card] = Card(
        name="convergence_ssim",
        arity=2,
        higher_is_better=True,
        about="Structural similarity with the same prompt and seed at the most steps; 1 there by definition.",
        low=-1.0,
        high=1.0,
        source="Wang et al. 2004 (Gaussian window of 11 pixels)",
        failure=BLIND,
        comparable="within a prompt, at one width and height and one highest number of steps",
        equal=("width", "height"),
        # Half of the observers of Flynn et al. 2013 saw no difference from .92 on in two pictures, .96 in four.
        unseen=0.04,
        against="the most steps",
        scale="similarity",
    )
    formula = staticmethod(distances.ssim)


class ConvergenceFeatures(_OfFeatures):
    """Distance to what a vision model sees at the most steps."""

    card: ClassVar[Card] = Card(
        name="convergence_features",
        unit="1 − cosine",
        arity=2,
        higher_is_better=False,
        about="1 − cosine of the picture's features and those at the most steps; 0 there by definition.",
        low=0.0,
        high=2.0,
        source=MODELS,
        failure=UNSEEN,
        needs="a vision model: folder or hub id, for example facebook/dinov2-base",
        comparable="within a prompt, at one highest number of steps",
        against="the most steps",
    )


REFERRED = Card(
    "",
    arity=2,
    describes=DESCRIBES,
    comparable="within a prompt, against one reference",
    against="the reference",
)
"""What the cards of all distances to the reference cell have in common."""


class Psnr(_OfPixels):
    """Peak signal-to-noise ratio against the reference; see `psnr`."""

    card: ClassVar[Card] = replace(
        REFERRED,
        name="psnr",
        unit="dB",
        about="Peak signal-to-noise ratio against the reference cell's picture of the same prompt and seed. Equal "
        "pictures get the ratio of the least error that pictures of their size can have: 107 dB at 512 × 512.",
        low=0.0,
        high=131.0,  # of 64 million pixels, the most that a picture may have: 130.97
        source="Huynh-Thu & Ghanbari 2008; over all three channels of 8-bit sRGB",
        failure=f"{MOVED} Noise that people hardly see counts as much as a blur that they do.",
        comparable="within a prompt, against one reference; means are taken of the squared error",
        unseen=LOSSLESS,
        scale="decibels",
    )
    formula = staticmethod(distances.psnr)


class Ssim(_OfPixels):
    """Structural similarity with the reference; see `ssim`."""

    card: ClassVar[Card] = replace(
        REFERRED,
        name="ssim",
        about="Structural similarity with the reference cell's picture of the same prompt and seed; 1 for equal ones.",
        low=-1.0,
        high=1.0,
        source="Wang et al. 2004 (Gaussian window of 11 pixels, lumas)",
        failure=BLIND,
        comparable="within a prompt, at one width and height, against one reference",
        equal=("width", "height"),
        unseen=ConvergenceSsim.card.unseen,
        scale="similarity",
    )
    formula = staticmethod(distances.ssim)


class Changed(_OfPixels):
    """Share of changed pixels; see `changed`."""

    card: ClassVar[Card] = replace(
        REFERRED,
        name="changed",
        about="Share of pixels with a channel more than 2 of 255 levels from the reference cell's picture of the same "
        "prompt and seed.",
        low=0.0,
        high=1.0,
        source="counted",
        failure="A pixel that is off by 3 levels counts as much as one that turned from black to white.",
        unseen=math.inf,
    )
    formula = staticmethod(distances.changed)


class Level(_OfPixels):
    """Largest difference of a pixel; see `level`."""

    card: ClassVar[Card] = replace(
        REFERRED,
        name="level",
        unit="levels",
        about="Largest difference of a channel of a pixel from the reference cell's picture of the same prompt and "
        "seed.",
        low=0.0,
        high=255.0,
        source="counted",
        failure="One pixel on an edge that moved decides it: it tells equal pictures from others, and little more.",
        unseen=math.inf,
    )
    formula = staticmethod(distances.level)


class Features(_OfFeatures):
    """Distance to what a vision model sees in the reference."""

    card: ClassVar[Card] = replace(
        REFERRED,
        name="features",
        unit="1 − cosine",
        about="1 − cosine of the picture's features and those of the reference cell's picture of the same prompt and "
        "seed.",
        low=0.0,
        high=2.0,
        source=MODELS,
        failure=UNSEEN,
        needs=ConvergenceFeatures.card.needs,
        comparable="within a prompt, against one reference, seen by one model",
    )


def _noise(row: Row) -> str:
    """The sampler that drew fresh noise in a row's picture; "" where none is known to."""
    return vocabulary.noise(row.planned.shot.settings, row.image.facts if row.image else None)
