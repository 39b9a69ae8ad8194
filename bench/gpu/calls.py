"""Calls of tiny pipelines of every family, plain calls beside them, and how far two pictures are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from bench.gpu.sections import Setup
from tests import tiny_families
from tests import tiny_pipelines as tiny
from tests.batching.oracle import plain

from teststrip.batching import Call, Done, FailedCall

FAMILIES = (*tiny.FAMILIES, *tiny_families.BUILDERS)
SMALL = ("flux",)
"""The families of a reduced run."""

Forward = Callable[[int], Any]
"""Computes a forward of so many rows."""

PROMPTS = ("an owl", "a flying car against a futuristic city", "")


def pipeline(family: str, setup: Setup, dtype: str) -> Any:
    """A tiny pipeline on the device, in a format."""
    return setup.ready(tiny.build(family).to(setup.device, getattr(torch, dtype)))


def call(family: str, number: int) -> Call:
    """The call of this number: prompt, guidance, steps and seed differ from number to number."""
    side = tiny.SIDE.get(family) or tiny_families.SIDES.get(family, tiny_families.SIDE)
    steps = 2 + number % 3
    asked = {
        "prompt": PROMPTS[number % 3],
        "guidance_scale": (5.0, 7.5)[number % 2],
        "num_inference_steps": steps,
        "width": side,
        "height": side,
        "output_type": "pt",
    }
    for name, value in tiny_families.ASKED.get(family, {}).items():
        asked[name] = None if value == "none" else value
        if name == "guidance_scale" and value is None:
            del asked[name]
    if family == "sana_sprint":  # it is made for two steps
        asked["num_inference_steps"] = 2
    return Call((family, number), asked, seed=100 + number, length=2 * steps)


def merged(setup: Setup, pipe: Any, calls: Sequence[Call], **options: Any) -> tuple[dict[Any, torch.Tensor], Any]:
    """All pictures of these calls by key, made at once, and the counts of the batcher.

    Raises:
        Exception: what a call raised.
    """
    batcher = setup.batcher(pipe, **options)
    pictures = {}
    for answer in map(done, batcher.run(calls)):
        pictures[answer.call.key] = answer.output
    return pictures, batcher.counts


def done(answer: Any) -> Done:
    """The answer of a call that was made.

    Raises:
        Exception: what the call raised.
    """
    if isinstance(answer, FailedCall):
        raise answer.error
    assert isinstance(answer, Done), answer
    return answer


def one_by_one(pipe: Any, calls: Sequence[Call]) -> dict[Any, torch.Tensor]:
    """The pictures of plain calls, as the pipeline's users make them."""
    return {call.key: plain(pipe, call) for call in calls}


def apart(one: dict[Any, torch.Tensor], two: dict[Any, torch.Tensor]) -> tuple[int, float]:
    """The largest difference of pictures in levels of 255, and the share of subpixels that differ by more than one."""
    worst, more, count = 0, 0, 0
    for key, picture in one.items():
        difference = ((picture.float() * 255).round() - (two[key].float() * 255).round()).abs()
        worst = max(worst, int(difference.max()))
        more += int((difference > 1).sum())
        count += difference.numel()
    return worst, more / count


def denoiser(setup: Setup, pipe: Any, side: int) -> Forward:
    """A forward of a pipeline's U-Net, with what the pipeline would pass."""
    unet = pipe.unet
    words = pipe.encode_prompt(
        "an owl", device=setup.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    named: dict[str, Any] = {}
    if unet.config.addition_embed_type == "text_time":
        sizes = torch.tensor([[side, side, 0, 0, side, side]], device=setup.device, dtype=unet.dtype)
        named = {"text_embeds": words[2], "time_ids": sizes}
    text = words[0]
    latents = torch.ones(1, unet.config.in_channels, side // pipe.vae_scale_factor, side // pipe.vae_scale_factor)
    latents = latents.to(setup.device, unet.dtype)

    def forward(number: int) -> Any:
        repeated = {name: value.repeat(number, 1) for name, value in named.items()}
        return unet(
            latents.repeat(number, 1, 1, 1),
            torch.full((number,), 500.0, device=setup.device),
            encoder_hidden_states=text.repeat(number, 1, 1),
            added_cond_kwargs=repeated or None,
            return_dict=False,
        )

    return forward


Narrowed = Callable[..., Any]


def narrow(model: Any, most: int) -> Narrowed:
    """A denoiser with memory for so many rows, where no card is there to be filled."""

    def forward(sample: Any, *rest: Any, **named: Any) -> Any:
        if len(sample) > most:
            raise torch.OutOfMemoryError("out of memory")
        return model(sample, *rest, **named)

    return forward
