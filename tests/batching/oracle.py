"""The plain call: what a merged one is compared with. Written against Diffusers alone, nothing of batching."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import diffusers
import torch
from tests import tiny_pipelines

from teststrip.batching import Batcher, Call, Done
from teststrip.batching.streams import global_seed

diffusers.logging.set_verbosity_error()  # schedulers list each setting that they do not know

PROMPTS = ("an owl", "a flying car against a futuristic city", "")


@cache
def pipeline(family: str) -> Any:
    """One of each family for all tests of a session."""
    return tiny_pipelines.build(family)


def scheduler(pipe: Any, name: str | None) -> Callable[[], Any] | None:
    """A factory from the pipeline's own configuration; None = its own scheduler."""
    return None if name is None else lambda: getattr(diffusers, name).from_config(pipe.scheduler.config)


def call(
    family: str, guidance: float, steps: int, prompt: int, seed: int, sampler: str | None = None, **kwargs: Any
) -> Call:
    """A call whose key says all about it."""
    side = {} if family in ("sd15", "sd21") else {"height": 32, "width": 32}
    asked = {"prompt": PROMPTS[prompt], "guidance_scale": guidance, "num_inference_steps": steps, "output_type": "pt"}
    key = (family, guidance, steps, prompt, seed, sampler)
    return Call(key, asked | side | kwargs, seed, scheduler(pipeline(family), sampler), length=steps)


def plain(pipe: Any, asked: Call) -> torch.Tensor:
    """The picture of the pipeline called as its users call it, [1, 3, H, W] in 0..1."""
    own = copy.copy(pipe)
    own.scheduler = asked.scheduler() if asked.scheduler else type(pipe.scheduler).from_config(pipe.scheduler.config)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(global_seed(asked.seed))  # DPM++ SDE draws from the global generator
        return own(**asked.kwargs, generator=torch.Generator().manual_seed(asked.seed)).images


_plain: dict[Any, torch.Tensor] = {}


def remembered(asked: Call) -> torch.Tensor:
    """`plain`, once for each key of `call`."""
    if asked.key not in _plain:
        _plain[asked.key] = plain(pipeline(asked.key[0]), asked)
    return _plain[asked.key]


def levels(one: torch.Tensor, two: torch.Tensor) -> int:
    """The largest difference of two pictures, in levels of 255."""
    return int(((one * 255).round() - (two * 255).round()).abs().max())


def made(batcher: Batcher, calls: list[Call]) -> dict[Any, torch.Tensor]:
    """All pictures by key; every call must have come to its end."""
    answers = list(batcher.run(calls))
    assert all(isinstance(answer, Done) for answer in answers), answers
    return {answer.call.key: answer.output for answer in answers}
