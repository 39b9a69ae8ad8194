"""What a sentence about one axis is told by: a pair of levels that pictures show, never a fitted line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.records import Card, Finding

SCORE = {"score": Card("score", higher_is_better=True)}


def told(
    truth: list[float], prompts: int = 40, *, seed: int = 0, card: Card = SCORE["score"], margin: float = 0.2
) -> list[Finding]:
    axes = {"guidance_scale": tuple(float(2 * k + 1) for k in range(len(truth)))}
    table = study(prompts, 2, axes, lambda c: truth[int(float(c[0])) // 2], seed=seed)
    found = analysis.findings(table, {"score": card}, axes=list(axes), margin={"score": margin})
    return [finding for finding in found if finding.kind == "axis"]


curves = st.lists(st.floats(-2, 2), min_size=2, max_size=6)


@settings(max_examples=40, deadline=None)
@given(curves, st.integers(0, 5), st.sampled_from([6, 20, 60]))
def test_a_score_is_said_to_rise_or_fall_only_where_no_step_is_surely_against_it(
    truth: list[float], seed: int, prompts: int
) -> None:
    for finding in told(truth, prompts, seed=seed):
        assert finding.asked is not None
        assert finding.asked.kind == "pair"
        assert (finding.shape is not None) == (finding.verdict == "different")
        row = next(row for row in finding.comparisons if row.asked == finding.asked)
        assert finding.effect == row.effect
        sure = [row for row in finding.comparisons if row.asked.kind == "pair" and row.verdict == "different"]
        if finding.shape in ("rises", "falls"):
            way = 1 if finding.shape == "rises" else -1
            assert all(way * row.effect > 0 for row in sure)
            ends = finding.asked.minus[0].index, finding.asked.plus[0].index
            assert ends == (0, len(truth) - 1)
            assert f" {finding.shape} with guidance: " in finding.sentence
        else:
            assert " rises with " not in finding.sentence
            assert " falls with " not in finding.sentence
        if finding.shape in ("peak", "trough") and sure:
            assert {np.sign(row.effect) for row in sure} == {-1.0, 1.0}


@pytest.mark.parametrize("better", [True, False])
@pytest.mark.parametrize(
    ("truth", "higher", "lower"),
    [
        ([0.6, -1.0, 0.6, 1.2, 0.3], ("peak", "highest at guidance 7"), ("trough", "lowest at guidance 3")),
        ([0.0, 0.5, 1.0, 0.4], ("peak", "highest at guidance 5"), ("peak", "highest at guidance 5")),
        ([0.0, -1.0, 0.0, 1.0], ("trough", "lowest at guidance 3"), ("trough", "lowest at guidance 3")),
        ([0.0, 1.0, -1.0, 2.0], ("trough", "lowest at guidance 5"), ("trough", "lowest at guidance 5")),
        ([0.0, 3.0, 3.0, 3.0], ("rises", "+3."), ("rises", "+3.")),
        ([0.0, 2.0, 0.5, 2.5, 4.0], ("waves", "goes up and down"), ("waves", "goes up and down")),
    ],
)
def test_turns_are_named_the_better_end_first(
    truth: list[float], higher: tuple[str, str], lower: tuple[str, str], better: bool
) -> None:
    shape, words = higher if better else lower
    finding = told(truth, 80, card=Card("score", higher_is_better=better))[0]
    assert finding.shape == shape
    assert words in finding.sentence or words.replace("+3.", "+2.") in finding.sentence


@pytest.mark.parametrize("levels", [3, 5, 6])
def test_a_jump_is_told_by_its_height_and_not_by_a_fitted_line(levels: int) -> None:
    """All of the change lies in the first step: the fitted line would say less than the pictures show."""
    finding = told([0.0, *[3.0] * (levels - 1)], 60)[0]
    assert finding.effect == pytest.approx(3.0, abs=0.2)
    assert any(row.asked.kind == "trend" and abs(row.effect - 3.0) > 0.3 for row in finding.comparisons) or levels == 3


WORDS_OF_METHOD = ("bend", "Holm", "% interval", " SD", "trend")


@settings(max_examples=25, deadline=None)
@given(curves, st.integers(0, 3), st.sampled_from([4, 8, 40]))
def test_sentences_carry_no_words_of_the_method_and_the_margin_in_score_units(
    truth: list[float], seed: int, prompts: int
) -> None:
    for finding in told(truth, prompts, seed=seed, margin=0.37):
        for word in WORDS_OF_METHOD:
            assert word not in finding.sentence
        assert ("0.37 counts as no change" in finding.sentence) == (finding.verdict != "insufficient design")
        assert "1 SD is what another seed changes" in finding.method
        assert "the sentence has the 9" in finding.method


@pytest.mark.parametrize("size", [1e-10, 1e-5, 1.0, 1e7])
@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_the_size_of_a_score_never_makes_nonsense_of_its_numbers(size: float, effect: float) -> None:
    axes: Any = {"guidance_scale": (3.0, 7.0)}
    table = study(30, 2, axes, lambda c: effect * (c[0] == 7.0), seed=1)
    table["score"] = [size * score for score in table["score"]]
    for finding in analysis.findings(table, SCORE, axes=list(axes)):
        assert "0.000000" not in finding.sentence
        assert "e-" not in finding.sentence
        assert ("× 10⁻" in finding.sentence) == (size < 1e-4)


@pytest.mark.parametrize("prompts", [6, 8, 30])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_score_without_scatter_gets_its_finding(prompts: int, seeds: int) -> None:
    """0 at 4 steps and 1 at 30 in all prompts is the clearest answer there is; a count of calls is no answer."""
    axes: Any = {"num_inference_steps": (4.0, 30.0)}
    table = study(prompts, seeds, axes)
    for low, high in ((0.0, 1.0), (2.0, 2.001)):
        table["score"] = [high if steps == 30.0 else low for steps in table["num_inference_steps"]]
        for finding in analysis.findings(table, SCORE, axes=list(axes)):
            if finding.kind == "axis":
                assert finding.verdict == "different"
                assert f"score is higher at steps 30 than at 4: +{high - low:.3g}" in finding.sentence
                assert "SD" not in finding.sentence
    table["score"] = [1.0] * len(table["score"])
    assert analysis.findings(table, SCORE, axes=list(axes)) == ()
    assert analysis.findings(table, ["denoiser_calls"], axes=list(axes)) == ()


@pytest.mark.parametrize("shape", ["trend", "bend"])
def test_a_shape_that_no_pair_shows_is_told_with_what_is_sure_of_it(shape: str) -> None:
    """Eight levels in a faint slope or arch: all together show it, and hardly any two of them do."""
    place = np.linspace(-1, 1, 8)
    truth = 0.13 * place if shape == "trend" else -0.2 * place**2
    alone = 0
    for seed in range(12):
        finding = told([float(x) for x in truth], 30, seed=seed, margin=0.05)[0]
        pairs = [row for row in finding.comparisons if row.asked.kind == "pair"]
        if finding.verdict == "different" and not any(row.verdict == "different" for row in pairs):
            alone += 1
            assert finding.shape in (("rises", "falls") if shape == "trend" else ("peak", "waves"))
            if finding.shape != "waves":
                assert "that shape is sure of all levels together, the size of this step is not" in finding.sentence
    assert alone >= 2


@pytest.mark.parametrize("name", ["seconds", "score", "sharpness"])
@pytest.mark.parametrize("heights", [(0.0, 3.0, 6.0), (6.0, 3.0, 0.0), (0.0, 6.0, 0.0), (6.0, 0.0, 6.0)])
def test_a_verb_has_the_number_of_its_score(name: str, heights: tuple[float, ...]) -> None:
    axes: Any = {"guidance_scale": (1.0, 2.0, 3.0)}
    table = study(30, 2, axes, lambda c: heights[int(c[0]) - 1])
    table[name] = table["score"]
    (told, *_) = analysis.findings(table, {name: Card(name)}, axes=list(axes))
    verbs = ("rise ", "fall ", "are ") if name == "seconds" else ("rises ", "falls ", "is ")
    assert any(f"{name} {verb}" in told.sentence for verb in verbs)
