"""A study for Embedding Atlas, which shows some millions of pictures as points: Parquet files with small pictures.

Written part by part, so that the memory it takes does not grow with the study beyond what its rows take. A picture is
a struct with `bytes`, as in the data sets of Hugging Face, which is what Embedding Atlas reads.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
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

READ_ME = """\
# {study}

{pictures} pictures of a Teststrip study, for Embedding Atlas (https://apple.github.io/embedding-atlas).

    uvx embedding-atlas *.parquet --image {column}

computes where each picture stands from what is to be seen in it; `--text prompt` goes by the prompt. Levels of the axes
and scores are columns, by which points are coloured and filtered.
"""


def parts(result: Result, *, side: int = 128, most: int = MOST) -> Iterator[tuple[str, bytes]]:
    """The files one after another: a name for each, and its bytes.

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
    schema = pa.schema([*((name, kind) for name, kind in kinds.items()), (PICTURE, pa.struct({"bytes": pa.binary()}))])
    for number, chunk in enumerate(chunks):
        records = tables.records(chunk)
        columns: dict[str, list[object]] = {
            name: [_cell(record.get(name), as_text=kind == pa.string()) for record in records]
            for name, kind in kinds.items()
        }
        columns[PICTURE] = list(files.by_threads(lambda row: _small(result, row.image, side), chunk))
        stream = io.BytesIO()
        pa.parquet.write_table(pa.Table.from_pydict(columns, schema=schema), stream, compression="zstd")
        yield f"part-{number:04d}.parquet", stream.getvalue()
    read_me = READ_ME.format(study=result.study.name, pictures=len(rows), column=PICTURE)
    yield "README.md", read_me.encode("utf-8", "replace")


def _kinds(chunks: Sequence[Sequence[Row]]) -> dict[str, pa.DataType]:
    """The type of each column, equal in all files: numbers where each value is one, else text."""
    seen: dict[str, set[type]] = {}
    for chunk in chunks:
        for record in tables.records(chunk):
            for name, value in record.items():
                seen.setdefault(name, set()).add(type(value))
    return {name: kind_of(types - {type(None)}) for name, types in seen.items()}


def kind_of(types: set[type]) -> pa.DataType:
    """What a column holds whose values are of these types, None left out."""
    import pyarrow as pa

    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types and types <= {int, float} else pa.string()


def _cell(value: object, *, as_text: bool) -> object:
    if value is None or not as_text:
        return value
    return value if isinstance(value, str) else label(value)  # type: ignore[arg-type]


def _small(result: Result, image: Image | None, side: int) -> Mapping[str, bytes] | None:
    """A small copy of a picture; None where its file is gone or damaged."""
    assert image is not None
    try:
        return {"bytes": thumbnail(result.store.thumbnail(image), side)}
    except (StoreError, PictureError, OSError):
        return None
