"""Picture files as other tools write them: each function puts a text where one tool or format has it."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

PNG_HEAD = 8


def pixels(seed: int = 0, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    """Noise that depends on the seed alone; `size` is width and height."""
    return np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)


def png(texts: Mapping[str, str] | None = None, *, seed: int = 0, size: tuple[int, int] = (16, 16)) -> bytes:
    """A PNG with texts, as Pillow writes them: tEXt where Latin-1 has all letters, else iTXt."""
    info = PngInfo()
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    file = io.BytesIO()
    Image.fromarray(pixels(seed, size)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(*chunks: bytes, after_pixels: bool = False, seed: int = 0) -> bytes:
    """A PNG with whole chunks right after its header, or before its end."""
    data = png(seed=seed)
    place = len(data) - 12 if after_pixels else PNG_HEAD + 25
    return data[:place] + b"".join(chunks) + data[place:]


def text(keyword: str, body: str) -> bytes:
    return chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + body.encode("utf-8"))


def packed(keyword: str, body: bytes) -> bytes:
    return chunk(b"zTXt", keyword.encode("latin-1") + b"\0\0" + zlib.compress(body, 9))


def international(keyword: str, body: str, *, compressed: bool = False) -> bytes:
    raw = body.encode()
    flag, raw = (b"\1\0", zlib.compress(raw)) if compressed else (b"\0\0", raw)
    return chunk(b"iTXt", keyword.encode("latin-1") + b"\0" + flag + b"en\0\0" + raw)


def tiff(fields: Mapping[int, bytes], *, order: str = ">") -> bytes:
    """A block of EXIF: fields below 0x9000 in the first directory, the others in the one of EXIF."""
    first = {tag: raw for tag, raw in fields.items() if tag < 0x9000}
    second = {tag: raw for tag, raw in fields.items() if tag >= 0x9000}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    entries = len(first) + bool(second)
    place = 8 + 2 + 12 * entries + 4
    body, data = struct.pack(f"{order}H", entries), b""
    for tag, raw in first.items():
        body += _entry(tag, raw, place + len(data), order)
        data += raw if len(raw) > 4 else b""
    if second:
        start = place + len(data)
        body += struct.pack(f"{order}HHII", 0x8769, 4, 1, start)
        inner, own = struct.pack(f"{order}H", len(second)), b""
        for tag, raw in second.items():
            inner += _entry(tag, raw, start + 2 + 12 * len(second) + 4 + len(own), order)
            own += raw if len(raw) > 4 else b""
        data += inner + b"\0" * 4 + own
    return head + body + b"\0" * 4 + data


def _entry(tag: int, raw: bytes, place: int, order: str) -> bytes:
    inside = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(f"{order}I", place)
    return struct.pack(f"{order}HHI", tag, 7, len(raw)) + inside


def comment(said: str, code: str = "utf-16-be", head: bytes = b"UNICODE\0") -> dict[int, bytes]:
    """EXIF's UserComment."""
    return {0x9286: head + said.encode(code)}


def photo(fields: Mapping[int, bytes] | None = None, *, form: str = "JPEG", seed: int = 0, **saved: object) -> bytes:
    """A JPEG or a WebP with fields of EXIF, and what else Pillow saves (`xmp`, `comment`)."""
    file = io.BytesIO()
    exif = b"Exif\0\0" + tiff(fields) if fields else b""
    Image.fromarray(pixels(seed)).save(file, form, exif=exif, **saved)
    return file.getvalue()


def xmp(inside: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="">{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def stealthy(said: Mapping[str, object], *, compressed: bool = True, seed: int = 0) -> bytes:
    """A PNG with a text in the lowest bits of its alpha channel, column by column."""
    raw = json.dumps(said).encode()
    body = gzip.compress(raw) if compressed else raw
    head = b"stealth_pngcomp" if compressed else b"stealth_pnginfo"
    bits = np.unpackbits(np.frombuffer(head + struct.pack(">I", 8 * len(body)) + body, np.uint8))
    side = int(np.ceil(np.sqrt(len(bits)))) + 1
    alpha = np.full(side * side, 254, np.uint8)
    alpha[: len(bits)] |= bits
    whole = np.dstack([pixels(seed, (side, side)), alpha.reshape(side, side).T])
    file = io.BytesIO()
    Image.fromarray(whole, "RGBA").save(file, "PNG")
    return file.getvalue()
