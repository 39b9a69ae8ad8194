"""Folders that earlier versions made: they open, report, verify and resume, and nothing in them changes its identity.

`old/version-N.zip` is a folder as the version with that ledger left it, in the middle of a study and with one shot
refused; `old/version-N.json` is what that version said of it. To add one: run a study, zip it, and let the version that
made it write the same keys.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

import teststrip
from teststrip import plan as planning
from teststrip.results.result import open_result
from teststrip.store import Store
from teststrip.verbs.run import drive

HERE = Path(__file__).parent / "old"
VERSIONS = sorted(path.stem for path in HERE.glob("*.zip"))


@pytest.fixture(params=VERSIONS)
def old(request, tmp_path):
    """The folder, and what the version that made it said of it."""
    folder = tmp_path / "old"
    with ZipFile(HERE / f"{request.param}.zip") as archive:
        archive.extractall(folder)
    return folder, json.loads((HERE / f"{request.param}.json").read_text(encoding="utf-8"))


def said(folder):
    """What today's version says of a folder, in the words of the file beside it."""
    plan = planning.of(teststrip.read(folder / "study.toml"))
    with Store(folder) as store:
        return {
            "shots": {one.shot.id: [str(one.cell), one.prompt.id, one.replicate] for one in plan},
            "images": {shot: [[i.digest, i.fingerprint_id] for i in images] for shot, images in store.images().items()},
            "failures": {shot: failure.reason for shot, failure in store.failures().items()},
            "scores": [[s.metric, list(s.digests), s.value, s.fingerprint_id] for s in store.scores()],
        }


def test_there_is_an_old_folder():
    assert VERSIONS


def test_an_old_folder_opens_with_the_same_ids_pictures_failures_and_scores(old):
    folder, then = old
    assert said(folder) == then
    with open_result(folder) as result:
        rows = list(result.rows())
        assert [row.planned.shot.id for row in rows] == list(then["shots"])
        assert sum(row.image is not None for row in rows) == len(then["images"])
        assert result.findings


def test_an_old_folder_verifies(old):
    folder, _ = old
    with Store(folder) as store:
        assert store.verify() == []


def test_an_old_folder_resumes_and_makes_only_what_was_missing(old):
    folder, then = old
    before = {path: path.read_bytes() for path in (folder / "images").rglob("*.png")}
    outcome = drive(folder / "study.toml", folder, trackers=())
    with outcome.result as result:
        assert outcome.made == len(then["shots"]) - len(then["images"]) - outcome.final - outcome.failed
        assert outcome.final == len(then["failures"])
        assert {path: path.read_bytes() for path in before} == before
        assert len(result.store.images()) == len(then["images"]) + outcome.made
    now = said(folder)
    assert {shot: now["images"][shot] for shot in then["images"]} == then["images"]
    assert [score for score in then["scores"] if score not in now["scores"] and score[0] != "diversity"] == []
    with Store(folder) as store:
        assert store.verify() == []


def test_thumbnails_where_earlier_versions_kept_them_are_left_alone(old):
    folder, _ = old
    kept = folder / "page" / "thumbs" / "ab" / "abc.webp"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"old")
    drive(folder / "study.toml", folder, trackers=()).result.close()
    assert kept.read_bytes() == b"old"


def test_an_old_folder_whose_pictures_are_copied_elsewhere_gets_the_same_ledger_back(old, tmp_path):
    from teststrip.store import rebuild

    folder, then = old
    other = tmp_path / "other"
    shutil.copytree(folder / "images", other / "images")
    assert rebuild(other) == len(then["images"])
    with Store(other) as store:
        found = {shot: [[i.digest, i.fingerprint_id] for i in images] for shot, images in store.images().items()}
    assert found == then["images"]
