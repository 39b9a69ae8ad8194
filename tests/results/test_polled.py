"""What votes say, from the file of votes to reports, tables and the page's board; without votes nothing changes."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import scripted_rater
from tests import studies

from teststrip.analysis.sentences import votes as words
from teststrip.errors import UsageError
from teststrip.metrics.pixels import colourfulness
from teststrip.pictures.pixels import decode
from teststrip.records import Row
from teststrip.records.votes import Choice, Pair, Vote
from teststrip.results import Result, open_result, polled, polling
from teststrip.store.votes import VoteFile
from teststrip.verbs import export
from teststrip.verbs.run import drive
from teststrip.views import board, report

STUDY = {
    "prompts": [f"a thing of kind {n}" for n in range(8)],
    "replicates": 2,
    "axes": {"guidance_scale": [1, 4, 7], "num_inference_steps": [4, 8]},
}
Judge = Callable[[Row, Row], Choice]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("polled")
    drive(studies.write(folder, **STUDY), folder / "polled", trackers=[], views=False).result.close()
    return folder / "polled"


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Iterator[Result]:
    """The study in a folder of its own, which has no votes yet."""
    shutil.copytree(made, tmp_path / "study")
    with open_result(tmp_path / "study") as result:
        yield result


def vote(result: Result, judge: Judge, count: int = 240, rater: str = "ana") -> None:
    """Let a scripted rater vote on the pairs that the study chooses."""
    rows = {row.image.shot_id: row for row in result.rows() if row.image}
    choose, pairs, votes = polling.chooser(result.study)(result.rows()), [], []
    while len(pairs) < count and (pair := choose(rater, (), pairs)):
        pairs.append(pair)
    for n, pair in enumerate(pairs):
        said = "tie" if pair.kind == "catch" else judge(rows[pair.left.shot], rows[pair.right.shot])
        votes.append(Vote(f"{rater} {n}", pair, said, rater, "person", 900, "Which?", "2025-01-01T00:00:00Z"))
    VoteFile(result.folder).add(votes)


def prefers_guidance(left: Row, right: Row) -> Choice:
    """The picture of the higher guidance in 9 of 10 pairs, whatever the steps; the same one on either side."""
    ids = left.planned.shot.id, right.planned.shot.id
    coin = random.Random("".join(sorted(ids))).random()
    one, other = (float(row.planned.cell["guidance_scale"]) for row in (left, right))
    if one == other:
        return "left" if (ids[0] < ids[1]) == (coin < 0.5) else "right"
    return "left" if (one > other) == (coin < 0.9) else "right"


def always_left(left: Row, right: Row) -> Choice:
    return "left"


def always_tie(left: Row, right: Row) -> Choice:
    return "tie"


def test_a_study_without_votes_says_nothing_of_votes(result: Result) -> None:
    assert result.polled == ()
    assert "the votes say" not in report.text(result) + report.full_text(result) + report.markdown(result)
    assert "votes" not in report.as_json(result)
    assert "votes" not in board.of(result)
    rows = result.rows()
    assert polled.counted(rows, ()) == rows


def test_what_the_votes_say_stands_in_every_report_and_on_the_page(result: Result) -> None:
    vote(result, prefers_guidance)
    (found,) = result.polled
    verdicts = {
        (one.asked.plus[0].axis, one.asked.kind, len(one.asked.plus)): one.verdict
        for one in found.rates
        if one.planned and one.scope == "prompts like these"
    }
    assert verdicts["guidance_scale", "trend", 1] == "different"
    assert verdicts["num_inference_steps", "pair", 1] != "different"
    claim = "guidance"
    for said in (report.text(result), report.full_text(result), report.markdown(result), report.full_markdown(result)):
        assert "What the votes say" in said
        part = said.partition("What the votes say")[2]
        assert claim in part
        assert "of votes" in part
    assert report.as_json(result)["votes"][0]["kind"] == "person"
    lines = board.of(result)["votes"]
    assert lines[0].startswith("What the votes say")
    assert any("chosen in" in line for line in lines)


def test_a_rater_who_presses_one_key_gets_no_verdict_and_a_reason(result: Result) -> None:
    vote(result, always_left, 120)
    (found,) = result.polled
    assert found.left_out == ("ana",)
    assert found.rates == found.foretold == ()
    assert "No verdict: nearly all votes of ana are for one side" in report.text(result)


def test_one_key_of_one_rater_changes_no_verdict_of_the_others(result: Result) -> None:
    vote(result, prefers_guidance)
    (before,) = result.polled
    vote(result, always_left, 120, "ben")
    (after,) = result.polled
    assert after.left_out == ("ben",)
    assert after.rates == before.rates
    assert "Votes of ben do not count here" in report.text(result)


def test_who_always_says_tie_is_heard(result: Result) -> None:
    vote(result, always_tie, 120)
    (found,) = result.polled
    assert found.left_out == ()
    assert found.rates


def test_each_vote_is_counted_on_both_of_its_pictures(result: Result) -> None:
    vote(result, prefers_guidance, 100)
    votes = VoteFile(result.folder).votes()
    asked = [one for one in votes if one.pair.kind == "asked"]
    rows = polled.counted(result.rows(), votes)
    totals = {name: sum(row.scores[name] for row in rows) for name in polled.TALLIES}
    assert totals["votes_won"] == totals["votes_lost"] == len(asked)
    assert totals["votes_tied"] == 0
    assert all(set(polled.TALLIES) <= row.scores.keys() for row in rows)
    first: Pair = asked[0].pair
    won = {row.image.shot_id: row.scores["votes_won"] for row in rows if row.image}
    assert won[first.left.shot if asked[0].choice == "left" else first.right.shot] >= 1


def test_best_by_votes_takes_the_cheapest_setting_that_loses_against_none(result: Result) -> None:
    vote(result, prefers_guidance, 600)
    vote(result, prefers_guidance, 600, "ben")
    made = polled.best(result)
    assert dict(made.levels)["guidance_scale"] == "7"
    assert made.rivals == 5
    assert made.behind >= 2
    said = report.best_by_votes(result)
    assert "guidance 7" in said
    assert report.best_by_votes_as_json(result)["by_votes"]["sentence"] in said


HEIGHTS = {("1", "4"): 1.0, ("1", "8"): 0.0, ("4", "4"): -3.0, ("4", "8"): 3.0, ("7", "4"): 1.0, ("7", "8"): 0.0}
"""Of settings. By sums of axes (1, 8) or (7, 8) would be the best."""


def prefers_one_setting(left: Row, right: Row) -> Choice:
    one, other = (HEIGHTS[tuple(label for _, label in row.planned.cell.levels)] for row in (left, right))
    coin = random.Random(left.planned.shot.id + right.planned.shot.id).random()
    return "left" if coin < 1 / (1 + math.exp(other - one)) else "right"


def test_best_by_votes_compares_whole_settings_and_not_sums_of_axes(result: Result) -> None:
    vote(result, prefers_one_setting, 600)
    made = polled.best(result)
    assert made.levels == (("guidance_scale", "4"), ("num_inference_steps", "8"))
    assert made.behind >= 1


def test_best_by_votes_needs_votes_and_says_so(result: Result) -> None:
    with pytest.raises(UsageError, match="no one has voted"):
        polled.best(result)
    vote(result, always_left, 60)
    assert report.best_by_votes(result).startswith("No recommendation by votes")


def test_exports_have_the_votes_on_each_picture_and_none_where_there_are_none(result: Result) -> None:
    assert b"votes_won" not in export.csv(result)
    vote(result, prefers_guidance, 60)
    head, *lines = export.csv(result).decode().splitlines()
    place = head.split(",").index("votes_won")
    asked = sum(one.pair.kind == "asked" for one in VoteFile(result.folder).votes())
    assert sum(float(line.split(",")[place]) for line in lines) == asked


def test_the_scripted_rater_of_the_docs_sees_pixels_alone_and_votes_as_a_judge(result: Result) -> None:
    assert scripted_rater.vote(result, 60) == 60
    votes = VoteFile(result.folder).votes()
    assert {one.rater_kind for one in votes} == {"judge"}
    rows = {row.image.shot_id: row.image.path for row in result.rows() if row.image}
    agreed = decided = 0
    for one in votes:
        left, right = (
            colourfulness(decode((result.folder / rows[side.shot]).read_bytes()))
            for side in (one.pair.left, one.pair.right)
        )
        if one.choice in ("left", "right") and abs(left - right) > 3 * scripted_rater.EYE:
            decided += 1
            agreed += (one.choice == "left") == (left > right)
    assert decided >= 5
    assert agreed >= 0.9 * decided
    assert result.polled[0].kind == "judge"


def test_raters_who_press_one_key_are_not_said_to_be_of_one_mind(result: Result) -> None:
    vote(result, always_left)
    cast = VoteFile(result.folder).votes()
    VoteFile(result.folder).add([replace(one, id=f"ben {one.id}", rater="ben") for one in cast])
    (found,) = result.polled
    assert found.left_out == ("ana", "ben")
    assert math.isnan(found.alpha)


def test_where_no_vote_counts_no_prompts_and_no_raters_are_counted(result: Result) -> None:
    """One vote is on one seed of its prompt, so none counts for these very prompts."""
    vote(result, prefers_guidance, count=1)
    (found,) = result.polled
    lines = " ".join(words.told(found))
    assert "On these prompts: too few to tell (no vote counts here). It takes six prompts" in lines
    assert "0 prompts" not in lines
    assert "0 raters" not in lines


def test_votes_on_pictures_that_were_made_again_count_for_settings_and_not_for_the_new_pictures(result: Result) -> None:
    vote(result, prefers_guidance)
    cast = VoteFile(result.folder).votes()
    (before,) = result.polled
    (result.folder / "votes.jsonl").unlink()
    VoteFile(result.folder).add([replace(one, pair=elsewhere(one.pair)) for one in cast])
    (after,) = result.polled
    assert after.rates == before.rates
    rows = polled.counted(result.rows(), VoteFile(result.folder).votes())
    assert not any(row.scores[name] for row in rows for name in polled.TALLIES)


def elsewhere(pair: Pair) -> Pair:
    """The same shots, whose pictures had other bytes."""
    left, right = (replace(side, digest=side.digest[::-1]) for side in (pair.left, pair.right))
    return Pair(left, right, pair.kind)
