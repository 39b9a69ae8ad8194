"""Two pictures as a rater gets them: nothing but their pixels tells them apart.

Both are decoded and encoded anew, so that no record and no habit of an encoder comes along; both lie on a canvas of
one size; and both have one number of bytes, by a chunk of random ones.
"""

from __future__ import annotations

import io
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teststrip.pictures.pixels import decode

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

STEP_BYTES = 2**14  # lengths are multiples of it, so that pairs of one kind of picture are of a few lengths
LOSSY_FROM = 256  # pixels of the longer side, of a page that carries all its pictures
GROUND = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Blinded:
    """A pair of pictures that only their pixels tell apart.

    Attributes:
        left: encoded, as long as `right`.
        right: encoded.
        kind: the media type of both.
        size: width and height of both, pixels.
        same: whether both show the same pixels.
    """

    left: bytes
    right: bytes
    kind: str
    size: tuple[int, int]
    same: bool


def blinded(left: bytes, right: bytes, *, light: bool = False) -> Blinded:
    """Two encoded pictures, blinded.

    Args:
        left: a picture.
        right: another one, or the same.
        light: JPEG of quality 95 with full colour for larger pictures, a fifth of the bytes; otherwise PNG.

    Raises:
        PictureError: one of them is no sound picture.
    """
    pixels = [decode(data) for data in (left, right)]
    height, width = (max(one.shape[axis] for one in pixels) for axis in (0, 1))
    canvases = [_on_canvas(one, width, height) for one in pixels]
    lossy = light and max(width, height) > LOSSY_FROM
    encoded = [_jpeg(one) if lossy else _png(one) for one in canvases]
    length = -(-(max(map(len, encoded)) + 12) // STEP_BYTES) * STEP_BYTES
    pad = _pad_jpeg if lossy else _pad_png
    first, second = (pad(one, length) for one in encoded)
    same = canvases[0].tobytes() == canvases[1].tobytes()
    return Blinded(first, second, "image/jpeg" if lossy else "image/png", (width, height), same)


def _on_canvas(pixels: NDArray[np.uint8], width: int, height: int) -> PIL.Image.Image:
    """A picture as large as its canvas allows, in the middle of it."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    if picture.size == (width, height):
        return picture
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    canvas = Image.new("RGB", (width, height), GROUND)
    placed = picture.resize(size, Image.Resampling.LANCZOS)
    canvas.paste(placed, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def _png(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_type=zlib.Z_RLE, compress_level=1)
    return file.getvalue()


def _jpeg(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def _pad_png(data: bytes, length: int) -> bytes:
    """The PNG with a private chunk before its end, which readers skip; a chunk has 12 bytes beside its content."""
    end = len(data) - 12  # IEND
    body = b"raNd" + secrets.token_bytes(length - len(data) - 12)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return data[:end] + chunk + data[end:]


def _pad_jpeg(data: bytes, length: int) -> bytes:
    """The JPEG with comments behind its first marker, which readers skip; each has 4 bytes beside its content."""
    parts, left = [], length - len(data)
    while left:
        size = left if left <= 60_000 else min(left - 4, 60_000)
        parts.append(b"\xff\xfe" + (size - 2).to_bytes(2, "big") + secrets.token_bytes(size - 4))
        left -= size
    return data[:2] + b"".join(parts) + data[2:]
