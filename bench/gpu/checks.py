"""Sections that are right or wrong: each part ends in `holds`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from bench.gpu import calls, models
from bench.gpu.calls import FAMILIES, SMALL, apart, merged, one_by_one
from bench.gpu.sections import LeftOut, Numbers, Part, Setup

from teststrip.batching import Call
from teststrip.diffusion import backends

ROWS = 6
"""Of the tiny pipelines' forwards: three calls with guidance share one."""


def equality(setup: Setup) -> list[Part]:
    """Merged calls make the pictures of plain calls, in every format.

    In float32 that is one level of 255. In half precision rounding alone makes other pictures, so the yardstick is how
    far plain calls in that format are from plain calls in float32.
    """
    return [(family, lambda family=family: _equal(setup, family)) for family in (SMALL if setup.small else FAMILIES)]


def same_bytes(setup: Setup) -> list[Part]:
    """At one number of rows a picture has the same bytes beside any neighbours, and alone."""
    tiny = [(family, lambda family=family: _bytes(setup, family)) for family in (SMALL if setup.small else FAMILIES)]
    if setup.small:
        return tiny
    return [
        *tiny,
        *((f"{name}, full size", lambda name=name: _bytes_of_large(setup, name)) for name in ("sd15", "sdxl")),
    ]


def memory(setup: Setup) -> list[Part]:
    """Where memory runs out, the rows are halved, and the pictures are those of the smaller number."""
    return [("halved", lambda: _halved(setup))]


def compiled(setup: Setup) -> list[Part]:
    """`torch.compile` makes the same pictures, and how long it takes to compile and to compute."""
    if setup.small:
        return [("flux, tiny", lambda: _compiled(setup, calls.pipeline("flux", setup, "float32"), "flux"))]
    return [
        ("flux, tiny", lambda: _compiled(setup, calls.pipeline("flux", setup, "float32"), "flux")),
        ("sd15, full size", lambda: _compiled(setup, models.pipeline("sd15", setup.device), "sd15")),
    ]


def _equal(setup: Setup, family: str) -> Numbers:
    asked = [calls.call(family, number) for number in range(2 if setup.small else 5)]
    with exact_convolutions():
        pipe = calls.pipeline(family, setup, "float32")
        exact = one_by_one(pipe, asked)
        pictures, counts = merged(setup, pipe, asked, rows=ROWS)
    worst, _ = apart(pictures, exact)
    found: Numbers = {"float32": {"levels": worst}, "alone": list(counts.alone), "holds": worst <= 1}
    for dtype in setup.formats[1:]:
        pipe = calls.pipeline(family, setup, dtype)
        own = one_by_one(pipe, asked)
        pictures, _ = merged(setup, pipe, asked, rows=ROWS)
        worst, share = apart(pictures, own)
        of_format, _ = apart(own, exact)
        found[dtype] = {"levels": worst, "share above one": share, "levels of the format": of_format}
        found["holds"] &= worst <= max(1, of_format)
    return found


def _bytes(setup: Setup, family: str) -> Numbers:
    found: Numbers = {"holds": True}
    for dtype in setup.formats:
        pipe = calls.pipeline(family, setup, dtype)
        found[dtype] = _alike(setup, pipe, lambda number: calls.call(family, number), rows=ROWS)
        found["holds"] &= found[dtype]["equal"]
    return found


def _bytes_of_large(setup: Setup, name: str) -> Numbers:
    pipe = models.pipeline(name, setup.device)
    found = _alike(setup, pipe, lambda number: large_call(number, 512, 2 + number % 3), rows=8)
    return {"bfloat16": found, "holds": found["equal"]}


def _alike(setup: Setup, pipe: Any, call: Callable[[int], Call], *, rows: int) -> Numbers:
    """Two calls among others, in another order among others, and each alone: are their bytes equal?"""
    watched = [call(0), call(4)]
    before, counts = merged(setup, pipe, [watched[0], call(1), call(2), watched[1], call(3)], rows=rows)
    after, _ = merged(setup, pipe, [call(5), watched[1], call(6), watched[0]], rows=rows)
    alone = {one.key: merged(setup, pipe, [one], rows=rows)[0][one.key] for one in watched}
    pairs = [(before[one.key], other[one.key]) for one in watched for other in (after, alone)]
    equal = [torch.equal(*pair) for pair in pairs]
    return {"equal": all(equal), "compared": len(equal), "rows": rows, "alone": list(counts.alone)}


