"""`teststrip import`, as a person and a program meet it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.command import command
from tests.imports.folders import PROMPTS, USER, digests, grid, midjourney

pytestmark = pytest.mark.process


def test_a_look_and_then_the_study_and_every_verb_reads_it(tmp_path: Path) -> None:
    grid(tmp_path / "grid", PROMPTS[:2])
    before = digests(tmp_path)
    seen = command("import", "grid", "--dry-run", cwd=tmp_path)
    assert digests(tmp_path) == before
    assert "24 pictures in grid: 24 A1111" in seen.stdout
    assert "seeds = [1, 2, 3]" in seen.stdout
    made = command("import", "grid", "--out", "out", "--metric", "contrast", cwd=tmp_path)
    assert "2 prompts × 3 seeds × 4 settings, 24 of 24 images" in made.stdout
    assert "24 pictures in grid" in made.stderr
    assert digests(tmp_path / "grid") == {name.removeprefix("grid/"): one for name, one in before.items()}
    assert json.loads(command("report", "out", "--json", cwd=tmp_path).stdout)["study"]
    assert "all as recorded" in command("verify", "out", "--sample", "2", cwd=tmp_path).stdout
    assert "24 already made" in command("run", "out", cwd=tmp_path).stderr
    assert command("plan", "out", cwd=tmp_path).stdout
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    assert "equal" in command("compare", "out", "again", cwd=tmp_path).stdout
    command("export", "out", "--to", "html", cwd=tmp_path)


def test_programs_get_one_object(tmp_path: Path) -> None:
    midjourney(tmp_path / "mj", PROMPTS[:2])
    seen = json.loads(command("import", "mj", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert (seen["axes"], seen["paired_seeds"], seen["missing"]) == (["stylize"], False, 0)
    assert USER not in json.dumps(seen)
    made = json.loads(command("import", "mj", "--out", "out", "--json", cwd=tmp_path).stdout)
    assert (made["made"], made["failed"], made["folder"]) == (16, 0, "out")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["grid"], "--out is missing"),
        (["grid", "--dry-run", "--map", "steps"], "is not WORD=SETTING"),
        (["grid", "--out", "."], "is there already"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(tmp_path: Path, words: list[str], text: str) -> None:
    grid(tmp_path / "grid", PROMPTS[:1])
    said = command("import", *words, cwd=tmp_path, code=2).stderr
    assert text in " ".join(said.split())
