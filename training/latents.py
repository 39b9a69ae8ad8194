"""Stage 4: the latents of the training pictures and of the held-out compositions, [N, C, h, w] in fp16, scaled.

Needs the encoder only, so it runs as soon as that is frozen.
"""

import multiprocessing
from functools import cache

import numpy as np
import torch
from diffusers import AutoencoderKL

from training import autoencoder
from training.progress import Log
from training.settings import recipe, work

CHUNK = 1_000


@cache
def _vae() -> AutoencoderKL:
    torch.set_num_threads(1)
    return autoencoder.load()


@torch.no_grad()
def _encode(job: tuple[str, int]) -> np.ndarray:
    source, start = job
    pictures = np.load(work(source), mmap_mode="r")[start : start + CHUNK]
    parts = []
    for first in range(0, len(pictures), 25):
        z = autoencoder.encode(_vae(), autoencoder.pixels_of(pictures[first : first + 25]))
        parts.append((z * _vae().config.scaling_factor).half().numpy())
    return np.concatenate(parts)


def main() -> None:
    """Run the stage."""
    log = Log("latents")
    log(f"scaling factor {_vae().config.scaling_factor}")
    with multiprocessing.get_context("spawn").Pool(recipe("latents").workers) as pool:
        for source, target in (("held_out_pictures.npy", "held_out_latents"), ("pictures.npy", "latents")):
            count = len(np.load(work(source), mmap_mode="r"))
            chunks = []
            for chunk in pool.imap(_encode, [(source, start) for start in range(0, count, CHUNK)]):
                chunks.append(chunk)
                if len(chunks) % 10 == 0:
                    log(f"{target}: {len(chunks) * CHUNK} of {count}")
            latents = np.concatenate(chunks)
            np.save(work(f"{target}.npy"), latents)
            some = latents[:2000].astype(np.float32)
            log(f"{target} {latents.shape}, deviation {some.std():.3f}, of channels {some.std((0, 2, 3)).round(2)}")


if __name__ == "__main__":
    main()
