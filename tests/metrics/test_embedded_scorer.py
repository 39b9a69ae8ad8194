"""The embedded scorer, on pictures of the embedded model: it tells which prompt a picture was made for."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.pictures import single

from teststrip import pictures
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.metrics.aesthetic import Aesthetic
from teststrip.metrics.clip import ClipScore
from teststrip.metrics.diversity import Diversity
from teststrip.records import EngineRef, Render, Shot
from teststrip.testing.metric_contract import MetricContract

PROMPTS = ("an owl", "a rose", "a pizza", "a rocket", "a penguin", "a red heart")


@pytest.fixture(scope="module")
def drawn():
    """A picture of each prompt, by the embedded model; the files are part of the package, so nothing is skipped."""
    engine = DiffusersEngine(device="cpu")
    settings = {name: knob.default for name, knob in engine.settings.items() if knob.default is not None}
    settings |= {"num_inference_steps": 12, "guidance_scale": 3.0, "seed": 5}
    shots = [Shot(EngineRef("diffusers"), {**settings, "prompt": prompt}) for prompt in PROMPTS]
    found = {answer.shot.prompt: answer for answer in engine.render(shots)}
    engine.close()
    assert all(isinstance(answer, Render) for answer in found.values()), found
    return {prompt: pictures.decode(found[prompt].data) for prompt in PROMPTS}


@pytest.fixture
def items(drawn):
    return [single(picture, prompt=prompt) for prompt, picture in drawn.items()]


class TestTheEmbeddedScorerKeepsTheContract(MetricContract):
    batch_tolerance = 1e-3  # of 100; one float32 matmul in another order

    @pytest.fixture
    def metric(self):
        return ClipScore(device="cpu")


def test_it_finds_the_prompt_of_most_pictures(drawn):
    metric = ClipScore(device="cpu")
    table = np.array(
        [metric.score([single(picture, prompt=prompt) for prompt in PROMPTS]) for picture in drawn.values()]
    )
    found = (table.argmax(axis=1) == np.arange(len(PROMPTS))).sum()
    assert found >= 4, table.round(1)
    others = table[~np.eye(len(PROMPTS), dtype=bool)].mean()
    assert table.diagonal().mean() > others + 10


def test_a_picture_scores_more_than_noise(drawn):
    metric = ClipScore(device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, next(iter(drawn.values())).shape, dtype=np.uint8)
    of_pictures = metric.score([single(picture, prompt=prompt) for prompt, picture in drawn.items()])
    of_noise = metric.score([single(noise, prompt=prompt) for prompt in drawn])
    assert np.mean(of_pictures) > np.mean(of_noise) + 10


def test_its_features_serve_diversity_and_a_head_too(drawn, tmp_path):
    from safetensors.numpy import save_file

    width = Diversity(model="emoji-scorer", device="cpu").features(list(drawn.values())).shape[1]
    save_file({"weight": np.ones((1, width), np.float32)}, tmp_path / "head.safetensors")
    head = Aesthetic(head=str(tmp_path / "head.safetensors"), model="emoji-scorer", device="cpu")
    assert np.isfinite(head.score([single(picture) for picture in drawn.values()])).all()
