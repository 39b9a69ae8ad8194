"""What can be measured in a single picture without any model: sharpness, colour, contrast, clipping.

Knows arrays of pixels and formulas; nothing of prompts, settings or files. To add one: a formula on `rgb [H, W, 3]`,
a class with its card, a line in the entry points, a second source in the tests. These numbers describe pictures and
recommend none: a formula on pixels cannot tell detail from noise, or a colour that was asked for from one that was not.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]
    Floats = NDArray[np.float64]

XYZ_OF_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV and Pillow turn colour into grey


def sharpness(rgb: Rgb) -> float:
    """Variance of the Laplacian of the luma, in squared grey levels.

    Args:
        rgb: [H, W, 3], sRGB, 0..255.

    Source:
        Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". Kernel and mirrored border as
        `cv2.Laplacian`.
    """
    import numpy as np

    grey = np.pad(_luma(rgb), 1, mode="reflect")
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var())


def colourfulness(rgb: Rgb) -> float:
    """How far the colours lie from grey and from one another, in 8-bit levels; 0 for a grey picture.

    Args:
        rgb: [H, W, 3], sRGB, 0..255.

    Source:
        Hasler & Süsstrunk 2003, "Measuring colourfulness in natural images", the metric M(3).
    """
    import numpy as np

    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    red_green = red - green
    yellow_blue = (red + green) / 2 - blue
    spread = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    distance = math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
    return spread + 0.3 * distance


def contrast(rgb: Rgb) -> float:
    """Root-mean-square contrast: the standard deviation of the luma on a scale of 0..1.

    Args:
        rgb: [H, W, 3], sRGB, 0..255.

    Source:
        Peli 1990, "Contrast in complex images".
    """
    return float(_luma(rgb).std() / 255)


def clipped(rgb: Rgb) -> float:
    """The share of pixels with a channel at 0 or at 255: what exposure or guidance has cut off.

    Args:
        rgb: [H, W, 3], sRGB, 0..255.

    Source:
        What the clipping warning of a raw converter counts. That high guidance over-exposes: Lin et al., arXiv
        2305.08891.
    """
    return float(((rgb == 0) | (rgb == 255)).any(axis=-1).mean())


def chroma(rgb: Rgb) -> float:
    """The mean chroma C*ab of the pixels in CIE L*a*b* (D65, 2°); 0 for a grey picture.

    Args:
        rgb: [H, W, 3], sRGB, 0..255.

    Source:
        CIE 15:2004; sRGB as in IEC 61966-2-1.
    """
    import numpy as np

    light = _linear(np.arange(256) / 255)[rgb]
    xyz = light @ (np.array(XYZ_OF_RGB) / np.array(WHITE)[:, None]).T
    # The cube root, and near black the straight line that CIE puts in its place.
    bent = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    a = 500 * (bent[..., 0] - bent[..., 1])
    b = 200 * (bent[..., 1] - bent[..., 2])
    return float(np.hypot(a, b).mean())


def _luma(rgb: Rgb) -> Floats:
    red, green, blue = LUMA
    luma: Floats = red * rgb[..., 0] + green * rgb[..., 1] + blue * rgb[..., 2]
    return luma


def _linear(levels: Floats) -> Floats:
    """sRGB's transfer function undone: 0..1 in, light 0..1 out."""
    import numpy as np

    light: Floats = np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)
    return light


class _OfPixels:
    """A metric of one formula, which is applied to each picture."""

    options: ClassVar[Mapping[str, Setting]] = {}
    version: ClassVar[int] = 1  # raise it when a value can change, so that old scores are computed again

    @staticmethod
    @abstractmethod
    def formula(rgb: Rgb) -> float:
        """The value of one picture, rgb [H, W, 3]."""

    def fingerprint(self) -> Fingerprint:
        """The formula and its version; see Metric."""
        return Fingerprint({"metric": type(self).formula.__name__, "version": self.version})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One value for each picture; see Metric."""
        return [self.formula(item.pixels[0]) for item in items]


class Sharpness(_OfPixels):
    """Variance of the Laplacian; see `sharpness`."""

    card: ClassVar[Card] = Card(
        name="sharpness",
        unit="squared levels",
        describes="noise and grain count as sharpness",
        about="Variance of the Laplacian of the luma: how much fine structure there is.",
        low=0.0,
        high=(8 * 255 / 2) ** 2,  # a Laplacian lies in ±4 · 255, and no variance exceeds (range / 2)²
        source="Pech-Pacheco et al. 2000; kernel and border as cv2.Laplacian",
        failure="Noise, grain and compression blocks count as sharpness; a plain background counts against it.",
        comparable="within a prompt, at one width and height",
        equal=("width", "height"),
    )
    formula = staticmethod(sharpness)


class Colourfulness(_OfPixels):
    """Hasler and Süsstrunk's M(3); see `colourfulness`."""

    card: ClassVar[Card] = Card(
        name="colourfulness",
        unit="levels",
        describes="over-saturation counts as colour",
        about="Spread and distance from grey of the opponent colours (Hasler & Süsstrunk's M3).",
        low=0.0,
        high=math.hypot(255, 255) + 0.3 * math.hypot(255, 255),  # spread and mean can never both be this large
        source="Hasler & Süsstrunk 2003",
        failure="Over-saturation and coloured noise score high; whether the prompt asked for colour it does not know.",
    )
    formula = staticmethod(colourfulness)


class Contrast(_OfPixels):
    """Standard deviation of the luma; see `contrast`."""

    card: ClassVar[Card] = Card(
        name="contrast",
        describes="burnt-out pictures have much contrast",
        about="Root-mean-square contrast: standard deviation of the luma, full scale = 1.",
        low=0.0,
        high=0.5,
        source="Peli 1990",
        failure="Burnt-out pictures have much of it; a subject on white has more than the same subject on grey.",
    )
    formula = staticmethod(contrast)


class Clipped(_OfPixels):
    """Share of pixels cut off at black or white; see `clipped`."""

    card: ClassVar[Card] = Card(
        name="clipped",
        unit="share",
        describes="a white background that was asked for counts as clipped",
        about="Share of pixels that have a channel at 0 or at 255.",
        low=0.0,
        high=1.0,
        source="the clipping warning of raw converters; over-exposure by guidance: Lin et al., arXiv 2305.08891",
        failure="A pure white background or a pure colour that was asked for counts as clipped.",
    )
    formula = staticmethod(clipped)


class Chroma(_OfPixels):
    """Mean C*ab; see `chroma`."""

    card: ClassVar[Card] = Card(
        name="chroma",
        unit="C*ab",
        describes="a vivid picture has much chroma whether or not the prompt asked for colour",
        about="Mean chroma of the pixels in CIE L*a*b*.",
        low=0.0,
        high=134.0,  # pure sRGB blue: 133.8
        source="CIE 15:2004, D65, 2° observer",
        failure="A mean: a small vivid subject on white scores lower than a pale wash, and coloured noise above all.",
    )
    formula = staticmethod(chroma)
