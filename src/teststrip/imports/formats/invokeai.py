"""InvokeAI: a table in `invokeai_metadata` (3 to 6) or `sd-metadata` (2), or the command line in `Dream` (1 and 2)."""

from __future__ import annotations

import re

from teststrip.imports.notes import IMAGE_TO_IMAGE, Notes
from teststrip.imports.tables import Table, json_table, rows, table, words
from teststrip.imports.understood import Said, Understood

_QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"')
_NEGATIVE = re.compile(r"\[([^\[\]]*)\]")
_NAMES = {
    "-s": "steps",
    "-S": "seed",
    "-W": "width",
    "-H": "height",
    "-C": "cfg_scale",
    "-A": "sampler",
    "-f": "denoising strength",
}
_PLAIN = ("cfg_scale", "steps", "seed", "width", "height", "strength", "clip_skip", "cfg_rescale_multiplier", "vae")


def read(said: Said) -> Understood | None:
    """What InvokeAI says; None where it says nothing."""
    texts = said.texts
    if found := json_table(texts.first("invokeai_metadata")):
        return _newer(found)
    if image := table(json_table(texts.first("sd-metadata")).get("image")):
        return _older(image, json_table(texts.first("sd-metadata")))
    return _line(texts.first("Dream"))


def _newer(found: Table) -> Understood:
    notes = Notes("InvokeAI")
    notes.say_prompt(found.get("positive_prompt"))
    notes.say_negative(found.get("negative_prompt") or "")
    for key in _PLAIN:
        value = found.get(key)
        if key == "clip_skip" and isinstance(value, int):
            notes.put("clip_skip", value)  # InvokeAI counts the last layer as 0, as Diffusers does
        elif value is not None and not isinstance(value, dict):
            notes.say(key, value)
    if found.get("guidance") is not None:  # Flux: the distilled guidance beside cfg_scale
        notes.settings.pop("guidance_scale", None)
        notes.say_setting("guidance", "guidance_scale", found["guidance"])
        notes.say_setting("cfg_scale", "true_cfg_scale", found.get("cfg_scale"))
    notes.say_sampler(found.get("scheduler"))
    model = found.get("model")
    notes.say_setting("model", "model", table(model).get("model_name") or table(model).get("name") or words(model))
    loras = [(table(one.get("model") or one.get("lora")), one.get("weight", 1)) for one in rows(found.get("loras"))]
    if loras:
        notes.say_own("lora", " + ".join(words(m.get("name") or m.get("model_name")) for m, _ in loras))
        notes.say_own("lora_scale", " + ".join(str(weight) for _, weight in loras))
    if found.get("init_image") or "img2img" in words(found.get("generation_mode")):
        notes.remark(IMAGE_TO_IMAGE)
    return notes.understood()


def _older(image: Table, whole: Table) -> Understood:
    notes = Notes("InvokeAI")
    prompt = image.get("prompt")
    parts = [words(one.get("prompt")) for one in rows(prompt)]
    if len(parts) > 1:
        notes.unread("prompt", " ".join(parts), "it is a sum of several, with weights")
    _say_dream(notes, parts[0] if len(parts) == 1 else words(prompt))
    for key in ("steps", "cfg_scale", "seed", "width", "height", "sampler"):
        if image.get(key) is not None:
            notes.say(key, image[key])
    notes.say_setting("model", "model", whole.get("model_weights") or whole.get("model"))
    if image.get("type") == "img2img":
        notes.remark(IMAGE_TO_IMAGE)
    return notes.understood()


def _line(line: str) -> Understood | None:
    """A command line: the prompt in quotes, with the negative one in brackets, then switches."""
    match = _QUOTED.match(line)
    if not match or " -s" not in line:
        return None
    notes = Notes("InvokeAI")
    _say_dream(notes, match[1].replace('\\"', '"'))
    switch, values = "", list[str]()
    for word in [*line[match.end() :].split()[:200], "-end"]:
        if re.fullmatch(r"--?[A-Za-z][\w-]*", word):
            _switch(notes, switch, values)
            switch, values = word, []
        else:
            values.append(word)
    return notes.understood()


def _switch(notes: Notes, switch: str, values: list[str]) -> None:
    if not switch:
        return
    if switch in _NAMES and len(values) == 1:
        notes.say(_NAMES[switch], values[0])
    elif switch in ("-I", "--init_img"):
        notes.remark(IMAGE_TO_IMAGE)
    else:
        notes.unread(switch, " ".join(values), "it mends or enlarges the finished picture, or is not known here")


def _say_dream(notes: Notes, text: str) -> None:
    """A prompt of InvokeAI 1 and 2: what is in square brackets is to be kept away from."""
    negatives = [found.strip() for found in _NEGATIVE.findall(text)]
    notes.say_prompt(_NEGATIVE.sub("", text).strip())
    notes.say_negative(", ".join(filter(None, negatives)))
