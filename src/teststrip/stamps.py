"""The record inside a picture file: put in and taken out without touching a pixel.

A picture that leaves its folder still says what it is: A1111-style `parameters` for people and their tools, and a JSON
`teststrip` with everything the ledger knows, so that the ledger can be rebuilt from the pictures alone.

    PNG     text chunks `parameters` and `teststrip`, after the header
    JPEG    an XMP segment (and XMP extension segments above 64 KB)
    WebP    an XMP chunk

Knows containers (chunks, segments, checksums); nothing of pixels, files or ledgers. Bytes that are cut off or whose
checksums are wrong are refused here, before anything is stored. A signed provenance manifest (C2PA) that an engine put
into its picture stays, and will say that the file was changed since: it was.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from html import escape, unescape

from teststrip.errors import PictureError
from teststrip.records import EngineRef, Fingerprint, Render, Shot, Value

SUFFIXES = {"png": "png", "jpeg": "jpg", "webp": "webp"}
"""File name ending of each format that is understood."""

_VERSION = 1
_PNG = b"\x89PNG\r\n\x1a\n"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_SEGMENT = 65_000  # a JPEG segment holds 65,533 bytes, its own header among them
_READABLE = 100_000  # characters of a prompt in `parameters`; the JSON has all of them
_LONE = re.compile("[\ud800-\udfff]")
_MORE = re.compile(rb'xmpNote:HasExtendedXMP="([0-9A-F]{32})"')
_RECORD = re.compile(rb"<teststrip:record>(.*?)</teststrip:record>", re.DOTALL)

# What A1111 and its readers call the schedulers of Diffusers; any other goes by its class name.
_SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "DPMSolverSinglestepScheduler": "DPM++ 2S",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
_NAMES = {
    "num_inference_steps": "Steps",
    "scheduler": "Sampler",
    "guidance_scale": "CFG scale",
    "seed": "Seed",
    "model": "Model",
    "eta": "Eta",
    "clip_skip": "Clip skip",
}


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
    words = {name: settings.pop(key) for key, name in _NAMES.items() if settings.get(key) is not None}
    if "Sampler" in words:
        sampler = str(words["Sampler"])
        words["Sampler"] = _SAMPLERS.get(sampler, sampler.removesuffix("Scheduler"))
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
    ).encode("ascii")
    if form == "png":
        return _into_png(render.data, record, parameters(render))
    packet = _packet(record)
    return _into_jpeg(render.data, packet) if form == "jpeg" else _into_webp(render.data, packet)


def unstamp(data: bytes) -> dict[str, object] | None:
    """The record that `stamp` put in, or None when there is none that can be read. Never raises on strange bytes.

    Reads no further than the record, so it says nothing about the rest of the file: `sound` does.

    Keys: shot, engine, options, settings, fingerprint, answered (its facts), seconds, facts.
    """
    try:
        text = next(_records(data), None)
        record = from_json(text) if text else None
    except (PictureError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("teststrip") == _VERSION else None


def sound(data: bytes) -> str:
    """The format of complete, undamaged bytes: "png", "jpeg" or "webp". Pixels are not decoded.

    Raises:
        PictureError: another format, cut off, or a checksum is wrong.
    """
    form = _form(data)
    if form == "png":
        names = [name for name, _ in _chunks(data)]
        if names[:1] != [b"IHDR"] or b"IDAT" not in names:
            raise PictureError("a PNG without header or pixels")
    elif form == "jpeg":
        start = sum(len(segment) for segment in _segments(data))
        # Inside coded pixels 0xff is always followed by a stuffed zero, so this is the end mark and nothing else.
        if data.find(b"\xff\xd9", start) < 0:
            raise PictureError("the JPEG is cut off")
    elif not any(name in (b"VP8 ", b"VP8L", b"ANMF") for name, _ in _riff(data)):
        raise PictureError("a WebP without pixels")
    return form


def _form(data: bytes) -> str:
    if data.startswith(_PNG):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    raise PictureError(f"not a PNG, JPEG or WebP: the bytes begin with {data[:8]!r}")


def _records(data: bytes) -> Iterator[bytes]:
    form = _form(data)
    if form == "png":
        for name, body in _chunks(data):
            if name == b"tEXt" and body.startswith(b"teststrip\0"):
                yield body[len(b"teststrip\0") :]
        return
    if form == "jpeg":
        segments = list(_segments(data))
        more = b"".join(part[4 + len(_XMP_MORE) + 40 :] for part in segments if part[4:].startswith(_XMP_MORE))
        packets = [more, *(part for part in segments if part[4:].startswith(_XMP))]
    else:
        packets = [body for name, body in _riff(data) if name == b"XMP "]
    for packet in packets:
        for found in _RECORD.finditer(packet):
            yield unescape(found[1].decode("ascii", "replace")).encode()


# --- PNG -----------------------------------------------------------------------------------------------------


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk up to the end mark, checksums checked."""
    place, name = len(_PNG), b""
    while name != b"IEND":
        head = data[place : place + 8]
        if len(head) < 8:
            raise PictureError("the PNG is cut off")
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        body, check = data[place + 8 : place + 8 + length], data[place + 8 + length : place + 12 + length]
        if len(check) < 4:
            raise PictureError("the PNG is cut off")
        if zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(check, "big"):
            raise PictureError(f"the PNG is damaged: the checksum of {name!r} at byte {place} is wrong")
        yield name, body
        place += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _into_png(data: bytes, record: bytes, text: str) -> bytes:
    chunks: list[tuple[bytes, bytes]] = []
    for name, body in _chunks(data):
        if name != b"tEXt" or not body.startswith(b"teststrip\0"):
            chunks.append((name, body))
        elif _is_parameters(*chunks[-1]):
            chunks.pop()  # ours stands right before the record; another tool's does not
    size = sum(12 + len(body) for _, body in _chunks(data))
    added = [(b"tEXt", b"teststrip\0" + record)]
    if not any(_is_parameters(name, body) for name, body in chunks):
        try:
            added.insert(0, (b"tEXt", b"parameters\0" + text.encode("latin-1")))
        except UnicodeEncodeError:
            # keyword, no compression, no language, no translated keyword, then UTF-8
            added.insert(0, (b"iTXt", b"parameters\0\0\0\0\0" + text.encode("utf-8")))
    head, *rest = chunks
    parts = [_chunk(name, body) for name, body in (head, *added, *rest)]
    return b"".join([_PNG, *parts, data[len(_PNG) + size :]])


