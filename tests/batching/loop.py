"""The least that a pipeline can be: a loop over a denoiser that does next to nothing. For counting, not for looking."""

from __future__ import annotations

from typing import Any

import torch

from teststrip.batching import Call


class Halve(torch.nn.Module):
    """A denoiser of one operation."""

    def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
        return (sample * 0.5,)


class Loop:
    """A pipeline of `steps` denoiser calls with one row, or two where there is guidance."""

    def __init__(self) -> None:
        self.unet = Halve()
        self.scheduler = None

    def __call__(self, *, steps: int, guidance: float, generator: torch.Generator) -> tuple[torch.Tensor]:
        latents = torch.randn(1, 4, generator=generator)
        rows = 2 if guidance > 1 else 1
        for step in range(steps):
            answer = self.unet(torch.cat([latents] * rows), step, return_dict=False)[0]
            latents = latents - 0.1 * answer[:1]
        return (latents,)


def calls(settings: list[tuple[int, float]]) -> list[Call]:
    """One call for each (steps, guidance)."""
    return [
        Call(key, {"steps": steps, "guidance": guidance}, seed=key, length=steps)
        for key, (steps, guidance) in enumerate(settings)
    ]


def seeds_study(scale: float = 1.0) -> list[tuple[int, float]]:
    """The study that the project began with, in the order of its plan: 4 guidance x 4 step counts x 5 prompts x 6."""
    return [
        (int(steps * scale), guidance)
        for guidance in (6.0, 7.0, 8.0, 9.0)
        for steps in (50, 100, 150, 200)
        for _ in range(30)
    ]


def fill(settings: list[tuple[int, float]], rows: int, **options: Any) -> float:
    """Real rows among all rows of the forwards that these calls need."""
    from teststrip.batching import Batcher

    batcher = Batcher(Loop(), rows=rows, **options)
    for _ in batcher.run(calls(settings)):
        pass
    return batcher.counts.fill
