"""Tiny models of imagen-pytorch: a real one where an interpreter has the package, and folders that only look like one.

The package must never be installed with its dependencies: the torchvision that comes with them breaks transformers.

    pip install --no-deps imagen-pytorch==2.1.0 einops==0.8.2 beartype==0.23.1 kornia==0.9.0 kornia_rs==0.2.0 tqdm

`TESTSTRIP_IMAGEN_PYTHON` may name another interpreter than the one that runs the tests, as for the engine.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from teststrip.engines.imagen import INSTALL, VARIABLE

BY_HAND = Path(__file__).parent / "engines" / "imagen_by_hand.py"
OF_DEV = "importlinter"
"""A package that the extra `dev` alone brings."""

UNET = {"dim": 8, "dim_mults": [1, 2], "cond_dim": 16, "max_text_len": 16}
CONFIG = {"type": "original", "unets": [UNET, UNET], "image_sizes": [16, 32], "timesteps": [4, 3], "text_embed_dim": 32}

CALLS: list[dict[str, Any]] = [
    {},
    {"cond_scale": 3.0},
    {"cond_scale": (3.0, 1.0)},
    {"timesteps": (2, 2)},
    {"timesteps": (7, 3)},
    {"dynamic_thresholding": False},
    {"dynamic_thresholding_percentile": 0.5},
    {"cond_scale": 3.0, "cfg_remove_parallel_component": False},
    {"cond_scale": 3.0, "cfg_keep_parallel_frac": 0.5},
    {"lowres_sample_noise_level": 0.8},
    {"stop_at_unet_number": 1},
]
"""Of the package, by its arguments and attributes. Each makes another picture."""


def interpreter(has: Callable[[str], object] = find_spec) -> str:
    """The interpreter that has imagen-pytorch; "" = there is none.

    Args:
        has: whether a package is installed here.
    """
    if named := os.environ.get(VARIABLE):
        return named
    wanted = ("imagen_pytorch", "einops", "beartype", "kornia", "kornia_rs", "tqdm", "torch", "transformers")
    return sys.executable if all(has(name) for name in wanted) else ""


def needed(has: Callable[[str], object] = find_spec) -> str:
    """The interpreter that has imagen-pytorch. Where there is none, the test fails; without the extra `dev` it skips.

    `make test` installs both, so in CI no test of the package is left out unseen.

    Args:
        has: whether a package is installed here.
    """
    if found := interpreter(has):
        return found
    why = f"no imagen-pytorch here, which `make test` installs: {INSTALL}"
    if has(OF_DEV):
        pytest.fail(why)
    pytest.skip(why)


def by_hand(*words: str) -> None:
    """Run the package by hand in its interpreter."""
    done = subprocess.run(
        [interpreter(), str(BY_HAND), *words],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@cache
def model() -> Path:
    """A model of 300,000 random weights, made once a session, with the pictures of `CALLS` beside it.

    One process does both, because it takes seconds to import the package.
    """
    folder = Path(tempfile.mkdtemp(prefix="teststrip-imagen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    asked = [json.dumps({"prompt": "an owl at night", "seed": 2**32 - 1, **call}) for call in CALLS]
    by_hand(str(folder / "model"), str(folder / "raw"), *asked)
    return folder / "model"


def pictures() -> list[bytes]:
    """The pixels of `CALLS`, as the package itself draws them with the model."""
    return [(model().parent / f"raw.{number}").read_bytes() for number in range(len(CALLS))]


def looks_like_one(folder: Path, config: dict[str, Any] | None = None, width: int = 32, stages: int = 2) -> Path:
    """A folder with the configurations and headers of a model, whose weights are none."""
    (folder / "text_encoder").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    names = {f"unets.{number}.text_to_cond.weight": [16, width] for number in range(stages)}
    safetensors(folder / "model.safetensors", names)
    (folder / "text_encoder" / "config.json").write_text(json.dumps({"model_type": "t5", "d_model": width}))
    (folder / "text_encoder" / "tokenizer.json").write_text("{}")
    safetensors(folder / "text_encoder" / "model.safetensors", {"shared.weight": [4, width]})
    return folder


def safetensors(file: Path, shapes: dict[str, list[int]]) -> None:
    """A file of zeros with these tensors."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def program(file: Path, *words: str) -> str:
    """An interpreter of our own: a file that starts `words` with what it is given."""
    quoted = " ".join(f"'{word}'" for word in words)
    file.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    file.chmod(0o755)
    return str(file)
