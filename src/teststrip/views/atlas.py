"""A study for Embedding Atlas, which shows some millions of pictures as points: Parquet files with small pictures.

Written part by part, so that the memory it takes does not grow with the study beyond what its rows take. A picture is
a struct with `bytes`, as in the data sets of Hugging Face, which is what Embedding Atlas reads.
"""

from __future__ import annotations

import io
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from teststrip import plugins
from teststrip.errors import PictureError, StoreError
from teststrip.pictures import thumbnail
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

PICTURE = "picture"

LARGEST = 2**63
"""The first whole number that a column of whole numbers cannot hold."""

INDEX = "README.md"
"""Written first, so that the parts of an export that was cut off are known as ours, too."""

_PART = re.compile(r"part-\d{4,}\.parquet")

READ_ME = """\
# {study}

{pictures} pictures of a Teststrip study, for Embedding Atlas (https://apple.github.io/embedding-atlas).

    uvx embedding-atlas *.parquet --image {column}

computes where each picture stands from what is to be seen in it; `--text prompt` goes by the prompt. Levels of the axes
and scores are columns, by which points are coloured and filtered.
"""


def parts(result: Result, *, side: int = 128, most: int = MOST) -> Iterator[tuple[str, bytes]]:
    """The files one after another: a name for each, and its bytes. The column of the pictures has a name of its own.

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
    taken = {name.casefold() for name in kinds}  # DuckDB, which reads the files, knows no capitals
    column = PICTURE
    while column in taken:  # an axis may have any name
        column += "_"
    read_me = READ_ME.format(study=result.study.name, pictures=len(rows), column=column)
    yield INDEX, read_me.encode("utf-8", "replace")
    schema = pa.schema([*kinds.items(), (column, pa.struct({"bytes": pa.binary()}))])
    for number, chunk in enumerate(chunks):
        records = tables.records(chunk)
        columns: dict[str, list[object]] = {
            name: [cell(record.get(name), kind) for record in records] for name, kind in kinds.items()
        }
        columns[column] = list(files.by_threads(lambda row: _small(result, row.image, side), chunk))
        stream = io.BytesIO()
        pa.parquet.write_table(pa.Table.from_pydict(columns, schema=schema), stream, compression="zstd")
        yield f"part-{number:04d}.parquet", stream.getvalue()


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
