"""A margin that was kept judges in place of the one that the scores at hand would give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.numbers import kept
from teststrip.records import Card, KeptMargin

CARD = Card("score", higher_is_better=True)


def values(prompts: int, seeds: int, *, seed: int = 0, gone: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.standard_normal((prompts, seeds, 3))
    found[rng.random((prompts, seeds)) < gone] = np.nan
    return found


@given(st.integers(1, 15), st.integers(1, 8), st.integers(0, 99), st.sampled_from([0.0, 0.3]))
def test_a_margin_is_a_pilots_where_enough_seeds_show_it(prompts: int, seeds: int, seed: int, gone: float) -> None:
    scores = values(prompts, seeds, seed=seed, gone=gone)
    made = kept.keep(0.2, "score", scores, "v")
    there = (~np.isnan(scores[..., 0])).sum(axis=1)
    degrees = sum(max(int(n) - 1, 0) for n in there)
    if made is None:
        assert degrees == 0
        return
    assert made.pilot == (degrees >= kept.PILOT_DEGREES)
    assert made.prompts == int((there > 0).sum())
    assert made.se > 0 or degrees == 0 or made.prompts >= 6
    in_units = kept.keep({"score": 0.5}, "score", scores, "v")
    assert in_units is not None
    assert (in_units.value, in_units.asked, in_units.pilot) == (0.5, None, False)


@pytest.mark.parametrize("value", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("prompts", [6, 12])
def test_findings_and_the_recommendation_are_judged_by_the_kept_margin(value: float, prompts: int) -> None:
    table = study(prompts, 2, {"guidance_scale": (1.0, 3.0, 7.0)}, lambda cell: 0.1 * float(cell[0]))
    held = KeptMargin(0.2, value, 0.1 * value, 0.1 * value, 5 * value, "v", 12, pilot=True, look=3)
    found = analysis.findings(table, {"score": CARD}, axes=["guidance_scale"], pilot={"score": held})
    assert {finding.margin for finding in found} == {value}
    assert {finding.seed_sd for finding in found} == {5 * value}
    assert all(any("kept from look 3 (12 prompts)" in limit for limit in finding.limits) for finding in found)
    made = analysis.recommend(table, CARD, axes=["guidance_scale"], pilot={"score": held})
    assert made.margin == value
    other = analysis.findings(table, {"score": CARD}, axes=["guidance_scale"], pilot={"another": held})
    assert not math.isclose(other[0].margin, value)


def test_a_kept_margin_decides() -> None:
    """The same scores are alike by a wide yardstick and not by a narrow one."""
    table = study(40, 2, {"guidance_scale": (1.0, 7.0)})
    verdicts = []
    for value in (0.01, 2.0):
        held = KeptMargin(0.2, value, 0.0, 0.0, 1.0, "v", 12, pilot=True, look=1)
        found = analysis.findings(table, {"score": CARD}, axes=["guidance_scale"], pilot={"score": held})
        verdicts.append(found[0].verdict)
    assert verdicts == ["inconclusive", "equivalent"]
