"""The prompts of a study, from the study file itself or from a prompt file, and the `{word}` places in their texts."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from teststrip.records import Prompt
from teststrip.study.keys import ID_PATTERN, PROMPT, PROMPT_FILE, check_keys, table
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.values import checked_text

MOST_PROMPTS = 100_000
LARGEST_FILE = 64 * 2**20  # bytes
ID_LENGTH = 32
# A name in single braces is a place. Doubled braces are the braces themselves; other braces are plain text.
WORD = re.compile(r"\{\{(\w[\w-]*)\}\}|\{([^\W\d][\w-]*)\}")
# Windows reserves these names, with any extension and in any case, so a folder of that name cannot be unpacked there.
DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def words(text: str) -> set[str]:
    """The names of the places in a text.

    >>> sorted(words("an owl and a {animal} in a {{boat}}"))
    ['animal']
    """
    return {match[2] for match in WORD.finditer(text) if match[2]}


def fill(text: str, chosen: Mapping[str, str]) -> str:
    """The text with its places filled; a place without a word stays as it is.

    >>> fill("an owl and a {animal} in a {{boat}}", {"animal": "cat"})
    'an owl and a cat in a {boat}'
    """
    return WORD.sub(lambda match: "{" + match[1] + "}" if match[1] else chosen.get(match[2], match[0]), text)


def read_prompts(value: object, place: Place, folder: Path) -> tuple[Prompt, ...]:
    """All prompts, with ids that are unique.

    Args:
        value: what stands under `prompts`.
        place: of the value.
        folder: prompt files lie here or below.
    """
    if isinstance(value, str):
        raise place.error(f"must be a list. Write prompts = [{shown(value)}], or {{ file = ... }} for a prompt file")
    if isinstance(value, Mapping):
        entries = list(_from_file(value, place, folder))
        if not entries:
            raise (place / "file").error(f"{shown(value['file'])} holds no prompt")
    elif isinstance(value, list):
        entries = [(place / i, entry) for i, entry in enumerate(value)]
        if not entries:
            raise place.error("is empty. Give at least one prompt")
    else:
        raise place.error(f"must be a list of texts, not {kind_of(value)}")
    if len(entries) > MOST_PROMPTS:
        raise place.error(f"holds {len(entries):,} prompts; the most is {MOST_PROMPTS:,}")
    return _named([(where, *_entry(entry, where)) for where, entry in entries])


def checked_id(name: str, place: Place) -> str:
    """A prompt's id, checked to be one that files and reports can use.

    Raises:
        StudyError: they cannot.
    """
    if not re.fullmatch(ID_PATTERN, name):
        raise place.error(
            f"{shown(name)} must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        )
    return portable(name, place)


def portable(name: str, place: Place) -> str:
    """A name, checked to be one that a file or folder can have on every system.

    Raises:
        StudyError: Windows does not allow the name.
    """
    if DEVICE.fullmatch(name):
        raise place.error(f"{shown(name)} is a device on Windows, where no file can have that name. Choose another")
    if name.endswith("."):
        raise place.error(f"{shown(name)} ends in a dot, which Windows drops. Choose another")
    return name


def _entry(entry: object, place: Place) -> tuple[str, str | None, tuple[str, ...]]:
    """The text, the id or None, and the tags of an entry."""
    if isinstance(entry, str):
        return _text(entry, place), None, ()
    if not isinstance(entry, Mapping):
        raise place.error(f"must be text or a table with text, not {kind_of(entry)} ({shown(entry)})")
    check_keys(table(entry, place), PROMPT, place)
    text = _text(entry["text"], place / "text")
    name = entry.get("id")
    if name is not None:
        if not isinstance(name, str):
            raise (place / "id").error(f"must be text in quotes, not {kind_of(name)} ({shown(name)})")
        checked_id(name, place / "id")
    tags = entry.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise (place / "tags").error('must be a list of texts. Write tags = ["animal"]')
    return text, name, tuple(checked_text(tag, place / "tags") for tag in tags)


def _text(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(f"must be text in quotes, not {kind_of(value)} ({shown(value)})")
    if not value.strip():
        raise place.error("is empty. Write what to draw, or remove it")
    return checked_text(value, place)


def _named(entries: list[tuple[Place, str, str | None, tuple[str, ...]]]) -> tuple[Prompt, ...]:
    places: dict[str, Place] = {}
    taken: dict[str, Place] = {}
    for place, text, name, _ in entries:
        if text in places:
            raise place.error(f"is the same text as {_where(places[text])}. For more images of it, raise replicates")
        places[text] = place
        if name is not None:
            # Windows and macOS take "Owl" and "owl" for one file.
            if name.lower() in taken:
                raise (place / "id").error(f"{name!r} is the id of {_where(taken[name.lower()])} too. Choose another")
            taken[name.lower()] = place
    used = set(taken)
    prompts = []
    for position, (_, text, name, tags) in enumerate(entries):
        unique = name if name is not None else _new_id(text, position, used)
        used.add(unique.lower())
        prompts.append(Prompt(unique, text, tags))
    return tuple(prompts)


def _where(place: Place) -> str:
    return str(place).removeprefix(f"{place.file}: ")


def _new_id(text: str, position: int, used: set[str]) -> str:
    """The first words of a text as an id: "a-single-blood-red-rose-with"."""
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if len(stem) > ID_LENGTH:
        stem = stem[: ID_LENGTH + 1].rpartition("-")[0] or stem[:ID_LENGTH]
    if not stem or DEVICE.fullmatch(stem):
        stem = f"prompt-{position + 1}"
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    return name


def _from_file(value: Mapping[str, object], place: Place, folder: Path) -> Iterator[tuple[Place, object]]:
    """The entries of a prompt file, each with its place: the file and the line."""
    check_keys(table(value, place), PROMPT_FILE, place)
    name, here = value["file"], place / "file"
    if not isinstance(name, str) or not name:
        raise here.error(f"must be the name of a file, not {kind_of(name)} ({shown(name)})")
    text = _read(name, here, folder)
    source = Path(name).name
    reader = {".txt": _lines, ".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl}.get(Path(name).suffix.lower())
    if reader is None:
        raise here.error(f"{shown(name)} must end in .txt, .csv, .tsv or .jsonl")
    for line, entry in reader(text, Place(source)):
        yield Place(f"{source} line {line}"), entry


def _read(name: str, place: Place, folder: Path) -> str:
    inside = folder.resolve()
    try:
        path = (inside / name).resolve()
        if Path(name).is_absolute() or not path.is_relative_to(inside):
            raise place.error(f"{shown(name)} lies outside the study's folder. Move it beside the study file")
        if not path.is_file():
            raise place.error(f"{shown(name)} is no file beside the study or below. Check its name")
        if path.stat().st_size > LARGEST_FILE:
            raise place.error(f"{shown(name)} is larger than {LARGEST_FILE // 2**20} MB")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise place.error(f"{shown(name)} is not UTF-8 (byte {error.start}). Save it as UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise place.error(f"{shown(name)} cannot be read: {error}") from None


def _lines(text: str, place: Place) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip():
            yield number, line.strip()


def _csv(text: str, place: Place, delimiter: str = ",") -> Iterator[tuple[int, object]]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [column.strip().lower() for column in next(rows, [])]
        columns = ["text" if column == "prompt" else column for column in columns]
        if columns.count("text") != 1:
            raise place.error("the first line must name the columns, one of them 'text' (others: id, tags)")
        for row in rows:
            if any(cell.strip() for cell in row):
                if len(row) > len(columns):
                    raise Place(f"{place.file} line {rows.line_num}").error(
                        f"has {len(row)} columns, the first line {len(columns)}. Put quotes around a text with commas"
                    )
                yield rows.line_num, _row(dict(zip(columns, row, strict=False)))
    except csv.Error as error:
        raise Place(f"{place.file} line {rows.line_num}").error(f"is no valid row: {error}") from None


def _tsv(text: str, place: Place) -> Iterator[tuple[int, object]]:
    return _csv(text, place, "\t")


def _row(cells: Mapping[str, str]) -> dict[str, object]:
    entry: dict[str, object] = {"text": cells.get("text", "").strip()}
    if cells.get("id", "").strip():
        entry["id"] = cells["id"].strip()
    if tags := [tag.strip() for tag in cells.get("tags", "").split(";") if tag.strip()]:
        entry["tags"] = tags
    return entry


def _jsonl(text: str, place: Place) -> Iterator[tuple[int, object]]:
    for number, line in _lines(text, place):
        try:
            yield number, json.loads(str(line))
        except (ValueError, RecursionError) as error:
            raise Place(f"{place.file} line {number}").error(f"is no valid JSON: {error}") from None
