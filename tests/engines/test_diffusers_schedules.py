"""Pictures whose steps are a list are those of a Diffusers call that is given the list, alone and in batches."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.schedulers import AysSchedules
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion import step_lists
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render, Shot
from teststrip.testing.engine_contract import pixels_of

EULER, DPM = "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"
CASES: list[tuple[str, str | None, str, dict[str, Any]]] = [
    ("sd15", DPM, "ays", {"timesteps": AysSchedules["StableDiffusionTimesteps"]}),
    ("sdxl", DPM, "ays", {"timesteps": AysSchedules["StableDiffusionXLTimesteps"]}),
    ("sd15", EULER, "StableDiffusionSigmas", {"sigmas": AysSchedules["StableDiffusionSigmas"]}),
    ("sd15", EULER, "timesteps 900 500 100", {"timesteps": [900, 500, 100]}),
    ("flux", None, "sigmas 1 0.75 0.5 0.25", {"sigmas": [1, 0.75, 0.5, 0.25]}),
    ("sd3", None, "sigmas 1 0.9 0.3", {"sigmas": [1, 0.9, 0.3]}),
]
FAMILIES = ("sd15", "sdxl", "flux", "sd3")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in FAMILIES}


def asked(folders: dict[str, str], family: str, scheduler: str | None, schedule: str) -> Shot:
    side = tiny.SIDE[family]
    shot = ask(folders[family], height=side, width=side, scheduler=scheduler, schedule=schedule)
    return Shot(shot.engine, {k: v for k, v in shot.settings.items() if v is not None and k != "num_inference_steps"})


def by_hand(folder: str, shot: Shot, **lists: Any) -> np.ndarray:
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    if name := shot.settings.get("scheduler"):
        pipe.scheduler = getattr(diffusers, str(name)).from_config(pipe.scheduler.config)
    given = {k: v for k, v in shot.settings.items() if k not in ("seed", "model", "scheduler", "schedule")}
    return np.asarray(pipe(**given, **lists, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


@pytest.mark.parametrize(("family", "scheduler", "schedule", "lists"), CASES, ids=str)
def test_a_picture_is_the_one_that_diffusers_makes_of_the_list(folders, family, scheduler, schedule, lists) -> None:
    shot = asked(folders, family, scheduler, schedule)
    engine = DiffusersEngine(device="cpu")
    engine.check(shot.settings)
    assert engine.rehearse(shot.settings) == ""
    expected = by_hand(folders[family], shot, **lists)
    (alone,) = answers([shot], batch=1).values()
    assert isinstance(alone, Render), alone
    assert np.array_equal(pixels_of(alone), expected)
    assert alone.facts["denoiser_calls"] == engine.calls(shot.settings), "a plan counts the calls of the list"
    other = Shot(shot.engine, {**shot.settings, "seed": 12})
    together = answers([shot, other], batch=4)[shot.id]
    assert isinstance(together, Render), together
    assert np.abs(pixels_of(together).astype(int) - expected.astype(int)).max() <= 1


def test_the_numbers_of_a_named_list_are_in_the_fingerprint(folders) -> None:
    engine = DiffusersEngine(device="cpu")
    facts = engine.fingerprint(asked(folders, "sd15", DPM, "ays")).facts
    assert facts["schedule"] == {"timesteps": AysSchedules["StableDiffusionTimesteps"]}
    assert "schedule" not in engine.fingerprint(ask(folders["sd15"])).facts


def test_a_list_that_the_options_of_a_scheduler_rule_out_is_refused_before_anything_is_loaded(folders) -> None:
    engine = DiffusersEngine(device="cpu")
    shot = asked(folders, "sd15", EULER, "ays")
    said = engine.rehearse({**shot.settings, "scheduler.use_karras_sigmas": True})
    assert said.startswith(f"schedule: {EULER} in StableDiffusionPipeline cannot take these timesteps")


def test_the_named_lists_are_those_of_diffusers() -> None:
    assert {name: list(steps.values) for name, steps in step_lists.named().items()} == dict(AysSchedules)
    assert {name: steps.argument for name, steps in step_lists.named().items()} == {
        name: "sigmas" if name.endswith("Sigmas") else "timesteps" for name in AysSchedules
    }
