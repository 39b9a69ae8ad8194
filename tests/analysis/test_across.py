"""Across scores: agreement and trade-offs come from records of one and the same comparison."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis import across
from teststrip.records import Card, Comparison, Contrast, Finding, LevelRef, Scope, Together, Verdict

A = Card("alpha", higher_is_better=True)
B = Card("beta", higher_is_better=True)
LESS = Card("beta", higher_is_better=False)
SECONDS = Card("seconds", higher_is_better=False, needs_pixels=False)
WIDE: Scope = "prompts like these"
PLUS, MINUS = LevelRef("guidance_scale", 1, "7"), LevelRef("guidance_scale", 0, "1")


def found(metric: str, effect: float, verdict: Verdict, scope: Scope = WIDE, axis: str = "guidance_scale") -> Finding:
    asked = Contrast("pair", (replace(PLUS, axis=axis),), (replace(MINUS, axis=axis),))
    row = Comparison("7 against 1", asked, effect, *[math.nan] * 6, 12, 48, verdict)
    finding = Finding(metric, axis, "", effect, *[math.nan] * 5, 12, 48, verdict, "")
    return replace(finding, scope=scope, comparisons=(row,), asked=asked)


def told(*findings: Finding, cards: tuple[Card, ...] = (A, B, SECONDS)) -> Together:
    made = across.of(findings, {card.name: card for card in cards})
    assert made is not None
    (one,) = made.axes
    return one


@pytest.mark.parametrize(
    ("first", "second", "agreement", "words"),
    [
        ((1, "different"), (2, "different"), "agree", "alpha and beta agree, both are better at 7 than at 1."),
        ((-1, "different"), (-2, "different"), "agree", "alpha and beta agree, both are better at 1 than at 7."),
        ((1, "different"), (-2, "different"), "trade off", "alpha is better at 7 than at 1, beta is worse."),
        ((0, "equivalent"), (0, "equivalent"), "alike", "agree that nothing changes in a way that matters."),
        ((-1, "different"), (0, "equivalent"), "alone", "only alpha is better at 1 than at 7; beta does not change"),
        ((1, "different"), (1, "inconclusive"), "undecided", "whether alpha and beta agree is not settled."),
        ((1, "insufficient design"), (1, "different"), "undecided", "whether beta and alpha agree is not settled."),
    ],
)
def test_two_scores_agree_trade_off_or_leave_it_open(
    first: tuple[float, Verdict], second: tuple[float, Verdict], agreement: str, words: str
) -> None:
    findings = found("alpha", *first), found("beta", *second)
    assert told(*findings).agreement == agreement
    made = across.of(findings, {"alpha": A, "beta": B})
    assert made is not None
    assert words in made.text


verdicts = st.sampled_from(["different", "equivalent", "inconclusive", "insufficient design"])
effects = st.floats(-3, 3).filter(lambda x: abs(x) > 0.01)
several = st.lists(st.tuples(effects, verdicts, st.booleans()), min_size=2, max_size=5)


@given(several)
def test_a_trade_off_is_named_exactly_where_one_score_gets_surely_better_and_one_surely_worse(
    scores: list[tuple[float, Verdict, bool]],
) -> None:
    cards = {f"m{i}": Card(f"m{i}", higher_is_better=up) for i, (_, _, up) in enumerate(scores)}
    made = across.of([found(f"m{i}", e, v) for i, (e, v, _) in enumerate(scores)], cards)
    assert made is not None
    (one,) = made.axes
    good = {f"m{i}" for i, (e, v, up) in enumerate(scores) if v == "different" and (e > 0) == up}
    bad = {f"m{i}" for i, (e, v, up) in enumerate(scores) if v == "different" and (e > 0) != up}
    assert (set(one.better), set(one.worse)) == (good, bad)
    assert (one.agreement == "trade off") == bool(good and bad)
    assert (one.agreement == "agree") == (len(good | bad) > 1 and not (good and bad))
    assert (one.agreement == "alike") == all(v == "equivalent" for _, v, _ in scores)
    assert sorted([*one.better, *one.worse, *one.alike, *one.unsettled]) == sorted(cards)


@given(several)
def test_to_turn_a_score_over_changes_nothing_about_agreement(scores: list[tuple[float, Verdict, bool]]) -> None:
    """A score whose sign and good end are both turned says the same."""

    def of(turn: float) -> tuple[Any, ...]:
        cards = {f"m{i}": Card(f"m{i}", higher_is_better=up == (turn > 0)) for i, (_, _, up) in enumerate(scores)}
        made = across.of([found(f"m{i}", turn * e, v) for i, (e, v, _) in enumerate(scores)], cards)
        assert made is not None
        return made.axes, made.text

    assert of(1.0) == of(-1.0)


def test_a_cost_has_no_opinion_and_is_named_as_the_price() -> None:
    rows = found("alpha", 1, "different"), found("beta", 1, "different"), found("seconds", 4, "different")
    one = told(*rows)
    assert (one.better, one.worse, one.dearer, one.cheaper) == (("alpha", "beta"), (), ("seconds",), ())
    made = across.of(rows, {"alpha": A, "beta": B, "seconds": SECONDS})
    assert made is not None
    assert made.text.startswith("3 scores were asked: for prompts like these 1 question (1 comparison) of 3 scores.")
    assert made.text.endswith("The price of 7: more seconds.")


def test_one_score_beside_its_cost_has_no_axis_to_agree_on() -> None:
    made = across.of(
        [found("alpha", 1, "different"), found("seconds", 1, "different")], {"alpha": A, "seconds": SECONDS}
    )
    assert made is not None
    assert made.axes == ()
    assert across.of([found("alpha", 1, "different")], {"alpha": A}) is None


def test_a_score_without_a_good_end_takes_no_side() -> None:
    neutral = Card("gamma")
    rows = found("alpha", 1, "different"), found("beta", 1, "different"), found("gamma", -1, "different")
    assert told(*rows, cards=(A, B, neutral)).agreement == "agree"


def test_scopes_are_never_mixed_and_the_wider_one_that_settles_something_speaks() -> None:
    here: Scope = "these prompts"
    mixed = found("alpha", 1, "different"), found("beta", -1, "different", here)
    apart = across.of(mixed, {"alpha": A, "beta": B})
    assert apart is not None
    assert apart.axes == ()
    wide = found("alpha", 1, "inconclusive"), found("beta", -1, "inconclusive")
    narrow = found("alpha", 1, "different", here), found("beta", -1, "different", here)
    assert told(*wide, *narrow).scope == here
    assert told(*wide, *narrow).agreement == "trade off"
    assert told(found("alpha", 1, "different"), found("beta", 1, "different"), *narrow).scope == WIDE


@pytest.mark.parametrize(("slope", "agreement"), [(1.0, "agree"), (-1.0, "trade off"), (0.0, "alone")])
def test_real_findings_of_two_scores_meet_on_one_comparison(slope: float, agreement: str) -> None:
    axes = {"guidance_scale": (1.0, 3.0, 7.0)}
    table = study(40, 2, axes, lambda cell: 0.5 * float(cell[0]))
    other = study(40, 2, axes, lambda cell: 0.5 * slope * float(cell[0]), seed=1, interaction=0.05)
    table["beta"] = other["score"]
    cards = {"score": Card("score", higher_is_better=True), "beta": B}
    made = across.of(
        analysis.findings(table, cards, axes=["guidance_scale"], margin={"score": 0.3, "beta": 0.5}), cards
    )
    assert made is not None
    (one,) = made.axes
    assert one.agreement == agreement
    assert one.asked is not None
    assert [level.label for level in (*one.asked.minus, *one.asked.plus)] == ["1", "7"]
    assert {(family.metric, family.scope) for family in made.families} == {
        (name, scope) for name in cards for scope in ("prompts like these", "these prompts")
    }
