"""How people would rate a picture's looks: a linear head on CLIP's picture embedding, as LAION trained them.

Knows the head; `weights.encoder` knows the model below it. The prompt plays no part.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from teststrip.errors import MissingWeights, first_line
from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Setting, by_name
from teststrip.weights.encoder import BATCH, DEVICE, REVISION, Chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Aesthetic:
    """A linear function of CLIP's unit picture embedding.

    The head is a .safetensors file with one linear layer, or several in a row without anything between them (LAION's
    "improved" predictor is such a chain): tensors `*weight` [out, in] and `*bias` [out], the last out = 1. The model is
    the CLIP that the head was trained on; LAION's heads want `openai/clip-vit-large-patch14`. `options` describes the
    arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("head", "str", optional=True, doc="The linear head, a .safetensors file."),
        Setting("model", "str", optional=True, doc="The CLIP below it: folder or hub id."),
        REVISION,
        DEVICE,
        BATCH,
    )
    card: ClassVar[Card] = Card(
        name="aesthetic",
        unit="rating",
        higher_is_better=True,
        about="Predicted rating of looks: a linear head on CLIP's picture embedding; LAION's scale is 1 to 10.",
        low=-math.inf,
        high=math.inf,
        source="Schuhmann 2022, LAION-Aesthetics",
        failure="It does not read the prompt: a handsome picture of the wrong thing scores high. It likes paintings, "
        "sunsets and shallow focus.",
        needs="a CLIP (folder or hub id) and the head trained on it (.safetensors)",
    )

    def __init__(
        self,
        *,
        head: str | None = None,
        model: str | None = None,
        revision: str | None = None,
        device: str = "auto",
        batch: int = 32,
    ) -> None:
        self._head = head
        self._chosen = Chosen(model, revision, device, batch)

    def fingerprint(self) -> Fingerprint:
        """Formula, head and weights; see Metric."""
        digest = hashlib.sha256(self._head_file.read_bytes()).hexdigest()
        return Fingerprint({"metric": self.card.name, "version": 1, "head": digest, **self._chosen.weights.facts})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One rating for each picture; see Metric."""
        if not items:
            return []
        vectors = self._chosen.encoder.pictures([item.pixels[0] for item in items])
        slope, offset = self._function
        if len(slope) != vectors.shape[1]:
            raise MissingWeights(
                f"the head {self._head!r} wants embeddings of {len(slope)} numbers, the CLIP gives {vectors.shape[1]}. "
                "Give `model` the CLIP that the head was trained on"
            )
        return [float(value) for value in vectors @ slope + offset]

    @property
    def _head_file(self) -> Path:
        if not self._head:
            raise MissingWeights("no head is named. Give `head` a .safetensors file")
        path = Path(self._head).expanduser()
        if not path.is_file():
            raise MissingWeights(f"there is no file {self._head!r}. Give `head` a .safetensors file")
        return path

    @cached_property
    def _function(self) -> tuple[Floats, float]:
        """The chain of layers as one linear function: slope [D] and offset."""
        layers = _layers(self._head_file)
        slope, offset = layers[0]
        for weight, bias in layers[1:]:
            if weight.shape[1] != len(offset):
                raise MissingWeights(f"{self._head!r}: its layers do not follow one another")
            slope, offset = weight @ slope, weight @ offset + bias
        if slope.shape[0] != 1:
            raise MissingWeights(f"{self._head!r} ends in {slope.shape[0]} numbers, not in one rating")
        return slope[0], float(offset[0])


def _layers(path: Path) -> list[tuple[Floats, Floats]]:
    """Weight [out, in] and bias [out] of each layer, in the natural order of their names."""
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError) as error:
        raise MissingWeights(f"{str(path)!r} is no readable .safetensors file: {first_line(error)}") from error
    weights = sorted((name for name, tensor in tensors.items() if tensor.ndim == 2), key=_natural)
    biases = {name.removesuffix("weight") + "bias" for name in weights}
    if not weights or set(tensors) - set(weights) - biases:
        odd = sorted(set(tensors) - set(weights) - biases) or ["nothing"]
        raise MissingWeights(f"{str(path)!r} is no chain of linear layers: it holds {', '.join(odd[:3])}")
    return [
        (tensors[name], tensors.get(name.removesuffix("weight") + "bias", np.zeros(len(tensors[name]))))
        for name in weights
    ]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `layers.10` after `layers.2`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
