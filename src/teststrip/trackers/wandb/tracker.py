"""Weights & Biases: one run a study, with a table and media that can be grouped by what was studied.

While pictures are made, each becomes a row of a growing table. When the run has ended everything is told at once: the
table of all images; one history step a setting, with its level on each axis, its mean scores and its pictures, so that
a media panel can be laid out by guidance and steps; contact sheets; findings; and the study as an artifact.

The W&B run has one id for ever, which lies beside the study, and what was told in full is remembered by its digest:
telling it again adds nothing. A step of the history cannot be changed or taken back, so for each setting its step is
written down before it is sent: what the server has of it when a run goes on is not sent again. Without an account the
run is written to disk, all of it beside the study, for `wandb sync`. Nothing of the machine goes along: no command
line, code, packages, host or user.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from teststrip import pictures
from teststrip.errors import PictureError
from teststrip.folder import TRACKERS
from teststrip.records import Concluded, Event, Failed, Image, Row, Saved, Setting, Started, digest_of
from teststrip.rows import tables
from teststrip.trackers import telling
from teststrip.trackers.wandb import library
from teststrip.trackers.wandb.memory import Memory

if TYPE_CHECKING:
    import wandb

T = TypeVar("T")

EVERY = 20.0  # seconds between two parts of the growing table, or a twentieth of the time so far where that is more:
# W&B keeps each as a file of its own and, with it, the names of all before: ten hours make about 100 of them
MOST_ROWS = 10_000  # of a logged table: wandb.Table.MAX_ROWS
MOST_IMAGES = 108  # of a list of images: wandb.Image.MAX_ITEMS


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the history: whose, its content as a digest, its numbers and words, its pictures when asked for."""

    id: str
    content: str
    values: Mapping[str, object]
    media: Callable[[], dict[str, list[wandb.Image]]]


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
        self._folder = self._own = self._originals = Path()
        self._door: Path | None = None
        self._id = ""
        self._run: wandb.Run | None = None
        self._places: list[Path] = []
        self._growing: wandb.Table | None = None
        self._made = self._failed = 0
        self._waiting = 0
        self._since = self._last = -EVERY
        self.where = ""

    def on_event(self, event: Event) -> None:
        """Add rows to the growing table, and tell all at the end; see Tracker."""
        match event:
            case Started():
                self._start(event)
            case _ if self._mode == "disabled":
                pass
            case Saved():
                self._made += 1
                self._grow(Row(event.planned, image=event.image))
            case Failed():
                self._failed += 1
            case Concluded(interrupted=False):
                self._conclude(event)
            case _:
                pass

    def close(self) -> None:
        """Send what is waiting, end the W&B run, and leave nothing of the library's behind."""
        self._finish()
        if self._started is not None:
            import wandb

            wandb.teardown()
            shutil.rmtree(self._own / "staging" / "tmp", ignore_errors=True)
            if self._door is not None:
                shutil.rmtree(self._door, ignore_errors=True)

    def _finish(self) -> None:
        if self._run is not None:
            self._send()
            self._run.finish()
            self._run = None

    # --- while pictures are made ---------------------------------------------------------------------------------

    def _start(self, event: Started) -> None:
        self._started, self._folder, self._made = event, Path(event.folder), event.done
        self._own = (self._folder / TRACKERS / "wandb").resolve()
        self._id = telling.lasting_id(self._own)[:12]
        outside, inside = tempfile.gettempdir(), self._own / "staging" / "tmp"
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        tempfile.tempdir = str(inside)  # the library makes folders there when it is imported, and leaves them
        os.environ.update(WANDB_ERROR_REPORTING="false", **_staged(inside.parent))
        self._mode = library.mode(self._mode)
        if self._mode == "online":
            self._door = Path(tempfile.mkdtemp(prefix="teststrip-", dir=outside))
        staging, self._originals = self._ways()
        os.environ.update(WANDB_DIR=str(self._own), **_staged(staging))
        server = library.server() if self._mode == "online" else ""
        self._memory = Memory(self._own, f"{self._entity or ''}/{self._project}", server)
        self.where = self._memory.where
        self._since = time.monotonic()

    def _ways(self) -> tuple[Path, Path]:
        """To the staging and to the study; online by names that say nothing: W&B sends both with every manifest."""
        ways = self._own / "staging", self._folder.resolve()
        if self._door is None:
            return ways
        doors = self._door / "staging", self._door / "study"
        try:
            for door, way in zip(doors, ways, strict=True):
                door.symlink_to(way, target_is_directory=True)
        except OSError:  # a system where that is not allowed
            return ways
        return doors

    def _grow(self, row: Row) -> None:
        import wandb

        line = {"picture": self._picture(row), **{name: values[0] for name, values in tables.images([row]).items()}}
        if self._growing is None:
            self._growing = wandb.Table(columns=list(line), log_mode="INCREMENTAL", allow_mixed_types=True)
        self._growing.add_data(*(line.get(str(name)) for name in self._growing.columns))
        self._waiting += 1
        now = time.monotonic()
        if now - self._last > max(EVERY, (now - self._since) / EVERY):
            self._send()

    def _send(self) -> None:
        """What the growing table has won since the last time, with the counts."""
        if self._waiting and self._growing is not None:
            self._opened().log({"pictures so far": self._growing, "made": self._made, "failed": self._failed})
            self._waiting = 0
        self._last = time.monotonic()

    # --- at the end ----------------------------------------------------------------------------------------------

    def _conclude(self, event: Concluded) -> None:
        digest = digest_of([_content(event), self._side, self._artifact, self._per_setting])
        if self._memory.knows(digest):
            return
        self._send()
        assert self._started is not None
        run = self._opened()
        # Equal where it came another way: by `wandb sync`, from wherever.
        if run.summary.get("told") != digest:  # type: ignore[no-untyped-call]
            self._tell(run, event)
            if self._mode == "offline":  # to a server it is said nowhere before all has arrived
                run.summary["told"] = digest
        self._places, url = [Path(run.dir).parent], run.url
        self._finish()
        if self._mode == "online":
            library.check(self._places[0])
        if self._per_setting:
            self._runs_of_settings(event.rows)
        self._memory.whole(digest, url or "", self._places)
        self.where = self._memory.where

    def _tell(self, run: wandb.Run, event: Concluded) -> None:
        assert self._started is not None
        for part, rows in enumerate(_chunks(event.rows, MOST_ROWS), 1):
            run.log({_numbered("images", part): self._table(tables.images(rows), rows)})
        self._step_by_step(run, event.rows)
        run.log({"findings": self._table(telling.findings(event.findings)), "settings": self._means(event.rows)})
        _summarise(run, event)
        if self._artifact:
            run.log_artifact(self._as_artifact(event.rows))

    def _step_by_step(self, run: wandb.Run, rows: Sequence[Row]) -> None:
        """What has a step of the history for itself; of what the server has, at most the pictures are sent again."""
        steps = [*self._by_setting(rows), *self._sheets(rows)]
        there = self._memory.will_tell({step.id: step.content for step in steps}, run.step)
        for step in steps:
            before = there.get(step.id)
            if before is None:
                run.log({**step.values, **step.media()})
            elif not before.whole:  # its line is there; whether its pictures had been sent, nobody knows
                for key, some in step.media().items():
                    for picture in some:
                        picture.bind_to_run(run, key, before.at)

    def _by_setting(self, rows: Sequence[Row]) -> Iterator[_Step]:
        """A setting: its levels, its means and, for each prompt, its pictures."""
        by_cell: dict[str, list[Row]] = {}
        for row in rows:
            by_cell.setdefault(str(row.planned.cell), []).append(row)
        for arm, own in zip(tables.arms(rows), by_cell.values(), strict=True):
            content = digest_of([arm.settings, _texts(arm.numbers), arm.digests, self._side])
            axes = {name: arm.settings[name] for name, _ in own[0].planned.cell.levels}
            means = {f"mean/{name}": value for name, value in arm.numbers.items()}
            yield _Step(arm.id, content, {**axes, **means}, partial(self._pictures, own))

    def _pictures(self, rows: Sequence[Row]) -> dict[str, list[wandb.Image]]:
        media: dict[str, list[wandb.Image]] = {}
        for prompt in dict.fromkeys(row.planned.prompt.id for row in rows):
            shown = [row for row in rows if row.planned.prompt.id == prompt]
            small = [picture for row in shown if (picture := self._picture(row)) is not None]
            for part, some in enumerate(_chunks(small, MOST_IMAGES), 1):
                media[_numbered(f"grid/{prompt}", part)] = list(some)
        return media

    def _sheets(self, rows: Sequence[Row]) -> Iterator[_Step]:
        """The contact sheets of all prompts, in one step."""
        assert self._started is not None
        sheets = dict(telling.grids(self._started.study, rows, self._folder, self._side))
        content = digest_of({prompt: hashlib.sha256(png).hexdigest() for prompt, png in sheets.items()})
        media = {f"contact sheet/{prompt}": [_image(png, prompt)] for prompt, png in sheets.items()}
        yield _Step("contact sheets", content, {}, lambda: media)

    def _means(self, rows: Sequence[Row]) -> wandb.Table:
        return self._table(tables.settings(rows))

    def _table(self, columns: tables.Columns, rows: Sequence[Row] = ()) -> wandb.Table:
        """A table of these columns; with rows, their pictures first."""
        import wandb

        shown = {"picture": [self._picture(row) for row in rows]} if rows else {}
        every: dict[str, Sequence[object]] = {**shown, **{name: _one_kind(values) for name, values in columns.items()}}
        return wandb.Table(columns=list(every), data=[list(line) for line in zip(*every.values(), strict=True)])

    def _picture(self, row: Row) -> wandb.Image | None:
        """A small one, without a record inside; None where there is none, or its file is damaged."""
        if row.image is None:
            return None
        try:
            small = pictures.thumbnail((self._folder / row.image.path).read_bytes(), self._side)
        except (OSError, PictureError):
            return None
        return _image(small, f"{row.planned.cell}, seed {row.planned.shot.seed}")

    def _as_artifact(self, rows: Sequence[Row]) -> wandb.Artifact:
        """The table and the originals. A file that is not what the ledger says is left out: nobody knows what it is."""
        import pandas as pd
        import wandb

        assert self._started is not None
        made = wandb.Artifact(f"study-{self._started.study.name}", "study", metadata={"teststrip": self._id})
        frame = pd.DataFrame(tables.images(rows))
        with made.new_file("images.parquet", mode="wb") as file:
            file.write(_parquet(frame))
        for image in {row.image.digest: row.image for row in rows if row.image}.values():
            if _sound(self._folder, image):
                made.add_file(str(self._originals / image.path), name=image.path, policy="immutable", skip_cache=True)
        return made

    def _runs_of_settings(self, rows: Sequence[Row]) -> None:
        assert self._started is not None
        for arm in tables.arms(rows):
            run = self._init(f"{self._id}-{arm.id}", arm.name, arm.settings, group=self._started.study.name)
            run.summary.update(dict(arm.numbers))
            self._places.append(Path(run.dir).parent)
            run.finish()
            if self._mode == "online":
                library.check(self._places[-1])

    # --- W&B's runs ----------------------------------------------------------------------------------------------

    def _opened(self) -> wandb.Run:
        assert self._started is not None
        if self._run is None:
            study = self._started.study
            self._run = self._init(self._id, study.name, telling.about(study))
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


