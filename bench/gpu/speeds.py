"""Sections that are numbers: rows a forward, images a second, memory at its peak, one forward of the largest models."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from bench.gpu import calls, models
from bench.gpu.checks import large_call
from bench.gpu.sections import LeftOut, Numbers, Part, Setup

from teststrip.batching import Call, Done
from teststrip.batching.width import LADDER

Forward = Callable[[int], Any]
"""Computes a forward of so many rows."""

CELL = 6
"""Images of a cell: one prompt, six seeds."""


def rows(setup: Setup) -> list[Part]:
    """How many rows are found, beside the milliseconds a row of each number."""
    if setup.small:
        return [("sdxl, tiny", lambda: _rows(setup, calls.pipeline("sdxl", setup, "float32"), 32))]
    return [
        (f"{name}, {side} px", lambda name=name, side=side: _rows(setup, models.pipeline(name, setup.device), side))
        for name, side in (("sd15", 512), ("sdxl", 1024))
    ]


def speed(setup: Setup) -> list[Part]:
    """Images a second: one call an image, cells of six, Teststrip, and the bare denoiser of the best number of rows."""
    kept: dict[str, Any] = {}

    def part(name: str, side: int, steps: int) -> Numbers:
        if name not in kept:
            kept.clear()
            setup.tidy()
            kept[name] = (
                calls.pipeline("sdxl", setup, "float32") if setup.small else models.pipeline(name, setup.device)
            )
        return _speed(setup, kept[name], side, steps)

    asked = (
        [("sdxl", 32, 2)]
        if setup.small
        else [(name, side, steps) for name in ("sd15", "sdxl") for side in (512, 1024) for steps in (4, 30)]
    )
    return [
        (f"{name}, {side} px, {steps} steps", lambda one=(name, side, steps): part(*one)) for name, side, steps in asked
    ]


def large(setup: Setup) -> list[Part]:
    """One forward of Flux' and of Z-Image's size, where the memory is there."""
    return [("z_image", lambda: _forward(setup, "z_image")), ("flux", lambda: _forward(setup, "flux"))]


def _rows(setup: Setup, pipe: Any, side: int) -> Numbers:
    asked = [large_call(number, side, 1) for number in range(8 if setup.small else 64)]
    # The length says that much is left to make, so that the whole ladder is worth its trials.
    long = [Call(one.key, one.kwargs, one.seed, length=100) for one in asked]
    batcher = setup.batcher(pipe, rows="auto", **recording(setup))
    answers = batcher.run(long)
    begin = time.perf_counter()
    first = next(answers)
    seconds = time.perf_counter() - begin
    assert isinstance(first, Done), first
    answers.close()
    (found,) = (width for shape, width in batcher.counts.widths.items() if shape.startswith("unet"))
    forward = denoiser(setup, pipe, side)
    each = ladder(setup, forward, found if setup.small else 2 * found)
    return {"found": found, "seconds to the first picture": round(seconds, 2), "milliseconds a row": each}


def ladder(setup: Setup, forward: Forward, most: int) -> dict[int, float]:
    """Milliseconds a row at each number of rows, the least of three; up to where memory ends."""
    each: dict[int, float] = {}
    with torch.inference_mode():
        for number in (one for one in LADDER if one <= most):
            try:
                taken = [_seconds(setup, lambda number=number: forward(number)) for _ in range(3)]
            except torch.OutOfMemoryError:
                break
            each[number] = round(1000 * min(taken) / number, 4)
    return each


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


def _speed(setup: Setup, pipe: Any, side: int, steps: int) -> Numbers:
    shared = {"num_inference_steps": steps, "width": side, "height": side, "output_type": "pt"}

    def alone(number: int) -> None:
        pipe(calls.PROMPTS[number % 3], guidance_scale=7.5, generator=_seeded(number), **shared)

    def cell(_: int) -> None:
        seeds = [_seeded(seed) for seed in range(CELL)]
        pipe(calls.PROMPTS[0], guidance_scale=7.5, num_images_per_prompt=CELL, generator=seeds, **shared)

    setup.tidy()
    alone(0)  # what libraries do once is done
    image = _seconds(setup, lambda: alone(1))
    few = max(1, min(8, int(setup.part_seconds / image)))
    many = max(2 * CELL, min(48, int(setup.part_seconds / image)))
    known: dict[str, int] = {}
    found: Numbers = {
        "images": {"one": few, "cells": 2 * CELL, "teststrip": many},
        "images a second": {},
        "peak MB": {},
    }

    def note(way: str, made: float, work: Callable[[], Any]) -> None:
        setup.tidy()
        seconds = _seconds(setup, work)
        found["images a second"][way] = round(made / seconds, 3)
        found["peak MB"][way] = setup.peak_megabytes()

    def teststrip(number: int) -> None:
        batcher = setup.batcher(pipe, rows="auto", known=known, **recording(setup))
        answers = list(batcher.run([large_call(one, side, steps) for one in range(number)]))
        assert all(isinstance(answer, Done) for answer in answers), answers
        found["teststrip"] = {
            "rows": max(answer.rows or 0 for answer in answers if isinstance(answer, Done)),
            "fill": round(batcher.counts.fill, 3),
            "seconds in the denoiser": round(batcher.counts.seconds, 3),
            "halved": batcher.counts.halved,
        }

    with torch.inference_mode():
        note("one", few, lambda: [alone(number) for number in range(few)])
        note("cells", 2 * CELL, lambda: [cell(number) for number in range(2)])
    find(setup, pipe, side, known)
    note("teststrip", many, lambda: teststrip(many))
    forward = denoiser(setup, pipe, side)
    each = ladder(setup, forward, LADDER[-1] if setup.cuda else 4)
    best = min(each, key=lambda number: each[number])
    forwards = max(1, 2 * steps * few // best)
    with torch.inference_mode():
        note("bare", forwards * best / (2 * steps), lambda: [forward(best) for _ in range(forwards)])
    pace = found["images a second"]
    found["best rows"] = best
    found["times"] = {way: round(pace["teststrip"] / pace[way], 3) for way in ("one", "cells", "bare")}
    return found


def find(setup: Setup, pipe: Any, side: int, known: dict[str, int]) -> None:
    """Let the rows be found before the clock runs, as for a study that was begun before."""
    asked = [large_call(number, side, 1) for number in range(8 if setup.small else 64)]
    long = [Call(one.key, one.kwargs, one.seed, length=100) for one in asked]
    answers = setup.batcher(pipe, rows="auto", known=known, **recording(setup)).run(long)
    next(answers)
    answers.close()


def recording(setup: Setup) -> dict[str, None]:
    """A reduced run records no forwards, which takes seconds and which a card never does."""
    return {"recording": None} if setup.small else {}


def _seconds(setup: Setup, work: Callable[[], Any]) -> float:
    setup.settle()
    begin = time.perf_counter()
    work()
    setup.settle()
    return time.perf_counter() - begin


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def _forward(setup: Setup, name: str) -> Numbers:
    """Of one and of two rows at 1024 px, in bfloat16."""
    weights = models.parameters(name)
    if setup.small:
        model, inputs = calls.pipeline(name, setup, "bfloat16").transformer, _tiny_inputs
    else:
        needed = 1.25 * 2 * weights  # the activations of two rows are less than a quarter of the weights
        free = torch.cuda.mem_get_info()[0] if setup.cuda else 0
        if free < needed:
            raise LeftOut(f"{needed / 1e9:.1f} GB of the card are needed, and {free / 1e9:.1f} are free")
        model, inputs = models.denoiser(name, setup.device), _inputs
    setup.settle()
    found: Numbers = {"parameters": weights, "seconds": {}}
    answers = {}
    with torch.inference_mode():
        for number in (1, 2):
            named = inputs(setup, name, number)
            model(**named)
            kept: list[Any] = []
            found["seconds"][number] = round(
                _seconds(setup, lambda named=named, kept=kept: kept.append(model(**named))), 4
            )
            answers[number] = kept[0][0]
    found["peak MB"] = setup.peak_megabytes()
    found["finite"] = all(bool(torch.isfinite(one).all()) for one in answers[2])
    found["bytes of a row alone are those of a row of two"] = bool(torch.equal(answers[1][0], answers[2][0]))
    return found


def _drawn(setup: Setup, *shape: int) -> torch.Tensor:
    """Random numbers whose first row does not depend on how many rows there are."""
    rows = [torch.randn(shape[1:], generator=_seeded(row)) for row in range(shape[0])]
    return torch.stack(rows).to(setup.device, torch.bfloat16)


def _inputs(setup: Setup, name: str, number: int) -> dict[str, Any]:
    if name == "z_image":
        return _of_z_image(setup, number, channels=16, side=128, words=128, width=2560)
    return _of_flux(setup, number, channels=64, side=64, words=512, width=4096, pooled=768)


def _tiny_inputs(setup: Setup, name: str, number: int) -> dict[str, Any]:
    if name == "z_image":
        return _of_z_image(setup, number, channels=4, side=8, words=32, width=32)
    return _of_flux(setup, number, channels=16, side=4, words=16, width=32, pooled=32)


def _of_z_image(setup: Setup, number: int, *, channels: int, side: int, words: int, width: int) -> dict[str, Any]:
    return {
        "x": list(_drawn(setup, number, channels, 1, side, side)),
        "t": torch.full((number,), 0.5, device=setup.device, dtype=torch.bfloat16),
        "cap_feats": list(_drawn(setup, number, words, width)),
        "return_dict": False,
    }


def _of_flux(
    setup: Setup, number: int, *, channels: int, side: int, words: int, width: int, pooled: int
) -> dict[str, Any]:
    half = {"device": setup.device, "dtype": torch.bfloat16}
    return {
        "hidden_states": _drawn(setup, number, side * side, channels),
        "encoder_hidden_states": _drawn(setup, number, words, width),
        "pooled_projections": _drawn(setup, number, pooled),
        "timestep": torch.full((number,), 0.5, **half),
        "guidance": torch.full((number,), 3.5, **half),
        "img_ids": torch.zeros(side * side, 3, **half),
        "txt_ids": torch.zeros(words, 3, **half),
        "return_dict": False,
    }
