"""The static page: a folder that opens from disk or from any static host, without a server.

    page/index.html   a strict Content-Security-Policy, no inline code
    page/assets/      one style sheet, one classic script, a font
    page/data.js      the board (`board.py`)
    page/pixels/      small pictures as scripts, written once: a page from disk may show a file but not read it

Pictures and their thumbnails lie where the store keeps them, in `images/` and `thumbs/` of the study folder.

Knows boards and files; how a page looks and behaves is in `assets/`, whose scripts and styles are written as one file
of each kind: thirty files from a disk took a browser 90 ms longer to the first grid than one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip.errors import StoreError
from teststrip.folder import PIXELS
from teststrip.store import files, inside, thumbs
from teststrip.views import board as boards

if TYPE_CHECKING:
    from teststrip.results.result import Result

STYLES = ("tokens.css", "page.css", "answer.css", "lightbox.css", "seeds.css")
SCRIPTS = (
    "vendor/htm-preact.js",
    "hooks.js",
    "board.js",
    "numbers.js",
    "phrases.js",
    "view.js",
    "pivot.js",
    "layout.js",
    "seeds.js",
    "tint.js",
    "store.js",
    "icons.js",
    "say.js",
    "pop.js",
    "card.js",
    "tile.js",
    "labels.js",
    "shown.js",
    "measures.js",
    "grid.js",
    "zoom.js",
    "takeaway.js",
    "lightbox.js",
    "picks.js",
    "bar.js",
    "help.js",
    "answer.js",
    "settings.js",
    "theme.js",
    "head.js",
    "flip.js",
    "pixels.js",
    "compare.js",
    "charts.js",
    "film.js",
    "sheet.js",
    "live.js",
    "app.js",
)
FONT = "vendor/inter-latin.woff2"
STYLE, SCRIPT = "teststrip.css", "teststrip.js"
VOTE_STYLE, VOTE_SCRIPT = "vote.css", "vote.js"
VOTE_SCRIPTS = (
    "vendor/htm-preact.js",
    "hooks.js",
    "numbers.js",
    "icons.js",
    "zoom.js",
    "theme.js",
    "ballot.js",
    "booth.js",
)
JOINED = {
    STYLE: STYLES,
    SCRIPT: SCRIPTS,
    VOTE_STYLE: ("tokens.css", "booth.css"),
    VOTE_SCRIPT: VOTE_SCRIPTS,
}
"""Assets that are written as one, by the file that a page names."""
ASSETS = (STYLE, SCRIPT, FONT)
"""What a page names."""
LICENCES = ("vendor/LICENSE.htm", "vendor/LICENSE.preact", "vendor/LICENSE.inter")

_PIXELS = re.compile(rb'Pixels\.arrived\("([0-9a-f]{64})", "data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/=]*"\);\n')
_MOST_BYTES = 2**20  # of a file of pixels: a raw picture of 256 x 256 has 262 KB in base64

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
    put = _Put.of(study_folder, folder)
    for name in (*ASSETS, *LICENCES):
        put(f"assets/{name}", asset(name))
    board = boards.shown(board, lambda place: _with_small(place, study_folder, put))
    root = Path(os.path.relpath(study_folder, folder)).as_posix() + "/"
    put("data.js", data_script({**board, "root": root}))
    return put("index.html", index(POLICY))


def data_script(board: Mapping[str, Any]) -> bytes:
    """The board as a classic script, since a page from disk may not fetch.

    The script parses a string, which a browser does faster than it reads the same text as an object: 10,000 pictures
    stood 50 ms earlier in Chromium.
    """
    text = boards.to_json(board).replace("\\", "\\\\").replace("'", "\\'")
    return f"globalThis.teststripBoard = JSON.parse('{text}');\n".encode()


def index(policy: str) -> bytes:
    """index.html of a page whose data are a file beside it. The data come before the script that starts the page."""
    scripts = "\n".join(f'<script src="{name}"></script>' for name in ("data.js", f"assets/{SCRIPT}"))
    styles = f'<link rel="stylesheet" href="assets/{STYLE}">'
    return html(policy=policy, styles=styles, scripts=scripts).encode()


def voting(policy: str) -> bytes:
    """index.html of the page to vote on, which asks its server for the pairs."""
    styles = f'<link rel="stylesheet" href="assets/{VOTE_STYLE}">'
    return html(policy=policy, styles=styles, scripts=f'<script src="assets/{VOTE_SCRIPT}"></script>').encode()


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
    """One file that a page or a door names: as it lies in `assets/`, or joined from several there."""
    return b"\n".join(map(source, JOINED.get(name, (name,))))


def source(name: str) -> bytes:
    """One file of `assets/`."""
    found: Traversable = resources.files("teststrip.views") / "assets"
    return found.joinpath(*name.split("/")).read_bytes()


def source_of(text: str) -> str:
    """The hash source that lets a Content-Security-Policy allow one inline script or style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


@dataclass(frozen=True, slots=True)
class _Put:
    """Writes the files of a page.

    Attributes:
        root: no link below this folder is followed.
        below: of the page, relative to the root; empty or with a slash at its end.
    """

    root: Path
    below: str

    @classmethod
    def of(cls, study_folder: Path, folder: Path) -> _Put:
        """For a page in a folder: a page inside the study folder has the study folder as its root."""
        if folder != study_folder and folder.is_relative_to(study_folder):
            return cls(study_folder, f"{folder.relative_to(study_folder).as_posix()}/")
        return cls(folder, "")

    def __call__(self, name: str, data: bytes | str) -> Path:
        """Replace a file of the page, and return its path."""
        return inside.write(self.root, f"{self.below}{name}", data)

    def has_pixels(self, name: str, digest: str) -> bool:
        """Whether a file of pixels is there, and holds nothing but the pixels of that picture."""
        try:
            text = inside.read(self.root, f"{self.below}{name}", _MOST_BYTES)
        except (OSError, StoreError):
            return False
        # The file runs as a script, and it may be a stranger's.
        return (found := _PIXELS.fullmatch(text)) is not None and found[1].decode() == digest


def _with_small(place: Mapping[str, Any], study_folder: Path, put: _Put) -> Mapping[str, Any]:
    """The place with the path of its thumbnail; its pixels are written beside the page where they are not there yet.

    Where no thumbnail can be kept, in a study folder that may only be read, the page shows the picture itself.
    """
    file, digest = place["file"], place["digest"]
    large = thumbs.wanted(*place["size"])
    pixels = f"{PIXELS}/{digest[:2]}/{digest}.js"
    if not put.has_pixels(pixels, digest) or (large and not thumbs.there(study_folder, file)):
        small = thumbs.renewed(study_folder, file) if large else files.read_whole(study_folder, file)
        put(pixels, f'Pixels.arrived("{digest}", "{data_address(small)}");\n')
    elif not files.there(study_folder, file):
        raise StoreError(f"{study_folder}: {file} is gone. {files.REMEDY}")
    return {**place, "thumb": thumbs.address(file)} if large and thumbs.there(study_folder, file) else place


def data_font() -> str:
    """The font as a data: address."""
    return "data:font/woff2;base64," + base64.b64encode(asset(FONT)).decode()


def data_address(data: bytes) -> str:
    """An encoded picture as a data: address."""
    kinds = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp"}
    kind = next((kind for magic, kind in kinds.items() if data.startswith(magic)), "png")
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()
