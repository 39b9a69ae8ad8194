"""Prompt files: lines, tables and JSON as people have them, each entry with its place.

Columns are guessed by the names that public lists give them (PartiPrompts, DrawBench, GenEval, captions), and
`PromptFile` says what was guessed.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from teststrip.records import PromptFile
from teststrip.study import beside
from teststrip.study.keys import PROMPT_FILE
from teststrip.study.pictures import COLUMNS
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.tables import check_keys, table

LARGEST_FILE = 64 * 2**20  # bytes
TEXTS = ("text", "prompt", "prompts", "caption", "captions", "text_prompt", "positive_prompt", "description")
"""Columns that may hold what to draw, the surest first."""
TAGS = ("tags", "tag", "category", "categories", "challenge", "style", "subset")
DELIMITERS = ",;\t|"

Entry = tuple[Place, object]
Rows = list[tuple[int, list[str]]]


def read(value: Mapping[str, object], place: Place, folder: Path) -> tuple[list[Entry], PromptFile]:
    """The entries of a prompt file, each with its place, and how they were found.

    Args:
        value: the table with `file`, and with `column` where the guess would be wrong.
        place: of the table.
        folder: the file lies here or below.

    Raises:
        StudyError: the file cannot be read as prompts.
    """
    check_keys(table(value, place), PROMPT_FILE, place)
    name, column = value["file"], value.get("column")
    for key, text in (("file", name), ("column", column)):
        if text is not None and (not isinstance(text, str) or not text):
            raise (place / key).error(f"must be the name of a {key}, not {kind_of(text)} ({shown(text)})")
    if not isinstance(with_pictures := value.get("pictures", True), bool):
        raise (place / "pictures").error(f"must be true or false, not {kind_of(with_pictures)}")
    file, wanted = str(name), str(column) if column is not None else None
    ending = Path(file).suffix.lower()
    if ending not in READERS:
        raise (place / "file").error(f"{shown(file)} must end in .txt, .csv, .tsv, .json or .jsonl")
    source = Place(Path(file).name)
    entries, (text, tags, pictures) = READERS[ending](_text_of(file, place / "file", folder), source, wanted)
    if not with_pictures:
        entries, pictures = [(line, _without_pictures(entry)) for line, entry in entries], ()
    named = PromptFile(source.file, text, tags, pictures)
    return [(Place(f"{source.file} line {line}"), entry) for line, entry in entries], named


def _without_pictures(entry: object) -> object:
    if not isinstance(entry, Mapping):
        return entry
    return {key: value for key, value in entry.items() if key not in COLUMNS}


def _text_of(name: str, place: Place, folder: Path) -> str:
    _, raw = beside.read(name, place, folder, LARGEST_FILE)
    try:
        return raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise place.error(f"{shown(name)} is not UTF-8 (byte {error.start}). Save it as UTF-8") from None


Columns = tuple[str, tuple[str, ...], tuple[str, ...]]
"""The column of the texts, those of the tags and those of pictures, as the file spells them; "" and () where it has no
columns."""
Found = tuple[list[tuple[int, object]], Columns]


def _lines(text: str, place: Place, column: str | None) -> Found:
    if column is not None:
        raise place.error("a file of lines has no columns. Leave out column")
    return [(number, line) for number, line in _numbered(text)], ("", (), ())


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip():
            yield number, line.strip()


def _table(text: str, place: Place, column: str | None) -> Found:
    delimiter = "\t" if place.file.lower().endswith(".tsv") else _delimiter(text)
    try:
        rows = _rows(text, delimiter)
    except csv.Error as error:
        # Tables with tabs seldom need quotes, so in many of them a quote at the beginning of a text is just that.
        if delimiter != "\t":
            raise Place(f"{place.file} line {_line_of(text, delimiter)}").error(f"is no valid row: {error}") from None
        rows = _rows(text, delimiter, quoting=csv.QUOTE_NONE)
    heads = [head.strip() for head in rows[0][1]] if rows else []
    columns = _columns(heads, place, column)
    at = {head: n for n, head in enumerate(heads)}
    entries: list[tuple[int, object]] = []
    for line, cells in rows[1:]:
        if len(cells) > len(heads):
            raise Place(f"{place.file} line {line}").error(
                f"has {len(cells)} columns, the first line {len(heads)}. Put quotes around a text with commas"
            )
        row = {head: cells[n].strip() if n < len(cells) else "" for head, n in at.items()}
        entries.append((line, _entry(row, columns)))
    return entries, columns


def _rows(text: str, delimiter: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL) -> Rows:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    return [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]


def _line_of(text: str, delimiter: str) -> int:
    """The line at which a table cannot be read."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for _ in rows:
            pass
    except csv.Error:
        pass
    return rows.line_num


