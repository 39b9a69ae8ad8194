"""Weights of words in prompts, `(red:1.2)`: read as web UIs read them, computed by compel, given as embeddings.

A prompt in compel's own language, `(red)1.2` or `("a", "b").blend(1, 1)`, is read by compel itself. A prompt of any
length is read whole, in pieces as long as the encoder reads. Knows texts and a loaded pipeline; nothing of shots. To
support another family: a line in `given`, and what compel calls its encoders. Imports compel when called.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from teststrip.diffusion.loading import Loaded
from teststrip.diffusion.models import Model
from teststrip.diffusion.pipelines import PipelineClass, arguments_of
from teststrip.diffusion.source import function
from teststrip.errors import StudyError, shortened
from teststrip.plugins import version_of
from teststrip.records import Value

SETTING: Final = "prompt_weighting"
COMPEL: Final = "compel"
TEXTS: Final = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")
KEPT: Final = 64
"""Encoded prompts that are kept, because a study shows each prompt again and again."""

STEP: Final = 1.1
"""The weight of a pair of round brackets; square brackets divide by it."""

SIGNS: Final = re.compile(r"\\[()\[\]\\]|[(\[]|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)|[)\]]|[^\\()\[\]:]+|[:\\]")
OWN: Final = re.compile(
    r'\)(?:[+\-\d]|\.(?:\d|(?:and|add|blend|swap|attend)\())|"(?:[+\-]|\.swap\()|\w\++(?=[\s,.)]|$)|\w\.swap\('
)
"""What says that a prompt is written in compel's own language."""

PLAIN_WEIGHT: Final = re.compile(r"\(([^()]+):\s*(-?(?:\d+\.?\d*|\.\d+))\s*\)")

Fragments = tuple[tuple[str, float], ...]


def fragments(text: str) -> Fragments:
    """The pieces of a prompt and their weights, as A1111 reads its language; neighbours of one weight are one piece.

    >>> fragments("an (owl:1.5), ((red))"), fragments(r"\\(1\\) [dark")
    ((('an ', 1.0), ('owl', 1.5), (', ', 1.0), ('red', 1.21)), (('(1) ', 1.0), ('dark', 0.9091)))
    """
    pieces: list[tuple[str, float]] = []
    open_at: list[tuple[str, int]] = []

    def weigh(start: int, by: float) -> None:
        pieces[start:] = [(piece, weight * by) for piece, weight in pieces[start:]]

    for match in SIGNS.finditer(text):
        sign = match.group()
        closes = "(" if match["weight"] or sign == ")" else "[" if sign == "]" else ""
        if sign in "([":
            open_at.append((sign, len(pieces)))
        elif closes and (at := next((one for one in reversed(open_at) if one[0] == closes), None)):
            open_at.remove(at)
            weigh(at[1], float(match["weight"] or (STEP if closes == "(" else 1 / STEP)))
        else:
            pieces.append((sign[1:] if len(sign) == 2 and sign[0] == "\\" else sign, 1.0))
    for bracket, start in open_at:  # as A1111, where a bracket without an end counts to the end
        weigh(start, STEP if bracket == "(" else 1 / STEP)
    found: list[tuple[str, float]] = []
    for piece, weight in pieces:
        rounded = round(weight, 4)
        if found and found[-1][1] == rounded:
            found[-1] = (found[-1][0] + piece, rounded)
        else:
            found.append((piece, rounded))
    return tuple(found) or (("", 1.0),)


def written(text: str) -> str:
    """A prompt in compel's language, as a person writes it for compel; equal texts are equal to compel."""
    if OWN.search(text):
        return PLAIN_WEIGHT.sub(r"(\1)\2", text)
    return "".join(piece if weight == 1 else f"({piece}){weight:g}" for piece, weight in fragments(text))


def plain(text: str) -> str:
    """A prompt without the signs of its weights; one in compel's own language stays as it is."""
    return text if OWN.search(text) else "".join(piece for piece, _ in fragments(text))