def _staged(folder: Path) -> dict[str, str]:
    return {f"WANDB_{name}_DIR": str(folder) for name in ("DATA", "CACHE", "ARTIFACT")}


def _content(event: Concluded) -> list[object]:
    """All that is told."""
    rows = [
        [row.planned.shot.id, row.image and row.image.digest, row.failure and row.failure.reason, _texts(row.scores)]
        for row in event.rows
    ]
    return [rows, [finding.sentence for finding in event.findings]]


def _texts(numbers: Mapping[str, float]) -> dict[str, str]:
    """Numbers as text, for a digest: JSON has no NaN."""
    return {name: repr(value) for name, value in numbers.items()}


def _one_kind(values: Sequence[object]) -> Sequence[object]:
    """A column as W&B can filter and group by: of one kind, else of words."""
    kinds = {
        "word" if isinstance(v, str) else "switch" if isinstance(v, bool) else "number" for v in values if v is not None
    }
    return values if len(kinds) < 2 else [None if value is None else str(value) for value in values]


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

    return wandb.Image(PIL.Image.fromarray(pictures.decode(data)), caption=caption)


def _parquet(frame: Any) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _sound(folder: Path, image: Image) -> bool:
    path = folder / image.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == image.digest


def _chunks(every: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (every[start : start + most] for start in range(0, len(every), most))


def _numbered(name: str, part: int) -> str:
    return name if part == 1 else f"{name} ({part})"
