"""The studies in `examples/` are what their comments say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import teststrip
from teststrip import plan
from teststrip.folder import PAGE, REPORT_FILE
from teststrip.rows import dead
from teststrip.study import parse
from teststrip.verbs.run import drive

TEMPLATE = Path(teststrip.study.__file__).parent / "template.toml"
EXAMPLES = Path(__file__).parents[1] / "examples"
SHOTS = {
    "demo": 432,
    "guidance_vs_steps": 480,
    "pussycat_or_cat": 96,
    "same_picture": 144,
    "scheduler_and_steps": 336,
    "two_models": 48,
}


@pytest.mark.parametrize("name", SHOTS)
def test_an_example_is_a_plan_of_so_many_shots(name: str) -> None:
    made = plan.of(teststrip.read(EXAMPLES / f"{name}.toml"))
    assert len(made) == SHOTS[name]
    assert made.calls() >= len(made)


def test_every_example_is_named_here_and_says_what_it_asks() -> None:
    files = sorted(EXAMPLES.glob("*.toml"))
    assert {file.stem for file in files} == {*SHOTS, "six_systems"}, "tests/test_six_systems.py runs that one"
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "?" in text.partition("\n")[0], f"{file.name} begins with its question"
        assert tomllib.loads(text)["name"] == file.stem.replace("_", "-")


def test_the_first_example_is_the_comparison_this_project_began_with() -> None:
    study = tomllib.loads((EXAMPLES / "guidance_vs_steps.toml").read_text(encoding="utf-8"))
    assert (len(study["prompts"]), study["replicates"]) == (5, 6)
    assert study["axes"] == {"guidance_scale": [6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]}


def reduced(name: str) -> dict[str, object]:
    """An example with two prompts, one seed and a few steps: every level of every other axis, none of the cost."""
    data = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    data |= {"prompts": data["prompts"][:2], "replicates": 1}
    if "num_inference_steps" in data["axes"]:
        data["axes"]["num_inference_steps"] = [2, 3]
        for excluded in data.get("exclude", []):
            excluded["num_inference_steps"] = 2
    else:
        data["settings"]["num_inference_steps"] = 2
    return data


@pytest.mark.torch
@pytest.mark.parametrize("name", SHOTS)
def test_an_example_runs_on_the_embedded_model(name: str, tmp_path: Path) -> None:
    study = parse(reduced(name), place=name, folder=EXAMPLES)
    outcome = drive(study, tmp_path / "run", trackers=[])
    with outcome.result as result:
        assert (outcome.made, outcome.failed, outcome.left) == (len(result.plan), 0, 0)
        assert dead.dead_axes(list(result.rows())) == []
    assert (tmp_path / "run" / PAGE / "index.html").is_file()
    assert (tmp_path / "run" / REPORT_FILE).is_file()


@pytest.mark.slow
@pytest.mark.torch
def test_what_init_writes_ends_with_a_verdict_on_a_score(tmp_path: Path) -> None:
    with drive(TEMPLATE, tmp_path / "run", trackers=[]).result as result:
        scored = [found for found in result.findings if found.metric == "clip_score" and found.kind == "axis"]
        assert {found.axis for found in scored} == {"guidance_scale", "num_inference_steps"}
        assert any(found.verdict in ("different", "equivalent") for found in scored)
