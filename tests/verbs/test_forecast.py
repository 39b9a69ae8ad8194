"""What a design can see: `plan` and the report give one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import teststrip
from teststrip.study import writing
from teststrip.verbs import forecast
from teststrip.verbs.run import drive
from teststrip.views import report

THINGS = ("rose", "car", "cat", "king", "boat", "tree", "owl", "city", "lamp", "hat", "sea", "cup")
TWO_WORDS = {
    "look": [{"label": name, "guidance_scale": guidance} for name, guidance in (("mild", 2), ("fair", 5), ("bold", 9))],
    "pace": [{"label": name, "num_inference_steps": steps} for name, steps in (("fast", 2), ("slow", 8))],
}
STUDIES: dict[str, dict[str, Any]] = {
    "a cost first": {"question": {"metrics": ["seconds", "sharpness"]}},
    "a distance first": {"question": {"metrics": ["convergence", "sharpness"]}},
    "costs alone": {"question": {"metrics": ["seconds"]}},
    "a margin in score units": {"question": {"metrics": ["sharpness", "clipped"], "margin": {"sharpness": 5.0}}},
    "no metric named": {"question": {}},
    "numbers left out": {"exclude": [{"guidance_scale": 7, "num_inference_steps": 8}]},
    "words left out": {"axes": TWO_WORDS, "exclude": [{"look": "bold", "pace": "slow"}]},
    "shared seeds": {"replicates": None, "seeds": [1, 2, 3]},
    "nothing varied": {"axes": {}},
}


@pytest.mark.parametrize("limit", [0, None], ids=["before", "after"])
@pytest.mark.parametrize("changes", STUDIES.values(), ids=STUDIES)
def test_plan_and_report_say_the_same_of_what_a_design_can_see(
    changes: dict[str, Any], limit: int | None, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {
        "name": "little",
        "engine": {"name": "pattern"},
        "prompts": [f"a {thing}" for thing in THINGS],
        "replicates": 2,
        "settings": {"width": 8, "height": 8},
        "axes": {"guidance_scale": [1, 7], "num_inference_steps": [2, 4, 8]},
        "question": {"metrics": ["sharpness"]},
        **changes,
    }
    asked = teststrip.Study(**{key: value for key, value in keys.items() if value is not None})
    with drive(asked, tmp_path / "run", limit=limit, trackers=[], views=False).result as result:
        told = report.as_json(result)["design"]
        contrasts = max((finding.method for finding in result.findings if finding.kind == "axis"), default="")
    planned = forecast.of(tmp_path / "run/study.toml", tmp_path / "run").power
    assert told == list(planned)
    measured = limit is None and changes not in (STUDIES["costs alone"], STUDIES["nothing varied"])
    assert any("measured on 12 prompts" in line for line in planned) == measured
    if "planned comparisons" in planned[0] and limit is None and measured:
        family = planned[0].split("corrected for ")[1].split(" planned")[0]
        assert f"Holm over {family} planned contrasts" in contrasts


@pytest.mark.torch
def test_plan_of_the_first_study_says_that_150_steps_are_not_150_steps() -> None:
    example = Path(__file__).parents[2] / "examples" / "guidance_vs_steps.toml"
    planned = forecast.of(example)
    (remark,) = planned.remarks
    assert remark.startswith(
        "4 of 16 settings will not get the 150 steps of DDIM that were asked for: each step goes back 6"
    )
    assert remark.endswith("Take 125 or 200 steps")
    assert any(remark in line for line in forecast.lines(planned))


@pytest.mark.torch
def test_settings_of_which_two_things_are_to_be_said_get_two_lines(tmp_path: Path) -> None:
    asked = teststrip.Study(
        name="two",
        engine={"name": "diffusers", "offload": "sequential"},
        prompts=["a rose"],
        axes={"scheduler": ["HeunDiscreteScheduler", "DDIMScheduler"], "num_inference_steps": [50, 150]},
    )
    file = tmp_path / "study.toml"
    file.write_text(writing.dump(asked), "utf-8")
    told = forecast.of(file, tmp_path / "run").remarks
    assert [line.split(" settings ")[0] for line in told] == ["1 of 4", "4 of 4", "1 of 4", "1 of 4"]
    assert sum("calls of the model" in line for line in told) == 2
