"""What Trackio's own reader finds is what the store holds."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import PIL.Image
import pytest
from tests.command import command, environment
from tests.trackers import runs

from teststrip.testing.tracker_contract import StudyTrackerContract

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
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def table(run: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (found,) = [log[name]["_value"] for log in run["logs"] if name in log]
    return list(found)


def media(study: Path) -> set[Path]:
    return set(runs.files(study / "trackers" / "trackio" / "media"))


def without_names(run: dict[str, Any]) -> Any:
    """What a run says, without times and the random names of its files."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in ("file_path", "timestamp", "_Created")}
        return [plain(v) for v in value] if isinstance(value, list) else value

    return plain(run)


def captions(value: Any) -> Iterator[str]:
    """Of all pictures, wherever they stand: the digests of their images."""
    if isinstance(value, dict):
        if value.get("_type") == "trackio.image":
            yield value["caption"]
        for part in value.values():
            yield from captions(part)
    elif isinstance(value, list):
        for part in value:
            yield from captions(part)


class TestTrackioKeepsTheContract(StudyTrackerContract):
    name = "trackio"
    hostile: ClassVar[Mapping[str, str]] = {"TRACKIO_SPACE_ID": "nobody/nothing"}  # a Space is on the network

    def pictures(self, folder: Path) -> set[str]:
        """Read while Trackio may be writing, so without Trackio."""
        database = folder / "trackers" / "trackio" / "teststrip.db"
        if database.is_file():
            with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as opened:
                return set(captions([json.loads(text) for (text,) in opened.execute("SELECT metrics FROM metrics")]))
        return set()

    def contents(self, folder: Path) -> object:
        said = [{**without_names(run), "name": ""} for run in read(folder)]
        return said, len(media(folder))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.made(tmp_path_factory.mktemp("trackio"), "trackio")


def test_the_table_of_pictures_has_every_place_of_the_design_and_a_picture_where_there_is_one(study: Path) -> None:
    (run,) = read(study)
    lines, rows = table(run, "pictures"), runs.rows_of(study)
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
    assert len(media(study)) == len(runs.digests(rows))


def test_counts_and_curves_are_those_of_the_store(study: Path) -> None:
    (run,) = read(study)
    rows = runs.rows_of(study)
    (counts,) = [log for log in run["logs"] if "images" in log]
    assert (counts["images"], counts["failures"]) == (len(runs.digests(rows)), 2)
    wanted = runs.means(rows, "sharpness", lambda row: row.planned.shot.settings["num_inference_steps"])
    key = "by num_inference_steps/sharpness"
    assert {log["step"]: log[key] for log in run["logs"] if key in log} == pytest.approx(wanted)
    cells = runs.means(rows, "sharpness", lambda row: row.planned.cell)
    assert sorted(line["sharpness"] for line in table(run, "settings")) == pytest.approx(sorted(cells.values()))


def test_two_studies_of_one_name_in_a_shared_folder_are_two_runs(tmp_path: Path) -> None:
    shared = {"TRACKIO_DIR": str(tmp_path / "shared")}
    for place in ("a", "b"):
        command(
            "run", runs.study_file(tmp_path), "--out", place, "--tracker", "trackio", cwd=tmp_path, code=3, **shared
        )
    (tmp_path / "little" / "trackers").mkdir(parents=True)
    (tmp_path / "little" / "trackers" / "trackio").symlink_to(tmp_path / "shared")
    both = read(tmp_path / "little")
    assert len({run["name"] for run in both}) == len(both) == 2
    assert {len(table(run, "pictures")) for run in both} == {16}


def test_it_does_not_ask_the_hub_for_the_user(study: Path) -> None:
    (run,) = read(study)
    assert run["config"]["_Username"] is None
