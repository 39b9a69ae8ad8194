"""Draw Things: a table in XMP's exif:UserComment, or the text of dc:description.

The description has a prompt, a line that begins with "-" for the negative prompt, and a line of settings.
"""

from __future__ import annotations

from teststrip.imports.infotext import taken_apart, told
from teststrip.imports.notes import IMAGE_TO_IMAGE, Notes
from teststrip.imports.tables import json_table, table
from teststrip.imports.understood import Said, Understood
from teststrip.pictures.texts import xmp_text

_KEYS = ("sampler", "scale", "seed", "size", "steps", "model", "shift", "seed_mode", "clip_skip", "guidance_embed")


def read(said: Said) -> Understood | None:
    """What Draw Things says; None where another tool wrote the file."""
    packet = said.texts.first("xmp")
    if not packet:
        return None
    found = json_table(xmp_text(packet, "exif:UserComment"))
    if {"c", "scale"} <= found.keys():
        notes = Notes("Draw Things")
        notes.say_prompt(found.get("c"))
        notes.say_negative(found.get("uc") or "")
        for key in _KEYS:
            if found.get(key) is not None:
                notes.say(key, found[key])
        strength = found.get("strength")
        if isinstance(strength, int | float) and strength < 1:
            notes.say_setting("strength", "strength", strength)
            notes.remark(IMAGE_TO_IMAGE)
        for one in (table(found.get("v2")),):
            if one:
                notes.unread("v2", "", "it repeats the settings for the program itself")
        return notes.understood()
    return _description(xmp_text(packet, "dc:description"))


def _description(text: str) -> Understood | None:
    lines = text.split("\n")
    at = next((n for n, line in enumerate(lines) if line.startswith("-")), None)
    if at is None or not any(line.startswith("Steps:") for line in lines[at:]):
        return None
    end = max(n for n, line in enumerate(lines) if line.startswith("Steps:"))
    parts = taken_apart("\n".join(lines[end:]))
    if parts is None or end < at:
        return None
    notes = told(parts, Notes("Draw Things"))
    notes.say_prompt("\n".join(lines[:at]))
    notes.settings.pop("negative_prompt", None)
    notes.say_negative("\n".join([lines[at].removeprefix("-"), *lines[at + 1 : end]]))
    return notes.understood()