def _delimiter(text: str) -> str:
    """The character between columns: the one that leaves a known name in the first line, else the comma."""
    first = text.split("\n", 1)[0]
    heads = {sign: [head.strip(' "\r').lower() for head in first.split(sign)] for sign in DELIMITERS}
    return next((sign for sign, own in heads.items() if set(own) & set(TEXTS)), ",")


def _columns(heads: Sequence[str], place: Place, column: str | None) -> Columns:
    """Which columns are read.

    Raises:
        StudyError: none of them says that it holds what to draw.
    """
    spelt = {head.lower(): head for head in heads}
    if column is not None and column.lower() not in spelt:
        raise place.error(f"has no column {shown(column)}. Its columns are {_said(heads)}")
    text = spelt[column.lower()] if column else next((spelt[name] for name in TEXTS if name in spelt), None)
    if text is None or [head.lower() for head in heads].count(text.lower()) != 1:
        raise place.error(
            f"its columns are {_said(heads)}; one must be called 'text' or 'prompt'. Name it with column = ..., or"
            " write the prompts into a .txt file, one a line"
        )
    tags = tuple(spelt[name] for name in TAGS if name in spelt and spelt[name] != text)
    return text, tags, tuple(spelt[name] for name in COLUMNS if name in spelt and spelt[name] != text)


def _said(heads: Sequence[str]) -> str:
    return ", ".join(map(shown, heads[:12])) + (", ..." if len(heads) > 12 else "") or "none"


def _entry(row: Mapping[str, object], columns: Columns) -> dict[str, object]:
    """An entry as the study file would have it."""
    text, tagged, _ = columns
    entry: dict[str, object] = {"text": row.get(text, "")}
    by_name = {key.lower(): value for key, value in row.items()}
    if (name := by_name.get("id")) not in ("", None):
        entry["id"] = str(name) if isinstance(name, int) else name
    if tags := [tag for head in tagged for tag in _tags(head, row.get(head))]:
        entry["tags"] = tags
    return entry | {
        key: value for key in COLUMNS if (value := by_name.get(key)) not in ("", None) and row.get(text) != value
    }


def _tags(head: str, value: object) -> Iterable[object]:
    if isinstance(value, str):
        parts = value.split(";") if head.lower() == "tags" else [value]
        return [part.strip() for part in parts if part.strip()]
    return value if isinstance(value, list) else [] if value is None else [value]


def _json_lines(text: str, place: Place, column: str | None) -> Found:
    entries: list[tuple[int, object]] = []
    for number, line in _numbered(text):
        try:
            entries.append((number, json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise Place(f"{place.file} line {number}").error(f"is no valid JSON: {error}") from None
    return _objects(entries, place, column)


def _json(text: str, place: Place, column: str | None) -> Found:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise place.error(f"is no valid JSON: {error}") from None
    if not isinstance(found, list):
        raise place.error("must be a list of texts, or of tables with a text each. Or write one a line into a .jsonl")
    return _objects(list(enumerate(found, start=1)), place, column)


def _objects(entries: list[tuple[int, object]], place: Place, column: str | None) -> Found:
    """The entries with their tables read by the columns of the first table."""
    columns: Columns = ("", (), ())
    read: list[tuple[int, object]] = []
    for number, entry in entries:
        if not isinstance(entry, Mapping):
            read.append((number, entry))
            continue
        if columns[0] not in entry:
            columns = _columns([str(key) for key in entry], Place(f"{place.file} line {number}"), column)
        read.append((number, _entry(entry, columns)))
    return read, columns


READERS: Mapping[str, Callable[[str, Place, str | None], Found]] = {
    ".txt": _lines,
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _json_lines,
    ".json": _json,
}
