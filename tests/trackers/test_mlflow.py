"""What a real MLflow server holds, read back by MLflow's own client, is what the store holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest
from tests.trackers import runs

from teststrip.errors import TrackerError
from teststrip.results.result import open_result
from teststrip.testing import canaries
from teststrip.testing.tracker_contract import StudyTrackerContract
from teststrip.verbs import export

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

from mlflow import MlflowClient
from mlflow.entities import Run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


def begun(home: Path, port: int) -> subprocess.Popen[bytes]:
    """The server that `mlflow server` starts, on SQLite. Its first start makes the tables, about 10 s."""
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts")]
    with (home / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            stdout=log,
            stderr=log,
            cwd=home,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )


def answers(process: subprocess.Popen[bytes], address: str) -> bool:
    """Wait for a server; False: it has ended instead."""

    def known() -> bool:
        if process.poll() is not None:
            return True
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{address}/health", timeout=5).status == 200)
        return False

    runs.wait_for(known, seconds=120)
    return process.poll() is None


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    for _ in range(3):  # it binds seconds after the port was found free: another may have taken it
        address = f"http://127.0.0.1:{(port := free_port())}"
        process = begun(home, port)
        try:
            if answers(process, address):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("MLFLOW_TRACKING_URI", address)
                    yield address
                return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
    raise AssertionError((home / "log.txt").read_text())


@pytest.fixture(scope="module")
def study(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.made(tmp_path_factory.mktemp("mlflow"), "mlflow")


class Held:
    """The runs of one study, as MLflow's client finds them."""

    def __init__(self, uri: str, study: Path) -> None:
        self.client = MlflowClient(uri)
        self.id = json.loads((study / "trackers" / "mlflow" / "account.json").read_text())["id"]

    @property
    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("teststrip")
        if experiment is None:
            return []
        wanted = f"tags.`teststrip.account` = '{self.id}'"
        return list(self.client.search_runs([experiment.experiment_id], wanted, max_results=500))

    @property
    def parent(self) -> Run:
        (run,) = [run for run in self.runs if "mlflow.parentRunId" not in run.data.tags]
        return run

    @property
    def nested(self) -> list[Run]:
        parent = self.parent.info.run_id
        return [run for run in self.runs if run.data.tags.get("mlflow.parentRunId") == parent]

    def paths(self, under: str | None = None) -> list[str]:
        return [found.path for found in self.client.list_artifacts(self.parent.info.run_id, under)]

    def artifact(self, path: str, folder: Path) -> bytes:
        return Path(self.client.download_artifacts(self.parent.info.run_id, path, str(folder))).read_bytes()


