"""What stands first: headlines, costs as facts, and the answer with the price of the next step."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis import scored

from teststrip import analysis
from teststrip.analysis.advice import answer as answers
from teststrip.analysis.advice.answer import Design
from teststrip.analysis.sentences import costs, headlines
from teststrip.records import Card, Finding

NUMBER = re.compile(r"[+−]\d[\d.,]*\d|[+−]\d")
STEPS = "num_inference_steps"
SECONDS = Card("seconds", unit="s", higher_is_better=False, needs_pixels=False)
GUIDANCE = {"guidance_scale": (1.0, 3.0, 7.0, 12.0), "scheduler": ("DDIM", "Euler", "UniPC")}


def found(prompts: int, seeds: int, slope: float, *, axes: object = None, seed: int = 0) -> tuple[Finding, ...]:
    axes = axes or GUIDANCE
    table = scored.study(prompts, seeds, axes, lambda cell: slope * math.log(float(cell[0])), seed=seed)
    return analysis.findings(table, ["score"], axes=list(axes))


@given(
    st.sampled_from([(1, 8), (4, 1), (5, 3), (12, 1), (30, 2)]),
    st.sampled_from([0.0, 0.3, -2.0]),
    st.integers(0, 20),
)
def test_a_headline_is_short_has_no_full_stop_and_says_no_number_that_its_sentence_does_not(
    size: tuple[int, int], slope: float, seed: int
) -> None:
    for one in found(*size, slope, seed=seed):
        text = headlines.write(one)
        assert 10 < len(text) <= 100, text
        assert text[0].isupper() or text[0].isdigit()
        assert text[-1] not in ".;:,"
        assert "unknown" not in text + headlines.detail(one)
        assert set(NUMBER.findall(text)) <= set(NUMBER.findall(one.sentence)), (text, one.sentence)


@pytest.mark.parametrize("turns", [0.0, 0.2, 1.0, 2.0])
def test_an_axis_of_forty_levels_is_told_by_its_shape_and_its_best_level(turns: float) -> None:
    axes = {"guidance_scale": tuple(n / 2 for n in range(1, 41))}
    table = scored.study(
        12, 2, axes, lambda cell: 3 * math.sin(turns * float(cell[0])) if turns else float(cell[0]), seed=1
    )
    (one, *_) = analysis.findings(table, ["score"], axes=list(axes))
    top = max(one.levels, key=lambda level: level.mean)
    assert one.verdict == "different"
    shapes = (
        "rises with guidance",
        f"is highest at guidance {top.label}",
        f"up and down with guidance, highest at {top.label}",
    )
    assert any(shape in headlines.write(one) for shape in shapes)
    assert "against" not in headlines.write(one)


@pytest.mark.parametrize("dearer", [1.3, 2.7, 40.0])
def test_costs_are_facts_with_both_ends_and_how_many_times_one_is_of_the_other(dearer: float) -> None:
    axes = {STEPS: (50.0, 100.0, 200.0), "guidance_scale": (6.0, 9.0)}
    table = scored.study(5, 3, axes, seed=2)
    table["seconds"] = [
        1.7 * dearer ** ((steps - 50) / 150) * (1 + 1e-4 * (n % 7)) for n, steps in enumerate(table[STEPS])
    ]
    told = analysis.findings(table, {"score": Card("score"), "seconds": SECONDS}, axes=list(axes))
    (line,) = costs.facts(told, {"score": Card("score"), "seconds": SECONDS})
    assert line.startswith("Seconds a picture: 1.7 at 50 steps, ")
    assert f"({dearer:.2g}×)" in line
    assert "guidance" not in line  # it costs nothing


def test_a_cost_that_no_setting_changes_is_one_number() -> None:
    table = scored.study(8, 3, GUIDANCE, seed=3)
    table["seconds"] = [2.0 + 0.01 * (n * 7919 % 13) for n in range(len(table["prompt"]))]
    told = analysis.findings(table, {"seconds": SECONDS}, axes=list(GUIDANCE))
    assert costs.facts(told, {"seconds": SECONDS}) == ("Seconds a picture: 2.1 in every setting, or nearly so.",)


def made(prompts: int, seeds: int, slope: float) -> answers.Answer:
    table = scored.study(prompts, seeds, {STEPS: (4.0, 8.0, 16.0)}, lambda cell: slope * float(cell[0]), seed=4)
    design = Design(prompts, seeds, settings=3, seconds=2.0)
    one = analysis.recommend(table, Card("score", higher_is_better=True), axes=[STEPS])
    return answers.of([one], analysis.findings(table, ["score"], axes=[STEPS]), design=design)


def test_a_proved_setting_is_named_with_its_cost_and_what_it_saves() -> None:
    one = made(200, 2, 0.0)
    assert one.settled
    assert one.headline == "Use steps 4"
    assert one.facts[0] == "0.2 s, 4 calls a picture"
    assert not one.step


@pytest.mark.parametrize(("prompts", "seeds"), [(7, 1), (12, 1), (12, 2)])
def test_an_open_answer_names_one_step_and_its_price(prompts: int, seeds: int) -> None:
    one = made(prompts, seeds, 0.0)
    assert not one.settled
    assert one.headline.startswith("No winner yet: ")
    more, pictures = re.findall(r"About ([\d,]+) more prompts? \(([\d,]+) pictures, .* (?:s|min|h)\)", one.step)[0]
    assert int(pictures.replace(",", "")) == int(more.replace(",", "")) * seeds * 3


@pytest.mark.parametrize(("prompts", "seeds", "step"), [
    (5, 1, "1 more prompt (3 pictures, 6 s) would rank settings for prompts like these."),
    (1, 1, "5 more seeds a prompt (15 pictures, 30 s) would rank settings on these prompts."),
    (3, 1, "3 more prompts (9 pictures, 18 s) would rank settings for prompts like these."),
])  # fmt: skip
def test_a_design_too_small_for_any_answer_is_told_the_cheapest_one_that_would_do(
    prompts: int, seeds: int, step: str
) -> None:
    one = made(prompts, seeds, 0.0)
    assert one.headline == "No recommendation"
    assert one.step == step
    assert made(prompts + 5, seeds + 5, 0.0).headline != "No recommendation"


def test_the_warning_of_a_score_is_the_first_caveat_and_no_caveat_stands_twice() -> None:
    table = scored.study(12, 2, {STEPS: (4.0, 8.0)}, seed=5)
    one = analysis.recommend(table, Card("score", higher_is_better=True, failure="It is blind."), axes=[STEPS])
    design = Design(12, 2, settings=2)
    answer = answers.of([replace(one, limits=(*one.limits, "It errs."))], [], design=design, warnings=["It errs."])
    assert answer.caveats[0] == "It errs."
    assert len(set(answer.caveats)) == len(answer.caveats)
    assert "It is blind." in answer.caveats


def test_without_a_score_that_judges_the_next_step_is_to_name_one() -> None:
    assert answers.of([], [], design=Design(5, 1, 4)).step == answers.OTHER_SCORE
