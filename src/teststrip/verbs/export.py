"""Takes results elsewhere: images as tables (csv, parquet), pictures of grids (contact-sheet), one file for a browser
(html), what a paper takes (findings, settings, figures-svg, figures-pdf), small pictures for Embedding Atlas (atlas),
and all of it to any tracker. A target is a path, or a URL of any protocol that fsspec knows.

To add a format: a function of a result and a target's suffix, and its line in FORMATS; for several files, a function of
a result that gives them one after another, and its line in FOLDERS. Nothing here changes a study.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from teststrip import disk, plugins
from teststrip.characters import harmless
from teststrip.elsewhere import Elsewhere
from teststrip.errors import UsageError, among
from teststrip.folder import CHARTS
from teststrip.records import NONE, Concluded, Started
from teststrip.results import polled
from teststrip.rows import tables
from teststrip.store import inside
from teststrip.study.place import Place
from teststrip.study.question import read_trackers
from teststrip.study.values import label
from teststrip.trackers.listeners import opened
from teststrip.views import atlas, figures, onefile, paper, sheets

if TYPE_CHECKING:
    import pandas as pd

    from teststrip.results import Result


def write(result: Result, to: str, target: Path | None = None, **options: Any) -> Path:
    """Write a result in a format.

    Args:
        result: finished or not.
        to: one of FORMATS or FOLDERS.
        target: a file, whose suffix may choose the kind (.png, .pdf), or a folder for one of FOLDERS. Default: in the
            study folder.
        options: of the format, for example `rows` and `columns` of a contact sheet.

    Returns:
        The path written.

    Raises:
        UsageError: an unknown format or option. MissingExtra: the format needs a package.
    """
    _check(to, options)
    if to in FOLDERS:
        return _write_folder(result, to, target, options)
    function, ending = FORMATS[to]
    if target is None:
        name = f"{result.study.name}{ending}"
        return inside.write(result.folder, name, function(result, Path(name).suffix, **options))
    target = Path(target)
    data = function(result, target.suffix, **options)
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.replace(target, data)
    return target


def _write_folder(result: Result, to: str, target: Path | None, options: Mapping[str, Any]) -> Path:
    if target is None:
        if to == "atlas":
            raise UsageError("atlas is a folder of its own, with a copy of every picture. Say where: --out FOLDER")
        for name, data in FOLDERS[to](result, **options):
            inside.write(result.folder, f"{CHARTS}/{name}", data)
        return result.folder / CHARTS
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    before = [path.name for path in target.iterdir()]
    if to == "atlas":
        _check_own(str(target), before, (target / atlas.INDEX).read_bytes)
    written = set()
    for name, data in FOLDERS[to](result, **options):
        disk.replace(target / name, data)
        written.add(name)
    for name in atlas.leftover(before, written) if to == "atlas" else ():
        (target / name).unlink(missing_ok=True)
    return target


def _check_own(where: str, names: Collection[str], index: Callable[[], bytes]) -> None:
    """Refuse a folder with files that an export for Embedding Atlas would replace or remove and did not write."""
    if atlas.INDEX in names and not atlas.is_index(index()):
        raise UsageError(f"{where} has an {atlas.INDEX} of its own. Name a folder for the atlas alone: --out FOLDER")
    if parts := [] if atlas.INDEX in names else atlas.parts_among(names):
        raise UsageError(f"{where} has a {parts[0]} of its own. Name a folder for the atlas alone: --out FOLDER")


def send(result: Result, to: str, url: str, **options: Any) -> None:
    """Write a result in a format at a URL, as `write` does at a path.

    Args:
        result: finished or not.
        to: one of FORMATS or FOLDERS.
        url: of a file, whose suffix may choose the kind, or of a folder: s3://bucket/images.parquet.
        options: of the format.

    Raises:
        UsageError: an unknown format or option, a URL that cannot be written to, or one with files of the user's own
            where atlas would replace or remove them.
        MissingExtra: the format or the protocol needs a package.
        StoreError: the place behind the URL does not take it.
    """
    _check(to, options)
    place = Elsewhere(url)
    if to in FOLDERS:
        before = place.sizes() if to == "atlas" else {}
        _check_own(url, before, lambda: place.read(atlas.INDEX))
        written = set()
        for name, data in FOLDERS[to](result, **options):
            place.put({name: data})
            written.add(name)
        place.remove(atlas.leftover(before, written))
    else:
        place.put({"": FORMATS[to][0](result, PurePosixPath(url).suffix, **options)})


def _check(to: str, options: Mapping[str, Any]) -> None:
    if to not in formats():
        raise UsageError(f"unknown format {to!r}{among(to, targets(), 'There are')}")
    function = FOLDERS[to] if to in FOLDERS else FORMATS[to][0]
    _check_options(to, options, function)


def _check_options(to: str, options: Mapping[str, Any], function: Callable[..., object]) -> None:
    known = [name for name, one in inspect.signature(function).parameters.items() if one.kind == one.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise UsageError(f"{to} has no option {name!r}{among(name, known, 'It takes')}")


def formats() -> list[str]:
    """What results can be written as: files, then folders of files."""
    return [*FORMATS, *FOLDERS]


def targets() -> list[str]:
    """What results can be taken to: formats, then trackers."""
    return [*formats(), *(name for name in plugins.installed("trackers") if name != "progress")]


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
    rows = polled.counted(result.rows(), polled.votes_in(result.folder))
    made, failures = tables.counts(rows)
    try:
        tracker.on_event(Started(result.study, total=len(rows), done=made, folder=str(result.folder)))
        tracker.on_event(Concluded(0, failures, result.findings, rows=rows))
    finally:
        tracker.close()
    return tracker.where


def csv(result: Result, _: str = ".csv") -> bytes:
    """One row an image, UTF-8. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    return _csv(_table(result))


