"""None can be said: in a file by the word "none", in Python by None; and no id of an existing study moves by it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.study.toy import ToyEngine

import teststrip
from teststrip import plan
from teststrip.errors import StudyError
from teststrip.records import NONE, Study
from teststrip.study import dump, parse


def study(**keys: Any) -> Study:
    return teststrip.Study(name="none", prompts=["an owl"], engine={"name": "toy"}, **keys)


def ids(**keys: Any) -> list[str]:
    return list(plan.of(study(**keys)).ids())


def again(one: Study) -> Study:
    return parse(tomllib.loads(dump(one)), place="again", folder=Path())


@pytest.mark.parametrize("none", [None, NONE])
def test_none_is_in_the_id_where_it_is_not_the_default(toy: type[ToyEngine], none: str | None) -> None:
    asked = study(settings={"decay": none})
    assert asked.settings["decay"] == NONE
    (shot,) = (one.shot for one in plan.of(asked))
    assert shot.settings["decay"] == NONE
    assert ids(settings={"decay": none}) != ids()
    assert ids(settings={"decay": None}) == ids(settings={"decay": NONE})


@pytest.mark.parametrize("none", [None, NONE])
def test_none_is_in_no_id_where_leaving_out_says_the_same(toy: type[ToyEngine], none: str | None) -> None:
    assert ids(settings={"guidance_scale": none, "vae_tiling": none}) == ids()


@pytest.mark.parametrize("name", ["decay", "guidance_scale"])
def test_none_is_a_level_that_a_file_can_hold(toy: type[ToyEngine], name: str) -> None:
    asked = study(axes={name: [None, 1.5]})
    assert again(asked) == asked
    assert ids(axes={name: ["none", 1.5]}) == ids(axes={name: [None, 1.5]})
    assert [axis.numbers for axis in asked.axes] == [None]


def test_a_text_that_is_left_out_is_a_level_that_a_file_can_hold(toy: type[ToyEngine]) -> None:
    asked = study(axes={"scheduler": [None, "Slow"]})
    assert again(asked).axes[0].labels == ("(none)", "Slow")
    assert list(plan.of(again(asked)).ids()) == list(plan.of(asked).ids())


def test_the_word_is_a_text_like_any_other_where_the_setting_is_a_text(toy: type[ToyEngine]) -> None:
    assert study(settings={"scheduler": NONE}).settings["scheduler"] == NONE
    assert ids(settings={"scheduler": NONE}) != ids()


def test_the_word_is_none_where_a_text_names_something(toy: type[ToyEngine]) -> None:
    assert ids(settings={"adapter": NONE}) == ids()
    assert ids(axes={"adapter": [NONE, "a"]}) == [*ids(), *ids(settings={"adapter": "a"})]
    asked = study(axes={"quality": [NONE, "q4"]})
    assert list(plan.of(asked).ids()) == [*ids(), *ids(axes={"quality": ["q4"]})]
    assert again(asked) == asked


@pytest.mark.parametrize("name", ["quality", "adapter", "decay"])
def test_a_level_that_is_none_is_left_out_and_referred_to_by_the_word(toy: type[ToyEngine], name: str) -> None:
    value = 1.5 if name == "decay" else "q4"
    axes = {name: [NONE, value], "num_inference_steps": [20, 50]}
    rest = study(axes=axes, exclude=[{name: NONE, "num_inference_steps": 20}])
    assert [cell.levels[1][1] for cell in plan.of(rest).cells] == ["50", "20", "50"]
    asked = study(axes=axes, question={"metrics": ["psnr"], "reference": {name: NONE}})
    assert [level.label for level in asked.question.reference] == [asked.axes[0].labels[0]]


def test_another_word_is_refused_and_the_message_names_the_right_one(toy: type[ToyEngine]) -> None:
    with pytest.raises(StudyError, match=r"decay: must be a number or \"none\", not text \('None'\)"):
        study(settings={"decay": "None"})
    with pytest.raises(StudyError, match=r"zoom: must be a number, not text \('none'\)"):
        study(settings={"zoom": NONE})


def test_none_twice_is_one_level_too_many(toy: type[ToyEngine]) -> None:
    with pytest.raises(StudyError, match="is there already"):
        study(axes={"decay": [None, NONE]})
