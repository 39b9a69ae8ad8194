"""Averages and single prompts: what a finding says of the prompts behind its number.

The promises are counted on simulated studies of several sizes; all seeds are fixed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.kinds import carriers, response, tags
from teststrip.analysis.numbers import columns, effects, intervals
from teststrip.records import Card, Contrast, Finding, LevelRef
from teststrip.study import study as study_of

Array = NDArray[np.float64]
SCORE = {"score": Card("score", higher_is_better=True)}
PAIR = {"guidance_scale": (3.0, 7.0)}
ASKED = Contrast("pair", (LevelRef("guidance_scale", 1, "7"),), (LevelRef("guidance_scale", 0, "3"),))


def answering(
    own: Sequence[float], seeds: int, *, shot: float, rng: np.random.Generator, axes: Mapping[str, Any] = PAIR
) -> dict[str, list[Any]]:
    """Columns in which prompt i gains `own[i]` by the highest guidance."""
    table = study(len(own), seeds, axes, seed=int(rng.integers(2**31)), interaction=0.0)
    top = max(axes["guidance_scale"])
    heights = {name: 2.0 * rng.standard_normal() for name in dict.fromkeys(table["prompt"])}
    gain = dict(zip(heights, own, strict=True))
    table["score"] = [
        heights[prompt] + gain[prompt] * (guidance == top) + shot * rng.standard_normal()
        for prompt, guidance in zip(table["prompt"], table["guidance_scale"], strict=True)
    ]
    return table


def wide(table: Any, margin: float = 0.2, axes: Mapping[str, Any] = PAIR, **more: Any) -> Finding:
    return analysis.findings(
        table, SCORE, axes=list(axes), margin={"score": margin}, scope="prompts like these", **more
    )[0]


@pytest.mark.parametrize(("prompts", "seeds"), [(100, 2), (150, 3), (300, 1)])
def test_prompts_that_answer_in_opposite_ways_are_alike_on_average_only(prompts: int, seeds: int) -> None:
    rng = np.random.default_rng(prompts)
    equal = average = 0
    for _ in range(25):
        own = rng.choice([-0.4, 0.4], prompts) + 0.28 * rng.standard_normal(prompts)
        found = wide(answering(own, seeds, shot=0.5, rng=rng))
        equal += found.verdict == "equivalent"
        average += found.on_average
    assert equal >= 12
    assert average == equal  # at least 95 % are promised; not one of some 500 was plain


@pytest.mark.parametrize(("prompts", "seeds", "shot"), [(40, 3, 0.2), (40, 6, 0.25), (100, 3, 0.25), (150, 8, 0.5)])
def test_the_words_on_average_go_where_all_prompts_are_shown_to_be_alike(prompts: int, seeds: int, shot: float) -> None:
    rng = np.random.default_rng(prompts + seeds)
    found = [wide(answering([0.0] * prompts, seeds, shot=shot, rng=rng)) for _ in range(20)]
    assert sum(f.verdict == "equivalent" for f in found) >= 18
    assert sum(f.on_average for f in found) <= 6
    plain = next(f for f in found if not f.on_average)
    assert "guidance 3 to 7 makes no difference that matters to score (" in plain.sentence
    assert "on average" not in plain.sentence


def test_one_seed_a_prompt_never_shows_that_single_prompts_are_alike() -> None:
    found = wide(answering([0.0] * 200, 1, shot=0.2, rng=np.random.default_rng(0)))
    assert found.verdict == "equivalent"
    assert found.on_average
    assert "one seed each cannot show" in found.sentence
    assert found.response is not None
    assert math.isnan(found.response.sd)


@pytest.mark.parametrize("prompts", [40, 100])
def test_a_cross_over_of_two_axes_is_no_plain_equivalence(prompts: int) -> None:
    """Each axis does nothing on average, and a lot at each level of the other."""
    axes = {"guidance_scale": (1.0, 7.0), "num_inference_steps": (4.0, 32.0)}
    table = study(prompts, 3, axes, lambda c: 0.8 * ((c[0] == 7.0) == (c[1] == 4.0)), seed=prompts, interaction=0.0)
    found = [f for f in analysis.findings(table, SCORE, axes=list(axes), margin={"score": 0.25}) if f.kind == "axis"]
    assert {f.axis for f in found if f.verdict == "equivalent"} == set(axes)
    for finding in found:
        if finding.verdict == "equivalent":
            assert finding.on_average
            assert len(finding.simple) == 2
            assert finding.sentence.split(", ", 1)[1].startswith("on average ")
            assert "It depends on the other settings: " in finding.sentence


@pytest.mark.parametrize(("prompts", "seeds", "own"), [(12, 2, 0.5), (40, 3, 0.3), (100, 2, 0.5), (30, 2, 1.0)])
def test_the_bound_of_the_prompts_own_response_holds(prompts: int, seeds: int, own: float) -> None:
    rng = np.random.default_rng(prompts)
    covered = 0
    for _ in range(500):
        gains = own * rng.standard_normal((prompts, 1)) + 0.7 * rng.standard_normal((prompts, seeds))
        covered += response.Answers.of(gains).bound() >= own
    assert covered >= 460  # 95 % are 475; fewer than 460 has a chance of 0.2 %


@pytest.mark.parametrize(("prompts", "seeds"), [(8, 2), (40, 3), (200, 2)])
def test_prompts_that_answer_alike_are_rarely_called_clear_or_different(prompts: int, seeds: int) -> None:
    rng = np.random.default_rng(prompts)
    clear = differ = 0
    for _ in range(300):
        answers = response.Answers.of(rng.standard_normal((prompts, seeds)))
        clear += int(np.abs(answers.signs()).sum())
        differ += answers.alike_p() < 0.05
    assert 0.04 <= clear / (300 * prompts) <= 0.06
    assert differ <= 26  # 5 % are 15; more than 26 has a chance of 0.3 %


gains = st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=4), min_size=2, max_size=9)


@settings(max_examples=60)
@given(gains, st.sampled_from([True, False, None]))
def test_counts_and_shares_are_of_all_prompts_and_turn_with_the_sign(
    drawn: list[list[float]], better: bool | None
) -> None:
    table = np.full((len(drawn), 4), np.nan)
    for row, own in zip(table, drawn, strict=True):
        row[: len(own)] = own
    names = [f"p{i}" for i in range(len(drawn))]
    found = response.of(table, names, ASKED, margin=0.2, higher_is_better=better)
    turned = response.of(-table, names, ASKED, margin=0.2, higher_is_better=better)
    assert found is not None
    assert turned is not None
    assert found.up + found.down + found.unclear == len(drawn)
    assert (found.up, found.down) == (turned.down, turned.up)
    assert found.better == pytest.approx(1 - turned.better)
    assert found.clear == any(len(own) > 1 for own in drawn)
    if not found.clear:
        assert math.isnan(found.sd)
        assert (found.up, found.down) == (sum(own[0] > 0 for own in drawn), sum(own[0] < 0 for own in drawn))


def test_the_most_extreme_prompts_are_named_by_what_their_seeds_support() -> None:
    """A prompt with a single wild pair is drawn back to the mean; one with eight quiet pairs is not."""
    rng = np.random.default_rng(4)
    table = np.repeat(np.linspace(-1.0, 1.0, 11)[:, None], 8, axis=1) + 0.9 * rng.standard_normal((11, 8))
    table[5] = np.nan
    table[5, 0] = 1.6
    table[10] = 1.5 + 0.1 * rng.standard_normal(8)
    found = response.of(table, [f"p{i}" for i in range(11)], ASKED, margin=0.2, higher_is_better=True)
    assert found is not None
    assert found.most is not None
    assert found.most.prompt == "p10"


def one_contrast() -> tuple[effects.WeightedContrast, ...]:
    return effects.planned(columns.read(study(6, 1, PAIR), ["guidance_scale"]))


@pytest.mark.parametrize("power", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("prompts", [6, 10, 20, 40, 80])
def test_a_plain_effect_keeps_its_power_where_few_prompts_are_asked_for(prompts: int, power: float) -> None:
    rng, asked = np.random.default_rng(prompts), one_contrast()
    effect = optimize.brentq(
        lambda d: stats.nct.sf(stats.t.isf(0.025, prompts - 1), prompts - 1, d * math.sqrt(prompts)) - power, 0.01, 5
    )
    lost = 0
    for _ in range(400):
        drawn = effect + rng.standard_normal(prompts)
        lost += intervals.t_p(drawn) < 0.05 and carriers.of(drawn[None], asked, 0).size > 0
    assert lost <= 12  # 3 points


@pytest.mark.parametrize("prompts", [6, 10, 20, 40])
def test_a_study_with_some_of_the_few_that_answer_is_rarely_called_different(prompts: int) -> None:
    rng, asked = np.random.default_rng(prompts), one_contrast()
    wrong = counted = 0
    while counted < 600:
        answers = rng.random(prompts) < 0.1
        if not answers.any():
            continue  # no test can know of prompts that the study has not asked (Bahadur and Savage 1956)
        drawn = 4.0 * (answers - 0.1) + 0.57 * rng.standard_normal(prompts)
        counted += 1
        wrong += intervals.t_p(drawn) < 0.05 and not carriers.of(drawn[None], asked, 0).size
    assert wrong <= 50  # 6 % are 36; more than 50 has a chance of 1 %


@pytest.mark.parametrize(("prompts", "few"), [(40, 4), (50, 5), (55, 5)])
def test_few_prompts_that_carry_a_difference_are_named_and_take_the_verdict_away(prompts: int, few: int) -> None:
    rng = np.random.default_rng(prompts)
    own = np.where(np.arange(prompts) < few, 4.0, 0.05)
    table = answering(own, 2, shot=0.3, rng=rng)
    general = wide(table)
    both = analysis.findings(table, SCORE, axes=["guidance_scale"], margin={"score": 0.05})
    assert general.low > 0  # by Student's t alone it would be different
    assert set(general.carriers) == {f"p{i}" for i in range(few)}
    assert general.verdict == "inconclusive"
    assert f"{few} of {prompts} prompts carry what difference there is: “p" in general.sentence
    assert all(row.verdict != "different" for row in general.comparisons)
    here = next(f for f in both if f.scope == "these prompts")
    assert here.verdict == "different"  # the mean over these very prompts is what it is
    assert set(here.carriers) == set(general.carriers)
    assert f"{few} of {prompts} prompts carry this: “p" in here.sentence


@pytest.mark.parametrize(("groups", "each", "sd"), [(2, 10, 0.5), (4, 10, 0.0), (4, 10, 1.0), (8, 5, 0.3)])
def test_effects_by_tag_cover_the_truth_and_are_rarely_called_apart_where_they_are_not(
    groups: int, each: int, sd: float
) -> None:
    rng = np.random.default_rng(groups + each)
    names = [f"p{i}" for i in range(groups * each)]
    own = {name: (f"t{i // each}",) for i, name in enumerate(names)}
    covered = apart = nearer = 0
    for _ in range(150):
        truth = sd * rng.standard_normal(groups)
        drawn = np.repeat(truth, each) + rng.standard_normal(groups * each)
        found = tags.of(drawn, names, own)
        assert {one.tag for one in found} == {f"t{k}" for k in range(groups)}
        covered += sum(one.low <= truth[int(one.tag[1:])] <= one.high for one in found)
        apart += any(one.apart for one in found)
        plain = drawn.reshape(groups, each).mean(axis=1)
        nearer += all(
            abs(one.effect - drawn.mean()) <= abs(plain[int(one.tag[1:])] - drawn.mean()) + 1e-9 for one in found
        )
    assert covered >= 0.91 * 150 * groups
    assert nearer == 150
    if sd == 0:
        assert apart <= 15  # 5 % are 7.5


def test_tags_are_in_the_finding_and_named_only_where_they_clearly_differ() -> None:
    rng = np.random.default_rng(1)
    own = {f"p{i}": ("animal",) if i < 20 else ("text", "sign") if i < 40 else () for i in range(60)}
    for size, named in ((1.5, True), (0.0, False)):
        gains = [0.5 + size * ("animal" in one) for one in own.values()]
        found = wide(answering(gains, 2, shot=0.3, rng=rng), tags=own)
        assert {one.tag for one in found.by_tag} == {"animal", "text", "sign"}
        assert ("with animal" in found.sentence) == named
    assert wide(answering(gains, 2, shot=0.3, rng=rng)).by_tag == ()


def test_the_records_travel_as_json() -> None:
    found = wide(answering([0.5] * 12, 3, shot=0.3, rng=np.random.default_rng(0)))
    told = json.loads(json.dumps(asdict(found)))
    assert told["response"]["up"] + told["response"]["down"] + told["response"]["unclear"] == 12
    assert told["shape"] == "pair"


def test_the_tags_of_a_study_file_reach_its_findings() -> None:
    asked = study_of(
        name="tagged",
        prompts=[{"text": f"prompt {i}", "tags": ["animal" if i % 2 else "text"]} for i in range(20)],
        replicates=2,
        engine={"name": "pattern"},
        axes={"guidance_scale": [3.0, 7.0]},
    )
    table = answering([1.0 * (i % 2) for i in range(20)], 2, shot=0.2, rng=np.random.default_rng(3))
    names = {f"p{i}": prompt.id for i, prompt in enumerate(asked.prompts)}
    table["prompt"] = [names[name] for name in table["prompt"]]
    found = analysis.of_result_columns(table, asked, SCORE)[0]
    assert [(one.tag, one.prompts, one.apart) for one in found.by_tag] == [("animal", 10, True), ("text", 10, True)]
    assert "10 prompts with animal and " in found.sentence
