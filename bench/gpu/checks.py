"""Sections that are right or wrong: each part ends in `holds`."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from bench.gpu import calls, models
from bench.gpu.calls import FAMILIES, SMALL, apart, merged, one_by_one
from bench.gpu.sections import Budget, LeftOut, Numbers, Part, Setup

from teststrip.batching import Call
from teststrip.diffusion import backends

ROWS = 6
"""Of the tiny pipelines' forwards: three calls with guidance share one."""


LAST = "hidream"
"""The slowest tiny family: on one CPU thread its bytes took 185 seconds, those of another family 7."""

COST = 3.0
"""Of its first run, beside all runs of another family: its formats and runs are predicted one by one after that."""


def families(setup: Setup) -> list[str]:
    """The families that are checked, in the order of a run."""
    return sorted(SMALL if setup.small else FAMILIES, key=lambda family: family == LAST)


def equality(setup: Setup) -> list[Part]:
    """Merged calls make the pictures of plain calls, in every format.

    In float32 that is one level of 255. In half precision rounding alone makes other pictures, so the yardstick is how
    far plain calls in that format are from plain calls in float32.
    """
    return [_of_family(setup, family, _equal) for family in families(setup)]


def same_bytes(setup: Setup) -> list[Part]:
    """At one number of rows a picture has the same bytes beside any neighbours, and alone; full-sized models first."""
    large = [] if setup.small else ["sd15", "sdxl"]
    return [
        *(Part(f"{name}, full size", partial(_bytes_of_large, setup, name=name), cost=0) for name in large),
        *(_of_family(setup, family, _bytes) for family in families(setup)),
    ]


def memory(setup: Setup) -> list[Part]:
    """Where memory runs out, the rows are halved, and the pictures are those of the smaller number."""
    return [Part("halved", partial(_halved, setup))]


def compiled(setup: Setup) -> list[Part]:
    """`torch.compile` makes the same pictures, and how long it takes to compile and to compute."""
    pace: dict[str, float] = {}  # seconds to compile a module, once they are known
    asked = ["flux, tiny"] if setup.small else ["flux, tiny", "sd15, full size"]
    return [Part(name, partial(_compiled, setup, name=name, pace=pace), cost=0) for name in asked]


def _of_family(setup: Setup, family: str, measure: Callable[..., Numbers]) -> Part:
    return Part(family, partial(measure, setup, family=family), cost=COST if family == LAST else 1.0)


def _equal(setup: Setup, budget: Budget, family: str) -> Numbers:
    asked = [calls.call(family, number) for number in range(2 if setup.small else 5)]
    begin = setup.clock()
    with exact_convolutions():
        pipe = calls.pipeline(family, setup, "float32")
        exact = one_by_one(pipe, asked)
        pictures, counts = merged(setup, pipe, asked, rows=ROWS)
    worst, _ = apart(pictures, exact)
    found: Numbers = {"float32": {"levels": worst}, "alone": list(counts.alone), "holds": worst <= 1}
    seconds = setup.clock() - begin
    for dtype in setup.formats[1:]:
        if why := budget.lacks(seconds):
            found.setdefault("left out", {})[dtype] = why
            continue
        pipe = calls.pipeline(family, setup, dtype)
        own = one_by_one(pipe, asked)
        pictures, _ = merged(setup, pipe, asked, rows=ROWS)
        worst, share = apart(pictures, own)
        of_format, _ = apart(own, exact)
        found[dtype] = {"levels": worst, "share above one": share, "levels of the format": of_format}
        found["holds"] &= worst <= max(1, of_format)
    return found


def _bytes(setup: Setup, budget: Budget, family: str) -> Numbers:
    found: Numbers = {"holds": True}
    seconds = 0.0  # of the last format
    for dtype in setup.formats:
        begin = setup.clock()
        try:
            budget.need(seconds)
            pipe = calls.pipeline(family, setup, dtype)
            found[dtype] = _alike(setup, budget, pipe, lambda number: calls.call(family, number), rows=ROWS)
        except LeftOut as why:
            if dtype == setup.formats[0]:
                raise
            found.setdefault("left out", {})[dtype] = str(why)
        else:
            found["holds"] &= found[dtype]["equal"]
            seconds = setup.clock() - begin
    return found


def _bytes_of_large(setup: Setup, budget: Budget, name: str) -> Numbers:
    pipe = models.pipeline(name, setup)
    seconds, _ = one_forward(setup, pipe, rows=8)
    budget.need(FORWARDS * seconds)
    found = _alike(setup, budget, pipe, lambda number: large_call(number, 512, 2 + number % 3), rows=8)
    return {"bfloat16": found, "holds": found["equal"]}


FORWARDS = 13
"""Of eight rows that the calls of `_alike` take at least: 28 and 22 rows in four steps each, then five steps alone."""


def one_forward(setup: Setup, pipe: Any, *, rows: int, side: int = 512) -> tuple[float, int]:
    """The seconds of one denoiser forward, and the bytes of a card that it takes beside the weights, at its peak."""
    forward = calls.denoiser(setup, pipe, side)
    with torch.inference_mode():
        forward(rows)  # what libraries do and allocate once is done
        return peak_of(setup, lambda: forward(rows))


