"""Pictures with a guider are those of Diffusers' modular pipeline with that guider, alone and in batches."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ModularPipeline, guiders
from tests import tiny_families
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion.guiders import FAMILIES
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.plan import of
from teststrip.records import Render, Shot
from teststrip.study import parse
from teststrip.testing.engine_contract import pixels_of

PLAIN = {"guider": "ClassifierFreeGuidance"}
APG = {"guider": "AdaptiveProjectedGuidance", "guider.eta": 0.0, "guider.stop": 0.7}
CASES: dict[str, list[dict[str, Any]]] = {
    "sdxl": [
        {"guider": "ClassifierFreeZeroStarGuidance", "negative_prompt": "an ugly car"},
        {"guider": "TangentialClassifierFreeGuidance", "scheduler": "DDIMScheduler"},
        {**APG, "guider.adaptive_projected_guidance_momentum": -0.5},
    ],
    "qwen_image": [{**APG, "negative_prompt": " "}, {"guider": "MagnitudeAwareGuidance", "negative_prompt": "a car"}],
    "flux2_klein": [{"guider": "AdaptiveProjectedMixGuidance", "guider.adaptive_projected_guidance_start_step": 0}],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    found = {family: tiny.save(family, root / family) for family in CASES}
    _as_a_model_that_encodes_an_empty_negative(found["sdxl"])
    return {family: str(folder) for family, folder in found.items()}


def _as_a_model_that_encodes_an_empty_negative(folder: Path) -> None:
    index = folder / "model_index.json"
    text = index.read_text("utf-8")
    changed = text.replace('"force_zeros_for_empty_prompt": true', '"force_zeros_for_empty_prompt": false')
    assert changed != text
    index.write_text(changed, "utf-8")


def asked(folder: str, family: str, settings: dict[str, Any]) -> Shot:
    side = tiny.SIDE.get(family, tiny_families.SIDE)
    scale = {"true_cfg_scale": 9.0, "guidance_scale": None} if family == "qwen_image" else {"guidance_scale": 5.0}
    return ask(folder, height=side, width=side, **scale, **{"num_inference_steps": 3, **settings})


def by_hand(shot: Shot) -> np.ndarray:
    """The picture as a person makes it with Diffusers."""
    pipe = ModularPipeline.from_pretrained(str(shot.settings["model"]))
    pipe.load_components()
    options = {name.removeprefix("guider."): value for name, value in shot.settings.items() if "guider." in name}
    scale = shot.settings.get("true_cfg_scale") or shot.settings["guidance_scale"]
    pipe.update_components(guider=getattr(guiders, str(shot.settings["guider"]))(guidance_scale=scale, **options))
    if kind := shot.settings.get("scheduler"):
        import diffusers

        pipe.update_components(scheduler=getattr(diffusers, str(kind)).from_config(pipe.scheduler.config))
    given = {name: shot.settings[name] for name in ("prompt", "num_inference_steps", "height", "width")}
    if negative := shot.settings.get("negative_prompt"):
        given["negative_prompt"] = negative
    generator = torch.Generator("cpu").manual_seed(shot.seed)
    return np.asarray(pipe(**given, generator=generator, output="images", output_type="np")[0])


@pytest.mark.parametrize("family", CASES)
@pytest.mark.filterwarnings("ignore")
def test_a_guider_makes_the_picture_of_the_modular_pipeline(folders, family) -> None:
    shots = [asked(folders[family], family, settings) for settings in CASES[family]]
    engine = DiffusersEngine(device="cpu")
    plain, batched = answers(shots, batch=1), answers(shots[::-1], batch=4)
    for shot in shots:
        engine.check(shot.settings)
        assert "do not heed" not in engine.remark(shot.settings)
        first, second = plain[shot.id], batched[shot.id]
        assert isinstance(first, Render), first
        assert isinstance(second, Render), second
        assert np.array_equal(pixels_of(first), (by_hand(shot) * 255).round().astype(np.uint8))
        assert np.abs(pixels_of(second).astype(int) - pixels_of(first)).max() <= 1
        assert second.facts.get("alone") is None
        assert first.facts.get("said") is None
        assert first.facts["denoiser_calls"] == second.facts["denoiser_calls"] == engine.calls(shot.settings)


@pytest.mark.parametrize("family", CASES)
@pytest.mark.filterwarnings("ignore")
def test_plain_guidance_by_a_guider_is_that_of_the_pipeline(folders, family) -> None:
    """What makes a family one of `FAMILIES`."""
    more = {"negative_prompt": "an ugly car"} if family == "qwen_image" else {}
    shots = [asked(folders[family], family, {**more, **guider}) for guider in ({}, PLAIN)]
    one, other = (pixels_of(answer).astype(int) for answer in answers(shots, batch=1).values())
    assert np.abs(one - other).max() <= 1
    (another,) = answers([asked(folders[family], family, {**more, **CASES[family][-1]})], batch=1).values()
    assert not np.array_equal(pixels_of(another), one), "a guider that changes nothing shows nothing"


WAYS = {
    "a dotted key": '[settings]\nguider = "AdaptiveProjectedGuidance"\n[axes]\nguider.eta = [0.0, 1.0]',
    "a key in quotes": '[axes]\nguider = ["AdaptiveProjectedGuidance"]\n"guider.eta" = [0.0, 1.0]',
    "a table": '[settings]\nguider = "AdaptiveProjectedGuidance"\n[axes.guider]\neta = [0.0, 1.0]',
}


@pytest.mark.parametrize("way", WAYS)
def test_an_option_is_the_same_setting_however_a_study_writes_it(folders, way) -> None:
    engine = f'[engine]\nname = "diffusers"\nmodel = "{folders["sdxl"]}"\nwidth = 32\nheight = 32\n'
    text = f'name = "demo"\nprompts = ["an owl"]\n{engine}{WAYS[way]}'
    plan = of(parse(tomllib.loads(text), place="study.toml", folder=Path()))
    every = [plan.first(cell).shot.settings for cell in plan.cells]
    assert [(one["guider"], one["guider.eta"]) for one in every] == [(APG["guider"], 0.0), (APG["guider"], 1.0)]


def test_each_family_that_is_offered_is_tried() -> None:
    assert {type(tiny.build(family)).__name__ for family in CASES} == set(FAMILIES)
