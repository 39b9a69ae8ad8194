"""What a scheduler is said to take it takes in the pipeline itself, and what it is said to refuse it refuses there."""

from __future__ import annotations

import itertools

import pytest
from tests import tiny_pipelines as tiny
from tests.shots import ask

from teststrip.diffusion import models, pipelines, rehearsal, schedulers
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Failure

# Diffusers' own business: a few schedulers hand tensors to NumPy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STEPS = (1, 2, 3, 4, 5, 8)
SAMPLE = 15
"""Every so many cases run in CI; `make campaign` runs all."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: tiny.save(family, root / family) for family in tiny.FAMILIES}


@pytest.fixture(scope="module")
def engine():
    engine = DiffusersEngine(device="cpu", keep=64, batch=1)
    yield engine
    engine.close()


def cases() -> list[tuple[str, str, int]]:
    """Every scheduler that each family offers, at every number of steps."""
    own = {family: type(tiny.build(family).scheduler).__name__ for family in tiny.FAMILIES}
    return [
        (family, name, steps)
        for family in tiny.FAMILIES
        for name, steps in itertools.product(schedulers.alternatives(own[family]), STEPS)
    ]


def judge(engine, folders, family, name, steps) -> None:
    side = tiny.SIDE[family]
    shot = ask(folders[family], scheduler=name, num_inference_steps=steps, width=side, height=side)
    engine.check(shot.settings)
    refused = engine.rehearse(shot.settings)
    (answer,) = engine.render([shot])
    # A picture of random weights may overflow; it was made all the same.
    failed = isinstance(answer, Failure) and answer.reason not in ("nan", "blank")
    assert bool(refused) == failed, (family, name, steps, refused, answer.text if failed else "")


def test_in_a_sample_of_cases_a_refusal_is_a_failure_and_nothing_else_is(engine, folders) -> None:
    for case in cases()[::SAMPLE]:
        judge(engine, folders, *case)


@pytest.mark.parametrize(
    ("family", "name", "steps"),
    [("sd15", "PNDMScheduler", 3), ("sd15", "PNDMScheduler", 4), ("sdxl", "TCDScheduler", 51),
     ("flux", "FlowMatchHeunDiscreteScheduler", 2), ("flux", "FlowMatchLCMScheduler", 2)],
)  # fmt: skip
def test_the_known_cases_are_judged_right(engine, folders, family, name, steps) -> None:
    judge(engine, folders, family, name, steps)


@pytest.mark.slow
def test_in_all_cases_a_refusal_is_a_failure_and_nothing_else_is(engine, folders) -> None:
    for case in cases():
        judge(engine, folders, *case)


def test_the_embedded_model_needs_no_rehearsal_of_its_own_scheduler() -> None:
    model = models.find(models.EMBEDDED)
    pipeline = pipelines.find(model.pipeline)
    assert not any(rehearsal.objection(pipeline, model.scheduler, None, steps) for steps in (*range(1, 40), 200, 1000))


def test_a_refused_number_of_steps_names_the_nearest_that_is_taken(engine, folders) -> None:
    said = engine.rehearse(ask(folders["sd15"], scheduler="PNDMScheduler", num_inference_steps=2).settings)
    assert said.startswith("num_inference_steps: PNDMScheduler in StableDiffusionPipeline cannot take 2 steps")
    assert said.endswith("Take 4")
    said = engine.rehearse(ask(folders["sd15"], scheduler="TCDScheduler", num_inference_steps=60).settings)
    assert said.endswith("Take 50")


def test_a_refused_scheduler_names_those_that_can(engine, folders) -> None:
    said = engine.rehearse(ask(folders["flux"], scheduler="FlowMatchHeunDiscreteScheduler").settings)
    assert "it takes no sigmas from the pipeline" in said
    assert said.endswith("These can: FlowMatchEulerDiscreteScheduler, FlowMatchLCMScheduler")


@pytest.mark.parametrize(
    "name", ["PixArtSigma", "Sana", "Lumina2", "AuraFlow", "Chroma", "QwenImage", "ZImage", "Flux2"]
)
def test_how_a_pipeline_asks_for_its_times_is_read(name) -> None:
    assert rehearsal.asking(f"{name}Pipeline")


def test_what_a_pipeline_gives_its_scheduler_is_read() -> None:
    flux, sdxl, sd3 = map(rehearsal.asking, ("FluxPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"))
    assert (flux.sigmas, flux.unless_flow, flux.shift) == (True, True, "always")
    assert sdxl == rehearsal.Asking()
    assert (sd3.sigmas, sd3.shift) == (False, "dynamic")


@pytest.mark.parametrize("batch", [1, 4])
def test_clip_skip_leaves_out_the_last_layers_of_the_text_encoder(folders, batch) -> None:
    import numpy as np
    import torch
    from diffusers import DiffusionPipeline

    from teststrip.testing.engine_contract import pixels_of

    shots = [ask(folders["sd15"], clip_skip=skip, guidance_scale=1.0) for skip in (0, 1)]
    made = {answer.shot.id: answer for answer in DiffusersEngine(device="cpu", batch=batch).render(shots)}
    pipe = DiffusionPipeline.from_pretrained(folders["sd15"], local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    ids = pipe.tokenizer("an owl", padding="max_length", max_length=77, return_tensors="pt").input_ids
    hidden = pipe.text_encoder(ids, output_hidden_states=True).hidden_states
    for shot, layer in zip(shots, (-1, -2), strict=True):
        embeds = pipe.text_encoder.final_layer_norm(hidden[layer])
        noise = torch.Generator("cpu").manual_seed(shot.seed)
        image = pipe(prompt_embeds=embeds, num_inference_steps=2, guidance_scale=1.0, generator=noise).images[0]
        assert np.abs(pixels_of(made[shot.id]).astype(int) - np.asarray(image)).max() <= (0 if batch == 1 else 1)
    assert len({answer.facts["pixels"] for answer in made.values()}) == 2
