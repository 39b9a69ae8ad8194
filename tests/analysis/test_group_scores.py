"""A score of a group of seeds has no seeds to count, so it speaks of prompts like these alone, and says why once."""

from __future__ import annotations

import pytest
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.kinds.limits import BY_GROUP
from teststrip.records import Card

AXES = {"guidance_scale": (3.0, 7.0), "num_inference_steps": (8.0, 16.0)}
DIVERSITY = {"score": Card("score", arity=None)}


@pytest.mark.parametrize(("prompts", "seeds"), [(3, 8), (5, 6), (12, 4)])
def test_a_score_of_a_group_says_once_why_it_is_silent_about_these_prompts(prompts: int, seeds: int) -> None:
    table = study(prompts, seeds, AXES)
    found = analysis.findings(table, DIVERSITY, axes=list(AXES))
    assert found
    for one in found:
        assert one.scope == "prompts like these"
        assert one.limits.count(BY_GROUP) == 1
        assert (one.verdict == "insufficient design") == (prompts < 6)


def test_who_asks_only_about_prompts_like_these_needs_no_reason() -> None:
    found = analysis.findings(study(8, 4, AXES), DIVERSITY, axes=list(AXES), scope="prompts like these")
    assert not any(BY_GROUP in one.limits for one in found)


@pytest.mark.parametrize("seeds", [2, 6])
def test_who_asks_only_about_these_prompts_is_told_that_seeds_are_no_evidence(seeds: int) -> None:
    found = analysis.findings(study(8, seeds, AXES), DIVERSITY, axes=list(AXES), scope="these prompts")
    assert found
    assert {one.verdict for one in found} == {"insufficient design"}
    assert all(BY_GROUP in one.limits for one in found)


@pytest.mark.parametrize("arity", [None, 2])
def test_only_scores_of_single_pictures_are_audited(arity: int | None) -> None:
    table = study(12, 2, {"num_inference_steps": (2.0, 8.0, 32.0)})
    card = Card("score", arity=arity, higher_is_better=True)
    found = analysis.findings(table, {"score": card}, axes=["num_inference_steps"])
    assert not [one for one in found if one.kind == "audit"]
