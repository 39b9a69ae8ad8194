"""A level is known by its index: two levels that look alike as numbers stay two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.analysis.scored import study

import teststrip
from teststrip import analysis
from teststrip.analysis.numbers import columns
from teststrip.errors import UsageError
from teststrip.records import Axis, Card, Level
from teststrip.verbs.run import drive
from teststrip.views import report

ALIKE = (0.1 + 0.2, 0.3, 7.0, 7.0000000000001)
"""Two pairs of numbers that agree in 12 digits."""
THINGS = ("rose", "car", "cat", "king", "boat", "tree", "owl", "city")


def test_a_whole_study_of_levels_that_agree_in_12_digits_is_made_reported_and_recommended_from(tmp_path: Path) -> None:
    asked = teststrip.Study(
        name="alike",
        engine={"name": "pattern"},
        prompts=[f"a {thing}" for thing in THINGS],
        replicates=2,
        settings={"width": 16, "height": 16},
        axes={"guidance_scale": list(ALIKE), "num_inference_steps": [2, 8]},
        question={"metrics": ["sharpness"]},
    )
    with drive(asked, tmp_path / "run", trackers=[]).result as result:
        table = result.columns()
        findings = result.findings
        recommending = replace(result.cards["sharpness"], higher_is_better=True, describes="")
        (best,) = analysis.best_of_result_columns(table, result.study, {"sharpness": recommending})
        text = report.full_markdown(result)
    assert table["guidance_scale"] == [ALIKE[index] for index in table["guidance_scale level"]]
    guidance = next(finding for finding in findings if finding.axis == "guidance_scale" and finding.kind == "axis")
    labels = ["0.30000000000000004", "0.3", "7", "7.0000000000001"]
    assert [level.label for level in guidance.levels] == labels
    assert [level.images for level in guidance.levels] == [32] * 4
    assert len([row for row in guidance.comparisons if row.asked.kind == "pair"]) == 6
    assert len(best.points) == 8
    assert all(f"| {label} |" in text for label in labels)


def table_of(levels: tuple[float, ...], shown: tuple[Any, ...]) -> dict[str, list[Any]]:
    table = study(6, 2, {"guidance_scale": levels})
    return {**table, "guidance_scale": [shown[levels.index(level)] for level in table["guidance_scale"]]}


def axis_of(levels: tuple[float, ...], labels: tuple[str, ...]) -> Axis:
    pairs = zip(labels, levels, strict=True)
    return Axis("guidance_scale", "setting", tuple(Level(label, {"guidance_scale": x}) for label, x in pairs))


def test_plain_numbers_that_look_alike_are_told_apart_and_named_in_all_their_digits() -> None:
    for finding in analysis.findings(table_of(ALIKE, ALIKE), ["score"], axes=["guidance_scale"]):
        assert [level.label for level in finding.levels] == ["0.3", "0.30000000000000004", "7.0", "7.0000000000001"]


@pytest.mark.parametrize("shown", [ALIKE, ("a", "b", "c", "d")], ids=["numbers", "labels"])
def test_the_columns_of_an_axis_may_hold_its_numbers_or_its_labels(shown: tuple[Any, ...]) -> None:
    axis = axis_of(ALIKE, ("a", "b", "c", "d"))
    layout = columns.read(table_of(ALIKE, shown), [axis])
    assert layout.cells == ((0,), (1,), (2,), (3,))
    assert layout.factors[0].labels == axis.labels


def test_a_label_is_found_before_a_number_that_is_written_like_it() -> None:
    axis = axis_of((0.3, 0.1 + 0.2), ("0.3", "0.30000000000000004"))
    layout = columns.read(table_of((0.3, 0.1 + 0.2), axis.labels), [axis])
    assert layout.row.shape == (6, 2, 2)


def test_numbers_that_were_rounded_to_12_digits_on_their_way_are_still_levels() -> None:
    axis = axis_of((1 / 3, 2 / 3), ("third", "two thirds"))
    layout = columns.read(table_of((1 / 3, 2 / 3), (0.333333333333, "0.666666666667")), [axis])
    assert layout.row.shape == (6, 2, 2)


def test_a_value_that_is_no_level_is_said_with_the_levels_there_are() -> None:
    axis = axis_of((1.0, 2.0), ("low", "high"))
    with pytest.raises(UsageError, match=r"holds '3', which is no level of the axis: \('low', 'high'\)"):
        columns.read(table_of((1.0, 2.0), (1.0, 3.0)), [axis])


def test_whole_numbers_that_are_one_number_as_floats_are_compared_as_words() -> None:
    big = (2**53, 2**53 + 1)
    axis = Axis("salt", "setting", tuple(Level(str(n), {"salt": n}) for n in big))
    assert axis.numbers is None
    table = {**study(6, 2, {"salt": ("a", "b")}), "salt level": []}
    table["salt level"] = ["ab".index(str(level)) for level in table["salt"]]
    for finding in analysis.findings(table, {"score": Card("score")}, axes=[axis]):
        assert [level.label for level in finding.levels] == [str(n) for n in big]
