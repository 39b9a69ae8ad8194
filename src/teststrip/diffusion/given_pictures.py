"""The pictures that a shot gives to its pipeline, opened: the very bytes that were asked for, or an error."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from teststrip.diffusion import tasks
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.errors import PictureError
from teststrip.pictures import upright
from teststrip.pictures.pixels import MAX_BYTES
from teststrip.records import Shot

if TYPE_CHECKING:
    import PIL.Image

KEPT: Final = 8
"""Pictures kept open: all cells of a prompt take the same ones, one prompt after another."""


def arguments(pipeline: PipelineClass, shot: Shot) -> dict[str, PIL.Image.Image]:
    """The arguments of the pipeline's call that are pictures.

    Raises:
        PictureError: a picture is gone, or is not the one that the study was read with.
    """
    bound = tasks.arguments(pipeline, tasks.given(shot.settings))
    return {argument: _opened(name, shot) for name, argument in bound.items()}


def _opened(name: str, shot: Shot) -> PIL.Image.Image:
    place, digest = shot.files.get(name, ""), str(shot.settings[name])
    if not place:
        raise PictureError(f"{name}: the picture is not on this machine. Put it back beside the study")
    try:
        return _kept(place, digest)
    except PictureError as error:
        raise PictureError(f"{name}: {place}: {error}") from error


@lru_cache(KEPT)
def _kept(place: str, digest: str) -> PIL.Image.Image:
    try:
        with Path(place).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise PictureError("the picture has changed since the study was read. Run the study again")
    return upright(data)
