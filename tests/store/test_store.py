"""The study folder: what it promises in peace. What it survives is in `tests/faults`."""

import math
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults import painter
from tests.faults.painter import FINGERPRINT, LOOK, png, render, shot
from tests.faults.torture import PAINTER, Forks

from teststrip.errors import FolderBusy, PictureError, StoreError
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Score, Shot
from teststrip.store import Store, files, rebuild, schema
from teststrip.store.lock import file_system, refuse_network

OTHER = Fingerprint({"weights": "none", "version": 2})


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A folder with six pictures, to be copied."""
    folder = tmp_path_factory.mktemp("ready") / "study"
    with Store(folder, write=True) as store:
        for seed in range(6):
            store.add(render(seed))
        store.remember("demo", 'name = "demo"')
    return folder


@pytest.fixture
def folder(ready, tmp_path):
    return shutil.copytree(ready, tmp_path / "study")


def image_of(folder, seed=0):
    with Store(folder) as store:
        return store.images()[shot(seed).id][-1]


# --- Pictures, failures, scores ------------------------------------------------------------------------------


def test_a_picture_comes_back_as_it_went_in_with_its_record_inside(folder):
    with Store(folder) as store:
        image = store.images()[shot(2).id][0]
        data = store.read(image)
        assert store.path(image).read_bytes() == data
        assert (image.width, image.height, image.seconds, image.facts) == (48, 48, 0.5, {"denoiser_calls": 4})
        assert (image.size, image.digest) == (len(data), files.digest_of_bytes(data))
        assert image.path == f"images/{image.digest[:2]}/{image.digest}.png"
        assert store.shot(image.shot_id) == shot(2)
        assert store.fingerprints() == {FINGERPRINT.id: FINGERPRINT}


def test_done_counts_only_the_fingerprints_that_are_asked_for(folder):
    with Store(folder) as store:
        assert store.done() == store.done({FINGERPRINT.id}) == {shot(seed).id for seed in range(6)}
        assert store.done({OTHER.id}) == set()


def test_the_same_shot_and_answer_is_kept_once(folder):
    with Store(folder, write=True) as store:
        first = store.images()[shot(1).id]
        again = store.add(replace(render(1), data=png(48, 48, 999)))
        assert store.images()[shot(1).id] == first == [again]
    assert sum(1 for _ in (folder / "images").glob("*/*")) == 6


def test_another_fingerprint_stands_beside_the_first_newest_last(folder):
    with Store(folder, write=True) as store:
        newer = store.add(replace(render(1), fingerprint=OTHER))
        assert [image.fingerprint_id for image in store.images()[shot(1).id]] == [FINGERPRINT.id, OTHER.id]
        assert store.images()[shot(1).id][-1] == newer


def test_two_studies_in_one_folder_share_what_both_ask(folder):
    with Store(folder, write=True) as store:
        store.remember("other", 'name = "other"')
        assert [seed for seed in range(4, 8) if shot(seed).id not in store.done()] == [6, 7]


def test_study_texts_are_remembered_when_they_change(folder):
    with Store(folder, write=True) as store:
        for text in ('name = "demo"', "replicates = 2", "replicates = 2", 'name = "demo"'):
            store.remember("demo", text)
        assert [one.text for one in store.studies()] == ['name = "demo"', "replicates = 2", 'name = "demo"']


def test_a_failure_is_kept_counted_and_cleared_by_success(folder):
    failure = Failure(shot(9), "oom", "out of \ud800 memory\0", retryable=False)
    with Store(folder, write=True) as store:
        store.fail(replace(failure, text="first"))
        store.fail(failure)
        assert store.failures() == {shot(9).id: failure}
        assert store.attempts() == {shot(9).id: 2}
        store.add(render(9))
        assert store.failures() == store.attempts() == {}


def test_scores_come_back_and_nan_means_does_not_apply(folder):
    scores = [
        Score("sharpness", ("a" * 64,), 0.25, "f1"),
        Score("sharpness", ("a" * 64,), 0.5, "f2"),
        Score("lpips", ("a" * 64, "b" * 64), math.nan, "f1"),
    ]
    with Store(folder, write=True) as store:
        assert store.add_scores(scores) == 3
        store.add_scores([replace(scores[0], value=0.75)])
        found = {(one.metric, one.fingerprint_id): one for one in store.scores()}
    assert found["sharpness", "f1"].value == 0.75
    assert found["sharpness", "f2"] == scores[1]
    assert math.isnan(found["lpips", "f1"].value)
    assert found["lpips", "f1"].digests == scores[2].digests


def test_pace_is_the_median_of_seconds_a_call_for_the_fingerprints_named(folder):
    with Store(folder, write=True) as store:
        assert store.pace({FINGERPRINT.id}) == 0.125
        assert store.pace({OTHER.id}) is None
        for seed in range(20, 27):
            store.add(replace(render(seed), seconds=4.0))
        assert store.pace({FINGERPRINT.id, OTHER.id}) == 1.0
        store.add(replace(render(30), fingerprint=OTHER, facts={}))
        assert store.pace({OTHER.id}) == 0.5  # seconds an image: this one counted no calls


@pytest.mark.parametrize(
    "prompt",
    ["", "lone \ud800 half", "two halves \ud83d\ude00 apart", "nul \0 inside", "\u202eright to left", "ابومة " * 1000],
    ids=["empty", "lone surrogate", "two surrogates", "nul", "rtl", "long"],
)
def test_a_strange_prompt_survives_ledger_and_rebuild(tmp_path, prompt):
    asked = Shot(EngineRef("painter"), {"prompt": prompt, "seed": 1})
    with Store(tmp_path, write=True) as store:
        image = store.add(replace(render(1), shot=asked))
        assert store.shot(asked.id) == asked
    (tmp_path / "study.sqlite").unlink()
    assert rebuild(tmp_path) == 1
    with Store(tmp_path) as store:
        assert store.shot(asked.id) == asked
        assert store.images() == {asked.id: [image]}


def test_a_picture_that_is_cut_off_is_refused_and_nothing_is_stored(folder):
    with Store(folder, write=True) as store:
        with pytest.raises(PictureError, match="cut off"):
            store.add(replace(render(7), data=png(48, 48, 7)[:-20]))
        assert shot(7).id not in store.done()
    assert sum(1 for _ in (folder / "images").glob("*/*")) == 6


# --- One writer, many readers --------------------------------------------------------------------------------


def test_readers_see_what_a_writer_commits_while_it_writes(folder):
    with Store(folder, write=True) as writer, Store(folder) as reader:
        assert len(reader.done()) == 6
        writer.add(render(6))
        assert len(reader.done()) == 7


def test_the_last_reader_out_leaves_no_logs_behind(folder):
    with Store(folder) as one, Store(folder) as other:
        assert one.done() == other.done()
    assert sorted(path.name for path in folder.iterdir()) == ["images", "study.lock", "study.sqlite"]


def test_a_reader_cannot_write(folder):
    with Store(folder) as reader, pytest.raises(StoreError, match="readonly"):
        reader.add(render(8))


@pytest.mark.process
def test_a_second_writer_is_told_at_once_who_holds_the_folder(folder):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderBusy, match=rf"process {holder.pid} on \S+, since 20.*UTC, is writing here") as caught:
            Store(folder, write=True)
        assert caught.value.exit_code == 4
        assert str(folder) in str(caught.value)
        with Store(folder) as reader:
            assert len(reader.done()) == 6
    finally:
        holder.kill()
        holder.communicate()
    with Store(folder, write=True) as store:  # the kernel took the lock back; no command was needed
        assert len(store.done()) == 6


def test_a_writer_that_has_not_written_its_name_yet_holds_the_folder_all_the_same(folder):
    import fcntl

    with (folder / "study.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FolderBusy, match="another process is writing here"):
            Store(folder, write=True)


HOLD = """
import sys
from teststrip.store import Store
with Store(sys.argv[1], write=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.process
def test_of_many_writers_that_start_together_one_at_a_time_writes(tmp_path):
    command = [sys.executable, str(PAINTER), str(tmp_path / "study"), "5"]
    crowd = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    said = [one.communicate()[1] for one in crowd]
    codes = [one.returncode for one in crowd]
    assert set(codes) <= {0, 4}
    assert 0 in codes
    assert all("is writing here" in text for text, code in zip(said, codes, strict=True) if code == 4)
    with Store(tmp_path / "study", write=True) as store:
        assert len(store.done()) == 5
        assert store.verify() == []


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:30 / /home/me rw - nfs4 server:/export rw
31 22 0:31 / /mnt/my\\040drive rw - fuse.sshfs me@host: rw
32 30 254:1 / /home/me/local rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/me/runs", "nfs4"), ("/mnt/my drive/x", "fuse.sshfs"), ("/home/me/local/x", "xfs"), ("/home/men", "ext4")],
)
@pytest.mark.parametrize("before", ["", "a line of another form\n"])
def test_the_file_system_of_a_folder_is_told_by_its_mount(path, kind, before):
    assert file_system(Path(path), before + MOUNTS) == kind


