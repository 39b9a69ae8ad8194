"""A stranger's rows and pictures, case by case: what is refused, what is said, and what mends it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import time
import zlib
from pathlib import Path

import pytest
from tests import studies
from tests.hostile import verbs

from teststrip import store
from teststrip.errors import StoreError
from teststrip.pictures.containers import parse
from teststrip.results.result import open_result
from teststrip.store import Store, files, inside
from teststrip.verbs import export, verify
from teststrip.verbs.run import drive
from teststrip.views import board, page, report

READING = {name: verb for name, verb in verbs.READING.items() if name not in ("plan", "verify")}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ready") / "study"
    drive(verbs.study(), folder, trackers=()).result.close()
    return folder


@pytest.fixture
def folder(ready, tmp_path):
    (tmp_path / verbs.OWN).mkdir()
    return shutil.copytree(ready, tmp_path / "study")


def execute(folder, statement, *values):
    ledger = sqlite3.connect(folder / "study.sqlite")
    with ledger:
        count = ledger.execute(statement, values).rowcount
    ledger.close()
    assert count


def one_picture(folder):
    with Store(folder) as opened:
        return next(iter(opened.images().values()))[0]


# --- Rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE images SET path = '../../.ssh/id_rsa'", "images '"),
        ("UPDATE images SET digest = '../../outside/pwn'", "images '../../outside/pwn'"),
        ("UPDATE images SET path = char(27) || ']0;title'", "images '"),
        ("UPDATE images SET seconds = 9e999", "images '"),
        ("UPDATE images SET facts = '{\"denoiser_calls\": NaN}'", "images '"),
        ("UPDATE scores SET value = 'abc'", "scores 'seconds'"),
        ("UPDATE scores SET metric = char(27) || ']0;title'", "scores '\\x1b]0;title'"),
        ("UPDATE failures SET text = 'junk'", "failures '"),
        ("UPDATE studies SET text = '{'", "studies 'little'"),
    ],
)
def test_verify_says_which_rows_cannot_be_believed_and_the_remedy_that_it_names_mends_them(folder, statement, named):
    execute(folder, statement)
    with open_result(folder) as result:
        found = verify.verify(result)
    assert not found.good
    said = [line for line in found.problems if line.startswith(f"study.sqlite: {named}")]
    assert said, found.problems
    assert all(f"Run: teststrip verify --rebuild {folder}" in line and line.isprintable() for line in said)
    store.rebuild(folder)
    drive(verbs.study(), folder, trackers=()).result.close()
    with open_result(folder) as result:
        assert verify.verify(result).good


def test_of_a_thousand_rows_that_cannot_be_believed_verify_names_twenty(folder):
    ledger = sqlite3.connect(folder / "study.sqlite")
    with ledger:
        ledger.executemany("INSERT INTO scores VALUES ('seconds', ?, 'none', 1)", [(f"f{n}",) for n in range(1000)])
    ledger.close()
    with open_result(folder) as result:
        problems = verify.verify(result).problems
    assert len(problems) == 21
    assert "980 more rows are like this" in problems[-1]


@pytest.mark.parametrize("name", READING)
def test_a_row_that_cannot_be_believed_is_one_line_with_the_remedy_in_every_verb(folder, name):
    execute(folder, "UPDATE images SET path = '../outside/secret.png' WHERE sequence = 1")
    with pytest.raises(StoreError, match=r"images .* no picture of this folder. Run: teststrip verify --rebuild"):
        READING[name](folder)


def test_a_run_says_in_one_line_that_the_ledger_does_not_know_what_made_its_pictures(folder):
    execute(folder, "UPDATE images SET fingerprint_id = 'none'")
    with pytest.raises(StoreError, match=r"does not say what made its pictures. Run: teststrip verify --rebuild"):
        drive(verbs.study(), folder, trackers=())


def test_what_an_engine_says_is_refused_where_it_could_not_be_read_again(folder):
    with Store(folder) as opened:
        image = next(iter(opened.images().values()))[0]
    for wrong in ({"denoiser_calls": "abc"}, {"price": -1}, {"denoiser_calls": True}):
        execute(folder, "UPDATE images SET facts = ? WHERE digest = ?", json.dumps(wrong), image.digest)
        with Store(folder) as opened, pytest.raises(StoreError, match="no number that can be meant"):
            opened.images()


# --- Pictures ------------------------------------------------------------------------------------------------


def harm(path: Path, kind: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "damaged":
        path.write_bytes(data[:-9] + b"x" * 9)
    elif kind == "a link":
        (path.parent.parent.parent.parent / "secret").write_bytes(data)
        path.symlink_to(path.parent.parent.parent.parent / "secret")
    elif kind == "6 GB":
        with path.open("wb") as file:
            file.truncate(6 * 10**9)


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX")
@pytest.mark.parametrize("kind", ["gone", "damaged", "a FIFO", "a folder", "a link", "6 GB"])
def test_a_picture_that_cannot_be_read_counts_as_missing_is_said_and_the_views_go_on(folder, kind):
    image = one_picture(folder)
    harm(folder / image.path, kind)
    shutil.rmtree(folder / "thumbs")
    shutil.rmtree(folder / "page")
    with open_result(folder) as result:
        page.write(result, folder / "page")
        html = export.write(result, "html").read_text()
        export.write(result, "contact-sheet")
        result._repr_html_()
        shown = board.of(result)
        assert any(image.path in str(problem) for problem in result.store.verify())
    data = (folder / "page" / "data.js").read_text()
    for text in (data, html):
        assert "1 picture cannot be read, for example: " in text
        assert image.path in text
        made = shown["progress"]["made"]
        assert f'"made":{made - 1},' in text


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX")
@pytest.mark.parametrize("kind", ["gone", "damaged", "a FIFO", "a folder", "a link", "6 GB"])
def test_the_next_run_makes_such_a_picture_again(folder, kind):
    image = one_picture(folder)
    good = (folder / image.path).read_bytes()
    harm(folder / image.path, kind)
    if kind in ("damaged", "6 GB"):
        execute(
            folder, "UPDATE images SET size = ? WHERE digest = ?", (folder / image.path).stat().st_size, image.digest
        )
    with open_result(folder) as result:
        verify.verify(result)
    drive(verbs.study(), folder, trackers=()).result.close()
    again = one_picture(folder)
    assert parse((folder / again.path).read_bytes()).form == parse(good).form
    with open_result(folder) as result:
        assert verify.verify(result).good


def test_pictures_that_vanish_while_a_run_goes_on_cost_it_no_more_than_their_places(tmp_path):
    study = studies.little()

    class Vandal:
        options = {}  # noqa: RUF012

        def on_event(self, event):
            if type(event).__name__ == "Saved" and event.left == 0:
                shutil.rmtree(tmp_path / "study" / "images")

        def close(self):
            pass

    with drive(study, tmp_path / "study", trackers=[Vandal()]).result:
        pass
    assert "4 pictures cannot be read" in (tmp_path / "study" / "page" / "data.js").read_text()
    with drive(study, tmp_path / "study", trackers=()).result as result:
        assert result.made == 4


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def drawn(width: int, height: int, *, pixels: bytes = b"", before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


HOSTILE = {
    "60000 x 60000": drawn(60_000, 60_000, pixels=bytes(60_001)),
    "169 megapixels": drawn(13_000, 13_000, pixels=bytes(13_001 * 13_000)),
    "junk": b"junk" * 100,
    "nothing": b"",
    "cut": drawn(300, 300, pixels=bytes(301 * 300))[:-30],
    "text bomb": drawn(8, 8, pixels=bytes(72), before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 * 2**20)))),
    "1 x 100000": drawn(1, 100_000, pixels=bytes(200_000)),
    "100000 x 1": drawn(100_000, 1, pixels=bytes(100_001)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_in_every_row_stops_no_view_and_takes_no_time(folder, name):
    data = HOSTILE[name]
    digest = files.digest_of_bytes(data)
    path = files.address(digest, "png")
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(data)
    execute(folder, "UPDATE images SET path = ?, digest = ?, size = ?", path, digest, max(len(data), 1))
    since = time.process_time()
    with open_result(folder) as result:
        export.write(result, "contact-sheet")
        export.write(result, "html")
        page.write(result, folder / "page")
        report.write(result, folder)
        result._repr_html_()
    assert time.process_time() - since < 10


def test_a_contact_sheet_has_prompts_with_line_breaks_as_its_rows(tmp_path):
    study = studies.little(prompts=["an owl\nat night", "a\r\n\n\trose"])
    with drive(study, tmp_path / "study", trackers=()).result as result:
        assert export.write(result, "contact-sheet").stat().st_size > 1000
        assert export.write(
            result, "contact-sheet", tmp_path / "a.pdf", columns="prompt", rows="guidance_scale"
        ).exists()


# --- The folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "", "a\0b", "a/.."])
def test_a_path_that_is_no_part_of_the_folder_is_neither_read_nor_written(tmp_path, path):
    for use in (lambda: inside.write(tmp_path, path, "x"), lambda: inside.opened(tmp_path, path, 9)):
        with pytest.raises(StoreError, match="no part of this folder"):
            use()


def test_what_leads_out_of_a_trackers_folder_is_removed_and_what_stays_in_it_is_kept(tmp_path):
    own, outside = tmp_path / "study" / "trackers" / "x", tmp_path / "outside"
    (own / "runs").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (own / "runs" / "latest").symlink_to("run-1")
    (own / "log").symlink_to(outside / "secret")
    (own / "runs" / "away").symlink_to(outside)
    (own / "round").symlink_to("round")
    os.mkfifo(own / "pipe")
    inside.cut(tmp_path / "study", "trackers/x")
    assert sorted(path.name for path in own.rglob("*")) == ["latest", "runs"]
    assert (outside / "secret").read_text() == "secret"


def test_a_script_of_pixels_that_holds_anything_else_is_written_anew(folder):
    image = one_picture(folder)
    script = folder / "page" / "pixels" / image.digest[:2] / f"{image.digest}.js"
    good = script.read_text()
    for evil in (f"alert(1);{good}", good.replace('");', '"),alert(1),("");'), good.replace(image.digest, "ab" * 32)):
        script.write_text(evil)
        with open_result(folder) as result:
            page.write(result, folder / "page")
        assert script.read_text() == good
