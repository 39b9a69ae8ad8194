"""A text in the lowest bits of a picture's alpha channel, as NovelAI and some web UIs hide one.

The bits run down column after column: a signature, the length of what follows in bits, then UTF-8, compressed or not.
Such a text survives where a site removes all metadata. Source: the reference reader of NovelAI (nai_meta.py).
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from teststrip.pictures.containers import parse
from teststrip.pictures.pixels import MAX_PIXELS
from teststrip.pictures.texts import MOST_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURES = {b"stealth_pngcomp": True, b"stealth_pnginfo": False}
"""Whether the text that follows is compressed."""
_HEAD = 15 + 4


def hidden(data: bytes) -> str:
    """The text in the alpha channel of a sound file; "" where there is none, or one that is damaged or too large."""
    if parse(data).form == "jpeg" or (bits := _lowest(data)) is None:
        return ""
    import numpy as np

    head = np.packbits(bits[: 8 * _HEAD]).tobytes()
    if len(head) < _HEAD or head[:15] not in SIGNATURES:
        return ""
    size = int.from_bytes(head[15:], "big")
    if size > 8 * MOST_BYTES or 8 * _HEAD + size > len(bits):
        return ""
    body = np.packbits(bits[8 * _HEAD : 8 * _HEAD + size]).tobytes()
    if not SIGNATURES[head[:15]]:
        return body.decode("utf-8", "replace")
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)  # gzip
    try:
        text = inflater.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        return ""
    return text.decode("utf-8", "replace") if len(text) <= MOST_BYTES else ""


def _lowest(data: bytes) -> NDArray[np.uint8] | None:
    """The lowest bit of each pixel's alpha, column by column; None where the picture has no alpha channel."""
    import numpy as np
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(data), formats=["PNG", "WEBP"])
        if picture.mode != "RGBA" or picture.width * picture.height > MAX_PIXELS:
            return None
        return np.asarray(picture.getchannel("A"), dtype=np.uint8).T.reshape(-1) & np.uint8(1)
    except Exception:  # a parser that is fed a stranger's bytes can raise anything
        return None
