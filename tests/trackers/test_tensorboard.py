"""What TensorBoard's own reader finds is what the store holds."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util.tensor_util import make_ndarray
from tests.trackers import runs

from teststrip.records import Row, Saved, Started
from teststrip.results.result import open_result
from teststrip.testing.tracker_contract import StudyTrackerContract
from teststrip.trackers.tensorboard import TensorBoardTracker
from teststrip.verbs.run import drive


def logs(study: Path) -> Path:
    return study / "trackers" / "tensorboard" / "little"


def read(study: Path) -> EventAccumulator:
    reader = EventAccumulator(str(logs(study)), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    return reader.Reload()


def text(reader: EventAccumulator, tag: str) -> list[dict[str, str]]:
    """The lines of a table, by the heads of its columns."""
    (event,) = reader.Tensors(tag)
    lines = event.tensor_proto.string_val[0].decode().splitlines()
    cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


def everything(reader: EventAccumulator) -> dict[str, Any]:
    return {
        "scalars": {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]},
        "images": {
            tag: [(e.step, e.encoded_image_string) for e in reader.Images(tag)] for tag in reader.Tags()["images"]
        },
        "tables": {tag: text(reader, tag) for tag in reader.Tags()["tensors"]},
    }


def values(page: EventMultiplexer) -> dict[str, list[Any]]:
    """All there is, as TensorBoard keeps it: everything is an array."""
    tags = page.PluginRunToTagToContent
    names = [tag for plugin in ("scalars", "images", "text") for tag in tags(plugin).get("little", {})]
    return {tag: [make_ndarray(e.tensor_proto).tolist() for e in page.Tensors("little", tag)] for tag in names}


class TestTensorBoardKeepsTheContract(StudyTrackerContract):
    name = "tensorboard"

    def pictures(self, folder: Path) -> set[str]:
        """Prompts: it shows a contact sheet of each and, during a run, the newest picture."""
        return {tag.partition("/")[2] for tag in read(folder).Tags()["images"]} if logs(folder).is_dir() else set()

    def names(self, rows: Iterable[Row]) -> set[str]:
        return {row.planned.prompt.id for row in rows if row.image}

    def contents(self, folder: Path) -> object:
        written = sum(path.stat().st_size > 0 for path in logs(folder).iterdir())
        return written, everything(read(folder))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.made(tmp_path_factory.mktemp("tensorboard"), "tensorboard")


def test_curves_are_the_means_of_the_store_at_steps_that_are_its_levels(study: Path) -> None:
    reader, rows = read(study), runs.rows_of(study)
    for axis, scale, factor in [
        ("guidance_scale", "guidance_scale x10", 10),
        ("num_inference_steps", "num_inference_steps", 1),
    ]:
        for metric in ("sharpness", "contrast"):
            wanted = runs.means(rows, metric, lambda row, axis=axis: row.planned.shot.settings[axis])
            found = {e.step / factor: e.value for e in reader.Scalars(f"by {scale}/{metric}")}
            assert found == pytest.approx(wanted, rel=1e-6)  # they are kept in 32 bits
    assert [e.step for e in reader.Scalars("by place of scheduler/sharpness")] == [1, 2]
    assert [e.value for e in reader.Scalars("study/images")] == [len(runs.digests(rows))]
    assert [e.value for e in reader.Scalars("study/failures")] == [sum(row.failure is not None for row in rows)] == [2]


def test_each_prompt_has_one_grid(study: Path) -> None:
    reader = read(study)
    grids = [tag for tag in reader.Tags()["images"] if tag.startswith("grids/")]
    assert len(grids) == len({row.planned.prompt.id for row in runs.rows_of(study)}) == 2
    for tag in reader.Tags()["images"]:
        (event,) = reader.Images(tag)
        with PIL.Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            assert (picture.format, picture.size) == ("PNG", (event.width, event.height))
            assert not picture.info


def test_the_table_of_images_has_every_place_of_the_design_with_digest_settings_and_scores(study: Path) -> None:
    lines, rows = text(read(study), "images"), runs.rows_of(study)
    assert len(lines) == len(rows) == 16
    for line, row in zip(lines, rows, strict=True):
        assert line["digest"] == (row.image.digest if row.image else "")
        assert line["seed"] == str(row.planned.shot.seed)
        assert float(line["guidance_scale"]) == row.planned.shot.settings["guidance_scale"]
        if row.image:
            assert {name: float(line[name]) for name in row.scores} == row.scores


def test_a_page_that_is_open_shows_the_new_file_in_place_of_the_old(tmp_path: Path) -> None:
    toml, folder = runs.study_file(tmp_path), tmp_path / "little"
    drive(toml, folder, limit=9, trackers=["tensorboard"]).result.close()
    page = EventMultiplexer({"little": str(logs(folder))}).Reload()  # what TensorBoard's pages read from
    assert values(page)["study/images"] == [7]  # two of nine failed
    drive(toml, folder, trackers=["tensorboard"]).result.close()
    fresh = EventMultiplexer({"little": str(logs(folder))}).Reload()
    assert values(page.Reload()) == values(fresh)
    assert values(page)["study/images"] == [14]
    assert {len(found) for tag, found in values(page).items() if "by" not in tag} == {1}


def test_during_a_run_it_shows_the_newest_picture_and_the_counts(study: Path) -> None:
    folder = study.parent / "half" / "little"
    with open_result(study) as result:
        tracker = TensorBoardTracker()
        tracker.on_event(Started(result.study, total=16, done=3, folder=str(folder)))
        row = next(row for row in result.rows() if row.image)
        (folder / row.image.path).parent.mkdir(parents=True)
        (folder / row.image.path).write_bytes((study / row.image.path).read_bytes())
        for _ in range(3):
            tracker.on_event(Saved(row.planned, row.image, 12))
        tracker.close()
    live = read(folder)
    assert [e.value for e in live.Scalars("study/images")] == [4]  # the next report is due in five seconds
    assert live.Tags()["images"] == [f"newest/{row.planned.prompt.id}"]


def test_it_needs_neither_torch_nor_tensorflow(study: Path) -> None:
    code = f"""
import sys
from teststrip.results.result import open_result
from teststrip.records import Concluded, Started
from teststrip.trackers.tensorboard import TensorBoardTracker
with open_result({str(study)!r}) as result:
    rows = tuple(result.rows())
    tracker = TensorBoardTracker()
    tracker.on_event(Started(result.study, len(rows), 14, {str(study)!r}))
    tracker.on_event(Concluded(0, 0, rows=rows))
    tracker.close()
print(sorted({{"torch", "tensorflow", "jax"}} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert said.stdout.strip() == "[]"
    assert len(text(read(study), "images")) == 16
