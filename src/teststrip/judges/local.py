"""A judge on this disk: a vision-language model of transformers that compares two pictures.

It is not left to write: the probabilities of A, B and C as the first word of its answer are compared. A model that
would rather begin with another word has not answered, and that is said, because a choice among what it would hardly
say is a guess.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

from teststrip.analysis.votes.orders import Letter
from teststrip.errors import MissingWeights, first_line
from teststrip.judges.questions import FIRST, SECOND, TEMPLATE, Question, Said, words
from teststrip.pictures.pixels import decode
from teststrip.records import Judgement, Price, Reason, canonical_json
from teststrip.weights.loading import PROCESSOR_FILES, Weights, find, load, read

if TYPE_CHECKING:
    from teststrip.judges.declared import Declared
    from teststrip.protocols import Purse

LEAST_SHARE: Final = 0.5
"""The letters together must be this likely as the first word, so that the likeliest of them may be called an answer."""
LONGEST: Final = 200


class LocalJudge:
    """Asks a model on this machine, one question after another. The model is loaded with the first one.

    Args:
        declared: the judge as the user's configuration has it.
    """

    light = False
    price = Price(0.0, "USD")

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def record(self) -> Judgement:
        """What answers; see Judge."""
        facts = self._weights.facts
        revision = str(facts.get("commit") or str(facts["files"])[:16])
        options = canonical_json({"dtype": self._declared.dtype})
        return Judgement(str(facts["model"])[-200:], revision, TEMPLATE, options, ())

    def answers(self, questions: Iterable[Question], purse: Purse) -> Iterator[Said]:
        """One for each question; see Judge.

        Raises:
            MissingWeights: the model cannot be loaded, or is of a kind that cannot compare pictures.
        """
        for question in questions:
            if purse.ended():
                return
            began = time.perf_counter()
            reason: Reason | None
            try:
                text, answered = self._answer(question)
                reason = None if answered else "invalid"
            except (RuntimeError, ValueError, IndexError) as error:  # such as too little memory for two large pictures
                text, reason = f"{type(error).__name__}: {first_line(error)}"[:LONGEST], "error"
            yield Said(question.shot.id, text, time.perf_counter() - began, reason, later=reason == "error")

    def close(self) -> None:
        """Let the model go."""
        self.__dict__.pop("_model", None)

    def _answer(self, question: Question) -> tuple[str, bool]:
        """The letter, or why there is none."""
        import torch

        model = self._model
        inputs = self._inputs(question).to(model.device)
        for name, tensor in inputs.items():
            if torch.is_tensor(tensor) and tensor.is_floating_point():
                inputs[name] = tensor.to(model.dtype)
        keep = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        with torch.inference_mode():
            shares = model(**inputs, **keep).logits[0, -1].double().softmax(dim=-1)
        if not bool(torch.isfinite(shares).all()):
            return "the model's probabilities are not finite", False
        found = {one: float(shares[tokens].sum()) for one, tokens in self._letters.items()}
        if sum(found.values()) < LEAST_SHARE:
            other = " ".join(self._processor.tokenizer.decode([int(shares.argmax())]).split())
            said = "".join(letter for letter in other if letter.isprintable())[:40]
            return f"it would rather begin its answer with {said!r} than with A, B or C", False
        return max(found, key=lambda one: found[one]), True

    def _inputs(self, question: Question) -> Any:
        from PIL import Image

        first, second = (
            {"type": "image", "image": Image.fromarray(decode(data))} for data in (question.first, question.second)
        )
        text = self._plain(words(question.prompt, self._declared.question))
        content = [
            {"type": "text", "text": FIRST},
            first,
            {"type": "text", "text": SECOND},
            second,
            {"type": "text", "text": text},
        ]
        return self._processor.apply_chat_template(
            [[{"role": "user", "content": content}]],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )

    def _plain(self, text: str) -> str:
        """A text without the marks by which this model tells pictures and speakers apart."""
        before = ""
        while text != before:
            before = text
            for mark in self._marks:
                text = text.replace(mark, " ")
        return text

    @cached_property
    def _marks(self) -> list[str]:
        tokenizer = self._processor.tokenizer
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        marks = {str(token) for token in added if token.special} | set(tokenizer.all_special_tokens)
        marks.add(str(getattr(self._processor, "image_token", None) or "<image>"))
        return sorted(marks - {""}, key=len, reverse=True)

    @cached_property
    def _weights(self) -> Weights:
        return find(self._declared.model, self._declared.revision or None)

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForImageTextToText

        model = load(AutoModelForImageTextToText, self._weights, self._declared.device, dtype=self._declared.dtype)
        if model.config.is_encoder_decoder or not getattr(self._processor, "chat_template", None):
            raise MissingWeights(
                f"{self._declared.model!r} cannot talk about two pictures: a judge is a decoder with a chat template. "
                "Give `model` another model"
            )
        return model

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        return read(self._weights, AutoProcessor.from_pretrained, PROCESSOR_FILES)

    @cached_property
    def _letters(self) -> dict[Letter, list[int]]:
        """The tokens of the vocabulary that are a spelling of each letter."""
        tokenizer = self._processor.tokenizer
        found: dict[Letter, list[int]] = {}
        for one in get_args(Letter):
            spelled = [tokenizer.encode(word, add_special_tokens=False) for word in (one, f" {one}")]
            tokens = {tokens[0] for tokens in spelled if len(tokens) == 1} - {tokenizer.unk_token_id}
            if not tokens:
                raise MissingWeights(
                    f"the tokenizer of {self._declared.model!r} has no token for {one!r}. Give `model` another model"
                )
            found[one] = sorted(tokens)
        return found
