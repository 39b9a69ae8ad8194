"""Stage 2: the autoencoder, in three phases: `python -m training.autoencoder small`, then `both`, then `decoder`.

`small` trains all but the outermost level at half the size, where a picture costs half; `both` goes on from there at
full size; `decoder` trains the decoder alone. The last may go on beside the denoiser's training: latents depend on the
encoder only, which is frozen by then.

It is an AutoencoderKL because the Stable Diffusion pipeline warns about any other class, but it is trained
as a plain autoencoder: its variance is held so small that sampling from it changes nothing.
"""

import re
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.precision import quick
from training.progress import Log, load_checkpoint, save_checkpoint
from training.schedule import average_into, cosine
from training.settings import recipe, work

LOG_VARIANCE = -14.0
PHASES = ("small", "both", "decoder")


def build(phase: str = "both") -> AutoencoderKL:
    """An untrained autoencoder of the recipe's shape; in phase `small` without its outermost level."""
    s = recipe("autoencoder")
    channels = s.channels[1:] if phase == "small" else s.channels
    levels = len(channels)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=tuple(channels),
        latent_channels=s.latent_channels,
        layers_per_block=1,
        norm_num_groups=s.norm_groups,
        sample_size=pixels(phase),
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
    )
    quiet_variance(vae)
    return vae


def pixels(phase: str) -> int:
    """The side of the pictures a phase sees."""
    full = recipe("autoencoder").pixels
    return full // 2 if phase == "small" else full


@torch.no_grad()
def grow(vae: AutoencoderKL, small: dict[str, Tensor]) -> None:
    """Put the weights of phase `small` into the levels it has; where shapes differ, into the part they share."""
    last = len(vae.config.block_out_channels) - 1
    target = vae.state_dict()
    for name, value in small.items():
        # the encoder's levels begin with the outermost, which `small` lacks; the decoder's end with it
        moved = re.sub(r"encoder\.down_blocks\.(\d)", lambda m: f"encoder.down_blocks.{int(m[1]) + 1}", name)
        outermost = name.startswith(("encoder.conv_in", "decoder.conv_out", "decoder.conv_norm_out"))
        if moved not in target or outermost or f"up_blocks.{last}" in moved:
            continue
        shared = tuple(slice(0, min(a, b)) for a, b in zip(value.shape, target[moved].shape, strict=True))
        target[moved][shared] = value[shared]


@torch.no_grad()
def quiet_variance(vae: AutoencoderKL) -> None:
    """Make the encoder's log variance a constant."""
    last = vae.encoder.conv_out
    last.weight[vae.config.latent_channels :] = 0
    last.bias[vae.config.latent_channels :] = LOG_VARIANCE


def checkpoint_path(phase: str) -> Path:
    return work("checkpoints", f"autoencoder-{recipe('autoencoder').name}-{phase}.pt")


def load() -> AutoencoderKL:
    """The autoencoder as far as it is trained, its scaling factor set."""
    vae = build()
    state = load_checkpoint(checkpoint_path("decoder")) or load_checkpoint(checkpoint_path("both"))
    if state is None:
        raise SystemExit("There is no autoencoder yet. Run: python -m training.autoencoder")
    vae.load_state_dict(state["average"])
    quiet_variance(vae)
    vae.register_to_config(scaling_factor=round(1 / state["deviation"], 4))
    return vae.eval()


