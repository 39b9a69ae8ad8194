"""Copies of the pictures that prompts give to a model, in the folder of a run, so that it can be resumed elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from teststrip.errors import StoreError
from teststrip.records import Prompt
from teststrip.store import inside
from teststrip.study.pictures import copy_of


def keep(folder: Path, prompts: Iterable[Prompt]) -> None:
    """Copy each picture into the folder under its digest, where it is not there yet.

    Raises:
        StoreError: a picture has changed since the study was read, or the folder cannot be written.
    """
    for path, (place, digest) in {copy_of(one): (one.place, one.digest) for p in prompts for one in p.pictures}.items():
        if inside.place(folder, path).is_file() or not place:
            continue
        try:
            data = Path(place).read_bytes()
        except OSError as error:
            raise StoreError(f"{place}: cannot be read: {error}") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(f"{place}: the picture has changed since the study was read. Run again")
        inside.write(folder, path, data, durable=True)
