"""Learning rates by samples seen, and running averages of weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def cosine(seen: int, planned: int, rate: float, *, warmup: int, least: float) -> float:
    """The rate after `seen` of `planned` samples: a linear start, then a half cosine down to `least` of `rate`."""
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, seen / planned)))
    return rate * min(1.0, (seen + 1) / warmup) * (least + (1 - least) * fall)


@torch.no_grad()
def average_into(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], keep: float) -> None:
    """Move each average towards its weight, keeping the share `keep` of it."""
    torch._foreach_lerp_([average[name] for name in weights], list(weights.values()), 1 - keep)
