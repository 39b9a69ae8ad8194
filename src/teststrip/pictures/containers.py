"""PNG, JPEG and WebP as containers: chunks and segments, with a text put in and taken out.

    PNG     text chunks after the header
    JPEG    an XMP segment (and XMP extension segments above 64 KB)
    WebP    an XMP chunk

`parse` walks a file once and refuses bytes that are cut off or whose checksums are wrong. What it returns refers to the
file's own bytes, so that a picture is copied once, when the file with its new record is put together. This module
decodes no pixel and knows nothing of shots or of what the text says. A signed provenance manifest (C2PA) that an engine
put into its picture stays, and it will rightly say that the file was changed since.

To add a format: a class with `form` and `embed`, its line in `parse` and in `records`, and its ending in SUFFIXES.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from typing import ClassVar, NamedTuple

from teststrip.errors import PictureError

SUFFIXES = {"png": "png", "jpeg": "jpg", "webp": "webp"}
"""The file name ending of each format that is understood."""

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_SEGMENT = 65_000  # a JPEG segment holds 65,533 bytes, and the header of its XMP counts among them
_MORE = re.compile(rb'xmpNote:HasExtendedXMP="([0-9A-F]{32})"')
_RECORD = re.compile(rb"<teststrip:record>(.*?)</teststrip:record>", re.DOTALL)


def parse(data: bytes) -> Png | Jpeg | Webp:
    """Walk a picture file once. Pixels are not decoded.

    Returns:
        the file as the parts it is made of, complete and undamaged as far as its checksums say.

    Raises:
        PictureError: another format, cut off, or a checksum is wrong.
    """
    form = _form(data)
    return Png.of(data) if form == "png" else Jpeg.of(data) if form == "jpeg" else Webp.of(data)


def sound(data: bytes) -> str:
    """The format of complete, undamaged bytes: "png", "jpeg" or "webp". Pixels are not decoded.

    Raises:
        PictureError: as `parse`.
    """
    return parse(data).form


def records(data: bytes) -> Iterator[bytes]:
    """The records inside, the whole one first.

    The iterator reads no further than it is asked, so it says nothing about the bytes after a record.

    Raises:
        PictureError: what was read on the way is damaged.
    """
    form = _form(data)
    if form == "png":
        for name, body, _ in _chunks(memoryview(data)):
            if _is_record(name, body):
                yield bytes(body[len(b"teststrip\0") :])
        return
    if form == "jpeg":
        segments = list(_segments(memoryview(data)))
        more = b"".join(part[4 + len(_XMP_MORE) + 40 :] for part in segments if _holds(part, _XMP_MORE))
        packets = [more, *(bytes(part) for part in segments if _holds(part, _XMP))]
    else:
        packets = [bytes(body) for name, body in _riff(memoryview(data)) if name == b"XMP "]
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


def _stands(data: memoryview, what: bytes, at: int = 0) -> bool:
    """Whether these bytes stand at a place."""
    return bytes(data[at : at + len(what)]) == what


class _Chunk(NamedTuple):
    """A chunk of a PNG: its name, its body, and all its bytes from the length to the checksum."""

    name: bytes
    body: memoryview
    whole: memoryview


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG with a header, pixels, and right checksums.

    Attributes:
        chunks: all of them, the end mark included.
        rest: the bytes after the end mark.
    """

    form: ClassVar = "png"
    chunks: tuple[_Chunk, ...]
    rest: memoryview

    @classmethod
    def of(cls, data: bytes) -> Png:
        """The parts of a file. Raises PictureError."""
        view = memoryview(data)
        chunks = tuple(_chunks(view))
        if chunks[0].name != b"IHDR" or not any(chunk.name == b"IDAT" for chunk in chunks):
            raise PictureError("a PNG without header or pixels")
        return cls(chunks, view[len(_PNG) + sum(len(chunk.whole) for chunk in chunks) :])

    def embed(self, record: bytes, text: str) -> bytes:
        """The same picture with a record (plain ASCII) inside, and the `parameters` that A1111 and others read.

        An older record is replaced. `parameters` that another tool wrote are kept, and `text` is left out then.
        """
        chunks: list[_Chunk] = []
        for chunk in self.chunks:
            if not _is_record(chunk.name, chunk.body):
                chunks.append(chunk)
            elif _is_parameters(chunks[-1]):
                chunks.pop()  # ours stand right before the record; another tool's do not
        added = [chunk_of(b"tEXt", b"teststrip\0" + record)]
        if not any(_is_parameters(chunk) for chunk in chunks):
            try:
                added.insert(0, chunk_of(b"tEXt", b"parameters\0" + text.encode("latin-1")))
            except UnicodeEncodeError:
                # keyword, no compression, no language, no translated keyword, then UTF-8
                added.insert(0, chunk_of(b"iTXt", b"parameters\0\0\0\0\0" + text.encode("utf-8")))
        head, *rest = (chunk.whole for chunk in chunks)
        return b"".join([_PNG, head, *added, *rest, self.rest])


