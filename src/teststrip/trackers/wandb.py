"""Weights & Biases: one run a study, with a table and media that can be grouped by what was studied.

While pictures are made, each becomes a row of a growing table. When the run has ended everything is told at once: the
table of all images; one history step a setting, with its level on each axis, its mean scores and its pictures, so that
a media panel can be laid out by guidance and steps; contact sheets; findings; and the study as an artifact.

The W&B run has one id for ever, which lies beside the study, and what was told in full is remembered by its digest:
telling it again adds nothing. Without an account the run is written to disk, all of it beside the study, for
`wandb sync`. Nothing of the machine goes along: no command line, code, packages, host or user.
"""

from __future__ import annotations

import hashlib
import io
import json
import netrc
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlparse

from teststrip import account, pictures
from teststrip.apart import FOLDER
from teststrip.records import Concluded, Event, Failed, Finding, Image, Row, Setting, Shown, Started, digest_of

if TYPE_CHECKING:
    import wandb

EVERY = 20.0  # seconds between two parts of the growing table: W&B keeps each as a file of its own
MOST_ROWS = 10_000  # of a logged table: wandb.Table.MAX_ROWS
MOST_IMAGES = 108  # of a list of images: wandb.Image.MAX_ITEMS
TOLD = "told.json"
CLOUD = "https://api.wandb.ai"  # what the library takes where WANDB_BASE_URL says nothing

PRIVATE: Mapping[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "email": "",
    "host": "",
    "program": "",
    "silent": True,
    "username": "",
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_executable": "",
    "x_save_requirements": False,
}
BOUNDED: Mapping[str, Any] = {  # a server that hangs or fails is given up within minutes, not within a day
    "finish_timeout": 600.0,
    "finish_timeout_raises": True,
    "init_timeout": 30.0,
    "x_file_stream_retry_max": 4,
    "x_file_stream_timeout_seconds": 30.0,
    "x_file_transfer_retry_max": 4,
    "x_file_transfer_timeout_seconds": 60.0,
    "x_graphql_retry_max": 4,
    "x_graphql_timeout_seconds": 20.0,
}


