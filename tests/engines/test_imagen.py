"""The engine `imagen` with the real package, on a tiny model: the contract, and pictures of direct calls.

Where no interpreter has the package, each test here asserts the error that says how to install it. Then it fails, or
skips without the extra `dev`: `tests/tiny_imagen.py` says which command brings the package.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_imagen import interpreter, model, needed, pictures

from teststrip.engines.imagen import INSTALL, ImagenEngine
from teststrip.errors import MissingExtra
from teststrip.imagen import child
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract, pixels_of

pytestmark = pytest.mark.usefixtures("package")


@pytest.fixture(scope="module")
def package() -> str:
    """The interpreter with the package."""
    if found := interpreter():
        return found
    engine = ImagenEngine()
    with pytest.raises(MissingExtra) as caught:
        engine._interpreter()
    engine.close()
    assert INSTALL in str(caught.value)
    return needed()


@pytest.fixture(scope="module")
def loaded(package: str) -> Iterator[ImagenEngine]:
    """One engine for all tests, because its process takes seconds to import the package."""
    engine = ImagenEngine(patience=120.0)
    yield engine
    engine.close()


class TestImagenKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, loaded: ImagenEngine) -> ImagenEngine:
        return loaded

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("imagen")

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return {"model": str(model()), "timesteps": 1, "timesteps_1": 2, "cond_scale": 2.0}


VARIED: list[dict[str, Any]] = [  # what `tests.tiny_imagen.CALLS` asks for by arguments and attributes of the package
    {},
    {"cond_scale": 3.0},
    {"cond_scale": 3.0, "cond_scale_2": 1.0},
    {"timesteps": 2},
    {"timesteps_1": 7},
    {"dynamic_thresholding": False},
    {"dynamic_thresholding_percentile": 0.5},
    {"cond_scale": 3.0, "cfg_remove_parallel_component": False},
    {"cond_scale": 3.0, "cfg_keep_parallel_frac": 0.5},
    {"lowres_sample_noise_level": 0.8},
    {"stop_at_unet_number": 1},
]


def shot(**settings: Any) -> Shot:
    return Shot(EngineRef("imagen"), {"model": str(model()), "prompt": "an owl at night", "seed": 2**32 - 1} | settings)


def drawn(engine: ImagenEngine, shots: list[Shot]) -> list[bytes]:
    answers = list(engine.render(shots))
    assert all(isinstance(answer, Render) for answer in answers), answers
    return [pixels_of(answer).tobytes() for answer in answers if isinstance(answer, Render)]


def test_pictures_are_those_of_direct_calls_in_any_order(loaded: ImagenEngine) -> None:
    right = pictures()
    shots = [shot(**settings) for settings in VARIED]
    assert drawn(loaded, shots) == right
    assert drawn(loaded, shots[::-1]) == right[::-1]
    assert len(set(right)) == len(VARIED), "a knob changes nothing"


def test_each_picture_counts_the_calls_that_the_plan_reckons(loaded: ImagenEngine) -> None:
    for answer in loaded.render([shot(**settings) for settings in VARIED]):
        assert isinstance(answer, Render)
        assert answer.facts["denoiser_calls"] == loaded.calls(answer.shot.settings)


def test_a_long_prompt_says_what_the_model_did_not_read(loaded: ImagenEngine) -> None:
    short, long, longer = loaded.render([shot(), shot(prompt="an owl " + "x" * 20), shot(prompt="an owl " * 200)])
    assert isinstance(short, Render)
    assert isinstance(long, Render)
    assert isinstance(longer, Render)
    assert "lost" not in short.facts
    assert set(str(long.facts["lost"])) == {"x"}
    assert str(longer.facts["lost"]).count("owl") >= 190
    assert len({short.facts["read"], long.facts["read"], longer.facts["read"]}) == 3


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What the trainer saved, without the configuration and the weights that lie beside it: it has its own."""
    folder = tmp_path / "run"
    shutil.copytree(model(), folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    return folder / "trained.pt"


def test_a_checkpoint_of_the_trainer_draws_with_its_averages(loaded: ImagenEngine, checkpoint: Path) -> None:
    assert drawn(loaded, [shot(model=str(checkpoint), timesteps_1=4, timesteps_2=3)]) == drawn(loaded, [shot()])


@pytest.mark.torch
def test_the_last_weights_of_a_checkpoint_are_others_than_its_averages(checkpoint: Path) -> None:
    averages, last = (child._weights(checkpoint, ema=ema) for ema in (True, False))
    assert averages.keys() == last.keys()
    assert not any(averages[name].equal(tensor) for name, tensor in last.items() if tensor.any())


@pytest.mark.slow
def test_where_averages_are_not_wanted_the_last_weights_draw(loaded: ImagenEngine, checkpoint: Path) -> None:
    asked = shot(model=str(checkpoint), timesteps_1=4, timesteps_2=3)
    trained = ImagenEngine(ema=False)
    assert trained.fingerprint(asked).id != loaded.fingerprint(asked).id
    (last,) = drawn(trained, [asked])
    trained.close()
    assert [last] != drawn(loaded, [asked])


def test_weights_that_do_not_fit_their_configuration_fail_their_own_shots(loaded: ImagenEngine, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(model(), folder)
    config = json.loads((folder / "config.json").read_text())
    config["unets"][1]["dim"] = 16
    (folder / "config.json").write_text(json.dumps(config))
    wrong = [shot(model=str(folder), seed=seed) for seed in (1, 2)]
    first, second, third = loaded.render([*wrong, shot()])
    for failure in (first, second):
        assert isinstance(failure, Failure)
        assert failure.text.startswith("the model cannot be loaded: RuntimeError")
    assert isinstance(third, Render)
    assert np.ptp(pixels_of(third)) > 100
