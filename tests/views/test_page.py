"""The static page is a folder of whole files that holds all it needs."""

import hashlib
import io
import re
import shutil
from pathlib import Path

import PIL.Image
import pytest
from tests.browser.boards import rows_of, study_of

from teststrip.records import Image, Row
from teststrip.views import board, page


def written(folder: Path, rows: list[Row] | None = None) -> Path:
    study = study_of(["an owl"], ["soft", "hard"])
    return page.write_board(board.build(study, rows or list(rows_of(study, folder))), folder, folder / "page")


def test_everything_the_page_names_is_in_its_folder(tmp_path: Path) -> None:
    index = written(tmp_path)
    names = re.findall(r'(?:src|href)="([^"]+)"', index.read_text(encoding="utf-8"))
    assert len(names) == 4  # an icon, one style sheet, the data, one script
    assert [name for name in names if name != "data:," and not (index.parent / name).is_file()] == []


def test_writing_again_leaves_no_temporary_file_and_makes_no_small_picture_twice(tmp_path: Path) -> None:
    index = written(tmp_path)
    pixels = sorted((index.parent / "pixels").rglob("*.js"))
    before = [path.stat().st_mtime_ns for path in pixels]
    written(tmp_path)
    assert [path.stat().st_mtime_ns for path in pixels] == before
    assert len(pixels) == 4
    assert [path for path in index.parent.rglob("*") if path.name.startswith(".")] == []


def test_a_large_picture_gets_a_thumbnail_and_a_small_one_none(tmp_path: Path) -> None:
    study = study_of(["an owl"], ["soft"])
    small, large = rows_of(study, tmp_path)
    assert large.image
    stream = io.BytesIO()
    PIL.Image.new("RGB", (640, 320), "teal").save(stream, "PNG")
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    path = f"images/{digest[:2]}/{digest}.png"
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(stream.getvalue())
    image = Image(large.image.shot_id, digest, path, 640, 320, 1, 1.0, "f")
    index = written(tmp_path, [small, Row(large.planned, image=image)])
    (thumb,) = (tmp_path / "thumbs").rglob("*.webp")
    assert thumb.stem == digest
    with PIL.Image.open(thumb) as opened:
        assert opened.size == (256, 128)
    said = (index.parent / "data.js").read_text(encoding="utf-8")
    assert said.count('"thumb":') == 1
    assert f'"thumb":"thumbs/{digest[:2]}/{digest}.webp"' in said
    # A study folder that may only be read keeps no thumbnail: the page shows the picture itself.
    shutil.rmtree(tmp_path / "thumbs")
    (tmp_path / "thumbs").write_text("in the way")
    index = written(tmp_path, [small, Row(large.planned, image=image)])
    assert '"thumb":' not in (index.parent / "data.js").read_text(encoding="utf-8")


def test_the_page_may_lie_anywhere(tmp_path: Path) -> None:
    study = study_of(["an owl"], ["soft"])
    elsewhere = tmp_path / "a" / "b" / "page"
    (tmp_path / "study").mkdir()
    page.write_board(board.build(study, list(rows_of(study, tmp_path / "study"))), tmp_path / "study", elsewhere)
    assert '"root":"../../../study/"' in (elsewhere / "data.js").read_text(encoding="utf-8")


def test_every_asset_is_shipped_with_its_licence() -> None:
    folder = Path(page.__file__).parent / "assets"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    known = {
        *(source for sources in page.JOINED.values() for source in sources),
        page.FONT,
        *page.LICENCES,
        "index.html",
        "launch.html",
        "launch.js",
        "launch.css",
        "vendor/README.md",
    }
    assert there == known
    said = (folder / "vendor" / "README.md").read_text(encoding="utf-8")
    for name in ("htm-preact.js", "inter-latin.woff2"):
        assert name in said
    for licence in page.LICENCES:
        assert Path(licence).name in said


@pytest.mark.parametrize("name", sorted({*page.SCRIPTS[1:], *page.VOTE_SCRIPTS[1:]}))
def test_each_script_is_one_idea_below_400_lines(name: str) -> None:
    lines = page.source(name).decode().splitlines()
    assert len(lines) < 400
    assert lines[0].startswith("/**")
    assert not any("innerHTML" in line or "eval(" in line for line in lines)
