"""Files that a study names: they lie beside the study file or below it."""

from __future__ import annotations

from pathlib import Path

from teststrip.study.place import Place, shown


def read(name: str, place: Place, folder: Path, most: int) -> tuple[Path, bytes]:
    """The path and the bytes of a file.

    Args:
        name: as the study writes it.
        place: of the name.
        folder: of the study.
        most: bytes that the file may have.

    Raises:
        StudyError: it lies elsewhere, is no file, is too large, or cannot be read.
    """
    inside = folder.resolve()
    try:
        path = (inside / name).resolve()
        if Path(name).is_absolute() or not path.is_relative_to(inside):
            raise place.error(f"{shown(name)} lies outside the study's folder. Move it beside the study file")
        if not path.is_file():
            raise place.error(f"{shown(name)} is no file beside the study or below. Check its name")
        if path.stat().st_size > most:
            raise place.error(f"{shown(name)} is larger than {most // 2**20} MB")
        return path, path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise place.error(f"{shown(name)} cannot be read: {error}") from None
