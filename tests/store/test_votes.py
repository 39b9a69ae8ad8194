"""The votes' file: each vote once, none lost that was confirmed, and nothing believed that cannot be meant."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import StoreError
from teststrip.folder import VOTES_FILE, VOTES_LOCK_FILE
from teststrip.records.votes import Pair, Side, Vote
from teststrip.store import votes as stored
from teststrip.store.lock import FolderLock
from teststrip.store.votes import VoteFile


def side(n: int) -> Side:
    return Side(f"{n:064x}", f"{n + 1000:064x}")


def vote(n: int, **changes: object) -> Vote:
    one = Vote(f"vote-{n}", Pair(side(n), side(n + 1)), "left", "ana", "person", 900, "Better?", "2026-11-28T12:00:00Z")
    return replace(one, **changes)


TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
VOTES = st.builds(
    Vote,
    id=TEXTS,
    pair=st.builds(
        Pair,
        st.builds(side, st.integers(0, 9)),
        st.builds(side, st.integers(0, 9)),
        st.sampled_from(["asked", "catch"]),
    ),
    choice=st.sampled_from(["left", "right", "tie", "both bad"]),
    rater=TEXTS,
    rater_kind=st.sampled_from(["person", "judge"]),
    milliseconds=st.integers(0, stored.MOST_MILLISECONDS),
    question=TEXTS,
    at=TEXTS,
)


@given(VOTES)
def test_a_vote_is_read_as_it_was_written(one: Vote) -> None:
    assert stored.read(json.loads(json.dumps(asdict(one)))) == one


def test_votes_are_kept_in_their_order_and_read_by_another_reader(tmp_path: Path) -> None:
    written = [vote(n) for n in range(5)]
    assert VoteFile(tmp_path).add(written) == 5
    assert VoteFile(tmp_path).votes() == tuple(written)


def test_a_thousand_votes_sent_again_count_once(tmp_path: Path) -> None:
    first, second = VoteFile(tmp_path), VoteFile(tmp_path)
    votes = [vote(n) for n in range(1000)]
    assert first.add(votes) == 1000
    assert second.add([replace(one, choice="right") for one in votes]) == 0
    assert VoteFile(tmp_path).votes() == tuple(votes)


def test_a_vote_that_was_taken_back_stays_known_and_cannot_be_sent_again(tmp_path: Path) -> None:
    file = VoteFile(tmp_path)
    file.add([vote(1), vote(2)])
    assert file.withdraw("vote-1")
    assert not file.withdraw("vote-1")
    assert not file.withdraw("vote-9")
    assert VoteFile(tmp_path).add([vote(1)]) == 0
    assert VoteFile(tmp_path).votes() == file.votes() == (vote(2),)


@given(cut=st.integers(1, 400))
def test_a_line_that_was_cut_off_costs_that_vote_alone(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    VoteFile(folder).add([vote(1), vote(2)])
    path = folder / VOTES_FILE
    path.write_bytes(path.read_bytes()[:-cut])
    assert VoteFile(folder).votes() == (vote(1),)
    assert VoteFile(folder).add([vote(2), vote(3)]) == 2
    found = VoteFile(folder)
    assert found.votes() == (vote(1), vote(2), vote(3))
    assert found.damaged == 0


def test_a_line_that_was_changed_is_left_out_and_counted(tmp_path: Path) -> None:
    VoteFile(tmp_path).add([vote(1), vote(2), vote(3)])
    path = tmp_path / VOTES_FILE
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"choice":"left"', '"choice":"right"')
    path.write_text("\n".join([*lines, "junk", "[" * 5000, "{}", '{"check": 1}', ""]))
    found = VoteFile(tmp_path)
    assert found.votes() == (vote(1), vote(3))
    assert found.damaged == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x" * 65},
        {"rater": "a\nb"},
        {"rater": "\x1b]0;title\x07"},
        {"rater": "a\u202eb"},
        {"choice": "neither"},
        {"rater_kind": "crowd"},
        {"milliseconds": -1},
        {"milliseconds": True},
        {"milliseconds": 1e3},
        {"question": "x" * 301},
        {"pair": Pair(Side("../secret", "a" * 64), side(1))},
        {"pair": Pair(side(1), Side("a" * 64, "A" * 64))},
        {"pair": Pair(side(1), side(2), "swapped")},  # type: ignore[arg-type]
    ],
)
def test_a_vote_that_cannot_be_meant_is_refused_and_nothing_is_written(tmp_path: Path, changes: dict) -> None:
    file = VoteFile(tmp_path)
    with pytest.raises(StoreError, match="cannot be kept"):
        file.add([vote(1), vote(2, **changes)])
    assert file.votes() == ()


def test_writers_at_once_lose_and_double_no_vote(tmp_path: Path) -> None:
    """Each thread has a reader of its own, as each process has."""

    def work(n: int) -> None:
        file = VoteFile(tmp_path)
        for k in range(25):
            file.add([vote(100 * n + k), vote(k + 5000)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    found = VoteFile(tmp_path)
    assert len(found.votes()) == len({one.id for one in found.votes()}) == 125
    assert len((tmp_path / VOTES_FILE).read_text().splitlines()) == 125


def test_a_run_that_holds_its_folder_is_in_nobodys_way(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    assert VoteFile(tmp_path).add([vote(1)]) == 1
    lock.release()


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX")
@pytest.mark.parametrize("name", [VOTES_FILE, VOTES_LOCK_FILE])
def test_a_link_in_the_place_of_the_votes_is_not_followed(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "study", tmp_path / "precious"
    folder.mkdir()
    outside.write_text("precious")
    (folder / name).symlink_to(outside)
    with pytest.raises(StoreError):
        VoteFile(folder).add([vote(1)])
    assert outside.read_text() == "precious"


def test_a_file_that_became_shorter_is_read_anew(tmp_path: Path) -> None:
    file = VoteFile(tmp_path)
    file.add([vote(1), vote(2)])
    (tmp_path / VOTES_FILE).unlink()
    assert file.votes() == ()
    assert file.add([vote(2)]) == 1
