"""A study for Embedding Atlas, which shows some millions of pictures as points: Parquet files with small pictures.

Written part by part, so that the memory it takes does not grow with the study beyond what its rows take. A picture is
a struct with `bytes`, as in the data sets of Hugging Face, which is what Embedding Atlas reads. It stands at `x` and
`y` by its light and colours, so that Embedding Atlas needs no model to draw it.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip import plugins
from teststrip.errors import PictureError, StoreError
from teststrip.pictures import plane, thumbnail
from teststrip.records import Image, Row
from teststrip.results import polled
from teststrip.rows import tables
from teststrip.store import files
from teststrip.study.values import label

if TYPE_CHECKING:
    import pyarrow as pa

    from teststrip.results import Result

MOST = 20_000
"""Pictures of a file: about 100 MB with a side of 128 pixels."""

PICTURE, ACROSS, UP = "picture", "x", "y"
"""The columns of ours beside those of every export: the small picture, and where it stands."""

LARGEST = 2**63
"""The first whole number that a column of whole numbers cannot hold."""

INDEX = "README.md"
"""Written first, so that the parts of an export that was cut off are known as ours, too."""

_PART = re.compile(r"part-\d{4,}\.parquet")

READ_ME = """\
# {study}

{pictures} pictures of a Teststrip study, for Embedding Atlas (https://apple.github.io/embedding-atlas).

    uvx embedding-atlas *.parquet --x {x} --y {y} --image {picture}

Pictures stand near each other whose light and colours lie at the same places: `{x}` and `{y}` are the first two
principal components of their 8 x 8 pixels, in 8-bit levels, and show {share:.0f} % of the variance between them. No
model looked at them. Without `--x {x} --y {y}` Embedding Atlas fetches a model and places them by what is to be seen in
them. Levels of the axes and scores are columns, by which points are coloured and filtered.
"""


def parts(result: Result, *, side: int = 128, most: int = MOST) -> Iterator[tuple[str, bytes]]:
    """The files one after another: a name for each, and its bytes. Columns of ours have names that no other column has.

    Args:
        result: finished or not.
        side: pixels of the longer edge of a small picture.
        most: pictures of a file.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    rows = [row for row in polled.counted(result.rows(), polled.votes_in(result.folder)) if row.image]
    chunks = [rows[start : start + most] for start in range(0, len(rows), most)]
    kinds = _kinds(chunks)
    picture, across, up = _free(kinds)
    early = _sample(result, rows, side)
    where = plane.fitted(small["bytes"] for small in early.values() if small)
    read_me = READ_ME.format(
        study=result.study.name, pictures=len(rows), x=across, y=up, picture=picture, share=100 * where.share
    )
    yield INDEX, read_me.encode("utf-8", "replace")
    kinds |= {across: pa.float64(), up: pa.float64()}
    # The picture is the first column, because Embedding Atlas shows columns in their order.
    schema = pa.schema([(picture, pa.struct({"bytes": pa.binary()})), *kinds.items()])

    def made(place: int) -> tuple[Mapping[str, bytes] | None, tuple[float, float] | None]:
        small = early.pop(place) if place in early else _small(result, rows[place].image, side)
        return small, where.place(small["bytes"]) if small else None

    for number, chunk in enumerate(chunks):
        start = number * most
        smalls, places = zip(*files.by_threads(made, range(start, start + len(chunk))), strict=True)
        records = tables.records(chunk)
        for record, at in zip(records, places, strict=True):
            record[across], record[up] = at or (None, None)
        columns: dict[str, list[object]] = {
            name: [cell(record.get(name), kind) for record in records] for name, kind in kinds.items()
        }
        columns[picture] = list(smalls)
        stream = io.BytesIO()
        pa.parquet.write_table(pa.Table.from_pydict(columns, schema=schema), stream, compression="zstd")
        yield f"part-{number:04d}.parquet", stream.getvalue()


def _free(names: Iterable[str]) -> list[str]:
    """Names for the columns of ours that no other column has: an axis may have any name."""
    taken = {name.casefold() for name in names}  # DuckDB, which reads the files, knows no capitals
    found = []
    for name in (PICTURE, ACROSS, UP):
        free = name
        while free in taken:
            free += "_"
        found.append(free)
    return found


def _sample(result: Result, rows: Sequence[Row], side: int) -> dict[int, Mapping[str, bytes] | None]:
    """Small copies by their places among the rows: of all, or of as many drawn by chance as a plane needs."""
    chance = random.Random(0)  # noqa: S311 - the same plane each time, and no secret
    places = sorted(chance.sample(range(len(rows)), min(len(rows), plane.SAMPLE)))
    smalls = files.by_threads(lambda place: _small(result, rows[place].image, side), places)
    return dict(zip(places, smalls, strict=True))


def is_index(data: bytes) -> bool:
    """Whether a file is the index of an export for Embedding Atlas, and not a file of the user's own."""
    return b"pictures of a Teststrip study, for Embedding Atlas" in data


def parts_among(names: Iterable[str]) -> list[str]:
    """The names that a part of an export has, first the least.

    >>> parts_among(["part-0001.parquet", "part-mine.parquet", "part-0000.parquet"])
    ['part-0000.parquet', 'part-0001.parquet']
    """
    return sorted(filter(_PART.fullmatch, names))


def leftover(there: Iterable[str], written: Container[str]) -> list[str]:
    """The parts of an earlier and larger export, which would show pictures twice.

    Args:
        there: names of the files that lay in the folder before.
        written: names of the files that were written now.

    >>> leftover(["README.md", "part-0000.parquet", "part-0001.parquet", "mine.parquet"], {"part-0000.parquet"})
    ['part-0001.parquet']
    >>> leftover(["part-0001.parquet"], ())  # a folder without our index is of another program
    []
    """
    names = list(there)
    return [name for name in names if INDEX in names and _PART.fullmatch(name) and name not in written]


def _kinds(chunks: Sequence[Sequence[Row]]) -> dict[str, pa.DataType]:
    """The type of each column, equal in all files: numbers where each value is one, else text."""
    seen: dict[str, set[type]] = {}
    for chunk in chunks:
        for record in tables.records(chunk):
            for name, value in record.items():
                seen.setdefault(name, set()).add(type_of(value))
    return {name: kind_of(types - {type(None)}) for name, types in seen.items()}


def kind_of(types: set[type]) -> pa.DataType:
    """What a column holds whose values are of these types, None left out."""
    import pyarrow as pa

    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types and types <= {int, float} else pa.string()


def type_of(value: object) -> type:
    """The type that a column must hold for this value: a whole number beyond 64 bits is text."""
    large = isinstance(value, int) and not -LARGEST <= value < LARGEST
    return str if large else type(value)


def cell(value: object, kind: pa.DataType) -> object:
    """A value as a column of this type holds it."""
    import pyarrow as pa

    if value is None or isinstance(value, str):
        return value
    if kind == pa.string():
        return label(value)  # type: ignore[arg-type]
    return float(value) if kind == pa.float64() else value  # type: ignore[arg-type]


def _small(result: Result, image: Image | None, side: int) -> Mapping[str, bytes] | None:
    """A small copy of a picture; None where its file is gone or damaged."""
    assert image is not None
    try:
        return {"bytes": thumbnail(result.store.thumbnail(image), side)}
    except (StoreError, PictureError, OSError):
        return None
