"""Whatever a stranger puts into a folder, every verb finishes or says one line, and touches nothing outside.

Each test runs `tests.hostile.sweep` in a process of its own. The samples take other cases of each kind; `make campaign`
runs all of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.command import environment, run

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and alarms are POSIX")


def said(*program: str, words: Sequence[str] = (), timeout: float = 600) -> str:
    """What a process of Python says on standard output."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = run(words, program=program, cwd=ROOT, env=environment(PYTHONPATH=path), timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def swept(*words: str, timeout: float = 600) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said("-m", "tests.hostile.sweep", words=words, timeout=timeout))
    return found


def test_in_peace_every_verb_is_done_and_touches_nothing_outside() -> None:
    found = swept("peace")
    assert found["faults"] == {}
    assert found["refused"] == 0 < found["done"]


# 401 and 73 have no factor in common with the numbers of values and things, so that a sample has many kinds.
@pytest.mark.parametrize("words", [("rows", "--part", "5/401"), ("names", "--part", "3/73")])
def test_a_sample_of_harmed_folders_does_no_harm(words: tuple[str, ...]) -> None:
    found = swept(*words)
    assert found["cases"] >= 5
    assert found["faults"] == {}


@pytest.mark.parametrize("column", ["images.path: up", "images.digest: digest up", "images: path leads out"])
def test_a_row_of_a_picture_that_leads_out_is_refused_by_every_verb_that_reads_it(column: str) -> None:
    found = swept("rows", "--only", column)
    assert found["faults"] == {}
    assert found["refused"] >= 8 * found["cases"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("kind", ["rows", "names"])
def test_no_harmed_folder_does_any_harm(kind: str, part: int) -> None:
    kept = ("--keep", "bench/results/hostile.json")
    assert swept(kind, "--part", f"{part}/8", *kept, timeout=7200)["faults"] == {}


STRAYS = {
    "open": "open(study / 'link').read()",
    "write": "open(study / 'link', 'w').close()",
    "list": "os.listdir(study / 'folder')",
    "make": "os.mkdir(study / 'folder' / 'new')",
    "move": "os.rename(study / 'own', study / 'folder' / 'own')",
    "remove": "os.unlink(study / 'folder' / 'inside')",
    "ledger": "sqlite3.connect(f'file://{study}/link?mode=ro', uri=True)",
}
ALLOWED = {
    "own": "open(study / 'own').read()",
    "of the link itself": "os.unlink(study / 'link')",
    "not followed": "refused(study / 'link')",
}


@pytest.mark.parametrize("name", [*STRAYS, *ALLOWED])
def test_the_watch_sees_what_leads_out_and_nothing_else(name: str, tmp_path: Path) -> None:
    study, outside = tmp_path / "study", tmp_path / "outside"
    study.mkdir(), outside.mkdir()
    (study / "own").touch(), (outside / "inside").touch()
    (study / "link").symlink_to(outside / "inside")
    (study / "folder").symlink_to(outside)
    code = f"""
import os, sqlite3
from pathlib import Path
from tests.hostile.watch import Watch
world = Path({str(tmp_path)!r})
study = world / "study"
def refused(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW))
    except OSError:
        pass
with Watch(world, world / "mine").over(study) as strayed:
    {STRAYS.get(name) or ALLOWED[name]}
print(len(strayed))
"""
    assert (int(said("-c", code)) > 0) == (name in STRAYS)
