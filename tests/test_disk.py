"""A file is replaced in one step, and in one place of the code."""

import ast
import multiprocessing
import os

import pytest

from tests.syntax import SOURCE, calls, files, parsed, walked
from teststrip import disk

MOVERS = {"os": {"replace", "rename", "renames"}, "shutil": {"move"}}


def moves(tree):
    """The lines on which code puts one file in the place of another: `Path.replace` takes one argument, `str` two."""
    for node in walked(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = node.func.value, node.func.attr
        of_module = isinstance(owner, ast.Name) and name in MOVERS.get(owner.id, ())
        of_path = name == "rename" or (name == "replace" and len(node.args) == 1 and not node.keywords)
        if of_module or of_path:
            yield node.lineno


def test_only_the_disk_and_the_store_put_a_file_in_the_place_of_another():
    allowed = {SOURCE / "disk.py", *(SOURCE / "store").rglob("*.py")}
    found = [
        f"{path.relative_to(SOURCE)}:{line}" for path in files() if path not in allowed for line in moves(parsed(path))
    ]
    assert found == []


# What is written with `disk.replace` lies where the user keeps it: caches of this machine, and the target of an export.
OWN = {"diffusion/width_cache.py", "weights/digests.py", "verbs/export.py", "store/inside.py"}
# Folders that are made elsewhere than in a study: caches, the store's own, the contract suites, an export's target.
MAKERS = {
    "elsewhere.py",
    "diffusion/width_cache.py",
    "diffusion/verdicts.py",
    "diffusion/backends.py",
    "weights/digests.py",
    "verbs/export.py",
}
# `Path.write_text` and `write_bytes` follow a link: only into temporary folders, or files of the user's own.
WRITERS = {"verbs/beginning.py", "trackers/trackio.py", "trackers/mlflow/runs.py", "trackers/tensorboard.py"}
# `shutil` and W&B's library need folders of their own inside a tracker's, which `content.own_folder` has looked at.
LOOKED_AT = {"trackers/wandb/tracker.py", "trackers/tensorboard.py", "trackers/content.py"}


def through(tree, *, names):
    """The lines on which code calls a function or method of one of these names."""
    for name, node in calls(tree):
        if name.split("(")[-1].rsplit(".", 1)[-1] in names:
            yield node.lineno


def used(*names, allowed):
    """Where code outside of the store and the contract suites calls one of these, apart from the files allowed."""
    for path in files():
        name = path.relative_to(SOURCE).as_posix()
        if name.split("/")[0] in ("store", "testing", "disk.py") or name in allowed:
            continue
        yield from (f"{name}:{line}" for line in through(parsed(path), names=names))


def test_what_is_written_into_a_study_folder_goes_through_its_one_door():
    replaced = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in files()
        if path.relative_to(SOURCE).as_posix() not in OWN
        for name, node in calls(parsed(path))
        if name == "disk.replace"
    ]
    assert replaced == []
    assert list(used("mkdir", "makedirs", allowed=MAKERS | LOOKED_AT)) == []
    assert list(used("write_text", "write_bytes", allowed=WRITERS)) == []


@pytest.mark.parametrize("line", ["(folder / 'page').mkdir()", "os.makedirs(a)", "Path(a).mkdir(parents=True)"])
def test_the_law_sees_every_way_to_make_a_folder(line):
    assert list(through(ast.parse(line), names={"mkdir", "makedirs"})) == [1]


@pytest.mark.parametrize(
    "line", ["path.replace(other)", "os.replace(a, b)", "os.rename(a, b)", "path.rename(b)", "shutil.move(a, b)"]
)
def test_the_law_sees_every_way_to_replace_a_file(line):
    assert list(moves(ast.parse(line))) == [1]
    assert not list(moves(ast.parse("text.replace('a', 'b'); replace(record, a=1); dataclasses.replace(x, a=1)")))


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("data", [b"\xff\r\n", "an owl\n", "フクロウ"])
def test_a_file_holds_what_it_was_given_and_everyone_may_read_it(tmp_path, data, durable):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    disk.replace(path, data, durable=durable)
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode())
    assert list(tmp_path.iterdir()) == [path]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o644


def test_a_name_as_long_as_the_system_allows_can_be_replaced(tmp_path):
    path = tmp_path / ("x" * 255)
    disk.replace(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_text_that_is_no_utf_8_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError):
        disk.replace(path, "\ud800")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_taken_leaves_no_temporary_file(tmp_path):
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises((IsADirectoryError, PermissionError)):
        disk.replace(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def _limited(path):
    """Write in a process that may write a megabyte and no more, as on a full disk; exits with 0 on an OSError."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    try:
        disk.replace(path, bytes(2**22))
    except OSError:
        raise SystemExit(0) from None
    raise SystemExit(1)


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    process = multiprocessing.get_context("spawn").Process(target=_limited, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _writer(path, letter):
    for _ in range(300):
        disk.replace(path, letter * 2**16)


def test_two_writers_at_once_leave_a_whole_file_at_every_instant(tmp_path):
    path, context = tmp_path / "x", multiprocessing.get_context("spawn")
    disk.replace(path, b"a" * 2**16)
    writers = [context.Process(target=_writer, args=(path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_bytes())
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen <= {b"a" * 2**16, b"b" * 2**16}
    assert list(tmp_path.iterdir()) == [path]
