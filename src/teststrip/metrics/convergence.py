"""How far a picture still is from the one that the same prompt, seed and settings give with more steps.

Knows which pictures belong together and three distances; `weights.encoder` knows the models and `vocabulary` the
samplers. Where the sampler draws fresh noise at each step, more steps give another picture, as far away as that of
another seed (0.595 against 0.586 in a toy model), and the value is NaN.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from teststrip import vocabulary
from teststrip.errors import DesignError
from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Row, Setting, canonical_json
from teststrip.vocabulary import STEPS
from teststrip.weights.encoder import BATCH, DEVICE, REVISION, Chosen, by_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]
    Floats = NDArray[np.float64]

# Wang's window: a Gaussian of sigma 1.5, 11 pixels wide, of sum 1
_HALF = [math.exp(-((n / 1.5) ** 2) / 2) for n in range(-5, 6)]
_WINDOW = [weight / sum(_HALF) for weight in _HALF]


def rmse(left: Rgb, right: Rgb) -> float:
    """Root of the mean squared difference of two pictures [H, W, 3], in 8-bit levels."""
    import numpy as np

    difference = left.astype(np.float64) - right
    return math.sqrt(float(np.square(difference).mean()))


def ssim(left: Rgb, right: Rgb) -> float:
    """Mean structural similarity of the lumas of two pictures [H, W, 3]; NaN below 11 pixels a side.

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


class _OfPairs:
    """A distance between a picture and the one with the most steps."""

    card: ClassVar[Card]

    def arrange(self, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        """Each image with its reference, which differs from it only in having the study's highest number of steps.

        The reference is paired with itself, because it is the end of the curve. A picture whose reference is missing
        is left out. References of two seeds are paired, too: what another seed changes is the yardstick.

        Raises:
            DesignError: no setting was tried with two numbers of steps, or only with stochastic samplers.
        """
        paths: dict[str, dict[float, list[Row]]] = defaultdict(lambda: defaultdict(list))
        most: dict[str, float] = {}
        for row in rows:
            steps = row.planned.shot.settings.get(STEPS)
            if isinstance(steps, int | float) and not isinstance(steps, bool):
                paths[_key(row)][steps].append(row)
                arm = _key(row, "prompt", "seed")
                most[arm] = max(steps, most.get(arm, steps))
        pairs, ends = [], defaultdict(list)
        for path in paths.values():
            top = path.get(most[_key(_first(path), "prompt", "seed")])
            if top:
                pairs += [(row, top[0]) for level in path.values() for row in level]
                ends[_key(top[0], "seed")].append(top[0])
        if len({row.planned.shot.settings[STEPS] for row, _ in pairs}) < 2:
            raise DesignError(f"no prompt and seed has pictures at two values of {STEPS}, all else being equal")
        if all(_noise(row) for row, _ in pairs):
            raise DesignError(
                "paired convergence is not defined here: these samplers draw fresh noise at each step, so more steps "
                "make another picture, not a better copy of the same. Use a deterministic scheduler, for example "
                "DDIMScheduler or DPMSolverMultistepScheduler"
            )
        return [*pairs, *(pair for own in ends.values() for pair in _neighbours(own))]

    def score(self, items: Sequence[Item]) -> list[float]:
        """One value for each pair, NaN where the sampler draws noise; see Metric."""
        fit = [item for item in items if not _noise(item.rows[0]) and _alike(item.pixels)]
        values = dict(zip(map(id, fit), self.compare([item.pixels for item in fit]), strict=True))
        return [values.get(id(item), math.nan) for item in items]

    @abstractmethod
    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> Iterable[float]:
        """One value for each picture and its reference."""


class Convergence(_OfPairs):
    """Distance in pixels; see `rmse`."""

    options: ClassVar[Mapping[str, Setting]] = {}
    card: ClassVar[Card] = Card(
        name="convergence",
        unit="levels",
        arity=2,
        higher_is_better=False,
        about="Root-mean-square difference to the same prompt and seed at the most steps; 0 there by definition.",
        low=0.0,
        high=255.0,
        source="root-mean-square error, on 8-bit sRGB levels",
        failure="A subject that moved by a few pixels is as far away as one that changed. "
        "It says that pictures stopped changing, not that they are good.",
        comparable="within a prompt, at one highest number of steps",
        # A peak signal-to-noise ratio of 40 dB, image coding's rule of thumb for no visible loss: 255 / 10 ** 2.
        unseen=2.55,
    )

    def fingerprint(self) -> Fingerprint:
        """The formula; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1})

    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> list[float]:
        """One root-mean-square difference for each pair, in 8-bit levels."""
        return [rmse(picture, reference) for picture, reference in pairs]


class ConvergenceSsim(_OfPairs):
    """Structural similarity; see `ssim`."""

    options: ClassVar[Mapping[str, Setting]] = {}
    card: ClassVar[Card] = Card(
        name="convergence_ssim",
        arity=2,
        higher_is_better=True,
        about="Structural similarity with the same prompt and seed at the most steps; 1 there by definition.",
        low=-1.0,
        high=1.0,
        source="Wang et al. 2004 (Gaussian window of 11 pixels)",
        failure="Blind to colour; flat areas count as much as the subject. NaN below 11 pixels a side.",
        comparable="within a prompt, at one width and height and one highest number of steps",
        equal=("width", "height"),
        # Half of the observers of Flynn et al. 2013 saw no difference from .92 on in two pictures, .96 in four.
        unseen=0.04,
    )

    def fingerprint(self) -> Fingerprint:
        """The formula; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1})

    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> list[float]:
        """One structural similarity for each pair."""
        return [ssim(picture, reference) for picture, reference in pairs]


