"""Where pictures stop changing is answered for a few prompts by their seeds, and held against what people see."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teststrip import analysis
from teststrip.analysis.kinds.middles import median_interval, share_interval
from teststrip.metrics.fidelity import Convergence, ConvergenceFeatures, ConvergenceSsim
from teststrip.records import Card, Finding

STEPS = (25, 50, 100, 150, 200)
DISTANCE = Card("distance", arity=2, higher_is_better=False, unit="levels", unseen=2.5)


def columns(prompts: int, seeds: int, *, size: float = 100.0, seed: int = 0, falls: float = 2.0) -> dict[str, Any]:
    """Distances that fall with a power of the steps, from `size` at the fewest on."""
    draw = np.random.default_rng(seed)
    table: dict[str, Any] = {"prompt": [], "replicate": [], "num_inference_steps": [], "distance": []}
    for p in range(prompts):
        for r in range(seeds):
            own = size * draw.lognormal(0.0, 0.1)
            for count in STEPS:
                gap = 0.0 if count == STEPS[-1] else own * (STEPS[0] / count) ** falls * draw.lognormal(0.0, 0.05)
                for name, value in zip(table, (p, r, count, gap), strict=True):
                    table[name].append(value)
    return table


def finding(table: dict[str, Any], card: Card = DISTANCE, **more: Any) -> Finding:
    (found,) = analysis.findings(table, {card.name: card}, axes=["num_inference_steps"], **more)
    return found


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (5, 2), (5, 6), (3, 4)])
@given(seed=st.integers(0, 999))
@settings(max_examples=5, deadline=None)
def test_a_few_prompts_with_seeds_enough_get_a_verdict_about_themselves(prompts: int, seeds: int, seed: int) -> None:
    found = finding(columns(prompts, seeds, seed=seed))
    assert found.verdict == "equivalent"
    assert (found.scope, found.prompts, found.seeds) == ("these prompts", prompts, prompts * seeds)
    these = "this prompt" if prompts == 1 else f"these {prompts} prompts"
    assert found.sentence.startswith(f"On {these}, pictures stop changing at ")
    assert f" steps, {prompts * seeds} seeds." in found.sentence


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 5), (5, 1), (4, 2), (1, 1)])
def test_too_few_seeds_settle_nothing(prompts: int, seeds: int) -> None:
    found = finding(columns(prompts, seeds))
    assert found.verdict == "insufficient design"
    assert "cannot settle where pictures stop changing" in found.sentence


@pytest.mark.parametrize(("prompts", "seeds"), [(6, 1), (12, 3)])
def test_prompts_enough_speak_for_prompts_like_them_unless_the_study_asks_otherwise(prompts: int, seeds: int) -> None:
    table = columns(prompts, seeds)
    assert finding(table).scope == finding(table, scope="prompts like these").scope == "prompts like these"
    assert finding(table, scope="these prompts").scope == "these prompts"
    assert finding(columns(5, 6), scope="prompts like these").verdict == "insufficient design"


def test_seeds_that_prompts_share_are_no_independent_witnesses() -> None:
    assert finding(columns(5, 6), shared_seeds=True).verdict == "insufficient design"
    assert finding(columns(1, 6), shared_seeds=True).verdict == "equivalent"


@pytest.mark.parametrize("size", [1.0, 10.0, 100.0, 1000.0])
def test_what_still_changes_is_held_against_what_people_see(size: float) -> None:
    found = finding(columns(8, 2, size=size))
    (at,) = [level for level in found.levels if level.x == found.effect]
    seen = "less than people usually see" if at.mean <= 2.5 else "enough for people to see"
    assert f"At {at.label} steps what still changes is " in found.sentence
    assert f" levels: {seen} (from about 2.5 on)." in found.sentence


@given(st.floats(1.0, 1000.0), st.floats(1.0, 1000.0))
@settings(max_examples=15, deadline=None)
def test_what_still_changes_is_a_share_of_what_another_seed_changes_where_that_is_known(
    size: float, apart: float
) -> None:
    table = columns(6, 1, size=size)
    assert "another seed" not in finding(table).sentence
    found = finding({**table, DISTANCE.between_seeds_column: [apart] * len(table["prompt"])})
    assert found.between_seeds == pytest.approx(apart)
    at = next((level for level in found.levels[:-1] if level.x == found.effect), found.levels[-2])
    told = re.search(r"what still changes is .*: ([\d.,]+) % of what another seed changes and ", found.sentence)
    assert told
    assert float(told[1].replace(",", "")) == pytest.approx(
        100 * at.mean / apart, rel=0.5 if at.mean < apart / 50 else 0.2
    )


@pytest.mark.parametrize("similarity", [False, True])
@pytest.mark.parametrize(("share", "knee"), [(0.04, 25), (0.16, 50), (0.6, 100), (1.4, 150), (4.0, 200)])
def test_a_picture_has_converged_where_less_than_a_twentieth_of_another_seed_s_change_is_left(
    share: float, knee: float, similarity: bool
) -> None:
    table = columns(8, 3, size=100 * share)
    card, apart = DISTANCE, 100.0
    if similarity:  # 1 = alike: the same distances from the other end
        table["distance"] = [1 - gap / 1000 for gap in table["distance"]]
        card, apart = Card("distance", arity=2, higher_is_better=True), 1 - 100 / 1000
    found = finding({**table, card.between_seeds_column: [apart] * len(table["prompt"])}, card)
    assert found.effect == knee
    assert found.margin == pytest.approx(0.05 * (0.1 if similarity else 100))
    if knee < STEPS[-1]:
        assert "converged (less than 5 % of what another seed changes): " in found.sentence


def test_without_a_yardstick_nothing_is_said_of_what_people_see() -> None:
    assert (
        "what still changes" not in finding(columns(8, 2), Card("distance", arity=2, higher_is_better=False)).sentence
    )


def test_the_metrics_of_pixels_know_what_people_do_not_see() -> None:
    # A root-mean-square difference of 255 / 100 is a peak signal-to-noise ratio of 40 dB.
    assert 20 * np.log10(255 / Convergence.card.unseen) == pytest.approx(40)
    assert 0 < ConvergenceSsim.card.unseen < 0.08
    assert np.isnan(ConvergenceFeatures.card.unseen)


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 8), (5, 2), (5, 6), (3, 10)])
def test_intervals_over_the_seeds_of_fixed_prompts_cover(prompts: int, seeds: int) -> None:
    """The share that has converged and the middle knee, where prompts differ from one another."""
    draw = np.random.default_rng(prompts * 100 + seeds)
    chances = np.linspace(0.3, 0.95, prompts)[:, None]
    heights = 3 * np.arange(prompts)[:, None]
    many = (heights + draw.standard_normal((prompts, 20_000))).ravel()
    middle = float(np.median(many))
    studies, shares, middles = 400, 0, 0
    for _ in range(studies):
        hits = int((draw.random((prompts, seeds)) < chances).sum())
        low, high = share_interval(hits, prompts * seeds, 0.95)
        shares += low <= chances.mean() <= high
        low, high = median_interval((heights + draw.standard_normal((prompts, seeds))).ravel())
        middles += low <= middle <= high
    # 95 % and its 99 % Monte-Carlo bound from below.
    least = 0.95 - 2.6 * (0.05 * 0.95 / studies) ** 0.5
    assert shares / studies > least
    assert middles / studies > least