def peak_of(setup: Setup, work: Callable[[], Any]) -> tuple[float, int]:
    """The seconds of some work, and the bytes of a card that it takes beside what is held, at its peak."""
    setup.tidy()
    held = torch.cuda.memory_allocated() if setup.cuda else 0
    _, seconds = setup.timed(work)
    return seconds, torch.cuda.max_memory_allocated() - held if setup.cuda else 0


def _alike(setup: Setup, budget: Budget, pipe: Any, call: Callable[[int], Call], *, rows: int) -> Numbers:
    """Two calls among others, in another order among others, and each alone: are their bytes equal?"""
    watched = [call(0), call(4)]
    asked = [watched[0], call(1), call(2), watched[1], call(3)]
    (before, counts), seconds = setup.timed(lambda: merged(setup, pipe, asked, rows=rows))
    budget.need(2 * seconds)  # as many forwards among others, and once more with both calls alone
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


def _halved(setup: Setup, budget: Budget) -> Numbers:
    """Many rows are asked for where there is room for few."""
    wide, few = (8, 3) if setup.small or not setup.cuda else (32, 8)
    if setup.cuda and not setup.small:
        pipe = models.pipeline("sd15", setup)
        asked = [large_call(number, 512, 2) for number in range(wide // 2)]
        seconds, narrow = one_forward(setup, pipe, rows=few)
        decode = partial(_decode, pipe)
        decode()
        decode_seconds, decoded = peak_of(setup, decode)
        room = room_for(narrow, decoded, wide / few)
        # Each of two runs computes four rows a call, at the price of few rows, and decodes one picture at a time.
        budget.need(2 * len(asked) * (4 * seconds / few + decode_seconds))
        with ballast(room):
            pictures, counts = merged(setup, pipe, asked, rows=wide, decode_rows=1)
        means = f"ballast that leaves {room / 2**20:.0f} MB"
    else:
        pipe = calls.pipeline("sdxl", setup, "float32")
        asked = [calls.call("sdxl", number) for number in range(6)]
        pictures, counts = merged(setup, pipe, asked, rows=wide, forwards={"unet": calls.narrow(pipe.unet, few)})
        means = f"a denoiser that refuses more than {few} rows"
    widths = [width for shape, width in counts.widths.items() if shape.startswith("unet")]
    again, _ = merged(setup, pipe, asked, rows=min(widths), **({"decode_rows": 1} if setup.cuda else {}))
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


def room_for(narrow: int, decoded: int, times: float) -> int:
    """How many bytes to leave, so that few rows and a decoded picture fit and many rows do not.

    Args:
        narrow: bytes of a forward of few rows, at its peak.
        decoded: bytes of one picture's decoding, at its peak.
        times: how many times as many rows are asked for; a forward of them takes as many times the bytes.

    Raises:
        LeftOut: decoding takes nearly as much as many rows, so that no number is between.

    >>> room_for(100, 80, 4), room_for(100, 200, 4)
    (150, 250)
    """
    room = max(int(1.5 * narrow), int(1.25 * decoded))
    if room > 0.75 * times * narrow:
        raise LeftOut(f"decoding a picture takes {decoded / 2**20:.0f} MB, nearly those of a wide forward")
    return room


@torch.inference_mode()
def _decode(pipe: Any) -> None:
    """Decode one picture of 512 px."""
    vae = pipe.vae
    vae.decode(torch.ones(1, vae.config.latent_channels, 64, 64, device=vae.device, dtype=vae.dtype))


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


def _compiled(setup: Setup, budget: Budget, name: str, pace: dict[str, float]) -> Numbers:
    tiny = name == "flux, tiny"
    pipe = calls.pipeline("flux", setup, "float32") if tiny else models.pipeline("sd15", setup)
    part = "transformer" if tiny else "unet"
    model = getattr(pipe, part)
    # A compiler takes a minute on a processor, so a reduced run traces the model and compiles nothing.
    forward = torch.compile(model, dynamic=False, backend="eager") if setup.small else backends.compiled(model)
    asked = [
        calls.call("flux", number) if tiny else large_call(number, 512, 4) for number in range(2 if setup.small else 3)
    ]
    eager, seconds = setup.timed(lambda: merged(setup, pipe, asked, rows=ROWS)[0])
    modules = sum(1 for _ in model.modules())
    budget.need(2 * seconds + modules * pace.get("a module", 0.0))
    _, first = setup.timed(lambda: merged(setup, pipe, asked, rows=ROWS, forwards={part: forward}))
    pace["a module"] = first / modules
    pictures, then = setup.timed(lambda: merged(setup, pipe, asked, rows=ROWS, forwards={part: forward})[0])
    worst, share = apart(pictures, eager)
    return {
        "seconds to compile": round(first - then, 2),
        "times eager": round(seconds / then, 2),
        "levels": worst,
        "share above one": share,
        # In bfloat16 a fused kernel rounds less often than two, so its pictures are judged in float32 alone.
        "holds": worst <= 1 if tiny else None,
    }


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Within it convolutions in float32 are computed in float32: PyTorch's own choice on CUDA is TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
