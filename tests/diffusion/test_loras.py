"""What the headers say of a LoRA on a model is what happens when it is loaded."""

from __future__ import annotations

import itertools

import pytest
import torch
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tests import tiny_pipelines as tiny

from teststrip.diffusion import adapting, loading, loras, models
from teststrip.diffusion.failures import CannotLoad
from teststrip.errors import EngineError, StudyError

FAMILIES = ("sd15", "sd21", "sdxl", "sd3", "flux")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A model folder of each family, and for each a LoRA as training scripts write it and one as kohya's do."""
    place = tmp_path_factory.mktemp("shelf")
    for family in FAMILIES:
        pipe = tiny.build(family)
        pipe.save_pretrained(place / family)
        part = tiny.DENOISER[family]
        torch.manual_seed(5)
        config = LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False)
        getattr(pipe, part).add_adapter(config)
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(getattr(pipe, part)))
        type(pipe).save_lora_weights(place / "loras" / family, **{f"{part}_lora_layers": layers})
        tensors = load_file(place / "loras" / family / "pytorch_lora_weights.safetensors")
        save_file(tensors, place / f"{family}.safetensors")
        if part == "unet":
            renamed = {}
            for name, tensor in tensors.items():
                module, _, matrix = name.removeprefix("unet.").rpartition(".lora")
                down = "A" in matrix or "down" in matrix
                kohya = "lora_unet_" + module.replace(".", "_")
                renamed[f"{kohya}.lora_{'down' if down else 'up'}.weight"] = tensor
                renamed[f"{kohya}.alpha"] = torch.tensor(2.0)
            save_file(renamed, place / f"{family}-kohya.safetensors")
    return place


def load_failed(folder, lora) -> str:
    """How putting the LoRA on the model fails, or that it adapts nothing; "" where it adapts something."""
    loaded = loading.load(
        models.find(str(folder)), device="cpu", dtype="float32", variant=None, offload="none", safety_checker=True
    )
    try:
        adapting.adapt(loaded, [loras.Lora(str(lora))])
    except CannotLoad as error:
        return str(error)
    return "" if loaded.pipe.get_list_adapters() else "nothing is adapted"


@pytest.mark.parametrize(("family", "other"), [*itertools.product(FAMILIES, FAMILIES)])
def test_the_headers_refuse_a_lora_where_loading_it_fails_and_nowhere_else(shelf, family, other):
    for lora in sorted(shelf.glob(f"{other}*.safetensors")):
        refused = ""
        try:
            loras.check(str(lora), models.find(str(shelf / family)))
        except StudyError as error:
            refused = str(error)
        failed = load_failed(shelf / family, lora)
        assert bool(refused) == bool(failed), (lora.name, family, refused, failed)


def test_a_lora_of_another_family_is_said_in_words(shelf):
    for family, lora, why in (
        ("sd15", "flux", "it adapts a transformer, and StableDiffusionPipeline has a unet"),
        ("flux", "sd15", "it adapts a unet, and FluxPipeline has a transformer"),
    ):
        with pytest.raises(StudyError, match=why):
            loras.check(str(shelf / f"{lora}.safetensors"), models.find(str(shelf / family)))


def test_a_model_given_as_a_lora_is_said_to_be_none(shelf):
    with pytest.raises(StudyError, match="holds no LoRA"):
        loras.check(str(shelf / "sd15/unet/diffusion_pytorch_model.safetensors"), models.find(str(shelf / "sd15")))


@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, -1])
def test_weights_that_are_cut_off_anywhere_are_damaged(shelf, tmp_path, kept):
    whole = (shelf / "sd15.safetensors").read_bytes()
    file = tmp_path / "cut.safetensors"
    file.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(EngineError, match=r"Fetch the file again|Convert it"):
        loras.check(str(file), models.find(str(shelf / "sd15")))
