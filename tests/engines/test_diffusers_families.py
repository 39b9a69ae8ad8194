"""Each further family: loaded from its folder, made plainly and in batches, and its cost foretold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny_families
from tests import tiny_pipelines as tiny
from tests.shots import ask, shot_of

from teststrip.batching import Batcher, Call, Done
from teststrip.diffusion import pipelines, shooting
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Failure, Render, Shot, Value
from teststrip.testing.engine_contract import EngineContract, pixels_of


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(request.param, tmp_path_factory.mktemp("models") / request.param)


def shots(family: str, folder: Path, **more: Any) -> list[Shot]:
    """Two prompts, three steps."""
    side = tiny_families.SIDES.get(family, tiny_families.SIDE)
    asked = {"num_inference_steps": 3, "height": side, "width": side, **tiny_families.ASKED[family], **more}
    return [ask(str(folder), prompt=prompt, seed=seed, **asked) for prompt, seed in [("an owl", 5), ("a red rose", 6)]]


def made(engine: DiffusersEngine, shots: list[Shot]) -> dict[str, Render]:
    answers = {answer.shot.settings["prompt"]: answer for answer in engine.render(shots)}
    assert all(isinstance(answer, Render) for answer in answers.values()), answers
    return answers


LIKE_OTHERS = ("pixart_sigma", "sdxl_turbo", "chroma")
"""Left to `make campaign`: they differ little from a family that CI tries."""

FOLDERS = [
    pytest.param(name, name, marks=pytest.mark.slow if name in LIKE_OTHERS else (), id=name)
    for name in tiny_families.BUILDERS
    if name != "cascade"
]


CONTRACTS = [
    pytest.param(name, marks=() if name == "z_image" else pytest.mark.slow, id=name)
    for name in ("z_image", "flux2_klein", "qwen_image", "sd3", "sana", "lumina2", "hidream", "chroma")
]
"""Families that keep the whole contract of an engine; some in `make campaign`."""


@pytest.mark.parametrize(("folder", "family"), FOLDERS, indirect=["folder"])
@pytest.mark.filterwarnings("ignore")
def test_a_family_makes_one_picture_plainly_and_in_batches_at_the_cost_foretold(folder: Path, family: str) -> None:
    plain, batched = DiffusersEngine(device="cpu", batch=1), DiffusersEngine(device="cpu", batch=4)
    asked = shots(family, folder)
    for shot in asked:
        plain.check(shot.settings)
    first, second, third = made(plain, asked), made(batched, asked), made(batched, asked[::-1])
    for shot in asked:
        prompt = shot.settings["prompt"]
        one, two = pixels_of(first[prompt]).astype(int), pixels_of(second[prompt]).astype(int)
        assert one.shape == (shot.settings["height"], shot.settings["width"], 3)
        assert np.abs(one - two).max() <= 1
        assert second[prompt].facts["pixels"] == third[prompt].facts["pixels"]
        assert first[prompt].facts["denoiser_calls"] == plain.calls(shot.settings)
        assert second[prompt].facts["denoiser_calls"] == plain.calls(shot.settings)
        alone = second[prompt].facts.get("alone")
        assert bool(alone) == ("made one after another" in batched.remark(shot.settings)), alone
    assert len({answer.facts["pixels"] for answer in first.values()}) == 2
    plain.close()
    batched.close()


@pytest.mark.parametrize("folder", ["sana_sprint"], indirect=True)
def test_none_arrives_where_the_pipeline_has_a_number_of_its_own(folder: Path) -> None:
    engine = DiffusersEngine(device="cpu", batch=1)
    left_out = {"use_resolution_binning": False, "height": 32, "width": 32, "num_inference_steps": 1}
    (failed,) = engine.render([ask(str(folder), **left_out)])
    assert "Intermediate timesteps" in failed.text
    (answer,) = engine.render([ask(str(folder), **left_out, intermediate_timesteps="none")])
    assert isinstance(answer, Render), answer
    engine.close()


@pytest.mark.parametrize("folder", ["cascade"], indirect=True)
def test_a_folder_that_diffusers_itself_cannot_load_is_told_in_one_sentence(folder: Path) -> None:
    engine = DiffusersEngine(device="cpu")
    for answer in engine.render(shots("cascade", folder)):
        assert isinstance(answer, Failure)
        assert re.search(r"model: .* cannot be loaded \(ValueError: .*PaellaVQModel", answer.text)


@pytest.mark.filterwarnings("ignore")
def test_two_models_in_a_row_are_made_alone_and_cost_what_was_foretold() -> None:
    pipe = tiny.build("cascade")
    described = pipelines.find("StableCascadeCombinedPipeline")
    assert described is not None
    settings = {
        "prompt": "an owl",
        "num_inference_steps": 3,
        "height": 128,
        "width": 128,
        "prior_num_inference_steps": 2,
    }
    for guidance in (0.0, 4.0):
        asked = settings | {"decoder_guidance_scale": guidance}
        call = shooting.arguments(described, shot_of(asked))
        picture, rows = shooting.expose(pipe, call, 5, shooting.scheduler(pipe, {}))
        assert picture.shape == (128, 128, 3)
        assert rows == 3 * described.rows(asked, lambda component, key: None) + described.rows_before(asked)
        (answer,) = Batcher(pipe, rows=4).run([Call(0, call, 5)])
        assert isinstance(answer, Done)
        assert "no denoiser" in answer.alone
        assert np.array_equal(np.asarray(answer.output[0]), picture)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("folder", CONTRACTS, indirect=True)
class TestFamiliesKeepTheContract(EngineContract):
    @pytest.fixture(scope="class")
    def engine(self) -> Iterator[DiffusersEngine]:
        engine = DiffusersEngine(device="cpu")
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("diffusers")

    @pytest.fixture
    def scheduler(self, folder: Path) -> str:
        return (tiny.SCHEDULER | tiny_families.SCHEDULER)[folder.name]

    @pytest.fixture
    def knobs(self, folder: Path) -> dict[str, Value]:
        family = folder.name
        side = tiny_families.SIDES.get(family, tiny_families.SIDE)
        asked = {"num_inference_steps": 2, "height": side, "width": side, **tiny_families.ASKED.get(family, {})}
        return {"model": str(folder), **asked}
