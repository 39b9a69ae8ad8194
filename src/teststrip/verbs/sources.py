"""The pictures of a folder that other tools made, each with what it says, and what tables beside them say.

Nothing of the source is changed, no link is followed, and a file that cannot be read is told with its reason. Knows
files; what the pictures are compared by is found in `imports.design`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from teststrip import imports
from teststrip.analysis.sentences.phrases import count
from teststrip.errors import PictureError, StoreError, UsageError, among, first_line
from teststrip.imports import Understood, csvs
from teststrip.imports.design import Picture
from teststrip.imports.formats import midjourney
from teststrip.imports.index import MOST_PICTURES
from teststrip.imports.notes import KEYS, KINDS, NEGATIVE, Notes, own_name, squeezed
from teststrip.pictures import decode, digest_of_pixels, sound
from teststrip.pictures.containers import SUFFIXES
from teststrip.pictures.pixels import MAX_BYTES
from teststrip.pictures.texts import without_author
from teststrip.store import inside

ENDINGS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
PACKED: Final = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
"""Endings of packed folders. They are not read: people have programs that unpack within bounds of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a folder holds.

    Attributes:
        pictures: those that can be read, in the order of their names.
        unreadable: names of files, and why each cannot be read.
        tables: the names of tables beside the pictures that were used.
        missing: files that a table names and that are not there.
        folder: where the names begin.
    """

    pictures: tuple[Picture, ...]
    unreadable: tuple[tuple[str, str], ...]
    tables: tuple[str, ...]
    missing: tuple[str, ...]
    folder: Path


def read(source: Path, renamed: Mapping[str, str]) -> Source:
    """The pictures of a folder, or a single one.

    Args:
        source: the folder or the file.
        renamed: words of tools, and the settings that they mean.

    Raises:
        UsageError: there is no such folder, no picture in it, or a word that no picture says.
    """
    if source.suffix.lower() in PACKED and not source.is_dir():
        raise UsageError(f"{source} is a packed folder. Unpack it first, and name the folder")
    if not source.exists():
        raise UsageError(f"{source}: there is no such folder")
    folder = source if source.is_dir() else source.parent
    files = sorted(_files(source)) if source.is_dir() else [source]
    said, tables = _tables([path for path in files if path.suffix.lower() in (".csv", ".tsv")], folder)
    paths = [path for path in files if path.suffix.lower() in ENDINGS]
    if not paths:
        packed = next((path.relative_to(folder) for path in files if path.suffix.lower() in PACKED), None)
        unpack = f", but {packed} is a packed folder. Unpack it first" if packed else ""
        raise UsageError(f"{source}: there is no PNG, JPEG or WebP in it{unpack}")
    if len(paths) > MOST_PICTURES:
        raise UsageError(f"{source}: has {len(paths):,} pictures; the most is {MOST_PICTURES:,}. Import a part of them")
    names = [path.relative_to(folder).as_posix() for path in paths]
    pictures, unreadable = [], []
    for path, name in zip(paths, names, strict=True):
        try:
            pictures.append(_picture(path, name, said.get(name)))
        except (PictureError, StoreError, OSError) as error:
            unreadable.append((name, first_line(error)))
    there = {*names}
    return Source(
        pictures=tuple(_renamed(pictures, renamed)),
        unreadable=tuple(unreadable),
        tables=tuple(tables),
        missing=tuple(name for name in said if name not in there),
        folder=folder,
    )


def bytes_of(path: Path, said: Understood | None) -> bytes:
    """The bytes of a picture as they are kept: as they came, but for the name of Midjourney's user.

    A file is Midjourney's by what it says, or by the form of its name where it says nothing that is understood.

    Raises:
        OSError: it is a link, no regular file, or too large.
        PictureError: it is no sound picture.
    """
    data = inside.read(path.parent, path.name, MAX_BYTES)
    from_midjourney = (said is not None and said.tool == midjourney.TOOL) or midjourney.named(path.name)
    return without_author(data) if from_midjourney else data


def _picture(path: Path, name: str, row: Understood | None) -> Picture:
    data = inside.read(path.parent, path.name, MAX_BYTES)
    said = imports.read(data, path.name)
    kept = bytes_of(path, said)
    if row is not None:
        said = csvs.over(said, row)
    digest = hashlib.sha256(kept).hexdigest()
    file = f"{digest}.{SUFFIXES[sound(kept)]}"
    pixels = decode(kept)
    height, width, _ = pixels.shape
    return Picture(name, file, digest_of_pixels(pixels), said or Understood(""), width, height)


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those in it; hidden ones and links are left out."""
    for at, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(at) / name
            if not name.startswith(".") and not inside.is_link(path):
                yield path


def _tables(paths: Sequence[Path], folder: Path) -> tuple[dict[str, Understood], list[str]]:
    """What tables say of files, named from the folder on, and the names of the tables.

    Raises:
        UsageError: a table cannot be read, or two of them contradict each other.
    """
    said: dict[str, Understood] = {}
    by: dict[str, str] = {}
    used = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            found = csvs.read(inside.read(path.parent, path.name, csvs.LARGEST), name)
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror or error}") from None
        if found is None:
            continue
        used.append(name)
        head = name.rpartition("/")[0]
        for file, row in found.items():
            whole = f"{head}/{file}".lstrip("/")
            if whole in said and (why := csvs.contradiction(said[whole], row)):
                raise UsageError(f"{by[whole]} and {name} contradict each other on {whole}: {why}. Correct one of them")
            said[whole] = csvs.over(said.get(whole), row)
            by.setdefault(whole, name)
    return said, used


def _renamed(pictures: Sequence[Picture], renamed: Mapping[str, str]) -> list[Picture]:
    """The pictures with other names for their tool's own words."""
    found = list(pictures)
    for word, name in renamed.items():
        plain = own_name(word)
        known = {one: None for picture in found for one in [*picture.said.settings, *_unread(picture.said)]}
        if plain not in known and word not in known:
            raise UsageError(f"--map {word}={name}: no picture says {word!r}{among(plain or word, known, 'They say')}")
        found = [replace(one, said=_with_name(one.said, word, name)) for one in found]
    return found


def _unread(said: Understood) -> dict[str, str]:
    return {own_name(one.key): one.value for one in said.unread if one.value and not one.value.endswith("…")}


def _with_name(said: Understood, word: str, name: str) -> Understood:
    plain = own_name(word)
    source = plain if plain in said.settings else word
    value = said.settings.get(source, _unread(said).get(plain))
    if value is None:
        return said
    notes = Notes(said.tool)
    if name in KINDS or name == "model":
        notes.say_setting(word, name, value)
    elif name in (NEGATIVE, "prompt", "seed") or (squeezed(name) in KEYS and name == "scheduler"):
        notes.say({"scheduler": "sampler"}.get(name, name), value)
    elif own_name(name) == name:
        notes.put(name, value)
    else:
        raise UsageError(
            f"--map {word}={name}: {name!r} cannot be the name of a setting. Write small letters, digits and '_'"
        )
    kept = {key: one for key, one in said.settings.items() if key not in (source, *notes.settings)}
    return replace(
        said,
        prompt=notes.prompt or said.prompt,
        seed=notes.seed or said.seed,
        settings={**kept, **notes.settings},
        unread=(*(one for one in said.unread if own_name(one.key) != plain), *notes.understood().unread),
    )


def told(source: Source) -> str:
    """How many pictures there are, in words."""
    return count(len(source.pictures) + len(source.unreadable), "picture")
