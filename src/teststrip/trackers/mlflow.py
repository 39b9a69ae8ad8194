"""MLflow: a run for the study with pictures, tables and report, and in it a run for each setting.

Where: the server that MLFLOW_TRACKING_URI names, else an SQLite file beside the study. Runs are found again by tags:
`teststrip.account` is a random word kept beside the study, `teststrip.setting` says which setting a run is. What a
run of a setting holds cannot be changed in MLflow, so it carries a digest of it: one that holds something else, or
was cut off, is deleted and made anew. So a study can be told any number of times.

Only `MlflowClient` is used: the calls of `mlflow` itself tag runs with user, program and git commit.
"""

from __future__ import annotations

import contextlib
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
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from teststrip import pictures
from teststrip.errors import PictureError, TrackerError
from teststrip.folder import CHARTS, REPORT_FILE, TRACKERS
from teststrip.records import Concluded, Event, Failed, Image, Saved, Setting, Started, Value, digest_of
from teststrip.rows import tables
from teststrip.rows.tables import Arm, Columns
from teststrip.trackers import telling

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EVERY = 5.0  # seconds between two reports of a run
BATCH = 32  # pictures; as many are sent at once, or fewer after EVERY
PICTURES = "images"
STUDY = "study"

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow would try for ten minutes; whoever is not there now is told later.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
}


class MlflowTracker:
    """An MLflow run for the study, with pictures, tables and report, and in it a run for each setting.

    Args:
        experiment: the name of the MLflow experiment.
        side: pixels of the longer edge of a picture.
    """

    needs: ClassVar[str] = "mlflow"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "experiment": Setting("experiment", "str", "teststrip", doc="Name of the MLflow experiment."),
            "side": Setting("side", "int", 256, low=16, high=4096, doc="Pixels of a picture's longer edge."),
        }
    )

    def __init__(self, experiment: str = "teststrip", side: int = 256) -> None:
        self._experiment, self._side = experiment, side
        self._account: _Account | None = None
        self._started: Started | None = None
        self._where = ""
        self._shelf: list[Image] = []
        self._made = self._failed = 0
        self._last = -EVERY

    def on_event(self, event: Event) -> None:
        """Send pictures in batches, and all that is missing at the end; see Tracker."""
        try:
            self._hear(event)
        except Exception:
            self._account = None  # nothing more is sent, not even by `close`
            raise

    def close(self) -> None:
        """Say that the run is over, where it ended before its conclusion."""
        if self._account is not None:
            self._send()
            self._account.end("KILLED")

    @property
    def where(self) -> str:
        """An address, or the command that shows it."""
        return self._where

    def _hear(self, event: Event) -> None:
        match event:
            case Started():
                self._started, self._made = event, event.done
                self._account = _Account(Path(event.folder), event.study.name, self._experiment)
                self._where = self._account.where
            case Saved(image=image):
                self._made += 1
                self._shelf.append(image)
                if len(self._shelf) >= BATCH or time.monotonic() - self._last > EVERY:
                    self._send()
            case Failed():
                self._failed += 1
            case Concluded():
                self._conclude(event)
            case _:
                pass

    def _send(self) -> None:
        assert self._account is not None
        self._account.pictures(self._shelf, self._side)
        self._account.counts(self._made, self._failed)
        self._shelf, self._last = [], time.monotonic()

    def _conclude(self, event: Concluded) -> None:
        assert self._account is not None
        assert self._started is not None
        account, study, folder = self._account, self._started.study, Path(self._started.folder)
        images = [row.image for row in event.rows if row.image is not None]
        there = account.pictures(images, self._side)
        account.counts(len(images), sum(row.failure is not None for row in event.rows))
        table = tables.images(event.rows)
        shown = [_shown(digest) if digest in there else None for digest in table["digest"]]
        account.tables(
            {
                "images": {"image": shown, **table},
                "settings": tables.settings(event.rows),
                "findings": telling.findings(event.findings),
            }
        )
        for prompt, png in telling.grids(study, event.rows, folder, min(self._side, 128)):
            account.file(f"grids/{prompt}.png", png)
        for path in (folder / REPORT_FILE, *sorted((folder / CHARTS).glob("*.svg"))):
            if path.is_file():
                account.file(path.relative_to(folder).as_posix(), path.read_bytes())
        account.note("\n\n".join(f"- {finding.sentence}" for finding in event.findings if finding.sentence))
        account.settings(tables.arms(event.rows))
        account.end("KILLED" if event.interrupted else "FINISHED")
        self._account = None


