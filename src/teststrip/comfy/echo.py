"""Whether a picture came from the graph that was sent: ComfyUI writes the graph that it ran into the picture's file.

The graph holds the unique prefix of its file name, so a picture of another request differs at least there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from teststrip.errors import PictureError, shortened
from teststrip.pictures.texts import texts

SILENT = (
    "the picture does not say from which graph it came, so it could be any. Start ComfyUI without --disable-metadata,"
    " and save with a node that writes the graph, such as Save Image"
)


def difference(data: bytes, sent: Mapping[str, Mapping[str, Any]]) -> str:
    """What a picture's own graph has that was not sent; "" = it is the graph that was sent.

    Args:
        data: of the picture's file.
        sent: the graph.
    """
    try:
        found = texts(data)
        ran = json.loads(found.first("prompt") or _exif(found.first("exif:Make", "exif:Model")) or "null")
    except (PictureError, ValueError, RecursionError) as error:
        return f"the picture's own graph cannot be read ({type(error).__name__})"
    if not isinstance(ran, Mapping):
        return SILENT
    for name in sorted(sent.keys() | ran.keys()):
        if why := _node(name, sent.get(name), ran.get(name)):
            return f"the server ran another graph than the one that was sent: {why}"
    return ""


def _exif(text: str) -> str:
    """The graph in a field of EXIF, where WebP has it."""
    head, _, rest = text.partition(":")
    return rest if head.strip().lower() == "prompt" else ""


def _node(name: str, asked: object, ran: object) -> str:
    if not isinstance(asked, Mapping) or not isinstance(ran, Mapping):
        return f"node {name} is {'missing' if isinstance(asked, Mapping) else 'new'}"
    if asked["class_type"] != ran.get("class_type"):
        return f"node {name} is {_shown(ran.get('class_type'))} instead of {_shown(asked['class_type'])}"
    wanted, had = asked["inputs"], ran.get("inputs")
    if not isinstance(had, Mapping):
        return f"node {name} has no inputs"
    for key in sorted(wanted.keys() | had.keys()):
        if key not in wanted or key not in had or not _same(wanted[key], had[key]):
            return f"{asked['class_type']}.{key} was {_shown(had.get(key))} instead of {_shown(wanted.get(key))}"
    return ""


def _same(one: object, other: object) -> bool:
    """Equal values, where true is no 1, and no number is a number that is not one."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return one == other or (one != one and other != other)


def _shown(value: object) -> str:
    return shortened(repr(value), 80)
