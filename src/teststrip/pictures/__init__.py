"""Encoded pictures: from bytes over the records inside them to pixels and contact sheets.

    containers   PNG, JPEG and WebP taken apart and put together, a text inside
    stamps       what a picture file says about itself
    pixels       encode, decode safely, compare, shrink
    sheet        a labelled grid of pictures
    distances    how far two decoded pictures are apart
    plane        where pictures stand by light and colours
    texts        what other tools wrote into a file
    blind        two pictures that only their pixels tell apart
    stealth      a text in the lowest bits of the alpha channel

Nothing outside this room opens a picture.
"""

from teststrip.pictures.containers import sound
from teststrip.pictures.pixels import (
    SMALL_ENOUGH,
    decode,
    digest_of_pixels,
    encode_png,
    is_blank,
    measure,
    pixel_digest,
    small,
    thumbnail,
    upright,
)
from teststrip.pictures.stamps import stamp, unstamp

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