def test_a_network_file_system_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(StoreError, match=r"lies on a nfs4 file system.*--out"):
        refuse_network(tmp_path, f"22 1 0:1 / / rw - ext4 /dev/a rw\n23 22 0:2 / {tmp_path} rw - nfs4 host:/x rw\n")
    refuse_network(tmp_path)


# --- Ledgers that are not as they should be ------------------------------------------------------------------


def refusals(folder):
    """What reader and writer say; the ledger must be the same afterwards."""
    before = (folder / "study.sqlite").read_bytes() if (folder / "study.sqlite").exists() else None
    for write in (False, True):
        with pytest.raises(StoreError) as caught:
            Store(folder, write=write)
        yield str(caught.value)
    after = (folder / "study.sqlite").read_bytes() if (folder / "study.sqlite").exists() else None
    assert before == after


@pytest.mark.parametrize("bytes_", [b"", b"\0" * 8192, b"not a database, but long enough to be read as one" * 100])
def test_a_ledger_that_is_none_is_refused_with_a_remedy_and_rebuilt_from_the_pictures(folder, bytes_):
    with Store(folder) as store:
        images = store.images()
    (folder / "study.sqlite").write_bytes(bytes_)
    for said in refusals(folder):
        assert str(folder) in said
        assert "teststrip verify --rebuild" in said
    assert rebuild(folder) == 6
    with Store(folder, write=True) as store:
        assert store.images() == images
        assert store.verify() == []
    assert (folder / "quarantine" / "study.sqlite").read_bytes() == bytes_


