"""From a study file that names a reference to scores, findings, report and page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import studies

from teststrip.pictures import decode, distances
from teststrip.records import Finding
from teststrip.results.result import Result
from teststrip.rows import items, references
from teststrip.verbs.run import drive
from teststrip.views import board, brief, report
from teststrip.views import summary as summaries

EIGHT = [f"a {thing}" for thing in ("rose", "car", "cat", "king", "boat", "tree", "owl", "city")]
METRICS = ["psnr", "ssim", "changed", "level"]
ASKED = {
    "prompts": EIGHT,
    "replicates": 2,
    "axes": {"guidance_scale": [1, 7], "num_inference_steps": [2, 45, 50]},
    "question": {"metrics": METRICS, "reference": {"steps": 50}, "margin": {"changed": 0.1, "level": 5}},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """A study in which one picture of the reference is refused."""
    fail = "refused: guidance_scale=7, num_inference_steps=50, prompt=a king"
    study = studies.little(**ASKED, engine={"fail": fail})
    with drive(study, tmp_path_factory.mktemp("fidelity"), trackers=[], views=False).result as made:
        yield made


def found(result: Result, metric: str) -> Finding:
    (one,) = (finding for finding in result.findings if finding.metric == metric)
    return one


def test_each_picture_is_scored_against_the_reference_of_its_prompt_and_seed(result: Result) -> None:
    rows = [row for row in result.rows() if row.image]
    own = [
        pair
        for pair in references.pairs(rows, result.cards["psnr"], result.study.question.reference)
        if not items.between_seeds(pair)
    ]
    refused = [row for row in rows if "psnr" not in row.scores]
    assert {(row.planned.prompt.text, row.planned.cell["guidance_scale"]) for row in refused} == {("a king", "7")}
    assert len(own) + len(refused) == len(rows) == 8 * 2 * 6 - 2
    for row, reference in own:
        seen = [decode(result.store.read(items.image_of(one))) for one in (row, reference)]
        assert row.scores["psnr"] == pytest.approx(distances.psnr(*seen))
        assert row.scores["level"] == distances.level(*seen)


def test_what_is_near_and_what_is_far_is_found_by_every_metric(result: Result) -> None:
    for metric in METRICS:
        settings = found(result, metric).fidelity
        assert settings is not None
        assert [one.verdict for one in settings.settings] == ["different", "equivalent"], metric
        assert [one.pairs for one in settings.settings] == [30, 30]
        assert [one.unknown for one in settings.settings] == [2, 2]


def test_reports_say_each_claim_and_the_page_has_it(result: Result) -> None:
    claim = "by PSNR, pictures with steps 45 are on average the same as with steps 50; with steps 2 they are not."
    texts = [report.text(result), report.full_text(result), report.markdown(result), report.full_markdown(result)]
    assert all(claim in text for text in texts)
    assert all("Changed most with steps 2: “" in text for text in texts)
    assert json.loads(json.dumps(report.as_json(result)))["findings"][0]["fidelity"]["limit"] == 40
    made = board.of(result)
    assert claim in json.loads(board.to_json(made))["findings"][0]["sentence"]
    assert any(
        one["headline"] == "Pictures with steps 2 are not the same as with steps 50, by PSNR"
        for one in made["findings"]
    )


def test_distances_to_the_reference_have_a_table_of_their_own_and_are_no_column_of_the_settings(
    result: Result,
) -> None:
    assert "PSNR" not in brief.of(summaries.of(result)).heads
    full = report.full_markdown(result)
    assert "| setting | mean (dB) | surely |" in full
    assert "mean PSNR" not in full


def test_nothing_is_recommended_by_closeness_unless_a_person_names_the_score(result: Result) -> None:
    assert result.recommendations == ()
    assert "not a better one" in result.best("psnr").sentence


def test_pictures_of_two_sizes_are_counted_as_not_comparable(tmp_path: Path) -> None:
    study = studies.little(
        prompts=EIGHT,
        settings={"height": 16},
        axes={"width": [16, 32]},
        question={"metrics": ["psnr"], "reference": {"width": 16}},
    )
    with drive(study, tmp_path / "run", trackers=[], views=False).result as made:
        one = found(made, "psnr")
        assert one.verdict == "insufficient design"
        assert "PSNR can compare no picture with the one with width 16." in one.sentence
        assert "8 pictures have no distance: one of a pair is missing, or their sizes differ." in one.sentence
        assert "PSNR can compare no picture" in report.text(made)


def test_an_engine_made_two_ways_is_compared_by_its_name(tmp_path: Path) -> None:
    study = studies.studies.study(
        name="two",
        prompts=EIGHT,
        engines={"plain": {"name": "pattern"}, "quick": {"name": "pattern", "num_inference_steps": 48}},
        settings={"width": 32, "height": 32},
        axes={"engine": ["plain", "quick"]},
        question={"metrics": ["psnr"], "reference": {"engine": "plain"}},
    )
    with drive(study, tmp_path / "run", trackers=[], views=False).result as made:
        sentence = found(made, "psnr").sentence
    assert "pictures with engine quick are on average the same as with engine plain" in sentence
