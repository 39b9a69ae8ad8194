"""SwarmUI: a table with `sui_image_params` in `parameters`; older files have it in EXIF's Model or UserComment."""

from __future__ import annotations

from teststrip.imports.notes import IMAGE_TO_IMAGE, Notes
from teststrip.imports.tables import json_table, table
from teststrip.imports.understood import Said, Understood

_ASIDE = frozenset({"loras", "loraweights", "prompt", "negativeprompt", "original_prompt", "originalprompt"})


def read(said: Said) -> Understood | None:
    """What SwarmUI says; None where another tool wrote the file."""
    for keyword in ("parameters", "exif:UserComment", "exif:Model", "Comment"):
        found = json_table(said.texts.first(keyword))
        if params := table(found.get("sui_image_params")):
            break
    else:
        return None
    notes = Notes("SwarmUI")
    notes.say_prompt(params.get("prompt"))
    notes.say_negative(params.get("negativeprompt") or "")
    for key, value in params.items():
        if key in _ASIDE:
            continue
        if key == "scheduler":
            notes.say_spacing(value)
        elif key == "initimage":
            notes.remark(IMAGE_TO_IMAGE)
        else:
            notes.say(key, value)
    loras, weights = params.get("loras"), params.get("loraweights")
    if isinstance(loras, list) and loras:
        notes.say_own("lora", " + ".join(map(str, loras)))
        if isinstance(weights, list) and len(weights) == len(loras):
            scale = weights[0] if len(weights) == 1 else " + ".join(map(str, weights))
            notes.say_own("lora_scale", scale)
    for key in ("sui_extra_data", "sui_models"):
        if key in found:
            notes.unread(key, "", "it says when and with which files the picture was made, not how")
    return notes.understood()
