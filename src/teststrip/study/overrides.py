"""`--set KEY=VALUE`: changes any key of a study before it is checked.

KEY is a path as messages show it, `axes.guidance_scale` or `exclude[0].eta`; VALUE is TOML, where quotes around simple
words may be left out, also inside a list. An empty VALUE removes the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

from teststrip.errors import UsageError, shortened
from teststrip.study.place import LONGEST_SHOWN, dotted, shown
from teststrip.vocabulary import GUIDER, SCHEDULER, SYNONYMS

STEP = re.compile(r'"([^"]*)"|([A-Za-z0-9_-]+)|\[([0-9]{1,9})\]')
Path = tuple[str | int, ...]


def apply(data: dict[str, object], overrides: Sequence[str]) -> frozenset[Path]:
    """Change `data` in place.

    Returns:
        The paths that were set.

    Raises:
        UsageError: an override is not KEY=VALUE, its path leads nowhere, or its value is no TOML.
    """
    return frozenset(_apply_one(data, override) for override in overrides)


def _apply_one(data: dict[str, object], override: str) -> Path:
    key, equals, text = override.partition("=")
    path = _path(key.strip())
    if not equals or not path:
        raise UsageError(f"--set {shown(override)} is not KEY=VALUE. Write --set axes.guidance_scale=[1,2]")
    remove = not text.strip()
    value = None if remove else value_of(text.strip(), override)
    here: object = data
    path = _options_as_spelled(data, path)
    for i, step in enumerate(path[:-1]):
        here = _inside(here, _as_spelled(here, step), path[:i], create=not remove)
        if here is None:
            return path
    _change(here, _as_spelled(here, path[-1]), path[:-1], value, remove=remove)
    return path


def _inside(here: object, step: str | int, above: Path, *, create: bool) -> object:
    """The value one step further down. An absent table is made; where a key is to be removed, None stands for it."""
    if isinstance(here, dict) and isinstance(step, str):
        return here.setdefault(step, {}) if create else here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    raise _nothing(step, above)


def _change(here: object, step: str | int, above: Path, value: object, *, remove: bool) -> None:
    if isinstance(here, dict) and isinstance(step, str):
        if remove:
            here.pop(step, None)
        else:
            here[step] = value
    elif isinstance(here, list) and isinstance(step, int) and step < len(here) + (not remove):
        here[step : step + 1] = [] if remove else [value]
    else:
        raise _nothing(step, above)


def _nothing(step: str | int, above: Path) -> UsageError:
    return UsageError(f"--set {dotted((*above, step))}: {dotted(above) or 'the study'} holds no {dotted((step,))}")


def _as_spelled(here: object, step: str | int) -> str | int:
    """The key in the spelling that the file already has: `--set axes.cfg=...` replaces its guidance_scale."""
    if isinstance(here, dict) and isinstance(step, str) and step not in here:
        meant = SYNONYMS.get(step, step)
        return next((name for name in here if SYNONYMS.get(name, name) == meant), step)
    return step


def _options_as_spelled(data: object, path: Path) -> Path:
    """A path with the option of a setting as the file spells it: a table in a table, or one key in quotes.

    An option beside a setting that is there already can only be a key in quotes.

    >>> _options_as_spelled({"axes": {"scheduler.shift": [1]}}, ("axes", "scheduler", "shift"))
    ('axes', 'scheduler.shift')
    >>> _options_as_spelled({"axes": {"scheduler": {"shift": [1]}}}, ("axes", "scheduler.shift"))
    ('axes', 'scheduler', 'shift')
    """
    here = data
    for i, step in enumerate(path):
        if not isinstance(here, dict) or not isinstance(step, str):
            here = here[step] if isinstance(here, list) and isinstance(step, int) and step < len(here) else None
            continue
        head, _, option = step.partition(".")
        if option and step not in here and isinstance(here.get(head), dict):
            return (*path[:i], head, option, *path[i + 1 :])
        joined = ".".join(str(one) for one in path[i : i + 2])
        beside = SYNONYMS.get(step, step) in (SCHEDULER, GUIDER) and not isinstance(here.get(step, {}), dict)
        if joined != step and (joined in here or beside):
            return (*path[:i], joined, *path[i + 2 :])
        here = here.get(step)
    return path


def _path(text: str) -> Path:
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        if steps and text[position] == ".":
            position += 1
        elif steps and text[position] != "[":
            return ()
        match = STEP.match(text, position)
        if match is None:
            return ()
        steps.append(int(match[3]) if match[3] is not None else match[1] if match[1] is not None else match[2])
        position = match.end()
    return tuple(steps)


def value_of(text: str, override: str = "") -> object:
    """The value of a TOML expression; a bare word is text, also inside a list.

    >>> value_of("7.5"), value_of("[DDIMScheduler, 'a b']"), value_of("an owl")
    (7.5, ['DDIMScheduler', 'a b'], 'an owl')
    """
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    if parsed.keys() == {"value"}:
        return parsed["value"]
    if text.startswith("[") and text.endswith("]"):
        return [value_of(part, override) for part in _split(text[1:-1])]
    if text[0] in "[{\"'":
        raise UsageError(f"--set {shown(override or text)}: {shortened(text, LONGEST_SHOWN)} is no TOML value")
    return text


def _split(text: str) -> list[str]:
    """The parts between those commas that stand neither in quotes nor in brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [part for part in [*parts, text[start:].strip()] if part]
