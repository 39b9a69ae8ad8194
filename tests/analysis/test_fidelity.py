"""Whether pictures are still those of the reference: the right limit, the right unit, prompts by name, no advice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip import analysis
from teststrip.analysis.numbers import bounds, scales
from teststrip.analysis.power import explained
from teststrip.analysis.sentences import fidelity, headlines
from teststrip.metrics.fidelity import Changed, Features, Level, Psnr, Ssim
from teststrip.records import Card, Finding, LevelRef

CARD = Card("apart", unit="levels", arity=2, against="the reference", unseen=2.5)
STEPS = (5.0, 20.0, 50.0)
MOST = (LevelRef("steps", 2, "50"),)

Distance = Callable[[int, int, Sequence[float]], float]


def columns(
    prompts: int, seeds: int, distance: Distance, axes: Mapping[str, Sequence[float | str]] | None = None
) -> dict[str, list[Any]]:
    """The columns of a study whose distances are a function of prompt, seed and levels; NaN = no distance."""
    axes = axes or {"steps": STEPS}
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], **{name: [] for name in axes}, "apart": []}
    grids = np.meshgrid(*(range(len(levels)) for levels in axes.values()), indexing="ij")
    for p in range(prompts):
        for r in range(seeds):
            for at in zip(*(grid.ravel() for grid in grids), strict=True):
                levels = [own[k] for own, k in zip(axes.values(), at, strict=True)]
                for name, value in zip(table, (f"p{p}", r, *levels, distance(p, r, levels)), strict=True):
                    table[name].append(value)
    return table


def concluded(table: Mapping[str, Any], card: Card = CARD, **more: Any) -> Finding:
    keys = {"axes": ["steps"], "reference": MOST, **more}
    (finding,) = analysis.findings(table, {card.name: card}, **keys)
    return finding


def falling(p: int, r: int, levels: Sequence[float]) -> float:
    """Distances that are far at 5 steps and near at 20, a little further with each prompt and seed."""
    return {5.0: 40.0, 20.0: 1.0, 50.0: 0.0}[levels[0]] * (1 + 0.02 * p + 0.005 * r)


def test_each_setting_is_the_same_picture_or_another_or_neither() -> None:
    found = concluded(columns(12, 2, falling))
    assert found.fidelity is not None
    assert [one.verdict for one in found.fidelity.settings] == ["different", "equivalent"]
    assert [one.levels[0].label for one in found.fidelity.settings] == ["5", "20"]
    assert found.verdict == "different"
    assert found.sentence.startswith(
        "For prompts like these, by apart, pictures with steps 20 are on average the same as with steps 50; with steps "
        "5 they are not. The same is 2.5 levels or less, because people usually see no difference there."
    )
    assert headlines.write(found) == "Pictures with steps 5 are not the same as with steps 50, by apart"
    assert re.fullmatch(r"44.5 levels with steps 5, surely [\d.]+ or less · 12 prompts", headlines.detail(found))


def test_the_mean_is_over_prompts_and_the_prompts_that_changed_most_are_named() -> None:
    table = columns(12, 2, lambda p, r, levels: 0.0 if levels[0] == 50 else float(p + r))
    found = concluded(table)
    assert found.fidelity is not None
    near = found.fidelity.settings[0]
    assert near.mean == pytest.approx(np.mean([p + 0.5 for p in range(12)]))
    assert [(one.prompt, one.distance) for one in near.furthest] == [("p11", 11.5), ("p10", 10.5), ("p9", 9.5)]
    assert near.most == 11.5
    assert "Changed most with steps 5: “p11” (11.5 levels), “p10” (10.5 levels) and “p9” (9.5 levels)." in found.lines


@pytest.mark.parametrize(("prompts", "seeds"), [(5, 1), (3, 2), (1, 5)])
def test_too_few_prompts_and_seeds_promise_nothing(prompts: int, seeds: int) -> None:
    found = concluded(columns(prompts, seeds, falling))
    assert found.verdict == "insufficient design"
    assert "surely" not in found.sentence
    assert "cannot settle by apart whether pictures are the same as with steps 50" in found.sentence


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 6), (5, 2), (3, 4)])
def test_the_seeds_of_a_few_prompts_speak_for_these_prompts(prompts: int, seeds: int) -> None:
    found = concluded(columns(prompts, seeds, falling))
    assert (found.scope, found.verdict, found.seeds) == ("these prompts", "different", prompts * seeds)
    assert concluded(columns(prompts, seeds, falling), scope="prompts like these").verdict == "insufficient design"


@pytest.mark.parametrize(("key", "word"), [("shared_seeds", "luck of each seed"), ("paired_seeds", "seed's picture")])
def test_shared_and_unpaired_seeds_promise_nothing_and_say_why(key: str, word: str) -> None:
    found = concluded(columns(12, 3, falling), **{key: key == "shared_seeds"})
    assert found.verdict == "insufficient design"
    assert any(word in limit for limit in found.limits)


def test_the_limit_is_what_the_study_asks_then_what_people_see_then_a_share_of_another_seed() -> None:
    table = columns(12, 2, falling)
    table["apart between seeds"] = [80.0 if steps == 50 else math.nan for steps in table["steps"]]
    blind = replace(CARD, unseen=math.nan)
    limits = {
        "asked": concluded(table, margin={"apart": 7.0}).fidelity,
        "unseen": concluded(table).fidelity,
        "another seed": concluded(table, blind).fidelity,
    }
    assert {name: (one.yardstick, one.limit) for name, one in limits.items() if one} == {
        "asked": ("asked", 7.0),
        "unseen": ("unseen", 2.5),
        "another seed": ("another seed", 4.0),
    }
    assert "5 % of what another seed changes" in concluded(table, blind).sentence


def test_without_any_limit_pictures_are_described_and_not_judged() -> None:
    found = concluded(columns(12, 1, falling), replace(CARD, unseen=math.nan))
    assert found.verdict == "insufficient design"
    assert "Write one: margin = { apart = ... }." in found.sentence
    assert "surely" in found.sentence


@pytest.mark.parametrize("card", [Changed.card, Level.card])
def test_what_only_counts_pixels_is_judged_by_no_other_seed(card: Card) -> None:
    table = columns(12, 2, falling)
    table |= {card.name: table["apart"]}
    table |= {card.between_seeds_column: [80.0 if steps == 50 else math.nan for steps in table["steps"]]}
    assert concluded(table, card).verdict == "insufficient design"
    assert concluded(table, card, margin={card.name: 3.0}).verdict == "different"


def test_what_has_no_distance_is_counted_and_never_taken_for_near() -> None:
    gaps = concluded(columns(12, 2, lambda p, r, s: math.nan if p == 3 and s[0] == 5 else falling(p, r, s)))
    assert gaps.fidelity is not None
    assert [(one.prompts, one.pairs, one.unknown) for one in gaps.fidelity.settings] == [(11, 22, 2), (12, 24, 0)]
    assert "2 pictures have no distance" in gaps.sentence


def test_a_setting_with_fewer_than_six_prompts_is_judged_no_more_than_a_study_of_as_few() -> None:
    poor = concluded(columns(12, 1, lambda p, r, s: math.nan if p > 4 and s[0] == 5 else falling(p, r, s)))
    assert poor.fidelity is not None
    assert [one.verdict for one in poor.fidelity.settings] == ["insufficient design", "equivalent"]
    assert "with steps 5 there are too few pictures to tell" in poor.sentence


def test_a_reference_of_several_axes_has_every_other_setting_of_theirs_beside_it() -> None:
    axes = {"steps": STEPS, "dtype": ("full", "half"), "guidance_scale": (1.0, 7.0)}
    table = columns(
        8, 1, lambda p, r, s: 0.0 if s[:2] == [50.0, "full"] else 30.0 / s[0] + (s[1] == "half") + p / 50, axes
    )
    found = concluded(table, axes=list(axes), reference=(*MOST, LevelRef("dtype", 0, "full")))
    assert found.fidelity is not None
    settings = [tuple(level.label for level in one.levels) for one in found.fidelity.settings]
    assert settings == [("5", "full"), ("5", "half"), ("20", "full"), ("20", "half"), ("50", "half")]
    assert all(one.pairs == 16 for one in found.fidelity.settings)
    assert found.axis == ""


@pytest.mark.parametrize("prompts", [6, 12, 58, 59, 200])
def test_the_plan_promises_the_share_of_prompts_that_the_report_then_names(prompts: int) -> None:
    (promised,) = explained.explain_reference(prompts, MOST)
    found = concluded(columns(prompts, 1, falling))
    (said,) = {word for line in found.lines if "surely" in line for word in re.findall(r"surely (\d+ %)", line)}
    assert f"how far {said} of prompts like these go" in promised
    assert ("59 prompts show it of 95 %" in promised) == (prompts < 59)


def test_a_table_without_the_axis_of_the_reference_has_no_such_finding() -> None:
    table = columns(8, 1, falling)
    assert analysis.findings(table, {"apart": CARD}, axes=["steps"], reference=[LevelRef("dtype", 0, "full")]) == ()
    assert analysis.findings(table, {"apart": CARD}, axes=["steps"]) == ()


def decibels(distance: float) -> float:
    return 20 * math.log10(255 / distance)


def test_a_mean_of_decibels_is_that_of_the_errors_so_equal_pictures_do_not_outweigh_all_others() -> None:
    ratios = {True: 107.0, False: 30.0}
    table = columns(10, 1, lambda p, r, s: 107.0 if s[0] == 50 else ratios[p % 2 == 0])
    found = concluded(table | {"psnr": table["apart"]}, Psnr.card).fidelity
    assert found is not None
    # Half of the pictures have no error, so the mean error is half of that of 30 dB, which is 3 dB more.
    assert found.settings[0].mean == pytest.approx(33.01, abs=0.01)
    assert found.settings[0].far < 33.01 < found.settings[0].near


@given(
    st.lists(st.floats(0.05, 60), min_size=6, max_size=20), st.sampled_from([0.5, 2.55, 20.0]), st.sampled_from([1, 2])
)
def test_a_verdict_in_decibels_is_that_on_the_squared_error(apart: list[float], limit: float, seeds: int) -> None:
    table = columns(len(apart), seeds, lambda p, r, s: 0.003 if s[0] == 50 else apart[p] * (1 + r / 9))
    squared = {**table, "squared": [d**2 for d in table["apart"]]}
    ratio = {**table, "psnr": [decibels(d) for d in table["apart"]]}
    of_error = concluded(squared, replace(CARD, name="squared"), margin={"squared": limit**2})
    of_ratio = concluded(ratio, Psnr.card, margin={"psnr": decibels(limit)})
    assert of_error.fidelity is not None
    assert of_ratio.fidelity is not None
    for error, one in zip(of_error.fidelity.settings, of_ratio.fidelity.settings, strict=True):
        assert one.verdict == error.verdict
        assert one.mean == pytest.approx(decibels(math.sqrt(error.mean)), abs=1e-6)
        assert [far.prompt for far in one.furthest] == [far.prompt for far in error.furthest]


@given(st.lists(st.floats(0, 1), min_size=6, max_size=20))
def test_a_similarity_is_judged_by_how_far_it_is_below_that_of_equal_pictures(apart: list[float]) -> None:
    table = columns(len(apart), 1, lambda p, r, s: 0.0 if s[0] == 50 else apart[p])
    near = {**table, "ssim": [1 - d for d in table["apart"]]}
    one = concluded(near, Ssim.card, margin={"ssim": 0.1}).fidelity
    other = concluded(table, margin={"apart": 0.1}).fidelity
    assert one is not None
    assert other is not None
    assert one.limit == pytest.approx(0.9)
    for mine, its in zip(one.settings, other.settings, strict=True):
        assert mine.mean == pytest.approx(1 - its.mean)
        assert mine.far == pytest.approx(max(1 - its.far, -1))


@pytest.mark.parametrize("card", [Psnr.card, Ssim.card, Changed.card, Level.card, Features.card])
@given(share=st.floats(0, 1))
def test_values_become_distances_and_back(card: Card, share: float) -> None:
    value = card.low + share * (card.high - card.low)
    distance = float(scales.distances(np.array([value]), card)[0])
    assert distance >= 0
    assert scales.value(distance, card) == pytest.approx(value, abs=1e-6)


@given(st.lists(st.floats(0, 100), min_size=3, max_size=120))
def test_bounds_contain_what_they_bound(values: list[float]) -> None:
    found = bounds.skewed_interval(np.array(values))
    tiny = 1e-9 * max(values)
    assert found.low - tiny <= found.mean <= found.high + tiny
    share, within = bounds.surely_within(np.array(values))
    assert 0 < share <= 0.95
    assert within >= bounds.most(np.array(values)) - tiny or share == 0.95
    assert sum(value <= bounds.most(np.array(values)) for value in values) >= 0.95 * len(values)


def test_pictures_that_are_equal_to_the_pixel_are_the_same_and_the_sentence_says_for_how_many_prompts() -> None:
    found = concluded(columns(20, 1, lambda p, r, s: 0.0))
    assert found.verdict == "equivalent"
    assert "surely 86 % of prompts like these have 0 or less" in found.sentence
    assert "Changed most" not in found.sentence


@pytest.mark.parametrize("settings", [7, 12])
def test_many_settings_are_counted_and_the_first_have_a_line(settings: int) -> None:
    levels = tuple(float(k) for k in range(settings + 1))
    table = columns(8, 1, lambda p, r, s: 60.0 + p - s[0] if s[0] < settings else 0.0, {"steps": levels})
    found = concluded(table, reference=(LevelRef("steps", settings, str(settings)),))
    lines = [line for line in found.lines if " on average" in line and line.startswith("Steps")]
    assert len(lines) == fidelity.MOST_TOLD
    more = settings - fidelity.MOST_TOLD
    assert f"{more} more setting{'s' * (more > 1)}: see the table." in found.lines
    heads, rows = fidelity.rows(found)
    assert len(rows) == settings
    assert {len(row) for row in rows} == {len(heads)}


@pytest.mark.parametrize("card", [Psnr.card, Ssim.card, Changed.card, Level.card, Features.card])
def test_nothing_is_recommended_by_closeness(card: Card) -> None:
    table = columns(12, 1, falling)
    table |= {card.name: table["apart"], "denoiser_calls": table["steps"]}
    made = analysis.recommend(table, card, axes=["steps"])
    assert made.choice is None
    assert "the same picture, and not a better one" in made.sentence
