"""Pictures as containers: chunks and segments, with a text put in and taken out. No pixel is decoded or moved.

    PNG     text chunks after the header
    JPEG    an XMP segment (and XMP extension segments above 64 KB)
    WebP    an XMP chunk

Bytes that are cut off or whose checksums are wrong are refused here, before anything is stored. Knows nothing of shots
or of what the text says. A signed provenance manifest (C2PA) that an engine put into its picture stays, and will say
that the file was changed since: it was.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from html import escape, unescape

from teststrip.errors import PictureError

SUFFIXES = {"png": "png", "jpeg": "jpg", "webp": "webp"}
"""File name ending of each format that is understood."""

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_SEGMENT = 65_000  # a JPEG segment holds 65,533 bytes, its own header among them
_MORE = re.compile(rb'xmpNote:HasExtendedXMP="([0-9A-F]{32})"')
_RECORD = re.compile(rb"<teststrip:record>(.*?)</teststrip:record>", re.DOTALL)


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


def embed(data: bytes, record: bytes, text: str) -> bytes:
    """The same picture with a record (plain ASCII) inside, and in a PNG the `parameters` that A1111 and others read.

    An older record is replaced; `parameters` that another tool wrote are kept.

    Raises:
        PictureError: as `sound`.
    """
    form = sound(data)
    if form == "png":
        return _into_png(data, record, text)
    packet = _packet(record)
    return _into_jpeg(data, packet) if form == "jpeg" else _into_webp(data, packet)


def records(data: bytes) -> Iterator[bytes]:
    """The records inside, the whole one first; reads no further than asked, so nothing is said about the rest.

    Raises:
        PictureError: what was read on the way is damaged.
    """
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


def _form(data: bytes) -> str:
    if data.startswith(_PNG):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    raise PictureError(f"not a PNG, JPEG or WebP: the bytes begin with {data[:8]!r}")


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
    while True:
        mark = place
        while data[mark : mark + 2] == b"\xff\xff":  # any marker may have fill bytes before it
            mark += 1
        head = data[mark : mark + 4]
        if head[:2] == b"\xff\xda":
            return
        end = mark + 2 + int.from_bytes(head[2:], "big")
        if len(head) < 4 or head[0] != 0xFF or end < mark + 4 or end > len(data):
            raise PictureError("the JPEG is cut off or damaged before its pixels")
        yield data[place:end]
        place = end


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
