"""Reads one picture file: its texts, and the first format whose reader understands them.

The order matters where tools write alike: those with a mark of their own come before A1111, whose text anyone may
write, and Midjourney comes last, because any picture may have a description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from teststrip.imports.formats import (
    a1111,
    comfyui,
    drawthings,
    easydiffusion,
    fooocus,
    invokeai,
    midjourney,
    novelai,
    own,
    swarmui,
)
from teststrip.imports.understood import Said, Understood, Unread
from teststrip.pictures.stamps import unstamp
from teststrip.pictures.stealth import hidden
from teststrip.pictures.texts import Texts, texts

READERS: Final[Sequence[Callable[[Said], Understood | None]]] = (
    own.read,
    invokeai.read,
    swarmui.read,
    fooocus.read,
    novelai.read,
    drawthings.read,
    easydiffusion.read,
    a1111.read,
    comfyui.read,
    midjourney.read,
)


def read(data: bytes, name: str = "") -> Understood | None:
    """What a picture file says about itself.

    Args:
        data: of the file.
        name: of the file; Midjourney's job and index stand in it, nothing else is taken from it.

    Returns:
        None where no tool's words are found: pictures that were sent through the web have lost them.

    Raises:
        PictureError: the file is no sound picture.
    """
    found = texts(data)
    understood = understand(Said(found, unstamp(data) or {}, name))
    if understood is None and (text := hidden(data)):
        key = "parameters" if text.lstrip()[:1] != "{" else novelai.STEALTH
        understood = understand(Said(Texts(found.form, {key: (text,)}), {}, name))
    if understood is not None and found.refused:
        lost = tuple(Unread(one[:60], "", "it is damaged, or larger than a text should be") for one in found.refused)
        understood = replace(understood, unread=(*understood.unread, *lost))
    return understood


def understand(said: Said) -> Understood | None:
    """What the first reader makes of it that finds its tool's words."""
    return next((found for reader in READERS if (found := reader(said)) is not None), None)
