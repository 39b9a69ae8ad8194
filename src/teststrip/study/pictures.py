"""The pictures that prompts give to a model: found, measured, and known by the SHA-256 of their bytes.

A picture's digest is what a shot asks for, so another file under the same name is another shot, and a file that was
renamed is the same one. The folder of a run keeps a copy under that digest; a study that is opened there knows the
digest by the name alone, whether or not the copy is still there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from teststrip.errors import PictureError
from teststrip.folder import INPUTS
from teststrip.pictures import measure
from teststrip.pictures.pixels import MAX_BYTES
from teststrip.records import Picture, Prompt, Study
from teststrip.study import beside
from teststrip.study.place import Place, kind_of, shown

COLUMNS: Final[Mapping[str, str]] = {
    "image": "image",
    "mask": "mask_image",
    "mask_image": "mask_image",
    "control_image": "control_image",
    "ip_adapter_image": "ip_adapter_image",
}
"""Keys and columns of pictures, and the setting that each becomes."""

KEYS: Final[Mapping[str, str]] = {"mask_image": "mask"}
"""The key of a setting in a study, where it has another name."""

COPY: Final = re.compile(rf"{INPUTS}/([0-9a-f]{{64}})\.(png|jpg|webp)")
"""The path of a copy in the folder of a run."""


class Pictures:
    """Reads the pictures of prompts, each file once.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], Picture] = {}

    def read(self, entry: Mapping[str, object], place: Place) -> tuple[Picture, ...]:
        """The pictures of an entry, in the order of their names.

        Raises:
            StudyError: one of them is no path, or no picture that can be read.
        """
        found: dict[str, Picture] = {}
        for key, name in COLUMNS.items():
            if key in entry:
                if name in found:
                    raise (place / key).error(f"{KEYS[name]} is there too. Keep one of them")
                found[name] = self._read(name, entry[key], place / key)
        return tuple(found[name] for name in sorted(found))

    def _read(self, name: str, path: object, place: Place) -> Picture:
        if not isinstance(path, str) or not path.strip():
            raise place.error(f"must be the path of a picture in quotes, not {kind_of(path)} ({shown(path)})")
        if (name, path) not in self._known:
            self._known[name, path] = self._opened(name, path, place)
        return self._known[name, path]

    def _opened(self, name: str, path: str, place: Place) -> Picture:
        copied = COPY.fullmatch(path)
        if copied and not (self._folder / path).exists():
            return Picture(name, copied[1], path, copied[2])
        file, data = beside.read(path, place, self._folder, MAX_BYTES)
        try:
            form, width, height = measure(data)
        except PictureError as error:
            raise place.error(f"{shown(path)} is no picture ({error}). Save it as PNG, JPEG or WebP") from None
        digest = hashlib.sha256(data).hexdigest()
        if copied and copied[1] != digest:
            raise place.error(f"{shown(path)} holds another picture than its name says. Delete it, and put it back")
        return Picture(name, digest, path, form, width, height, str(file))


def check_alike(prompts: list[tuple[Place, tuple[Picture, ...]]]) -> None:
    """Check that all prompts have the same kinds of picture.

    Raises:
        StudyError: one of them lacks a picture that another one has.
    """
    every = {picture.name for _, pictures in prompts for picture in pictures}
    for place, pictures in prompts:
        if lacking := sorted(every - {picture.name for picture in pictures}):
            key = KEYS.get(lacking[0], lacking[0])
            raise place.error(f"has no {key}, and other prompts have one. Give every prompt its {key}, or none")


def check_here(study: Study, place: Place) -> None:
    """Check that the pictures are on this machine.

    Raises:
        StudyError: a copy is gone from the folder of a run.
    """
    for prompt in study.prompts:
        for picture in prompt.pictures:
            if not picture.place:
                raise (place / "prompts").error(
                    f"the picture {picture.path!r} of {prompt.id!r} is gone. Put it back, or run the study file again"
                )


def written(prompt: Prompt) -> dict[str, str]:
    """The pictures of a prompt as the study file in the folder of a run names them: by their copies there."""
    return {KEYS.get(picture.name, picture.name): copy_of(picture) for picture in prompt.pictures}


def copy_of(picture: Picture) -> str:
    """Where the folder of a run keeps a copy of a picture, relative to it."""
    return f"{INPUTS}/{picture.digest}.{picture.form}"
