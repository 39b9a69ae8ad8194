"""Guidance in a part of the steps: the pictures of Diffusers' own callbacks, alone and in batches, in every family."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.callbacks import SD3CFGCutoffCallback, SDCFGCutoffCallback, SDXLCFGCutoffCallback
from tests import tiny_families
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask, shot_of

from teststrip.batching import Batcher, Call, Done
from teststrip.diffusion import pipelines, shooting, windows
from teststrip.records import Render
from teststrip.testing.engine_contract import pixels_of

CALLBACKS = {"sd15": SDCFGCutoffCallback, "sdxl": SDXLCFGCutoffCallback, "sd3": SD3CFGCutoffCallback}
HEUN = {"scheduler": "HeunDiscreteScheduler"}
CASES: dict[str, list[dict[str, Any]]] = {
    "sd15": [
        {"guidance_stop": 0.0, "negative_prompt": "an ugly car"},
        {"guidance_stop": 0.2, "scheduler": "HeunDiscreteScheduler", "guidance_scale": 12.0},
        {"guidance_stop": 0.3, "guidance_rescale": 0.7},
    ],
    "sdxl": [{"guidance_stop": 0.5, "denoising_end": 0.6, "num_inference_steps": 6, "scheduler": "DDIMScheduler"}],
    "sd3": [{"guidance_stop": 0.3, "negative_prompt": "an ugly car"}],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in CALLBACKS}


def with_callback(family: str, settings: dict[str, Any]) -> np.ndarray:
    """The picture as a person makes it with Diffusers."""
    pipe = diffusers.DiffusionPipeline.from_pretrained(settings["model"], local_files_only=True, use_safetensors=True)
    if kind := settings.get("scheduler"):
        pipe.scheduler = getattr(diffusers, kind).from_config(pipe.scheduler.config)
    given = {name: value for name, value in settings.items() if name not in ("model", "seed", "scheduler")}
    cutoff = CALLBACKS[family](cutoff_step_ratio=given.pop("guidance_stop"))
    generator = torch.Generator("cpu").manual_seed(settings["seed"])
    pipe.set_progress_bar_config(disable=True)
    return np.asarray(pipe(**given, callback_on_step_end=cutoff, generator=generator).images[0])


@pytest.mark.parametrize("family", CALLBACKS)
def test_a_window_that_ends_makes_the_picture_of_the_callback_of_diffusers(folders, family) -> None:
    side = tiny.SIDE[family]
    cases = [{"num_inference_steps": 3, "height": side, "width": side, **settings} for settings in CASES[family]]
    shots = [ask(folders[family], **settings) for settings in cases]
    guided = [ask(folders[family], **{**settings, "guidance_stop": None}) for settings in cases]
    plain, batched = answers([*shots, *guided], batch=1), answers([*shots, *guided], batch=4)
    backwards = answers(shots[::-1], batch=4)
    for shot, whole in zip(shots, guided, strict=True):
        expected = with_callback(family, dict(shot.settings)).astype(int)
        first, second = plain[shot.id], batched[shot.id]
        assert isinstance(first, Render), first
        assert isinstance(second, Render), second
        rounded = "guidance_rescale" in shot.settings  # its factor of two equal answers is 1 but for rounding
        assert np.abs(pixels_of(first).astype(int) - expected).max() <= rounded
        assert np.abs(pixels_of(second).astype(int) - expected).max() <= 1
        assert np.abs(pixels_of(plain[whole.id]).astype(int) - expected).max() > 1, "the window changes nothing"
        assert second.facts.get("alone") is None
        assert first.facts["denoiser_calls"] == second.facts["denoiser_calls"]
        assert second.facts["pixels"] == backwards[shot.id].facts["pixels"]


OFF: dict[str, dict[str, Any]] = {
    "flux": {"true_cfg_scale": 1.0},
    "qwen_image": {"true_cfg_scale": 1.0},
    "z_image": {"guidance_scale": 0.0},
}
"""How a family's guidance is turned off; that of the others by `guidance_scale` 1."""
ON: dict[str, dict[str, Any]] = {
    "flux": {"true_cfg_scale": 4.0, "negative_prompt": "an ugly car"},
    "qwen_image": {"true_cfg_scale": 4.0},
}
NO_WINDOW = ("sana_sprint", "lcm", "cascade", "hidream")
"""Families without guidance, and one that joins the texts of both rows in its own way: `windows.check` refuses it."""
LIKE_OTHERS = ("sd21", "sdxl", "pixart_sigma", "sdxl_turbo", "chroma", "flux2_klein")
"""Left to `make campaign`: they differ little from a family that CI tries."""
FAMILIES = [
    pytest.param(name, marks=pytest.mark.slow if name in LIKE_OTHERS else (), id=name)
    for name in (*tiny.FAMILIES, *tiny_families.BUILDERS)
    if name not in NO_WINDOW
]


