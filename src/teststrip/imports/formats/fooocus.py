"""Fooocus: a table in `parameters` beside `fooocus_scheme`, in JPEG and WebP as UserComment; older files as `Comment`.

With the scheme "a1111" it writes A1111's text, which that reader takes. The prompt is `prompt`: `full_prompt` has what
styles added.
"""

from __future__ import annotations

from teststrip.imports.notes import Notes
from teststrip.imports.tables import Table, json_table, words
from teststrip.imports.understood import Said, Understood

_MARKS = ("base_model", "full_prompt", "adm_guidance", "performance", "Base Model", "ADM Guidance")
_ASIDE = frozenset({"full_prompt", "full_negative_prompt", "styles", "metadata_scheme", "prompt", "negative_prompt"})
_OLD = {"Prompt": "prompt", "Negative Prompt": "negative_prompt", "Base Model": "base_model", "Seed": "seed"}


def read(said: Said) -> Understood | None:
    """What Fooocus says; None where another tool wrote the file."""
    texts = said.texts
    scheme = texts.first("fooocus_scheme", "exif:MakerNote").strip().lower()
    for keyword in ("parameters", "exif:UserComment", "Comment"):
        found = json_table(texts.first(keyword))
        if found and (scheme == "fooocus" or sum(mark in found for mark in _MARKS) > 1):
            return _table({_OLD.get(key, key): value for key, value in found.items()})
    return None


def _table(found: Table) -> Understood:
    notes = Notes("Fooocus")
    notes.say_prompt(found.get("prompt"))
    notes.say_negative(found.get("negative_prompt") or "")
    styles = found.get("styles", found.get("Styles"))
    if isinstance(styles, list):
        styles = ", ".join(map(str, styles))
    if isinstance(styles, str):
        notes.say_own("styles", styles.strip("[]").replace("'", ""))
    for key, value in found.items():
        if key in _ASIDE or key.startswith("lora_combined") or key == "Styles":
            continue
        if key in ("scheduler", "Scheduler"):
            notes.say_spacing(value)
        elif key == "loras":
            _loras(notes, value)
        else:
            notes.say(key, value)
    return notes.understood()


def _loras(notes: Notes, value: object) -> None:
    """LoRAs with their weights: lists of a name, a weight and a digest."""
    if not isinstance(value, list):
        return
    known = [one for one in value if isinstance(one, list) and len(one) > 1 and words(one[0])]
    if known:
        notes.say_own("lora", " + ".join(str(one[0]) for one in known))
        notes.say_own("lora_scale", " + ".join(str(one[1]) for one in known))
