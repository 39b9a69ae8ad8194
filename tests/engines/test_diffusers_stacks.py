"""Stacks of LoRAs: the pictures of a Diffusers call that puts the same LoRAs on, whatever was on before."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion.loras import MOST_LORAS
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Failure, Render, Shot
from teststrip.testing.engine_contract import pixels_of

TARGETS = {"unet": ["to_q", "to_k"], "text_encoder": ["q_proj", "v_proj"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("sd15", tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """More than stay in memory; the second and the fifth adapt the text encoder too."""
    place, pipe, layers = tmp_path_factory.mktemp("loras"), tiny.build("sd15"), {}
    for part, targets in TARGETS.items():
        model = getattr(pipe, part)
        model.add_adapter(LoraConfig(r=4, target_modules=targets))
        layers[part] = convert_state_dict_to_diffusers(get_peft_model_state_dict(model))
    files = []
    for seed in range(MOST_LORAS + 2):
        noise = torch.Generator().manual_seed(seed)
        parts = [part for part in layers if part == "unet" or seed in (1, 4)]
        drawn = {
            f"{part}_lora_layers": {k: torch.randn(v.shape, generator=noise) * 0.3 for k, v in layers[part].items()}
            for part in parts
        }
        StableDiffusionPipeline.save_lora_weights(place, weight_name=f"{seed}.safetensors", **drawn)
        files.append(str(place / f"{seed}.safetensors"))
    return files


def stack(*parts: tuple[str, float]) -> dict[str, Any]:
    return {"lora": " + ".join(f"{file} {scale:g}" for file, scale in parts)}


@pytest.fixture(scope="module")
def cells(loras: list[str]) -> list[dict[str, Any]]:
    """Nothing, single LoRAs, stacks, and a stack of all."""
    one, two, three, four, five, six = loras
    return [
        {},
        {"lora": one},
        {"lora": two, "lora_scale": 0.5},
        stack((one, 1), (two, 0.5)),
        stack((three, 1), (four, -0.5), (five, 1), (six, 0.25)),
        stack(*((file, 0.3) for file in loras)),
    ]


@pytest.fixture(scope="module")
def fresh(folder: Path, cells: list[dict[str, Any]]) -> list[str]:
    """The pixels of each cell, of an engine that made nothing else."""
    found = []
    for cell in cells:
        (answer,) = answers([ask(folder, **cell)], batch=1).values()
        assert isinstance(answer, Render), answer
        assert "said" not in answer.facts, answer.facts["said"]
        found.append(str(answer.facts["pixels"]))
    assert len(set(found)) == len(found)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_cells_in_any_order_are_those_of_a_fresh_engine(folder, cells, fresh, seed) -> None:
    order = Random(seed).sample(range(len(cells)), len(cells))
    engine = DiffusersEngine(device="cpu", batch=1)
    for i in (*order, order[0]):
        (answer,) = engine.render([ask(folder, **cells[i])])
        assert answer.facts["pixels"] == fresh[i], (order, i)
        assert "said" not in answer.facts, answer.facts["said"]
    engine.close()


def test_in_batches_too_no_cell_reaches_another(folder, cells) -> None:
    shots = [ask(folder, seed=seed, **cell) for seed in (1, 2) for cell in cells[:4]]
    Random(5).shuffle(shots)
    together, alone = answers(shots, batch=4), answers(shots, batch=1)
    for shot in shots:
        both = [pixels_of(found[shot.id]).astype(int) for found in (together, alone)]
        assert np.abs(both[0] - both[1]).max() <= 1


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_a_stack_is_that_of_diffusers_in_either_order(folder, loras, cells, fresh) -> None:
    direct = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    direct.set_progress_bar_config(disable=True)
    for name, file in zip(("a", "b"), loras[:2], strict=True):
        direct.load_lora_weights(Path(file).parent, weight_name=Path(file).name, adapter_name=name)
    direct.set_adapters(["a", "b"], [1.0, 0.5])
    given = {"num_inference_steps": 2, "guidance_scale": 5.0}
    expected = direct("an owl", **given, generator=torch.Generator("cpu").manual_seed(11)).images[0]
    (answer,) = answers([ask(folder, **cells[3])], batch=1).values()
    assert np.array_equal(pixels_of(answer), np.asarray(expected))


def test_a_fingerprint_holds_the_digest_and_the_scale_of_each(folder, loras, cells) -> None:
    engine = DiffusersEngine(device="cpu")
    single = engine.fingerprint(ask(folder, lora=loras[1], lora_scale=0.5)).facts["lora"]
    assert isinstance(single, str)
    found = engine.fingerprint(ask(folder, **cells[3])).facts["lora"]
    assert [one["scale"] for one in found] == [1.0, 0.5]
    assert found[1]["file"] == single
    assert engine.fingerprint(ask(folder, **stack((loras[1], 0.5)))).facts["lora"] == [{"file": single, "scale": 0.5}]


def test_a_stack_with_a_scale_beside_it_and_one_file_by_two_names_are_refused(folder, loras) -> None:
    engine = DiffusersEngine(device="cpu")
    with pytest.raises(StudyError, match=r"^lora_scale: the LoRAs of .* have scales of their own"):
        engine.check(ask(folder, **stack((loras[0], 1), (loras[1], 1)), lora_scale=0.5).settings)
    other = str(Path(loras[0]).parent / "." / ".." / Path(loras[0]).parent.name / Path(loras[0]).name)
    with pytest.raises(StudyError, match=r"^lora: .* are one file"):
        engine.check(ask(folder, **stack((loras[0], 1), (other, 1))).settings)


def test_a_lora_of_a_stack_that_fits_nothing_is_named_and_is_loaded_once_for_all_scales(
    folder, loras, tmp_path
) -> None:
    bad = tmp_path / "bad.safetensors"
    save_file({"unet.nowhere.lora_A.weight": torch.zeros(4, 3), "unet.nowhere.lora_B.weight": torch.zeros(3, 4)}, bad)
    with pytest.raises(StudyError, match=r"lora: '.*bad.safetensors' does not fit"):
        DiffusersEngine(device="cpu").check(ask(folder, **stack((loras[0], 1), (str(bad), 0.5))).settings)
    scales = [0.1, 0.2, 0.3, 0.4]
    shots = [ask(folder, **stack((loras[0], 1), (str(bad), scale))) for scale in scales]
    whole = ask(folder, **stack((loras[0], 1), (loras[1], 0.5)))
    engine = CountingEngine(device="cpu", batch=1)
    found = {answer.shot.id: answer for answer in engine.render([*shots, whole])}
    assert all(isinstance(found[shot.id], Failure) and str(bad) in found[shot.id].text for shot in shots)
    assert isinstance(found[whole.id], Render)
    assert engine.loads == 2, "once for what fails, once for what is whole"
    broken = [ask(tmp_path / "gone", lora=one) for one in loras[:3]]
    engine.loads = 0
    assert all(isinstance(answer, Failure) for answer in engine.render(broken))
    assert engine.loads == 1, "a model that is not there is asked for once, whatever LoRA is on it"


class CountingEngine(DiffusersEngine):
    """An engine that counts how often it loads something."""

    loads = 0

    def _load(self, shot: Shot) -> Any:
        self.loads += 1
        return super()._load(shot)
