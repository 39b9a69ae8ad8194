"""How a table of a study is opened: its keys are known, and spelled as Diffusers spells settings.

Knows no key by name; `keys` has them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from teststrip.errors import nearest
from teststrip.study.keys import Key
from teststrip.study.place import Place, kind_of, shown
from teststrip.vocabulary import FOREIGN, SYNONYMS, plainly


def table(value: object, place: Place) -> Mapping[str, object]:
    """The value, checked to be a table with texts as keys.

    Raises:
        StudyError: it is no such table.
    """
    if not isinstance(value, Mapping):
        raise place.error(f"must be a table, not {kind_of(value)}")
    for key in value:
        if not isinstance(key, str):
            raise place.error(f"the key {shown(key)} is no text")
    return value


def check_keys(data: Mapping[str, object], known: tuple[Key, ...], place: Place) -> None:
    """Check that every key is known and that every required key is there.

    Raises:
        StudyError: a key is unknown or missing.
    """
    names = [key.name for key in known]
    for name in data:
        if name not in names:
            raise Place(place.file, place.keys, place.overridden).error(unknown_key(name, names))
    for key in known:
        if key.required and key.name not in data:
            raise place.error(f"{key.name} is missing")


def unknown_key(name: str, known: Iterable[str]) -> str:
    """The message about a key that does not exist.

    >>> unknown_key("promts", ["name", "prompts"])
    "unknown key 'promts'. Did you mean 'prompts'?"
    """
    known = list(known)
    return f"unknown key {shown(name)}" + (nearest(name, known) or f". Known: {', '.join(known)}")


def opened(data: object, known: Collection[str], place: Place) -> Iterator[tuple[str, object, Place]]:
    """The keys of a table with their values and places, in order; the options of a setting are keys of their own.

    TOML reads `scheduler.shift = 3` as a table in a table. It is the setting "scheduler.shift" here, as is the key in
    quotes, which TOML also allows beside a `scheduler` of its own.

    Args:
        data: a table of a study.
        known: names of settings or axes.
        place: of the table.
    """
    for key, value in table(data, place).items():
        name = translated(key, known)
        if isinstance(value, Mapping) and any(one.startswith(f"{name}.") for one in known):
            yield from ((f"{name}.{option}", inner, place / key / option) for option, inner in value.items())
        else:
            yield key, value, place / key


def translated(name: str, known: Iterable[str]) -> str:
    """A setting's name in Diffusers' spelling; a name that the engine itself knows stays as it is."""
    if name in known:
        return name
    head, dot, option = name.partition(".")
    if dot and (meant := f"{SYNONYMS.get(plainly(head), head)}.{option}") in known:
        return meant
    plain = plainly(name)
    if plain in FOREIGN:
        return name  # "Clip skip" is written almost like clip_skip and counts in another way
    return plain if plain in known else SYNONYMS.get(plain, name)


def foreign(name: str) -> str:
    """What to write in the place of another tool's setting, as the end of a message; "" where the name is none.

    >>> print(foreign("Batch count"))
    . More images of a prompt are replicates = 4, at the top
    """
    means = FOREIGN.get(plainly(name))
    return f". {means[0].upper()}{means[1:]}" if means else ""
