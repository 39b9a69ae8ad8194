"""What a pipeline's own check is said to refuse it refuses in a call, and what it is said to take it takes."""

from __future__ import annotations

import pytest
from tests import tiny_pipelines as tiny
from tests.shots import ask

from teststrip.diffusion import inputs, models, pipelines
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Failure

FAMILIES = ("sd15", "sdxl", "sd3", "flux")
CASES = [
    {"width": 33},
    {"width": 33, "height": 32},
    {"height": 36, "width": 32},
    {"width": 64, "height": 64},
    {"guidance_scale": 3.0},
]
LENGTHS = [{"max_sequence_length": length} for length in (16, 512, 513, 1024)]


@pytest.fixture(scope="module")
def engine():
    engine = DiffusersEngine(device="cpu", keep=64, batch=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: tiny.save(family, root / family) for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_check_refuses_fails_and_nothing_else_does(engine, folders, family) -> None:
    for settings in CASES + (LENGTHS if family in ("sd3", "flux") else []):
        shot = ask(folders[family], **settings, num_inference_steps=1)
        engine.check(shot.settings)
        refused = engine.rehearse(shot.settings)
        (answer,) = engine.render([shot])
        assert bool(refused) == isinstance(answer, Failure), (family, settings, refused, answer)


def test_the_message_begins_with_the_setting(engine, folders) -> None:
    said = engine.rehearse(ask(folders["sd3"], max_sequence_length=1024).settings)
    assert said == "max_sequence_length: `max_sequence_length` cannot be greater than 512 but is 1024"
    said = engine.rehearse(ask(folders["sd15"], width=33, height=32).settings)
    assert said == "`height` and `width` have to be divisible by 8 but are 32 and 33."


def test_most_pipelines_can_be_asked_or_say_nothing(folders) -> None:
    """Configurations of another class are no reason to refuse a setting."""
    model = models.find(str(folders["sdxl"]))
    for name in ("FluxPipeline", "SanaPipeline", "PixArtAlphaPipeline"):
        assert isinstance(inputs.objection(pipelines.find(name), model, {"width": 64}), str)