class ConvergenceFeatures(_OfPairs):
    """Distance between what a vision model sees in the two pictures: 1 − cosine. `options` describes the arguments."""

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", optional=True, doc="CLIP, DINOv2 or ViT: folder or hub id."),
        REVISION,
        DEVICE,
        BATCH,
    )
    card: ClassVar[Card] = Card(
        name="convergence_features",
        unit="1 − cosine",
        arity=2,
        higher_is_better=False,
        about="1 − cosine of the picture's features and those at the most steps; 0 there by definition.",
        low=0.0,
        high=2.0,
        source="DINOv2: Oquab et al. 2023, arXiv 2304.07193; CLIP: Radford et al. 2021, arXiv 2103.00020",
        failure="What the model does not see does not count: fine texture, small text, the picture's quality.",
        needs="a vision model: folder or hub id, for example facebook/dinov2-base",
        comparable="within a prompt, at one highest number of steps",
    )

    def __init__(
        self, *, model: str | None = None, revision: str | None = None, device: str = "auto", batch: int = 32
    ) -> None:
        self._chosen = Chosen(model, revision, device, batch)

    def fingerprint(self) -> Fingerprint:
        """Formula and weights; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1, **self._chosen.weights.facts})

    def compare(self, pairs: Sequence[tuple[Rgb, ...]]) -> list[float]:
        """One distance, 1 − cosine, for each pair."""
        import numpy as np

        if not pairs:
            return []
        vectors = self._chosen.encoder.pictures([picture for pair in pairs for picture in pair])
        cosines = (vectors[::2] * vectors[1::2]).sum(axis=1)
        # Rounding can leave a unit vector's square a hair above 1.
        return [float(distance) for distance in np.clip(1 - cosines, 0, 2)]


def _noise(row: Row) -> str:
    """The sampler that drew fresh noise in a row's picture; "" where none is known to."""
    return vocabulary.noise(row.planned.shot.settings, row.image.facts if row.image else None)


def _key(row: Row, *besides: str) -> str:
    """What was asked, without the number of steps and these other settings."""
    shot = row.planned.shot
    rest = {name: value for name, value in shot.settings.items() if name != STEPS and name not in besides}
    return canonical_json([shot.engine.name, dict(shot.engine.options), rest])


def _neighbours(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Each row with the next one, the last with the first; two rows are one pair, and one row is none."""
    return list(zip(rows, [*rows[1:], *rows[:1]], strict=True))[: len(rows) if len(rows) > 2 else len(rows) - 1]


def _first(path: Mapping[float, Sequence[Row]]) -> Row:
    return next(iter(path.values()))[0]


def _windowed(values: Floats) -> Floats:
    """Weighted means [H - 10, W - 10] over the window around each pixel of [H, W] whose window lies inside."""
    import numpy as np

    for _ in range(2):  # once down the columns, once along the rows
        inner = len(values) - len(_WINDOW) + 1
        values = sum((weight * values[n : n + inner] for n, weight in enumerate(_WINDOW)), np.zeros(())).T
    return values


def _alike(pixels: tuple[Rgb, ...]) -> bool:
    return len({picture.shape for picture in pixels}) == 1
