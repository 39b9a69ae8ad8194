"""The static page: a folder that opens from disk or from any static host, without a server.

    page/index.html   a strict Content-Security-Policy, no inline code
    page/assets/      style sheets, classic scripts, a font
    page/data.js      the board (`board.py`)
    page/pixels/      small pictures as scripts, written once: a page from disk may show a file but not read it

Pictures and their thumbnails lie where the store keeps them, in `images/` and `thumbs/` of the study folder.

Knows boards and files; how a page looks and behaves is in `assets/`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import disk
from teststrip.folder import PIXELS
from teststrip.store import files, thumbs
from teststrip.views import board as boards

if TYPE_CHECKING:
    from teststrip.results.result import Result

STYLES = ("tokens.css", "page.css", "lightbox.css")
SCRIPTS = (
    "vendor/htm-preact.js",
    "board.js",
    "numbers.js",
    "view.js",
    "layout.js",
    "store.js",
    "icons.js",
    "say.js",
    "pop.js",
    "card.js",
    "tile.js",
    "grid.js",
    "zoom.js",
    "takeaway.js",
    "lightbox.js",
    "bar.js",
    "head.js",
    "flip.js",
    "pixels.js",
    "compare.js",
    "charts.js",
    "sheet.js",
    "live.js",
    "app.js",
)
FONT = "vendor/inter-latin.woff2"
ASSETS = (*STYLES, *SCRIPTS, FONT)
LICENCES = ("vendor/LICENSE.htm", "vendor/LICENSE.preact", "vendor/LICENSE.inter")

# `file:` beside 'self': a page from disk has an opaque origin, which 'self' does not match in every browser.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file: data: blob:; "
    "font-src 'self' file:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def write(result: Result, folder: Path) -> Path:
    """Write or renew the page of a result.

    Args:
        result: finished or not.
        folder: of the page; made when missing. Files in it are replaced one by one, each in one step.

    Returns:
        The path of index.html.
    """
    return write_board(boards.of(result), result.folder, folder)


def write_board(board: Mapping[str, Any], study_folder: Path, folder: Path) -> Path:
    """Write the page of a board whose pictures lie under `study_folder`; returns the path of index.html."""
    (folder / "assets" / "vendor").mkdir(parents=True, exist_ok=True)
    for name in (*ASSETS, *LICENCES):
        disk.replace(folder / "assets" / name, asset(name))
    places = [_with_small(place, study_folder, folder) for place in board["places"]]
    root = Path(os.path.relpath(study_folder, folder)).as_posix() + "/"
    disk.replace(folder / "data.js", data_script({**board, "places": places, "root": root}))
    index = folder / "index.html"
    disk.replace(index, html(policy=POLICY, styles=styles(), scripts=scripts("data.js")).encode())
    return index


def data_script(board: Mapping[str, Any]) -> bytes:
    """The board as a classic script, since a page from disk may not fetch."""
    return f"globalThis.teststripBoard = {boards.to_json(board)};\n".encode()


def html(*, policy: str, styles: str, scripts: str) -> str:
    """index.html with its three places filled; none of them holds a user's text."""
    return (
        asset("index.html")
        .decode()
        .replace("{{csp}}", policy)
        .replace("{{styles}}", styles)
        .replace("{{scripts}}", scripts)
    )


def asset(name: str) -> bytes:
    """One file of `assets/`."""
    found: Traversable = resources.files("teststrip.views") / "assets"
    return found.joinpath(*name.split("/")).read_bytes()


def source_of(text: str) -> str:
    """The hash source that lets a Content-Security-Policy allow one inline script or style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def styles() -> str:
    """The link elements of a page."""
    return "\n".join(f'<link rel="stylesheet" href="assets/{name}">' for name in STYLES)


def scripts(data: str) -> str:
    """The script elements of a page; the data comes just before the script that starts it."""
    names = [f"assets/{name}" for name in SCRIPTS]
    return "\n".join(f'<script src="{name}"></script>' for name in [*names[:-1], data, names[-1]])


def _with_small(place: Mapping[str, Any], study_folder: Path, folder: Path) -> Mapping[str, Any]:
    """The place with the path of its thumbnail; its pixels are written beside the page where they are not there yet.

    Where no thumbnail can be kept, in a study folder that may only be read, the page shows the picture itself.
    """
    if "file" not in place:
        return place
    file, digest = place["file"], place["digest"]
    large = thumbs.wanted(*place["size"])
    pixels = folder / PIXELS / digest[:2] / f"{digest}.js"
    if not pixels.exists() or (large and not thumbs.there(study_folder, file)):
        small = thumbs.of(study_folder, file) if large else files.read_whole(study_folder, file)
        pixels.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(pixels, f'Pixels.arrived("{digest}", "{data_address(small)}");\n')
    return {**place, "thumb": thumbs.address(file)} if large and thumbs.there(study_folder, file) else place


def data_address(data: bytes) -> str:
    """An encoded picture as a data: address."""
    kinds = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp"}
    kind = next((kind for magic, kind in kinds.items() if data.startswith(magic)), "png")
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()
