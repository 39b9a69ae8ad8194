"""The text that A1111 writes below a picture, taken apart: prompt, negative prompt, settings, templates.

Forge, SD.Next, reForge, Civitai, the Horde's programs, savers of ComfyUI and others write it as well, each a little
differently: in one line, indented, with settings in another order or over several lines. Source: `create_infotext` in
stable-diffusion-webui, and files of those who differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from teststrip.imports.notes import IMAGE_TO_IMAGE, KEYS, Notes, squeezed
from teststrip.imports.scanner import Pair, pairs
from teststrip.imports.understood import Understood

LONGEST: Final = 2**20
"""Characters of a text that is looked at; A1111's own have a few thousand."""
_NEGATIVE: Final = re.compile(r"negative[ _]prompt:", re.IGNORECASE)
_SETTINGS: Final = re.compile(r"[ \t]*steps[ \t]*:", re.IGNORECASE)
_IN_LINE: Final = re.compile(r"\bsteps ?: ?\d+ ?,", re.IGNORECASE)
_TEMPLATE: Final = re.compile(r"[ \t]*(?:negative )?template:", re.IGNORECASE)
_ENOUGH: Final = 3  # pairs of which two are well known: the reference reader asks for as many


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of such a text.

    Attributes:
        prompt: the lines before the negative prompt.
        negative: "" where there is none.
        found: keys and values of the settings, in order.
        several: whether there is more than one negative prompt.
    """

    prompt: str
    negative: str
    found: Sequence[Pair]
    several: bool = False


def taken_apart(text: str) -> Parts | None:
    """The parts of a text; None where it holds no line of settings, so that it may be anybody's comment."""
    lines = text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((n for n in reversed(range(len(lines))) if _SETTINGS.match(lines[n])), None)
    if first is not None:
        found = pairs("\n".join(_without_templates(lines[first:])))
        return _parts(lines[:first], found) if found else None
    for n in reversed(range(max(0, len(lines) - 20), len(lines))):  # the last line, or before templates
        start = None
        for match in _IN_LINE.finditer(lines[n]):
            start = match.start()
        if start is not None:
            return _one_line([*lines[:n], lines[n][:start]], pairs(lines[n][start:]))
        found = pairs(lines[n]) if ":" in lines[n] else []
        if len(found) >= _ENOUGH and sum(squeezed(key) in KEYS for key, _ in found) >= _ENOUGH - 1:
            return _parts(lines[:n], found)
    return None


def understand(text: str, tool: str) -> Understood | None:
    """What such a text says; None where it is none."""
    parts = taken_apart(text)
    return None if parts is None else told(parts, Notes(tool)).understood()


def told(parts: Parts, notes: Notes) -> Notes:
    """Notes of a text's parts."""
    notes.say_prompt(parts.prompt)
    notes.say_negative(parts.negative)
    if parts.several:
        notes.remark("negative prompt said twice: all of it counts as one")
    said = {squeezed(key): value for key, value in reversed(parts.found)}
    resources = said.get("civitairesources", "")
    for key, value in parts.found:
        _say(notes, key, value, said)
    if resources:
        _resources(notes, resources)
    if "model" not in notes.settings and (digest := said.get("modelhash", "")):
        notes.say_setting("Model hash", "model", digest)
    if "denoisingstrength" in said and not any(key.startswith(("hires", "firstpass")) for key in said):
        notes.remark(IMAGE_TO_IMAGE)
    return notes


def _say(notes: Notes, key: str, value: str, said: Mapping[str, str]) -> None:
    plain = squeezed(key)
    if plain == "distilledcfgscale":
        notes.say_setting(key, "guidance_scale", value)
    elif plain == "cfgscale" and "distilledcfgscale" in said:
        # Forge's two guidances of Flux: Diffusers calls the distilled one guidance_scale.
        notes.say_setting(key, "true_cfg_scale", value)
    elif plain == "scheduler":
        notes.say_spacing(value)  # SD.Next; its sampler is called Sampler
    elif plain == "civitairesources":
        pass  # they are read apart, because the model stands in them
    else:
        notes.say(key, value)


def _resources(notes: Notes, text: str) -> None:
    """Civitai's list of what was used: the checkpoint, and LoRAs with their weights."""
    from teststrip.imports.tables import read_json, rows

    loras: list[str] = []
    weights: list[str] = []
    for one in rows(read_json(text)):
        kind, name = one.get("type"), one.get("modelName")
        if kind == "checkpoint" and isinstance(name, str) and "model" not in notes.settings:
            notes.say_setting("Civitai resources", "model", name)
        elif kind == "lora" and isinstance(name, str):
            loras.append(name)
            weights.append(str(one.get("weight", 1)))
    if loras:
        notes.say_own("lora", " + ".join(loras))
        notes.say_own("lora_scale", " + ".join(weights))


def _parts(lines: Sequence[str], found: Sequence[Pair]) -> Parts:
    at = [n for n, line in enumerate(lines) if _NEGATIVE.match(line.lstrip())]
    if not at:
        return Parts("\n".join(lines).strip(), "", found)
    start = at[0]
    first = _NEGATIVE.sub("", lines[start].lstrip(), count=1)
    return Parts(
        "\n".join(lines[:start]).strip(), "\n".join([first, *lines[start + 1 :]]).strip(), found, several=len(at) > 1
    )


def _one_line(lines: Sequence[str], found: Sequence[Pair]) -> Parts:
    """A text whose settings follow on the line of the prompt: the negative prompt may do so, too."""
    parts = _parts(lines, found)
    if parts.negative or not (matches := list(_NEGATIVE.finditer(parts.prompt))):
        return parts
    last = matches[-1]
    return Parts(parts.prompt[: last.start()].strip(), parts.prompt[last.end() :].strip(), found)


def _without_templates(lines: Sequence[str]) -> list[str]:
    """The lines up to the templates that dynamic-prompts writes after the settings."""
    end = next((n for n, line in enumerate(lines) if _TEMPLATE.match(line)), len(lines))
    return list(lines[:end])
