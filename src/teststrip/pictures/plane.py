"""Where pictures stand on a plane by their light and colours: principal components of 8 x 8 pixels.

No model looks at a picture here, so nothing is known of what it shows: pictures stand near each other whose light and
colours lie at the same places. Two components are fitted to a sample, and then any number of pictures can be placed one
by one. Knows encoded pictures; nothing of studies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from teststrip.pictures.pixels import upright

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE: Final = 8
"""Pixels of the square that a picture is shrunk to. Its 192 numbers keep the light and lose the texture."""

SAMPLE: Final = 4096
"""Pictures that are enough to fit two components of 192 numbers: some twenty for each number."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Two directions among pictures.

    Attributes:
        mean: of the sample, [192].
        axes: of length 1 and at a right angle to each other, [192, 2].
        share: of the variance of the sample that the plane shows; 0..1.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    share: float

    def place(self, data: bytes) -> tuple[float, float]:
        """Where an encoded picture stands, in 8-bit levels.

        Two pictures are never further apart on the plane than the root mean squared difference of their 8 x 8 pixels.

        Raises:
            PictureError: the picture cannot be decoded.
        """
        x, y = (_levels(data) - self.mean) @ self.axes / len(self.mean) ** 0.5
        return float(x), float(y)


def fitted(pictures: Iterable[bytes]) -> Plane:
    """The plane on which these encoded pictures are furthest apart: their first two principal components.

    The sign of each component is the one that its largest number has as a positive one, so that equal pictures give an
    equal plane.

    Raises:
        PictureError: a picture cannot be decoded.

    Source:
        Pearson 1901, On lines and planes of closest fit to systems of points in space.
    """
    import numpy as np

    levels = np.array([_levels(data) for data in pictures]).reshape(-1, 3 * SIDE * SIDE)
    mean = levels.mean(axis=0) if len(levels) else np.zeros(levels.shape[1])
    spread = (levels - mean).T @ (levels - mean)
    variances, directions = np.linalg.eigh(spread)  # in rising order
    axes = directions[:, [-1, -2]]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    total = float(variances.sum())
    return Plane(mean, axes, float(variances[-2:].sum()) / total if total > 0 else 0.0)


def _levels(data: bytes) -> NDArray[np.float64]:
    """The 8 x 8 pixels of a picture, whatever its shape: levels of red, green and blue, [192]."""
    import numpy as np
    from PIL import Image

    return np.asarray(upright(data).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64).ravel()