def test_a_ledger_that_is_gone_is_not_replaced_by_a_new_one_in_silence(folder):
    (folder / "study.sqlite").unlink()
    for said in refusals(folder):
        assert "there are pictures, but study.sqlite is gone" in said
    assert rebuild(folder) == 6


def test_a_ledger_with_any_page_overwritten_is_refused_or_reads_right(folder, tmp_path):
    whole = (folder / "study.sqlite").read_bytes()
    with Store(folder) as store:
        images = store.images()
    refused = 0
    for page in range(len(whole) // 4096):
        torn = whole[: page * 4096] + os.urandom(4096) + whole[(page + 1) * 4096 :]
        (folder / "study.sqlite").write_bytes(torn)
        try:
            with Store(folder) as store:
                assert store.images() == images
        except StoreError as error:
            assert "verify --rebuild" in str(error)  # noqa: PT017 - either outcome is right
            refused += 1
    assert refused >= len(whole) // 4096 - 3  # free pages hold nothing


def test_a_ledger_cut_off_at_any_page_is_refused(folder):
    whole = (folder / "study.sqlite").read_bytes()
    for size in range(0, len(whole), 4096):
        (folder / "study.sqlite").write_bytes(whole[:size])
        with pytest.raises(StoreError, match="--rebuild"):
            Store(folder)


def test_a_newer_ledger_is_refused_by_reader_and_writer(folder):
    execute(folder, f"PRAGMA user_version = {schema.VERSION + 1}")
    for said in refusals(folder):
        assert f"newer Teststrip (version {schema.VERSION + 1} of its tables, this one knows {schema.VERSION})" in said
        assert "pip install -U teststrip" in said


def test_another_programs_database_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "study.sqlite")
    connection.execute("CREATE TABLE images (id)")
    connection.commit()
    connection.close()
    for said in refusals(tmp_path):
        assert "another program's database" in said


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END",
        "CREATE VIEW v AS SELECT load_extension('x')",
        "CREATE TABLE more (id)",
        "DROP INDEX images_by_digest",
    ],
)
def test_a_ledger_with_strange_tables_is_refused(folder, planted):
    execute(folder, planted)
    for said in refusals(folder):
        assert "its tables are not as Teststrip makes them" in said


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"no study is here \(there is no study.sqlite\)"):
        Store(tmp_path)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "images/ab/../../../x.png", "images/zz/x.png"])