def _chunks(data: memoryview) -> Iterator[_Chunk]:
    """Each chunk of a PNG up to the end mark, its checksum checked."""
    place, name = len(_PNG), b""
    while name != b"IEND":
        head = data[place : place + 8]
        if len(head) < 8:
            raise PictureError("the PNG is cut off")
        name, end = bytes(head[4:]), place + 12 + int.from_bytes(head[:4], "big")
        if end > len(data):
            raise PictureError("the PNG is cut off")
        body = data[place + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(data[end - 4 : end], "big"):
            raise PictureError(f"the PNG is damaged: the checksum of {name!r} at byte {place} is wrong")
        yield _Chunk(name, body, data[place:end])
        place = end


def chunk_of(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG, with its length and its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _is_record(name: bytes, body: memoryview) -> bool:
    return name == b"tEXt" and _stands(body, b"teststrip\0")


def _is_parameters(chunk: _Chunk) -> bool:
    return chunk.name in (b"tEXt", b"iTXt", b"zTXt") and _stands(chunk.body, b"parameters\0")


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A JPEG with an end mark.

    Attributes:
        segments: the start mark, then each segment before the coded pixels, its marker and length included.
        rest: the coded pixels and what stands after them.
    """

    form: ClassVar = "jpeg"
    segments: tuple[memoryview, ...]
    rest: memoryview

    @classmethod
    def of(cls, data: bytes) -> Jpeg:
        """The parts of a file. Raises PictureError."""
        view = memoryview(data)
        segments = tuple(_segments(view))
        start = sum(map(len, segments))
        # Inside coded pixels 0xff is always followed by a stuffed zero, so this is the end mark and nothing else.
        if data.find(b"\xff\xd9", start) < 0:
            raise PictureError("the JPEG is cut off")
        return cls(segments, view[start:])

    def embed(self, record: bytes, _: str) -> bytes:
        """The same picture with a record (plain ASCII) inside; an older record is replaced."""
        packet = _packet(record)
        older = [part for part in self.segments if _holds(part, _XMP) and b"<teststrip:record>" in bytes(part)]
        names = [_XMP_MORE + name for part in older for name in _MORE.findall(part)]
        segments = [p for p in self.segments if p not in older and not any(_holds(p, name) for name in names)]
        bodies = [_XMP + packet]
        if len(packet) > _SEGMENT:
            name = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()  # what the XMP specification asks for
            bodies = [_XMP + _packet(b"", more=name)]
            for start in range(0, len(packet), _SEGMENT):
                head = _XMP_MORE + name.encode() + struct.pack(">II", len(packet), start)
                bodies.append(head + packet[start : start + _SEGMENT])
        added = [b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body for body in bodies]
        place = 1  # after JFIF and Exif, which want to come first
        while place < len(segments) and bytes(segments[place][:2]) in (b"\xff\xe0", b"\xff\xe1"):
            place += 1
        return b"".join([*segments[:place], *added, *segments[place:], self.rest])


def _segments(data: memoryview) -> Iterator[memoryview]:
    """The start mark of a JPEG, then each segment before the coded pixels, its marker and length included."""
    yield data[:2]
    place = 2
    while True:
        mark = place
        while _stands(data, b"\xff\xff", mark):  # any marker may have fill bytes before it
            mark += 1
        head = data[mark : mark + 4]
        if _stands(head, b"\xff\xda"):
            return
        end = mark + 2 + int.from_bytes(head[2:], "big")
        if len(head) < 4 or head[0] != 0xFF or end < mark + 4 or end > len(data):
            raise PictureError("the JPEG is cut off or damaged before its pixels")
        yield data[place:end]
        place = end


def _holds(segment: memoryview, what: bytes) -> bool:
    return _stands(segment, what, 4)  # after its marker and length


def _packet(record: bytes, more: str = "") -> bytes:
    note = f' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{more}"' if more else ""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:teststrip="urn:teststrip:record#"{note}>'
        f"<teststrip:record>{escape(record.decode('ascii'), quote=False)}</teststrip:record>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode("ascii")


@dataclass(frozen=True, slots=True)
class Webp:
    """A WebP with pixels.

    Attributes:
        chunks: name and body of each.
    """

    form: ClassVar = "webp"
    chunks: tuple[tuple[bytes, memoryview], ...]

    @classmethod
    def of(cls, data: bytes) -> Webp:
        """The parts of a file. Raises PictureError."""
        chunks = tuple(_riff(memoryview(data)))
        if not any(name in (b"VP8 ", b"VP8L", b"ANMF") for name, _ in chunks):
            raise PictureError("a WebP without pixels")
        return cls(chunks)

    def embed(self, record: bytes, _: str) -> bytes:
        """The same picture with a record (plain ASCII) inside. It replaces any XMP, as a WebP has one XMP chunk.

        Raises:
            PictureError: the first chunk is none that a WebP may begin with, or is cut off.
        """
        (name, header), *rest = [(name, body) for name, body in self.chunks if name != b"XMP "]
        if name != b"VP8X":
            name, header, rest = b"VP8X", memoryview(_webp_header(name, header)), [(name, header), *rest]
        if not header:
            raise PictureError("a WebP with an empty header")
        marked = bytes([header[0] | 0x04]) + bytes(header[1:])
        chunks: list[tuple[bytes, bytes | memoryview]] = [(name, marked), *rest, (b"XMP ", _packet(record))]
        parts: list[bytes | memoryview] = [b"WEBP"]
        for kind, body in chunks:
            parts += [kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) % 2)]
        return b"".join([b"RIFF", struct.pack("<I", sum(map(len, parts))), *parts])


def _riff(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and body of each chunk of a WebP."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < end:
        raise PictureError("the WebP is cut off")
    place = 12
    while place < end:
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        body = data[place + 8 : place + 8 + size]
        if len(body) < size:
            raise PictureError("the WebP is damaged: a chunk is longer than the file")
        yield bytes(data[place : place + 4]), body
        place += 8 + size + size % 2


def _webp_header(name: bytes, body: memoryview) -> bytes:
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
