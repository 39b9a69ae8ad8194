"""From the bytes of an answer to a picture that can stand in a cell. What is no picture is a `Trouble`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from teststrip.errors import PictureError
from teststrip.hosted.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Answer:
    """A picture that a service gave.

    Attributes:
        data: encoded, as it came.
        format: "png", "jpeg" or "webp".
        width: pixels.
        height: pixels.
        pixels: SHA-256 of size and pixels.
        small: a thumbnail; b"" = the picture is small.
        facts: what answered: model version, usage, request id.
        paid: what was paid; None = not known.
    """

    data: bytes
    format: str
    width: int
    height: int
    pixels: str
    small: bytes = b""
    facts: Mapping[str, object] = field(default_factory=dict)
    paid: float | None = None


def picture(
    encoded: object, *, facts: Mapping[str, object], paid: float | None, size: tuple[int, int] | None = None
) -> Answer:
    """The picture in an answer.

    Args:
        encoded: base64 text, or bytes.
        facts: as in `Answer`.
        paid: as in `Answer`; also of an answer that is no picture.
        size: width and height that were asked for; None = the service chose.

    Raises:
        Trouble: "invalid" where there is no whole picture or one of another size, "blank" where it has one colour.
    """
    from teststrip.pictures import decode, digest_of_pixels, is_blank, small, sound

    try:
        data = encoded if isinstance(encoded, bytes) else base64.b64decode(_text(encoded), validate=True)
        form, pixels = sound(data), decode(data)
    except (binascii.Error, UnicodeEncodeError, TypeError, ValueError):
        raise Trouble("invalid", "the answer holds no picture: its text is no base64", paid=paid) from None
    except PictureError as error:
        raise Trouble("invalid", f"the answer holds no picture: {error}", paid=paid) from None
    height, width = pixels.shape[:2]
    if size is not None and size != (width, height):
        asked = f"{size[0]}x{size[1]}"
        raise Trouble("invalid", f"a picture of {asked} was asked for, and one of {width}x{height} came", paid=paid)
    if is_blank(pixels):
        colour = "black" if not pixels.any() else "of one colour"
        raise Trouble("blank", f"the picture is {colour}", paid=paid)
    return Answer(data, form, width, height, digest_of_pixels(pixels), small(pixels), facts, paid)


def unread(text: str) -> str:
    """What an answer is that cannot be read as the protocol says, for people.

    >>> unread("<html>Please log in</html>"), unread('{"data": [{"b6'), unread(" ")
    ('the answer is a page of HTML', 'the answer is JSON that is cut off or damaged', 'the answer is empty')
    >>> unread("null"), unread("Busy")
    ('the answer is JSON, but not as the protocol says', 'the answer is no JSON')
    """
    start = text.lstrip()[:1]
    if start in ("", "<"):
        return "the answer is a page of HTML" if start else "the answer is empty"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "the answer is JSON that is cut off or damaged" if start in "{[" else "the answer is no JSON"
    return "the answer is JSON, but not as the protocol says"


def sendable(prompt: str, longest: int) -> None:
    """Check that a prompt can be sent, before anything is.

    Raises:
        Trouble: it is longer than the service takes, or no text that can be encoded.
    """
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise Trouble("invalid", "the prompt holds half of a character pair, which cannot be sent") from None
    if len(prompt) > longest:
        raise Trouble("invalid", f"the prompt has {len(prompt):,} characters; the most is {longest:,}")


def _text(value: object) -> bytes:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value.encode("ascii")
