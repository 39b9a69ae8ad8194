"""What a design can see: `plan` and the report give one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import teststrip
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
