"""One picture whose file is damaged is left out; all the rest of the study is told."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.trackers import told

from teststrip.records import Saved, Started
from teststrip.results.result import Result, open_result
from teststrip.trackers.process import TrackerProxy
from teststrip.verbs import export
from teststrip.verbs.run import drive

TRACKERS = ("mlflow", "trackio", "tensorboard")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Result]:
    """A finished study, of which the first picture is cut off."""
    drive(told.study_file(tmp_path), tmp_path / "little", trackers=[], views=False).result.close()
    with open_result(tmp_path / "little") as result:
        path = result.folder / first(result).image.path
        path.chmod(0o644)
        os.truncate(path, 100)
        yield result


def first(result: Result) -> Any:
    return next(row for row in result.rows() if row.image)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_study_with_a_damaged_picture_is_told(study: Result, tracker: str) -> None:
    assert export.tell(study, tracker)
    damaged, every = first(study).image.digest, told.digests(list(study.rows()))
    assert shown(study.folder, tracker) == (
        every - {damaged} if tracker != "tensorboard" else {"an-owl-a-cat", "formula"}
    )


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_run_goes_on_telling_after_a_damaged_picture(study: Result, tracker: str) -> None:
    row = first(study)
    apart = TrackerProxy(tracker, {})
    apart.on_event(Started(study.study, total=16, done=0, folder=str(study.folder)))
    apart.on_event(Saved(row.planned, row.image, 15))
    apart.close()  # raises where the tracker failed
    assert shown(study.folder, tracker) == set()


def shown(folder: Path, tracker: str) -> set[str]:
    """The pictures that a tracker has of the study: digests; of TensorBoard, prompts."""
    own = folder / "trackers" / tracker
    match tracker:
        case "mlflow":
            return {path.stem for path in own.rglob("images/*.jpg")}
        case "tensorboard":
            reader = EventAccumulator(str(own / "little"), size_guidance={"images": 0}).Reload()
            return {tag.partition("/")[2] for tag in reader.Tags()["images"]}
    (database,) = own.glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        entries = [json.loads(text) for (text,) in connection.execute("SELECT metrics FROM metrics")]
    return set(captions(entries))


def captions(value: Any) -> Iterator[str]:
    """Of all pictures, wherever they stand."""
    if isinstance(value, dict):
        if value.get("_type") == "trackio.image":
            yield value["caption"]
        for part in value.values():
            yield from captions(part)
    elif isinstance(value, list):
        for part in value:
            yield from captions(part)
