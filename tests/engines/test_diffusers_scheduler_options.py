"""Pictures with options of a scheduler are those of a Diffusers call that sets them by hand, alone and in batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render, Shot
from teststrip.testing.engine_contract import pixels_of

CASES: dict[str, list[dict[str, Any]]] = {
    "sd15": [
        {"scheduler": "DPMSolverMultistepScheduler", "scheduler.use_karras_sigmas": True},
        {"scheduler": "DPMSolverMultistepScheduler", "scheduler.algorithm_type": "sde-dpmsolver++"},
        {"scheduler": "EulerDiscreteScheduler", "scheduler.timestep_spacing": "trailing"},
        {"scheduler.rescale_betas_zero_snr": True, "scheduler.prediction_type": "v_prediction"},
    ],
    "flux": [{"scheduler.use_dynamic_shifting": False, "scheduler.shift": 6.0}, {"scheduler.max_shift": 4.0}],
    "sd3": [{"scheduler.shift": 6.0}, {"scheduler.use_karras_sigmas": True}, {"scheduler.invert_sigmas": True}],
}
EVERY = [(family, options) for family, several in CASES.items() for options in several]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in CASES}


def by_hand(folder: str, shot: Shot) -> np.ndarray:
    """The picture as a person makes it with Diffusers: the scheduler is made anew, with the options as arguments."""
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    kind = getattr(diffusers, str(shot.settings.get("scheduler") or type(pipe.scheduler).__name__))
    options = {k.removeprefix("scheduler."): v for k, v in shot.settings.items() if k.startswith("scheduler.")}
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **options)
    given = {k: v for k, v in shot.settings.items() if k not in ("seed", "model") and not k.startswith("scheduler")}
    return np.asarray(pipe(**given, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


def asked(folders: dict[str, str], family: str, options: dict[str, Any]) -> Shot:
    side = tiny.SIDE[family]
    return ask(folders[family], height=side, width=side, **{"num_inference_steps": 4, **options})


@pytest.mark.parametrize(("family", "options"), EVERY, ids=str)
def test_a_picture_is_the_one_that_diffusers_makes_with_the_same_options(folders, family, options) -> None:
    shot = asked(folders, family, options)
    (answer,) = answers([shot], batch=1).values()
    assert isinstance(answer, Render), answer
    assert np.array_equal(pixels_of(answer), by_hand(folders[family], shot))
    (plain,) = answers([asked(folders, family, {"scheduler": options.get("scheduler")})], batch=1).values()
    assert not np.array_equal(pixels_of(answer), pixels_of(plain)), "an option that changes nothing shows nothing"


@pytest.mark.parametrize("family", CASES)
def test_pictures_with_different_options_share_forwards_and_stay_within_a_level(folders, family) -> None:
    shots = [asked(folders, family, options) for options in CASES[family]]
    together = answers(shots, batch=4)
    for shot in shots:
        answer = together[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts.get("alone") is None
        difference = pixels_of(answer).astype(int) - by_hand(folders[family], shot).astype(int)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("family", CASES)
def test_options_are_in_the_id_and_in_the_fingerprint_where_they_are_set(folders, family) -> None:
    engine = DiffusersEngine(device="cpu")
    shots = [asked(folders, family, options) for options in ({}, *CASES[family])]
    prints = [engine.fingerprint(shot) for shot in shots]
    assert len({shot.id for shot in shots}) == len(shots)
    assert len({str(one.facts) for one in prints}) == len(shots)
    assert "options" not in prints[0].facts["scheduler"]
    for shot, one in zip(shots[1:], prints[1:], strict=True):
        options = one.facts["scheduler"]["options"]
        assert {f"scheduler.{name}": value for name, value in options.items()} == {
            name: value for name, value in shot.settings.items() if name.startswith("scheduler.")
        }


def test_what_a_class_refuses_together_is_known_before_anything_is_loaded(folders) -> None:
    engine = DiffusersEngine(device="cpu")
    both = {"scheduler.use_karras_sigmas": True, "scheduler.use_beta_sigmas": True}
    shot = asked(folders, "sd15", {"scheduler": "DPMSolverMultistepScheduler", "scheduler.solver_order": 3, **both})
    engine.check(shot.settings)
    said = engine.rehearse(shot.settings)
    assert said.startswith("scheduler.use_beta_sigmas: DPMSolverMultistepScheduler refuses scheduler.use_beta_sigmas")
    assert "solver_order" not in said, "an option that is not to blame is not named"
    one = replace(shot, settings={**shot.settings, "scheduler.use_beta_sigmas": False})
    assert engine.rehearse(one.settings) == ""


def test_a_sampler_that_draws_noise_by_an_option_is_made_by_the_recipe_of_those_that_do(folders) -> None:
    engine = DiffusersEngine(device="cpu")
    shot = asked(folders, "sd15", CASES["sd15"][1])
    (answer,) = answers([shot], batch=1).values()
    assert isinstance(answer, Render)
    assert answer.facts["sampler_noise"] is True
    named = asked(folders, "sd15", {"scheduler": "DPMSolverMultistepScheduler"})
    assert engine.fingerprint(shot).facts.get("recipe") == engine.fingerprint(named).facts.get("recipe")


def test_plan_says_that_a_shift_is_not_heeded_where_dynamic_shifting_takes_its_place(folders) -> None:
    engine = DiffusersEngine(device="cpu")
    shifted = asked(folders, "flux", {"scheduler.shift": 6.0})
    assert "do not heed scheduler.shift: scheduler.use_dynamic_shifting = true" in engine.remark(shifted.settings)
    two = answers([shifted, asked(folders, "flux", {})], batch=1)
    first, second = (pixels_of(answer) for answer in two.values() if isinstance(answer, Render))
    assert np.array_equal(first, second), "what plan says is what the pictures show"
    for family, options in EVERY:
        assert "do not heed scheduler" not in engine.remark(asked(folders, family, options).settings)
