"""A study's rows as W&B's own kinds: images, tables, and the artifact with the originals.

Knows what W&B can show and how much of it; nothing of runs, events or accounts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from teststrip import pictures
from teststrip.errors import StoreError
from teststrip.records import Image, Row
from teststrip.rows import tables
from teststrip.store import files
from teststrip.trackers import content

if TYPE_CHECKING:
    import wandb

T = TypeVar("T")

MOST_ROWS = 10_000  # of a logged table: wandb.Table.MAX_ROWS
MOST_IMAGES = 108  # of a list of images: wandb.Image.MAX_ITEMS


def picture(folder: Path, row: Row, side: int) -> wandb.Image | None:
    """A small picture of a row, without a record inside; None where there is none, or its file is damaged."""
    small = content.thumbnail(folder, row.image, side)
    return None if small is None else image(small, f"{row.planned.cell}, seed {row.planned.shot.seed}")


def image(data: bytes, caption: str) -> wandb.Image:
    """Encoded bytes as W&B's image."""
    import PIL.Image
    import wandb

    return wandb.Image(PIL.Image.fromarray(pictures.decode(data)), caption=caption)


def table(columns: tables.Columns, pictures: Sequence[wandb.Image | None] | None = None) -> wandb.Table:
    """A table of these columns, with a column of pictures before them where there are any."""
    import wandb

    first = {} if pictures is None else {"picture": pictures}
    every: dict[str, Sequence[object]] = {**first, **{name: _one_kind(values) for name, values in columns.items()}}
    return wandb.Table(columns=list(every), data=[list(line) for line in zip(*every.values(), strict=True)])


def artifact(name: str, metadata: dict[str, Any], rows: Sequence[Row], folder: Path, originals: Path) -> wandb.Artifact:
    """The table of images, and the originals.

    Args:
        name: of the artifact.
        metadata: of the artifact.
        rows: of the study.
        folder: of the study.
        originals: the path by which W&B is to know that folder.

    Returns:
        The artifact. A file that is not the one the ledger knows is left out.
    """
    import pandas as pd
    import wandb

    made = wandb.Artifact(name, "study", metadata=metadata)
    with made.new_file("images.parquet", mode="wb") as file:
        file.write(_parquet(pd.DataFrame(tables.images(rows))))
    for original in {row.image.digest: row.image for row in rows if row.image}.values():
        if _sound(folder, original):
            made.add_file(
                str(files.place(originals, original.path)), name=original.path, policy="immutable", skip_cache=True
            )
    return made


def chunks(every: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Parts of at most so many entries."""
    return (every[start : start + most] for start in range(0, len(every), most))


def numbered(name: str, part: int) -> str:
    """The name of a part; the first is called as the whole.

    >>> numbered("images", 1), numbered("images", 2)
    ('images', 'images (2)')
    """
    return name if part == 1 else f"{name} ({part})"


def _one_kind(values: Sequence[object]) -> Sequence[object]:
    """A column as W&B can filter and group by: values of one kind, or else words."""
    kinds = {
        "word" if isinstance(v, str) else "switch" if isinstance(v, bool) else "number" for v in values if v is not None
    }
    return values if len(kinds) < 2 else [None if value is None else str(value) for value in values]


def _parquet(frame: Any) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _sound(folder: Path, original: Image) -> bool:
    try:
        files.read_whole(folder, original.path)
    except StoreError:
        return False
    return True