def _is_parameters(name: bytes, body: bytes) -> bool:
    return name in (b"tEXt", b"iTXt", b"zTXt") and body.startswith(b"parameters\0")


# --- JPEG ----------------------------------------------------------------------------------------------------


def _segments(data: bytes) -> Iterator[bytes]:
    """The start mark, then each segment before the coded pixels, its marker and length included."""
    yield data[:2]
    place = 2
    while data[place : place + 2] != b"\xff\xda":
        head = data[place : place + 4]
        if len(head) < 4 or head[0] != 0xFF:
            raise PictureError("the JPEG is cut off or damaged before its pixels")
        size = 2 + int.from_bytes(head[2:], "big")
        if size < 4 or place + size > len(data):
            raise PictureError("the JPEG is cut off or damaged before its pixels")
        yield data[place : place + size]
        place += size


def _into_jpeg(data: bytes, packet: bytes) -> bytes:
    segments = list(_segments(data))
    rest = data[sum(map(len, segments)) :]
    older = [part for part in segments if part[4:].startswith(_XMP) and b"<teststrip:record>" in part]
    names = tuple(_XMP_MORE + name for part in older for name in _MORE.findall(part))
    segments = [part for part in segments if part not in older and not (names and part[4:].startswith(names))]
    bodies = [_XMP + packet]
    if len(packet) > _SEGMENT:
        name = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()  # what the XMP specification asks for
        bodies = [_XMP + _packet(b"", more=name)]
        for start in range(0, len(packet), _SEGMENT):
            head = _XMP_MORE + name.encode() + struct.pack(">II", len(packet), start)
            bodies.append(head + packet[start : start + _SEGMENT])
    added = [b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body for body in bodies]
    place = 1  # after JFIF and Exif, which want to come first
    while place < len(segments) and segments[place][:2] in (b"\xff\xe0", b"\xff\xe1"):
        place += 1
    return b"".join([*segments[:place], *added, *segments[place:], rest])


def _packet(record: bytes, more: str = "") -> bytes:
    note = f' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{more}"' if more else ""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:teststrip="urn:teststrip:record#"{note}>'
        f"<teststrip:record>{escape(record.decode('ascii'), quote=False)}</teststrip:record>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode("ascii")


# --- WebP ----------------------------------------------------------------------------------------------------


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < end:
        raise PictureError("the WebP is cut off")
    place = 12
    while place < end:
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        body = data[place + 8 : place + 8 + size]
        if len(body) < size:
            raise PictureError("the WebP is damaged: a chunk is longer than the file")
        yield data[place : place + 4], body
        place += 8 + size + size % 2


def _into_webp(data: bytes, packet: bytes) -> bytes:
    chunks = [(name, body) for name, body in _riff(data) if name != b"XMP "]
    if chunks[0][0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _webp_header(*chunks[0])))
    name, header = chunks[0]
    chunks[0] = (name, bytes([header[0] | 0x04]) + header[1:])
    chunks.append((b"XMP ", packet))
    parts = [name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks]
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _webp_header(name: bytes, body: bytes) -> bytes:
    """The extended header for a simple file. Source: RFC 9649, sections 2.5 to 2.7."""
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif name == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        width, height, alpha = width - 1, height - 1, 0
    else:
        raise PictureError(f"a WebP that begins with {name!r}")
    return bytes([alpha << 4, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
