"""Where in a study a value stands, for messages: `study.toml: axes.guidance_scale[2]`. Indices count from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from teststrip.characters import printable
from teststrip.errors import StudyError

LONGEST_SHOWN = 60  # characters of a value that a message repeats: enough to find the value, in one terminal line


@dataclass(frozen=True, slots=True)
class Place:
    """A path of keys inside a study.

    Attributes:
        file: the name of the study file, or "Study" for a study made in Python.
        keys: from the top; whole numbers are places in a list.
        overridden: the paths that came from `--set`; a message about one of them says so.

    >>> str(Place("study.toml") / "axes" / "guidance_scale" / 2)
    'study.toml: axes.guidance_scale[2]'
    """

    file: str
    keys: tuple[str | int, ...] = ()
    overridden: frozenset[tuple[str | int, ...]] = frozenset()

    def __truediv__(self, key: str | int) -> Place:
        return replace(self, keys=(*self.keys, key))

    def setting(self, name: str) -> Place:
        """The place of a setting below this one, as TOML reads its name.

        >>> str(Place("study.toml", ("settings",)).setting("scheduler.shift"))
        'study.toml: settings.scheduler.shift'
        """
        return replace(self, keys=(*self.keys, *name.split(".")))

    def __str__(self) -> str:
        overridden = any(self.keys[: len(path)] == path for path in self.overridden)
        file = f"{self.file} with --set" if overridden else self.file
        return f"{file}: {dotted(self.keys)}" if self.keys else file

    def error(self, text: str) -> StudyError:
        """The error to raise about the value that stands here: one line, whatever a key or name in it holds."""
        return StudyError(printable(f"{self}: {text}").replace("\n", "\\n"))


def dotted(keys: Iterable[str | int]) -> str:
    """A path as `--set` takes it; a long key is cut.

    >>> dotted(("exclude", 0, "my axis"))
    'exclude[0]."my axis"'
    """
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
            name = key if len(key) <= LONGEST_SHOWN else key[:LONGEST_SHOWN] + "…"
            text += ("." if text else "") + (name if bare else f'"{name}"')
    return text


def shown(value: object) -> str:
    """A value as a message repeats it; a long text is cut."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def name_of(value: object) -> str:
    """A value as a name to compare with known names; a long one is cut.

    >>> name_of("sd16"), name_of(3)
    ('sd16', '3')
    """
    return value if isinstance(value, str) and len(value) <= LONGEST_SHOWN else shown(value)


def kind_of(value: object) -> str:
    """What a value is, in a reader's words."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), f"a {type(value).__name__}")
