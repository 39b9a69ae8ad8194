"""The cheapest setting that is not worse, and the reasons to name none."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.advice import costs
from teststrip.analysis.kinds import audit
from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.margin import margin_of
from teststrip.errors import UsageError
from teststrip.records import Card
from teststrip.views import charts

STEPS = {"num_inference_steps": (4.0, 8.0, 16.0, 32.0)}
PLATEAU = {2.0: -3.0, 4.0: -2.0, 8.0: -1.0, 16.0: 0.0, 32.0: 0.0}


def steps_study(prompts: int = 60, replicates: int = 2, axes: Any = STEPS, **more: Any) -> dict[str, list[Any]]:
    return study(prompts, replicates, axes, lambda c: PLATEAU[float(c[-1])], **more)


def recommend(table: Any, axes: Any = STEPS, **more: Any) -> analysis.Recommendation:
    return analysis.recommend(table, "score", axes=list(axes), **more)


def test_the_cheapest_setting_of_a_plateau_is_recommended_not_the_luckiest() -> None:
    picked = [recommend(steps_study(200, 2, seed=seed)) for seed in range(3)]
    assert [made.choice.label for made in picked if made.choice] == ["steps 16"] * 3
    dear = [made for made in picked if made.best and made.best.label == "steps 32"]
    assert dear
    for made in dear:
        assert made.against_best
        assert made.against_best.inner_low > -made.margin
        assert "the cheapest setting that no other beats in score by as much as " in made.sentence
        assert " against steps 32 (32 calls), which scored best, and saves 50 %." in made.sentence


def test_a_budget_leaves_only_what_it_pays_for() -> None:
    table = steps_study()
    within = recommend(table, budget="8 calls")
    assert within.choice
    assert within.choice.label == "steps 8"
    assert "within 8 calls" in within.sentence
    seconds = recommend(table, budget="0.8s")
    assert seconds.choice
    assert seconds.choice.cost == pytest.approx(0.8)
    assert recommend(table, budget="1 calls").reason == "no setting costs at most 1 calls; the cheapest takes 4 calls"
    with pytest.raises(UsageError, match="needs a column 'money'"):
        recommend(table, budget="0.02 USD")
    with pytest.raises(UsageError, match="is no budget"):
        recommend(table, budget="soon")


def test_an_unknown_cost_is_not_within_any_budget() -> None:
    table = steps_study()
    table["seconds"] = [
        None if s == 4.0 else t for s, t in zip(table["num_inference_steps"], table["seconds"], strict=True)
    ]
    made = recommend(table, budget="0.4s")
    assert made.choice
    assert made.choice.label == "steps 8"


def test_where_nothing_is_proved_there_is_no_winner_yet_and_the_first_is_named_as_no_more_than_that() -> None:
    made = recommend(study(12, 1, STEPS), margin={"score": 0.02})
    assert made.choice
    assert made.choice == made.best
    assert not made.settled
    assert made.sentence.startswith(
        f"For prompts like these, no winner yet by score: {made.choice.label} scored best of 4 settings "
        "on these 12 prompts, but none of the others is surely behind. If you must choose now: "
    )
    assert "saves" not in made.sentence


@pytest.mark.parametrize("prompts", [12, 40])
def test_rivals_that_are_surely_behind_are_counted(prompts: int) -> None:
    made = recommend(steps_study(prompts, 2), margin={"score": 0.001})
    assert (made.settled, made.rivals, made.behind) == (False, 3, 2)
    assert "of the others 2 are surely behind, 1 is not" in made.sentence


def test_a_setting_that_beats_all_others_needs_no_margin() -> None:
    made = recommend(study(40, 2, STEPS, lambda c: float(c[0])), margin={"score": 0.001})
    assert made.settled
    assert (
        made.sentence
        == "For prompts like these, use steps 32 (32 calls a picture): every other setting is surely worse "
        "in score (40 prompts)."
    )


@pytest.mark.parametrize("cost", ["equal", "noise"])
def test_a_saving_that_is_none_or_noise_is_not_spoken_of(cost: str) -> None:
    axes: Any = {"scheduler": ("a", "b", "c")}
    rng = random.Random(3)
    for seed in range(4):
        table = study(150, 2, axes, seed=seed)
        del table["denoiser_calls"]
        table["seconds"] = [2.0 + (rng.gauss(0, 0.1) if cost == "noise" else 0.0) for _ in table["prompt"]]
        made = recommend(table, axes, margin={"score": 0.5})
        assert made.settled
        assert made.choice == made.best
        assert "saves" not in made.sentence
        assert "cheap" not in made.sentence


def test_axes_that_work_together_are_judged_cell_by_cell() -> None:
    axes = {"guidance_scale": (1.0, 3.0), "num_inference_steps": (4.0, 32.0)}
    table = study(60, 2, axes, lambda c: 2.0 * ((c[0] == 3.0) == (c[1] == 4.0)) + 0.6 * (c == (3.0, 4.0)))
    made = recommend(table, axes)
    assert made.settled
    assert made.choice
    assert dict(made.choice.levels) == {"guidance_scale": "3", "num_inference_steps": "4"}


@pytest.mark.parametrize("few", [1, 3, 5])
def test_a_setting_with_few_prompts_is_on_the_chart_and_not_on_the_frontier(few: int) -> None:
    table = steps_study(40)
    for i, (steps, prompt) in enumerate(zip(table["num_inference_steps"], table["prompt"], strict=True)):
        if steps == 4.0:
            table["score"][i] = 99.0 if int(prompt[1:]) < few else None
    made = recommend(table)
    assert made.choice
    assert made.best
    assert "steps 4" not in {made.choice.label, made.best.label}
    assert not next(point for point in made.points if point.label == "steps 4").frontier
    assert any(f"4 rests on {few} of 40 prompts" in limit for limit in made.limits)


def test_a_setting_without_a_rival_that_has_as_many_prompts_has_not_won() -> None:
    table = steps_study(40, 1, {"num_inference_steps": (16.0, 32.0)})
    table["score"] = [
        None if steps == 16.0 and int(p[1:]) > 9 else score
        for score, steps, p in zip(table["score"], table["num_inference_steps"], table["prompt"], strict=True)
    ]
    made = recommend(table)
    assert not made.settled
    assert "no winner yet by score: steps 32 has no rival with as many prompts." in made.sentence


@pytest.mark.parametrize("prompts", [2, 5])
def test_few_prompts_recommend_nothing_for_prompts_like_these(prompts: int) -> None:
    made = recommend(steps_study(prompts, 6), scope="prompts like these")
    assert made.choice is None
    refused = (
        f"For prompts like these, no recommendation by score: {prompts} prompts cannot rank settings; the least is 6."
    )
    assert made.sentence == refused
    here = recommend(steps_study(prompts, 6))
    assert here.scope == "these prompts"
    assert here.sentence.startswith(f"On these {prompts} prompts, ")
    assert here.sentence.endswith(refused)


@pytest.mark.parametrize(("prompts", "seeds"), [(1, 5), (2, 3), (5, 1)])
def test_too_few_prompts_and_seeds_recommend_nothing_at_all(prompts: int, seeds: int) -> None:
    made = recommend(steps_study(prompts, seeds))
    assert made.choice is None
    assert "cannot rank settings" in made.reason


@pytest.mark.parametrize("prompts", [1, 3, 5])
def test_of_few_prompts_with_many_seeds_the_winner_is_named_for_them(prompts: int) -> None:
    made = recommend(steps_study(prompts, 12), margin={"score": 0.9})
    assert made.settled
    assert made.choice
    assert made.choice.label == "steps 16"
    assert f"On th{'is prompt' if prompts == 1 else f'ese {prompts} prompts'}, use steps 16" in made.sentence


@pytest.mark.parametrize("score", [0.0, 1.0, -3.5])
def test_a_score_that_is_one_number_everywhere_prefers_nothing(score: float) -> None:
    table = steps_study(20, 2)
    table["score"] = [score] * len(table["score"])
    made = recommend(table)
    assert made.choice is None
    assert "in every picture, so it prefers none" in made.reason


def test_a_score_without_a_good_end_recommends_nothing() -> None:
    made = analysis.recommend(steps_study(), Card("score"), axes=list(STEPS))
    assert made.reason == "neither end of score is the good one"


BAD = {"num_inference_steps": (2.0, 8.0, 32.0)}


@pytest.mark.parametrize(
    ("truth", "outcome"),
    [({2.0: -2.0}, "sees"), ({2.0: 2.0}, "misled"), ({}, "blind")],
)
def test_a_metric_is_audited_on_two_steps(truth: dict[float, float], outcome: str) -> None:
    table = study(20, 2, BAD, lambda c: truth.get(float(c[0]), 0.0), seed=2)
    layout = columns.read(table, list(BAD))
    values = layout.values(table["score"])
    (found,) = audit.findings(layout, values, Card("score", higher_is_better=True), margin_of(0.5, "score", values))
    assert found.outcome == outcome
    assert found.kind == "audit"
    made = recommend(table, BAD, margin=0.5)
    assert (made.choice is None) == (outcome != "sees")
    assert made.outcome == (None if outcome == "sees" else outcome)
    if outcome != "sees":
        assert "steps 2, which is known to be bad" in made.reason


def test_extreme_guidance_is_known_to_be_bad_too() -> None:
    axes = {"guidance_scale": (3.0, 7.0, 30.0)}
    table = study(20, 2, axes, lambda c: -2.0 * (c[0] == 30.0))
    kinds = [
        finding.kind
        for finding in analysis.findings(table, {"score": Card("score", higher_is_better=True)}, axes=list(axes))
    ]
    assert "audit" in kinds


def test_the_frontier_is_what_no_cheaper_setting_matches() -> None:
    made = recommend(steps_study())
    by_label = {point.label: point for point in made.points}
    for point in made.points:
        beaten = any(o.cost < point.cost and o.mean >= point.mean for o in made.points)
        assert point.frontier == (not beaten)
    assert by_label["steps 4"].frontier
    assert [point.cost for point in made.points] == sorted(point.cost for point in made.points)


def test_without_a_cost_the_best_mean_is_all_that_can_be_named() -> None:
    table = steps_study()
    del table["denoiser_calls"], table["seconds"]
    made = recommend(table)
    assert made.choice
    assert any("No column of cost" in limit for limit in made.limits)


@pytest.mark.parametrize(("text", "column"), [("4s", "seconds"), ("50 calls", "denoiser_calls"), ("0.02 USD", "money")])
def test_budgets_are_read_as_the_study_file_writes_them(text: str, column: str) -> None:
    assert costs.Budget.parse(text).column == column


@pytest.mark.parametrize("scored", [5, 20])
def test_prompts_that_have_no_scores_yet_do_not_count(scored: int) -> None:
    table = steps_study(40)
    table["score"] = [s if int(p[1:]) < scored else None for p, s in zip(table["prompt"], table["score"], strict=True)]
    made = recommend(table, scope="prompts like these")
    if scored == 5:
        assert made.choice is None
        assert made.reason == "only 5 of 40 prompts have score yet; the least is 6"
    else:
        assert made.prompts == 20
        assert "one-sided t on 20 prompts" in made.method


def test_models_are_compared_by_seconds_since_their_calls_are_not_alike() -> None:
    axes: Any = {"model": ("large", "small")}
    table = study(40, 2, axes)
    table["denoiser_calls"] = [60 if model == "large" else 100 for model in table["model"]]
    table["seconds"] = [6.0 if model == "large" else 3.0 for model in table["model"]]
    made = recommend(table, axes, margin={"score": 1.0})
    assert made.cost == "seconds"
    assert made.points[0].label == "model small"


def test_the_chart_against_seconds_joins_what_no_faster_setting_matches() -> None:
    table = steps_study(60)
    faster = {4.0: 1.0, 8.0: 4.0, 16.0: 2.0, 32.0: 8.0}  # 8 steps happen to be slower than 16
    table["seconds"] = [faster[s] for s in table["num_inference_steps"]]
    by_label = {point.label: point for point in recommend(table).points}
    assert by_label["steps 8"].frontier
    assert not by_label["steps 8"].frontier_by_seconds
    drawn = charts.frontier_chart(recommend(table))
    line = [float(pair.split(",")[1]) for pair in drawn.split('class="line" points="')[1].split('"')[0].split()]
    assert line == sorted(line, reverse=True)  # pixels: up is less
