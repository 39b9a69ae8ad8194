"""What W&B holds is what the store holds: offline, record by record; live and synced, as a server took it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests import studies
from tests.command import COMMAND, command, environment
from tests.trackers import runs
from tests.trackers.wandb_server import KEY, Server, serving
from wandb.proto import wandb_internal_pb2 as protocol

from teststrip.errors import TrackerError
from teststrip.results.result import open_result
from teststrip.testing import canaries
from teststrip.testing.tracker_contract import StudyTrackerContract
from teststrip.verbs.export import notify
from teststrip.verbs.run import drive

BLOCK = 32768


def slow(value: str) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test may find an account, or a server that is not its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
            patch.delenv(name)
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was exported without an account."""
    return runs.made(tmp_path_factory.mktemp("wandb"), "wandb", replicates=2)


def offline_runs(folder: Path) -> list[Path]:
    return sorted((folder / "trackers" / "wandb" / "wandb").glob("offline-run-*"))


def records(run: Path) -> Iterator[Any]:
    """Every record of an offline run: the LevelDB log format, a header of seven bytes, blocks of 32 KiB."""
    (file,) = run.glob("run-*.wandb")
    data = file.read_bytes()
    assert data[:4] == b":W&B"
    at, whole = 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole = (b"" if kind in (1, 2) else whole) + data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = protocol.Record()
            record.ParseFromString(whole)
            yield record


def history(run: Path) -> list[dict[str, Any]]:
    found = []
    for record in records(run):
        if record.WhichOneof("record_type") == "history":
            row: dict[str, Any] = {}
            for item in record.history.item:
                keys = list(item.nested_key) or [item.key]
                inner = row
                for key in keys[:-1]:
                    inner = inner.setdefault(key, {})
                inner[keys[-1]] = json.loads(item.value_json)
            found.append(row)
    return found


