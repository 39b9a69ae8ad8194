"""Pictures and texts into unit vectors, with a model of transformers: CLIP and its like, DINOv2, ViT.

Knows how such models are called, and computes no vector twice. Knows nothing of metrics, studies or files.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from teststrip.errors import MissingWeights
from teststrip.records import Setting
from teststrip.weights.loading import PROCESSOR_FILES, TOKENIZER_FILES, Weights, find, load, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Vectors = NDArray[np.float64]

REMEMBERED = 8192
"""Vectors that one encoder keeps, because a reference picture is asked for many times; 64 MB at 1,024 numbers each."""

REVISION: Final = Setting("revision", "str", optional=True, doc="Branch, tag or commit of a hub id.")
DEVICE: Final = Setting("device", "str", "auto", doc="auto, cpu, cuda, cuda:1 or mps.")
BATCH: Final = Setting("batch", "int", 32, low=1, high=4096, doc="Pictures a call of the model.")
"""Options that a metric with a model has, beside the model."""


class Encoder:
    """Turns pictures into unit vectors, and texts where the model is of the CLIP kind. Made by `encoder`.

    Args:
        found: the model's files.
        device: as in `load`.
        batch: how many pictures or texts one call of the model gets.
        remembered: vectors of pictures, and as many of texts, that are kept.
    """

    def __init__(self, found: Weights, device: str, batch: int, *, remembered: int = REMEMBERED) -> None:
        self.weights = found
        self._device_asked, self._batch, self._most = device, batch, remembered
        self._pictures: OrderedDict[bytes, Vectors] = OrderedDict()
        self._texts: OrderedDict[bytes, Vectors] = OrderedDict()

    def pictures(self, pictures: Sequence[Pixels]) -> Vectors:
        """Unit vectors [N, D] of pictures, each uint8 [H, W, 3].

        CLIP-like models: the projected embedding. Others (DINOv2, ViT): the pooled output, or the first token's.
        """
        keys = [
            hashlib.blake2b(one.tobytes(), digest_size=16, key=str(one.shape).encode()).digest() for one in pictures
        ]
        return self._vectors(self._pictures, keys, pictures, self._encode_pictures)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors [N, D] of texts. A text is cut at the length that the model reads.

        Raises:
            MissingWeights: this model reads no text.
        """
        keys = [hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=16).digest() for one in texts]
        return self._vectors(self._texts, keys, texts, self._encode_texts)

    @property
    def scale(self) -> float:
        """The factor by which the model was trained to multiply the cosine; 100 in the CLIPs of OpenAI."""
        return float(self._clip.logit_scale.detach().exp())

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModel

        return load(AutoModel, self.weights, self._device_asked)

    @property
    def _clip(self) -> Any:
        if not hasattr(self._model, "get_text_features"):
            raise MissingWeights(
                f"{self.weights.model!r} is a {type(self._model).__name__} and reads no text. "
                "Give `model` a model in CLIP format"
            )
        return self._model

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        reader: Any = AutoImageProcessor.from_pretrained
        # The Pillow backend, because the default needs torchvision, which is no part of the installation.
        return read(self.weights, lambda folder: reader(folder, backend="pil"), PROCESSOR_FILES)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return read(self.weights, AutoTokenizer.from_pretrained, TOKENIZER_FILES)

    def _vectors(
        self,
        kept: OrderedDict[bytes, Vectors],
        keys: Sequence[bytes],
        things: Sequence[Any],
        encode: Callable[[Sequence[Any]], Vectors],
    ) -> Vectors:
        """Encode what is not kept yet, a batch at a time; all others come from memory."""
        import numpy as np

        new = {key: thing for key, thing in zip(keys, things, strict=True) if key not in kept}
        vectors = {key: kept[key] for key in keys if key in kept}
        for start in range(0, len(new), self._batch):
            part = list(new)[start : start + self._batch]
            vectors.update(zip(part, encode([new[key] for key in part]), strict=True))
        kept.update(vectors)
        for key in vectors:
            kept.move_to_end(key)
        while len(kept) > self._most:
            kept.popitem(last=False)
        return np.stack([vectors[key] for key in keys]) if keys else np.zeros((0, 0))

    def _encode_pictures(self, pictures: Sequence[Pixels]) -> Vectors:
        import torch
        from PIL import Image

        inputs = self._processor(images=[Image.fromarray(one) for one in pictures], return_tensors="pt")
        values = inputs["pixel_values"].to(self._model.device)
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                answer = self._model.get_image_features(pixel_values=values)
                return _unit(getattr(answer, "pooler_output", answer))
            answer = self._model(pixel_values=values)
            pooled = getattr(answer, "pooler_output", None)
            return _unit(answer.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1))

    def _encode_texts(self, texts: Sequence[str]) -> Vectors:
        import torch

        model = self._clip
        inputs = self._tokenizer(
            # A study may hold a lone surrogate, and no tokenizer takes one.
            [text.encode("utf-8", "replace").decode() for text in texts],
            # SigLIP was trained on texts of one length. CLIP ignores what comes after the end of a text.
            padding="max_length" if model.config.model_type.startswith("siglip") else True,
            truncation=True,
            max_length=model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(model.device)
        with torch.inference_mode():
            answer = model.get_text_features(**inputs)
        return _unit(getattr(answer, "pooler_output", answer))


_open: WeakValueDictionary[tuple[object, ...], Encoder] = WeakValueDictionary()


def encoder(found: Weights, *, device: str = "auto", batch: int = 32) -> Encoder:
    """The encoder of these weights. Metrics that name equal weights share one, and its vectors, while they live."""
    key = (str(found.folder), json.dumps(dict(found.facts)), device, batch)
    one = _open.get(key)
    if one is None:
        one = _open[key] = Encoder(found, device, batch)
    return one


class Chosen:
    """A model as a metric's options name it. Nothing is read before `weights` or `encoder` is asked for."""

    def __init__(self, model: str | None, revision: str | None = None, device: str = "auto", batch: int = 32) -> None:
        self._model, self._revision = model, revision
        self._device, self._batch = device, batch

    @cached_property
    def weights(self) -> Weights:
        """The model on this disk. Raises MissingWeights."""
        return find(self._model, self._revision)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the model. Raises MissingWeights."""
        return encoder(self.weights, device=self._device, batch=self._batch)


def _unit(tensor: Any) -> Vectors:
    import numpy as np

    vectors: Vectors = tensor.double().cpu().numpy()
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
