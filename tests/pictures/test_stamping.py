"""What is written into a picture file stays the same to the byte from version to version.

The files are put together by hand, chunk by chunk, so that no encoder's version is in them. DIGESTS are those of the
bytes that version 2 of the ledger wrote: a picture made again must get the name that it had.
"""

import hashlib
import struct
import zlib

import pytest

from teststrip import pictures
from teststrip.records import EngineRef, Fingerprint, Render, Shot

BODY = bytes(range(256)) * 5  # stands for coded pixels, which nothing here decodes
LONG = "an owl " * 20_000  # more than one JPEG segment holds


def render(data, form, prompt="an owl"):
    shot = Shot(EngineRef("pattern", {"dtype": "float32"}), {"prompt": prompt, "seed": 1, "guidance_scale": 7.0})
    fingerprint = Fingerprint({"weights": "sha256:1"})
    return Render(shot, data, form, 40, 24, 0.25, fingerprint, {"denoiser_calls": 20})


def png(*chunks, end=b""):
    header = (b"IHDR", struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 0))
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (header, *chunks, (b"IEND", b""))
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts, end])


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", 2 + len(body)) + body


def jpeg(*segments, end=b""):
    pixels = segment(0xDA, b"\1\1\0\0\x3f\0") + BODY.replace(b"\xff", b"\xff\0")
    return b"".join([b"\xff\xd8", *segments, pixels, b"\xff\xd9", end])


def webp(*chunks, end=b"", pad=b"\0"):
    parts = [name + struct.pack("<I", len(body)) + body + pad * (len(body) % 2) for name, body in chunks]
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(content)) + content + end


PIXELS = (b"IDAT", BODY)
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
TABLE = segment(0xDB, bytes(65))
OTHERS_XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>not ours</x:xmpmeta>")
LOSSY = (b"VP8 ", b"\x30\1\0\x9d\1\x2a" + struct.pack("<HH", 40, 24) + BODY)
LOSSLESS = (b"VP8L", b"\x2f" + struct.pack("<I", 39 | 23 << 14 | 1 << 28) + BODY)
EXTENDED = (b"VP8X", bytes([0x10, 0, 0, 0, 39, 0, 0, 23, 0, 0]))

FILES = {
    "png": png(PIXELS),
    "png of many chunks": png((b"gAMA", b"\0\0\xb1\x8f"), PIXELS, PIXELS, (b"tEXt", b"Comment\0here"), PIXELS),
    "png with another tool's parameters": png((b"tEXt", b"parameters\0a fox"), PIXELS),
    "png with compressed parameters": png(PIXELS, (b"zTXt", b"parameters\0\0" + b"\1\2\3")),
    "png with bytes after its end": png(PIXELS, end=b"after the end"),
    "jpeg": jpeg(TABLE),
    "jpeg with a head": jpeg(JFIF, segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), TABLE),
    "jpeg with fill": jpeg(JFIF, b"\xff\xff" + TABLE, end=b"after the end"),
    "jpeg with another tool's XMP": jpeg(JFIF, OTHERS_XMP, TABLE),
    "webp": webp(LOSSY),
    "webp lossless": webp(LOSSLESS),
    "webp extended": webp(EXTENDED, (b"ICCP", b"odd"), LOSSLESS, (b"EXIF", b"odd too"), pad=b"\7"),
    "webp with another tool's XMP": webp(EXTENDED, LOSSY, (b"XMP ", b"<x:xmpmeta/>"), end=b"after the end"),
}
PROMPTS = {"plain": "an owl", "latin": "une forêt", "any": "フクロウ \ud800", "long": LONG}
DIGESTS = {
    "png": "46f79e1bce60c9077b564edd62b598bfb221840ed4cb3fbe3f04d18fed484c38",
    "png of many chunks": "c63fff1c28d7792878abf1dea26047c41029017a789416f76d6977840d06744b",
    "png with another tool's parameters": "7f7042101472e6f3e32d4f5098558eb5c1e2a2d101cc8c8ac79395d4898c4828",
    "png with compressed parameters": "9b4c1c32ae55c0794bd0996e22b2a8b3bf6de6c245a11560378118af3ff210c3",
    "png with bytes after its end": "801635abdb61bc6fc060ecd225cc6d45cb8375380d06694a75ea8e8d66b7ad25",
    "jpeg": "e2783077fadd8777448956759f4796bd50bd5cd24deb9cdb9fa21905589cde47",
    "jpeg with a head": "d14985ec44cc526b541122cebdef7344555bcd8a0411a1c186043dbe8deeffc0",
    "jpeg with fill": "f604a97318e650120e659541fbf04976f3ff3a092ebb7ee10af29f6d96742669",
    "jpeg with another tool's XMP": "dcde0ad7dae3d559316fe43fab570933db39425dec84b8d47b6a0bf82193a35b",
    "webp": "5b7409208641bc1b739a2b3a522c80a88d83a9bcf51aa2ffb4d2489fddf0061e",
    "webp lossless": "5de2f9bbf50adfc73329b0bb4cad7aaeb9bcda11c3f5f33ed46ee66c95ccc086",
    "webp extended": "8a300b8593c8f6b6ffd33c9c8e70e59fc69d4d44582a79f169a5ce94b9a1c0e9",
    "webp with another tool's XMP": "523b3e9888bcf95c030c6dd79f4bdd50d9429d3cd00385b35bd560178a3ce499",
}


def stamped(name, prompt):
    return pictures.stamp(render(FILES[name], name.split()[0], prompt))


@pytest.mark.parametrize("name", FILES)
def test_a_stamped_file_has_the_bytes_that_it_always_had(name):
    once = [stamped(name, prompt) for prompt in PROMPTS.values()]
    again = [pictures.stamp(render(data, name.split()[0], "a fox")) for data in once]
    digest = hashlib.sha256(b"".join([*once, *again])).hexdigest()
    assert digest == DIGESTS[name]
