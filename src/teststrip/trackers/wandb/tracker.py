"""Weights & Biases: one run a study, with a table and media that can be grouped by what was studied.

While pictures are made, each becomes a row of a growing table. When the run has ended the whole study is logged at
once: the table of all images; one history step a setting, with its level on each axis, its mean scores and its
pictures, so that a media panel can be laid out by guidance and steps; contact sheets; findings; and the study as an
artifact.

The W&B run keeps one id, which lies beside the study, and a study that was sent in full is remembered by its digest:
sending it again adds nothing. A step of the history cannot be changed or taken back, so each setting's step is
written down before it is sent, and a step that the server has when a run goes on is not sent again. Without an account
the run is written to disk, all of it beside the study, for `wandb sync`. Nothing of the machine goes along: no command
line, code, packages, host or user.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from teststrip.records import Concluded, Event, Row, Saved, Setting, Started, digest_of
from teststrip.rows import tables
from teststrip.trackers import content
from teststrip.trackers.reporting import StudyTracker
from teststrip.trackers.wandb import history, library, media
from teststrip.trackers.wandb.memory import Memory

if TYPE_CHECKING:
    import wandb

# W&B keeps each part of the growing table as a file of its own and, with it, the names of all parts before: with these
# two, ten hours make about 100 parts.
PAUSE_SECONDS = 20.0
PAUSE_SHARE = 1 / 20  # of the time so far, where that is more

SENT = "told"  # the key of the summary by which runs of the first version are known, too


class WandbTracker(StudyTracker):
    """A W&B run for the study: table of images, media by setting, contact sheets, findings, artifact.

    Args:
        project: as W&B calls it.
        entity: user or team, as W&B calls it; without one, the account's own.
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
        *,
        project: str = "teststrip",
        entity: str | None = None,
        mode: str = "auto",
        side: int = 256,
        per_setting: bool = False,
        artifact: bool = True,
    ) -> None:
        super().__init__()
        self._project, self._entity, self._mode, self._side = project, entity, mode, side
        self._per_setting, self._artifact = per_setting, artifact
        self._own = self._originals = Path()
        self._links: Path | None = None
        self._id = ""
        self._run: wandb.Run | None = None
        self._places: list[Path] = []
        self._growing: wandb.Table | None = None
        self._waiting = 0
        self.where = ""

    def on_event(self, event: Event) -> None:
        """Add rows to the growing table, and log the whole study at the end; see Tracker."""
        if isinstance(event, Started) or self._mode != "disabled":
            super().on_event(event)

    def begin(self, event: Started) -> None:
        """Set W&B's library up, and recall what was sent of the study before."""
        self._own = content.own_folder(self.folder, "wandb")
        self._id = content.lasting_id(self._own)[:12]
        outside, inside = tempfile.gettempdir(), self._own / "staging" / "tmp"
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        tempfile.tempdir = str(inside)  # the library makes folders there when it is imported, and leaves them
        os.environ.update(WANDB_ERROR_REPORTING="false", **_staging_in(inside.parent))
        self._mode = library.mode(self._mode)
        if self._mode == "online":
            self._links = Path(tempfile.mkdtemp(prefix="teststrip-", dir=outside))
        staging, self._originals = self._paths()
        os.environ.update(WANDB_DIR=str(self._own), **_staging_in(staging))
        server = library.server() if self._mode == "online" else ""
        self._memory = Memory(self._own, f"{self._entity or ''}/{self._project}", server)
        self.where = self._memory.where

    def collect(self, event: Saved) -> None:
        """Add a row to the growing table."""
        import wandb

        row = Row(event.planned, image=event.image)
        columns = {name: values[0] for name, values in tables.images([row]).items()}
        line = {"picture": media.picture(self.folder, row, self._side), **columns}
        if self._growing is None:
            self._growing = wandb.Table(columns=list(line), log_mode="INCREMENTAL", allow_mixed_types=True)
        self._growing.add_data(*(line.get(str(name)) for name in self._growing.columns))
        self._waiting += 1

    def pause(self) -> float:
        """Seconds between two parts of the growing table."""
        return max(PAUSE_SECONDS, PAUSE_SHARE * self.seconds)

    def report(self, event: Saved) -> None:
        """Send the rows that the growing table has gained."""
        self._send()

    def conclude(self, event: Concluded) -> None:
        """Log the whole study, unless W&B has all of it already, or the run was interrupted."""
        digest = digest_of([_said(event), self._side, self._artifact, self._per_setting])
        if event.interrupted or self._memory.knows(digest):
            return
        self._send()
        run = self._opened()
        # Equal where `wandb sync` took it to the server, from wherever.
        if run.summary.get(SENT) != digest:  # type: ignore[no-untyped-call]
            self._log(run, event)
            if self._mode == "offline":  # a server is given no such note before everything has arrived
                run.summary[SENT] = digest
        self._places, url = [Path(run.dir).parent], run.url
        self._finish()
        if self._mode == "online":
            library.check(self._places[0])
        if self._per_setting:
            self._runs_of_settings(event.rows)
        self._memory.whole(digest, url or "", self._places)
        self.where = self._memory.where

    def close(self) -> None:
        """Send what is waiting, end the W&B run, and leave nothing of the library's behind."""
        self._finish()
        if self.began:
            import wandb

            wandb.teardown()
            shutil.rmtree(self._own / "staging" / "tmp", ignore_errors=True)
            if self._links is not None:
                shutil.rmtree(self._links, ignore_errors=True)

    def _paths(self) -> tuple[Path, Path]:
        """The paths of staging and study, as W&B is given them.

        Online they are symlinks with neutral names: W&B uploads both paths in every manifest, and the real ones reveal
        user and folder names.
        """
        real = self._own / "staging", self.folder.resolve()
        if self._links is None:
            return real
        links = self._links / "staging", self._links / "study"
        try:
            for link, path in zip(links, real, strict=True):
                link.symlink_to(path, target_is_directory=True)
        except OSError:  # a system where that is not allowed
            return real
        return links

    def _send(self) -> None:
        if self._waiting and self._growing is not None:
            self._opened().log({"pictures so far": self._growing, "made": self.made, "failed": self.failed})
            self._waiting = 0

    def _finish(self) -> None:
        if self._run is not None:
            self._send()
            self._run.finish()
            self._run = None

    def _log(self, run: wandb.Run, event: Concluded) -> None:
        for part, rows in enumerate(media.chunks(event.rows, media.MOST_ROWS), 1):
            pictures = [media.picture(self.folder, row, self._side) for row in rows]
            run.log({media.numbered("images", part): media.table(tables.images(rows), pictures)})
        self._log_history(run, event.rows)
        means = media.table(tables.settings(event.rows))
        run.log({"findings": media.table(content.findings(event.findings)), "settings": means})
        _summarise(run, event)
        if self._artifact:
            name = f"study-{self.study.name}"
            made = media.artifact(name, {"teststrip": self._id}, event.rows, self.folder, self._originals)
            run.log_artifact(made)

    def _log_history(self, run: wandb.Run, rows: Sequence[Row]) -> None:
        """Log each step that the server does not have; of one that it has, at most the pictures are sent again."""
        steps = list(history.steps(self.study, rows, self.folder, self._side))
        there = self._memory.will_send({step.id: step.content for step in steps}, run.step)
        for step in steps:
            before = there.get(step.id)
            if before is None:
                run.log({**step.values, **step.media()})
            elif not before.whole:  # its line is there; its pictures may have been lost
                for key, some in step.media().items():
                    for picture in some:
                        picture.bind_to_run(run, key, before.at)

    def _runs_of_settings(self, rows: Sequence[Row]) -> None:
        for arm in tables.arms(rows):
            run = self._init(f"{self._id}-{arm.id}", arm.name, arm.settings, group=self.study.name)
            run.summary.update(dict(arm.numbers))
            self._places.append(Path(run.dir).parent)
            run.finish()
            if self._mode == "online":
                library.check(self._places[-1])

    def _opened(self) -> wandb.Run:
        if self._run is None:
            self._run = self._init(self._id, self.study.name, content.about(self.study))
            self._memory.goes_on_at(self._run.starting_step)
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
            settings=wandb.Settings(**library.PRIVATE, **library.bounded()),
        )


def _staging_in(folder: Path) -> dict[str, str]:
    """The environment variables that make W&B stage its files in a folder."""
    return {f"WANDB_{name}_DIR": str(folder) for name in ("DATA", "CACHE", "ARTIFACT")}


def _said(event: Concluded) -> list[object]:
    """Everything that is logged of a study, in a form that has a digest."""
    rows = [
        [
            row.planned.shot.id,
            row.image and row.image.digest,
            row.failure and row.failure.reason,
            history.texts(row.scores),
        ]
        for row in event.rows
    ]
    return [rows, [finding.sentence for finding in event.findings]]


def _summarise(run: wandb.Run, event: Concluded) -> None:
    """Set counts and verdicts where W&B shows one number a run."""
    run.summary["images"], run.summary["failures"] = tables.counts(event.rows)
    for finding in event.findings:
        key = "/".join(filter(None, ("finding", finding.metric, finding.axis, finding.kind)))
        run.summary[key] = {"verdict": finding.verdict, "sentence": finding.sentence}
