"""`[loras.NAME]` and `[textual_inversions.NAME]`: files by name, for the settings `lora` and `textual_inversion`.

A value of these settings names one file or several, "hyper + detail 0.5". It becomes one word that holds the files
themselves, because the id of a shot must not depend on the names that a study gives to files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from teststrip.errors import among
from teststrip.stacks import INVERSION, LORA, NOTHING, STACKED, Part, read, written
from teststrip.study.keys import ID_PATTERN, LORA_FILE, TEXTUAL_INVERSION, Key
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.tables import check_keys, table
from teststrip.study.values import checked_text, number

TABLES: Final[Mapping[str, tuple[str, tuple[Key, ...]]]] = {
    LORA: ("loras", LORA_FILE),
    INVERSION: ("textual_inversions", TEXTUAL_INVERSION),
}
"""For each setting the table of its names, and the keys of a name."""

WEIGHTS: Final = ".safetensors"
MOST: Final = 10
"""The largest scale of a LoRA, on either side of 0."""


@dataclass(frozen=True, slots=True)
class Named:
    """The files that a study gives names to.

    Attributes:
        files: for each setting the parts by name.
        used: the setting and the name of each part that a value named so far.
    """

    files: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def settings_of(self, setting: str, value: object, place: Place) -> dict[str, object] | None:
        """What a value of a setting sets: one word of files, nothing for "none"; None for another setting's value.

        Raises:
            StudyError: there is no such name, or a file is there twice.
        """
        if setting not in STACKED or not isinstance(value, str):
            return None
        if value == NOTHING:
            return {}
        given = read(setting, value)
        parts = [self._part(setting, part, place, alone=given == (Part(value),)) for part in given]
        for i, part in enumerate(parts):
            if part.file in [other.file for other in parts[:i]]:
                raise place.error(f"{shown(part.file)} is there twice. Write it once")
        return {setting: written(setting, parts)}

    def check_used(self, place: Place) -> None:
        """Raise StudyError for a name that no value named."""
        for setting, (name_of_table, _) in TABLES.items():
            for name in self.files.get(setting, {}):
                if (setting, name) not in self.used:
                    raise (place / name_of_table / name).error(
                        f'nothing uses it. Write {setting} = "{name}" under [settings] or [axes]'
                    )

    def _part(self, setting: str, part: Part, place: Place, *, alone: bool) -> Part:
        if not part.file:
            raise place.error(f'has a part that names no file. Write {setting} = "one + other"')
        if part.scale is not None and abs(part.scale) > MOST:
            raise place.error(f"the scale {part.scale:g} must be from -{MOST} to {MOST}")
        known = self.files.get(setting, {})
        if part.file in known:
            self.used.add((setting, part.file))
            own = known[part.file]
            return replace(own, scale=own.scale if part.scale is None else part.scale, token=part.token or own.token)
        if not part.file.endswith(WEIGHTS) and (known or not alone):
            hint = among(part.file, known, "There are") if known else ""
            raise place.error(
                f"{shown(part.file)} is no {WEIGHTS} file, and there is no [{TABLES[setting][0]}.NAME] of that name. A"
                f' file whose own name holds " + " or ends in a number stands in double quotes{hint}'
            )
        return part


def read_named(data: Mapping[str, object], place: Place) -> Named:
    """The files of a study by name.

    Raises:
        StudyError: a name or a file is wrong.
    """
    return Named(
        {
            setting: {
                name: _named(name, entry, place / name_of_table / name, keys)
                for name, entry in table(data.get(name_of_table, {}), place / name_of_table).items()
            }
            for setting, (name_of_table, keys) in TABLES.items()
        }
    )


def _named(name: str, value: object, place: Place, keys: tuple[Key, ...]) -> Part:
    if not re.fullmatch(ID_PATTERN, name) or name == NOTHING or name.endswith(WEIGHTS):
        raise place.error(f"a name must be letters, digits, '.', '_' or '-', and neither {NOTHING!r} nor a file's")
    entry = table(value, place)
    check_keys(entry, keys, place)
    file = _text(entry["file"], place / "file")
    if not file.endswith(WEIGHTS):
        raise (place / "file").error(f"{shown(file)} is no {WEIGHTS} file. Download one and give its path")
    if '"' in file:
        raise (place / "file").error("holds a double quote. Give the file another name")
    scale = number(entry["scale"], place / "scale") if "scale" in entry else None
    if scale is not None and abs(scale) > MOST:
        raise (place / "scale").error(f"{scale:g} must be from -{MOST} to {MOST}")
    token = _text(entry["token"], place / "token") if "token" in entry else ""
    if token and len(token.split()) != 1:
        raise (place / "token").error(f"{shown(token)} must be one word without spaces")
    return Part(file, scale, token)


def _text(value: object, place: Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise place.error(f"must be text in quotes, not {kind_of(value)} ({shown(value)})")
    return checked_text(value.strip(), place)