def parquet(result: Result, _: str = ".parquet") -> bytes:
    """One row an image, typed columns, zstd. Needs the extra `parquet`."""
    stream = io.BytesIO()
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    table = _table(result).apply(_of_one_kind)
    pa.parquet.write_table(pa.Table.from_pandas(table, preserve_index=False), stream, compression="zstd")
    return stream.getvalue()


def _of_one_kind(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as it is, or as what a typed column can hold: no value for None among numbers, or texts."""
    if column.dtype != object or not any(isinstance(value, str) for value in column):
        return column
    column = column.where(column.notna(), None)
    if {type(value) for value in column} <= {str, type(None)}:
        return column
    bare = column.where(~column.isin([NONE, label(None)]), None)
    if not any(isinstance(value, str) for value in bare):
        return bare.infer_objects()
    return column.map(lambda value: None if value is None else str(value))


def findings(result: Result, suffix: str = ".csv") -> bytes:
    """One row a finding: numbers whole in CSV, rounded as in the report in LaTeX."""
    return _csv(result.findings_frame()) if _is_csv("findings", suffix) else paper.findings_latex(result).encode()


def settings(result: Result, suffix: str = ".csv") -> bytes:
    """One row a setting: its levels, cost, and each score with its interval; CSV or LaTeX."""
    return _csv(result.settings_frame()) if _is_csv("settings", suffix) else paper.settings_latex(result).encode()


FORMATS: Mapping[str, tuple[Callable[..., bytes], str]] = {
    "csv": (csv, ".csv"),
    "parquet": (parquet, ".parquet"),
    "contact-sheet": (sheets.contact_sheet, ".png"),
    "html": (onefile.html, ".html"),
    "findings": (findings, "-findings.csv"),
    "settings": (settings, "-settings.csv"),
}
"""Format -> what writes it, and how the name of its file ends."""


def figures_svg(result: Result) -> Iterable[tuple[str, bytes]]:
    """The charts of the report as SVG."""
    return figures.svg(result).items()


def figures_pdf(result: Result) -> Iterable[tuple[str, bytes]]:
    """The charts of the report as PDF. Needs the extra `pdf`."""
    return figures.pdf(result).items()


FOLDERS: Mapping[str, Callable[..., Iterable[tuple[str, bytes]]]] = {
    "figures-svg": figures_svg,
    "figures-pdf": figures_pdf,
    "atlas": atlas.parts,
}
"""Format of several files -> what gives their names and bytes, one after another."""


def _table(result: Result) -> pd.DataFrame:
    """One row an image, with paths as seen from the study folder, so that the table can leave this machine."""
    import pandas as pd

    return pd.DataFrame.from_records(tables.records(polled.counted(result.rows(), polled.votes_in(result.folder))))


def _is_csv(to: str, suffix: str) -> bool:
    if suffix not in (".csv", ".tex"):
        raise UsageError(f"{to}: {suffix!r} is neither .csv nor .tex. Write --out {to}.csv or --out {to}.tex")
    return suffix == ".csv"


def _csv(frame: pd.DataFrame) -> bytes:
    for name in frame.columns:
        frame[name] = [harmless(value) for value in frame[name]]
    frame.columns = [harmless(name) for name in frame.columns]
    text: str = frame.to_csv(index=False)
    return text.encode("utf-8", "replace")
