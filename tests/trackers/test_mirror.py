"""Copies of a study at a URL, on a real S3 server on loopback."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer
from tests.command import command
from tests.trackers import runs

from teststrip import pictures
from teststrip.errors import StoreError, TrackerError, UsageError
from teststrip.records import Row, Started
from teststrip.results.result import open_result
from teststrip.testing.tracker_contract import StudyTrackerContract
from teststrip.trackers.mirror import PLACE, MirrorTracker
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
    with pytest.warns(RuntimeWarning, match="mirror"):
        folder = runs.made(tmp_path, "mirror")
    assert len(runs.digests(runs.rows_of(folder))) == 14


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
