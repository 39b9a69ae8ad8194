"""What W&B is told is what the store holds: offline, record by record; live and synced, as a server took it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.command import command
from tests.trackers import told
from tests.trackers.wandb_server import KEY, Server, serving
from wandb.proto import wandb_internal_pb2 as protocol

from teststrip.run import drive

BLOCK = 32768


@pytest.fixture(scope="module", autouse=True)
def _nobody_s_account() -> Iterator[None]:
    """No test may find an account, or a server that is not its own."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("WANDB_")}
    kept["HOME"] = os.environ.get("HOME", "")
    yield
    os.environ.update(kept)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was told offline."""
    return told.made(tmp_path_factory.mktemp("wandb"), "wandb", replicates=2)


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
    rows = told.rows_of(folder)
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
    rows = told.rows_of(folder)
    by_setting = [step for step in steps if "mean/images" in step]
    cells = list(dict.fromkeys(row.planned.cell for row in rows))
    assert len(by_setting) == len(cells)
    means = told.means(rows, "sharpness", lambda row: row.planned.cell)
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
    assert {Path(entry.path).stem for entry in images} == told.digests(told.rows_of(study))


def test_telling_it_again_adds_nothing_and_a_study_that_grew_is_told_anew(tmp_path: Path) -> None:
    study = told.made(tmp_path, "wandb")
    (before,) = offline_runs(study)
    said = command("export", str(study), "--to", "wandb", cwd=tmp_path).stdout
    assert f"wandb sync {before}" in said
    assert offline_runs(study) == [before]
    drive(told.study_file(tmp_path, replicates=2), study, trackers=["wandb"]).result.close()
    (after,) = offline_runs(study)  # the older one was never synced, and says less
    assert after != before
    (file,) = (after / "files" / "media" / "table").glob("images_*.table.json")
    equals_the_store(json.loads(file.read_text()), study)


def test_a_run_that_was_killed_and_told_again_leaves_one_complete_account(tmp_path: Path) -> None:
    told.killed_run(tmp_path, "wandb", lambda: offline_runs(tmp_path / "little"), seconds=0.3)
    drive(told.study_file(tmp_path, replicates=2), tmp_path / "little", trackers=["wandb"]).result.close()
    (run,) = offline_runs(tmp_path / "little")
    (file,) = (run / "files" / "media" / "table").glob("images_*.table.json")
    equals_the_store(json.loads(file.read_text()), tmp_path / "little")
    one_step_a_setting(history(run), tmp_path / "little")


def account_of(server: Server, folder: Path) -> None:
    """What the server took is the study, once."""
    (run,) = server.history
    one_step_a_setting([server.history[run][step] for step in sorted(server.history[run])], folder)
    tables = dict(server.manifest("run_table"))
    (name,) = (name for name in tables if name.endswith("-images"))
    contents = tables[name]["contents"]
    equals_the_store(json.loads(server.content(contents["images.table.json"])), folder)
    ((_, manifest),) = server.manifest("study")
    images = {Path(path).stem for path in manifest["contents"] if path.startswith("images/")}
    assert images == told.digests(told.rows_of(folder))
    for path, entry in manifest["contents"].items():
        data = server.content(entry)
        assert base64.b64encode(hashlib.md5(data).digest()).decode() == entry["digest"]
        if path.startswith("images/"):
            assert hashlib.sha256(data).hexdigest() == Path(path).stem
    frame = pd.read_parquet(io.BytesIO(server.content(manifest["contents"]["images.parquet"])))
    assert set(frame["digest"].dropna()) == images


def online(server: Server, **more: str) -> dict[str, str]:
    return {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": KEY, **more}


def test_a_live_run_tells_pictures_as_they_come_and_all_at_the_end_and_nothing_twice(tmp_path: Path) -> None:
    with serving() as server:
        words = ["run", str(told.study_file(tmp_path)), "--out", "little", "--tracker", "wandb"]
        said = command(*words, cwd=tmp_path, code=3, **online(server)).stdout
        assert f"wandb   {server.address}" in said
        account_of(server, tmp_path / "little")
        growing = [step for run in server.history.values() for step in run.values() if "pictures so far" in step]
        assert growing
        steps, uploads = sum(map(len, server.history.values())), len(server.blobs)
        command("export", "little", "--to", "wandb", cwd=tmp_path, **online(server))
        assert (sum(map(len, server.history.values())), len(server.blobs)) == (steps, uploads)


def test_wandb_sync_takes_an_offline_run_to_the_server_whole(tmp_path: Path, study: Path) -> None:
    (run,) = offline_runs(study)
    with serving() as server:
        environment = {**os.environ, **online(server), "WANDB_SILENT": "true"}
        wandb = Path(sys.executable).with_name("wandb")
        subprocess.run([wandb, "sync", str(run)], cwd=tmp_path, env=environment, timeout=120, check=True)
        account_of(server, study)


@pytest.mark.parametrize("fault", ["500", "hang", "cut"])
def test_a_server_that_fails_neither_stops_the_run_nor_loses_anything(tmp_path: Path, fault: str) -> None:
    with serving(fault) as server:
        words = ["run", str(told.study_file(tmp_path)), "--out", "little", "--tracker", "wandb"]
        wait = {"TESTSTRIP_TRACKER_PATIENCE": "6", "PYTHONWARNINGS": "default"}
        done = command(*words, cwd=tmp_path, code=3, **online(server, **wait))
        assert done.stderr.count("teststrip export little --to wandb") == 1
        assert len(told.digests(told.rows_of(tmp_path / "little"))) == 14
        server.fault = ""
        command("export", "little", "--to", "wandb", cwd=tmp_path, **online(server))
        account_of(server, tmp_path / "little")


def test_no_secret_goes_along(tmp_path: Path) -> None:
    study = told.made(tmp_path, "progress")
    with serving() as server:
        told.with_canaries(tmp_path, "export", str(study), "--to", "wandb", **online(server))
        sent = b"\n".join(server.bodies)
        assert sent
        for secret in (*told.SECRETS.values(), told.USER):
            assert secret.encode() not in sent
        assert not list(told.leaks(study / "trackers" / "wandb" / "wandb"))


def test_one_run_a_setting_comes_only_when_asked_for(tmp_path: Path) -> None:
    study = told.made(tmp_path, "progress")
    with serving() as server:
        command("export", str(study), "--to", "wandb", "--option", "per_setting=true", cwd=tmp_path, **online(server))
        assert len(server.runs) == 1 + 8
        groups = {run.get("groupName") for run in server.runs.values()} - {None}
        assert groups == {"little"}


def test_an_option_that_does_not_exist_is_refused_with_the_nearest(tmp_path: Path) -> None:
    study = told.made(tmp_path, "progress")
    done = command("export", str(study), "--to", "wandb", "--option", "projct=x", cwd=tmp_path, code=2)
    assert "trackers: wandb: tracker 'wandb' has no option 'projct'. Did you mean 'project'?" in done.stderr
