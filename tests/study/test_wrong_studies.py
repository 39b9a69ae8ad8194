"""Every mistake gets its own exact message, with place, what and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.study.wrong_studies import WRONG, Wrong

import teststrip
from teststrip.errors import StudyError


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.mistake for wrong in WRONG])
def test_a_wrong_study_gets_exactly_this_message(tmp_path: Path, wrong: Wrong) -> None:
    file = tmp_path / "study.toml"
    file.write_text(wrong.text, encoding="utf-8")
    with pytest.raises(StudyError) as raised:
        teststrip.read(file)
    # What is installed differs from machine to machine; what is said before does not.
    told = str(raised.value).removeprefix("study.toml: ").partition(" Installed: ")[0]
    assert told == wrong.message.partition(" Installed: ")[0]


def test_there_are_at_least_forty_mistakes_and_no_two_alike() -> None:
    assert len({wrong.text for wrong in WRONG}) == len(WRONG) >= 40
