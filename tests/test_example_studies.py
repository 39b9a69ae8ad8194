"""The studies in `examples/studies/` are what people really vary: each plans, and runs reduced on small real models."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.stand_ins import StandIns
from teststrip import plan
from teststrip.rows import dead
from teststrip.study import dump, parse, reopen
from teststrip.verbs.run import drive

STUDIES = Path(__file__).parents[1] / "examples" / "studies"
SHOTS = {
    "align_your_steps": 144,
    "cache_threshold": 90,
    "eight_bits_and_a_cache": 90,
    "eight_bits_and_steps": 72,
    "eleven_step_counts": 330,
    "fifteen_models": 75,
    "gguf_of_flux": 48,
    "guidance_in_a_part_of_the_steps": 96,
    "guiders": 144,
    "lightning_lora": 72,
    "number_formats": 72,
    "one_long_prompt": 90,
    "quantized_at_one_seed": 16,
    "samplers_by_name": 360,
    "samplers_of_a_turbo_model": 168,
    "scheduler_of_z_image": 96,
    "schedulers_of_sdxl": 360,
    "shift_of_a_flow_model": 144,
    "shift_of_z_image": 160,
    "spacing_of_the_steps": 384,
    "stack_of_loras": 120,
    "steps_of_z_image": 224,
    "strength_of_image_to_image": 192,
}
SMALL = {"width": 32, "height": 32}
FEW = 12
"""The most steps of a reduced study of one number of steps: so many that options of a scheduler tell."""


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> StandIns:
    return StandIns(tmp_path_factory.mktemp("models"))


def written(name: str, stand_ins: StandIns) -> dict[str, Any]:
    """A study with models and files that are here."""
    data: dict[str, Any] = stand_ins.placed(tomllib.loads((STUDIES / f"{name}.toml").read_text(encoding="utf-8")))
    return data


def reduced(name: str, stand_ins: StandIns) -> dict[str, Any]:
    """A study with one prompt and one seed, small, and of few steps: every level of every other axis."""
    data = written(name, stand_ins)
    data |= {} if "seeds" in data else {"replicates": 1}
    data["prompts"] = data["prompts"][:1]
    settings = data.setdefault("settings", {})
    if "num_inference_steps" in data["axes"]:
        data["axes"]["num_inference_steps"] = data["axes"]["num_inference_steps"][:2]
    elif "way" not in data["axes"]:
        settings["num_inference_steps"] = min(FEW, settings.get("num_inference_steps", FEW))
    if "engine" in data or "model" in data["axes"]:
        settings |= SMALL
    if "cache" in data["axes"]:  # random weights change more from step to step than any threshold that a person takes
        data["axes"]["cache"] = ["none", "first_block 0.20", "first_block 0.50", "first_block 1.0"]
    data["question"] = {"metrics": ["sharpness"]}
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
for file in sys.argv[1:]:
    sys.stdout.write(dump(reopen(file)) + chr(0))
"""


@pytest.mark.process
def test_a_mailed_study_opens_equal_where_diffusers_is_not_installed(tmp_path: Path) -> None:
    files = [STUDIES / f"{name}.toml" for name in SHOTS]
    for name in SHOTS:
        mailed = tmp_path / f"{name}.toml"
        mailed.write_text(dump(reopen(STUDIES / f"{name}.toml", ["engine="])), encoding="utf-8")
        files.append(mailed)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for file, opened in zip(files, done.stdout.split("\0"), strict=False):
        assert opened == dump(reopen(file)), "the same study, with Diffusers and without"


@pytest.mark.torch
@pytest.mark.parametrize("name", SHOTS)
def test_a_study_is_a_plan_of_so_many_shots_all_of_which_can_be_made(name: str, stand_ins: StandIns) -> None:
    from teststrip.executors.local import LocalExecutor
    from teststrip.verbs.trial import rehearsed

    made = plan.of(parse(written(name, stand_ins), place=name, folder=STUDIES))
    assert len(made) == SHOTS[name]
    with LocalExecutor() as executor:
        assert rehearsed(made, executor) == {}


@pytest.mark.torch
@pytest.mark.parametrize("name", SHOTS)
def test_a_study_runs_and_each_of_its_levels_changes_the_picture(
    name: str, stand_ins: StandIns, tmp_path: Path
) -> None:
    outcome = drive(parse(reduced(name, stand_ins), place=name, folder=STUDIES), tmp_path / "run", trackers=[])
    with outcome.result as result:
        assert (outcome.made, outcome.failed, outcome.left) == (len(result.plan), 0, 0)
        assert [found.sentence for found in dead.dead_axes(list(result.rows()))] == []


@pytest.mark.torch
def test_a_spacing_that_the_model_has_anyway_is_found_dead(stand_ins: StandIns, tmp_path: Path) -> None:
    """The embedded model's own configuration is "trailing", which ComfyUI calls sgm_uniform."""
    data = reduced("spacing_of_the_steps", stand_ins)
    data["axes"] = {"sampler_name": ["dpmpp_2m"], "scheduler": ["normal", "karras", "sgm_uniform"]}
    data["settings"]["num_inference_steps"] = 12
    with drive(parse(data, place="study", folder=STUDIES), tmp_path / "run", trackers=[]).result as result:
        (found,) = dead.dead_axes(list(result.rows()))
    assert (found.axis, found.levels) == ("spacing", ("normal", "sgm_uniform"))
