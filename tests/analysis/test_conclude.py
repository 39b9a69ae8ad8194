"""From columns to verdicts and sentences."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import SEED_STUDY, study

from teststrip import analysis
from teststrip.analysis.kinds.limits import BY_GROUP
from teststrip.analysis.numbers import columns, verdicts
from teststrip.analysis.sentences import answers
from teststrip.errors import UsageError
from teststrip.records import Axis, Card, Finding, Level
from teststrip.views import charts, report

GUIDANCE = {"guidance_scale": (6.0, 7.0, 8.0, 9.0)}
SCORE = {"score": Card("score", higher_is_better=True)}


def conclude(table: Any, axes: Any = GUIDANCE, **more: Any) -> tuple[Finding, ...]:
    return analysis.findings(table, SCORE, axes=list(axes), **more)


@pytest.mark.parametrize("prompts", [2, 3, 4, 5])
def test_two_to_five_prompts_are_never_enough_for_prompts_in_general(prompts: int) -> None:
    table = study(prompts, 6, SEED_STUDY, lambda c: 3 * float(c[0]))
    general = [finding for finding in conclude(table, SEED_STUDY) if finding.scope == "prompts like these"]
    assert {finding.verdict for finding in general} == {"insufficient design"}
    assert {row.verdict for finding in general for row in finding.comparisons} == {"insufficient design"}
    assert {f.verdict for f in conclude(table, SEED_STUDY, scope="prompts like these")} == {"insufficient design"}


@pytest.mark.parametrize("prompts", [1, 2, 5])
def test_a_few_prompts_with_six_seeds_get_answers_about_themselves(prompts: int) -> None:
    """A large rise with guidance is found on these prompts; the honest line about others stands beside it."""
    found = conclude(study(prompts, 6, SEED_STUDY, lambda c: 3 * float(c[0])), SEED_STUDY)
    guidance = found[0]
    assert (guidance.scope, guidance.verdict, guidance.leads) == ("these prompts", "different", True)
    opening = "On this prompt, " if prompts == 1 else f"On these {prompts} prompts, "
    assert guidance.sentence.startswith(f"{opening}score rises with guidance: +")
    assert f"{6 * prompts} paired seeds" in guidance.sentence
    assert guidance.beside.startswith(f"For prompts like these: {prompts} prompt{'s' * (prompts > 1)} cannot tell.")
    assert answers.told(guidance) == f"{guidance.sentence} {guidance.beside}"
    assert not found[1].leads
    assert found[1].beside == ""


@pytest.mark.parametrize("effect", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("prompts", [1, 4, 9, 30])
@pytest.mark.parametrize("seeds", [1, 2, 6])
def test_each_question_is_led_by_one_scope_the_wider_one_where_it_has_a_verdict(
    seeds: int, prompts: int, effect: float
) -> None:
    found = conclude(study(prompts, seeds, SEED_STUDY, lambda c: effect * float(c[0])), SEED_STUDY)
    questions = [f for f in found if f.kind in ("axis", "interaction")]
    assert [f.axis for f in questions if f.leads] == list(dict.fromkeys(f.axis for f in questions))
    supported = prompts * (seeds - 1) >= 5
    assert {f.scope for f in questions} == {"prompts like these", *(["these prompts"] if supported else [])}
    for lead, other in pairwise(questions):
        assert bool(lead.beside) == (lead.leads and supported)
        if lead.axis == other.axis and lead.scope == "these prompts":
            assert other.verdict not in ("different", "equivalent")


def test_a_question_about_one_scope_silences_the_other() -> None:
    table = study(12, 3, SEED_STUDY)
    for scope in ("these prompts", "prompts like these"):
        found = conclude(table, SEED_STUDY, scope=scope)
        assert {f.scope for f in found if f.kind in ("axis", "interaction")} == {scope}
        assert all(f.leads and not f.beside for f in found)
    alone = conclude(study(2, 2, GUIDANCE), scope="these prompts")[0]
    assert alone.verdict == "insufficient design"
    assert alone.sentence.startswith("On these 2 prompts, 4 paired seeds cannot settle whether")


def test_prompts_that_answer_in_opposite_ways_are_not_contradicted_across_scopes() -> None:
    """Half of them rise and a few fall: sure of these, open for others, and each sentence says which it means."""
    table = study(8, 6, GUIDANCE)
    for i, (prompt, guidance) in enumerate(zip(table["prompt"], table["guidance_scale"], strict=True)):
        table["score"][i] += guidance * (9.0 if prompt in ("p0", "p1", "p2") else -3.0)
    lead, other = conclude(table)[:2]
    assert (lead.scope, lead.verdict) == ("these prompts", "different")
    assert other.verdict == "inconclusive"
    assert lead.beside.startswith("For prompts like these: not settled (")
    assert lead.sentence.startswith("On these 8 prompts, ")
    assert other.sentence.startswith("For prompts like these, it is not settled whether guidance 6 to 9 matters")


def test_a_prompt_with_one_paired_seed_left_is_named_and_left_out() -> None:
    table = study(4, 6, GUIDANCE, lambda c: 3 * float(c[0]))
    for i, (prompt, seed) in enumerate(zip(table["prompt"], table["replicate"], strict=True)):
        if prompt == "p2" and seed > 0:
            table["missing"][i], table["score"][i] = "refused", None
    lead = conclude(table)[0]
    assert lead.prompts == 3
    assert lead.sentence.startswith("On these 3 prompts, ")
    assert any(limit.startswith("p2 has fewer than two paired seeds") for limit in lead.limits)


def test_a_score_of_groups_says_that_it_has_no_seeds_to_count() -> None:
    card = {"score": Card("score", arity=None)}
    for scope in ("both", "these prompts"):
        found = analysis.findings(study(5, 6, GUIDANCE), card, axes=list(GUIDANCE), scope=scope)
        assert {finding.verdict for finding in found} == {"insufficient design"}
        assert BY_GROUP in found[0].limits


def test_a_score_of_two_values_says_how_many_seeds_would_do() -> None:
    table = study(1, 6, GUIDANCE)
    table["score"] = [float(score > 0) for score in table["score"]]
    found = [f for f in conclude(table) if f.scope == "these prompts"]
    assert any("A score of two values: 6 paired seeds settle little here; from 8 on" in m for m in found[0].limits)


def test_as_many_more_seeds_as_promised_mostly_settle_it() -> None:
    settled = 0
    for seed in range(12):
        first = conclude(study(5, 3, GUIDANCE, seed=seed), scope="these prompts", margin={"score": 0.4})[0]
        assert first.more_seeds is not None
        more = study(5, 3 + min(first.more_seeds, 80), GUIDANCE, seed=seed)
        again = conclude(more, scope="these prompts", margin={"score": 0.4})[0]
        settled += again.more_seeds == 0
    assert settled >= 8  # 80 % promised; fewer than 8 of 12 has a chance of 7 %, and the seeds are fixed


def test_the_design_of_the_first_study_is_told_what_it_suggests_and_what_would_settle_it() -> None:
    lead, guidance = conclude(study(5, 6, SEED_STUDY), SEED_STUDY)[:2]
    assert lead.verdict != "insufficient design"
    assert guidance.sentence.startswith(
        "For prompts like these, 5 prompts cannot settle whether guidance 6 to 9 matters to score. What was seen, "
    )
    assert "as description only" in guidance.sentence
    assert guidance.more_prompts
    said = f"If guidance changes nothing, about {guidance.more_prompts:,} more prompts would show that"
    assert said in guidance.sentence
    assert "about 1 more prompt would show that" in " ".join(answers.write(replace(guidance, more_prompts=1)))
    assert "5 prompts: no exact two-sided test" in " ".join(guidance.limits)


def test_an_axis_that_does_nothing_is_found_equivalent_with_enough_prompts() -> None:
    finding = conclude(study(150, 2, GUIDANCE))[0]
    assert finding.sentence.startswith(
        "For prompts like these, on average guidance 6 to 9 makes no difference that matters to score ("
    )
    assert "less than 0.204 counts as no change), 150 prompts. Whether single prompts" in finding.sentence
    assert finding.on_average
    assert finding.verdict == "equivalent"
    assert finding.level == 0.90
    assert max(abs(finding.low), abs(finding.high)) <= finding.margin
    assert all(
        max(abs(r.inner_low), abs(r.inner_high)) <= finding.margin
        for r in finding.comparisons
        if r.asked.kind == "pair"
    )


def test_an_axis_that_does_something_is_found_different_with_its_direction() -> None:
    finding = conclude(study(40, 2, GUIDANCE, lambda c: -0.4 * float(c[0])))[0]
    assert finding.verdict == "different"
    assert finding.sentence.startswith("For prompts like these, score falls with guidance: −1.1")
    assert finding.low < -1.2 < finding.high
    assert finding.p < 0.05
    assert finding.more_prompts == 0


def test_a_bend_is_told_by_its_peak_and_the_ends() -> None:
    finding = conclude(study(60, 2, GUIDANCE, lambda c: -0.6 * (float(c[0]) - 7.4) ** 2))[0]
    assert (finding.shape, finding.contrast) == ("peak", "7 against 6")
    assert "score is highest at guidance 7 and lower again at 9: against 6 it changes by +" in finding.sentence
    assert " at 7 and by −" in finding.sentence


def test_a_plateau_is_told_beside_a_rise() -> None:
    axes = {"num_inference_steps": (2.0, 4.0, 8.0, 16.0)}
    truth = {2.0: -2.0, 4.0: -1.0, 8.0: 0.0, 16.0: 0.0}
    finding = conclude(study(150, 2, axes, lambda c: truth[float(c[0])]), axes)[0]
    assert finding.sentence.startswith("For prompts like these, score rises with steps: +")
    assert ". Between 8 and 16 nothing changes that matters. Steps 16 scored better than 2 in " in finding.sentence


def test_an_open_question_says_what_would_show_nothing_and_what_would_show_what_was_seen() -> None:
    finding = conclude(study(12, 1, GUIDANCE, seed=3))[0]
    none = replace(finding, more_prompts=None, prompts_if_different=None)
    both, equal, different = (
        " ".join(answers.write(replace(none, more_prompts=first, prompts_if_different=second)))
        for first, second in ((1200, 60), (1200, None), (None, 60))
    )
    assert both.endswith(
        " If guidance changes nothing, about 1,200 more prompts would show that; if it changes what these prompts "
        "suggest, about 60 would."
    )
    assert equal.endswith(" If guidance changes nothing, about 1,200 more prompts would show that.")
    assert different.endswith(" If it changes what these prompts suggest, about 60 more prompts would show that.")
    assert "would" not in answers.write(none)


def test_an_open_question_says_about_how_many_more_prompts() -> None:
    finding = conclude(study(12, 1, GUIDANCE, seed=3))[0]
    assert finding.verdict == "inconclusive"
    assert finding.more_prompts
    assert finding.more_prompts > 12
    assert "it is not settled whether guidance 6 to 9 matters to score" in finding.sentence


def test_as_many_more_prompts_as_promised_mostly_settle_it() -> None:
    settled = 0
    for seed in range(20):
        first = conclude(study(20, 1, GUIDANCE, seed=seed), margin={"score": 0.3})[0]
        assert first.more_prompts is not None
        more = study(20 + first.more_prompts, 1, GUIDANCE, seed=seed)
        settled += conclude(more, margin={"score": 0.3})[0].more_prompts == 0
    assert settled >= 14  # 80 % promised; fewer than 14 of 20 has a chance of 3 %


def test_a_margin_in_score_units_is_taken_as_it_is_and_one_in_sd_is_scaled() -> None:
    table = study(30, 3, GUIDANCE)
    assert conclude(table, margin={"score": 0.3})[0].margin == 0.3
    in_sd = conclude(table, margin=0.3)[0]
    assert in_sd.margin == pytest.approx(0.3 * in_sd.seed_sd)
    assert in_sd.seed_sd == pytest.approx(1.0, abs=0.15)
    with pytest.raises(UsageError, match="not above 0"):
        conclude(table, margin=0)


def test_one_seed_a_prompt_says_what_stands_in_for_the_seed_sd() -> None:
    finding = conclude(study(30, 1, GUIDANCE))[0]
    assert any("stands in" in limit for limit in finding.limits)
    assert finding.seed_sd < 1


def test_an_interaction_is_found_and_told() -> None:
    found = conclude(study(60, 2, SEED_STUDY, lambda c: 0.01 * float(c[0]) * float(c[1]) / 10), SEED_STUDY)
    together = next(finding for finding in found if finding.kind == "interaction")
    assert together.verdict == "different"
    assert together.sentence.startswith(
        "For prompts like these, what guidance does to score depends on steps, 60 prompts; less than "
    )
    assert together.lines[1].startswith("Guidance 6 to 9 makes +")


def test_an_interaction_is_told_by_what_happens_at_both_ends() -> None:
    """Guidance harms where there are few steps and does nothing where there are many: the harm does not "grow"."""
    axes = {"guidance_scale": (1.0, 12.0), "num_inference_steps": (2.0, 8.0, 32.0)}
    harm = {2.0: -3.0, 8.0: -0.5, 32.0: 0.0}
    found = conclude(study(60, 2, axes, lambda c: harm[float(c[1])] * (float(c[0]) > 1)), axes)
    together = next(finding for finding in found if finding.kind == "interaction")
    assert [level.label for level in together.levels] == ["2", "8", "32"]
    assert together.levels[0].mean == pytest.approx(-3.0, abs=0.3)
    assert together.levels[-1].mean == pytest.approx(0.0, abs=0.3)
    assert together.effect == pytest.approx(3.0, abs=0.4)
    assert together.lines[1].startswith(("Guidance 1 to 12 makes −3.", "Guidance 1 to 12 makes −2."))
    assert " at steps 2 and " in together.sentence
    assert " at steps 32; along steps that changes by +" in together.sentence


def test_an_interaction_of_words_names_the_levels() -> None:
    axes: Any = {"scheduler": ("DDIM", "Euler"), "style": ("plain", "oil")}
    found = conclude(study(60, 2, axes, lambda c: 2.0 * (c == ("Euler", "oil"))), axes)
    together = next(finding for finding in found if finding.kind == "interaction")
    assert "what scheduler does to score depends on style, " in together.lines[0]
    assert together.lines[1].startswith("Scheduler Euler against DDIM makes ")
    assert " at style plain and +" in together.sentence


def test_whole_settings_are_compared_with_the_best_of_them() -> None:
    found = conclude(study(60, 2, SEED_STUDY, lambda c: 0.01 * float(c[1])), SEED_STUDY)
    cells = next(finding for finding in found if finding.kind == "cells")
    assert len(cells.comparisons) == 15
    assert len(cells.levels) == 16
    assert "max-t over all 120 pairs" in cells.method
    assert "steps 200 has the best score" in cells.sentence


def test_a_data_frame_and_a_dict_of_lists_conclude_the_same() -> None:
    table = study(12, 2, GUIDANCE, missing=0.05)
    assert repr(conclude(pd.DataFrame(table))) == repr(conclude(table))


def test_the_order_of_rows_changes_nothing() -> None:
    table = study(12, 2, GUIDANCE)
    order = np.random.default_rng(0).permutation(len(table["prompt"]))
    shuffled = {name: [column[i] for i in order] for name, column in table.items()}
    first, second = conclude(table)[0], conclude(shuffled)[0]
    assert second.effect == pytest.approx(first.effect, abs=1e-12)
    assert second.verdict == first.verdict


def test_missing_pictures_are_told_by_reason_and_level_and_never_count_as_zero() -> None:
    table = study(40, 2, GUIDANCE, lambda _c: 100.0)
    for i, guidance in enumerate(table["guidance_scale"]):
        if guidance == 9.0 and i % 2:
            table["missing"][i], table["score"][i] = "refused", None
    found = conclude(table)
    assert found[0].verdict != "different"
    assert any("40 of 320 images have no score" in limit for limit in found[0].limits)
    missing = next(finding for finding in found if finding.kind == "missing")
    assert missing.verdict == "different"
    assert missing.sentence == (
        "40 of 320 images are missing (40 refused); how many depends on guidance (6: 0 %, 7: 0 %, 8: 0 % and 9: 50 %)."
    )


def test_pictures_not_made_yet_are_not_called_missing() -> None:
    table = study(10, 1, GUIDANCE)
    table["missing"][:4], table["score"][:4] = ["not made yet"] * 4, [None] * 4
    assert not [finding for finding in conclude(table) if finding.kind == "missing"]


def test_a_level_without_pictures_leaves_the_others_a_verdict() -> None:
    table = study(120, 2, GUIDANCE)
    table["score"] = [None if g == 9.0 else s for g, s in zip(table["guidance_scale"], table["score"], strict=True)]
    finding = conclude(table)[0]
    assert finding.verdict == "equivalent"
    assert any(limit.startswith("9 rests on 0 of 120 prompts") for limit in finding.limits)


def test_a_number_that_is_counted_is_not_inferred_about() -> None:
    calls = {"denoiser_calls": Card("denoiser_calls", needs_pixels=False)}
    assert analysis.findings(study(10, 2, SEED_STUDY), calls, axes=list(SEED_STUDY)) == ()


@pytest.mark.parametrize("prompts", [6, 10, 40])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_score_that_is_constant_within_levels_is_the_clearest_answer_there_is(prompts: int, seeds: int) -> None:
    table = study(prompts, seeds, {"num_inference_steps": (4.0, 30.0)})
    table["score"] = [float(steps == 30) for steps in table["num_inference_steps"]]
    found = [f for f in analysis.findings(table, ["score"], axes=["num_inference_steps"]) if f.kind == "axis"]
    assert {finding.verdict for finding in found} == {"different"}
    assert {finding.effect for finding in found} == {1.0}


def test_a_score_that_rises_with_guidance_mechanically_says_so() -> None:
    card = Card("score", higher_is_better=True, failure="Blind to counting.", rises_with=("guidance_scale",))
    finding = analysis.findings(study(10, 2, GUIDANCE), {"score": card}, axes=["guidance_scale"])[0]
    assert "Blind to counting." in finding.limits
    assert any("rises with guidance mechanically" in limit for limit in finding.limits)


def test_seeds_shared_by_all_prompts_are_warned_of() -> None:
    finding = conclude(study(10, 2, GUIDANCE), shared_seeds=True)[0]
    assert any("share the same few seeds" in limit for limit in finding.limits)


def test_sentence_table_and_chart_are_one_record() -> None:
    """The three are built from a finding whose numbers were changed by hand: each must follow."""
    found = conclude(study(40, 2, GUIDANCE, lambda c: 0.4 * float(c[0])))[0]
    rows = tuple(
        replace(row, effect=7.25, low=7.125, high=7.375) if row.asked == found.asked else row
        for row in found.comparisons
    )
    levels = tuple(
        replace(level, mean=level.mean + 100, low=level.low + 100, high=level.high + 100) for level in found.levels
    )
    made = replace(found, effect=7.25, low=7.125, high=7.375, comparisons=rows, levels=levels)
    told = " ".join(answers.write(made, span="6 to 9"))
    (row,) = (report.comparison_row(row) for row in made.comparisons if row.asked == made.asked)
    assert row[1] == "+7.25"
    assert row[2] == "7.12 to 7.38"
    assert "score rises with guidance: +7.25 (+7.12 to +7.38) from 6 to 9" in told
    marks = ET.fromstring(charts.level_chart(made)).findall(".//{*}g[@class='mark']")
    drawn = [
        (m.get("data-label"), *(float(m.get(f"data-{k}") or "nan") for k in ("mean", "low", "high"))) for m in marks
    ]
    assert drawn == [(level.label, level.mean, level.low, level.high) for level in made.levels]


@pytest.mark.parametrize("truth", [0.0, 0.02, 0.15, 0.5])
@pytest.mark.parametrize("prompts", [5, 9, 40])
def test_the_number_in_the_sentence_is_a_row_of_the_table(truth: float, prompts: int) -> None:
    for finding in conclude(study(prompts, 2, SEED_STUDY, lambda c: truth * float(c[0])), SEED_STUDY):
        rows = [row for row in finding.comparisons if row.asked == finding.asked]
        assert len(rows) == 1
        inner = finding.level == 0.90
        low, high = (rows[0].inner_low, rows[0].inner_high) if inner else (rows[0].low, rows[0].high)
        assert (finding.effect, finding.low, finding.high) == (rows[0].effect, low, high)


# A level's label is one line in a study file.
labels = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=12).filter(
    lambda text: text.strip() != ""
)


@settings(max_examples=15)
@given(st.lists(labels, min_size=2, max_size=4, unique=True))
def test_any_words_can_be_levels_and_are_drawn_as_text(words: list[str]) -> None:
    table = study(6, 1, {"sampler": words})
    finding = conclude(table, ["sampler"])[0]
    assert len(finding.levels) == len(words)
    marks = ET.fromstring(charts.level_chart(finding)).findall(".//{*}g[@class='mark']")
    assert [" ".join(str(mark.get("data-label")).split()) for mark in marks] == [" ".join(w.split()) for w in words]


def test_axis_records_give_order_and_labels() -> None:
    axis = Axis("sampler", "linked", (Level("slow", {"scheduler": "B"}), Level("fast", {"scheduler": "A"})))
    table = study(6, 1, {"sampler": ["fast", "slow"]})
    layout = columns.read(table, [axis])
    assert layout.factors[0].labels == ("slow", "fast")
    table["sampler"][0] = "other"
    with pytest.raises(UsageError, match="'other', which is no level"):
        columns.read(table, [axis])


def test_bad_columns_say_where_and_what() -> None:
    table = study(6, 1, GUIDANCE)
    with pytest.raises(UsageError, match=r"no column 'steps'\. There are: prompt"):
        columns.read(table, ["steps"])
    with pytest.raises(UsageError, match="stand in one place"):
        columns.read({**table, "replicate": [0] * 24, "prompt": ["a"] * 24}, list(GUIDANCE))
    with pytest.raises(UsageError, match=r"row 3: 'sharp' is not a number"):
        conclude({**table, "score": [*table["score"][:3], "sharp", *table["score"][4:]]})
    with pytest.raises(UsageError, match=r"column 'prompt', row 0: empty"):
        columns.read({**table, "prompt": [None, *table["prompt"][1:]]}, list(GUIDANCE))


def test_without_a_replicate_column_rows_are_numbered_in_their_cell() -> None:
    table = study(6, 3, GUIDANCE)
    del table["replicate"]
    assert columns.read(table, list(GUIDANCE)).row.shape == (6, 3, 4)


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1), st.integers(0, 50))
def test_each_comparison_gets_exactly_one_of_four_verdicts(
    p: float, low: float, width: float, margin: float, prompts: int
) -> None:
    verdict = str(verdicts.decide(p=p, inner_low=low, inner_high=low + width, margin=margin, prompts=prompts))
    assert verdict in verdicts.NAMES
    assert (verdict == "insufficient design") == (prompts < 6)
    if verdict == "equivalent":
        assert -margin <= low
        assert low + width <= margin
    assert not math.isnan(margin)


def test_the_time_for_many_levels_of_one_axis_grows_as_their_pairs_do() -> None:
    """600 models under one prompt are 179,700 pairs: a cost of each pair that grows with the levels is never paid."""

    def seconds(levels: int) -> float:
        axes = {"guidance_scale": tuple(map(float, range(levels)))}
        table = study(1, 2, axes, lambda c: 0.01 * float(c[0]))
        start = time.process_time()
        conclude(table, axes)
        return time.process_time() - start

    seconds(10)  # what is loaded once
    few, many = seconds(40), seconds(160)
    assert many < 2 * (160 / 40) ** 2 * few  # cubic would be four times the pairs' share
