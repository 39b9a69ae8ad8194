"""How well a picture fits its prompt, by asking a vision-language model: the probability that it answers "yes".

Knows the question and where the answer stands in the logits; `weights.loading` finds the model, transformers runs it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip.errors import MissingWeights
from teststrip.protocols import Item
from teststrip.records import Card, Fingerprint, Setting, by_name
from teststrip.weights.encoder import BATCH, DEVICE, REVISION
from teststrip.weights.loading import PROCESSOR_FILES, Weights, find, load, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

QUESTION = 'Does this figure show "{prompt}"? Please answer yes or no.'
YES = ("yes", "Yes", "YES", " yes", " Yes", " YES")


class VqaScore:
    """P(yes) as the first word of the answer, summed over its spellings.

    The model is one that transformers can open as image-text-to-text. `options` describes the arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("model", "str", optional=True, doc="An image-text-to-text model: folder or hub id."),
        REVISION,
        Setting("question", "str", QUESTION, doc="What is asked; {prompt} stands for the prompt."),
        Setting(
            "dtype", "str", "auto", choices=("auto", "float32", "bfloat16", "float16"), doc="Of the weights in memory."
        ),
        DEVICE,
        replace(BATCH, default=8),
    )
    card: ClassVar[Card] = Card(
        name="vqa_score",
        unit="probability",
        higher_is_better=True,
        about='Probability that a vision-language model answers "yes" when asked whether the picture shows the prompt.',
        low=0.0,
        high=1.0,
        source="VQAScore: Lin et al. 2024, arXiv 2404.01291",
        failure="Models like to say yes: values crowd near 1, and one that answers with another word scores near 0. "
        "Looks do not count.",
        needs="an image-text-to-text model of transformers: folder or hub id",
    )

    def __init__(
        self,
        *,
        model: str | None = None,
        revision: str | None = None,
        question: str = QUESTION,
        dtype: str = "auto",
        device: str = "auto",
        batch: int = 8,
    ) -> None:
        self._asked, self._revision = model, revision
        self._question, self._dtype = question, dtype
        self._device, self._batch = device, batch

    def fingerprint(self) -> Fingerprint:
        """Question, precision and weights; see Metric."""
        facts = {"question": self._question, "dtype": self._dtype, **self._weights.facts}
        return Fingerprint({"metric": self.card.name, "version": 1, **facts})

    def score(self, items: Sequence[Item]) -> list[float]:
        """One probability for each picture; see Metric."""
        # Only pictures of one size with one question share a call: then nothing is padded, and a picture's answer does
        # not depend on the pictures beside it.
        alike: dict[tuple[str, tuple[int, ...]], list[int]] = {}
        for place, item in enumerate(items):
            key = item.rows[0].planned.shot.prompt, item.pixels[0].shape
            alike.setdefault(key, []).append(place)
        values = [math.nan] * len(items)
        for (prompt, _), places in alike.items():
            for start in range(0, len(places), self._batch):
                part = places[start : start + self._batch]
                answers = self._probabilities(prompt, [items[place].pixels[0] for place in part])
                for place, answer in zip(part, answers, strict=True):
                    values[place] = answer
        return values

    def _probabilities(self, prompt: str, pictures: Sequence[Rgb]) -> list[float]:
        import torch

        # No tokenizer takes a lone surrogate. A prompt that spells the model's mark for a picture would make the model
        # look for a second picture.
        mark = str(getattr(self._processor, "image_token", None) or "\0")
        readable = prompt.encode("utf-8", "replace").decode().replace(mark, "")
        question = self._question.replace("{prompt}", readable)
        inputs = self._inputs(question, pictures).to(self._model.device)
        for name, tensor in inputs.items():
            if torch.is_tensor(tensor) and tensor.is_floating_point():
                inputs[name] = tensor.to(self._model.dtype)
        extra: dict[str, Any] = {}
        if self._model.config.is_encoder_decoder:
            start = self._model.generation_config.decoder_start_token_id
            extra["decoder_input_ids"] = torch.full((len(pictures), 1), start, device=self._model.device)
        elif "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            extra["logits_to_keep"] = 1  # one row of the vocabulary, not one for each of a picture's hundreds of tokens
        with torch.inference_mode():
            logits = self._model(**inputs, **extra).logits[:, -1]
        shares = logits.double().softmax(dim=-1)[:, self._yes].sum(dim=-1)
        return [min(1.0, float(share)) for share in shares.cpu()]

    def _inputs(self, question: str, pictures: Sequence[Rgb]) -> Any:
        from PIL import Image

        images = [Image.fromarray(picture) for picture in pictures]
        processor = self._processor
        if getattr(processor, "chat_template", None):
            talks = [
                [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]}]
                for image in images
            ]
            return processor.apply_chat_template(
                talks, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        questions = [question] * len(images)
        token = getattr(processor, "image_token", None)
        if token is not None and not self._places_pictures_itself(images[0]):
            questions = [f"{token}\n{question}"] * len(images)
        return processor(images=images, text=questions, return_tensors="pt")

    def _places_pictures_itself(self, picture: Any) -> bool:
        """Whether the processor writes the picture's place into a text that has none (BLIP-2 does, LLaVA refuses)."""
        try:
            inputs = self._processor(images=[picture], text=["?"], return_tensors="pt")
        except ValueError:
            return False
        place = self._processor.tokenizer.convert_tokens_to_ids(str(self._processor.image_token))
        return bool((inputs["input_ids"] == place).any())

    @cached_property
    def _weights(self) -> Weights:
        return find(self._asked, self._revision)

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForImageTextToText

        return load(AutoModelForImageTextToText, self._weights, self._device, dtype=self._dtype)

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        return read(self._weights, AutoProcessor.from_pretrained, PROCESSOR_FILES)

    @cached_property
    def _yes(self) -> list[int]:
        """The tokens of the vocabulary that are a spelling of yes."""
        tokenizer = self._processor.tokenizer
        spelled = [tokenizer.encode(word, add_special_tokens=False) for word in YES]
        tokens = {one[0] for one in spelled if len(one) == 1} - {tokenizer.unk_token_id}
        if not tokens:
            raise MissingWeights(f"the tokenizer of {self._asked!r} has no token for 'yes'. Give `model` another model")
        return sorted(tokens)
