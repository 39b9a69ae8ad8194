"""What Trackio's own reader finds is what the store holds."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tests.command import command, environment
from tests.trackers import told

from teststrip.results.result import open_result
from teststrip.verbs import export

READ = """
import json, sys, trackio
from trackio.sqlite_storage import SQLiteStorage
runs = [
    {"name": run.name, "config": run.config, "logs": SQLiteStorage.get_logs(run.project, run.name, run_id=run.id)}
    for run in trackio.Api().runs("teststrip")
]
print(json.dumps(runs))
"""


def read(study: Path) -> list[dict[str, Any]]:
    """All runs, by Trackio itself; in a process of its own, since it takes its folder from the environment once."""
    place = {"TRACKIO_DIR": str(study / "trackers" / "trackio"), "HF_HUB_OFFLINE": "1"}
    said = subprocess.run(
        [sys.executable, "-c", READ], env={**environment(), **place}, check=True, capture_output=True, timeout=60
    )
    runs: list[dict[str, Any]] = json.loads(said.stdout)
    return runs


def table(run: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (found,) = [log[name]["_value"] for log in run["logs"] if name in log]
    return list(found)


def media(study: Path) -> set[Path]:
    return set(told.files(study / "trackers" / "trackio" / "media"))


def without_names(run: dict[str, Any]) -> Any:
    """What a run says, without times and the random names of its files."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in ("file_path", "timestamp", "_Created")}
        return [plain(v) for v in value] if isinstance(value, list) else value

    return plain(run)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return told.made(tmp_path_factory.mktemp("trackio"), "trackio")


def test_the_table_of_pictures_has_every_place_of_the_design_and_a_picture_where_there_is_one(study: Path) -> None:
    (run,) = read(study)
    lines, rows = table(run, "pictures"), told.rows_of(study)
    assert len(lines) == len(rows) == 16
    for line, row in zip(lines, rows, strict=True):
        assert line["guidance_scale"] == row.planned.shot.settings["guidance_scale"]
        assert line["seed"] == row.planned.shot.seed
        if row.image is None:
            assert (line["picture"], line["digest"]) == (None, None)
            continue
        assert line["digest"] == line["picture"]["caption"] == row.image.digest
        assert {name: line[name] for name in row.scores} == row.scores
        with PIL.Image.open(study / "trackers" / "trackio" / "media" / line["picture"]["file_path"]) as picture:
            assert picture.size == (row.image.width, row.image.height)
            assert not {"parameters", "teststrip", "exif", "xmp"} & set(picture.info)
    assert len(media(study)) == len(told.digests(rows))


def test_counts_and_curves_are_those_of_the_store(study: Path) -> None:
    (run,) = read(study)
    rows = told.rows_of(study)
    (counts,) = [log for log in run["logs"] if "images" in log]
    assert (counts["images"], counts["failures"]) == (len(told.digests(rows)), 2)
    wanted = told.means(rows, "sharpness", lambda row: row.planned.shot.settings["num_inference_steps"])
    key = "by num_inference_steps/sharpness"
    assert {log["step"]: log[key] for log in run["logs"] if key in log} == pytest.approx(wanted)
    cells = told.means(rows, "sharpness", lambda row: row.planned.cell)
    assert sorted(line["sharpness"] for line in table(run, "settings")) == pytest.approx(sorted(cells.values()))


def test_telling_a_study_again_replaces_the_run_and_its_pictures(study: Path) -> None:
    before, pictures = [without_names(run) for run in read(study)], len(media(study))
    with open_result(study) as result:
        where = export.tell(result, "trackio")
    assert where == f"TRACKIO_DIR={study / 'trackers' / 'trackio'} trackio show --project teststrip"
    assert [without_names(run) for run in read(study)] == before
    assert len(media(study)) == pictures


def test_a_run_that_was_killed_is_told_once_when_it_has_gone_on(tmp_path: Path) -> None:
    study = tmp_path / "little"
    database = study / "trackers" / "trackio" / "teststrip.db"

    def begun() -> bool:
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as opened:
            return bool(opened.execute("select count(*) from metrics").fetchone()[0])
        return False

    told.killed_run(tmp_path, "trackio", lambda: database.is_file() and begun())
    (half,) = read(study)
    assert half["logs"][0]["images"] == 1
    assert not any("pictures" in log for log in half["logs"])
    told.goes_on(tmp_path, "trackio")
    (run,) = read(tmp_path / "little")
    rows = told.rows_of(tmp_path / "little")
    assert [log["images"] for log in run["logs"] if "images" in log] == [28]
    assert [line["digest"] for line in table(run, "pictures") if line["digest"]] == [
        row.image.digest for row in rows if row.image
    ]
    assert len(media(tmp_path / "little")) == 28


def test_two_studies_of_one_name_in_a_shared_folder_are_two_runs(tmp_path: Path) -> None:
    shared = {"TRACKIO_DIR": str(tmp_path / "shared")}
    for place in ("a", "b"):
        command(
            "run", told.study_file(tmp_path), "--out", place, "--tracker", "trackio", cwd=tmp_path, code=3, **shared
        )
    (tmp_path / "little" / "trackers").mkdir(parents=True)
    (tmp_path / "little" / "trackers" / "trackio").symlink_to(tmp_path / "shared")
    runs = read(tmp_path / "little")
    assert len({run["name"] for run in runs}) == len(runs) == 2
    assert {len(table(run, "pictures")) for run in runs} == {16}


def test_nothing_of_the_machine_or_its_secrets_is_written(tmp_path: Path) -> None:
    study = told.made(tmp_path, "trackio")
    # A Space would be on the network: the account stays here whatever the environment says.
    told.with_canaries(tmp_path, "export", "little", "--to", "trackio", TRACKIO_SPACE_ID="nobody/nothing")
    assert list(told.leaks(study / "trackers" / "trackio")) == []
    (run,) = read(study)
    assert run["config"]["_Username"] is None
