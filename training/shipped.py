"""Lays the shipped files into an empty working folder as checkpoints, so that a further training starts from them.

    TESTSTRIP_TRAINING=another-folder TESTSTRIP_RECIPE=training/wide.toml python -m training.shipped

Knows the form of each stage's checkpoint. Nothing counts as seen: the further training's samples are its own.
"""

import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel

from training import autoencoder, denoiser, scorer, tokenizer
from training.progress import save_checkpoint
from training.settings import MODELS, work


def lay_tokenizer() -> None:
    for path in (MODELS / "emoji" / "tokenizer").iterdir():
        shutil.copy(path, tokenizer.FOLDER)


def lay_autoencoder() -> None:
    vae = AutoencoderKL.from_pretrained(MODELS / "emoji" / "vae")
    state = {"average": vae.state_dict(), "deviation": 1 / vae.config.scaling_factor}
    save_checkpoint(state, autoencoder.checkpoint_path("decoder"))


def lay_scorer() -> None:
    model = CLIPModel.from_pretrained(MODELS / "emoji-scorer", dtype=torch.float32)
    weights = model.state_dict()
    save_checkpoint({"model": weights, "average": weights, "seen": 0}, scorer.checkpoint_path("second"))


def lay_denoiser() -> None:
    unet = UNet2DConditionModel.from_pretrained(MODELS / "emoji" / "unet")
    text = CLIPTextModel.from_pretrained(MODELS / "emoji" / "text_encoder", dtype=torch.float32)
    weights = denoiser.Flat((unet, text)).weights.detach()
    save_checkpoint({"weights": weights, "average": weights, "seen": 0}, work("checkpoints", denoiser.CHECKPOINT))


def main() -> None:
    """Run the stage."""
    if tokenizer.exists():
        raise SystemExit("The working folder holds a training already. Name an empty one in TESTSTRIP_TRAINING.")
    for lay in (lay_tokenizer, lay_autoencoder, lay_scorer, lay_denoiser):
        lay()


if __name__ == "__main__":
    main()