def pixels_of(pictures: np.ndarray, phase: str = "both") -> Tensor:
    """Bytes [B, H, W, 3] to floats [B, 3, S, S] in -1..1 at the phase's size."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    factor = x.shape[-1] // pixels(phase)
    return functional.avg_pool2d(x, factor) if factor > 1 else x.contiguous()


def _edges(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction_loss(made: Tensor, wanted: Tensor, squared: float) -> Tensor:
    """L1, squared error and L1 of edges at two scales."""
    loss = functional.l1_loss(made, wanted) + squared * functional.mse_loss(made, wanted)
    for _ in range(2):
        for a, b in zip(_edges(made), _edges(wanted), strict=True):
            loss = loss + 0.5 * functional.l1_loss(a, b)
        made, wanted = functional.avg_pool2d(made, 2), functional.avg_pool2d(wanted, 2)
    return loss


def local_colours(x: Tensor, side: int) -> Tensor:
    """The mean colour of each latent's patch, standardised: what the first three latent channels are drawn to.

    Without this the latents learn light and one colour axis first, and after 5,000 pictures green is still brown.
    """
    return (functional.adaptive_avg_pool2d(x, side) - 0.5) / 0.55  # mean and deviation over the training pictures


def encode(vae: AutoencoderKL, x: Tensor) -> Tensor:
    """The mean of the posterior, unscaled, in float32."""
    with quick():
        return vae.encoder(x)[:, : vae.config.latent_channels].float()


def decode(vae: AutoencoderKL, z: Tensor) -> Tensor:
    with quick():
        return vae.decoder(z).float()


@torch.no_grad()
def measure(vae: AutoencoderKL, x: Tensor) -> tuple[float, float, float, Tensor]:
    """PSNR in dB (mean over pictures, and of the mean squared error), deviation of the latents, reconstructions."""
    made, latents = [], []
    for part in x.split(16):
        latents.append(encode(vae, part))
        made.append(decode(vae, latents[-1]).clamp(-1, 1))
    made, z = torch.cat(made), torch.cat(latents)
    squared = ((made - x) ** 2).mean((1, 2, 3)) / 4
    return -10 * squared.log10().mean().item(), -10 * squared.mean().log10().item(), z.std().item(), made


def save_sheet(x: Tensor, made: Tensor, path: Path) -> None:
    """Pictures and under each its reconstruction."""
    both = torch.stack([x[:24].view(2, 12, *x.shape[1:]), made[:24].view(2, 12, *x.shape[1:])], 1)
    grid = ((both + 1) * 127.5).byte().flatten(0, 1).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    Image.fromarray(grid.contiguous().numpy()).save(path)


def main() -> None:
    """Run the stage, or go on with it."""
    phase = sys.argv[1] if len(sys.argv) == 2 else ""
    s = recipe("autoencoder")
    if phase not in PHASES:
        raise SystemExit(f"Which phase? Run: python -m training.autoencoder {', then '.join(PHASES)}")
    settings = getattr(s, phase)
    torch.set_num_threads(1)
    log = Log(f"autoencoder-{s.name}-{phase}")
    pictures = np.load(work("pictures.npy"), mmap_mode="r")
    held_out = pixels_of(np.load(work("held_out_pictures.npy"))[:96], phase)
    vae = load() if phase == "decoder" else build(phase)
    if phase == "both" and (small := load_checkpoint(checkpoint_path("small"))):
        grow(vae, small["average"])
    if phase == "decoder":
        vae.encoder.requires_grad_(False)
    trained = [p for p in vae.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings["rate"], betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    average = {name: value.clone() for name, value in vae.state_dict().items()}
    state = load_checkpoint(checkpoint_path(phase))
    seen = 0
    if state:
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, seen = state["average"], state["seen"]
    log(f"{sum(p.numel() for p in trained) / 1e6:.2f} M parameters, {seen} pictures seen")

    batch = settings["batch"]
    while seen < settings["pictures"]:
        step = seen // batch
        torch.manual_seed(s.seed + step)
        rows = np.random.default_rng([s.seed, step]).integers(0, len(pictures), batch)
        x = pixels_of(pictures[np.sort(rows)], phase)
        for group in optimizer.param_groups:
            group["lr"] = cosine(
                seen, settings["pictures"], settings["rate"], warmup=200 * batch, least=settings["least"]
            )
        z = encode(vae, x)
        made = decode(vae, z + s.latent_noise * torch.randn_like(z))
        loss = reconstruction_loss(made, x, settings["squared"])
        if phase != "decoder":  # the pipeline has a scale for latents but no shift, so their means must be near 0
            loss = loss + s.latent_penalty * (z**2).mean() + s.mean_penalty * (z.mean((0, 2, 3)) ** 2).mean()
            loss = loss + s.anchor_penalty * functional.mse_loss(z[:, :3], local_colours(x, z.shape[-1]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average_into(average, vae.state_dict(), min(0.998, step / (step + 20)))
        seen += batch
        if (step + 1) % settings["report_steps"] == 0 or seen >= settings["pictures"]:
            current = {name: value.clone() for name, value in vae.state_dict().items()}
            vae.load_state_dict(average)
            mean, pooled, deviation, made = measure(vae, held_out)
            vae.load_state_dict(current)
            log(f"{seen} pictures, loss {loss.item():.4f}, held out {mean:.2f} dB ({pooled:.2f} pooled), "
                f"latents {deviation:.3f}")  # fmt: skip
            save_sheet(held_out, made, work("sheets", f"autoencoder-{s.name}-{phase}.png"))
            save_checkpoint(
                {"model": current, "average": average, "optimizer": optimizer.state_dict(), "seen": seen,
                 "deviation": deviation}, checkpoint_path(phase))  # fmt: skip


if __name__ == "__main__":
    main()