def test_a_path_that_leads_out_of_the_folder_is_never_opened(folder, path):
    image = replace(image_of(folder), path=path)
    execute(folder, "UPDATE images SET path = ? WHERE sequence = 1", path)
    with Store(folder) as store:
        for touch in (store.read, store.path):
            with pytest.raises(StoreError, match="no picture of this folder"):
                touch(image)
        with pytest.raises(StoreError, match="no picture of this folder"):
            store.images()
        (problem,) = store.verify()
        assert problem.kind == "ledger"
        assert "no picture of this folder. Run: teststrip verify --rebuild" in str(problem)
    with pytest.raises(StoreError, match="no picture of this folder"):
        Store(folder, write=True)


def test_a_picture_that_is_a_link_is_not_followed(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with Store(folder) as store:
        image = store.images()[shot(0).id][0]
        store.path(image).unlink()
        store.path(image).symlink_to(secret)
        with pytest.raises(StoreError, match="cannot be read"):
            store.read(image)


def test_a_bucket_that_is_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    image = image_of(folder)
    bucket = (folder / image.path).parent
    shutil.move(bucket, tmp_path / "elsewhere")
    bucket.symlink_to(tmp_path / "elsewhere")
    with Store(folder) as store, pytest.raises(StoreError, match="is a link"):
        store.read(image)


@pytest.mark.parametrize("name", ["study.lock", "study.sqlite", "quarantine"])
def test_a_link_in_a_strangers_folder_leads_nowhere(folder, tmp_path, name):
    victim = tmp_path / "victim"
    victim.mkdir() if name == "quarantine" else victim.write_text("precious")
    (folder / image_of(folder).path).write_bytes(b"")  # something to be put into quarantine
    if name != "quarantine":
        (folder / name).unlink()
    (folder / name).symlink_to(victim)
    with pytest.raises(StoreError, match=r"link"):
        Store(folder, write=True)
    assert list(victim.iterdir()) == [] if victim.is_dir() else victim.read_text() == "precious"


def test_a_folder_that_cannot_be_written_can_be_read(folder):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o555)
    try:
        with Store(folder) as store:
            assert len(store.done()) == 6
    finally:
        folder.chmod(0o755)


def execute(folder, statement, *values):
    connection = sqlite3.connect(folder / "study.sqlite", isolation_level=None)
    connection.execute(statement, values)
    connection.close()


# --- Older ledgers -------------------------------------------------------------------------------------------

