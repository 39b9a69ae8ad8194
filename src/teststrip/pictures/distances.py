"""How far two pictures are apart, in numbers. Knows two arrays of one shape, uint8 [H, W, 3]; no file and no model.

To add a distance: a function of two arrays here, and a metric in `metrics/fidelity.py` that applies it to pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]
    Floats = NDArray[np.float64]

FAINT = 2
"""A pixel counts as changed when a channel moved by more levels than these: JPEG moves a flat colour by up to 2."""

# Wang's window: a Gaussian of sigma 1.5, 11 pixels wide, of sum 1
_HALF = [math.exp(-((n / 1.5) ** 2) / 2) for n in range(-5, 6)]
_WINDOW = [weight / sum(_HALF) for weight in _HALF]


def rmse(left: Rgb, right: Rgb) -> float:
    """Root of the mean squared difference, in 8-bit levels."""
    return math.sqrt(_squared(left, right))


def psnr(left: Rgb, right: Rgb) -> float:
    """Peak signal-to-noise ratio in decibels, over all three channels.

    Two equal pictures have no error, and their ratio would be infinite, which no mean can hold. They get the ratio of
    the least error that pictures of their size can have: one channel of one pixel is off by one level.

    Source:
        Huynh-Thu & Ghanbari 2008, Scope of validity of PSNR in image and video quality assessment.
    """
    return 10 * math.log10(255**2 / max(_squared(left, right), 1 / left.size))


def changed(left: Rgb, right: Rgb) -> float:
    """The share of pixels that have a channel more than FAINT levels apart."""
    return float((_moved(left, right) > FAINT).mean())


def level(left: Rgb, right: Rgb) -> float:
    """The largest difference of a channel of a pixel, in 8-bit levels."""
    return float(_moved(left, right).max())


def ssim(left: Rgb, right: Rgb) -> float:
    """Mean structural similarity of the lumas; NaN below 11 pixels a side.

    Source:
        Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5, K1 = .01, K2 = .03, borders left out.
    """
    import numpy as np

    if min(left.shape[:2]) < len(_WINDOW):
        return math.nan
    x, y = (picture @ np.array([0.299, 0.587, 0.114]) for picture in (left, right))
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x, var_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    both = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float((similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def _squared(left: Rgb, right: Rgb) -> float:
    """The mean squared difference."""
    import numpy as np

    return float(np.square(left.astype(np.float64) - right).mean())


def _moved(left: Rgb, right: Rgb) -> NDArray[np.int16]:
    """The largest difference of the channels of each pixel, [H, W]."""
    import numpy as np

    moved: NDArray[np.int16] = np.abs(left.astype(np.int16) - right).max(axis=-1)
    return moved


def _windowed(values: Floats) -> Floats:
    """Weighted means [H - 10, W - 10] over the window around each pixel of [H, W] whose window lies inside."""
    import numpy as np

    for _ in range(2):  # once down the columns, once along the rows
        inner = len(values) - len(_WINDOW) + 1
        values = sum((weight * values[n : n + inner] for n, weight in enumerate(_WINDOW)), np.zeros(())).T
    return values
