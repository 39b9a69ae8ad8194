"""Any pipeline, called plainly: its own pixels, its own knobs, its own cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from tests import tiny_pipelines as tiny
from tests.shots import ask

from teststrip.diffusion import schedulers
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Render
from teststrip.testing.engine_contract import EngineContract, pixels_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in tiny.FAMILIES}


@pytest.fixture(scope="module")
def shared():
    """One engine for the tests that do not change it: models load once."""
    engine = DiffusersEngine(device="cpu", keep=8, batch=1)
    yield engine
    engine.close()


def direct(pipe, shot, **changes):
    """The same picture by Diffusers alone."""
    given = {k: v for k, v in shot.settings.items() if k not in ("seed", "model", "scheduler", "revision")}
    image = pipe(**given, generator=torch.Generator("cpu").manual_seed(shot.seed), **changes).images[0]
    return np.asarray(image)


class TestDiffusersKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, shared):
        return shared

    @pytest.fixture
    def ref(self):
        return EngineRef("diffusers")

    @pytest.fixture
    def knobs(self, folders):
        return {"model": folders["sdxl"], "num_inference_steps": 2, "guidance_scale": 5.0}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_picture_is_the_one_that_diffusers_makes_pixel_for_pixel(shared, folders, family):
    shot = ask(folders[family], height=tiny.SIDE[family], width=tiny.SIDE[family])
    (answer,) = shared.render([shot])
    assert isinstance(answer, Render), answer
    pipe = DiffusionPipeline.from_pretrained(folders[family], local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    assert np.array_equal(pixels_of(answer), direct(pipe, shot))


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_the_calls_foretold_are_the_calls_made(shared, folders, family, guidance):
    shot = ask(folders[family], guidance_scale=guidance, height=32, width=32)
    (answer,) = shared.render([shot])
    assert isinstance(answer, Render), answer
    assert answer.facts["denoiser_calls"] == shared.calls(shot.settings)


@pytest.mark.parametrize("scheduler", schedulers.alternatives("DDIMScheduler"))
@pytest.mark.parametrize("steps", [5, 12])
def test_each_scheduler_makes_the_calls_foretold(shared, folders, scheduler, steps):
    if scheduler == "DPMSolverSDEScheduler":
        pytest.importorskip("torchsde")
    shot = ask(folders["sd15"], scheduler=scheduler, num_inference_steps=steps)
    shared.check(shot.settings)
    (answer,) = shared.render([shot])
    assert isinstance(answer, Render), answer
    assert answer.facts["denoiser_calls"] == shared.calls(shot.settings)
