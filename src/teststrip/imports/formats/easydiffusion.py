"""Easy Diffusion: one text of a PNG for each setting, `prompt` or `Prompt`; in JPEG and WebP a table as UserComment."""

from __future__ import annotations

from pathlib import PurePosixPath

from teststrip.imports.notes import IMAGE_TO_IMAGE, Notes, squeezed
from teststrip.imports.tables import Table, json_table
from teststrip.imports.understood import Said, Understood

_MARKS = frozenset({"numinferencesteps", "guidancescale", "usestablediffusionmodel", "stablediffusionmodel"})
_MODEL = ("usestablediffusionmodel", "stablediffusionmodel")
_ASIDE = frozenset({"prompt", "negativeprompt", "outputformat", "outputquality", "streamprogressupdates", "sessionid"})


def read(said: Said) -> Understood | None:
    """What Easy Diffusion says; None where another tool wrote the file."""
    found: Table = {key: texts[0] for key, texts in said.texts.by_keyword.items()}
    if len(_MARKS & {squeezed(key) for key in found}) < 2:
        found = json_table(said.texts.first("exif:UserComment"))
    plain = {squeezed(key): value for key, value in found.items()}
    if len(_MARKS & plain.keys()) < 2:
        return None
    notes = Notes("Easy Diffusion")
    notes.say_prompt(plain.get("prompt"))
    notes.say_negative(plain.get("negativeprompt") or "")
    for key, value in found.items():
        name = squeezed(key)
        if name in _MODEL:
            if isinstance(value, str):  # a path of the machine that made the picture
                notes.say("model", PurePosixPath(value.replace("\\", "/")).name)
        elif name == "initimage":
            notes.remark(IMAGE_TO_IMAGE)
        elif name == "promptstrength":
            notes.say_setting(key, "strength", value)
        elif name not in _ASIDE and not key.startswith(("exif:", "xmp")) and value not in ("None", "", None):
            notes.say(key, value)
    return notes.understood()
