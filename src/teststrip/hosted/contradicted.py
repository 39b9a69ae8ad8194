"""Whether a picture is the one that was asked for, by what its answer says of it and by its shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from teststrip.hosted.checked import Answer
from teststrip.hosted.tokens import AUTO
from teststrip.hosted.trouble import Trouble
from teststrip.records import Value

ECHOED = ("size", "quality", "background", "output_format")
SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
"""The side of a square picture of each class of size."""

RATIO = 0.05
"""How far a picture's width to height may be from the ratio: Gemini's 4:5 is 896x1152, 3 % off."""


def by_word(
    answer: Answer, asked: Mapping[str, Value], said: Mapping[str, object], told: Callable[[object], str]
) -> None:
    """Compare what was asked with the words of the answer, and with the format of the file.

    Args:
        answer: the picture.
        asked: settings; what is left to the service is not compared.
        said: settings by the answer; what it leaves out, or calls "auto", is not compared.
        told: makes a line for people of a text of the service.

    Raises:
        Trouble: "invalid", paid as the answer: they contradict each other.
    """
    for name in ECHOED:
        want, got = asked.get(name), said.get(name)
        if want not in AUTO and got not in AUTO and str(got) != str(want):
            raise Trouble("invalid", told(f"{name}: {want} was asked for, and the answer says {got}"), paid=answer.paid)
    form = asked.get("output_format")
    if form not in AUTO and answer.format != form:
        raise Trouble("invalid", f"a picture as {form} was asked for, and {answer.format} came", paid=answer.paid)


def by_shape(answer: Answer, asked: Mapping[str, Value], *, within: float = RATIO) -> None:
    """Compare a picture's sides with the ratio and the class of size that were asked for.

    Args:
        answer: the picture.
        asked: settings.
        within: how far the ratio may be off, as a share of it.

    Raises:
        Trouble: "invalid", paid as the answer: the ratio is off, or the pixels are not half to twice as many.
    """
    width, height, came = answer.width, answer.height, f"one of {answer.width}x{answer.height} came"
    ratio = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", str(asked.get("aspect_ratio")))
    if ratio is not None and abs(width / height * int(ratio[2]) / int(ratio[1]) - 1) > within:
        raise Trouble("invalid", f"a picture of {ratio[0]} was asked for, and {came}", paid=answer.paid)
    size = str(asked.get("image_size"))
    if size in SIDES and not 0.5 <= width * height / SIDES[size] ** 2 <= 2:
        raise Trouble("invalid", f"a picture of {size} was asked for, and {came}", paid=answer.paid)
