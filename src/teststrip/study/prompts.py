"""The prompts of a study, their ids, and the `{word}` places in their texts. Prompt files: `prompt_files`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from teststrip.records import Picture, Prompt, PromptFile
from teststrip.study import prompt_files
from teststrip.study.keys import ID_PATTERN, PROMPT
from teststrip.study.pictures import KEYS as COLUMN_KEYS
from teststrip.study.pictures import Pictures, check_alike
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.tables import check_keys, table
from teststrip.study.values import checked_text

MOST_PROMPTS = 100_000
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


def read_prompts(value: object, place: Place, folder: Path) -> tuple[tuple[Prompt, ...], PromptFile | None]:
    """All prompts, with ids that are unique, and the file that they were read from, where there is one.

    Args:
        value: what stands under `prompts`.
        place: of the value.
        folder: prompt files and pictures lie here or below.
    """
    source = None
    if isinstance(value, str):
        raise place.error(f"must be a list. Write prompts = [{shown(value)}], or {{ file = ... }} for a prompt file")
    if isinstance(value, Mapping):
        entries, source = prompt_files.read(value, place, folder)
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
    pictures = Pictures(folder)
    return _named([(where, *_entry(entry, where, pictures)) for where, entry in entries]), source


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


Entry = tuple[str, str | None, tuple[str, ...], tuple[Picture, ...]]
"""The text, the id or None, the tags and the pictures of an entry."""


def _entry(entry: object, place: Place, pictures: Pictures) -> Entry:
    if isinstance(entry, str):
        return _text(entry, place), None, (), ()
    if not isinstance(entry, Mapping):
        raise place.error(f"must be text or a table with text, not {kind_of(entry)} ({shown(entry)})")
    check_keys({COLUMN_KEYS.get(key, key): inner for key, inner in table(entry, place).items()}, PROMPT, place)
    text = _text(entry["text"], place / "text")
    name = entry.get("id")
    if name is not None:
        if not isinstance(name, str):
            raise (place / "id").error(f"must be text in quotes, not {kind_of(name)} ({shown(name)})")
        checked_id(name, place / "id")
    tags = entry.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise (place / "tags").error('must be a list of texts. Write tags = ["animal"]')
    return text, name, tuple(checked_text(tag, place / "tags") for tag in tags), pictures.read(entry, place)


def _text(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(f"must be text in quotes, not {kind_of(value)} ({shown(value)})")
    if not value.strip():
        raise place.error("is empty. Write what to draw, or remove it")
    return checked_text(value, place)


def _named(entries: list[tuple[Place, str, str | None, tuple[str, ...], tuple[Picture, ...]]]) -> tuple[Prompt, ...]:
    check_alike([(place, pictures) for place, *_, pictures in entries])
    places: dict[tuple[str, tuple[Picture, ...]], Place] = {}
    taken: dict[str, Place] = {}
    for place, text, name, _, pictures in entries:
        if (text, pictures) in places:
            what = "has the same text and pictures" if pictures else "is the same text"
            raise place.error(f"{what} as {_where(places[text, pictures])}. For more images of it, raise replicates")
        places[text, pictures] = place
        if name is not None:
            # Windows and macOS take "Owl" and "owl" for one file.
            if name.lower() in taken:
                raise (place / "id").error(f"{name!r} is the id of {_where(taken[name.lower()])} too. Choose another")
            taken[name.lower()] = place
    used, texts = set(taken), Counter(text for _, text, *_ in entries)
    prompts = []
    for position, (_, text, name, tags, pictures) in enumerate(entries):
        picture = f" {PurePosixPath(pictures[0].path).stem}" if pictures and texts[text] > 1 else ""
        unique = name if name is not None else _new_id(text + picture, position, used)
        used.add(unique.lower())
        prompts.append(Prompt(unique, text, tags, pictures))
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
