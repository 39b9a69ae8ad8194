"""DALL·E minis of the real architecture, made tiny, with weights that are the same on every machine.

`save(folder)` writes a whole model folder in tens of kilobytes. The numbers come from PCG64's raw bits, which NumPy
promises to keep. The vocabulary holds the letters, and a few merges.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from teststrip.dalle_mini.sizes import MINI, MODEL_TYPE, Sizes, tensors

TINY = Sizes(
    text_vocab=60,
    text_tokens=24,
    image_vocab=40,
    start_token=40,
    grid=4,
    layers=2,
    heads=2,
    width=16,
    glu=24,
    codes=32,
    code_width=8,
    detokenizer_widths=(8, 16),
    groups=4,
)
PUBLISHED_SHAPE = replace(MINI, text_vocab=60, start_token=2**14 - 1, layers=2, heads=2, width=32, glu=48)
"""The encoder and decoder are tiny; the sizes that min-dalle does not take as arguments are the published ones."""
TOKENS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "\u0120",
    *"abcdefghijklmnopqrstuvwxyz0123456789_-,.",
    "\u0120o",
    "wl",
    "\u0120owl",
)
MERGES = ("\u0120 o", "w l", "\u0120o wl")


def weights(sizes: Sizes = TINY) -> dict[str, dict[str, torch.Tensor]]:
    """All tensors by part: norms are nearly the identity, and the other numbers keep the size of what they see."""
    return {part: {name: tensor(name, shape) for name, shape in all_.items()} for part, all_ in tensors(sizes).items()}


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    raw = np.random.PCG64(zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    even = (raw >> np.uint64(40)).astype(np.float32) / 2**23 - 1  # -1..1
    if len(shape) == 1:
        found = 1 + even / 4 if name.endswith("weight") else even / 4
    else:
        inside = 1 if "embed" in name else int(np.prod(shape[1:]))
        found = even * np.float32((1 if "lm_head" in name else 1.7) / np.sqrt(inside))
    return torch.from_numpy(found.reshape(shape).astype(np.float32))


def config(sizes: Sizes = TINY) -> dict[str, object]:
    """The content of config.json."""
    return {"model_type": MODEL_TYPE, **asdict(sizes)}


def save(folder: Path, sizes: Sizes = TINY, given: Mapping[str, Mapping[str, torch.Tensor]] | None = None) -> Path:
    """A model folder; the given parts are written in the place of those of `weights`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(sizes)), "utf-8")
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]), "utf-8")
    for part, all_ in {**weights(sizes), **(given or {})}.items():
        save_file(dict(all_), folder / f"{part}.safetensors")
    return folder
