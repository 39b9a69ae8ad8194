"""What a command says: no text of a stranger commands the terminal, and what the system refuses is one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import studies
from tests.command import assert_no_fault, command, environment, run
from teststrip.characters import HOSTILE, printable

EVIL = "\x1b]0;title\x07\x9b31m\u202e\u2066z\u2028"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")

READERS: Sequence[Sequence[str]] = (
    ("report",),
    ("report", "--markdown"),
    ("report", "--json"),
    ("best",),
    ("best", "--json"),
    ("verify",),
    ("verify", "--json"),
    ("export", "--to", "csv"),
)
"""Verbs that take a folder and print; words after the folder's."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("finished")
    studies.write(room, "study.toml", prompts=["a \u202erose {w}", "an owl {w}"], axes={"w": ["x", "y\u202ez"]})
    command("run", "study.toml", "--out", "done", cwd=room)
    return room


@pytest.fixture
def hostile(finished: Path, tmp_path: Path) -> Path:
    """A finished study in whose ledger every text that may be any text is hostile."""
    shutil.copytree(finished, tmp_path / "room")
    with sqlite3.connect(tmp_path / "room/done/study.sqlite") as ledger:
        facts = json.dumps({"engine": EVIL, EVIL: "x"})
        ledger.execute("update fingerprints set facts = ?", (facts,))
        ledger.execute("update scores set metric = metric || ?", (EVIL,))
        ledger.execute("delete from images where sequence = (select min(sequence) from images)")
        ledger.execute(
            "insert into failures select id, 'error', ?, 0, 1 from shots where id not in (select shot_id from images)",
            (json.dumps(EVIL),),
        )
    ledger.close()
    return tmp_path / "room"


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_printable_text_holds_no_hostile_character_and_keeps_all_others(text: str) -> None:
    shown = printable(text)
    assert not HOSTILE.search(shown)
    shown.encode()
    assert printable(shown) == shown
    assert re.sub(r"\\u[0-9a-f]{4}", "", shown) == re.sub(r"\\u[0-9a-f]{4}", "", HOSTILE.sub("", text))
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_no_verb_that_reads_lets_a_ledger_command_the_terminal(hostile: Path, words: Sequence[str]) -> None:
    verb, *more = words
    done = command(verb, "done", *more, cwd=hostile, code=None)
    assert not RAW.search(done.stdout + done.stderr)
    assert done.stdout or done.stderr
    for path in (hostile / "done").glob("*.csv"):
        assert not RAW.search(path.read_text(encoding="utf-8"))