class WandbTracker:
    """A W&B run for the study: table of images, media by setting, contact sheets, findings, artifact.

    Args:
        project, entity: as W&B calls them; without an entity, the account's own.
        mode: "online", "offline", or "auto": online where there is an account.
        side: pixels of the longer edge of a picture in tables and media; the artifact has the originals.
        per_setting: also one summary run a setting, in the study's group.
        artifact: also the study as an artifact.
    """

    needs: ClassVar[str] = "wandb"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "project": Setting("project", "str", "teststrip", doc="Name of the W&B project."),
            "entity": Setting("entity", "str", optional=True, doc="User or team; without one, the account's own."),
            "mode": Setting("mode", "str", "auto", choices=("auto", "online", "offline"), doc="auto = by the account."),
            "side": Setting("side", "int", 256, low=16, high=4096, doc="Pixels of a picture's longer edge."),
            "per_setting": Setting("per_setting", "bool", default=False, doc="Also one summary run a setting."),
            "artifact": Setting(
                "artifact", "bool", default=True, doc="Also the study as an artifact: table and originals."
            ),
        }
    )

    def __init__(
        self,
        project: str = "teststrip",
        entity: str | None = None,
        mode: str = "auto",
        side: int = 256,
        *,
        per_setting: bool = False,
        artifact: bool = True,
    ) -> None:
        self._project, self._entity, self._mode, self._side = project, entity, mode, side
        self._per_setting, self._artifact = per_setting, artifact
        self._started: Started | None = None
        self._folder = self._own = Path()
        self._id = ""
        self._run: wandb.Run | None = None
        self._growing: wandb.Table | None = None
        self._made = self._failed = 0
        self._waiting = 0
        self._last = -EVERY
        self.where = ""

    def on_event(self, event: Event) -> None:
        """Add rows to the growing table, and tell all at the end; see Tracker."""
        match event:
            case Started():
                self._start(event)
            case Shown():
                self._made += 1
                self._grow(Row(event.planned, image=event.image))
            case Failed():
                self._failed += 1
            case Concluded(interrupted=False):
                self._conclude(event)
            case _:
                pass

    def close(self) -> None:
        """Send what is waiting and end the W&B run."""
        if self._run is not None:
            self._send()
            self._run.finish()
            self._run = None

    # --- while pictures are made ---------------------------------------------------------------------------------

    def _start(self, event: Started) -> None:
        self._started, self._folder, self._made = event, Path(event.folder), event.done
        self._own = (self._folder / FOLDER / "wandb").resolve()
        self._id = account.lasting_id(self._own)[:12]
        self._mode = _mode(self._mode)
        for name in ("DIR", "DATA_DIR", "CACHE_DIR", "CONFIG_DIR", "ARTIFACT_DIR"):
            os.environ[f"WANDB_{name}"] = str(self._own if name == "DIR" else self._own / "staging")
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        self.where = str(_told(self._own).get("where", ""))

    def _grow(self, row: Row) -> None:
        import wandb

        line = {"picture": self._picture(row), **{name: values[0] for name, values in account.images([row]).items()}}
        if self._growing is None:
            self._growing = wandb.Table(columns=list(line), log_mode="INCREMENTAL", allow_mixed_types=True)
        self._growing.add_data(*(line.get(str(name)) for name in self._growing.columns))
        self._waiting += 1
        if time.monotonic() - self._last > EVERY:
            self._send()

    def _send(self) -> None:
        """What the growing table has won since the last time, with the counts."""
        if self._waiting and self._growing is not None:
            self._opened().log({"pictures so far": self._growing, "made": self._made, "failed": self._failed})
            self._waiting = 0
        self._last = time.monotonic()

    # --- at the end ----------------------------------------------------------------------------------------------

    def _conclude(self, event: Concluded) -> None:
        digest = _digest(event)
        if _told(self._own).get(self._mode) == digest:
            return
        self._send()
        assert self._started is not None
        run = self._opened()
        for part, rows in enumerate(_chunks(event.rows, MOST_ROWS), 1):
            run.log({_numbered("images", part): self._table(account.images(rows), rows)})
        for step in self._by_setting(event.rows):
            run.log(step)
        sheets = account.grids(self._started.study, event.rows, self._folder, self._side)
        run.log({f"contact sheet/{prompt}": _image(png, prompt) for prompt, png in sheets})
        run.log({"findings": self._table(account.findings(event.findings)), "settings": self._means(event.rows)})
        _summarise(run, event)
        if self._artifact:
            run.log_artifact(self._as_artifact(event.rows))
        where = run.url or _sync_command(run)
        self.close()
        if self._per_setting:
            self._runs_of_settings(event.rows)
        self._remember(digest, where)

    def _by_setting(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """One history step a setting: its levels, its means and, for each prompt, its pictures."""
        by_cell: dict[str, list[Row]] = {}
        for row in rows:
            by_cell.setdefault(str(row.planned.cell), []).append(row)
        for arm, own in zip(account.arms(rows), by_cell.values(), strict=True):
            axes = {name: arm.settings[name] for name, _ in own[0].planned.cell.levels}
            media: dict[str, Any] = {}
            for prompt in dict.fromkeys(row.planned.prompt.id for row in own):
                shown = [row for row in own if row.planned.prompt.id == prompt and row.image]
                for part, some in enumerate(_chunks(shown, MOST_IMAGES), 1):
                    media[_numbered(f"grid/{prompt}", part)] = [self._picture(row) for row in some]
            yield {**axes, **{f"mean/{name}": value for name, value in arm.numbers.items()}, **media}

    def _means(self, rows: Sequence[Row]) -> wandb.Table:
        return self._table(account.settings(rows))

    def _table(self, columns: account.Columns, rows: Sequence[Row] = ()) -> wandb.Table:
        """A table of these columns; with rows, their pictures first."""
        import wandb

        shown = {"picture": [self._picture(row) for row in rows]} if rows else {}
        every = {**shown, **columns}
        data = [list(line) for line in zip(*every.values(), strict=True)]
        return wandb.Table(columns=list(every), data=data, allow_mixed_types=True)

    def _picture(self, row: Row) -> wandb.Image | None:
        if row.image is None:
            return None
        small = pictures.thumbnail((self._folder / row.image.path).read_bytes(), self._side)
        return _image(small, f"{row.planned.cell}, seed {row.planned.shot.seed}")

    def _as_artifact(self, rows: Sequence[Row]) -> wandb.Artifact:
        """The table and the originals. A file that is not what the ledger says is left out: nobody knows what it is."""
        import pandas as pd
        import wandb

        assert self._started is not None
        made = wandb.Artifact(f"study-{self._started.study.name}", "study", metadata={"teststrip": self._id})
        frame = pd.DataFrame(account.images(rows))
        with made.new_file("images.parquet", mode="wb") as file:
            file.write(_parquet(frame))
        for image in {row.image.digest: row.image for row in rows if row.image}.values():
            if _sound(self._folder, image):
                made.add_file(str(self._folder / image.path), name=image.path, policy="immutable", skip_cache=True)
        return made

    def _runs_of_settings(self, rows: Sequence[Row]) -> None:
        import wandb

        assert self._started is not None
        for arm in account.arms(rows):
            run = self._init(f"{self._id}-{arm.id}", arm.name, arm.settings, group=self._started.study.name)
            run.summary.update(dict(arm.numbers))
            run.finish()
        wandb.teardown()

    # --- W&B's runs ----------------------------------------------------------------------------------------------

    def _opened(self) -> wandb.Run:
        assert self._started is not None
        if self._run is None:
            study = self._started.study
            self._run = self._init(self._id, study.name, account.about(study))
        return self._run

    def _init(self, name_of_run: str, name: str, config: Mapping[str, object], group: str | None = None) -> wandb.Run:
        import wandb

        return wandb.init(
            project=self._project,
            entity=self._entity,
            id=name_of_run,
            name=name,
            group=group,
            config=dict(config),
            mode="online" if self._mode == "online" else "offline",
            resume="allow" if self._mode == "online" else None,
            dir=str(self._own),
            save_code=False,
            settings=wandb.Settings(**PRIVATE, **BOUNDED),
        )

    def _remember(self, digest: str, where: str) -> None:
        """What is told in full; runs on disk that never came to an end are superseded, and go."""
        told = {**_told(self._own), self._mode: digest, "where": where}
        temporary = self._own / f".{TOLD}.tmp"
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(self._own / TOLD)
        self.where = where
        if self._mode == "offline":
            for run in (self._own / "wandb").glob(f"offline-run-*-{self._id}"):
                if str(run) not in where and not list(run.glob("*.synced")):
                    shutil.rmtree(run, ignore_errors=True)


def _mode(asked: str) -> str:
    """Online where it is asked for or an account is known; WANDB_MODE goes before the study file."""
    asked = os.environ.get("WANDB_MODE") or asked
    if asked != "auto":
        return "online" if asked in ("online", "run", "shared") else "offline"
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urlparse(os.environ.get("WANDB_BASE_URL", CLOUD)).hostname or ""
    try:
        return "online" if netrc.netrc().authenticators(host) else "offline"
    except (OSError, netrc.NetrcParseError):
        return "offline"


def _told(own: Path) -> dict[str, Any]:
    try:
        found = json.loads((own / TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(event: Concluded) -> str:
    """Of all that is told."""
    rows = [
        [row.planned.shot.id, row.image and row.image.digest, row.failure and row.failure.reason, _scores(row.scores)]
        for row in event.rows
    ]
    return digest_of([rows, [_said(finding) for finding in event.findings]])


def _scores(scores: Mapping[str, float]) -> dict[str, str]:
    return {name: repr(value) for name, value in scores.items()}


def _said(finding: Finding) -> str:
    return finding.sentence


def _summarise(run: wandb.Run, event: Concluded) -> None:
    """Counts and verdicts, where W&B shows one number a run."""
    run.summary["images"] = sum(row.image is not None for row in event.rows)
    run.summary["failures"] = sum(row.failure is not None for row in event.rows)
    for finding in event.findings:
        key = "/".join(filter(None, ("finding", finding.metric, finding.axis, finding.kind)))
        run.summary[key] = {"verdict": finding.verdict, "sentence": finding.sentence}


def _image(data: bytes, caption: str) -> wandb.Image:
    import PIL.Image
    import wandb

    with PIL.Image.open(io.BytesIO(data)) as opened:
        return wandb.Image(opened.convert("RGB"), caption=caption)


def _parquet(frame: Any) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _sound(folder: Path, image: Image) -> bool:
    path = folder / image.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == image.digest


def _sync_command(run: wandb.Run) -> str:
    return f"wandb sync {Path(run.dir).parent}"


def _chunks(rows: Sequence[Row], most: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + most] for start in range(0, len(rows), most))


def _numbered(name: str, part: int) -> str:
    return name if part == 1 else f"{name} ({part})"