class TestMlflowKeepsTheContract(StudyTrackerContract):
    name = "mlflow"

    @pytest.fixture(autouse=True)
    def on_the_server(self, server: str, home: Path) -> None:
        self.server, self.home = server, home

    def pictures(self, folder: Path) -> set[str]:
        if not (folder / "trackers" / "mlflow" / "account.json").is_file():
            return set()
        held = Held(self.server, folder)
        return {Path(path).stem for path in held.paths("images")} if held.runs else set()

    def contents(self, folder: Path) -> object:
        held = Held(self.server, folder)
        steps = [point.step for point in held.client.get_metric_history(held.parent.info.run_id, "images")]
        assert len(set(steps)) == len(steps)
        tags = ("teststrip.setting", "teststrip.content", "mlflow.note.content", "mlflow.loggedArtifacts")
        said = [
            (run.info.run_name, run.info.status, run.data.params, run.data.metrics, *map(run.data.tags.get, tags))
            for run in held.runs
        ]
        with tempfile.TemporaryDirectory() as shelf:
            tables = [held.artifact(f"{name}.json", Path(shelf)) for name in ("images", "settings", "findings")]
        return sorted(said, key=str), held.paths("images"), held.paths("grids"), held.paths(), tables

    def sent(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """With all that the server keeps."""
        yield from canaries.files_in(folder / "trackers", self.home)


def test_there_is_a_run_for_the_study_and_in_it_one_for_each_setting_with_its_means(server: str, study: Path) -> None:
    held, rows = Held(server, study), runs.rows_of(study)
    cells = {row.planned.cell for row in rows}
    assert len(held.nested) == len(cells) == 8
    assert held.parent.info.run_name == "little"
    assert (held.parent.info.status, {run.info.status for run in held.nested}) == ("FINISHED", {"FINISHED"})
    assert held.parent.data.metrics == {"images": 14, "failures": 2}
    axes = ("guidance_scale", "num_inference_steps", "scheduler")
    for metric in ("sharpness", "contrast"):
        wanted = runs.means(rows, metric, lambda row: tuple(row.planned.cell[axis] for axis in axes))
        found = {tuple(run.data.params[axis] for axis in axes): run.data.metrics[metric] for run in held.nested}
        assert found == pytest.approx(wanted)


def test_the_table_has_every_place_of_the_design_with_settings_scores_and_picture(
    server: str, study: Path, tmp_path: Path
) -> None:
    held, rows = Held(server, study), runs.rows_of(study)
    table = json.loads(held.artifact("images.json", tmp_path))
    lines = [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
    assert len(lines) == len(rows) == 16
    pictures = Path(held.client.download_artifacts(held.parent.info.run_id, "images", str(tmp_path)))
    for line, row in zip(lines, rows, strict=True):
        assert line["seed"] == row.planned.shot.seed
        assert line["guidance_scale"] == row.planned.shot.settings["guidance_scale"]
        if row.image is None:
            assert (line["image"], line["digest"], line["missing"]) == (None, None, "oom")
            continue
        assert line["digest"] == row.image.digest
        assert {name: line[name] for name in row.scores} == row.scores
        with PIL.Image.open(pictures.parent / line["image"]["filepath"]) as picture:
            assert picture.size == (row.image.width, row.image.height)
    assert {path.stem for path in pictures.iterdir()} == runs.digests(rows)


def test_mlflow_lists_the_tables_and_reads_them_itself(server: str, study: Path) -> None:
    import mlflow

    held = Held(server, study)
    mlflow.set_tracking_uri(server)
    mlflow.set_experiment("teststrip")
    frame = mlflow.load_table("images.json", run_ids=[held.parent.info.run_id])
    assert sorted(frame["digest"].dropna()) == sorted(runs.digests(runs.rows_of(study)))
    listed = json.loads(held.parent.data.tags["mlflow.loggedArtifacts"])
    assert {entry["path"] for entry in listed} <= set(held.paths())


def test_the_report_is_there_word_for_word_with_its_charts(server: str, study: Path, tmp_path: Path) -> None:
    held = Held(server, study)
    assert held.artifact("report.md", tmp_path) == (study / "report.md").read_bytes()
    charts = {path.name for path in (study / "charts").glob("*.svg")}
    assert {Path(path).name for path in held.paths("charts")} == charts
    assert len(held.paths("grids")) == 2


def test_a_server_that_is_not_there_fails_the_export_and_nothing_else(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with open_result(study) as result, pytest.raises(TrackerError, match="The study is safe"):
        export.notify(result, "mlflow")


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own use of SQLAlchemy
def test_without_a_server_everything_lies_beside_the_study_and_moves_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = runs.made(tmp_path, "mlflow")
    database = study / "trackers" / "mlflow" / "mlflow.db"
    assert len(Held(f"sqlite:///{database}", study).nested) == 8
    study = study.rename(tmp_path / "moved")
    with open_result(study) as result:
        where = export.notify(result, "mlflow")
    database = study / "trackers" / "mlflow" / "mlflow.db"
    assert where == f"mlflow server --workers 1 --backend-store-uri sqlite:///{database}"
    held = Held(f"sqlite:///{database}", study)
    assert len(held.nested) == 8
    assert {Path(path).stem for path in held.paths("images")} == runs.digests(runs.rows_of(study))
    assert (study / "trackers" / "mlflow" / "artifacts").is_dir()
    assert not (tmp_path / "little").exists()


def test_no_run_is_tagged_with_user_program_or_commit(server: str, study: Path) -> None:
    for run in Held(server, study).runs:
        assert not {"mlflow.user", "mlflow.source.name", "mlflow.source.git.commit"} & set(run.data.tags)
