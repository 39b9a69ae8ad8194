"""What stands in for models and files that the studies in `examples/studies/` name: real classes, tiny, random weights.

Nothing is fetched. `placed` puts the path of a stand-in where a study names a model of the hub or a file of its user.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

MODELS: Final[Mapping[str, tuple[str, int]]] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ("sd15", 0),
    "stabilityai/stable-diffusion-2-1": ("sd21", 0),
    "stabilityai/stable-diffusion-xl-base-1.0": ("sdxl", 0),
    "stabilityai/sdxl-turbo": ("sdxl_turbo", 0),
    "stabilityai/stable-diffusion-3.5-medium": ("sd3", 0),
    "stabilityai/stable-diffusion-3.5-large": ("sd3", 1),
    "black-forest-labs/FLUX.1-schnell": ("flux", 1),
    "black-forest-labs/FLUX.1-dev": ("flux", 0),
    "black-forest-labs/FLUX.2-klein-4B": ("flux2_klein", 0),
    "Tongyi-MAI/Z-Image-Turbo": ("z_image", 0),
    "Qwen/Qwen-Image": ("qwen_image", 0),
    "fal/AuraFlow-v0.3": ("auraflow", 0),
    "Efficient-Large-Model/Sana_1600M_1024px_diffusers": ("sana", 0),
    "Alpha-VLLM/Lumina-Image-2.0": ("lumina2", 0),
    "lodestones/Chroma1-HD": ("chroma", 0),
}
"""The family of `tests.tiny_pipelines` and the seed of its weights, by the name of a hub model."""


class StandIns:
    """Stand-ins in a folder, each made when it is asked for the first time.

    Args:
        root: of what is made.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, str] = {}

    def placed(self, value: Any) -> Any:
        """The same tables, lists and texts, where each name of a model or a file is the path of its stand-in."""
        if isinstance(value, dict):
            return {key: self.placed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.placed(inner) for inner in value]
        return NAMED.sub(lambda match: self._path(match[0]), value) if isinstance(value, str) else value

    def _path(self, name: str) -> str:
        if name not in self._made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Diffusers says of its own classes
                self._made[name] = str(MAKERS[name](self._root / re.sub(r"[^\w.-]", "-", name)))
        return self._made[name]


def _model(family: str, seed: int, place: Path) -> Path:
    from tests import tiny_pipelines as tiny

    return tiny.save(family, place, seed)


def _lora(family: str, seed: int, place: Path) -> Path:
    """A LoRA on the attention of a family's denoiser, strong enough to change pictures."""
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    from tests import tiny_pipelines as tiny

    pipe = tiny.build(family)
    part = "unet" if hasattr(pipe, "unet") else "transformer"
    denoiser = getattr(pipe, part)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoiser.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(denoiser)
    type(pipe).save_lora_weights(place.parent, **{f"{part}_lora_layers": layers}, weight_name=place.name)
    return place


def _gguf(family: str, kind: str, place: Path) -> Path:
    """The transformer of a family in fewer bits."""
    from tests import tiny_gguf
    from tests import tiny_pipelines as tiny

    weights = tiny.build(family).transformer.state_dict()
    return tiny_gguf.write_gguf(place, weights, tiny_gguf.KINDS[kind])


MAKERS: Final[Mapping[str, Callable[[Path], Path]]] = {
    **{name: partial(_model, *family) for name, family in MODELS.items()},
    "Qwen-Image-Lightning-4steps-V1.0.safetensors": partial(_lora, "qwen_image", 0),
    "flux1-dev-Q4_0.gguf": partial(_gguf, "flux", "Q4_0"),
    "flux1-dev-Q8_0.gguf": partial(_gguf, "flux", "Q8_0"),
    "add-detail-sdxl.safetensors": partial(_lora, "sdxl", 1),
    "pencil-sketch-sdxl.safetensors": partial(_lora, "sdxl", 2),
}
NAMED: Final = re.compile("|".join(map(re.escape, sorted(MAKERS, key=len, reverse=True))))
