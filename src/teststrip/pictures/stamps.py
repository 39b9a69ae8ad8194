"""What a picture file says about itself: the record that is put into it, and read back.

A picture that leaves its folder still says what it is: A1111-style `parameters` for people and their tools, and a JSON
`teststrip` with everything the ledger knows, so that the ledger can be rebuilt from the pictures alone. Where in the
file it stands is `containers`' business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from teststrip.errors import PictureError
from teststrip.pictures.containers import embed, records, sound
from teststrip.records import EngineRef, Fingerprint, Render, Shot, Value
from teststrip.vocabulary import PARAMETERS, sampler

_VERSION = 1
_READABLE = 100_000  # characters of a prompt in `parameters`; the JSON has all of them
_LONE = re.compile("[\ud800-\udfff]")


# --- The record ----------------------------------------------------------------------------------------------


def to_json(value: object) -> str:
    """JSON in plain ASCII that loses nothing: a text with lone surrogates stands as its code points.

    >>> to_json({"prompt": "an \\ud800 owl"})
    '{"prompt": {"code_points": [97, 110, 32, 55296, 32, 111, 119, 108]}}'
    """
    return json.dumps(_spelled(value))


def from_json(text: str | bytes) -> object:
    """The value that `to_json` was given. Raises ValueError on anything else."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


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


_DECODER = json.JSONDecoder(object_hook=_joined)


def asked(shot: Shot) -> dict[str, object]:
    """What a shot's id is taken of, as plain JSON values."""
    return {"engine": shot.engine.name, "options": dict(shot.engine.options), "settings": dict(shot.settings)}


def shot_of(record: Mapping[str, object]) -> Shot:
    """The shot that `asked` was taken of. Raises ValueError when the record does not hold one."""
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
    """What answered, out of a record. Raises ValueError when it is not there."""
    facts = record.get("answered")
    if not isinstance(facts, dict):
        raise ValueError("no facts of what answered")  # noqa: TRY004 - as above
    return Fingerprint(facts)


def parameters(render: Render) -> str:
    """Prompt and settings as A1111 writes them below a picture; made safe to print, very long prompts cut.

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


# --- In and out ----------------------------------------------------------------------------------------------


def stamp(render: Render) -> bytes:
    """The picture's bytes with its record inside; the pixels' bytes are the same as before.

    An older `teststrip` record in the file is replaced; `parameters` that another tool wrote are kept.

    Raises:
        PictureError: the bytes are cut off, damaged, or not of the format that the render names.
    """
    form = sound(render.data)
    if form != render.format:
        raise PictureError(f"the engine {render.shot.engine.name!r} said {render.format!r} and sent {form!r}")
    record = to_json(
        {
            "teststrip": _VERSION,
            "shot": render.shot.id,
            **asked(render.shot),
            "fingerprint": render.fingerprint.id,
            "answered": render.fingerprint.facts,
            "seconds": render.seconds,
            "facts": render.facts,
        }
    )
    return embed(render.data, record.encode("ascii"), parameters(render))


def unstamp(data: bytes) -> dict[str, object] | None:
    """The record that `stamp` put in, or None when there is none that can be read. Never raises on strange bytes.

    Reads no further than the record, so it says nothing about the rest of the file: `sound` does.

    Keys: shot, engine, options, settings, fingerprint, answered (its facts), seconds, facts.
    """
    try:
        text = next(records(data), None)
        record = from_json(text) if text else None
    except (PictureError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("teststrip") == _VERSION else None
