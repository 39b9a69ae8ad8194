"""What TensorBoard's own reader finds is what the store holds."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util.tensor_util import make_ndarray
from tests.trackers import told

from teststrip.results.result import open_result
from teststrip.verbs import export
from teststrip.verbs.run import drive


def account(study: Path) -> Path:
    return study / "trackers" / "tensorboard" / "little"


def read(study: Path) -> EventAccumulator:
    reader = EventAccumulator(str(account(study)), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
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


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return told.made(tmp_path_factory.mktemp("tensorboard"), "tensorboard")


def test_curves_are_the_means_of_the_store_at_steps_that_are_its_levels(study: Path) -> None:
    reader, rows = read(study), told.rows_of(study)
    for axis, scale, factor in [
        ("guidance_scale", "guidance_scale x10", 10),
        ("num_inference_steps", "num_inference_steps", 1),
    ]:
        for metric in ("sharpness", "contrast"):
            wanted = told.means(rows, metric, lambda row, axis=axis: row.planned.shot.settings[axis])
            found = {e.step / factor: e.value for e in reader.Scalars(f"by {scale}/{metric}")}
            assert found == pytest.approx(wanted, rel=1e-6)  # they are kept in 32 bits
    assert [e.step for e in reader.Scalars("by place of scheduler/sharpness")] == [1, 2]
    assert [e.value for e in reader.Scalars("study/images")] == [len(told.digests(rows))]
    assert [e.value for e in reader.Scalars("study/failures")] == [sum(row.failure is not None for row in rows)] == [2]


def test_each_prompt_has_one_grid(study: Path) -> None:
    reader = read(study)
    grids = [tag for tag in reader.Tags()["images"] if tag.startswith("grids/")]
    assert len(grids) == len({row.planned.prompt.id for row in told.rows_of(study)}) == 2
    for tag in reader.Tags()["images"]:
        (event,) = reader.Images(tag)
        with PIL.Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            assert (picture.format, picture.size) == ("PNG", (event.width, event.height))
            assert not picture.info


def test_the_table_of_images_has_every_place_of_the_design_with_digest_settings_and_scores(study: Path) -> None:
    lines, rows = text(read(study), "images"), told.rows_of(study)
    assert len(lines) == len(rows) == 16
    for line, row in zip(lines, rows, strict=True):
        assert line["digest"] == (row.image.digest if row.image else "")
        assert line["seed"] == str(row.planned.shot.seed)
        assert float(line["guidance_scale"]) == row.planned.shot.settings["guidance_scale"]
        if row.image:
            assert {name: float(line[name]) for name in row.scores} == row.scores


def test_telling_a_study_again_leaves_one_account_that_says_the_same(study: Path) -> None:
    before = everything(read(study))
    with open_result(study) as result:
        assert export.tell(result, "tensorboard") == f"tensorboard --logdir {account(study).parent}"
    assert everything(read(study)) == before
    assert sum(path.stat().st_size > 0 for path in account(study).iterdir()) == 1


def test_a_page_that_is_open_shows_the_new_account_in_place_of_the_old(tmp_path: Path) -> None:
    toml, folder = told.study_file(tmp_path), tmp_path / "little"
    drive(toml, folder, limit=9, trackers=["tensorboard"]).result.close()
    page = EventMultiplexer({"little": str(account(folder))}).Reload()  # what TensorBoard's pages read from
    assert values(page)["study/images"] == [7]  # two of nine failed
    drive(toml, folder, trackers=["tensorboard"]).result.close()
    fresh = EventMultiplexer({"little": str(account(folder))}).Reload()
    assert values(page.Reload()) == values(fresh)
    assert values(page)["study/images"] == [14]
    assert {len(found) for tag, found in values(page).items() if "by" not in tag} == {1}


def test_a_run_that_was_killed_is_told_once_when_it_has_gone_on(tmp_path: Path) -> None:
    study = tmp_path / "little"

    def begun() -> bool:
        return account(study).is_dir() and "study/images" in read(study).Tags()["scalars"]

    told.killed_run(tmp_path, "tensorboard", begun)
    live = read(study)
    assert 0 < live.Scalars("study/images")[-1].value < 28
    assert {tag.split("/")[0] for tag in live.Tags()["images"]} == {"newest"}
    told.goes_on(tmp_path, "tensorboard")
    reader, rows = read(tmp_path / "little"), told.rows_of(tmp_path / "little")
    assert [e.value for e in reader.Scalars("study/images")] == [28]
    assert {line["digest"] for line in text(reader, "images")} - {""} == told.digests(rows)
    assert all(len(reader.Images(tag)) == 1 for tag in reader.Tags()["images"])
    assert sum(path.stat().st_size > 0 for path in account(tmp_path / "little").iterdir()) == 1


def test_nothing_of_the_machine_or_its_secrets_is_written(tmp_path: Path) -> None:
    study = told.made(tmp_path, "tensorboard")
    told.with_canaries(tmp_path, "export", "little", "--to", "tensorboard")
    assert list(told.leaks(study / "trackers" / "tensorboard")) == []


def test_it_needs_neither_torch_nor_tensorflow(study: Path) -> None:
    code = f"""
import sys
from teststrip.verbs import export
from teststrip.results import open_result
from teststrip.verbs.run import drive
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
