"""The reports of six little studies are what people have read and found clear."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests import installing
from tests.golden import studies

from teststrip.cli.words import folded


@pytest.mark.parametrize("name", studies.STUDIES)
def test_a_report_says_what_was_read_and_approved(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studies.install(tmp_path / "site")
    installing.reach(tmp_path / "site", monkeypatch)
    golden = (studies.HERE / f"{name}.md").read_text(encoding="utf-8")
    assert studies.told(name, tmp_path / name) == golden, "read the change; then: python -m tests.golden"


def test_there_is_a_golden_report_of_each_study_and_no_other() -> None:
    assert {path.stem for path in studies.HERE.glob("*.md")} == set(studies.STUDIES)


def printed(name: str) -> str:
    """What the terminal prints of a study, in the golden file."""
    return (studies.HERE / f"{name}.md").read_text(encoding="utf-8").split("```")[1]


@pytest.mark.parametrize("name", studies.STUDIES)
def test_the_short_report_fits_a_screen_and_says_nothing_twice(name: str) -> None:
    lines = printed(name).splitlines()
    assert sum(len(folded(line, 100).splitlines()) or 1 for line in lines) <= 45
    claims = [
        sentence for line in lines for sentence in re.split(r"(?<=[.:]) ", line.strip(" *-")) if len(sentence) > 40
    ]
    assert len(claims) == len(set(claims))


@pytest.mark.parametrize("name", studies.STUDIES)
def test_the_short_report_answers_before_it_explains(name: str) -> None:
    lines = [line for line in printed(name).splitlines()[3:] if line]
    assert re.match("│ (Use|No winner yet|No recommendation)", lines[0])
    found = printed(name).split("Bear in mind")[0]
    assert not [word for word in JARGON if word in found]


JARGON = ("Holm", "p <", "90 % interval", "degrees of freedom", "bend", "t-test", "quadratic", "unknown to")


@pytest.mark.parametrize("name", studies.STUDIES)
def test_what_stands_in_short_has_no_jargon_and_says_nothing_twice(name: str) -> None:
    told = (studies.HERE / f"{name}.md").read_text(encoding="utf-8").split("## In short")[1].split("**How to read")[0]
    assert not [word for word in JARGON if word in told]
    lines = [line.strip("- ") for line in told.splitlines() if line]
    assert len(lines) == len(set(lines))
    assert max(map(len, lines)) < 330
