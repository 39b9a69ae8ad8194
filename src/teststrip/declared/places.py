"""Places in a declaration: `{prompt}` in a body, an address or a header stands for the value of a setting.

A place that is the whole text keeps the type of its value, so that a float stays a float. Nothing is pasted unescaped:
bodies are written as JSON or as parts of a form after they are filled, and in an address every value is quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

_PLACE = re.compile(r"\{(\+?)([a-z][a-z0-9_]*)\}")


def fill(template: object, values: Mapping[str, object]) -> object:
    """A template with its places filled; what holds a place without a value is left out.

    >>> fill({"seed": "{seed}", "text": "{style}: {prompt}", "n": 1, "size": "{size}"},
    ...      {"seed": 7, "style": "oil", "prompt": "an owl", "size": None})
    {'seed': 7, 'text': 'oil: an owl', 'n': 1}

    Args:
        template: tables, lists, texts, numbers and truth values.
        values: by the name of the place; None = left out.
    """
    if isinstance(template, str):
        return _text(template, values)
    if isinstance(template, Mapping):
        filled = {key: fill(value, values) for key, value in template.items()}
        kept = {key: value for key, value in filled.items() if value is not None}
        return kept if kept or not template else None
    if isinstance(template, list):
        return [value for one in template if (value := fill(one, values)) is not None]
    return template


def address(template: str, values: Mapping[str, object]) -> str:
    """A path with its places filled, each value quoted; `{+name}` keeps the slashes between parts of a value.

    >>> address("/v1/{+model}/{id}", {"model": "maker/model one", "id": "../x?y"})
    '/v1/maker/model%20one/..%2Fx%3Fy'

    Raises:
        ValueError: a value is missing, or would lead elsewhere in the path.
    """

    def quoted(found: re.Match[str]) -> str:
        value = values.get(found[2])
        if value is None:
            raise ValueError(f"{found[2]} has no value")
        text = as_text(value)
        parts = text.split("/") if found[1] else [text]
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"{found[2]}: {text!r} is no part of an address")
        return "/".join(quote(part, safe="") for part in parts)

    return _PLACE.sub(quoted, template)


def names(template: object) -> Iterator[str]:
    """The names of all places in a template."""
    if isinstance(template, str):
        yield from (found[2] for found in _PLACE.finditer(template))
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from names(value)
    elif isinstance(template, list):
        for value in template:
            yield from names(value)


def as_text(value: object) -> str:
    """A value as text, spelled as JSON spells it.

    >>> as_text(True), as_text(7.5), as_text("an owl")
    ('true', '7.5', 'an owl')
    """
    return value if isinstance(value, str) else json.dumps(value)


def _text(template: str, values: Mapping[str, object]) -> object:
    whole = _PLACE.fullmatch(template)
    if whole:
        return values.get(whole[2])
    if any(values.get(name) is None for name in names(template)):
        return None
    return _PLACE.sub(lambda found: as_text(values[found[2]]), template)
