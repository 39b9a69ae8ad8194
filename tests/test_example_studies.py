"""The studies in `examples/studies/` are what people really vary: each plans, and runs reduced on small real models."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from teststrip import plan
from teststrip.rows import dead
from teststrip.study import dump, parse, reopen
from teststrip.verbs.run import drive

STUDIES = Path(__file__).parents[1] / "examples" / "studies"
SHOTS = {
    "align_your_steps": 144,
    "number_formats": 72,
    "samplers_by_name": 360,
    "shift_of_a_flow_model": 144,
    "spacing_of_the_steps": 384,
}
STANDS_IN = {"stabilityai/stable-diffusion-3.5-medium": "sd3"}
"""The tiny family that stands in for a model of the hub: the same classes with random weights."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from tests import tiny_pipelines as tiny

    root = tmp_path_factory.mktemp("models")
    return {name: str(tiny.save(family, root / family)) for name, family in STANDS_IN.items()}


def written(name: str, folders: dict[str, str]) -> dict[str, Any]:
    """A study with a model that is here."""
    data = tomllib.loads((STUDIES / f"{name}.toml").read_text(encoding="utf-8"))
    if "model" in data.get("engine", {}):
        data["engine"]["model"] = folders[data["engine"]["model"]]
    return data


def reduced(name: str, folders: dict[str, str]) -> dict[str, Any]:
    """A study with one prompt and one seed, small, and of few steps: every level of every other axis."""
    data = written(name, folders) | {"replicates": 1}
    data["prompts"] = data["prompts"][:1]
    if "num_inference_steps" in data["axes"]:
        data["axes"]["num_inference_steps"] = data["axes"]["num_inference_steps"][:1]
    if "engine" in data:
        data["settings"] |= {"width": 32, "height": 32}
    return data


def test_every_study_is_named_here_and_says_what_it_asks() -> None:
    files = sorted(STUDIES.glob("*.toml"))
    assert {file.stem for file in files} == set(SHOTS)
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "?" in text.partition("\n")[0], f"{file.name} begins with its question"
        assert tomllib.loads(text)["name"] == file.stem.replace("_", "-")


WITHOUT = """
import sys
sys.modules["diffusers"] = None  # as where it is not installed
from teststrip.study import dump, reopen
sys.stdout.write(dump(reopen(sys.argv[1])))
"""


@pytest.mark.process
@pytest.mark.parametrize("name", SHOTS)
def test_a_mailed_study_opens_equal_where_diffusers_is_not_installed(name: str, tmp_path: Path) -> None:
    mailed = tmp_path / "study.toml"
    mailed.write_text(dump(reopen(STUDIES / f"{name}.toml", ["engine="])), encoding="utf-8")
    for file in (mailed, STUDIES / f"{name}.toml"):
        argv = [sys.executable, "-c", WITHOUT, str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == dump(reopen(file)), "the same study, with Diffusers and without"


@pytest.mark.torch
@pytest.mark.parametrize("name", SHOTS)
def test_a_study_is_a_plan_of_so_many_shots_all_of_which_can_be_made(name: str, folders: dict[str, str]) -> None:
    from teststrip.executors.local import LocalExecutor
    from teststrip.verbs.trial import rehearsed

    made = plan.of(parse(written(name, folders), place=name, folder=STUDIES))
    assert len(made) == SHOTS[name]
    with LocalExecutor() as executor:
        assert rehearsed(made, executor) == {}


@pytest.mark.torch
@pytest.mark.parametrize("name", SHOTS)
def test_a_study_runs_and_each_of_its_levels_changes_the_picture(
    name: str, folders: dict[str, str], tmp_path: Path
) -> None:
    outcome = drive(parse(reduced(name, folders), place=name, folder=STUDIES), tmp_path / "run", trackers=[])
    with outcome.result as result:
        assert (outcome.made, outcome.failed, outcome.left) == (len(result.plan), 0, 0)
        assert [found.sentence for found in dead.dead_axes(list(result.rows()))] == []


@pytest.mark.torch
def test_a_spacing_that_the_model_has_anyway_is_found_dead(folders: dict[str, str], tmp_path: Path) -> None:
    """The embedded model's own configuration is "trailing", which ComfyUI calls sgm_uniform."""
    data = reduced("spacing_of_the_steps", folders)
    data["axes"] = {"sampler_name": ["dpmpp_2m"], "scheduler": ["normal", "karras", "sgm_uniform"]}
    with drive(parse(data, place="study", folder=STUDIES), tmp_path / "run", trackers=[]).result as result:
        (found,) = dead.dead_axes(list(result.rows()))
    assert (found.axis, found.levels) == ("spacing", ("normal", "sgm_uniform"))