def large_call(number: int, side: int, steps: int) -> Call:
    """A call of a full-sized Stable Diffusion."""
    asked = {
        "prompt": calls.PROMPTS[number % 3],
        "guidance_scale": (5.0, 7.5)[number % 2],
        "num_inference_steps": steps,
        "width": side,
        "height": side,
        "output_type": "pt",
    }
    return Call(number, asked, seed=number, length=2 * steps)


def _halved(setup: Setup) -> Numbers:
    """Many rows are asked for where there is room for few."""
    wide, few = (8, 3) if setup.small or not setup.cuda else (32, 8)
    if setup.cuda and not setup.small:
        pipe = models.pipeline("sd15", setup.device)
        asked = [large_call(number, 512, 2) for number in range(wide // 2)]
        merged(setup, pipe, asked[:2], rows=few)  # what libraries allocate once is allocated now
        setup.tidy()
        held = torch.cuda.memory_allocated()
        merged(setup, pipe, asked, rows=few)
        room = int(1.5 * (torch.cuda.max_memory_allocated() - held))
        with ballast(room):
            pictures, counts = merged(setup, pipe, asked, rows=wide)
        means = f"ballast that leaves {room / 2**20:.0f} MB"
    else:
        pipe = calls.pipeline("sdxl", setup, "float32")
        asked = [calls.call("sdxl", number) for number in range(6)]
        pictures, counts = merged(setup, pipe, asked, rows=wide, forwards={"unet": calls.narrow(pipe.unet, few)})
        means = f"a denoiser that refuses more than {few} rows"
    widths = [width for shape, width in counts.widths.items() if shape.startswith("unet")]
    again, _ = merged(setup, pipe, asked, rows=min(widths))
    equal = all(torch.equal(pictures[key], again[key]) for key in again)
    return {
        "by": means,
        "asked": wide,
        "left": widths,
        "halved": counts.halved,
        "pictures": len(pictures),
        "equal to a run at the rows left": equal,
        "holds": bool(counts.halved) and len(pictures) == len(asked) and equal,
    }


@contextmanager
def ballast(room: int) -> Iterator[None]:
    """Within it the card has no more than so many bytes left."""
    gc.collect()
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    if free <= room:
        raise LeftOut(f"the card has {free / 2**20:.0f} MB left, and {room / 2**20:.0f} are needed")
    weight = torch.empty(free - room, dtype=torch.uint8, device="cuda")
    try:
        yield
    finally:
        del weight
        torch.cuda.empty_cache()


def _compiled(setup: Setup, pipe: Any, name: str) -> Numbers:
    part = "transformer" if hasattr(pipe, "transformer") else "unet"
    model = getattr(pipe, part)
    # A compiler takes a minute on a processor, so a reduced run traces the model and compiles nothing.
    forward = torch.compile(model, dynamic=False, backend="eager") if setup.small else backends.compiled(model)
    tiny = name == "flux"
    asked = [
        calls.call(name, number) if tiny else large_call(number, 512, 4) for number in range(2 if setup.small else 3)
    ]
    eager, seconds = _timed(setup, lambda: merged(setup, pipe, asked, rows=ROWS)[0])
    _, first = _timed(setup, lambda: merged(setup, pipe, asked, rows=ROWS, forwards={part: forward}))
    pictures, then = _timed(setup, lambda: merged(setup, pipe, asked, rows=ROWS, forwards={part: forward})[0])
    worst, share = apart(pictures, eager)
    return {
        "seconds to compile": round(first - then, 2),
        "times eager": round(seconds / then, 2),
        "levels": worst,
        "share above one": share,
        # In bfloat16 a fused kernel rounds less often than two, so its pictures are judged in float32 alone.
        "holds": worst <= 1 if tiny else None,
    }


def _timed(setup: Setup, work: Callable[[], Any]) -> tuple[Any, float]:
    setup.settle()
    begin = time.perf_counter()
    made = work()
    setup.settle()
    return made, time.perf_counter() - begin


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Within it convolutions in float32 are computed in float32: PyTorch's own choice on CUDA is TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
