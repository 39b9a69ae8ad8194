"""TensorBoard: contact sheets, curves and tables in an event file beside the study; no torch, no TensorFlow.

The account of a study is one file, written anew whenever the study is told, in place of what was there: telling it
twice changes nothing. While a run goes on there is a second file with its progress.

Records are TensorBoard's own protocol buffers. Its ready-made writer is not used: it puts the name of the machine into
the name of the file.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip import disk, pictures
from teststrip.errors import PictureError
from teststrip.folder import TRACKERS
from teststrip.records import Concluded, Event, Failed, Saved, Setting, Started
from teststrip.rows import curves, tables
from teststrip.trackers import telling

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

EVERY = 5.0  # seconds between two looks at a run: as often as TensorBoard itself reads its files
MOST_LINES = 1_000  # of a table of images: more make its page slow; `export --to csv` has all
EMPTY = 4  # files of earlier tellings that stay, without content
NAME = "events.out.tfevents.{:010d}.teststrip"


class TensorBoardTracker:
    """Contact sheets, curves and tables for TensorBoard, in an event file beside the study.

    Args:
        side: pixels of a picture in a contact sheet.
    """

    needs: ClassVar[str] = "tensorboard"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {"side": Setting("side", "int", 128, low=16, high=1024, doc="Pixels of a picture in a contact sheet.")}
    )

    def __init__(self, side: int = 128) -> None:
        self._side = side
        self._started: Started | None = None
        self._folder = Path()
        self._live: _EventFile | None = None
        self._made = self._failed = 0
        self._last = -EVERY

    def on_event(self, event: Event) -> None:
        """Write progress every few seconds, and all at the end; see Tracker."""
        match event:
            case Started():
                self._started, self._made = event, event.done
                self._folder = Path(event.folder) / TRACKERS / "tensorboard" / event.study.name
            case Saved():
                self._made += 1
                self._progress(event)
            case Failed():
                self._failed += 1
            case Concluded():
                self._conclude(event)
            case _:
                pass

    def close(self) -> None:
        """Let go of the file."""
        if self._live is not None:
            self._live.close()
            self._live = None

    @property
    def where(self) -> str:
        """The command that shows it."""
        return f"tensorboard --logdir {shlex.quote(str(self._folder.parent))}" if self._started else ""

    def _progress(self, event: Saved) -> None:
        """The counts, and the picture that has just been made."""
        if time.monotonic() - self._last < EVERY:
            return
        assert self._started is not None
        if self._live is None:
            self._live = _EventFile(self._folder / NAME.format(_last(self._folder) + 1), first=not _files(self._folder))
        values = [_scalar("study/images", self._made), _scalar("study/failures", self._failed)]
        with contextlib.suppress(OSError, PictureError):  # one that is damaged is not shown
            original = (Path(self._started.folder) / event.image.path).read_bytes()
            data = pictures.thumbnail(original, 2 * self._side, "PNG")
            values.append(_picture(f"newest/{event.planned.prompt.id}", data))
        self._live.add(self._made, values)
        self._last = time.monotonic()

    def _conclude(self, event: Concluded) -> None:
        assert self._started is not None
        self.close()
        old = _files(self._folder)
        path = self._folder / NAME.format(_last(self._folder) + 1)
        hidden = path.with_name(".writing")  # readers look for "tfevents" in a name
        whole = _EventFile(hidden, first=True)
        for step, values in _account(self._started, event, self._side):
            whole.add(step, values)
        whole.close()
        disk.move(hidden, path)
        # A reader forgets what older files said when the new one begins. They are emptied and not deleted, because
        # TensorBoard's slower reader waits for ever for a file that it has open.
        for other in old[-EMPTY:]:
            other.write_bytes(b"")
        for other in old[:-EMPTY]:
            other.unlink(missing_ok=True)


def _account(started: Started, concluded: Concluded, side: int) -> Iterator[tuple[int, list[Summary.Value]]]:
    """All that there is to say of a study: (step, values), steps of a tag in rising order."""
    study, rows, folder = started.study, concluded.rows, Path(started.folder)
    made = sum(row.image is not None for row in rows)
    failures = sum(row.failure is not None for row in rows)
    yield made, [_scalar("study/images", made), _scalar("study/failures", failures)]
    for curve in curves.of(study, rows):
        for point in curve.points:
            yield point.step, [_scalar(f"by {curve.scale}/{curve.metric}", point.mean)]
    for prompt, png in telling.grids(study, rows, folder, side):
        yield 0, [_picture(f"grids/{prompt}", png)]
    told = {
        "steps of the curves": curves.legend(study),
        "findings": telling.findings(concluded.findings),
        "settings": tables.settings(rows),
        "images": tables.images(rows),
    }
    for name, table in told.items():
        yield 0, [_text(name, _markdown(table))]


class _EventFile:
    """Writes values at steps, each at once on disk."""

    def __init__(self, path: Path, *, first: bool) -> None:
        """`first`: what other files said before is to be forgotten."""
        from tensorboard.compat.proto.event_pb2 import Event as Entry
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        self._entry = Entry
        self._file = path.open("wb")
        self._writer = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        if first:
            self._write(step=0, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, values: Sequence[Summary.Value]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step=step, summary=Summary(value=values))

    def close(self) -> None:
        self._file.close()

    def _write(self, **what: Any) -> None:
        self._writer.write(self._entry(wall_time=time.time(), **what).SerializeToString())
        self._file.flush()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*.teststrip"))


def _last(folder: Path) -> int:
    return max((int(path.name.split(".")[3]) for path in _files(folder)), default=0)


def _scalar(tag: str, value: float) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=tag, simple_value=value)


def _picture(tag: str, png: bytes) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))  # of the PNG's header
    image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
    return Summary.Value(tag=tag, image=image)


def _text(tag: str, text: str) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    plugin = SummaryMetadata.PluginData(plugin_name="text", content=TextPluginData().SerializeToString())
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode("utf-8", "replace")], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=tag, tensor=tensor, metadata=SummaryMetadata(plugin_data=plugin))


def _markdown(table: tables.Columns) -> str:
    """Columns as a table; at most MOST_LINES lines, and then how many more there are."""
    lines = list(zip(*table.values(), strict=True))
    shown = [tuple(table), ("---",) * len(table), *lines[:MOST_LINES]]
    text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in shown)
    more = len(lines) - MOST_LINES
    return f"{text}\n\n... and {more} more; `teststrip export` writes all of them as CSV" if more > 0 else text


def _cell(value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, float) else " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|")
