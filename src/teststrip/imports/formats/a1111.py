"""A1111 and its kin: Forge, reForge, SD.Next, Civitai, the Horde's programs, savers of ComfyUI, StabilityMatrix.

PNG files have the text under `parameters`; JPEG and WebP files as EXIF's UserComment, a comment or in XMP.
"""

from __future__ import annotations

from teststrip.imports.infotext import taken_apart, told
from teststrip.imports.notes import Notes, squeezed
from teststrip.imports.tables import json_table
from teststrip.imports.understood import Said, Understood
from teststrip.pictures.texts import xmp_text


def read(said: Said) -> Understood | None:
    """What the text says; None where there is none."""
    packet = said.texts.first("xmp")
    for text in (
        said.texts.first("parameters", "Parameters"),
        said.texts.first("exif:UserComment"),
        xmp_text(packet, "exif:UserComment"),
        xmp_text(packet, "dc:description"),
        said.texts.first("Comment", "exif:ImageDescription", "UserComment"),
    ):
        if text and not json_table(text) and (parts := taken_apart(text)):
            keys = {squeezed(key): value for key, value in parts.found}
            return told(parts, Notes(_tool(keys))).understood()
    return None


def _tool(said: dict[str, str]) -> str:
    """Which of the family wrote the text, where its settings say so."""
    version = said.get("version", "")
    if said.get("app", "") == "SD.Next" or "SD.Next" in version:
        return "SD.Next"
    if version.startswith("f") or "forge" in version.lower():
        return "Forge"
    if version == "ComfyUI":
        return "ComfyUI"
    return "Civitai" if "civitairesources" in said else "A1111"
