"""What a study found, for people who work with Python: the best setting, frames, and records that read on one line."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import installing

import teststrip
from teststrip.errors import UsageError
from teststrip.records import Finding
from teststrip.records.concluded import MOST_LETTERS, one_line
from teststrip.results.result import Result
from teststrip.verbs.run import drive
from teststrip.views import report

TASTE = '''
from teststrip.metrics.pixels import Sharpness
from teststrip.records import Card


class Taste(Sharpness):
    """A score that says which end is good, and needs no model."""

    card = Card("taste", higher_is_better=False, low=0, high=10_000)
'''
SAMPLERS = [
    {"label": "fast", "scheduler": "DPMSolverMultistepScheduler", "eta": 0.5},
    {"label": "plain", "scheduler": "DDIMScheduler"},
]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    site = tmp_path_factory.mktemp("site")
    installing.distribution(site, "taste", {"metrics": {"taste": "taste:Taste"}}, TASTE)
    with pytest.MonkeyPatch.context() as patch:
        installing.reach(site, patch)
        yield from made(tmp_path_factory.mktemp("frames"))


def made(folder: Path) -> Iterator[Result]:
    study = teststrip.Study(
        name="frames",
        engine={"name": "pattern"},
        prompts=[f"a {{beast}} {n}" for n in range(8)],
        replicates=2,
        settings={"width": 16, "height": 16},
        axes={"num_inference_steps": [2, 8], "beast": ["cat", "owl"], "sampler": SAMPLERS},
        question={"metrics": ["clipped", "taste"]},
    )
    with drive(study, folder, trackers=[], views=False).result as result:
        yield result


def test_best_names_a_setting_that_an_engine_takes_as_it_is(result: Result) -> None:
    made = result.best()
    assert made.metric == "taste"
    assert made in result.recommendations
    assert made.choice is not None
    chosen = dict(made.choice.levels)
    assert type(made.settings["num_inference_steps"]) is int
    assert str(made.settings["num_inference_steps"]) == chosen["num_inference_steps"]
    linked = next(one for one in SAMPLERS if one["label"] == chosen["sampler"])
    wanted = {name: value for name, value in linked.items() if name != "label"}
    assert wanted.items() <= made.settings.items()
    assert made.settings["beast"] == chosen["beast"]
    assert (made.settings["width"], made.settings["height"]) == (16, 16)
    said = json.loads(json.dumps(report.best_as_json(result, "taste")))
    assert said["recommendations"][0]["settings"] == dict(made.settings)


def test_best_keeps_to_a_budget(result: Result) -> None:
    cheap = result.best("taste", budget="4 calls")
    assert cheap.budget == "4 calls"
    assert cheap.reason or cheap.settings["num_inference_steps"] == 2
    assert result.best().settings["num_inference_steps"] == 8
    with pytest.raises(UsageError, match="no budget"):
        result.best(budget="much")


def test_best_says_which_scores_there_are(result: Result) -> None:
    with pytest.raises(UsageError, match="Did you mean 'taste'"):
        result.best("tast")


def test_best_goes_by_a_score_that_only_describes_where_it_is_named(result: Result) -> None:
    assert list(result.cards) == ["clipped", "taste"]
    assert result.best("clipped").reason
    assert not result.best("clipped").settings


def test_the_frame_of_findings_has_a_row_each_with_numbers_as_numbers(result: Result) -> None:
    frame = result.findings_frame()
    assert list(frame["sentence"]) == [finding.sentence for finding in result.findings]
    assert frame["effect"].dtype == np.float64
    for row, finding in zip(frame.itertuples(), result.findings, strict=True):
        assert row.low == finding.low or math.isnan(finding.low)
        assert row.verdict == finding.verdict


def test_the_frame_of_settings_has_the_means_of_each_cell(result: Result) -> None:
    frame = result.settings_frame()
    images = result.frame()
    assert len(frame) == 8
    for row in frame.to_dict("records"):
        own = images[
            (images["num_inference_steps"] == row["num_inference_steps"])
            & (images["beast"] == row["beast"])
            & (images["sampler"] == row["sampler"])
        ]
        assert len(own) == row["images"] == 16
        assert row["clipped"] == pytest.approx(own["clipped"].mean())
        assert row["seconds_median"] == pytest.approx(own["seconds"].median())
        assert row["clipped_low"] <= row["clipped"] <= row["clipped_high"]


def test_records_of_a_real_study_read_on_one_line(result: Result) -> None:
    for record in (result, *result.findings, *result.recommendations):
        assert len(repr(record)) <= MOST_LETTERS
        assert "\n" not in repr(record)
    assert {one.metric for one in result.findings if one.metric in repr(one)} == {"clipped", "taste"}


@given(st.text(max_size=300))
def test_any_text_makes_one_line_of_at_most_120_letters(text: str) -> None:
    line = one_line("Finding axis", text)
    assert len(line) <= MOST_LETTERS
    assert len(line.splitlines()) == 1
    assert line.startswith("<Finding axis:")
    assert line.endswith(">")


def test_each_field_of_a_finding_that_is_one_number_or_text_is_in_the_frame(result: Result) -> None:
    frame = result.findings_frame()
    known = {field.name for field in dataclasses.fields(Finding)}
    assert set(frame.columns) <= known
    assert {"metric", "axis", "scope", "effect", "low", "high", "p", "verdict", "sentence"} <= set(frame.columns)


def test_a_study_without_conclusions_has_empty_frames(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"name": "bare", "engine": {"name": "pattern"}, "prompts": ["a"]}
    with drive(teststrip.Study(**keys), tmp_path / "run", limit=0, trackers=[], views=False).result as made:
        assert made.findings_frame().empty
        with pytest.raises(UsageError, match="no score of 'bare' says which end is good"):
            made.best()
        assert list(made.settings_frame()["images"]) == [0]
