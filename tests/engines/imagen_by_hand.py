"""imagen-pytorch by hand, in an interpreter that has it: a tiny model, and pictures by direct calls of the package.

    python imagen_by_hand.py FOLDER FILE JSON ...    writes a model of two stages, 16 and 32 pixels, a T5 of one layer,
                                                     and trained.pt as ImagenTrainer.save writes it, with averages;
                                                     draws a picture for each JSON with `Imagen.sample` and writes its
                                                     bytes into FILE.0, FILE.1 ...

Needs no Teststrip: what the engine does is held against what this file does.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

UNET = {
    "dim": 8,
    "dim_mults": [1, 2],
    "cond_dim": 16,
    "text_embed_dim": 32,
    "attn_heads": 2,
    "attn_dim_head": 8,
    "attn_pool_num_latents": 4,
    "max_text_len": 16,
    "layer_attns": [False, True],
    "layer_cross_attns": [False, True],
}
CONFIG = {
    "type": "original",
    "unets": [UNET, UNET],
    "image_sizes": [16, 32],
    "timesteps": [4, 3],
    "text_embed_dim": 32,
}


def package() -> Any:
    """The package's module, by the recipe of its users: no hub, no trainer, no torchvision."""
    from transformers import T5Config, T5EncoderModel  # noqa: F401 - before torchvision is stood in for

    whole = ModuleType("imagen_pytorch")
    whole.__spec__ = found = find_spec("imagen_pytorch")
    whole.__path__ = list(found.submodule_search_locations)
    sys.modules["imagen_pytorch"] = whole
    import imagen_pytorch.t5 as t5

    t5.T5_CONFIGS[t5.DEFAULT_T5_NAME] = {"config": T5Config(d_model=768)}
    for name in () if find_spec("torchvision") else ("torchvision", "torchvision.transforms"):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    import imagen_pytorch.imagen_pytorch as imagen

    return imagen


def made(config: dict[str, Any]) -> Any:
    source = package()
    arguments = {key: value for key, value in config.items() if key not in ("type", "unets")}
    return source.Imagen([source.Unet(**unet) for unet in config["unets"]], **arguments).eval()


def build(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(0)
    model = made(CONFIG)
    with torch.no_grad():  # a fresh model has layers of zeros, and neither text nor guidance would change a picture
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁an", -1.5), ("▁owl", -1.5)]
    pieces += [(chr(code), -4.0) for code in range(33, 127)]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=256)
    width = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
    encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, **width)).eval()
    encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "text_encoder")


def checkpoint(folder: Path) -> None:
    """The model with weights that are a little off, and its own as their average."""
    import torch
    from safetensors.torch import load_file

    state = load_file(folder / "model.safetensors")
    ema: dict[str, Any] = {}
    for name, tensor in state.items():
        _, number, rest = name.split(".", 2)
        ema[f"{number}.ema_model.{rest}"] = tensor
        ema[f"{number}.online_model.{rest}"] = tensor * 1.1
        ema[f"{number}.initted"] = torch.tensor([True])
    saved = {
        "model": OrderedDict((name, tensor * 1.1) for name, tensor in state.items()),
        "version": "2.1.0",
        "steps": torch.tensor([5, 5]),
        "optim0": {"state": {0: {"step": torch.tensor(5.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.99)}]},
        "ema": OrderedDict(ema),
        "imagen_type": "original",
        "imagen_params": {
            **{key: value for key, value in CONFIG.items() if key not in ("type", "text_embed_dim")},
            "video": False,
            "text_encoder_name": "google/t5-v1_1-base",
            "channels": 3,
            "cond_drop_prob": 0.1,
        },
    }
    torch.save(saved, folder / "trained.pt")


def draw(folder: Path, file: Path, asked: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, T5EncoderModel

    model = made(json.loads((folder / "config.json").read_text()))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.eval()
    for schedule, steps in zip(model.noise_schedulers, asked.pop("timesteps", [4, 3]), strict=True):
        schedule.num_timesteps = steps
    model.dynamic_thresholding = (asked.pop("dynamic_thresholding", True),) * 2
    model.dynamic_thresholding_percentile = asked.pop("dynamic_thresholding_percentile", 0.95)
    tokens = AutoTokenizer.from_pretrained(folder / "text_encoder")(asked.pop("prompt"), return_tensors="pt")
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder").eval()
    with torch.no_grad():
        embeddings = encoder(**tokens).last_hidden_state
    torch.manual_seed(asked.pop("seed"))
    (picture,) = model.sample(text_embeds=embeddings, use_tqdm=False, **asked)
    pixels = picture.mul(255).byte()  # as torchvision's ToPILImage, which the package uses
    file.write_bytes(pixels.permute(1, 2, 0).contiguous().numpy().tobytes())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    build(folder)
    checkpoint(folder)
    for number, line in enumerate(sys.argv[3:]):
        draw(folder, Path(f"{sys.argv[2]}.{number}"), json.loads(line))
