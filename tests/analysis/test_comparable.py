"""What cannot be compared is not: a metric's card says which settings must be equal, and the analysis keeps to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis import scored
from tests.studies import little

from teststrip import analysis, plugins
from teststrip.analysis.kinds import comparable
from teststrip.analysis.numbers import columns
from teststrip.records import MADE_HEIGHT, MADE_WIDTH, Axis, Card, Finding, Level
from teststrip.verbs.run import drive

STRICT = Card("score", higher_is_better=True, equal=("width", "height"))
FREE = Card("score", higher_is_better=True)
SIZES = st.lists(st.sampled_from([64, 96, 128, 160]), min_size=2, max_size=4, unique=True).map(sorted)


def sized(widths: Sequence[float], other: dict[str, Sequence[float | str]], seed: int) -> dict[str, list[object]]:
    """A study of widths and other axes, in which wider pictures score surely higher."""
    return scored.study(8, 2, {"width": widths, **other}, lambda cell: float(cell[0]) / 8, seed=seed)


def of_width(found: Sequence[Finding]) -> list[Finding]:
    """Findings whose comparisons have a width on a side, or that are about whole settings."""
    return [
        one
        for one in found
        if one.kind == "cells"
        or "width" in one.axis.split(" × ")
        or any(level.axis == "width" for row in one.comparisons for level in (*row.asked.plus, *row.asked.minus))
    ]


@settings(max_examples=8, deadline=None)
@given(SIZES, st.sampled_from([{}, {"guidance_scale": (1.0, 7.0)}, {"scheduler": ("a", "b", "c")}]), st.integers(0, 9))
def test_nothing_is_found_or_recommended_across_what_must_be_equal(
    widths: list[int], other: dict[str, Sequence[float | str]], seed: int
) -> None:
    table, axes = sized(widths, other, seed), ["width", *other]
    strict, free = (analysis.findings(table, {"score": card}, axes=axes, outlook=False) for card in (STRICT, FREE))
    assert not of_width(strict)
    assert of_width(free), "the law could not fail"
    others = [[one for one in found if one.axis in other] for found in (strict, free)]
    assert [(one.axis, one.verdict) for one in others[0]] == [(one.axis, one.verdict) for one in others[1]]
    made = analysis.recommend(table, STRICT, axes=axes)
    assert made.choice is None
    assert "equal width and height" in made.reason
    assert analysis.recommend(table, FREE, axes=axes).choice is not None


def test_a_budget_that_leaves_one_width_leaves_a_recommendation() -> None:
    table = sized([64, 96], {"guidance_scale": (1.0, 7.0)}, 0)
    table["seconds"] = [0.1 if width == 64 else 9.0 for width in table["width"]]
    made = analysis.recommend(table, STRICT, axes=["width", "guidance_scale"], budget="1s")
    assert made.choice is not None
    assert dict(made.choice.levels)["width"] == "64"


@settings(max_examples=8, deadline=None)
@given(SIZES, st.data())
def test_a_level_whose_size_was_not_made_is_compared_with_nothing(widths: list[int], data: st.DataObject) -> None:
    """All metrics keep to it, and levels that were made are judged as if the other ones had not been asked for."""
    gone = data.draw(st.sampled_from(widths))
    kept = [width for width in widths if width != gone]
    axes = [Axis("width", "setting", tuple(Level(str(width), {"width": width}) for width in widths)), "guidance_scale"]
    table = sized(widths, {"guidance_scale": (1.0, 7.0)}, 1)
    table[MADE_WIDTH] = [width if width != gone else 72 for width in table["width"]]  # type: ignore[operator]
    table[MADE_HEIGHT] = [64] * len(table["width"])
    found = analysis.findings(table, {"score": FREE}, axes=axes, outlook=False)
    about = [one for one in found if one.axis == "width"]
    assert bool(about) == (len(kept) > 1)
    named = {
        level.label
        for one in of_width(found)
        for row in one.comparisons
        for level in (*row.asked.plus, *row.asked.minus)
        if level.axis == "width"
    }
    assert str(gone) not in named
    best = analysis.recommend(table, FREE, axes=axes)
    assert best.choice is None or dict(best.choice.levels)["width"] != str(gone)


def test_where_no_size_was_made_nothing_is_said_of_sizes_and_all_is_said_of_the_rest() -> None:
    axes = [Axis("width", "setting", tuple(Level(str(w), {"width": w}) for w in (64, 96))), "guidance_scale"]
    table = sized([64, 96], {"guidance_scale": (1.0, 7.0)}, 2)
    table[MADE_WIDTH] = [80] * len(table["width"])
    found = analysis.findings(table, {"score": FREE}, axes=axes, outlook=False)
    assert {one.axis for one in found} == {"guidance_scale"}
    assert analysis.recommend(table, FREE, axes=axes).choice is None


def test_pictures_of_systems_that_differ_in_size_are_told_apart_by_their_pixels() -> None:
    """No level names a size; the pictures have one."""
    table = scored.study(8, 2, {"model": ("small", "large")})
    table[MADE_WIDTH] = [512 if name == "small" else 1024 for name in table["model"]]
    table[MADE_HEIGHT] = list(table[MADE_WIDTH])
    assert not analysis.findings(table, {"score": STRICT}, axes=["model"], outlook=False)
    table[MADE_WIDTH] = table[MADE_HEIGHT] = [512] * len(table["model"])
    assert analysis.findings(table, {"score": STRICT}, axes=["model"], outlook=False)


def test_a_combination_without_pictures_is_of_the_size_of_all_others() -> None:
    """An engine that refuses one combination takes no claim about axes from the others."""
    axes = {"guidance_scale": (1.0, 7.0), "num_inference_steps": (4.0, 8.0, 16.0)}
    table = scored.study(8, 2, axes, lambda cell: cell[0] * cell[1] / 16, seed=3)
    refused = [
        (g, n) == (7.0, 16.0) for g, n in zip(table["guidance_scale"], table["num_inference_steps"], strict=True)
    ]
    table["score"] = [math.nan if gone else score for gone, score in zip(refused, table["score"], strict=True)]
    sized = {**table, **{made: [math.nan if gone else 64 for gone in refused] for made in (MADE_WIDTH, MADE_HEIGHT)}}
    without, with_ = (analysis.findings(one, {"score": STRICT}, axes=list(axes)) for one in (table, sized))
    assert {one.kind for one in with_} >= {"axis", "interaction", "cells"}
    assert [(one.kind, one.axis, one.verdict) for one in with_] == [
        (one.kind, one.axis, one.verdict) for one in without
    ]


def test_a_picture_that_is_not_there_has_no_size() -> None:
    table = {"prompt": ["a", "a"], "width": [64, 96], MADE_WIDTH: [64, math.nan], MADE_HEIGHT: [64, math.nan]}
    axes = [Axis("width", "setting", tuple(Level(str(w), {"width": w}) for w in (64, 96)))]
    makings = comparable.of(columns.read(table, axes), table, axes)
    assert not makings.unmade
    assert makings.across(STRICT) == ()
    assert makings.free(STRICT)


def test_of_two_models_of_two_sizes_one_combination_without_pictures_changes_nothing_about_the_other_axis() -> None:
    axes = {"model": ("small", "large"), "guidance_scale": (1.0, 5.0, 20.0)}
    table = scored.study(8, 2, axes, lambda cell: float(cell[1]), seed=1)
    gone = [(m, g) == ("large", 20.0) for m, g in zip(table["model"], table["guidance_scale"], strict=True)]
    sides = [512.0 if name == "small" else 1024.0 for name in table["model"]]
    for made in (MADE_WIDTH, MADE_HEIGHT):
        table[made] = [math.nan if lost else side for side, lost in zip(sides, gone, strict=True)]
    table["score"] = [math.nan if lost else score for score, lost in zip(table["score"], gone, strict=True)]
    makings = comparable.of(columns.read(table, list(axes)), table, list(axes))
    assert makings.across(STRICT) == (0,)
    found = analysis.findings(table, {"score": STRICT}, axes=list(axes), outlook=False)
    assert {one.axis for one in found if one.kind == "axis"} == {"guidance_scale"}


def test_the_report_says_once_why_sharpness_says_nothing_of_width(tmp_path: Path) -> None:
    study = little(settings={}, axes={"width": [32, 48]}, question={"metrics": ["sharpness", "colourfulness"]})
    outcome = drive(study, tmp_path, trackers=[])
    said = [line for line in outcome.result.warnings if "width" in line]
    assert said == ["Sharpness compares pictures of equal width and height alone, so it says nothing across width."]
    assert {one.metric for one in outcome.result.findings if one.axis == "width"} == {"colourfulness"}
    assert said[0] in (tmp_path / "report.md").read_text(encoding="utf-8")
    outcome.result.close()


@pytest.mark.parametrize("name", sorted(plugins.installed("metrics")))
def test_each_card_says_in_words_what_it_keeps_to_as_a_rule(name: str) -> None:
    card = plugins.load("metrics", name)().card
    for size in ("width", "height"):
        assert (size in card.comparable) == (size in card.equal)
