"""Stage 6: the model folders as they are shipped, in fp16, with what is needed to load them without Teststrip.

Knows the layout of src/teststrip/models; nothing of training. Needs a checkpoint of every part.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from training import autoencoder, denoiser, scorer, tokenizer
from training.progress import Log
from training.settings import MODELS, recipe


def pipeline() -> StableDiffusionPipeline:
    """The pipeline as far as it is trained, in float32."""
    unet, text, _ = denoiser.load()
    result = StableDiffusionPipeline(
        vae=autoencoder.load(), text_encoder=text, tokenizer=tokenizer.load(), unet=unet,
        scheduler=denoiser.scheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    result.set_progress_bar_config(disable=True)
    return result


def _tidy(folder: Path) -> None:
    """Make the configurations say nothing of this machine, and float32 where they name a precision.

    Transformers loads what is not told otherwise in the precision of its configuration, Diffusers in float32: with
    float16 there, a plain from_pretrained would give a pipeline of two precisions that cannot run.
    """
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        before = dict(content)
        content.pop("_name_or_path", None)
        for name in {"dtype", "torch_dtype"} & content.keys():
            content[name] = "float32"
        for part in (content.get("text_config"), content.get("vision_config")):
            if isinstance(part, dict) and "dtype" in part:
                part["dtype"] = "float32"
        if content != before or "text_config" in content:
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _prefix_text_weights(path: Path) -> None:
    """Name the weights as Transformers 4 does; version 5 reads both."""
    weights = load_file(path)
    named = {name if name.startswith("text_model.") else f"text_model.{name}": value for name, value in weights.items()}
    save_file(named, path, metadata={"format": "pt"})


def write_tokenizer(folder: Path) -> None:
    """The tokenizer's own files: old and new versions of Transformers read them, tokenizer.json only the new."""
    (folder / "tokenizer.json").unlink(missing_ok=True)
    shutil.copytree(tokenizer.FOLDER, folder, dirs_exist_ok=True)


def write_pipeline(folder: Path) -> None:
    """The StableDiffusionPipeline folder."""
    shutil.rmtree(folder, ignore_errors=True)
    pipeline().to(torch.float16).save_pretrained(folder, safe_serialization=True)
    _prefix_text_weights(folder / "text_encoder" / "model.safetensors")
    write_tokenizer(folder / "tokenizer")
    _tidy(folder)


def write_scorer(folder: Path) -> None:
    """The CLIPModel folder, with its tokenizer and how pictures are prepared for it."""
    shutil.rmtree(folder, ignore_errors=True)
    scorer.load("second").half().save_pretrained(folder, safe_serialization=True)
    write_tokenizer(folder)
    side = recipe("scorer").pixels
    preprocessing = {
        "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
        "do_convert_rgb": True, "do_resize": True, "size": {"height": side, "width": side},
        "resample": 2, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": scorer.MEAN.flatten().tolist(), "image_std": scorer.DEVIATION.flatten().tolist(),
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n", encoding="utf-8")
    _tidy(folder)


def main() -> None:
    """Run the stage; with an argument, into that folder instead of the package."""
    target = Path(sys.argv[1]) if len(sys.argv) == 2 else MODELS
    log = Log("export")
    write_pipeline(target / "emoji")
    write_scorer(target / "emoji-scorer")
    for path in sorted(target.rglob("*")):
        if path.is_file():
            path.chmod(0o644)  # safetensors are written for their owner alone
            log(f"{path.stat().st_size:>10,} bytes {path.relative_to(target)}")


if __name__ == "__main__":
    main()
