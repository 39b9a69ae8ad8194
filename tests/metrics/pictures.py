"""Rows with pictures for the tests of metrics: real records, pixels from a seeded generator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teststrip.protocols import Item
from teststrip.records import Cell, EngineRef, Image, Planned, Prompt, Row, Shot, Value


def row(
    pixels: NDArray[np.uint8],
    *,
    prompt: str = "an owl",
    replicate: int = 0,
    cell: Mapping[str, str] | None = None,
    settings: Mapping[str, Value] | None = None,
    seconds: float = 0.25,
    facts: Mapping[str, object] | None = None,
) -> Row:
    """The place of one picture; its digest is that of its pixels and settings."""
    asked: dict[str, Value] = {"prompt": prompt, "seed": replicate, **(settings or {})}
    shot = Shot(EngineRef("pattern"), asked)
    digest = hashlib.sha256(shot.id.encode() + pixels.tobytes()).hexdigest()
    height, width = pixels.shape[:2]
    image = Image(shot.id, digest, f"{digest}.png", width, height, 1, seconds, "f" * 64, facts or {})
    planned = Planned(shot, Cell(tuple((cell or {}).items())), Prompt(prompt.replace(" ", "-"), prompt), replicate)
    return Row(planned, image=image)


def noise(seed: int, height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Uniform noise [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def single(pixels: NDArray[np.uint8], **where: object) -> Item:
    """The item of a metric of one image."""
    return Item((row(pixels, **where),), (pixels,))  # type: ignore[arg-type]
