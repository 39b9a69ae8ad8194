"""How well a picture fits its prompt, by CLIP (`clip_score`) or by a CLIP tuned on people's choices (`pick_score`).

Knows two formulas over unit vectors; `weights.encoder` knows the models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Setting, Study, by_name
from teststrip.weights.encoder import BATCH, DEVICE, REVISION, Chosen
from teststrip.weights.loading import EMBEDDED_SCORER
from teststrip.weights.places import EMBEDDED

_CLIP_CARD = Card(
    name="clip_score",
    higher_is_better=True,
    about="100 × cosine between the CLIP embeddings of picture and prompt.",
    low=-100.0,
    high=100.0,
    source="Hessel et al. 2021, arXiv 2104.08718 (there 2.5 × cosine, cut at 0; here 100 × cosine, uncut)",
    failure="Guidance pulls pictures towards what CLIP measures: the score rises whether or not they get better. "
    "It counts objects badly, misses who does what to whom, and reads 77 tokens.",
    needs="a model in CLIP format: folder or hub id",
    rises_with=("guidance_scale",),
)
_EMBEDDED_CARD = replace(
    _CLIP_CARD,
    about="100 × cosine between picture and prompt, by the small scorer embedded in this package.",
    failure="The embedded scorer was trained on drawn emoji at 64 pixels: of any other picture or word it knows "
    "nothing, and it rates noise or grey above a good picture of another prompt. " + _CLIP_CARD.failure,
    needs="nothing more: the embedded scorer of emoji (or a CLIP by folder or hub id)",
)


class ClipScore:
    """100 × the cosine between the embeddings of a picture and of its prompt.

    The model is any in CLIP format (`get_image_features`, `get_text_features`); by default the scorer embedded in this
    package, which knows the embedded model's emoji and nothing else. `options` describes the arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", EMBEDDED_SCORER, doc="A CLIP: folder or hub id; default the embedded scorer of emoji."),
        REVISION,
        DEVICE,
        BATCH,
    )
    card: Card = _EMBEDDED_CARD  # of the default model; an instance with another model has `_CLIP_CARD`

    def __init__(
        self, *, model: str = EMBEDDED_SCORER, revision: str | None = None, device: str = "auto", batch: int = 32
    ) -> None:
        self._chosen = Chosen(model, revision, device, batch)
        self._embedded = model == EMBEDDED_SCORER
        if not self._embedded:
            self.card = _CLIP_CARD

    def misfit(self, study: Study) -> str:
        """Why the embedded scorer knows nothing of a study's pictures; see Choosy."""
        strange = _strangers(study) if self._embedded else []
        if not strange:
            return ""
        return f"the embedded scorer was trained on drawn emoji at 64 pixels, and pictures here are of {strange[0]}"

    def fingerprint(self) -> Fingerprint:
        """Formula and weights; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1, **self._chosen.weights.facts})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One cosine for each picture, times 100; see Metric."""
        return [100 * cosine for cosine in _cosines(self._chosen, items)]


class PickScore:
    """The preference of a CLIP that was tuned on people's choices between pictures: its scale × the cosine.

    The model is one in CLIP format; PickScore itself is `yuvalkirstain/PickScore_v1`. `options` describes the
    arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", optional=True, doc="Folder or hub id, for example yuvalkirstain/PickScore_v1."),
        REVISION,
        DEVICE,
        BATCH,
    )
    card: ClassVar[Card] = Card(
        name="pick_score",
        higher_is_better=True,
        about="Scale × cosine of picture and prompt by a CLIP tuned on people's choices (PickScore: about 18 to 24).",
        low=-100.0,
        high=100.0,  # the scale of a CLIP is held at 100 or below in training
        source="Kirstain et al. 2023, arXiv 2305.01569",
        failure="It has the taste of the web users it was tuned on: polished, centred, saturated.",
        needs="a preference model in CLIP format, for example yuvalkirstain/PickScore_v1 (4 GB)",
        rises_with=("guidance_scale",),
    )

    def __init__(
        self, *, model: str | None = None, revision: str | None = None, device: str = "auto", batch: int = 32
    ) -> None:
        self._chosen = Chosen(model, revision, device, batch)

    def fingerprint(self) -> Fingerprint:
        """Formula and weights; see Metric."""
        return Fingerprint({"metric": self.card.name, "version": 1, **self._chosen.weights.facts})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One preference for each picture; see Metric."""
        return [self._chosen.encoder.scale * cosine for cosine in _cosines(self._chosen, items)]


def _strangers(study: Study) -> list[str]:
    """What makes a study's pictures and is not the embedded model, in words."""
    engines = [f"engine {ref.name!r}" for ref in study.engines.values() if ref.name != "diffusers"]
    tables = [study.settings, *(level.settings for axis in study.axes for level in axis.levels)]
    models = dict.fromkeys(table["model"] for table in tables if table.get("model"))
    return [*engines, *(f"model {model!r}" for model in models if model != EMBEDDED)]


def _cosines(chosen: Chosen, items: Sequence[Item]) -> list[float]:
    if not items:
        return []
    pictures = chosen.encoder.pictures([item.pixels[0] for item in items])
    texts = chosen.encoder.texts([item.rows[0].planned.shot.prompt for item in items])
    return [float(cosine) for cosine in (pictures * texts).sum(axis=1)]