VERSION_1 = (
    "CREATE TABLE shots (id TEXT PRIMARY KEY, asked TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE fingerprints (id TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE images (
        sequence INTEGER PRIMARY KEY, shot_id TEXT NOT NULL REFERENCES shots (id),
        fingerprint_id TEXT NOT NULL REFERENCES fingerprints (id), digest TEXT NOT NULL, path TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, size INTEGER NOT NULL, seconds REAL NOT NULL,
        facts TEXT NOT NULL, UNIQUE (shot_id, fingerprint_id)
    )""",
    "CREATE INDEX images_by_digest ON images (digest)",
    """CREATE TABLE failures (shot_id TEXT PRIMARY KEY REFERENCES shots (id), reason TEXT NOT NULL, text TEXT NOT NULL,
        retryable INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE scores (metric TEXT NOT NULL, fingerprint_id TEXT NOT NULL, digests TEXT NOT NULL, value REAL,
        PRIMARY KEY (metric, fingerprint_id, digests)) WITHOUT ROWID""",
    "CREATE TABLE studies (sequence INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL)",
)


VERSION_2 = (
    *(
        text.replace("retryable INTEGER NOT NULL)", "retryable INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 1)")
        for text in VERSION_1
    ),
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL)",
)
OLDER = {1: VERSION_1, 2: VERSION_2}


@pytest.fixture(params=OLDER)
def version(request):
    return request.param


@pytest.fixture
def older(folder, version):
    """The folder as an older version would have left it: same pictures, a ledger of the old tables, one failure."""
    with Store(folder, write=True) as store:
        store.fail(Failure(shot(9), "nan", "not finite"))
        store.add_scores([Score("sharpness", (image_of(folder).digest,), 1.5, "f")])
    (folder / "study.sqlite").rename(folder / "now.sqlite")
    connection = sqlite3.connect(folder / "study.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in OLDER[version]:
        connection.execute(statement)
    connection.execute("ATTACH ? AS now", (str(folder / "now.sqlite"),))
    for table in ("shots", "fingerprints", "images", "scores", "studies"):
        connection.execute(f"INSERT INTO {table} SELECT * FROM now.{table}")
    columns = "shot_id, reason, text, retryable"
    connection.execute(f"INSERT INTO failures ({columns}) SELECT {columns} FROM now.failures")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    (folder / "now.sqlite").unlink()
    return folder


def test_there_is_a_maker_of_every_older_ledger():
    assert set(OLDER) == set(schema.STEPS) == set(range(1, schema.VERSION))


def test_an_older_ledger_is_migrated_after_a_backup(older, version):
    before = contents(older / "study.sqlite")
    with Store(older, write=True) as store:
        assert len(store.done()) == 6
        assert store.attempts() == {shot(9).id: 1}
        assert [one.kind for one in store.incidents()] == ["migrated"]
        assert len(list(store.scores())) == len(store.studies()) == 1
        assert store.verify() == []
    assert contents(older / f"study-version-{version}.sqlite") == before
    with Store(older, write=True) as store:
        assert len(store.incidents()) == 1  # once


def test_an_older_ledger_is_read_without_being_changed(older, version):
    before = (older / "study.sqlite").read_bytes()
    with Store(older) as store:
        assert len(store.done()) == 6
        assert store.attempts() == {shot(9).id: 1}
    assert (older / "study.sqlite").read_bytes() == before
    assert not (older / f"study-version-{version}.sqlite").exists()


@pytest.mark.process
def test_a_migration_killed_at_any_statement_is_finished_by_the_next_run(older, version, tmp_path):
    before = contents(older / "study.sqlite")
    with Forks() as start:
        for number in range(1, 200):
            copy = shutil.copytree(older, tmp_path / f"copy-{number}")
            killed = start(str(copy), "6", f"statement:{number}").wait() == -9
            with Store(copy, write=True) as store:
                assert len(store.done()) == 6
                assert store.attempts() == {shot(9).id: 1}
            if (copy / f"study-version-{version}.sqlite").exists():
                assert contents(copy / f"study-version-{version}.sqlite") == before
            assert not list(copy.glob(".*"))
            if not killed:
                break
    assert 15 < number < 150


@pytest.mark.process
def test_a_look_killed_at_any_statement_is_whole_or_absent_and_the_next_run_takes_it(folder, tmp_path):
    seen = set()
    with Forks() as start:
        for number in range(1, 200):
            copy = shutil.copytree(folder, tmp_path / f"copy-{number}")
            killed = start(str(copy), "6", f"statement:{number}").wait() == -9
            with Store(copy) as store:
                found = store.looks(LOOK.study)
                seen.add(len(found))
                assert [replace(look, at="", number=0) for look in found] == [LOOK] * len(found)
            assert painter.main(str(copy), "6") == 0
            with Store(copy) as store:
                assert len(store.looks(LOOK.study)) == 1
            if not killed:
                break
    assert seen == {0, 1}
    assert 5 < number < 150


def contents(path):
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


# --- Recovery and verify -------------------------------------------------------------------------------------


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "kind", "kept"),
    [
        (flip, "damaged", True),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "short", True),
        (lambda path: path.write_bytes(b""), "short", True),
        (Path.unlink, "missing", False),
    ],
    ids=["flipped", "cut", "emptied", "removed"],
)
def test_a_harmed_picture_is_reported_kept_and_pending_again(folder, harm, kind, kept):
    image = image_of(folder, 3)
    harm(folder / image.path)
    with Store(folder) as store:
        (problem,) = store.verify()
        assert (problem.kind, problem.where, problem.path) == (kind, image.path, image.path)
        assert "Run the study again" in problem.remedy
        with pytest.raises(StoreError, match="Run the study again"):
            store.read(image)
    with Store(folder, write=True) as store:
        assert store.done() == {shot(seed).id for seed in (0, 1, 2, 4, 5)}
        (incident,) = store.incidents()
        assert incident.facts["digest"] == image.digest
        assert (folder / "quarantine" / Path(image.path).name).exists() == kept
        store.add(render(3))
        assert store.images()[shot(3).id] == [image]  # the same bytes as before
        assert store.verify() == []


def test_verify_and_repair_put_a_harmed_picture_back_to_pending(folder):
    with Store(folder, write=True) as store:
        flip(folder / image_of(folder, 2).path)
        problems = store.verify()
        assert store.repair(problems) == 1
        assert shot(2).id not in store.done()
        assert store.verify() == []
    assert len(list((folder / "quarantine").iterdir())) == 1


def test_the_work_of_a_run_that_died_before_its_row_is_taken_up(folder):
    image = image_of(folder, 5)
    execute(folder, "DELETE FROM images WHERE digest = ?", image.digest)
    with Store(folder, write=True) as store:
        assert store.images()[shot(5).id] == [image]
        assert [one.kind for one in store.incidents()] == ["adopted"]


def test_an_unfinished_file_is_deleted_and_peoples_own_files_are_left_alone(folder):
    bucket = (folder / image_of(folder).path).parent
    (bucket / f".{'a' * 64}.123.tmp").write_bytes(b"half")
    (bucket / "notes.txt").write_text("mine")
    (folder / "images" / ".DS_Store").write_bytes(b"x")
    with Store(folder, write=True) as store:
        assert store.verify() == []
    assert not list(bucket.glob(".*.tmp"))
    assert (bucket / "notes.txt").exists()
    assert (folder / "images" / ".DS_Store").exists()


def lie(record):
    """A picture whose record names a shot that its settings do not make."""
    data = (b"teststrip\0" + record).replace(b'"seed": 77', b'"seed": 78')
    return data[len(b"teststrip\0") :]


def with_new_checksums(png: bytes) -> bytes:
    """A PNG whose chunks were edited, with checksums that fit again."""
    found, at = [png[:8]], 8
    while at < len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4])
        found.append(png[at:end] + zlib.crc32(png[at + 4 : end]).to_bytes(4))
        at = end + 4
    return b"".join(found)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("wrong name", "not what the name says"),
        ("no record", "no record inside"),
        ("lying record", "contradicts itself"),
        ("incomplete record", "is not complete"),
        ("no pixels", "without header or pixels"),
        ("a place that is taken", "another picture has its place"),
    ],
)
def test_a_picture_without_a_row_that_cannot_be_believed_goes_into_quarantine(folder, tmp_path, what, why):
    with Store(tmp_path / "donor", write=True) as donor:
        data = donor.read(donor.add(render(77 if what != "a place that is taken" else 1)))
    if what == "a place that is taken":
        data = data.replace(b'"seconds": 0.5', b'"seconds": 0.6')
    if what == "no record":
        data = png(48, 48, 77)
    if what == "lying record":
        data = data.replace(b'"seed": 77', b'"seed": 78')
    if what == "incomplete record":
        data = data.replace(b'"seconds": 0.5', b'"seconds": "5"')
    if what == "no pixels":
        data = data.replace(b"IDAT", b"IDOT")
    data = with_new_checksums(data)
    digest = files.digest_of_bytes(data) if what != "wrong name" else "f" * 64
    orphan = folder / files.address(digest, "png")
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(data)
    with Store(folder, write=True) as store:
        assert len(store.done()) == 6
        (incident,) = store.incidents()
        assert incident.kind == "unfit"
        assert why in incident.facts["why"]
    assert not orphan.exists()
    assert (folder / "quarantine" / orphan.name).read_bytes() == data


def test_verify_names_a_row_that_is_bound_to_another_picture(folder):
    one, other = image_of(folder, 1), image_of(folder, 2)
    execute(folder, "UPDATE images SET shot_id = 'x' || shot_id WHERE digest = ?", one.digest)
    execute(folder, "UPDATE images SET shot_id = ? WHERE digest = ?", one.shot_id, other.digest)
    with Store(folder) as store:
        assert {problem.where for problem in store.verify() if problem.kind == "foreign"} == {one.path, other.path}


def test_verify_names_an_orphan_and_an_unfinished_file_when_nobody_else_can_be_writing(folder):
    image = image_of(folder)
    with Store(folder, write=True) as store:
        execute(folder, "DELETE FROM images WHERE digest = ?", image.digest)
        (folder / image.path).with_name(".x.1.tmp").touch()
        assert sorted(problem.kind for problem in store.verify()) == ["orphan", "unfinished"]
        with Store(folder) as reader:
            assert reader.verify() == []


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        (f"UPDATE shots SET asked = replace(asked, 'owl', 'cat') WHERE id = '{shot(1).id}'", "shot"),
        (f"UPDATE shots SET asked = '[]' WHERE id = '{shot(1).id}'", "shot"),
        (f"UPDATE shots SET asked = 'an owl' WHERE id = '{shot(1).id}'", "shot"),
        ("UPDATE fingerprints SET facts = '{}'", "fingerprint"),
    ],
)
def test_verify_names_what_is_not_what_its_id_says(folder, harm, where):
    execute(folder, harm)
    with Store(folder) as store:
        (problem,) = store.verify()
    assert str(problem).startswith(f"study.sqlite: {where} ")
    assert (problem.kind, problem.what) == ("ledger", "is not what its id says")


def test_a_row_whose_facts_are_no_table_is_refused_and_names_its_picture(folder):
    image = image_of(folder)
    execute(folder, "UPDATE images SET facts = '[]' WHERE digest = ?", image.digest)
    with Store(folder) as store, pytest.raises(StoreError, match=image.digest[:12]):
        store.images()


def test_a_rebuilt_ledger_has_the_order_in_which_the_pictures_were_made(folder):
    with Store(folder, write=True) as store:
        store.add(replace(render(1), fingerprint=OTHER))
        images = store.images()
        for second, image in enumerate(image for made in images.values() for image in made):
            os.utime(store.path(image), (second, second))  # the file system's clock ticks every 4 ms: these are faster
    (folder / "study.sqlite").unlink()
    assert rebuild(folder) == 7
    with Store(folder) as store:
        assert store.images() == images
        assert list(store.images()) == list(images)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_pictures_of_other_formats_are_kept_as_they_are_and_survive_a_rebuild(tmp_path, form):
    import io

    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.effect_noise((40, 30), 60).convert("RGB").save(file, form)
    made = Render(shot(1), file.getvalue(), form.lower(), 40, 30, 1.0, FINGERPRINT)
    with Store(tmp_path, write=True) as store:
        image = store.add(made)
        assert Pillow.open(store.path(image)).tobytes() == Pillow.open(file).tobytes()
    (tmp_path / "study.sqlite").unlink()
    assert rebuild(tmp_path) == 1
    with Store(tmp_path) as store:
        assert store.images() == {shot(1).id: [image]}
