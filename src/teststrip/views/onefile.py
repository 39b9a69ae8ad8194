"""The page in one file, pictures inside: to mail, or to put anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import pictures
from teststrip.store import files
from teststrip.views import board as boards
from teststrip.views import page

if TYPE_CHECKING:
    from teststrip.results import Result

LONGEST_INLINE = 1024  # pixels of the longer edge of a picture inside the one-file page


def html(result: Result, _: str = ".html", *, side: int = LONGEST_INLINE) -> bytes:
    """The page of a result as one HTML document.

    Args:
        result: finished or not.
        side: pictures whose longer edge has more pixels are made smaller; the study folder keeps the originals.
    """
    board = boards.shown(boards.of(result), lambda place: _inline(place, result.folder, side))
    style = page.asset(page.STYLE).decode().replace(page.FONT, page.data_font())
    scripts = [page.data_script({**board, "root": ""}).decode(), page.asset(page.SCRIPT).decode()]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(page.source_of, scripts))}; "
        f"style-src {page.source_of(style)}; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    text = page.html(
        policy=policy,
        styles=f"<style>{style}</style>",
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )
    return text.encode()


def _inline(place: Mapping[str, Any], folder: Path, side: int) -> Mapping[str, Any]:
    data = files.read_whole(folder, place["file"])
    if max(place["size"]) > side:
        data = pictures.thumbnail(data, side)
    return {**place, "file": page.data_address(data)}