class _Account:
    """What MLflow holds of one study."""

    def __init__(self, folder: Path, name: str, experiment: str) -> None:
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        from mlflow import MlflowClient

        self._folder, own = folder, (folder / TRACKERS / "mlflow").resolve()
        server = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not server:
            _settle(own)
        self._uri = server or f"sqlite:///{(own / 'mlflow.db').as_posix()}"
        self._client: MlflowClient = MlflowClient(self._uri)
        self._id = telling.lasting_id(own)
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
        """See MlflowTracker."""
        parts = urlsplit(self._uri)
        if parts.scheme in ("http", "https"):
            port = f":{parts.port}" if parts.port else ""
            address = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"  # without a password
            return f"{address}/#/experiments/{self._experiment}/runs/{self._run.info.run_id}"
        if parts.scheme == "sqlite":
            return f"mlflow server --workers 1 --backend-store-uri {shlex.quote(self._uri)}"
        return f"run {self._run.info.run_id} of MLflow"

    def pictures(self, images: Iterable[Image], side: int) -> set[str]:
        """Send those that are not there yet, and whose file is not damaged. The digests of all that are there then."""
        there = {Path(found.path).stem for found in self._client.list_artifacts(self._run.info.run_id, PICTURES)}
        waiting = list({image.digest: image for image in images if image.digest not in there}.values())
        for start in range(0, len(waiting), BATCH):
            with tempfile.TemporaryDirectory() as shelf:
                for image in waiting[start : start + BATCH]:
                    with contextlib.suppress(OSError, PictureError):
                        data = pictures.thumbnail((self._folder / image.path).read_bytes(), side, "JPEG")
                        (Path(shelf) / f"{image.digest}.jpg").write_bytes(data)
                        there.add(image.digest)
                self._client.log_artifacts(self._run.info.run_id, shelf, PICTURES)
        return there

    def counts(self, images: int, failures: int) -> None:
        """How far the study is: a point where something has changed, else nothing."""
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
        """Columns as what MLflow calls tables; its own `log_table` adds to what is there, and rounds."""
        for name, table in named.items():
            rows = [[_plain(value) for value in line] for line in zip(*table.values(), strict=True)]
            text = json.dumps({"columns": list(table), "data": rows}, allow_nan=False)
            self.file(f"{name}.json", text.encode())
        listed = [{"path": f"{name}.json", "type": "table"} for name in named]
        self._client.set_tag(self._run.info.run_id, "mlflow.loggedArtifacts", json.dumps(listed))

    def note(self, text: str) -> None:
        """What stands at the head of the study's run."""
        self._client.set_tag(self._run.info.run_id, "mlflow.note.content", text)

    def settings(self, settings: Iterable[Arm]) -> None:
        """A run for each setting; those of settings that the study no longer has are deleted."""
        from mlflow.entities import Metric, Param, RunTag

        left = dict(self._runs)
        for setting in settings:
            params = {_key(key): _param(value) for key, value in setting.settings.items()}
            metrics = {_key(key): value for key, value in setting.numbers.items()}
            content = digest_of([params, metrics, setting.digests])
            runs = left.pop(setting.id, [])
            whole = [run for run in runs if run.data.tags.get("teststrip.content") == content]
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
            self._client.log_batch(run, tags=[RunTag("teststrip.content", content)])
            self._client.set_terminated(run)
        for runs in left.values():
            self._delete(runs)

    def end(self, status: str) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._run.info.run_id, status)

    def _known(self) -> dict[str, list[Run]]:
        """The runs of this study by what they are, oldest first."""
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
    """The id of an experiment, made where it is missing.

    Raises:
        TrackerError: it is there but deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # else its page looks for conversations
        return client.create_experiment(name, artifact_location=place, tags=kind)
    if found.lifecycle_stage != "active":
        raise TrackerError(f"the MLflow experiment {name!r} is deleted. Restore it or name another")
    return str(found.experiment_id)


def _settle(own: Path) -> None:
    """Begin anew where the study has been moved: what MLflow writes into its database are absolute paths."""
    note = own / "place.txt"
    if not note.is_file() or note.read_text(encoding="utf-8") != str(own):
        (own / "mlflow.db").unlink(missing_ok=True)
        shutil.rmtree(own / "artifacts", ignore_errors=True)
        own.mkdir(parents=True, exist_ok=True)
        note.write_text(str(own), encoding="utf-8")


def _key(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9_\-./: ]", "_", name)[:250]


def _param(value: Value) -> str:
    """A setting in the words of a study file: 7.0 is 7."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)[:6000]


def _plain(value: object) -> object:
    """A value as JSON has it; what is no number is empty."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(digest: object) -> object:
    """A picture in a table, as MLflow's page finds it."""
    path = f"{PICTURES}/{digest}.jpg"
    return {"type": "image", "filepath": path, "compressed_filepath": path} if digest else None
