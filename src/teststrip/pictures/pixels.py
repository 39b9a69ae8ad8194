"""Encoded pictures and their pixels: encode, decode safely, compare, shrink.

Everything that turns bytes into pixels goes through `decode`, because the bytes may come from a stranger's folder or a
web service: `decode` takes three formats, bounds the size and refuses what is cut off. Colours are taken as sRGB, and
transparency is laid on white. `stamp`, `unstamp` and `sound` are offered here as well.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from typing import TYPE_CHECKING, Literal

from teststrip.errors import PictureError
from teststrip.pictures.containers import sound
from teststrip.pictures.stamps import stamp, unstamp

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

__all__ = [
    "SMALL_ENOUGH",
    "decode",
    "digest_of_pixels",
    "encode_png",
    "is_blank",
    "measure",
    "pixel_digest",
    "small",
    "sound",
    "stamp",
    "thumbnail",
    "unstamp",
    "upright",
]

MAX_BYTES = 64 * 2**20
"""The most bytes a picture file may have. A 4096 x 4096 PNG of pure noise has 50 MB."""

MAX_PIXELS = 64 * 10**6
"""The most pixels a picture may have: 8000 x 8000. A larger one is refused by its header, before it is decoded."""

_ORIENTATION = 0x0112
"""Where EXIF says how a camera was held."""

_ON_ITS_SIDE = (5, 6, 7, 8)
"""Orientations in which width and height change places."""

SMALL_ENOUGH = 256
"""A picture whose longer side has at most so many pixels is its own thumbnail."""


def encode_png(array: NDArray[np.uint8]) -> bytes:
    """A PNG of an array [H, W, 3], uint8, sRGB; lossless.

    Run-length deflate at level 1: 21 ms for 512 x 512 pixels of a photograph against 105 ms with Pillow's defaults,
    and no larger, since PNG's own filters have already done the work.

    Raises:
        ValueError: another shape or type.
    """
    import numpy as np
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(f"a picture is uint8 [H, W, 3], not {array.dtype} {list(array.shape)}")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", compress_type=zlib.Z_RLE, compress_level=1)
    return file.getvalue()


def decode(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a PNG, JPEG or WebP: [H, W, 3], uint8, sRGB.

    Raises:
        PictureError: another format, cut off, damaged, or larger than MAX_BYTES or MAX_PIXELS.
    """
    import numpy as np

    return np.asarray(_open(data), dtype=np.uint8)


def upright(data: bytes) -> PIL.Image.Image:
    """A picture as a model is given it: RGB, turned as its camera says, transparency laid on white.

    Raises:
        PictureError: as `decode`.
    """
    return _open(data, turned=True)


def measure(data: bytes) -> tuple[str, int, int]:
    """The format ("png", "jpg" or "webp"), width and height of a picture as `upright` gives it; no pixel is decoded.

    Raises:
        PictureError: as `decode`, but for damage that only decoding finds.
    """
    form, picture = _read(data)
    width, height = picture.size
    try:
        turned = picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
    except Exception as error:  # as in `_open`
        raise PictureError(f"the {form.upper()} cannot be decoded: {error}") from error
    return ("jpg" if form == "jpeg" else form), *((height, width) if turned else (width, height))


def pixel_digest(data: bytes) -> str:
    """SHA-256 of size and decoded pixels, 64 hexadecimal digits: equal for equal pictures in different files.

    Raises:
        PictureError: as `decode`.
    """
    import numpy as np

    return digest_of_pixels(np.asarray(_open(data), dtype=np.uint8))


def digest_of_pixels(array: NDArray[np.uint8]) -> str:
    """`pixel_digest` of a picture [H, W, 3] that is not encoded yet."""
    digest = hashlib.sha256(f"{array.shape[1]}x{array.shape[0]}:".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


def thumbnail(data: bytes, side: int, form: Literal["WEBP", "PNG", "JPEG"] = "WEBP") -> bytes:
    """A picture whose longer side has at most `side` pixels; nothing is enlarged, no record is inside.

    Raises:
        PictureError: as `decode`.
    """
    picture = _open(data)
    picture.info = {name: value for name, value in picture.info.items() if name == "icc_profile"}
    return _shrunk(picture, side, form)


def small(array: NDArray[np.uint8]) -> bytes:
    """The thumbnail, as WebP, of a picture [H, W, 3] that is not encoded yet.

    An engine has the array at hand, so that no file needs to be decoded for the thumbnail later.

    Returns:
        an encoded picture; b"" where the picture is its own thumbnail.
    """
    import numpy as np
    from PIL import Image

    if max(array.shape[:2]) <= SMALL_ENOUGH:
        return b""
    return _shrunk(Image.fromarray(np.ascontiguousarray(array)), SMALL_ENOUGH, "WEBP")


def _shrunk(picture: PIL.Image.Image, side: int, form: str) -> bytes:
    from PIL import Image

    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, form, quality=82, method=2)
    return file.getvalue()


def is_blank(array: NDArray[np.uint8]) -> bool:
    """Whether a picture [H, W, 3] has one colour: what a NaN or a content filter leaves instead of a picture.

    Two levels of 255 are allowed in each channel, because JPEG does not keep a flat colour exactly.
    """
    pixels = array.reshape(-1, array.shape[-1])
    return bool(((pixels.max(axis=0).astype(int) - pixels.min(axis=0)) <= 2).all())


def _open(data: bytes, *, turned: bool = False) -> PIL.Image.Image:
    from PIL import ImageOps

    form, picture = _read(data)
    try:
        picture.load()
        return _flat(ImageOps.exif_transpose(picture) if turned else picture)
    except Exception as error:  # a parser that is fed a stranger's bytes can raise anything
        raise PictureError(f"the {form.upper()} cannot be decoded: {error}") from error


def _read(data: bytes) -> tuple[str, PIL.Image.Image]:
    """The format of a picture, and the picture by its header alone."""
    from PIL import Image

    if len(data) > MAX_BYTES:
        raise PictureError(f"{len(data) / 2**20:.0f} MB is more than the {MAX_BYTES // 2**20} MB a picture may have")
    form = sound(data)
    try:
        picture = Image.open(io.BytesIO(data), formats=[form.upper()])
        width, height = picture.size
    except Exception as error:  # a parser that is fed a stranger's bytes can raise anything
        raise PictureError(f"the {form.upper()} cannot be decoded: {error}") from error
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{width} x {height} pixels are more than the {MAX_PIXELS // 10**6} million a picture may have"
        )
    return form, picture


def _flat(picture: PIL.Image.Image) -> PIL.Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")
