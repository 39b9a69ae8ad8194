"""Studies with scores whose truth is known, as plain columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Cell = tuple[float | str, ...]
SEED_STUDY = {"guidance_scale": (6.0, 7.0, 8.0, 9.0), "num_inference_steps": (50.0, 100.0, 150.0, 200.0)}
"""The axes of the study this project began with."""


def study(
    prompts: int,
    replicates: int,
    axes: Mapping[str, Sequence[float | str]],
    truth: Callable[[Cell], float] = lambda _cell: 0.0,
    *,
    seed: int = 0,
    missing: float = 0.0,
    interaction: float = 0.2,
) -> dict[str, list[Any]]:
    """Columns of a study with SD 2 between prompts, 1 between seeds, 0.5 of an image; score is `truth` of the cell."""
    rng = np.random.default_rng(seed)
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], **{a: [] for a in axes}, "missing": [], "score": []}
    height = 2 * rng.standard_normal((prompts, 1)) + np.sqrt(0.75) * rng.standard_normal((prompts, replicates))
    for cell in itertools.product(*axes.values()):
        own = interaction * rng.standard_normal(prompts)
        for p, r in np.ndindex(prompts, replicates):
            gone = rng.random() < missing
            score = height[p, r] + own[p] + 0.5 * rng.standard_normal() + truth(cell)
            row = (f"p{p}", r, *cell, "refused" if gone else None, np.nan if gone else float(score))
            for name, value in zip(table, row, strict=True):
                table[name].append(value)
    steps = table.get("num_inference_steps", [1.0] * len(table["prompt"]))
    guidance = table.get("guidance_scale", [1.0] * len(steps))
    table["denoiser_calls"] = [s * (2 if g > 1 else 1) for s, g in zip(steps, guidance, strict=True)]
    table["seconds"] = [0.05 * calls for calls in table["denoiser_calls"]]
    return table
