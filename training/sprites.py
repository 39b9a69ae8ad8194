"""Small pictures of single objects, in two hands: Microsoft's Fluent 3D (MIT) and Noto Color Emoji (OFL).

Knows where they come from, checks them, and keeps them in one file; nothing of compositions.
"""

import hashlib
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.settings import recipe, work
from training.words import SCENES, THINGS

HANDS = ("fluent", "noto")


def characters() -> dict[str, str]:
    """CLDR short name to the emoji's characters."""
    names = {}
    for path in recipe("data").annotations:
        for node in ET.parse(path).getroot().iter("annotation"):
            if node.get("type") == "tts":
                names.setdefault((node.text or "").strip(), node.get("cp") or "")
    return names


def fetch_fluent() -> Path:
    """The package of Fluent pictures, fetched with npm unless it is here already, and checked by its hash."""
    settings = recipe("data")
    folder = work("fluent", "x").parent
    archive = next(folder.glob("*.tgz"), None)
    if archive is None:
        subprocess.run(["npm", "pack", settings.fluent_package], cwd=folder, check=True)
        archive = next(folder.glob("*.tgz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != settings.fluent_sha256:
        raise SystemExit(f"{archive.name}: sha256 is {found}, not {settings.fluent_sha256}. Remove it and run again.")
    return archive


def square(image: Image.Image, pixels: int) -> Image.Image:
    """`image` cropped to what is visible, centred on a transparent square."""
    image = image.crop(image.getbbox())
    side = max(image.size)
    canvas = Image.new("RGBA", (side, side))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    # premultiplied, else transparent pixels' colour bleeds into the rim
    return canvas.convert("RGBa").resize((pixels, pixels), Image.Resampling.LANCZOS).convert("RGBA")


def build() -> Path:
    """Both hands' picture of every CLDR name in words.py, in sprites.npz."""
    out = work("sprites.npz")
    if out.exists():
        return out
    settings = recipe("data")
    wanted = {name for thing in THINGS.values() for name in thing.pictures} | {"drop of blood", "red heart"}
    wanted |= {name for _, pictures in SCENES.values() for name in pictures}
    text = characters()
    font = ImageFont.truetype(settings.noto_font, 109)  # 109: the one size this bitmap font has
    sprites = {}
    with tarfile.open(fetch_fluent()) as archive:
        files = {Path(m.name).stem.replace("-fe0f", ""): m for m in archive if m.name.endswith(".webp")}
        for name in sorted(wanted):
            if name not in text:
                raise SystemExit(f"words.py: {name!r} is no CLDR short name")
            code = "-".join(f"{ord(c):04x}" for c in text[name] if c != "\ufe0f")
            data = archive.extractfile(files[code])
            assert data is not None
            fluent = Image.open(BytesIO(data.read())).convert("RGBA")
            noto = Image.new("RGBA", (300, 160))
            ImageDraw.Draw(noto).text((4, 10), text[name], font=font, embedded_color=True)
            for hand, image in zip(HANDS, (fluent, noto), strict=True):
                sprites[f"{hand}/{name}"] = np.asarray(square(image, settings.sprite_pixels))
    np.savez(out, **sprites)
    return out


def load() -> dict[tuple[str, str], Image.Image]:
    """(hand, CLDR name) to a square RGBA picture."""
    with np.load(build()) as file:
        return {tuple(key.split("/", 1)): Image.fromarray(file[key]) for key in file.files}
