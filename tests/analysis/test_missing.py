"""A score that is missing more often at some levels is told with the verdict, and so is what it could change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study
from tests.metrics.pictures import noise, row

import teststrip
from teststrip import analysis, plan
from teststrip.analysis.kinds import missing
from teststrip.records import Card, Finding, Row
from teststrip.rows import tables

SCORE = Card("score", higher_is_better=True)
GUIDANCE = {"guidance_scale": (3.0, 15.0)}


def found(table: dict[str, Any], **more: Any) -> list[Finding]:
    return list(analysis.findings(table, {"score": SCORE}, axes=list(GUIDANCE), **more))


def selected(prompts: int, seeds: int, seed: int) -> dict[str, Any]:
    """Nothing differs, but at guidance 15 the pictures below their prompt's mean have no score."""
    draw = np.random.default_rng(seed)
    table: dict[str, Any] = {"prompt": [], "replicate": [], "guidance_scale": [], "score": []}
    for p, r, g in [(p, r, g) for p in range(prompts) for r in range(seeds) for g in (3.0, 15.0)]:
        own = draw.standard_normal()
        score = None if g == 15.0 and own < 0 else 10.0 * p + r + 0.5 * own
        for name, value in zip(table, (p, r, g, score), strict=True):
            table[name].append(value)
    return table


@pytest.mark.parametrize(("prompts", "seeds"), [(20, 2), (40, 1), (80, 2)])
def test_a_difference_that_missing_scores_make_is_never_told_without_them(prompts: int, seeds: int) -> None:
    different = 0
    for seed in range(12):
        findings = found(selected(prompts, seeds, seed))
        for one in findings:
            if one.kind == "axis" and one.verdict == "different":
                different += 1
                assert "What is missing surely depends on guidance (3: 0 % and 15: " in one.sentence
                assert one.limits[0].startswith("The missing ones alone could turn this: had they all scored like the ")
        (lost,) = [one for one in findings if one.kind == "missing"]
        assert f"of {2 * prompts * seeds} images have no score; how many depends on guidance" in lost.sentence
    assert different >= 8  # else nothing was tested


@pytest.mark.parametrize(("prompts", "seeds"), [(20, 2), (60, 1)])
def test_a_large_difference_stands_whatever_a_few_missing_scores_were(prompts: int, seeds: int) -> None:
    clauses = 0
    for seed in range(20):
        table = study(prompts, seeds, GUIDANCE, lambda c: 4.0 * (c[0] == 15.0), seed=seed)
        for place in np.random.default_rng(seed).choice(len(table["score"]), prompts // 10, replace=False):
            table["score"][place] = math.nan
        one = next(one for one in found(table) if one.kind == "axis")
        assert one.verdict == "different"
        assert any("or the best seen, the verdict would stand: 15 against 3 would make" in line for line in one.limits)
        clauses += "What is missing" in one.sentence
    assert clauses <= 3  # 5 % of 20, and its 99 % bound


@pytest.mark.parametrize("prompts", [12, 40])
def test_no_difference_is_not_sure_either_where_many_scores_are_missing(prompts: int) -> None:
    table = study(prompts, 3, GUIDANCE, seed=prompts, interaction=0.0)
    for place in range(1, len(table["score"]), 2):
        if table["guidance_scale"][place] == 15.0:
            table["score"][place] = math.nan
    one = next(one for one in found(table, margin={"score": 1.0}) if one.kind == "axis")
    assert one.verdict == "equivalent"
    assert any(line.startswith("The missing ones alone could turn this") for line in one.limits)


def test_a_metric_that_was_not_computed_is_not_missing() -> None:
    table = study(8, 1, GUIDANCE)
    assert found({**table, "score": [math.nan] * len(table["score"])}) == []


@given(st.sets(st.integers(0, 15), max_size=12), st.sets(st.integers(0, 15), max_size=12))
@settings(max_examples=20, deadline=None)
def test_only_what_was_scored_in_vain_is_missing(waiting: set[int], vain: set[int]) -> None:
    """Of a study: a score that is NaN is missing, and one that was not computed yet is not."""
    asked = teststrip.Study(
        name="s",
        engine={"name": "pattern"},
        prompts=[f"owl {n}" for n in range(8)],
        axes={"guidance_scale": [3, 15]},
        question={"metrics": ["sharpness"]},
    )
    image = row(noise(0)).image
    rows = [
        Row(shot, image, scores={} if n in waiting else {"sharpness": math.nan if n in vain else float(n % 5)})
        for n, shot in enumerate(plan.of(asked))
    ]
    findings = analysis.of_result_columns(
        tables.columns(asked, rows), asked, {"sharpness": Card("sharpness", higher_is_better=True)}
    )
    count = len(vain - waiting)
    lost = [one.sentence for one in findings if one.kind == "missing"]
    if not count or len(waiting | vain) == 16:
        assert not lost
    else:
        assert len(lost) == 1
        assert lost[0].startswith(f"{count} of {16 - len(waiting)} images have no sharpness; ")


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 3), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_missing_scores_are_filled_with_extremes_and_no_other_score_changes(
    seed: int, prompts: int, seeds: int, cells: int
) -> None:
    draw = np.random.default_rng(seed)
    values = 10 * draw.standard_normal((prompts, 1, 1)) + draw.standard_normal((prompts, seeds, cells))
    gone = (draw.random(values.shape) < 0.3).astype(float)
    gone[0, 0, 0] = 0.0
    values[gone == 1] = math.nan
    low, high = missing.filled(values, gone)
    there = gone == 0
    assert (low[there] == values[there]).all()
    assert (high[there] == values[there]).all()
    assert not np.isnan(low).any()
    for p in range(prompts):
        if there[p].any():
            assert low[p].min() == pytest.approx(low[p][~there[p]].min(initial=math.inf)) or there[p].all()
            assert (low[p][~there[p]] <= values[p][there[p]].min() + 1e-9).all()
            assert (high[p][~there[p]] >= values[p][there[p]].max() - 1e-9).all()
