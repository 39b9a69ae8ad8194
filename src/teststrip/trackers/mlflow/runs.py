"""What MLflow holds of a study: a run with its pictures, tables and report, and in it a run for each setting.

Runs are found again by tags: `teststrip.account` is a random word kept beside the study, `teststrip.setting` says which
setting a run is. The content of a setting's run cannot be changed in MLflow, so the run carries a digest of it: a run
with another digest, or one that was cut off, is deleted and made anew.

Only `MlflowClient` is used: the calls of `mlflow` itself tag runs with user, program and git commit.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from teststrip.errors import TrackerError
from teststrip.records import Image, Value, digest_of
from teststrip.rows.tables import Arm, Columns
from teststrip.store import inside
from teststrip.trackers import content

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 32  # pictures that are sent at once, at most
PICTURES = "images"
STUDY = "study"
_PLACE = "place.txt"
_MOST_BYTES = 2**16  # of that file: one path

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow would try for ten minutes; a server that is away now is sent the study later.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
}


class StudyRuns:
    """The runs of one study, on the server that MLFLOW_TRACKING_URI names, else in an SQLite file beside the study.

    Args:
        folder: of the study.
        name: of the study.
        experiment: the name of the MLflow experiment.

    Raises:
        TrackerError: the experiment is deleted.
    """

    def __init__(self, folder: Path, name: str, experiment: str) -> None:
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        from mlflow import MlflowClient

        self._folder, own = folder, content.own_folder(folder, "mlflow")
        server = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not server:
            _begin_anew_where_moved(own)
        self._uri = server or f"sqlite:///{(own / 'mlflow.db').as_posix()}"
        self._client: MlflowClient = MlflowClient(self._uri)
        self._id = content.lasting_id(own)
        self._experiment = _experiment(self._client, experiment, None if server else (own / "artifacts").as_uri())
        self._runs = self._known()
        runs = self._runs.pop(STUDY, [])
        self._run: Run = runs[0] if runs else self._begin(STUDY, name)
        self._delete(runs[1:])
        self._client.update_run(self._run.info.run_id, status="RUNNING")
        history = self._client.get_metric_history(self._run.info.run_id, "images")
        self._step = max((metric.step for metric in history), default=-1)
        self._counts = {key: self._run.data.metrics.get(key, -1) for key in ("images", "failures")}

    @property
    def where(self) -> str:
        """An address, or the command that shows the runs."""
        parts = urlsplit(self._uri)
        if parts.scheme in ("http", "https"):
            port = f":{parts.port}" if parts.port else ""
            address = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"  # without a password
            return f"{address}/#/experiments/{self._experiment}/runs/{self._run.info.run_id}"
        if parts.scheme == "sqlite":
            return f"mlflow server --workers 1 --backend-store-uri {shlex.quote(self._uri)}"
        return f"run {self._run.info.run_id} of MLflow"

    def pictures(self, images: Iterable[Image], side: int) -> set[str]:
        """Send the pictures that MLflow does not have, except where a file is damaged.

        Args:
            images: of the study.
            side: pixels of a picture's longer edge.

        Returns:
            The digests of all images that MLflow has now.
        """
        there = {Path(found.path).stem for found in self._client.list_artifacts(self._run.info.run_id, PICTURES)}
        waiting = list({image.digest: image for image in images if image.digest not in there}.values())
        for start in range(0, len(waiting), BATCH):
            with tempfile.TemporaryDirectory() as shelf:
                for image in waiting[start : start + BATCH]:
                    if small := content.thumbnail(self._folder, image, side, "JPEG"):
                        (Path(shelf) / f"{image.digest}.jpg").write_bytes(small)
                        there.add(image.digest)
                self._client.log_artifacts(self._run.info.run_id, shelf, PICTURES)
        return there

    def counts(self, images: int, failures: int) -> None:
        """Log how far the study is, unless it is as far as at the last point."""
        from mlflow.entities import Metric

        counts = {"images": float(images), "failures": float(failures)}
        if counts == self._counts:
            return
        self._counts, self._step = counts, max(images, self._step + 1)
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, self._step) for key, value in counts.items()]
        self._client.log_batch(self._run.info.run_id, metrics=metrics)

    def file(self, path: str, data: bytes) -> None:
        """Put a file among the artifacts of the study's run, in place of an older one."""
        with tempfile.TemporaryDirectory() as shelf:
            local = Path(shelf) / Path(path).name
            local.write_bytes(data)
            self._client.log_artifact(self._run.info.run_id, str(local), "/".join(path.split("/")[:-1]) or None)

    def tables(self, named: Mapping[str, Columns]) -> None:
        """Write columns as what MLflow calls tables. Its own `log_table` adds to older lines, and rounds."""
        for name, table in named.items():
            rows = [[_plain(value) for value in line] for line in zip(*table.values(), strict=True)]
            text = json.dumps({"columns": list(table), "data": rows}, allow_nan=False)
            self.file(f"{name}.json", text.encode())
        listed = [{"path": f"{name}.json", "type": "table"} for name in named]
        self._client.set_tag(self._run.info.run_id, "mlflow.loggedArtifacts", json.dumps(listed))

    def note(self, text: str) -> None:
        """Write the text at the head of the study's run."""
        self._client.set_tag(self._run.info.run_id, "mlflow.note.content", text)

    def settings(self, settings: Iterable[Arm]) -> None:
        """Make a run for each setting, and delete the runs of settings that the study no longer has."""
        from mlflow.entities import Metric, Param, RunTag

        left = dict(self._runs)
        for setting in settings:
            params = {_key(key): _param(value) for key, value in setting.settings.items()}
            metrics = {_key(key): value for key, value in setting.numbers.items()}
            digest = digest_of([params, metrics, setting.digests])
            runs = left.pop(setting.id, [])
            whole = [run for run in runs if run.data.tags.get("teststrip.content") == digest]
            self._delete([run for run in runs if run not in whole[:1]])
            if whole:
                continue
            run = self._begin(setting.id, setting.name).info.run_id
            now = int(time.time() * 1000)
            self._client.log_batch(
                run,
                metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
                params=[Param(key, value) for key, value in params.items()],
            )
            self._client.log_batch(run, tags=[RunTag("teststrip.content", digest)])
            self._client.set_terminated(run)
        for runs in left.values():
            self._delete(runs)

    def end(self, status: str) -> None:
        """Set how the study's run ended."""
        self._client.set_terminated(self._run.info.run_id, status)

    def _known(self) -> dict[str, list[Run]]:
        """The runs of this study by their setting, STUDY for its own; oldest first."""
        known: dict[str, list[Run]] = {}
        token: str | None = None
        while True:
            wanted = f"tags.`teststrip.account` = '{self._id}'"
            page = self._client.search_runs([self._experiment], wanted, order_by=["start_time"], page_token=token)
            for run in page:
                known.setdefault(run.data.tags.get("teststrip.setting", ""), []).append(run)
            token = page.token
            if not token:
                return known

    def _begin(self, setting: str, name: str) -> Run:
        tags = {"teststrip.account": self._id, "teststrip.setting": setting}
        if setting != STUDY:
            tags["mlflow.parentRunId"] = self._run.info.run_id
        return self._client.create_run(self._experiment, run_name=name, tags=tags)

    def _delete(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._client.delete_run(run.info.run_id)


def _experiment(client: MlflowClient, name: str, place: str | None) -> str:
    """The id of an experiment, which is made where it is missing."""
    found = client.get_experiment_by_name(name)
    if found is None:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # else its page looks for conversations
        return client.create_experiment(name, artifact_location=place, tags=kind)
    if found.lifecycle_stage != "active":
        raise TrackerError(f"the MLflow experiment {name!r} is deleted. Restore it or name another")
    return str(found.experiment_id)


def _begin_anew_where_moved(own: Path) -> None:
    """Delete the database where the study has been moved, because MLflow writes absolute paths into it."""
    try:
        known = inside.read(own, _PLACE, _MOST_BYTES)
    except OSError:
        known = b""
    if known != str(own).encode("utf-8"):
        (own / "mlflow.db").unlink(missing_ok=True)
        shutil.rmtree(own / "artifacts", ignore_errors=True)
        inside.write(own, _PLACE, str(own))


def _key(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9_\-./: ]", "_", name)[:250]


def _param(value: Value) -> str:
    """A setting as a study file spells it: 7.0 is 7."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)[:6000]


def _plain(value: object) -> object:
    """A value as JSON has it; NaN and infinities are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def picture_cell(digest: object) -> object:
    """A cell of a table that MLflow's page shows as a picture."""
    path = f"{PICTURES}/{digest}.jpg"
    return {"type": "image", "filepath": path, "compressed_filepath": path} if digest else None