def equals_the_store(table: dict[str, Any], folder: Path) -> None:
    """A table of images has a line for each place, with its settings, scores and digest."""
    lines = [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
    rows = runs.rows_of(folder)
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        image = row.image
        assert line["prompt"] == row.planned.shot.prompt
        assert line["seed"] == row.planned.shot.seed
        assert {axis: line[axis] for axis, _ in row.planned.cell.levels}.keys() <= line.keys()
        assert line["digest"] == (image.digest if image else None)
        assert line["fingerprint"] == (image.fingerprint_id if image else None)
        assert line["denoiser_calls"] == (image.facts["denoiser_calls"] if image else None)
        assert line["missing"] == (row.failure.reason if row.failure else None)
        for name, value in row.scores.items():
            assert line[name] == pytest.approx(value, nan_ok=True)


def one_step_a_setting(steps: list[dict[str, Any]], folder: Path) -> None:
    """Levels, means and pictures of each setting stand in one step, so that media can be laid out by the axes."""
    rows = runs.rows_of(folder)
    by_setting = [step for step in steps if "mean/images" in step]
    cells = list(dict.fromkeys(row.planned.cell for row in rows))
    assert len(by_setting) == len(cells)
    means = runs.means(rows, "sharpness", lambda row: row.planned.cell)
    for step, cell in zip(by_setting, cells, strict=True):
        own = [row for row in rows if row.planned.cell == cell]
        assert {axis: step[axis] for axis, _ in cell.levels} == {
            axis: own[0].planned.shot.settings[axis] for axis, _ in cell.levels
        }
        assert step["mean/images"] == sum(row.image is not None for row in own)
        if cell in means:
            assert math.isclose(step["mean/sharpness"], means[cell])
        shown = [key for key in step if key.startswith("grid/")]
        assert sum(step[key]["count"] for key in shown) == step["mean/images"]


class TestWandbKeepsTheContract(StudyTrackerContract):
    """Without an account, so on disk."""

    name = "wandb"

    def begun(self, folder: Path) -> bool:
        return bool(offline_runs(folder))

    def pictures(self, folder: Path) -> set[str]:
        return {Path(path).stem for path in self._artifact(folder) if path.startswith("images/")}

    def contents(self, folder: Path) -> object:
        (run,) = offline_runs(folder)
        logged = [step for step in history(run) if "pictures so far" not in step]
        steps = [{key: _without_names(value) for key, value in step.items() if key[0] != "_"} for step in logged]
        (file,) = (run / "files" / "media" / "table").glob("images_*.table.json")
        table = json.loads(file.read_text())
        lines = [[_without_names(value) for value in line] for line in table["data"]]
        return steps, table["columns"], lines, self._artifact(folder)

    @staticmethod
    def _artifact(folder: Path) -> list[str]:
        (run,) = offline_runs(folder)
        artifacts = [r.artifact for r in records(run) if r.WhichOneof("record_type") == "artifact"]
        (whole,) = (artifact for artifact in artifacts if artifact.type == "study")
        return sorted(entry.path for entry in whole.manifest.contents)


def _without_names(value: Any) -> Any:
    """What a value of W&B's says, without the names of its files; of pictures, how many there are."""
    return value.get("count", value.get("_type")) if isinstance(value, dict) else value


def test_an_offline_run_holds_what_the_store_holds_and_lies_beside_the_study(study: Path) -> None:
    (run,) = offline_runs(study)
    (file,) = (run / "files" / "media" / "table").glob("images_*.table.json")
    equals_the_store(json.loads(file.read_text()), study)
    one_step_a_setting(history(run), study)
    artifacts = [r.artifact for r in records(run) if r.WhichOneof("record_type") == "artifact"]
    paths = [
        Path(entry.local_path) for artifact in artifacts for entry in artifact.manifest.contents if entry.local_path
    ]
    assert paths
    assert all(path.is_relative_to(study.resolve()) and path.is_file() for path in paths)
    (whole,) = (artifact for artifact in artifacts if artifact.type == "study")
    images = [entry for entry in whole.manifest.contents if entry.path.startswith("images/")]
    assert {Path(entry.path).stem for entry in images} == runs.digests(runs.rows_of(study))


@pytest.mark.slow
def test_a_study_that_grew_is_written_anew(tmp_path: Path) -> None:
    study = runs.made(tmp_path, "wandb")
    (before,) = offline_runs(study)
    said = command("export", str(study), "--to", "wandb", cwd=tmp_path).stdout
    assert f"wandb sync {before}" in said
    assert offline_runs(study) == [before]
    drive(runs.study_file(tmp_path, replicates=2), study, trackers=["wandb"]).result.close()
    (after,) = offline_runs(study)  # the older one was never synced, and says less
    assert after != before
    (file,) = (after / "files" / "media" / "table").glob("images_*.table.json")
    equals_the_store(json.loads(file.read_text()), study)


def equals_the_study(server: Server, folder: Path) -> None:
    """What the server took is the study, once."""
    (run,) = server.history
    steps = [server.history[run][step] for step in sorted(server.history[run])]
    one_step_a_setting(steps, folder)
    shown = [value for step in steps for key, value in step.items() if key.startswith(("grid/", "contact sheet/"))]
    names = [name for value in shown for name in value["filenames"]]
    assert len(names) >= len(runs.digests(runs.rows_of(folder)))
    for name in names:
        assert server.blobs[f"/put/run/{name}"].startswith(b"\x89PNG")
    tables = dict(server.manifest("run_table"))
    (name,) = (name for name in tables if name.endswith("-images"))
    contents = tables[name]["contents"]
    equals_the_store(json.loads(server.content(contents["images.table.json"])), folder)
    ((_, manifest),) = server.manifest("study")
    images = {Path(path).stem for path in manifest["contents"] if path.startswith("images/")}
    assert images == runs.digests(runs.rows_of(folder))
    for path, entry in manifest["contents"].items():
        data = server.content(entry)
        assert base64.b64encode(hashlib.md5(data).digest()).decode() == entry["digest"]
        if path.startswith("images/"):
            assert hashlib.sha256(data).hexdigest() == Path(path).stem
    frame = pd.read_parquet(io.BytesIO(server.content(manifest["contents"]["images.parquet"])))
    assert set(frame["digest"].dropna()) == images


def online(server: Server, **more: str) -> dict[str, str]:
    return {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": KEY, **more}


def export(study: Path, options: Mapping[str, object] | None = None, **environment: str) -> str:
    """What `teststrip export STUDY --to wandb` does, without a process for the command itself; says where to look."""
    with pytest.MonkeyPatch.context() as patch, open_result(study) as result:
        for name, value in environment.items():
            patch.setenv(name, value)
        return notify(result, "wandb", **(options or {}))


def test_a_live_run_sends_pictures_as_they_come_and_all_at_the_end_and_nothing_twice(tmp_path: Path) -> None:
    with serving() as server:
        words = ["run", str(runs.study_file(tmp_path)), "--out", "little", "--tracker", "wandb"]
        said = command(*words, cwd=tmp_path, code=3, **online(server)).stdout
        assert f"wandb   {server.address}" in said
        equals_the_study(server, tmp_path / "little")
        growing = [step for run in server.history.values() for step in run.values() if "pictures so far" in step]
        assert growing
        steps, uploads = sum(map(len, server.history.values())), len(server.blobs)
        command("export", "little", "--to", "wandb", cwd=tmp_path, **online(server))
        assert (sum(map(len, server.history.values())), len(server.blobs)) == (steps, uploads)


def test_wandb_sync_takes_an_offline_run_to_the_server_whole(study: Path) -> None:
    (run,) = offline_runs(study)
    with serving() as server:
        sync(run, server)
        equals_the_study(server, study)


def sync(run: Path, server: Server) -> None:
    environment = {**os.environ, **online(server), "WANDB_SILENT": "true"}
    wandb = Path(sys.executable).with_name("wandb")
    subprocess.run([wandb, "sync", str(run)], cwd=run.parent, env=environment, timeout=120, check=True)


@pytest.mark.slow
def test_a_study_that_was_synced_is_not_sent_again(tmp_path: Path) -> None:
    study = runs.made(tmp_path, "wandb")
    (run,) = offline_runs(study)
    with serving() as server:
        sync(run, server)
        steps = sum(map(len, server.history.values()))
        said = command("export", study, "--to", "wandb", cwd=tmp_path, **online(server)).stdout
        assert f"sent to wandb: {server.address}" in said
        assert sum(map(len, server.history.values())) == steps
        equals_the_study(server, study)
        drive(runs.study_file(tmp_path, replicates=2), study, trackers=[]).result.close()
        command("export", study, "--to", "wandb", cwd=tmp_path, **online(server))
        (run_id,) = server.history
        by_setting = [step for step in server.history[run_id].values() if "mean/images" in step]
        assert len(by_setting) == 2 * 8  # each setting has grown, and what is in the history stays there


def test_a_study_that_was_moved_is_written_anew_where_it_is_now(tmp_path: Path) -> None:
    """W&B names files by absolute paths: without that, what lies there would be synced without its tables."""
    (tmp_path / "there").mkdir()
    moved = runs.made(tmp_path, "wandb").rename(tmp_path / "there" / "little")
    said = command("export", moved, "--to", "wandb", cwd=tmp_path).stdout
    (run,) = offline_runs(moved)
    assert f"wandb sync {run}" in said
    with serving() as server:
        sync(run, server)
        equals_the_study(server, moved)


def test_nothing_lies_outside_the_study(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    for name in ("tmp", "here", "home"):
        (tmp_path / name).mkdir()
    places = {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home")}
    command("export", study, "--to", "wandb", cwd=tmp_path / "here", **places)
    assert offline_runs(study)

    def nothing_temporary_is_left() -> bool:
        with contextlib.suppress(FileNotFoundError):  # a folder that is deleted while it is listed
            return not runs.files(tmp_path / "tmp")
        return False

    runs.wait_for(nothing_temporary_is_left)
    assert not runs.files(tmp_path / "here")
    assert not runs.files(tmp_path / "home")


def test_an_account_and_a_server_that_wandb_login_wrote_down_are_used(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    with serving() as server:
        home = tmp_path / "home"
        (home / ".config" / "wandb").mkdir(parents=True)
        (home / ".config" / "wandb" / "settings").write_text(f"[default]\nbase_url = {server.address}\n")
        (home / ".netrc").write_text(
            f"machine {server.address.removeprefix('http://')}\n  login user\n  password {KEY}\n"
        )
        (home / ".netrc").chmod(0o600)
        assert export(study, HOME=str(home)).startswith(server.address)
        equals_the_study(server, study)
    assert not offline_runs(study)


def test_wandb_that_is_disabled_is_sent_nothing(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    with serving() as server:
        export(study, **online(server, WANDB_MODE="disabled"))
        assert not server.operations
    assert not offline_runs(study)


def large(folder: Path, replicates: int) -> Path:
    """An offline run of 110 images, one of them damaged."""
    settings = {"width": 16, "height": 16, "num_inference_steps": 2}
    prompts = [{"id": "owl", "text": "an owl"}]
    path = studies.write(
        folder, name="large", prompts=prompts, replicates=replicates, settings=settings, axes={}, question={}
    )
    drive(path, folder / "large", trackers=[], limit=110).result.close()
    broken = next(row.image for row in runs.rows_of(folder / "large") if row.image)
    (folder / "large" / broken.path).write_bytes(b"no picture")
    command("export", "large", "--to", "wandb", cwd=folder)
    (run,) = offline_runs(folder / "large")
    return run


@pytest.mark.slow
def test_more_pictures_than_a_list_may_have_come_in_parts_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    run = large(tmp_path, 110)
    (step,) = [step for step in history(run) if "mean/images" in step]
    assert {key: step[key]["count"] for key in step if key.startswith("grid/")} == {"grid/owl": 108, "grid/owl (2)": 1}
    (file,) = (run / "files" / "media" / "table").glob("images_*.table.json")
    equals_the_store(json.loads(file.read_text()), tmp_path / "large")


@pytest.mark.slow
def test_more_rows_than_a_table_may_have_come_in_parts(tmp_path: Path) -> None:
    run = large(tmp_path, 10_001)
    counts = {
        name: len(json.loads(file.read_text())["data"])
        for name in ("images", "images (2)")
        for file in (run / "files" / "media" / "table").glob(f"{name}_*.table.json")
    }
    assert counts == {"images": 10_000, "images (2)": 1}


@pytest.mark.parametrize("only", ["file_stream", "put/run/media", slow("put/blob"), slow("put/manifest")])
def test_a_part_that_did_not_arrive_is_noticed_and_only_that_is_sent_again(tmp_path: Path, only: str) -> None:
    study = runs.finished(tmp_path)
    quick = {"WANDB_X_FILE_STREAM_RETRY_MAX": "1", "WANDB_X_FILE_TRANSFER_RETRY_MAX": "1"}
    with serving("500", only) as server:
        with pytest.raises(TrackerError, match="W&B did not take everything"):
            export(study, **online(server, **quick))
        server.fault = ""
        export(study, **online(server))
        equals_the_study(server, study)


@pytest.mark.slow
def test_an_export_that_was_killed_is_taken_up_and_nothing_comes_twice(tmp_path: Path) -> None:
    """Killed while the server has the whole history, and waits for the files."""
    study = runs.finished(tmp_path)
    with serving("hang", "put/") as server:
        words = [*COMMAND, "export", str(study), "--to", "wandb"]
        exporting = subprocess.Popen(words, cwd=tmp_path, env=environment(**online(server)))
        try:
            runs.wait_for(lambda: sum("mean/images" in step for step in server.steps()) == 8)
        finally:
            runs.kill([*runs.children(exporting), exporting])
            exporting.wait(60)
        server.fault = ""
        command("export", study, "--to", "wandb", cwd=tmp_path, **online(server))
        equals_the_study(server, study)


@pytest.mark.parametrize("fault", [slow("500"), "hang", slow("cut")])
def test_a_server_that_fails_neither_stops_the_run_nor_loses_anything(tmp_path: Path, fault: str) -> None:
    with serving(fault) as server:
        words = ["run", str(runs.study_file(tmp_path)), "--out", "little", "--tracker", "wandb"]
        wait = {"TESTSTRIP_TRACKER_PATIENCE": "6", "PYTHONWARNINGS": "default"}
        done = command(*words, cwd=tmp_path, code=3, **online(server, **wait))
        assert done.stderr.count("teststrip export little --to wandb") == 1
        assert len(runs.digests(runs.rows_of(tmp_path / "little"))) == 14
        server.fault = ""
        command("export", "little", "--to", "wandb", cwd=tmp_path, **online(server))
        equals_the_study(server, tmp_path / "little")


def test_no_secret_and_no_path_goes_to_a_server(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    with serving() as server:
        canaries.plant(study)
        canaries.command("export", str(study), "--to", "wandb", cwd=tmp_path, **online(server))
        assert server.bodies
        sent = [("request", body) for body in server.bodies]
        assert list(canaries.leaks([*sent, *canaries.files_in(study / "trackers" / "wandb" / "wandb")])) == []
        assert str(tmp_path).encode() not in b"\n".join(server.bodies)


def test_one_run_a_setting_comes_only_when_asked_for(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    with serving() as server:
        export(study, {"per_setting": True}, **online(server))
        assert len(server.runs) == 1 + 8
        groups = {run.get("groupName") for run in server.runs.values()} - {None}
        assert groups == {"little"}


def test_an_option_that_does_not_exist_is_refused_with_the_nearest(tmp_path: Path) -> None:
    study = runs.finished(tmp_path)
    done = command("export", str(study), "--to", "wandb", "--option", "projct=x", cwd=tmp_path, code=2)
    assert "trackers: wandb: tracker 'wandb' has no option 'projct'. Did you mean 'project'?" in done.stderr
