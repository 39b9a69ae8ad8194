"""The texts that other tools put into a picture file, by keyword, and a file without some of them.

    PNG     tEXt, zTXt and iTXt chunks, before or after the pixels, under their own keywords
    JPEG    comments, EXIF and XMP
    WebP    EXIF and XMP

Fields of EXIF are called "exif:UserComment" and so on, a packet of XMP "xmp". All work is bounded: a compressed text is
inflated no further than MOST_BYTES, and a file gives no more than MOST_TEXTS texts. What tools mean by their texts is
known to the room `imports`, not here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape

from teststrip.pictures.containers import Jpeg, Png, Webp, chunk_of, parse

MOST_BYTES = 4 * 2**20
"""Of one text, inflated. A large ComfyUI graph has 1 MB."""
MOST_TEXTS = 200
MOST_TOGETHER = 16 * 2**20
"""Bytes of all texts of a file, because each format's reader looks at them."""

TAGS: Mapping[int, str] = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x927C: "MakerNote",
    0x9286: "UserComment",
}
"""The fields of EXIF that tools write into."""
_EXIF_IFD = 0x8769
_AUTHOR = "Author"
_MOST_ENTRIES = 500
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_HEAD = b"Exif\0\0"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_JPEG_TEXTS = (b"\xe1", b"\xfe")


@dataclass(frozen=True, slots=True)
class Texts:
    """What a file says in words.

    Attributes:
        form: "png", "jpeg" or "webp".
        by_keyword: the texts of each keyword, in the order of the file.
        refused: the keywords of texts that are too large or damaged.
    """

    form: str
    by_keyword: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()

    def first(self, *keywords: str) -> str:
        """The first text under any of these keywords; "" where there is none."""
        return next((text for one in keywords for text in self.by_keyword.get(one, ())), "")


def texts(data: bytes) -> Texts:
    """The texts of a picture file. Pixels are not decoded.

    Raises:
        PictureError: another format, cut off, or a checksum is wrong.
    """
    picture = parse(data)
    found: dict[str, list[str]] = {}
    refused: list[str] = []
    count = together = 0
    for keyword, raw, decoded in _raw(picture):
        count += 1
        if raw is None or len(raw) > MOST_BYTES or count > MOST_TEXTS or together + len(raw) > MOST_TOGETHER:
            refused.append(keyword)
            continue
        together += len(raw)
        found.setdefault(keyword, []).append(decoded(raw))
    return Texts(picture.form, {name: tuple(texts) for name, texts in found.items()}, tuple(dict.fromkeys(refused)))


def without_author(data: bytes) -> bytes:
    """The file without the name of who made it: without the text `Author`, and the name wherever else a text has it.

    The name becomes spaces, so that all other bytes stay; a compressed text that holds it is left out. Names of one or
    two letters stay where they are no field of their own, because they would be found in any text.

    Raises:
        PictureError: as `texts`.
    """
    picture = parse(data)
    names = _names(texts(data))
    if isinstance(picture, Png):
        chunks = (_nameless(chunk.name, chunk.body, chunk.whole, names) for chunk in picture.chunks)
        return b"".join([data[:8], *chunks, picture.rest])
    if isinstance(picture, Jpeg):
        segments = [_blanked(bytes(one), names) if bytes(one[1:2]) in _JPEG_TEXTS else one for one in picture.segments]
        return b"".join([*segments, picture.rest])
    parts: list[bytes | memoryview] = [b"WEBP"]
    for name, body in picture.chunks:
        kept = _blanked(bytes(body), names) if name in (b"EXIF", b"XMP ") else body
        parts += [name, struct.pack("<I", len(kept)), kept, b"\0" * (len(kept) % 2)]
    return b"".join([b"RIFF", struct.pack("<I", sum(map(len, parts))), *parts])


def _names(said: Texts) -> list[bytes]:
    """The author's names in each encoding that a text may have, the longest first."""
    found = {*said.by_keyword.get(_AUTHOR, ()), *said.by_keyword.get("exif:Artist", ())}
    found |= {xmp_text(packet, "dc:creator") for packet in said.by_keyword.get("xmp", ())}
    names = {name.strip() for name in found if len(name.strip()) > 2}
    codes = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")
    return sorted({name.encode(code, "replace") for name in names for code in codes}, key=len, reverse=True)


def _blanked(body: bytes, names: list[bytes]) -> bytes:
    for name in names:
        body = body.replace(name, b" " * len(name))
    return body


def _nameless(name: bytes, body: memoryview, whole: memoryview, names: list[bytes]) -> bytes | memoryview:
    """A chunk of a PNG without the author's name; b"" for one that is left out."""
    if name not in (*_PNG_TEXTS, b"eXIf"):
        return whole
    raw = bytes(body)
    if name != b"eXIf" and raw.startswith(_AUTHOR.encode() + b"\0"):
        return b""
    blank = _blanked(raw, names)
    if blank != raw:
        return chunk_of(name, blank)
    hidden = _inflated(name, body) if name in _PNG_TEXTS else b""
    return b"" if any(one in hidden for one in names) else whole


def xmp_text(packet: str, tag: str) -> str:
    """The text of a property in a packet of XMP, as an element or as an attribute; "" where it is not there.

    >>> xmp_text("<dc:description><rdf:Alt><rdf:li>a&#xA;b</rdf:li></rdf:Alt></dc:description>", "dc:description")
    'a\\nb'
    >>> xmp_text('<rdf:Description exif:UserComment="an owl"/>', "exif:UserComment")
    'an owl'
    """
    start = packet.find(f"<{tag}")
    if start >= 0:
        inner, end = packet.find(">", start) + 1, packet.find(f"</{tag}>", start)
        return _plain(packet[inner:end]) if 0 < inner <= end else ""
    start = packet.find(f'{tag}="')
    end = packet.find('"', start + len(tag) + 2)
    return unescape(packet[start + len(tag) + 2 : end]) if 0 <= start < end else ""


