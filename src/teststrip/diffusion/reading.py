"""What a model reads of a prompt: its own tokenizers count, and what lies beyond a text encoder's length is lost.

A pipeline that puts a prompt into a template of its own (Lumina 2, Z-Image) may cut a few tokens earlier than is said
here. Knows tokenizers, lengths and texts; nothing of weights. Imports transformers when a tokenizer is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from teststrip.diffusion import weighting
from teststrip.diffusion.models import Model
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.source import function
from teststrip.errors import shortened
from teststrip.records import Encoded, Reading, Value, digest_of
from teststrip.weights.loading import quietly

TOKENIZERS: Final = ("tokenizer", "tokenizer_1", "tokenizer_2", "tokenizer_3", "tokenizer_4")
LENGTH: Final = "max_sequence_length"
UNBOUNDED: Final = 100_000
"""A tokenizer that names a larger length names none."""
SHORT: Final = 70
"""So many plain letters fit every encoder: a token takes one at least, and CLIP reads 77 tokens with its two marks."""
MARKS: Final = 2
"""Tokens that an encoder adds to a text, at most."""
PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.'!?:;()-]*")
"""Letters that every tokenizer tells apart. T5 takes all emoji, all of Chinese, and braces for one unknown token."""
LONGEST_LOSS: Final = 200

Tokenizers = Mapping[str, Any]


def of_pipeline(pipe: Any) -> Tokenizers:
    """The tokenizers of a loaded pipeline, by the name of their component."""
    found = {name: getattr(pipe, name, None) for name in TOKENIZERS}
    return {name: part for name, part in found.items() if callable(part) and hasattr(part, "model_max_length")}


def on_disk(model: Model) -> Tokenizers:
    """The tokenizers of a model that lie on this disk; empty where there are none or one of them cannot be read."""
    folder = model.home
    entries = {name: entry for name, entry in (model.index or {}).items() if name in TOKENIZERS}
    if folder is None:
        return {}
    import transformers

    found = {}
    for name, entry in entries.items():
        kind = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
        if kind is None:
            continue  # the model was saved without this encoder
        try:
            with quietly("transformers"):
                found[name] = getattr(transformers, str(kind)).from_pretrained(folder / name, local_files_only=True)
        except Exception:  # as in `_encoded`
            return {}
    return found


def in_doubt(texts: Sequence[str], length: Value = None) -> bool:
    """Whether any of these texts may be cut, or two may look the same to a tokenizer; asks no tokenizer.

    Args:
        texts: prompts.
        length: tokens that the study gives to the encoders; None = as many as they read.
    """
    plain = {" ".join(text.casefold().split()) for text in texts}
    short = min(SHORT, int(length) - MARKS) if length else SHORT
    return len(plain) < len(texts) or any(len(text) > short or not PLAIN.fullmatch(text) for text in texts)


def read(tokenizers: Tokenizers, pipeline: PipelineClass, settings: Mapping[str, Value], text: str) -> Reading | None:
    """What the encoders of a pipeline are given of a text; None where the model has no tokenizer that can be asked.

    Args:
        tokenizers: by the name of their component.
        pipeline: what its class's source says.
        settings: of the shot.
        text: the prompt.
    """
    weighted = settings.get(weighting.SETTING)
    given, text = text, weighting.plain(text) if weighted else text
    if function(pipeline.tree, "_text_preprocessing"):  # DeepFloyd's and PixArt's way, which others took over
        text = text.lower().strip()
    limits = {name: 0 if weighted else _limit(part, pipeline, settings) for name, part in tokenizers.items()}
    found = [_encoded(name, part, limits[name], text) for name, part in sorted(tokenizers.items())]
    known = [one for one in found if one]
    if not known or len(known) < len(found):
        return None
    ids = [ids for _, ids in known]
    read_as = (
        [weighting.written(given), ids] if weighted else ids
    )  # the same tokens with other weights are another text
    return Reading(digest_of(read_as)[:16], tuple(encoded for encoded, _ in known))


def _limit(tokenizer: Any, pipeline: PipelineClass, settings: Mapping[str, Value]) -> int:
    """The most tokens that an encoder is given; 0 = all."""
    own = int(tokenizer.model_max_length)
    knob = pipeline.knobs.get(LENGTH)
    if "CLIP" in type(tokenizer).__name__ or knob is None:
        return own if own < UNBOUNDED else 0
    return int(settings.get(LENGTH) or knob.default or 0) or (own if own < UNBOUNDED else 0)


def _encoded(name: str, tokenizer: Any, limit: int, text: str) -> tuple[Encoded, list[int]] | None:
    try:
        with quietly("transformers"):
            text = _expanded(tokenizer, text)
            whole = tokenizer(text, truncation=False, return_offsets_mapping=True)
            kept = tokenizer(text, truncation=True, max_length=limit)["input_ids"] if limit else whole["input_ids"]
    except Exception:  # a tokenizer of unknown origin: nothing is said of what it reads, and no picture fails for it
        return None
    tokens = len(whole["input_ids"])
    lost = _lost(text, whole, kept, limit) if limit and tokens > limit else ""
    return Encoded(name, tokens, limit, lost), [int(token) for token in kept]


def _expanded(tokenizer: Any, text: str) -> str:
    """The text as pipelines write it out where a word of a textual inversion stands for several tokens."""
    added = getattr(tokenizer, "added_tokens_encoder", {})
    if not any(f"{token}_1" in added for token in added):
        return text
    from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin

    return str(TextualInversionLoaderMixin().maybe_convert_prompt(text, tokenizer))


def _lost(text: str, whole: Mapping[str, Any], kept: list[int], limit: int) -> str:
    """The words from the first token on that is not among those kept."""
    opening = next(_differing(whole["input_ids"], kept), limit)
    start = whole["offset_mapping"][min(opening, len(whole["offset_mapping"]) - 1)][0]
    return shortened(text[start:].strip(), LONGEST_LOSS)


def _differing(whole: list[int], kept: list[int]) -> Iterator[int]:
    """The places where the text as a whole and what is kept of it part ways."""
    return (place for place, (one, other) in enumerate(zip(whole, kept, strict=False)) if one != other)