def check(settings: Mapping[str, Value], model: Model, pipeline: PipelineClass, offload: str) -> None:
    """Raise StudyError where weights are asked for that nothing here can compute.

    Args:
        settings: of a shot.
        model: as found.
        pipeline: as its source describes it.
        offload: the engine's option.
    """
    if not settings.get(SETTING):
        return
    if importlib.util.find_spec(COMPEL) is None:
        raise StudyError(f"{SETTING}: compel is not installed. Run: pip install compel")
    if not _supported(pipeline, model):
        raise StudyError(
            f"{SETTING}: compel's weights are given to Stable Diffusion 1, 2 and XL here, and not to {pipeline.name}."
            " Leave the setting out"
        )
    if settings.get("clip_skip") is not None:
        raise StudyError(f"clip_skip: not with {SETTING}, which takes the layer that the model was trained with")
    if offload != "none":
        raise StudyError(f"{SETTING}: not with offload = {offload!r}, which moves the encoders at each call")


def _supported(pipeline: PipelineClass, model: Model) -> bool:
    made, call = function(pipeline.tree, "__init__"), function(pipeline.tree, "__call__")
    parts = {one.arg for one in made.args.args if one.arg.startswith("text_encoder")} if made else set()
    takes = {name for name, _, _ in arguments_of(call)} if call else set()
    named = {part: (model.index or {}).get(part) for part in parts}
    clip = all(isinstance(one, list) and "CLIPTextModel" in str(one[-1]) for one in named.values())
    two = "XL" in pipeline.name and parts == {"text_encoder", "text_encoder_2"} and "pooled_prompt_embeds" in takes
    return (clip or model.index is None) and "prompt_embeds" in takes and (two or parts == {"text_encoder"})


def described(settings: Mapping[str, Value]) -> dict[str, object]:
    """What a fingerprint says of weights: the version of what computes them; nothing where none are asked for."""
    return {SETTING: {COMPEL: version_of(COMPEL)}} if settings.get(SETTING) else {}


class Embedded(Mapping[str, Any]):
    """The arguments of a call whose texts become embeddings when the call begins, so that what fails is that call.

    Args:
        names: of all arguments.
        find: gives the arguments.
    """

    def __init__(self, names: frozenset[str], find: Callable[[], Mapping[str, Any]]) -> None:
        self._names = names
        self._find = find
        self._found: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        if self._found is None:
            self._found = self._find()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


def embedded(loaded: Loaded, call: Mapping[str, Any], settings: Mapping[str, Value]) -> Mapping[str, Any]:
    """The arguments of a call with embeddings in the place of its texts, where settings ask for weights.

    Args:
        loaded: the pipeline, with all that adapts it on.
        call: from `shooting.arguments`.
        settings: of the shot.
    """
    if not settings.get(SETTING):
        return call
    others = {name: value for name, value in call.items() if name not in TEXTS}
    texts = tuple(None if call.get(name) is None else str(call[name]) for name in TEXTS)
    key = (texts, loaded.adapted, loaded.inversions)

    def find() -> Mapping[str, Any]:
        if key not in loaded.encoded:
            while len(loaded.encoded) >= KEPT:
                del loaded.encoded[next(iter(loaded.encoded))]
            loaded.encoded[key] = given(loaded, dict(zip(TEXTS, texts, strict=True)))
        return {**others, **loaded.encoded[key]}

    return Embedded(frozenset({*others, *_names(loaded, texts[1])}), find)


def _names(loaded: Loaded, negative: str | None) -> list[str]:
    """The arguments that take the place of the texts."""
    names = ["prompt_embeds"] if _zeros(loaded, negative) else ["prompt_embeds", "negative_prompt_embeds"]
    names += [name.replace("prompt", "pooled_prompt") for name in names] if _two(loaded) else []
    return [name for name in names if name in _takes(loaded.pipe)]


def _takes(pipe: Any) -> frozenset[str]:
    return frozenset(inspect.signature(type(pipe).__call__).parameters)


def _two(loaded: Loaded) -> bool:
    return getattr(loaded.pipe, "text_encoder_2", None) is not None


