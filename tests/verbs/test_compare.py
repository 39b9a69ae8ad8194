"""Two folders of one study are one study with an axis more, and each picture is held against its partner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.command import command

import teststrip
from teststrip.errors import UsageError
from teststrip.pictures import decode
from teststrip.pictures.distances import rmse
from teststrip.records import Comparison
from teststrip.results.result import Result, open_result
from teststrip.verbs import compare
from teststrip.verbs.run import drive

PROMPTS = ["an owl", "a cat", "a rose", "a boat", "a king", "a city", "a tree", "a fox"]


def ran(folder: Path, **changes: Any) -> Result:
    """A little study, made by the pattern engine."""
    keys: Mapping[str, Any] = {
        "name": "small",
        "prompts": PROMPTS,
        "replicates": 2,
        "engine": {"name": "pattern"},
        "settings": {"width": 32, "height": 32},
        "axes": {"guidance_scale": [3, 9]},
        "question": {"metrics": ["sharpness", "seconds"]},
    }
    asked = {key: value for key, value in {**keys, **changes}.items() if value is not None}
    drive(teststrip.Study(**asked), folder, trackers=[]).result.close()
    return open_result(folder)


@pytest.fixture
def before(tmp_path: Path) -> Result:
    return ran(tmp_path / "before")


@pytest.fixture
def fewer(tmp_path: Path) -> Result:
    """The same study with fewer steps."""
    return ran(tmp_path / "fewer", settings={"width": 32, "height": 32, "num_inference_steps": 5})


def effect(comparison: compare.TwoFolders, metric: str) -> Comparison:
    """The mean change of a score from the first folder to the second."""
    (finding,) = (one for one in comparison.findings if one.metric == metric and one.scope == "prompts like these")
    (compared,) = (row for row in finding.comparisons if row.asked.kind == "pair")
    return compared


def test_a_study_that_was_made_twice_is_the_same_picture_by_picture(before: Result, tmp_path: Path) -> None:
    comparison = compare.of(before, ran(tmp_path / "again"))
    assert [one.levels for one in comparison.distances] == [0.0] * 32
    assert comparison.paired
    assert comparison.alone == (0, 0)
    assert effect(comparison, "sharpness").effect == 0
    assert {one.verdict for one in comparison.findings if one.metric == "sharpness"} == {"equivalent"}
    assert "32 pairs of pictures: equal to the pixel." in "\n".join(comparison.lines())
    assert comparison.same is not None
    assert comparison.same.verdict == "equivalent"


def test_whether_the_pictures_are_the_same_is_judged_and_the_prompts_that_changed_most_are_named(
    before: Result, fewer: Result
) -> None:
    comparison = compare.of(before, fewer)
    assert comparison.same is not None
    assert comparison.same.verdict == "different"
    said = "\n".join(comparison.lines())
    assert "pictures with folder fewer are not the same as with folder before" in said
    assert "Changed most with folder fewer: “" in said
    levels: dict[str, list[float]] = {prompt: [] for prompt in PROMPTS}
    for one in comparison.distances:
        levels[one.prompt].append(one.levels)
    mean = sum(sum(own) / len(own) for own in levels.values()) / len(levels)
    assert comparison.same.effect == pytest.approx(mean)


def test_a_difference_is_that_of_the_means_and_turns_with_the_order_of_the_folders(
    before: Result, fewer: Result
) -> None:
    there, back = compare.of(before, fewer), compare.of(fewer, before)
    means = [sum(row.scores["sharpness"] for row in result.rows()) / 32 for result in (before, fewer)]
    assert effect(there, "sharpness").effect == pytest.approx(means[1] - means[0])
    assert effect(back, "sharpness").effect == pytest.approx(means[0] - means[1])
    assert {one.verdict for one in there.findings if one.metric == "sharpness"} == {"different"}


def test_a_distance_is_that_of_the_two_pictures_of_a_place(before: Result, fewer: Result) -> None:
    found = compare.of(before, fewer).distances
    for one, a, b in zip(found, before.rows(), fewer.rows(), strict=True):
        assert a.image is not None
        assert b.image is not None
        pixels = [decode(result.store.read(image)) for result, image in ((before, a.image), (fewer, b.image))]
        assert one == compare.Distance(a.planned.prompt.text, rmse(*pixels))
        assert one.levels > 0


def test_only_places_of_both_folders_are_compared_and_the_others_are_counted(before: Result, tmp_path: Path) -> None:
    wider = ran(tmp_path / "wider", prompts=[*PROMPTS[::-1][:6], "a violin"], axes={"guidance_scale": [3, 6, 9]})
    comparison = compare.of(before, wider)
    assert comparison.places == 6 * 2 * 2
    assert comparison.alone == (2 * 2 * 2, 7 * 2 * 3 - comparison.places)
    assert [one.levels for one in comparison.distances] == [0.0] * comparison.places
    assert f"8 places of {before.folder.name} alone are left out" in "\n".join(comparison.lines())


def test_pictures_that_are_missing_damaged_or_of_another_size_have_no_distance(before: Result, tmp_path: Path) -> None:
    larger = ran(tmp_path / "larger", settings={"width": 48, "height": 32})
    assert "32 pairs of pictures differ in size or cannot be read" in "\n".join(compare.of(before, larger).lines())
    assert compare.of(before, larger).same is None
    part = ran(tmp_path / "part", engine={"name": "pattern", "fail": "refused: prompt=a cat"})
    image = part.rows()[0].image
    assert image is not None
    (part.folder / image.path).write_bytes(b"no picture")
    comparison = compare.of(before, part)
    assert len(comparison.distances) == 32 - 4
    assert sum(one.levels != one.levels for one in comparison.distances) == 1
    assert "1 pair of pictures differs in size or cannot be read" in "\n".join(comparison.lines())


def test_other_seeds_are_compared_without_pairing_them(before: Result, tmp_path: Path) -> None:
    other = ran(tmp_path / "other", seeds=[11, 12], replicates=None)
    comparison = compare.of(before, other)
    assert not comparison.paired
    assert comparison.same is None
    assert effect(comparison, "sharpness").low < 0 < effect(comparison, "sharpness").high


def test_scores_of_two_versions_are_left_out_and_said(before: Result, tmp_path: Path) -> None:
    other = ran(tmp_path / "other", question={"metrics": ["contrast", "seconds"]})
    comparison = compare.of(before, other)
    assert {one.metric for one in comparison.findings} == {"seconds"}
    assert comparison.left_out == ("sharpness is not compared: one folder has no such scores",)


def test_what_cannot_be_compared_is_refused_with_the_remedy(before: Result, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one folder\. Name two"):
        compare.of(before, before)
    steps = ran(tmp_path / "steps", axes={"guidance_scale": [3, 9], "num_inference_steps": [5, 10]})
    with pytest.raises(UsageError, match=r"varies num_inference_steps.*Run the other one with the same levels"):
        compare.of(before, steps)
    with pytest.raises(UsageError, match="no level of guidance_scale in common"):
        compare.of(before, ran(tmp_path / "levels", axes={"guidance_scale": [1, 2]}))
    with pytest.raises(UsageError, match="Run one study file in both folders"):
        compare.of(before, ran(tmp_path / "prompts", prompts=["a bridge"]))


@pytest.mark.process
def test_the_command_says_it_in_words_and_in_json(before: Result, fewer: Result, tmp_path: Path) -> None:
    folders = (before.folder, fewer.folder)
    said = command("compare", *folders, cwd=tmp_path).stdout
    assert said.startswith("before and fewer: 32 places in both, 32 of them with a picture in each")
    assert "sharpness is " in said
    found = json.loads(command("compare", *folders, "--json", cwd=tmp_path).stdout)
    assert found["folders"] == ["before", "fewer"]
    assert len(found["pictures"]) == 32
    assert found["same_picture"]["verdict"] == "different"
    assert found["same_picture"]["mean"] < found["same_picture"]["bound"]
    assert {one["metric"] for one in found["findings"]} == {"sharpness", "seconds"}