def _plain(inner: str) -> str:
    """The text between tags."""
    kept, place = [], 0
    while (start := inner.find("<", place)) >= 0:
        kept.append(inner[place:start])
        end = inner.find(">", start)
        if end < 0:
            break
        place = end + 1
    else:
        kept.append(inner[place:])
    return unescape("".join(kept)).strip()


Decoder = Callable[[bytes], str]
Found = Iterator[tuple[str, bytes | None, Decoder]]


def _raw(picture: Png | Jpeg | Webp) -> Found:
    """Keyword, bytes (None = too large or damaged) and how they are decoded, of each text."""
    if isinstance(picture, Png):
        for chunk in picture.chunks:
            yield from _of_chunk(chunk.name, chunk.body)
    elif isinstance(picture, Jpeg):
        for segment in picture.segments:
            yield from _of_segment(bytes(segment[1:2]), segment[4:])
    else:
        for name, body in picture.chunks:
            if name == b"EXIF":
                yield from _exif(bytes(body).removeprefix(_EXIF_HEAD))
            elif name == b"XMP ":
                yield "xmp", bytes(body), _any_text


def _of_chunk(name: bytes, body: memoryview) -> Found:
    if name in _PNG_TEXTS:
        keyword = bytes(body[:80]).partition(b"\0")[0].decode("latin-1")
        whole = _inflated(name, body)
        raw = whole[len(keyword) + 1 :] if whole else None
        yield ("xmp" if keyword == "XML:com.adobe.xmp" else keyword), raw, _any_text
    elif name == b"eXIf":
        yield from _exif(bytes(body))


def _of_segment(marker: bytes, view: memoryview) -> Found:
    if marker not in _JPEG_TEXTS:
        return
    body = bytes(view)
    if marker == b"\xfe":
        yield "Comment", body, _any_text
    elif body.startswith(_EXIF_HEAD):
        yield from _exif(body[len(_EXIF_HEAD) :])
    elif body.startswith(_XMP_HEAD):
        yield "xmp", body[len(_XMP_HEAD) :], _any_text


def _inflated(name: bytes, view: memoryview) -> bytes:
    """Keyword, NUL and text of a PNG's chunk; b"" where the text is too large or damaged."""
    body = bytes(view)
    keyword, mark, rest = body.partition(b"\0")
    if name == b"tEXt":
        return body if mark else b""
    packed = True
    if name == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.partition(b"\0")[2].partition(b"\0")[2]
    else:
        rest = rest[1:]
    if not packed:
        return keyword + b"\0" + rest
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(rest, MOST_BYTES + 1)
    except zlib.error:
        return b""
    return keyword + b"\0" + text if len(text) <= MOST_BYTES else b""


def _any_text(raw: bytes) -> str:
    """UTF-8, which tools write against the specification of PNG, or Latin-1, which it asks for."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _exif(tiff: bytes) -> Found:
    """The fields of an EXIF block that tools write into. Source: TIFF 6.0, section 2; CIPA DC-008."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4], "")
    if not order:
        return
    (first,) = struct.unpack_from(f"{order}I", tiff, 4) if len(tiff) >= 8 else (0,)
    below: list[int] = []
    for tag, raw, value in _entries(tiff, first, order):
        if tag == _EXIF_IFD:
            below.append(value)
        elif tag in TAGS:
            yield f"exif:{TAGS[tag]}", raw, _user_comment if tag == 0x9286 else _any_field
    for place in below[:1]:
        for tag, raw, _ in _entries(tiff, place, order):
            if tag in TAGS:
                yield f"exif:{TAGS[tag]}", raw, _user_comment if tag == 0x9286 else _any_field


def _entries(tiff: bytes, place: int, order: str) -> Iterator[tuple[int, bytes | None, int]]:
    """Tag, bytes and number of each entry of a directory; bytes that lie outside of the block are None."""
    if place + 2 > len(tiff):
        return
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    for at in range(place + 2, min(place + 2 + 12 * min(count, _MOST_ENTRIES), len(tiff) - 11), 12):
        tag, kind, size = struct.unpack_from(f"{order}HHI", tiff, at)
        (value,) = struct.unpack_from(f"{order}I", tiff, at + 8)
        if kind not in (1, 2, 7):  # bytes, ASCII, undefined
            yield tag, b"", value
        elif size <= 4:
            yield tag, tiff[at + 8 : at + 8 + size], value
        else:
            yield tag, tiff[value : value + size] if value + size <= len(tiff) else None, value


def _any_field(raw: bytes) -> str:
    return _any_text(raw.rstrip(b"\0"))


def _user_comment(raw: bytes) -> str:
    """A comment with or without the eight bytes that name its encoding.

    UTF-16 says nothing of its byte order there. A1111 writes big-endian, others little-endian; settings are ASCII, so
    the half of the bytes that are zeros tells them apart. Some write UTF-8 under the same name.
    """
    head, body = raw[:8], raw[8:]
    if head == b"UNICODE\0":
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return body.decode("utf-16", "replace").rstrip("\0")
        even, odd = body[::2].count(0), body[1::2].count(0)
        if even or odd:
            return body.decode("utf-16-le" if odd > even else "utf-16-be", "replace").rstrip("\0")
        try:
            return body.decode("utf-8").rstrip("\0")
        except UnicodeDecodeError:
            return body.decode("utf-16-be", "replace").rstrip("\0")
    if head in (b"ASCII\0\0\0", b"\0" * 8):
        return _any_field(body)
    return _any_field(raw)
