"""TensorBoard: contact sheets, curves and tables in an event file beside the study; no torch, no TensorFlow.

A study is one file, which each conclusion writes anew in place of the old one, so concluding twice changes nothing.
While a run goes on there is a second file with its progress.

Records are TensorBoard's own protocol buffers. Its ready-made writer is not used: it puts the name of the machine into
the name of the file.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from teststrip import disk
from teststrip.records import Concluded, Saved, Setting, Started, Study
from teststrip.rows import curves, tables
from teststrip.trackers import content
from teststrip.trackers.reporting import StudyTracker

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

MOST_LINES = 1_000  # of a table of images: more make its page slow; `export --to csv` has all
EMPTY = 4  # earlier files that stay, without content
NAME = "events.out.tfevents.{:010d}.teststrip"


class TensorBoardTracker(StudyTracker):
    """Contact sheets, curves and tables for TensorBoard, in an event file beside the study.

    Args:
        side: pixels of a picture in a contact sheet.
    """

    needs: ClassVar[str] = "tensorboard"
    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {"side": Setting("side", "int", 128, low=16, high=1024, doc="Pixels of a picture in a contact sheet.")}
    )

    def __init__(self, *, side: int = 128) -> None:
        super().__init__()
        self._side = side
        self._live: _EventFile | None = None
        self._own = Path()

    @property
    def where(self) -> str:
        """The command that shows it."""
        return f"tensorboard --logdir {shlex.quote(str(self._own))}" if self.began else ""

    def begin(self, event: Started) -> None:
        """Take the folder for the event files."""
        self._own = content.own_folder(self.folder, "tensorboard")

    def report(self, event: Saved) -> None:
        """Write the counts, and the picture that has just been made."""
        if self._live is None:
            self._live = _EventFile(self._logs / NAME.format(_last(self._logs) + 1), first=not _files(self._logs))
        values = [_scalar("study/images", self.made), _scalar("study/failures", self.failed)]
        if newest := content.thumbnail(self.folder, event.image, 2 * self._side, "PNG"):
            values.append(_picture(f"newest/{event.planned.prompt.id}", newest))
        self._live.add(self.made, values)

    def conclude(self, event: Concluded) -> None:
        """Write the whole study into a file of its own, and empty the files before it."""
        self.close()
        old = _files(self._logs)
        path = self._logs / NAME.format(_last(self._logs) + 1)
        hidden = path.with_name(".writing")  # readers look for "tfevents" in a name
        whole = _EventFile(hidden, first=True)
        for step, values in _entries(self.study, event, self.folder, self._side):
            whole.add(step, values)
        whole.close()
        disk.move(hidden, path)
        # A reader forgets what older files said when the new one begins. They are emptied and not deleted, because
        # TensorBoard's slower reader waits without end for a file that it has open.
        for other in old[-EMPTY:]:
            other.write_bytes(b"")
        for other in old[:-EMPTY]:
            other.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._live is not None:
            self._live.close()
            self._live = None

    @property
    def _logs(self) -> Path:
        return self._own / self.study.name


def _entries(study: Study, event: Concluded, folder: Path, side: int) -> Iterator[tuple[int, list[Summary.Value]]]:
    """The whole study as pairs of a step and its values; the steps of one tag rise."""
    rows = event.rows
    made, failures = tables.counts(rows)
    yield made, [_scalar("study/images", made), _scalar("study/failures", failures)]
    for curve in curves.of(study, rows):
        for point in curve.points:
            yield point.step, [_scalar(f"by {curve.scale}/{curve.metric}", point.mean)]
    for prompt, png in content.grids(study, rows, folder, side):
        yield 0, [_picture(f"grids/{prompt}", png)]
    shown = {
        "steps of the curves": curves.legend(study),
        "findings": content.findings(event.findings),
        "settings": tables.settings(rows),
        "images": tables.images(rows),
    }
    for name, table in shown.items():
        yield 0, [_text(name, _markdown(table))]


class _EventFile:
    """Writes values at steps; each is on disk at once."""

    def __init__(self, path: Path, *, first: bool) -> None:
        """Open a new file; `first` makes readers forget what other files said before."""
        from tensorboard.compat.proto.event_pb2 import Event as Entry
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        self._entry = Entry
        path.unlink(missing_ok=True)
        self._file = path.open("xb")
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
    """Columns as a table of at most MOST_LINES lines, with a sentence on how many more there are."""
    lines = list(zip(*table.values(), strict=True))
    shown = [tuple(table), ("---",) * len(table), *lines[:MOST_LINES]]
    text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in shown)
    more = len(lines) - MOST_LINES
    return f"{text}\n\n... and {more} more; `teststrip export` writes all of them as CSV" if more > 0 else text


def _cell(value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, float) else " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|")
