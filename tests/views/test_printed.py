"""A page without a server, and what comes back from it: a stranger's file, of which no lie is taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests import studies

from teststrip.cli import voting
from teststrip.errors import StoreError, UsageError
from teststrip.store.votes import VoteFile
from teststrip.verbs.run import drive
from teststrip.views import printed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    toml = studies.write(folder, axes={"guidance_scale": [1, 3, 7]}, settings={"width": 300, "height": 16})
    drive(toml, folder / "little", trackers=[], views=False).result.close()
    return folder / "little"


@pytest.fixture
def downloaded(made: Path, tmp_path: Path) -> dict:
    """What an honest page gives to download, of a page of its own."""
    for path in [*made.glob("votes.*"), *(made / "ballots").glob("*")]:
        path.unlink()
    voting.page(made, tmp_path / "vote.html", 5)
    (key,) = (made / "ballots").glob("*.json")
    told = json.loads(key.read_text())
    votes = [{"id": one, "choice": "tie", "milliseconds": 900, "at": "2026-11-28T12:00:00Z"} for one in told["pairs"]]
    return {"ballot": told["ballot"], "rater": "ana", "votes": votes}


def file_of(folder: Path, table: object, name: str = "votes.json") -> Path:
    (folder / name).write_text(json.dumps(table))
    return folder / name


def test_the_page_holds_no_name_and_no_setting_of_the_study(made: Path, downloaded: dict, tmp_path: Path) -> None:
    text = (tmp_path / "vote.html").read_text()
    key = next((made / "ballots").glob("*.json")).read_text()
    for pair in json.loads(key)["pairs"].values():
        for side in ("left", "right"):
            assert pair[side]["shot"] not in text
            assert pair[side]["digest"] not in text
    data = text.split("teststripBallot = ", 1)[1].split(";</script>", 1)[0]
    told = json.loads(data)
    assert told.keys() == {"id", "question", "pairs"}
    for pair in told["pairs"]:
        assert pair.keys() == {"id", "text", "left", "right", "size"}
        assert len(pair["left"]) == len(pair["right"])
        assert pair["left"].startswith("data:image/jpeg")
    assert "guidance" not in data


def test_votes_are_added_once_and_shown(
    made: Path, downloaded: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, downloaded)
    voting.add(made, [file, file])
    voting.add(made, [file_of(tmp_path, {**downloaded, "rater": "ben"}, "ben.json")])
    voting.show(made)
    said = " ".join(capsys.readouterr().out.split())
    assert "5 new votes of 5 votes by ana" in said
    assert "0 new votes of 5 votes by ana" in said
    assert "10 votes" in said
    assert "ana: 5 votes (tie 5)" in said
    assert {vote.rater for vote in VoteFile(made).votes()} == {"ana", "ben"}


@pytest.mark.parametrize(
    "lie",
    [
        {"ballot": "../../study"},
        {"ballot": 7},
        {"ballot": "12345678-1234-1234-1234-123456789abc"},
        {"votes": {}},
        {"votes": [{}]},
        {"votes": ["x"]},
        {"rater": ""},
        {"rater": "a\nb"},
        {"rater": ["x"]},
        {"rater": "x" * 100},
    ],
)
def test_a_lie_in_a_file_is_refused_whole(made: Path, downloaded: dict, tmp_path: Path, lie: dict) -> None:
    with pytest.raises((UsageError, StoreError)):
        voting.add(made, [file_of(tmp_path, {**downloaded, **lie})])
    assert VoteFile(made).votes() == ()


@pytest.mark.parametrize("lie", [{"id": "x"}, {"choice": "mine"}, {"milliseconds": -1}, {"at": ""}, {"at": None}])
def test_one_vote_that_cannot_be_meant_refuses_the_file(
    made: Path, downloaded: dict, tmp_path: Path, lie: dict
) -> None:
    votes: Sequence[dict] = downloaded["votes"]
    with pytest.raises(UsageError, match="No vote of it was taken"):
        voting.add(made, [file_of(tmp_path, {**downloaded, "votes": [*votes[1:], {**votes[0], **lie}]})])
    assert VoteFile(made).votes() == ()


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 100_000, "\ud800"])
def test_what_is_no_file_of_votes_is_said_so(made: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "junk.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match="no file of votes"):
        printed.taken(made, tmp_path / "junk.json")


def test_a_study_without_two_pictures_has_no_page(tmp_path: Path) -> None:
    toml = studies.write(tmp_path, axes={"guidance_scale": [1, 3]})
    drive(toml, tmp_path / "little", trackers=[], views=False, limit=1).result.close()
    with pytest.raises(UsageError, match="nothing to vote on"):
        voting.page(tmp_path / "little", tmp_path / "vote.html", 5)
    assert not (tmp_path / "vote.html").exists()


def test_too_many_raters_are_refused(made: Path) -> None:
    for raters in ("1000", "x" * 61, "a\x1bb"):
        with pytest.raises(UsageError, match="--raters takes"):
            voting.vote(made, raters=raters, browser=False)


@pytest.mark.parametrize("rater", [" ana ", "ana", "  ana"])
def test_blanks_around_a_name_make_no_second_rater(made: Path, downloaded: dict, tmp_path: Path, rater: str) -> None:
    voting.add(made, [file_of(tmp_path, downloaded), file_of(tmp_path, {**downloaded, "rater": rater}, "again.json")])
    assert {vote.rater for vote in VoteFile(made).votes()} == {"ana"}
    assert len(VoteFile(made).votes()) == 5


def test_two_codes_for_one_letter_make_no_second_rater(made: Path, downloaded: dict, tmp_path: Path) -> None:
    for number, rater in enumerate(["Zo\u00eb", "Zoe\u0308"]):
        voting.add(made, [file_of(tmp_path, {**downloaded, "rater": rater}, f"{number}.json")])
    assert {vote.rater for vote in VoteFile(made).votes()} == {"Zo\u00eb"}


@pytest.mark.parametrize("change", [{"rater": "   "}, {"at": "not a time"}])
def test_a_name_of_blanks_and_a_time_that_is_none_are_refused(
    made: Path, downloaded: dict, tmp_path: Path, change: dict
) -> None:
    votes = [{**vote, "at": change.get("at", vote["at"])} for vote in downloaded["votes"]]
    lie = {**downloaded, "rater": change.get("rater", "ana"), "votes": votes}
    with pytest.raises(UsageError, match="No vote of it was taken"):
        voting.add(made, [file_of(tmp_path, lie)])
    assert VoteFile(made).votes() == ()


def test_a_file_that_is_too_large_is_refused_by_its_name(made: Path, downloaded: dict, tmp_path: Path) -> None:
    file = file_of(tmp_path, {**downloaded, "more": "x" * printed.MOST_BYTES}, "large.json")
    with pytest.raises(UsageError, match=r"large\.json cannot be read: it has"):
        printed.taken(made, file)


def test_another_answer_to_a_vote_that_came_before_is_told(
    made: Path, downloaded: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two persons who call themselves alike would otherwise lose the votes of one without a word."""
    voting.add(made, [file_of(tmp_path, downloaded)])
    voting.add(made, [file_of(tmp_path, downloaded)])
    assert "another answer" not in capsys.readouterr().err
    others = [{**vote, "choice": "left"} for vote in downloaded["votes"][:2]] + downloaded["votes"][2:]
    voting.add(made, [file_of(tmp_path, {**downloaded, "votes": others}, "other.json")])
    assert "2 votes by ana came before with another answer" in " ".join(capsys.readouterr().err.split())
    assert {vote.choice for vote in VoteFile(made).votes()} == {"tie"}
