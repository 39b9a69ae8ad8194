"""Takes results elsewhere: tables (csv, parquet), pictures of grids (contact-sheet), one file for a browser (html), and
to any tracker.

To add a format: a function of a result and a target, and its line in FORMATS. Nothing here changes a study.
"""

from __future__ import annotations

import base64
import inspect
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import disk, plugins
from teststrip.errors import UsageError
from teststrip.records import Concluded, Row, Started
from teststrip.store import files
from teststrip.study.place import Place
from teststrip.study.question import read_trackers
from teststrip.trackers import process as apart
from teststrip.views import board as boards
from teststrip.views import page

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image as Picture

    from teststrip.results.result import Result

FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_PIXELS = 120_000_000  # of one contact sheet: about what viewers still open
LONGEST_INLINE = 1024  # pixels of the longer edge of a picture inside the one-file page
PICKS = ("median", "best", "worst", "first")


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
        raise UsageError(f"unknown format {to!r}{plugins.nearest(to, known)}. There are: {', '.join(known)}")
    function, suffix = FORMATS[to]
    known = [
        name for name, option in inspect.signature(function).parameters.items() if option.kind == option.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            takes = f"It takes: {', '.join(known)}" if known else "It takes none"
            raise UsageError(f"{to} has no option {name!r}{plugins.nearest(name, known)}. {takes}")
    target = Path(target) if target else result.folder / f"{result.study.name}{suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.replace(target, function(result, target.suffix, **options))
    return target


def targets() -> list[str]:
    """What results can be taken to: formats, then trackers."""
    return [*FORMATS, *(name for name in plugins.installed("trackers") if name != "progress")]


def tell(result: Result, to: str, **options: object) -> str:
    """Tell a tracker the whole study, as if it had listened to the run; what it knows already it does not take twice.

    Args:
        result: finished or not.
        to: the tracker's name.
        options: of the tracker; before those of the study file.

    Returns:
        Where the tracker's account can be seen, in words.

    Raises:
        UsageError: no such tracker or option. MissingExtra: it needs a package. TrackerError: it could not be told.
    """
    table = {to: {**result.study.trackers.get(to, {}), **options}}
    tracker = apart.opened(to, read_trackers(table, Place("trackers"))[to], patient=True)
    rows = tuple(result.rows())
    made = sum(row.image is not None for row in rows)
    failures = sum(row.failure is not None for row in rows)
    try:
        tracker.on_event(Started(result.study, total=len(rows), done=made, folder=str(result.folder)))
        tracker.on_event(Concluded(0, failures, result.findings, rows=rows))
    finally:
        tracker.close()
    return tracker.where if isinstance(tracker, apart.Apart) else ""


def csv(result: Result, _: str = ".csv") -> bytes:
    """One row an image, UTF-8. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    frame = _frame(result)
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
    pa.parquet.write_table(pa.Table.from_pandas(_frame(result), preserve_index=False), stream, compression="zstd")
    return stream.getvalue()


def contact_sheet(
    result: Result,
    suffix: str = ".png",
    *,
    rows: str | None = None,
    columns: str | None = None,
    sections: str | None = "prompt",
    pick: str = "median",
    metric: str | None = None,
    side: int = 128,
    where: Mapping[str, object] | None = None,
) -> bytes:
    """Labelled grids, one below the other (.png) or one a page (.pdf).

    Args:
        result: finished or not; cells without an image stay empty.
        suffix: ".png" or ".pdf".
        rows, columns: two of the axes, "prompt" or "replicate"; default the second and the first axis.
        sections: a grid for each level of this; None = one grid. Left out when it is among rows and columns.
        pick: which image of a cell: median, best or worst by `metric`, or the first.
        metric: default the study's first metric.
        side: pixels of a cell's longer edge.
        where: keeps only rows with these values.

    Raises:
        UsageError: an unknown axis, metric, pick or suffix; nothing to show; too large for one picture.
    """
    from PIL import Image

    if suffix not in (".png", ".pdf"):
        raise UsageError(f"contact-sheet: {suffix or 'no suffix'} is neither .png nor .pdf. Name the file so")
    if pick not in PICKS:
        raise UsageError(f"contact-sheet: unknown pick {pick!r}. There are: {', '.join(PICKS)}")
    axes = [axis.name for axis in result.study.axes if len(axis.levels) > 1]
    columns = columns or (axes[0] if axes else "replicate")
    rows = rows or next((axis for axis in axes if axis != columns), "prompt")
    sections = None if sections in (rows, columns) else sections
    chosen = _picked(result, [*([sections] if sections else []), rows, columns], pick, metric, where or {})
    sheets = [
        _sheet(result, part, (rows, columns), side, title) for title, part in _parts(result, chosen, sections).items()
    ]
    stream = io.BytesIO()
    if suffix == ".pdf":
        sheets[0].save(stream, "PDF", save_all=True, append_images=sheets[1:], resolution=96, title=result.study.name)
        return stream.getvalue()
    width, height = max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"contact-sheet: {width} × {height} pixels are too many for one PNG. Write a .pdf, or use `where` or `side`"
        )
    whole = Image.new("RGB", (width, height), sheets[0].getpixel((0, 0)))
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    whole.save(stream, "PNG")
    return stream.getvalue()


def html(result: Result, _: str = ".html", *, side: int = LONGEST_INLINE) -> bytes:
    """The page in one file, pictures inside: to mail, or to put anywhere.

    Pictures whose longer edge exceeds `side` pixels are made smaller; the study folder keeps the originals.
    """
    board = boards.of(result)
    places = [_inline(place, result.folder, side) for place in board["places"]]
    font = "data:font/woff2;base64," + base64.b64encode(page.asset(page.FONT)).decode()
    style = "\n".join(page.asset(name).decode() for name in page.STYLES).replace(page.FONT, font)
    data = page.data_script({**board, "places": places, "root": ""}).decode()
    code = [page.asset(name).decode() for name in page.SCRIPTS]
    scripts = [*code[:-1], data, code[-1]]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(page.source_of, scripts))}; "
        f"style-src {page.source_of(style)}; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    text = page.html(
        policy=policy,
        styles=f"<style>{style}</style>",
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )
    return text.encode()


FORMATS: Mapping[str, tuple[Callable[..., bytes], str]] = {
    "csv": (csv, ".csv"),
    "parquet": (parquet, ".parquet"),
    "contact-sheet": (contact_sheet, ".png"),
    "html": (html, ".html"),
}
"""Format -> what writes it, and the suffix of its file."""


def _frame(result: Result) -> pd.DataFrame:
    """`Result.frame`, with paths as seen from the study folder, so that the table can leave this machine."""
    frame = result.frame()
    if "path" in frame:
        frame["path"] = [Path(path).relative_to(result.folder).as_posix() for path in frame["path"]]
    return frame


def _harmless(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value


def _inline(place: Mapping[str, Any], folder: Path, side: int) -> Mapping[str, Any]:
    if "file" not in place:
        return place
    data = files.read_whole(folder, place["file"])
    if max(place["size"]) > side:
        from teststrip import pictures

        data = pictures.thumbnail(data, side)
    return {**place, "file": page.data_address(data)}


def _label(row: Row, name: str) -> str:
    """The label of a row on an axis, its prompt's text, or its replicate."""
    planned = row.planned
    if name == "prompt":
        return planned.prompt.text
    if name == "replicate":
        return str(planned.replicate + 1)
    labels = dict(planned.cell.levels)
    if name not in labels:
        known = [*labels, "prompt", "replicate"]
        raise UsageError(f"no axis {name!r}{plugins.nearest(name, known)}. There are: {', '.join(known)}")
    return labels[name]


def _picked(result: Result, by: Sequence[str], pick: str, metric: str | None, where: Mapping[str, object]) -> list[Row]:
    """One row with an image for each cell of the sheet, in the order of the plan."""
    rows = [row for row in result.rows() if row.image and all(_label(row, k) == str(v) for k, v in where.items())]
    if not rows:
        raise UsageError("contact-sheet: no image fits. Loosen `where`, or run the study first")
    names = [*result.metrics, *{name for row in rows for name in row.scores}]
    metric = metric or next(iter(names), None)
    if metric is not None and metric not in names:
        raise UsageError(f"no score {metric!r}{plugins.nearest(metric, names)}. There are: {', '.join(names)}")
    better = getattr(result.metrics.get(metric or ""), "higher_is_better", None)
    cells: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        cells.setdefault(tuple(_label(row, name) for name in by), []).append(row)
    return [choose(cell, pick, metric, downward=better is False) for cell in cells.values()]


def choose(rows: Sequence[Row], pick: str, metric: str | None, *, downward: bool) -> Row:
    """The row that stands for a cell, as the page chooses it (`assets/numbers.js`); the median is the lower middle."""
    scored = [row for row in rows if metric is not None and math.isfinite(row.scores.get(metric, math.nan))]
    if pick == "first" or not scored or metric is None:
        return rows[0]
    ranked = sorted(scored, key=lambda row: -row.scores[metric] if downward else row.scores[metric])
    return {"best": ranked[-1], "worst": ranked[0]}.get(pick, ranked[(len(ranked) - 1) // 2])


def _parts(result: Result, rows: Sequence[Row], sections: str | None) -> dict[str, list[Row]]:
    if sections is None:
        return {result.study.name: list(rows)}
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(_label(row, sections), []).append(row)
    return parts


def _sheet(result: Result, rows: Sequence[Row], axes: tuple[str, str], side: int, title: str) -> Picture:
    """One grid under its title."""
    from PIL import Image, ImageDraw, ImageFont

    from teststrip.pictures import sheet as contact

    order = {axis.name: list(axis.labels) for axis in result.study.axes}
    down, across = (
        [label for label in order[name] if label in found] if name in order else list(found)
        for name in axes
        for found in [dict.fromkeys(_label(row, name) for row in rows)]
    )
    cells = {
        (_label(row, axes[0]), _label(row, axes[1])): result.store.read(row.image)
        for row in rows
        if row.image is not None
    }
    grid = contact.sheet(cells, down=down, across=across, titles=axes, side=side)
    font = ImageFont.load_default(size=16)
    lines = _lines(title, grid.width - 20, font)
    whole = Image.new("RGB", (grid.width, grid.height + 14 + 20 * len(lines)), contact.PAPER)
    for n, line in enumerate(lines):
        ImageDraw.Draw(whole).text((8, 10 + 20 * n), line, fill=contact.INK, font=font)
    whole.paste(grid, (0, 14 + 20 * len(lines)))
    return whole


def _lines(text: str, width: int, font: Any) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
