"""What was not made or not read as it was asked, and what cannot be compared, in words."""

from __future__ import annotations

from collections.abc import Sequence

from teststrip.analysis.sentences.phrases import capital, count, listed
from teststrip.records import Card, Heard, Incomparable, OtherSize
from teststrip.vocabulary import spoken


def other_size(one: OtherSize) -> str:
    """Pictures of another size than was asked for.

    >>> print(other_size(OtherSize((96, None), (64, 64), 12)))
    Width 96 was asked for and not made: 12 images are 64 × 64. Scores of these images are of that size. Write width \
and height together, in steps that the model can make.
    """
    width, height = one.asked
    said = [f"{name} {value}" for name, value in (("width", width), ("height", height)) if value is not None]
    are = "is" if one.images == 1 else "are"
    was = "was" if len(said) == 1 else "were"
    first = f"{capital(listed(said))} {was} asked for and not made: "
    first += f"{count(one.images, 'image')} {are} {one.made[0]} × {one.made[1]}"
    at = f" ({listed([f'{spoken(axis)} {label}' for axis, label in one.levels])})" if one.levels else ""
    then = (
        "Nothing is concluded about that level along its axis"
        if len(one.levels) == 1
        else "Nothing is concluded about these levels along their axes"
        if one.levels
        else "Scores of these images are of that size"
    )
    return f"{first}{at}. {then}. Write width and height together, in steps that the model can make."


def incomparable(one: Incomparable) -> str:
    """Why nothing is said of a score along some axes.

    >>> print(incomparable(Incomparable("sharpness", ("width", "height"), ("width",))))
    Sharpness compares pictures of equal width and height alone, so it says nothing across width.
    """
    across = listed([spoken(axis) for axis in one.axes])
    alone = f"compares pictures of equal {_names(one.equal)} alone"
    return f"{capital(spoken(one.metric))} {alone}, so it says nothing across {across}."


def compared_only(card: Card) -> str:
    """Why settings are not ranked by a score, as the end of a sentence."""
    return f"it compares pictures of equal {_names(card.equal)} alone, and these settings differ in that"


def heard(one: Heard) -> str:
    """A warning of a library, with the levels that it came from.

    >>> print(heard(Heard("No LoRA keys were found", 4, (("lora", "style"),))))
    The libraries said at lora style (4 images): “No LoRA keys were found”
    """
    at = f" at {listed([f'{spoken(axis)} {label}' for axis, label in one.levels])}" if one.levels else ""
    return f"The libraries said{at} ({count(one.images, 'image')}): “{one.text}”"


def _names(settings: Sequence[str]) -> str:
    return listed([spoken(name) for name in settings])
