"""What was not made or not read as it was asked, and what cannot be compared, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from teststrip.analysis.sentences.phrases import capital, count, listed
from teststrip.errors import shortened
from teststrip.records import Card, Heard, Incomparable, OtherSize, Reading
from teststrip.vocabulary import spoken

MOST_CUT, MOST_ALIKE, MOST_WORDS = 4, 6, 60
"""Prompts, members of a group, and letters of lost words that a sentence shows."""


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


def versions(asked: str, images: Mapping[str, int]) -> str:
    """A hosted model that changed behind its name while the study was made.

    >>> print(versions("gemini-3-pro-image", {"v1": 3, "v2": 1}))
    Several versions answered for gemini-3-pro-image: v1 (3 images) and v2 (1 image). Differences between settings \
may be differences between these versions.
    """
    named = listed([f"{version} ({count(number, 'image')})" for version, number in images.items()])
    return (
        f"Several versions answered for {asked}: {named}. Differences between settings may be differences between these"
        " versions."
    )


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


def cut(lost: Mapping[str, str], prompts: int) -> str:
    """Prompts that are longer than their model reads.

    Args:
        lost: the words that are lost, by the prompt's id.
        prompts: how many there are.

    >>> print(cut({"owl": "in a boat"}, 5))
    1 of 5 prompts is longer than the model reads. The model never sees: “in a boat” (owl).
    """
    are = "is" if len(lost) == 1 else "are"
    shown = [f"“{shortened(words, MOST_WORDS)}” ({name})" for name, words in list(lost.items())[:MOST_CUT]]
    more = f" and {len(lost) - MOST_CUT:,} more" if len(lost) > MOST_CUT else ""
    first = f"{len(lost):,} of {count(prompts, 'prompt')} {are} longer than the model reads"
    return f"{first}. The model never sees: {'; '.join(shown)}{more}."


def alike(groups: Sequence[Sequence[str]]) -> str:
    """Prompts that the model cannot tell apart.

    >>> print(alike([("owl", "ink")]))
    The model cannot tell these prompts apart, so they count as one prompt: owl and ink.
    """
    said = [listed(list(group[:MOST_ALIKE])) for group in groups[:MOST_CUT]]
    more = f"; and {len(groups) - MOST_CUT:,} more groups" if len(groups) > MOST_CUT else ""
    each = "one prompt" if len(groups) == 1 else "one prompt for each group"
    return f"The model cannot tell these prompts apart, so they count as {each}: {'; '.join(said)}{more}."


def unread(names: Sequence[str], readings: Sequence[Reading]) -> Iterator[str]:
    """What a model will not read of these prompts, encoder by encoder, and which prompts are one to it.

    Args:
        names: ids of the prompts.
        readings: one a prompt; empty = nothing is known.
    """
    if not readings:
        return
    if lost := {name: one.lost for name, one in zip(names, readings, strict=True) if one.lost}:
        yield cut(lost, len(names))
    for encoder in (one.encoder for one in readings[0].encoders):
        own = [one for reading in readings for one in reading.encoders if one.encoder == encoder]
        over = [one for one in own if one.lost]
        if over:
            longest = max(one.tokens for one in over)
            few = f"{len(over):,} of {count(len(own), 'prompt')}"
            yield f"The encoder of {encoder} reads {over[0].limit:,} tokens; {few} have more, up to {longest:,}."
    groups: dict[str, list[str]] = {}
    for name, one in zip(names, readings, strict=True):
        groups.setdefault(one.digest, []).append(name)
    if together := [group for group in groups.values() if len(group) > 1]:
        yield alike(together)


def _names(settings: Sequence[str]) -> str:
    return listed([spoken(name) for name in settings])
