"""Takes results elsewhere: tables (csv, parquet), pictures of grids (contact-sheet), one file for a browser (html), and
to any tracker.

To add a format: a function of a result and a target's suffix, and its line in FORMATS. Nothing here changes a study.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import disk, plugins
from teststrip.characters import printable
from teststrip.errors import UsageError, among
from teststrip.records import Concluded, Started
from teststrip.rows import tables
from teststrip.store import inside
from teststrip.study.place import Place
from teststrip.study.question import read_trackers
from teststrip.trackers.listeners import opened
from teststrip.views import onefile, sheets

if TYPE_CHECKING:
    import pandas as pd

    from teststrip.results import Result

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(result: Result, to: str, target: Path | None = None, **options: Any) -> Path:
    """Write a result in a format.

    Args:
        result: finished or not.
        to: one of FORMATS.
        target: a file; default `<study>.<suffix>` in the study folder. Its suffix may choose the kind (.png or .pdf).
        options: of the format, for example `rows` and `columns` of a contact sheet.

    Returns:
        The path written.

    Raises:
        UsageError: an unknown format or option. MissingExtra: the format needs a package.
    """
    if to not in FORMATS:
        known = targets()
        raise UsageError(f"unknown format {to!r}{among(to, known, 'There are')}")
    function, suffix = FORMATS[to]
    known = [
        name for name, option in inspect.signature(function).parameters.items() if option.kind == option.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            raise UsageError(f"{to} has no option {name!r}{among(name, known, 'It takes')}")
    if target is None:
        return inside.write(result.folder, f"{result.study.name}{suffix}", function(result, suffix, **options))
    target = Path(target)
    data = function(result, target.suffix, **options)
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.replace(target, data)
    return target


def targets() -> list[str]:
    """What results can be taken to: formats, then trackers."""
    return [*FORMATS, *(name for name in plugins.installed("trackers") if name != "progress")]


def notify(result: Result, to: str, **options: object) -> str:
    """Notify a tracker of a whole study, as if it had listened to the run. What it has already comes to it once.

    Args:
        result: finished or not.
        to: the tracker's name.
        options: of the tracker; before those of the study file.

    Returns:
        Where the tracker's output can be seen, in words; "" = it did not say.

    Raises:
        UsageError: no such tracker or option. MissingExtra: it needs a package. TrackerError: it failed.
    """
    table = {to: {**result.study.trackers.get(to, {}), **options}}
    tracker = opened(to, read_trackers(table, Place("trackers"))[to], patient=True)
    rows = tuple(result.rows())
    made, failures = tables.counts(rows)
    try:
        tracker.on_event(Started(result.study, total=len(rows), done=made, folder=str(result.folder)))
        tracker.on_event(Concluded(0, failures, result.findings, rows=rows))
    finally:
        tracker.close()
    return tracker.where


def csv(result: Result, _: str = ".csv") -> bytes:
    """One row an image, UTF-8. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    frame = _table(result)
    for name in frame.columns:
        frame[name] = [_harmless(value) for value in frame[name]]
    frame.columns = [_harmless(name) for name in frame.columns]
    text: str = frame.to_csv(index=False)
    return text.encode("utf-8", "replace")


def parquet(result: Result, _: str = ".parquet") -> bytes:
    """One row an image, typed columns, zstd. Needs the extra `parquet`."""
    stream = io.BytesIO()
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    pa.parquet.write_table(pa.Table.from_pandas(_table(result), preserve_index=False), stream, compression="zstd")
    return stream.getvalue()


FORMATS: Mapping[str, tuple[Callable[..., bytes], str]] = {
    "csv": (csv, ".csv"),
    "parquet": (parquet, ".parquet"),
    "contact-sheet": (sheets.contact_sheet, ".png"),
    "html": (onefile.html, ".html"),
}
"""Format -> what writes it, and the suffix of its file."""


def _table(result: Result) -> pd.DataFrame:
    """One row an image, with paths as seen from the study folder, so that the table can leave this machine."""
    import pandas as pd

    return pd.DataFrame.from_records(tables.records(result.rows()))


def _harmless(value: object) -> object:
    """The value; of text, what neither a spreadsheet runs nor a terminal obeys."""
    if not isinstance(value, str):
        return value
    return printable("'" + value if value.startswith(FORMULA) else value)