def _zeros(loaded: Loaded, negative: str | None) -> bool:
    """Whether the pipeline leads away from zeros, and not from an empty text, where there is no negative prompt."""
    return negative is None and bool(loaded.pipe.config.get("force_zeros_for_empty_prompt"))


def given(loaded: Loaded, texts: Mapping[str, str | None]) -> dict[str, Any]:
    """The embeddings of a call.

    Raises:
        ValueError: compel cannot read a text.
    """
    import torch
    from compel import CompelForSD, CompelForSDXL

    pipe, prompt, negative = loaded.pipe, texts["prompt"] or "", texts["negative_prompt"]
    both = [prompt] if _zeros(loaded, negative) else [prompt, negative or ""]
    if not _two(loaded):
        rows = _same_length(CompelForSD(pipe).compel, both, loaded)
        pooled = []
    else:
        compel = CompelForSDXL(pipe)
        second = [texts["prompt_2"] or both[0], *(texts["negative_prompt_2"] or one for one in both[1:])]
        left, right = _same_length(compel.compel_1, both, loaded), _same_length(compel.compel_2, second, loaded)
        left, right = _filled(compel.compel_1, left, right), _filled(compel.compel_2, right, left)
        rows = [torch.cat(pair, dim=-1) for pair in zip(left, right, strict=True)]
        provider = compel.compel_2.conditioning_provider
        with torch.no_grad():
            pooled = [
                provider.get_pooled_embeddings([_expanded(loaded, compel.compel_2, plain(text))]) for text in second
            ]
    names = ("prompt_embeds", "negative_prompt_embeds")
    found = dict(zip(names, rows, strict=False))
    found |= dict(zip((name.replace("prompt", "pooled_prompt") for name in names), pooled, strict=False))
    return {name: value for name, value in found.items() if name in _takes(pipe)}


def _expanded(loaded: Loaded, compel: Any, text: str) -> str:
    """The text with all tokens of a textual inversion, as the pipeline itself writes it out."""
    tokenizer = compel.conditioning_provider.tokenizer
    return str(loaded.pipe.maybe_convert_prompt(text, tokenizer)) if loaded.inversions else text


def _same_length(compel: Any, texts: list[str], loaded: Loaded) -> list[Any]:
    """The embeddings of texts, the shorter ones filled with those of an empty text."""
    import torch

    with torch.no_grad():
        rows = [_row(compel, text, loaded) for text in texts]
        return list(compel.pad_conditioning_tensors_to_same_length(rows))


def _filled(compel: Any, rows: list[Any], others: list[Any]) -> list[Any]:
    """The rows, as long as those of the other encoder, which may have been given longer texts."""
    import torch

    longest = max(row.shape[1] for row in (*rows, *others))
    with torch.no_grad():
        empty = compel.conditioning_provider.empty_z
    count = [(longest - row.shape[1]) // empty.shape[1] for row in rows]
    return [torch.cat([row, *[empty.to(row)] * n], dim=1) for row, n in zip(rows, count, strict=True)]


def _row(compel: Any, text: str, loaded: Loaded) -> Any:
    """The embeddings of one text [1, tokens, width]."""
    from compel.prompt_parser import Conjunction, FlattenedPrompt

    if OWN.search(text):
        try:
            conjunction = compel.parse_prompt_string(_expanded(loaded, compel, written(text)))
        except Exception as error:  # whatever its parser makes of a text, it is that text which is wrong
            raise ValueError(f"prompt: compel cannot read {shortened(text, 80)!r}") from error
        if any(getattr(one, "wants_cross_attention_control", False) for one in conjunction.prompts):
            raise ValueError("prompt: .swap() needs a pipeline of compel's own. Write two prompts")
    else:
        pieces = [(_expanded(loaded, compel, piece), weight) for piece, weight in fragments(text) if piece.strip()]
        pieces = pieces or [("", 1.0)]
        conjunction = Conjunction([FlattenedPrompt(pieces)], [1.0])
    row, _ = compel.build_conditioning_tensor_for_conjunction(conjunction)
    return row
