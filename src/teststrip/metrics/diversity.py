"""How different the pictures of one prompt are from seed to seed: what guidance trades for fit.

Knows which seeds to compare and two numbers about a group; `weights.encoder` knows the models. Without a model the
pictures are compared as 32 × 32 thumbnails.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from teststrip.errors import DesignError
from teststrip.protocols import Item
from teststrip.records import Card, Cell, Fingerprint, Row, Setting, by_name
from teststrip.weights.encoder import BATCH, DEVICE, REVISION, Chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]
    Floats = NDArray[np.float64]

SIDE = 32
"""Pixels on each side of a thumbnail; the authors of the Vendi score use as many where they compare pixels."""


def mean_pairwise_distance(distances: Floats) -> float:
    """The mean over all pairs of a matrix of distances [N, N]; N at least 2."""
    import numpy as np

    count = len(distances)
    return float(distances[np.triu_indices(count, k=1)].mean())


def vendi(kernel: Floats) -> float:
    """The effective number of different pictures in a group: 1 when all are alike, N when none is like another.

    Args:
        kernel: similarities [N, N], symmetric, positive semidefinite, ones on the diagonal.

    Source:
        Friedman & Dieng 2022, arXiv 2210.02410: exp of the entropy of the eigenvalues of kernel / N.
    """
    import numpy as np

    shares = np.linalg.eigvalsh(kernel / len(kernel))
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


class _OfGroups:
    """The seeds of a prompt in a cell, seen by a model or as thumbnails. `options` describes the arguments."""

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", optional=True, doc="CLIP, DINOv2, ViT: folder or hub id; none = thumbnails."),
        REVISION,
        DEVICE,
        BATCH,
    )
    card: ClassVar[Card]

    def __init__(
        self, *, model: str | None = None, revision: str | None = None, device: str = "auto", batch: int = 32
    ) -> None:
        self._chosen = Chosen(model, revision, device, batch) if model else None

    def fingerprint(self) -> Fingerprint:
        """Formula and weights; see Metric."""
        seen = self._chosen.weights.facts if self._chosen else {"thumbnail": SIDE}
        return Fingerprint({"metric": self.card.name, "version": 1, **seen})

    def arrange(self, rows: Sequence[Row]) -> list[tuple[Row, ...]]:
        """For each prompt and cell a group of the replicates that every cell of the prompt has.

        All groups of a prompt have the same seeds, because a cell with refused pictures must not seem less diverse. A
        cell with one picture or none is left out, and all other cells are compared without it.

        Raises:
            DesignError: no prompt has two replicates in common.
        """
        cells: dict[str, dict[Cell, dict[int, Row]]] = defaultdict(lambda: defaultdict(dict))
        for row in rows:
            cells[row.planned.prompt.id][row.planned.cell][row.planned.replicate] = row
        groups = []
        for of_prompt in cells.values():
            several = [group for group in of_prompt.values() if len(group) > 1]
            shared = set.intersection(*map(set, several)) if several else set()
            if len(shared) > 1:
                groups += [tuple(group[number] for number in sorted(shared)) for group in several]
        if rows and not groups:
            raise DesignError("diversity compares seeds, and no prompt has two of them in common. Ask for replicates")
        return groups

    def score(self, items: Sequence[Item]) -> list[float]:
        """One value for each group, NaN for a single picture; see Metric."""
        return [self.value(item.pixels) if len(item.pixels) > 1 else math.nan for item in items]

    @abstractmethod
    def value(self, pictures: Sequence[Rgb]) -> float:
        """The value of one group of two or more pictures."""

    def features(self, pictures: Sequence[Rgb]) -> Floats:
        """Vectors [N, D]: unit vectors of the model, or thumbnails in 0..1."""
        import numpy as np

        if self._chosen:
            return self._chosen.encoder.pictures(pictures)
        return np.stack([_thumbnail(picture) for picture in pictures])

    @property
    def by_model(self) -> bool:
        """Whether a model looks at the pictures."""
        return self._chosen is not None


class Diversity(_OfGroups):
    """Mean distance between the seeds: root-mean-square of thumbnails in 0..1, or 1 − cosine of a model's features."""

    card: ClassVar[Card] = Card(
        name="diversity",
        arity=None,
        about="Mean distance over all pairs of seeds of a prompt in a cell.",
        low=0.0,
        high=2.0,
        source="mean pairwise distance, as in Sadat et al. 2024, arXiv 2310.17347",
        failure="Seen as thumbnails, another background is more different than another subject. "
        "Broken pictures are diverse too.",
        comparable="within a prompt, seen by one model",
    )

    def value(self, pictures: Sequence[Rgb]) -> float:
        """The mean distance between two of these pictures; see `mean_pairwise_distance`."""
        import numpy as np

        vectors = self.features(pictures)
        if self.by_model:
            return mean_pairwise_distance(np.clip(1 - vectors @ vectors.T, 0, 2))
        apart = vectors[:, None, :] - vectors[None, :, :]
        return mean_pairwise_distance(np.sqrt(np.square(apart).mean(axis=-1)))


class VendiScore(_OfGroups):
    """The effective number of different pictures among the seeds; see `vendi`."""

    card: ClassVar[Card] = Card(
        name="vendi_score",
        unit="pictures",
        arity=None,
        about="Effective number of different pictures among the seeds of a prompt in a cell: 1 to the number of seeds.",
        low=1.0 - 1e-9,
        high=math.inf,
        source="Friedman & Dieng 2022, arXiv 2210.02410; cosine kernel",
        failure="Grows with the number of seeds. Thumbnails all point into one corner of colour space, so without a "
        "model it hardly leaves 1: compare ratios of (value − 1), or give a model.",
        comparable="within a prompt, for one number of seeds, seen by one model",
    )

    def value(self, pictures: Sequence[Rgb]) -> float:
        """The effective number of different pictures among these; see `vendi`."""
        import numpy as np

        vectors = self.features(pictures)
        # A black picture has no direction; it gets the direction of grey, because black is the darkest grey.
        vectors = np.where(vectors.any(axis=1, keepdims=True), vectors, 1.0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        kernel = vectors @ vectors.T
        np.fill_diagonal(kernel, 1)
        return vendi(kernel)


def _thumbnail(picture: Rgb) -> Floats:
    """The picture shrunk by averaging areas, flattened [SIDE * SIDE * 3], 0..1."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).ravel() / 255
