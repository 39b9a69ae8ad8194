"""Midjourney: prompt, flags and the order's number in `Description`; in JPEG the same in XMP.

Four pictures come of one order (job), numbered 0 to 3 at the end of the file's name. The seed is not written unless it
was given, and it gives similar pictures only. The author's name is not looked at. Any picture may have a description,
so it is Midjourney's only with a job, or with a known flag whose value is a possible one.

Source: docs.midjourney.com, "Parameter List".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from teststrip.imports.notes import NEGATIVE, Notes, number
from teststrip.imports.understood import Said, Understood
from teststrip.pictures.texts import xmp_text

TOOL: Final = "Midjourney"
_JOB: Final = re.compile(r"\s*Job ID:\s*([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\s*$")
_IN_NAME: Final = re.compile(r"_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([0-3])(?=\D|$)")
_FLAG: Final = re.compile(r"(?:(?<=\s)|^)(?:--|—)([A-Za-z]+)(?=\s|$)")

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "chaos": (0, 100),
    "stylize": (0, 1000),
    "weird": (0, 3000),
    "exp": (0, 100),
    "seed": (0, 2**32 - 1),
    "quality": (0.25, 4),
    "image_weight": (0, 3),
    "stop": (10, 100),
    "style_weight": (0, 1000),
    "style_version": (1, 6),
    "object_weight": (1, 1000),
    "character_weight": (0, 100),
}
NAMES: Final[Mapping[str, str]] = {
    "ar": "aspect_ratio",
    "aspect": "aspect_ratio",
    "c": "chaos",
    "chaos": "chaos",
    "cref": "character_reference",
    "cw": "character_weight",
    "dref": "depth_reference",
    "exp": "exp",
    "iw": "image_weight",
    "niji": "version",
    "no": NEGATIVE,
    "oref": "object_reference",
    "ow": "object_weight",
    "p": "profile",
    "personalize": "profile",
    "profile": "profile",
    "q": "quality",
    "quality": "quality",
    "r": "repeat",
    "repeat": "repeat",
    "s": "stylize",
    "seed": "seed",
    "sref": "style_reference",
    "stop": "stop",
    "style": "style",
    "stylise": "stylize",
    "stylize": "stylize",
    "sv": "style_version",
    "sw": "style_weight",
    "v": "version",
    "version": "version",
    "w": "weird",
    "weird": "weird",
}
SWITCHES: Final = frozenset({"raw", "tile", "hd", "draft"})
MODES: Final = frozenset({"fast", "turbo", "relax", "stealth", "public", "video"})
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "version": re.compile(r"\d{1,2}(\.\d)?"),
    "aspect_ratio": re.compile(r"\d{1,4}(?:\.\d{1,2})?:\d{1,4}(?:\.\d{1,2})?"),
}
_CODE: Final = re.compile(r"[a-z0-9]{7,40}(?:\s+[a-z0-9]{7,40})*")  # one way to match, so that no value takes long


def read(said: Said) -> Understood | None:
    """What Midjourney says; None where the file is not its own."""
    packet = said.texts.first("xmp")
    text = said.texts.first("Description", "exif:ImageDescription") or xmp_text(packet, "dc:description")
    job = _JOB.search(text[-200:])
    body = text[: -len(job[0])] if job and job[0] else text
    place = _IN_NAME.search(said.name)
    name = (job[1] if job else "") or (place[1] if place else "") or _guid(packet)
    notes = Notes(TOOL)
    known = _flags(body, notes) if body else 0
    if not job and not known and not (_guid(packet) and "trainedAlgorithmicMedia" in packet):
        return None
    if not body:
        notes.unread("prompt", "", "the file has the job's number alone. Write the prompt into a CSV beside it")
    return notes.understood(job=name.lower(), index=int(place[2]) if place else None)


def named(file: str) -> bool:
    """Whether a file's name has the form of Midjourney's: it ends with a job and a place in it.

    >>> named("anna_an_owl_0a1b2c3d-0000-4000-8000-0123456789ab_2.png"), named("owl_2.png")
    (True, False)
    """
    return _IN_NAME.search(file) is not None


def _guid(packet: str) -> str:
    match = re.search(r"DigImageGUID[=>\s\"']{1,4}([0-9a-fA-F-]{36})", packet) if packet else None
    return match[1].lower() if match else ""


def _flags(text: str, notes: Notes) -> int:
    """Take prompt and flags down.

    Returns:
        the number of known flags with a possible value.
    """
    found = list(_FLAG.finditer(text))[:200]
    notes.say_prompt(text[: found[0].start()] if found else text)
    if not found:
        return 0
    ends = [*(one.start() for one in found[1:]), len(text)]
    return sum(_flag(one[1], text[one.end() : end].strip(), notes) for one, end in zip(found, ends, strict=True))


def _flag(flag: str, value: str, notes: Notes) -> bool:
    """Take a flag down; returns whether it is known and its value possible."""
    name = NAMES.get(flag.lower(), "")
    if flag.lower() in SWITCHES | MODES:
        if value:
            notes.unread("text after --" + flag, value, "the flag takes no value")
        if flag.lower() in SWITCHES:
            notes.settings.setdefault(flag.lower(), True)
        return True
    if not name:
        notes.unread(f"--{flag}", value, "Midjourney's documentation has no such flag")
        return False
    if name == NEGATIVE:
        notes.say_negative(value)
        return bool(value)
    if name in BOUNDS:
        return _number(flag, name, value, notes)
    if name in _SHAPES and not _SHAPES[name].fullmatch(value):
        notes.unread(f"--{flag}", value, f"it is no {name.replace('_', ' ')}")
        return False
    if name == "repeat":
        return True  # as many orders as it says; each has a number of its own
    if name == "profile" and value and not _CODE.fullmatch(value):
        notes.unread(f"--{flag}", value, "it may be a code or a text, which nothing tells apart")
        return True
    notes.put(name, f"niji {value}" if flag.lower() == "niji" else value or "on")
    return True


def _number(flag: str, name: str, value: str, notes: Notes) -> bool:
    low, high = BOUNDS[name]
    words: Sequence[str] = value.split()
    found = number(words[0]) if words else None
    if found is None or not low <= found <= high:
        notes.unread(f"--{flag}", value, f"it is no number from {low:g} to {high:g}")
        return False
    if len(words) > 1:
        notes.unread(f"text after --{flag}", " ".join(words[1:]), "flags stand at the end of a prompt")
    if name == "seed":
        notes.say_seed(found)
    else:
        notes.put(name, found)
    return True
