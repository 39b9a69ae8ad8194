"""What judges were asked, on disk: each line survives, none is believed that cannot be meant, one process at a time."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import FolderBusy, StoreError
from teststrip.records.votes import Judgement, Pair, Side, Vote
from teststrip.store import judged, votes
from teststrip.store.judged import Asked, JudgedFile

PAIR = Pair(Side("a" * 64, "b" * 64), Side("c" * 64, "d" * 64))
ASKED = Asked("eye", "1" * 64, PAIR, 0, "sent", currency="USD", reserved=0.5)


def test_what_is_added_is_there_after_a_kill_and_half_a_line_is_not(tmp_path: Path) -> None:
    file = JudgedFile(tmp_path)
    file.add(ASKED)
    file.add(replace(ASKED, state="answered", said="A", paid=0.2))
    with pytest.raises(FolderBusy):
        JudgedFile(tmp_path)
    file.close()
    with (tmp_path / "judged.jsonl").open("ab") as stream:
        stream.write(b'{"check": "ab')
    again = JudgedFile(tmp_path)
    again.add(replace(ASKED, question="2" * 64))
    again.close()
    assert [one.state for one in again.all()] == ["answered", "sent"]
    assert (tmp_path / "judged.jsonl").read_bytes().count(b"\n") == 3
    assert judged.spent(tmp_path) == {"USD": pytest.approx(0.7)}


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["answered", "unknown", "invalid"]), st.booleans())))
def test_a_question_counts_with_what_was_paid_and_else_with_what_was_reserved(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, judged.State, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("spent")
    file, expected = JudgedFile(folder), 0.0
    for number, state, known in asked:
        one = replace(ASKED, question=str(number) * 64)
        file.add(one)
        file.add(replace(one, state=state, paid=0.2 if known else None))
        expected += 0.2 if known else 0.5
    file.close()
    assert file.spent().get("USD", 0.0) == pytest.approx(expected)
    assert judged.spent(folder).get("USD", 0.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"turn": 2}, {"state": "paid"}, {"said": "x" * 301}, {"said": "a\nb"}, {"reserved": -1.0}, {"paid": True},
        {"question": "../x"}, {"judge": 7}, {"seconds": float("inf")},
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_meant_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(it|its|a) "):
        judged.read_asked({**asdict(ASKED), **change})


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "other").write_text("mine")
    (tmp_path / "study" / "judged.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError):
        JudgedFile(tmp_path / "study")
    assert (tmp_path / "other").read_text() == "mine"


def test_a_judges_vote_keeps_its_answers_and_a_persons_has_none(tmp_path: Path) -> None:
    own = Vote("1", PAIR, "left", "eye", "judge", 900, "Which?", "2025-01-01T00:00:00Z")
    answered = replace(own, judged=Judgement("m", "", 1, "{}", ("A", "B")))
    votes.VoteFile(tmp_path).add([answered, replace(own, id="2", rater="ana", rater_kind="person")])
    lines = (tmp_path / "votes.jsonl").read_text().splitlines()
    assert ["judged" in line for line in lines] == [True, False]
    assert votes.VoteFile(tmp_path).votes()[0] == answered
    with pytest.raises(StoreError, match="a model answered it"):
        votes.VoteFile(tmp_path).add([replace(answered, id="3", rater="ben", rater_kind="person")])
