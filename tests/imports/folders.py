"""Folders of pictures as people have them: a grid of A1111, and downloads of Midjourney."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
from tests.imports import files

from teststrip.engines.pattern import draw
from teststrip.pictures import encode_png

PROMPTS = ("an owl", "a cat", "a boat", "a moon", "a tree", "a house")
USER = "anna_k99"


def drawn(prompt: str, seed: int, *, steps: int = 20, guidance: float = 7.0) -> bytes:
    pixels = draw(
        prompt=prompt,
        negative_prompt="",
        seed=seed,
        guidance_scale=guidance,
        steps=steps,
        scheduler="DDIMScheduler",
        size=(24, 24),
    )
    return encode_png(np.ascontiguousarray(pixels))


def with_texts(data: bytes, **texts: str) -> bytes:
    chunks = b"".join(files.text(keyword, text) for keyword, text in texts.items())
    return data[:33] + chunks + data[33:]


def a1111(
    prompt: str, seed: int | str, *, steps: int = 20, cfg: float = 7.0, more: str = "", draw_seed: int = 0
) -> bytes:
    """A picture of A1111; `more` is put at the end of its settings."""
    text = f"{prompt}\nNegative prompt: blurry\nSteps: {steps}, Sampler: Euler a, CFG scale: {cfg:g}, Seed: {seed}"
    number = draw_seed or int(seed) % 2**32
    return with_texts(drawn(prompt, number, steps=steps, guidance=cfg), parameters=f"{text}, Size: 24x24{more}")


def grid(folder: Path, prompts: tuple[str, ...] = PROMPTS, seeds: tuple[int, ...] = (1, 2, 3)) -> Path:
    """Two numbers of steps and two guidances, each prompt with the same seeds."""
    folder.mkdir(parents=True)
    places = [(p, s, n, c) for p in prompts for s in seeds for n in (5, 40) for c in (3.0, 9.0)]
    for number, (prompt, seed, steps, cfg) in enumerate(places):
        (folder / f"{number:05}.png").write_bytes(a1111(prompt, seed, steps=steps, cfg=cfg))
    return folder


def midjourney(folder: Path, prompts: tuple[str, ...] = PROMPTS, stylizes: tuple[int, ...] = (0, 250)) -> Path:
    """A job of four pictures for each prompt and value of stylize, under names that begin with the user's."""
    folder.mkdir(parents=True)
    for prompt in prompts:
        for stylize in stylizes:
            job = str(uuid.UUID(hashlib.md5(f"{prompt} {stylize}".encode()).hexdigest()))
            for index in range(4):
                seed = int.from_bytes(hashlib.sha256(f"{job}{index}".encode()).digest()[:4], "big")
                data = with_texts(
                    drawn(prompt, seed, guidance=3 + stylize / 50),
                    Description=f"{prompt} --ar 1:1 --stylize {stylize} --v 7 Job ID: {job}",
                    Author=USER,
                )
                (folder / f"{USER}_{prompt.replace(' ', '_')}_{job}_{index}.png").write_bytes(data)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file, by its name from the folder on."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
