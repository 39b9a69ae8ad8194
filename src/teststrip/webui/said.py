"""What an answer says of its picture: in its `info`, in its infotexts, and in the text that lies in the picture's file.

A value may stand in several places. All of them are handed over, so that one that contradicts is not missed.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from teststrip.errors import PictureError
from teststrip.hosted.trouble import Trouble
from teststrip.imports.infotext import Parts, taken_apart
from teststrip.imports.notes import squeezed
from teststrip.pictures.texts import texts


@dataclass(frozen=True, slots=True)
class Said:
    """An answer taken apart.

    Attributes:
        data: the encoded picture.
        info: the answer's own table; empty where it has none.
        parts: infotexts: of the answer, and of the picture's file.
    """

    data: bytes
    info: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Parts] = ()

    def values(self, info: Sequence[str] = (), text: Sequence[str] = ()) -> Iterator[object]:
        """Every value that the answer gives a thing, by its keys in `info` and, squeezed, in the texts.

        A list in `info` gives each of its values; null gives none.
        """
        for name in info:
            value = self.info.get(name)
            yield from (one for one in (value if isinstance(value, list) else [value]) if one is not None)
        for pairs in self._tables():
            yield from (pairs[name] for name in text if name in pairs)

    def has(self, *keys: str) -> bool:
        """Whether a text has one of these keys."""
        return any(key in pairs for pairs in self._tables() for key in keys)

    def prompts(self) -> Iterator[object]:
        """The prompts that were read: by `info`, or else by the texts, which cannot always be told apart."""
        found = list(self.values(("prompt", "all_prompts")))
        yield from found or (parts.prompt for parts in self.parts)

    def negatives(self) -> Iterator[object]:
        """The negative prompts, as `prompts`."""
        found = list(self.values(("negative_prompt", "all_negative_prompts")))
        yield from found or (parts.negative for parts in self.parts)

    def _tables(self) -> Iterator[Mapping[str, object]]:
        extra = self.info.get("extra_generation_params")
        if isinstance(extra, dict):
            yield {squeezed(str(name)): value for name, value in extra.items() if value is not None}
        for parts in self.parts:
            yield {squeezed(name): value for name, value in reversed(parts.found)}


def said(answer: object) -> Said:
    """What an answer says.

    Raises:
        Trouble: it holds no picture, or several.
    """
    images = answer.get("images") if isinstance(answer, dict) else None
    if not isinstance(images, list) or not isinstance(answer, dict):
        raise Trouble("invalid", "the answer is not as the protocol says")
    info = _table(answer.get("info"))
    first = info.get("index_of_first_image")
    index = first if isinstance(first, int) and not isinstance(first, bool) and 0 <= first < len(images) else 0
    seeds = info.get("all_seeds")
    if isinstance(seeds, list) and len(seeds) > 1:
        raise Trouble("invalid", f"one picture was asked for, and {len(seeds)} of as many seeds came")
    if not images:
        raise Trouble(
            "error", "the server answered without a picture: it was interrupted there, or its script sends none"
        )
    if len(images) > 1 and not (isinstance(seeds, list) and seeds):
        raise Trouble("invalid", f"one picture was asked for, and {len(images)} came")
    data = _decoded(images[index])
    infotexts = info.get("infotexts")
    named = infotexts[index] if isinstance(infotexts, list) and index < len(infotexts) else ""
    found = [taken_apart(text) for text in (named, _written(data)) if isinstance(text, str) and text]
    return Said(data, info, [parts for parts in found if parts is not None])


def _table(info: object) -> dict[str, Any]:
    """The table `info`, which comes as a text that holds JSON."""
    if isinstance(info, str):
        with contextlib.suppress(ValueError, RecursionError):
            info = json.loads(info)
    return info if isinstance(info, dict) else {}


def _decoded(image: object) -> bytes:
    if not isinstance(image, str):
        raise Trouble("invalid", "the answer holds no picture: its text is no base64")
    try:
        return base64.b64decode(image.rpartition(",")[2].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Trouble("invalid", "the answer holds no picture: its text is no base64") from None


def _written(data: bytes) -> str:
    """The infotext in a picture's file; "" where there is none."""
    try:
        return texts(data).first("parameters", "exif:UserComment", "Comment")
    except PictureError:  # the picture is judged elsewhere
        return ""
