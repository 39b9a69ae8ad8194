"""NovelAI: `Description`, `Software` and a table in `Comment`, or all of it in the lowest bits of the alpha channel."""

from __future__ import annotations

from teststrip.imports.notes import IMAGE_TO_IMAGE, NEGATIVE, Notes
from teststrip.imports.tables import Table, json_table, rows, table, words
from teststrip.imports.understood import Said, Understood

_KEYS = ("steps", "scale", "seed", "width", "height", "cfg_rescale", "noise_schedule", "sm", "sm_dyn", "uncond_scale")
STEALTH = "stealth"
"""The keyword under which `imports.reading` gives the text of the alpha channel."""


def read(said: Said) -> Understood | None:
    """What NovelAI says; None where another tool wrote the file."""
    texts = said.texts
    outer: Table = {key: texts.first(key) for key in ("Software", "Source", "Description", "Comment")}
    if hidden := json_table(texts.first(STEALTH)):
        outer = hidden
    comment = outer.get("Comment")
    found = table(comment) or json_table(words(comment))
    if not found or not ({"uc", "v4_prompt"} & found.keys() or words(outer.get("Software")) == "NovelAI"):
        return None
    notes = Notes("NovelAI")
    notes.say_prompt(_caption(notes, found, "v4_prompt") or found.get("prompt") or outer.get("Description"))
    notes.say_negative(_caption(notes, found, "v4_negative_prompt") or found.get("uc") or "")
    notes.say_sampler(found.get("sampler"))
    for key in _KEYS:
        if found.get(key) is not None:
            notes.say(key, found[key])
    notes.say_setting("Source", "model", outer.get("Source"))
    if words(found.get("request_type")) in ("Img2ImgRequest", "NativeInfillingRequest") or found.get("image"):
        notes.remark(IMAGE_TO_IMAGE)
        notes.say_setting("strength", "strength", found.get("strength"))
    else:
        for key in ("strength", "noise"):
            if key in found:
                notes.unread(key, found[key], "it belongs to pictures made from pictures")
    notes.settings.setdefault(NEGATIVE, "")
    return notes.understood()


def _caption(notes: Notes, found: Table, key: str) -> str:
    """A prompt of version 4: a caption of the whole, and captions of the characters in it, one a line."""
    caption = table(table(found.get(key)).get("caption"))
    characters = [words(one.get("char_caption")) for one in rows(caption.get("char_captions"))]
    if any(characters) and key == "v4_prompt":
        notes.say_own("characters", len(characters))
    return "\n".join(filter(None, [words(caption.get("base_caption")), *characters]))