def test_a_folder_of_a_hostile_name_cannot_command_the_terminal(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / EVIL.replace("/", "")
    shutil.copytree(finished / "done", folder)
    for words in (["verify", folder], ["report", folder], ["export", folder, "--to", "csv"], ["report", folder / "x"]):
        done = command(*words, cwd=tmp_path, code=None)
        assert not RAW.search(done.stdout + done.stderr)
    done = command("run", finished / "study.toml", "--out", folder, cwd=tmp_path)
    assert not RAW.search(done.stdout + done.stderr)
    done = command("report", folder, EVIL, cwd=tmp_path, code=2)
    assert not RAW.search(done.stderr)


def test_plan_run_and_what_they_write_show_bidi_as_escapes(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "study.toml", tmp_path)
    for words in (["plan", "study.toml"], ["plan", "study.toml", "--json"], ["run", "study.toml", "--out", "new"]):
        done = command(*words, cwd=tmp_path)
        assert not RAW.search(done.stdout + done.stderr)
    written = [tmp_path / "new" / name for name in ("report.md", "study.toml")]
    for path in (*written, *(tmp_path / "new/charts").glob("*.svg")):
        assert not RAW.search(path.read_text(encoding="utf-8")), path
    assert "y\\u202ez" in (tmp_path / "new/report.md").read_text(encoding="utf-8").replace("\\\\", "\\")


def test_text_that_the_encoding_of_the_terminal_lacks_is_spelled_plainly_and_json_stays_json(finished: Path) -> None:
    done = command("report", "done", cwd=finished, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "2 prompts x 1 seed x 2 settings" in done.stdout
    assert "\\" not in done.stdout.replace("\\u202e", "")
    done = command("report", "done", "--json", cwd=finished, PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    plain = command("report", "done", "--json", cwd=finished)
    assert json.loads(done.stdout) == json.loads(plain.stdout)


# What the system refuses.

PRINTERS: Sequence[Sequence[str]] = (
    ("plan", "study.toml", "--no-calibrate"),
    ("plan", "study.toml", "--no-calibrate", "--json"),
    ("run", "study.toml", "--out", "done"),
    ("run", "study.toml", "--out", "done", "--json"),
    *((verb, "done", *more) for verb, *more in READERS),
    ("engines",),
    ("metrics",),
    ("metrics", "sharpness"),
    ("trackers",),
    ("--version",),
)


def said_into(room: Path, words: Sequence[str], out: int | None, **more: int) -> tuple[int, str]:
    """The exit code and standard error of a command whose standard output goes somewhere; None is nowhere."""
    done = run(words, cwd=room, env=environment(), stdout=out, **more)
    assert_no_fault(done.stderr)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", PRINTERS, ids=" ".join)
def test_a_full_output_is_one_line_and_exit_code_2(finished: Path, words: Sequence[str]) -> None:
    with Path("/dev/full").open("w") as full:
        code, said = said_into(finished, words, full.fileno())
    assert code == 2
    line = said.splitlines()[-1]
    assert (
        line
        == "teststrip: standard output: No space left on device. Free some space and try again; what is done is kept."
    )
    assert "Exception" not in said


@pytest.mark.parametrize("words", PRINTERS, ids=" ".join)
def test_a_closed_pipe_is_one_line_and_the_exit_code_of_shells(finished: Path, words: Sequence[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code, said = said_into(finished, words, writer)
    os.close(writer)
    assert code == 141
    assert said.splitlines()[-1].startswith("teststrip: standard output: Broken pipe. ")
    assert "Exception" not in said


def test_a_run_goes_on_where_standard_error_is_lost(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "study.toml", tmp_path)
    with Path("/dev/full").open("w") as full:
        words = ["run", "study.toml", "--out", "new"]
        done = run(words, cwd=tmp_path, env=environment(), stderr=full.fileno())
    assert done.returncode == 0
    assert "report" in done.stdout


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["init", "nowhere/study.toml"], "nowhere/study.toml: No such file or directory."),
        (["init", "study.toml/x.toml"], "study.toml/x.toml: Not a directory."),
        (["export", "done", "--to", "csv", "--out", "study.toml/x.csv"], "study.toml: File exists."),
        (["export", "done", "--to", "csv", "--out", "folder"], "folder"),
        (["export", "done", "--to", "csv", "--out", "x" * 300 + ".csv"], "x" * 300 + ".csv: File name too long."),
        (["export", "done", "--to", "html", "--out", "/proc/x.html"], "/proc: No such file or directory."),
        (["run", "study.toml", "--out", "study.toml/x"], "study.toml"),
        (["report", "study.toml"], "study.toml"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_line(finished: Path, words: list[str], where: str) -> None:
    (finished / "folder").mkdir(exist_ok=True)
    code, said = said_into(finished, words, None)
    assert code == 2
    assert said.startswith(f"teststrip: {where}"), said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [["init", "other.toml"], ["export", "done", "--to", "csv"], ["export", "done", "--to", "html"],
     ["export", "done", "--to", "contact-sheet"], ["run", "study.toml", "--out", "fresh"]],
    ids=" ".join,
)  # fmt: skip
def test_a_file_that_the_system_cuts_is_one_line(finished: Path, tmp_path: Path, words: list[str]) -> None:
    shutil.copytree(finished, tmp_path / "room")
    code, said = said_into(tmp_path / "room", words, None, largest_file=100)
    assert code == 2, said
    assert len(said.splitlines()[-1].split(". ")) >= 2, "what and remedy"
    drafts = [path.name for path in (tmp_path / "room").rglob(".*.tmp")]
    assert set(drafts) <= {".study.sqlite.tmp"}, "a draft of the ledger is taken up by the next run"


@pytest.fixture
def read_only(finished: Path, tmp_path: Path):
    """A room on a file system that is mounted for reading."""
    shutil.copytree(finished, tmp_path / "room", ignore=shutil.ignore_patterns("*-wal", "*-shm", "*.csv", "folder"))
    mounts = (
        ["--bind", str(tmp_path / "room"), str(tmp_path / "room")],
        ["-o", "remount,ro,bind", str(tmp_path / "room")],
    )
    for words in mounts:
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
            pytest.skip("may not mount here (needs root)")
    yield tmp_path / "room"
    subprocess.run(["umount", "-l", str(tmp_path / "room")], check=True)


@pytest.mark.parametrize(
    "words",
    [*PRINTERS, ("init", "other.toml"), ("export", "done", "--to", "html"), ("export", "done", "--to", "contact-sheet"),
     ("verify", "done", "--rebuild"), ("run", "study.toml", "--out", "fresh")],
    ids=" ".join,
)  # fmt: skip
def test_no_verb_ends_in_a_traceback_in_a_folder_for_reading(read_only: Path, words: Sequence[str]) -> None:
    code, said = said_into(read_only, words, None)
    assert code in (0, 2), said
    assert code == 0 or len(said.splitlines()) == 1