def law(family: str) -> tuple[Any, pipelines.PipelineClass, dict[str, Any]]:
    pipe = tiny.build(family)
    described = pipelines.find(type(pipe).__name__)
    assert described is not None
    side = tiny.SIDE.get(family) or tiny_families.SIDES.get(family, tiny_families.SIDE)
    asked = {"prompt": "an owl", "num_inference_steps": 3, "height": side, "width": side, "guidance_scale": 4.0}
    return (
        pipe,
        described,
        {**asked, **tiny_families.ASKED.get(family, {}), "guidance_scale": 4.0, **ON.get(family, {})},
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_outside_of_its_window_a_picture_is_one_without_guidance_and_costs_a_row_less(family: str) -> None:
    pipe, described, asked = law(family)
    whole, never, middle = (
        asked | {"guidance_start": start, "guidance_stop": stop} for start, stop in [(0.0, 1.0), (1.0, 1.0), (0.4, 0.4)]
    )
    off = asked | OFF.get(family, {"guidance_scale": 1.0})
    every = {"asked": asked, "off": off, "whole": whole, "never": never, "middle": middle}
    calls, alone = [], {}
    for name, settings in every.items():
        windows.check(settings, described)
        call, prepare = shooting.arguments(described, shot_of(settings)), windows.around(described, settings)
        calls.append(Call(name, call, 5, prepare=prepare))
        alone[name] = shooting.expose(pipe, call, 5, shooting.scheduler(pipe, settings), prepare)
    for one, other in (("whole", "asked"), ("never", "off")):
        assert np.array_equal(alone[one][0], alone[other][0])
        assert alone[one][1] == alone[other][1]
    assert alone["middle"][1] == 4
    assert not np.array_equal(alone["middle"][0], alone["never"][0])
    assert not np.array_equal(alone["middle"][0], alone["whole"][0])
    for answer in Batcher(pipe, rows=4).run(calls):
        assert isinstance(answer, Done), answer
        picture, rows = alone[str(answer.call.key)]
        assert answer.denoiser_calls == rows
        assert np.abs(np.asarray(answer.output[0]) - picture).max() * 255 <= 1


@pytest.mark.parametrize("family", ["sd15", "qwen_image"])
@pytest.mark.filterwarnings("ignore")
def test_a_window_that_begins_late_is_guidance_that_a_hook_takes_back_before(family: str) -> None:
    """The reference computes both rows in all steps, and puts the conditional answer in the place of both."""
    pipe, described, asked = law(family)
    asked["num_inference_steps"] = 5
    prepare = windows.around(described, asked | {"guidance_start": 0.5, "guidance_stop": 0.6})
    picture, _ = shooting.expose(
        pipe, shooting.arguments(described, shot_of(asked)), 5, shooting.scheduler(pipe, asked), prepare
    )
    twice = family == "qwen_image"
    model, answered = getattr(pipe, tiny.DENOISER.get(family, "transformer")), []

    def take_back(_: Any, args: Any, output: Any) -> Any:
        answered.append(output)
        step = (len(answered) - 1) // (2 if twice else 1)
        if step in (2, 3):
            return output
        if twice:
            return answered[2 * step]
        return (torch.cat([output[0][1:], output[0][1:]]),)

    handle = model.register_forward_hook(take_back)
    expected, _ = shooting.expose(
        pipe, shooting.arguments(described, shot_of(asked)), 5, shooting.scheduler(pipe, asked)
    )
    handle.remove()
    assert np.abs(picture - expected).max() * 255 <= 1
    unchanged, _ = shooting.expose(
        pipe, shooting.arguments(described, shot_of(asked)), 5, shooting.scheduler(pipe, asked)
    )
    assert not np.array_equal(unchanged, expected)
