"""What pictures cost that are paid by the token: by a formula before they are made, by the answer's count after."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from teststrip.errors import StudyError
from teststrip.hosted.models import Model
from teststrip.records import Value

LARGEST = (2880, 2880)  # of all sizes that gpt-image-2 takes, the one with the most tokens
AUTO = (None, "auto")
"""What leaves a setting to the service."""


def output_tokens(factor: float, width: int, height: int) -> int:
    """Tokens of a picture, by the formula of the service's own calculator.

    >>> output_tokens(16, 1024, 1024), output_tokens(48, 1536, 1024), output_tokens(96, 3840, 2160)
    (196, 1372, 13342)
    """
    long, short = max(width, height), min(width, height)
    rows = math.floor((2 * factor * short + long) / (2 * long))
    return math.ceil(factor * rows * (2_000_000 + width * height) / 4_000_000)


def most(model: Model, size: Value, quality: Value) -> float | None:
    """The most USD of one picture, without its prompt; what is left to the service counts as the dearest."""
    if model.factors:
        if quality not in AUTO and str(quality) not in model.factors:
            return None
        factor = max(model.factors.values()) if quality in AUTO else model.factors[str(quality)]
        width, height = LARGEST if size in AUTO else size_of(str(size))
        return output_tokens(factor, width, height) * model.rates.get("image_out", 0.0) / 1e6
    prices = [
        price
        for name, price in model.pictures.items()
        if (size in AUTO or name.split()[0] == size) and (quality in AUTO or name.split()[-1] == quality)
    ]
    return max(prices, default=None)


def cost(model: Model, usage: Mapping[str, object]) -> float | None:
    """What an answer cost in USD, by its own count of tokens; None where it does not count them.

    An answer that does not tell text from pictures is reckoned at the dearer rate.
    """
    text, image, out = (count(usage.get(name)) for name in ("text_tokens", "image_tokens", "output_tokens"))
    total, words = count(usage.get("input_tokens")), count(usage.get("output_text_tokens")) or 0
    if out is None or total is None:
        return None
    rates = model.rates
    given = rates.get("image_in", rates.get("text_in", 0.0)) * total
    if text is not None and image is not None:
        given = rates.get("text_in", 0.0) * text + rates.get("image_in", 0.0) * image
    made = rates.get("image_out", 0.0)
    return (given + made * (out - words) + rates.get("text_out", made) * words) / 1e6


def count(value: object) -> int | None:
    """A count of tokens; None where the value is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else None


def size_of(text: str) -> tuple[int, int]:
    """Width and height of "1024x1024". Raises StudyError where the text is no size."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise StudyError(f'size: {text[:40]!r} is no size. Write "1024x1024", width first, or "auto"')
    return int(match[1]), int(match[2])
