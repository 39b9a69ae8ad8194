"""What a picture file says about itself: the record that is put into it, and read back.

A picture that leaves its folder still says what it is: A1111-style `parameters` for people and their tools, and a JSON
`teststrip` with everything the ledger knows, so that the ledger can be rebuilt from the pictures alone. Knows records
and JSON; where in a file a text stands is known to `containers`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from teststrip.errors import PictureError
from teststrip.pictures.containers import parse, records
from teststrip.records import EngineRef, Fingerprint, Render, Shot, Value
from teststrip.vocabulary import PARAMETERS, sampler

_VERSION = 1
_DEEPEST = 64  # lists and tables in each other; our own records have about five
_MOST_DIGITS = 300  # of a whole number, so that it is a float as well
_READABLE = 100_000  # characters of a prompt in `parameters`, because viewers draw all of it; the JSON has the whole
_LONE = re.compile("[\ud800-\udfff]")


def to_json(value: object) -> str:
    """JSON in plain ASCII that loses nothing. A text with lone surrogates is written as its code points.

    >>> to_json({"prompt": "an \\ud800 owl"})
    '{"prompt": {"code_points": [97, 110, 32, 55296, 32, 111, 119, 108]}}'
    """
    return json.dumps(_spelled(value), allow_nan=False)


def from_json(text: str | bytes) -> object:
    """The value that `to_json` was given. Raises ValueError on anything else, also on what is nested too deeply.

    >>> from_json("[1, 2.5]"), from_json('{"a": null}')
    ([1, 2.5], {'a': None})
    """
    text = text if isinstance(text, str) else text.decode("utf-8")
    try:
        found = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    # A text with few brackets cannot be deep, and nearly every text of ours has few.
    if text.count("{") + text.count("[") > _DEEPEST and _deeper(found, _DEEPEST):
        raise ValueError("nested too deeply")
    return found


def _deeper(value: object, most: int) -> bool:
    """Whether lists and tables lie in each other more than so many times."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, Mapping | list)
            for inner in (one.values() if isinstance(one, Mapping) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, Mapping | list) for one in level)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _spelled(value: object) -> object:
    if isinstance(value, str):
        # json.loads would join two lone halves that happen to stand side by side into one character.
        return {"code_points": [ord(letter) for letter in value]} if _LONE.search(value) else value
    if isinstance(value, Mapping):
        return {str(key): _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    return value


def _joined(table: dict[str, object]) -> object:
    points = table.get("code_points")
    if len(table) == 1 and isinstance(points, list) and all(isinstance(p, int) and 0 <= p < 0x110000 for p in points):
        return "".join(map(chr, points))
    return table


_DECODER = json.JSONDecoder(object_hook=_joined, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def asked(shot: Shot) -> dict[str, object]:
    """What a shot's id is the hash of, as plain JSON values."""
    return {"engine": shot.engine.name, "options": dict(shot.engine.options), "settings": dict(shot.settings)}


def shot_of(record: Mapping[str, object]) -> Shot:
    """The shot that `asked` was called with. Raises ValueError when the record holds no shot."""
    name, options, settings = record.get("engine"), record.get("options"), record.get("settings")
    if not (isinstance(name, str) and isinstance(options, dict) and isinstance(settings, dict)):
        raise ValueError("no engine, options and settings")  # noqa: TRY004 - data, not a programmer's argument
    return Shot(EngineRef(name, _values(options)), _values(settings))


def _values(table: Mapping[str, object]) -> dict[str, Value]:
    plain: dict[str, Value] = {}
    for key, value in table.items():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise ValueError(f"{key} is neither text nor number")
        plain[key] = value
    return plain


def fingerprint_of(record: Mapping[str, object]) -> Fingerprint:
    """What answered the shot of a record. Raises ValueError when the record does not say so."""
    facts = record.get("answered")
    if not isinstance(facts, dict):
        raise ValueError("no facts of what answered")  # noqa: TRY004 - data, not an argument
    return Fingerprint(facts)


def parameters(render: Render) -> str:
    """Prompt and settings as A1111 writes them below a picture, safe to print; a very long prompt is cut.

    Source: stable-diffusion-webui, `create_infotext` in modules/processing.py.
    """
    settings = dict(render.shot.settings)
    lines = [_printable(render.shot.prompt)]
    settings.pop("prompt", None)
    if negative := settings.pop("negative_prompt", None):
        lines.append(f"Negative prompt: {_printable(str(negative))}")
    settings.pop("width", None)
    settings.pop("height", None)
    words = {name: settings.pop(key) for key, name in PARAMETERS.items() if settings.get(key) is not None}
    if "Sampler" in words:
        words["Sampler"] = sampler(str(words["Sampler"]))
    words["Size"] = f"{render.width}x{render.height}"
    words |= {key: value for key, value in settings.items() if value is not None}
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in words.items()))
    return "\n".join(lines)


def _printable(text: str) -> str:
    safe = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text[:_READABLE])
    return safe if len(text) <= _READABLE else f"{safe}… ({len(text)} characters)"


def _quoted(value: Value) -> str:
    text = _printable(f"{value:g}" if isinstance(value, float) else str(value))
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:\n"') else text


def stamp(render: Render) -> bytes:
    """The file of a picture with its record inside. The bytes of its pixels do not change.

    An older `teststrip` record in the file is replaced. `parameters` that another tool wrote are kept. The file is
    parsed once, and its bytes are copied once.

    Raises:
        PictureError: the bytes are cut off, damaged, or not of the format that the render names; a fact of the render
            is NaN or infinite.
    """
    picture = parse(render.data)
    if picture.form != render.format:
        raise PictureError(f"the engine {render.shot.engine.name!r} said {render.format!r} and sent {picture.form!r}")
    record = {
        "teststrip": _VERSION,
        "shot": render.shot.id,
        **asked(render.shot),
        "fingerprint": render.fingerprint.id,
        "answered": render.fingerprint.facts,
        "seconds": render.seconds,
        "facts": render.facts,
    }
    try:
        text = to_json(record)
    except ValueError as error:
        raise PictureError(f"what the engine {render.shot.engine.name!r} says of it is not JSON: {error}") from error
    return picture.embed(text.encode("ascii"), parameters(render))


def unstamp(data: bytes) -> dict[str, object] | None:
    """The record that `stamp` put into a file. Never raises, whatever the bytes are.

    The file is read no further than its record: only `sound` says that a file is whole.

    Returns:
        a table with the keys shot, engine, options, settings, fingerprint, answered (the fingerprint's facts), seconds
        and facts; None when the file holds no record that can be read.
    """
    try:
        text = next(records(data), None)
        record = from_json(text) if text else None
    except (PictureError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("teststrip") == _VERSION else None
