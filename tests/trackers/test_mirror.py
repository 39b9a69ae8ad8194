"""Copies of a study at a URL, on a real S3 server on loopback."""

from __future__ import annotations

import csv
import io
import itertools
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import boto3
import fsspec
import pyarrow.parquet
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer
from tests.command import command
from tests.trackers import runs

from teststrip import pictures
from teststrip.errors import StoreError, TrackerError, UsageError
from teststrip.folder import TRACKERS
from teststrip.records import Concluded, Event, Row, Saved, Started
from teststrip.results.result import open_result
from teststrip.testing.tracker_contract import StudyTrackerContract
from teststrip.trackers.mirror import PLACE, MirrorTracker
from teststrip.trackers.process import TrackerProxy
from teststrip.verbs import export


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of an S3 server."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, where the environment names its server and a mirror in it."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "canary-of-s3",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3").create_bucket(Bucket=f"pictures-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv(PLACE, f"s3://{made.name}")
    return made


def objects(bucket: Any) -> dict[str, bytes]:
    """What lies in a bucket, by its name there."""
    return {one.key: one.get()["Body"].read() for one in bucket.objects.all()}


class TestMirrorKeepsTheContract(StudyTrackerContract):
    name = "mirror"
    hostile: Mapping[str, str] = {}

    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: Any) -> None:
        self.bucket = bucket

    def pictures(self, folder: Path) -> set[str]:
        place = f"{folder.name}/images/"
        return {Path(name).stem for name in objects(self.bucket) if name.startswith(place)}

    def contents(self, folder: Path) -> object:
        return {name: data for name, data in objects(self.bucket).items() if name.startswith(f"{folder.name}/")}

    def sent(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        yield from super().sent(folder)
        yield from objects(self.bucket).items()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.made(tmp_path_factory.mktemp("mirror"))


def test_the_copies_have_the_bytes_and_the_table_has_a_line_for_each(study: Path, bucket: Any) -> None:
    with open_result(study) as result:
        assert export.notify(result, "mirror") == f"s3://{bucket.name}/little"
    there, rows = objects(bucket), [row for row in runs.rows_of(study) if row.image]
    lines = list(csv.DictReader(io.StringIO(there.pop("little/images.csv").decode())))
    assert there == {f"little/{path}": (study / path).read_bytes() for path in paths(rows)}
    assert [line["digest"] for line in lines] == [row.image.digest for row in rows if row.image]
    assert {line["prompt"] for line in lines} == {"an owl | a cat", "'=2+5 and a car"}


def paths(rows: list[Row]) -> set[str]:
    return {row.image.path for row in rows if row.image}


def test_what_is_there_is_not_sent_again_and_what_was_cut_off_is(study: Path, bucket: Any) -> None:
    with open_result(study) as result:
        export.notify(result, "mirror")
        before = {one.key: one.last_modified for one in bucket.objects.all()}
        cut = next(key for key in before if "/images/" in key)
        bucket.put_object(Key=cut, Body=b"half")
        versions = {one.key: one.e_tag for one in bucket.objects.all()}
        export.notify(result, "mirror")
    changed = {one.key for one in bucket.objects.all() if one.e_tag != versions[one.key]}
    assert changed == {cut}


def test_a_run_is_told_at_its_end_that_the_server_was_away(
    tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.warns(RuntimeWarning, match="mirror: 14 of 14 pictures did not arrive"):
        folder = runs.made(tmp_path, "mirror")
    assert len(runs.digests(runs.rows_of(folder))) == 14


def test_a_server_that_comes_back_before_the_end_has_everything(
    study: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    started, *saved, concluded = events(study)
    proxy = TrackerProxy("mirror", {})
    for event in [started, *saved]:
        proxy.on_event(event)
    log = study / TRACKERS / "mirror" / "log.txt"
    runs.wait_for(lambda: "pictures wait" in log.read_text("utf-8"))
    late = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    late.start()
    try:
        there = boto3.resource("s3", endpoint_url=address).create_bucket(Bucket=bucket.name)
        proxy.on_event(concluded)
        proxy.close()  # raises where something did not arrive
        assert objects(there).keys() == {f"little/{path}" for path in (*paths(runs.rows_of(study)), "images.csv")}
    finally:
        late.stop()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def events(folder: Path) -> list[Event]:
    """What a run of this study notifies its trackers of."""
    with open_result(folder) as result:
        rows = tuple(result.rows())
        saved = [Saved(row.planned, row.image, 1) for row in rows if row.image]
        started = Started(result.study, total=len(rows), done=0, folder=str(folder))
        return [started, *saved, Concluded(len(saved), 0, result.findings, rows=rows)]


class Shaky(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A place in memory that cannot be reached for a while."""

    protocol = "shaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    asked: ClassVar[list[float]] = []
    away = False

    def pipe(self, *arguments: Any, **named: Any) -> Any:
        self.asked.append(time.monotonic())
        if Shaky.away:
            raise ConnectionResetError("the connection was lost")
        return super().pipe(*arguments, **named)


@pytest.fixture
def shaky() -> Iterator[type[Shaky]]:
    """The place in memory, empty, which fsspec knows as shaky://."""
    fsspec.register_implementation("shaky", Shaky, clobber=True)
    Shaky.store.clear()
    Shaky.asked.clear()
    Shaky.away = False
    yield Shaky
    Shaky.away = False


class Hasty(MirrorTracker):
    """Pauses for a fiftieth of the time."""

    first_pause = 0.1
    last_pauses = (0.02, 0.08)

    def pause(self) -> float:
        return 0.0


def test_pictures_that_could_not_be_sent_are_sent_again_while_the_run_goes_on(study: Path, shaky: type[Shaky]) -> None:
    started, *saved, _ = events(study)
    mirror = Hasty(url="shaky://pictures")
    mirror.on_event(started)
    shaky.away = True
    for event in saved[:3]:
        mirror.on_event(event)
    assert not shaky.store
    shaky.away = False
    time.sleep(mirror.first_pause)
    mirror.on_event(saved[3])
    assert {name.partition("/little/")[2] for name in shaky.store} == {event.image.path for event in saved[:4]}


def test_the_pause_between_two_failures_grows_and_all_is_told_at_the_end(study: Path, shaky: type[Shaky]) -> None:
    started, *saved, concluded = events(study)
    mirror = Hasty(url="shaky://pictures")
    shaky.away = True
    mirror.on_event(started)
    while len(shaky.asked) < 4:
        mirror.on_event(saved[0])
        time.sleep(0.01)
    pauses = [after - before for before, after in itertools.pairwise(shaky.asked)]
    assert [round(pause / mirror.first_pause) for pause in pauses] == [1, 2, 4]
    with pytest.raises(
        StoreError, match=r"14 of 14 pictures did not arrive: shaky://pictures/little cannot be written"
    ):
        mirror.on_event(concluded)
    shaky.away = False
    mirror.on_event(concluded)
    assert len(shaky.store) == 15


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "mirror has no url"),
        ("file:///etc", "For this one write a path"),
        ("runs/here", "is no URL"),
        ("s3://mine:secret@bucket/x", "no password"),
        ("nosuch://bucket", "nosuch"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(
    url: str, said: str, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PLACE, raising=False)
    tracker = MirrorTracker(url=url)
    with open_result(study) as result, pytest.raises((UsageError, StoreError), match=said) as refused:
        tracker.on_event(Started(result.study, total=0, done=0, folder=str(result.folder)))
    assert "secret" not in str(refused.value)


def test_tables_pages_and_small_pictures_are_written_at_a_url(study: Path, bucket: Any) -> None:
    url = f"s3://{bucket.name}/a/images.parquet"
    assert f"wrote {url}" in command("export", study, "--to", "parquet", "--out", url, cwd=study).stdout
    with open_result(study) as result:
        export.send(result, "html", f"s3://{bucket.name}/page.html")
        export.send(result, "atlas", f"s3://{bucket.name}/atlas", side=16)
        here = export.write(result, "html").read_bytes()
    there = objects(bucket)
    assert there["page.html"] == here
    assert pyarrow.parquet.read_table(io.BytesIO(there["a/images.parquet"])).num_rows == 14
    table = pyarrow.parquet.read_table(io.BytesIO(there["atlas/part-0000.parquet"]))
    assert table.num_rows == 14
    for picture in table.column("picture").to_pylist():
        assert pictures.decode(picture["bytes"]).shape == (16, 16, 3)
    assert "--image picture" in there["atlas/README.md"].decode()


def test_an_atlas_at_a_url_takes_away_the_parts_of_a_larger_one(study: Path, bucket: Any) -> None:
    with open_result(study) as result:
        export.send(result, "atlas", f"s3://{bucket.name}/atlas", side=16, most=5)
        assert len(objects(bucket)) == 4
        export.send(result, "atlas", f"s3://{bucket.name}/atlas", side=16)
    assert objects(bucket).keys() == {"atlas/README.md", "atlas/part-0000.parquet"}


def test_a_bucket_that_is_not_there_is_one_sentence(study: Path, bucket: Any) -> None:
    with open_result(study) as result, pytest.raises(StoreError, match="The study itself is not touched"):
        export.send(result, "csv", "s3://no-such-bucket-here/a.csv")
    with open_result(study) as result, pytest.raises(TrackerError, match="mirror"):
        export.notify(result, "mirror", url="s3://no-such-bucket-here")
