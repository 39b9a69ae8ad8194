"""Sections that are numbers: rows a forward, images a second, memory at its peak, one forward of the largest models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from bench.gpu import calls, models
from bench.gpu.calls import Forward
from bench.gpu.checks import large_call
from bench.gpu.sections import Budget, LeftOut, Numbers, Part, Setup

from teststrip.batching import Call, out_of_memory
from teststrip.batching.runner import TIMED
from teststrip.batching.width import LADDER, smallest_good

CELL = 6
"""Images of a cell: one prompt, six seeds."""


SPEEDS = tuple((name, side, steps) for name in ("sd15", "sdxl") for side in (512, 1024) for steps in (4, 30))
"""Model, pixels of an edge and steps of the full run's parts."""

SMALL_SPEEDS = (("sdxl", 32, 2),)
"""The same of a reduced run."""


def rows(setup: Setup) -> list[Part]:
    """How many rows are found, beside the milliseconds a row of each number."""
    asked = [("sdxl", 32)] if setup.small else [("sd15", 512), ("sdxl", 1024)]
    return [Part(f"{name}, {side} px", partial(_rows, setup, name=name, side=side), cost=0) for name, side in asked]


def speed(setup: Setup, asked: Sequence[tuple[str, int, int]] | None = None) -> list[Part]:
    """Images a second: one call an image, cells of six, Teststrip, and the bare denoiser of the best number of rows.

    Args:
        setup: what is measured on.
        asked: model, pixels of an edge and steps of each part; None = those of the setup.
    """
    kept: dict[str, Any] = {}
    paces: dict[tuple[str, int, int], float] = {}

    def part(budget: Budget, name: str, side: int, steps: int) -> Numbers:
        budget.need(2 * expected(paces, name, side, steps))
        if name not in kept:
            kept.clear()
            setup.tidy()
            kept[name] = pipeline(setup, name)
        found = _speed(setup, budget, kept[name], side, steps)
        paces[name, side, steps] = found["seconds an image"]
        return found

    if asked is None:
        asked = SMALL_SPEEDS if setup.small else SPEEDS
    return [
        Part(f"{name}, {side} px, {steps} steps", partial(part, name=name, side=side, steps=steps), cost=0)
        for name, side, steps in asked
    ]


def pipeline(setup: Setup, name: str) -> Any:
    """Of full size, or tiny in a reduced run."""
    return calls.pipeline(name, setup, "float32") if setup.small else models.pipeline(name, setup)


def expected(paces: Mapping[tuple[str, int, int], float], name: str, side: int, steps: int) -> float:
    """Seconds an image, from those of the same model at other sizes and steps: in proportion to pixels and steps.

    >>> expected({("sdxl", 512, 4): 0.5, ("sdxl", 1024, 4): 1.5}, "sdxl", 1024, 30)
    11.25
    >>> expected({}, "sdxl", 1024, 30)  # nothing is known yet
    0.0
    """
    return min(
        (
            pace * (side / other_side) ** 2 * (steps / other_steps)
            for (other, other_side, other_steps), pace in paces.items()
            if other == name
        ),
        default=0.0,
    )


def large(setup: Setup) -> list[Part]:
    """One forward of Flux' and of Z-Image's size, where the memory is there."""
    return [
        Part(name, partial(_forward, setup, name=name), cost=models.PUBLISHED[name] / 1e9)
        for name in ("z_image", "flux")
    ]


def _rows(setup: Setup, budget: Budget, name: str, side: int) -> Numbers:
    pipe = pipeline(setup, name)
    # At full size 8 of the section's 40 seconds: two models have a ladder, and each a search after it.
    each, end = ladder(setup, budget, calls.denoiser(setup, pipe, side), 2 * setup.part_seconds)
    found: Numbers = {"found": None, "milliseconds a row": each, "left out": {"ladder": end} if end else {}}
    if why := budget.lacks(searching(each, setup.device.type)) if each else "memory ends at the first number":
        found["left out"]["search"] = why
        return found
    known: dict[str, int] = {}
    _, seconds = setup.timed(lambda: find(setup, pipe, side, known, reach(each)))
    (found["found"],) = (width for shape, width in known.items() if shape.startswith("unet"))
    return found | {"seconds to the first picture": round(seconds, 2)}


def ladder(setup: Setup, budget: Budget, forward: Forward, seconds: float) -> tuple[dict[int, float], str]:
    """Milliseconds a row at each number of rows, the least of two or three forwards.

    Args:
        setup: what is measured on.
        budget: of the section.
        forward: of a denoiser.
        seconds: the ladder's own limit; a number of rows that does not fit by the pace of the last one is left out.

    Returns:
        The numbers, and why the ladder ended before its last number; "" = it did not.
    """
    each: dict[int, float] = {}
    own = Budget(min(seconds, budget.left), setup.clock)
    with torch.inference_mode():
        for number in LADDER:
            if each and (why := own.lacks(2 * number * each[max(each)] / 1000)):
                return each, f"{number} rows: {why}"
            try:
                taken = [setup.timed(lambda number=number: forward(number))[1] for _ in range(2)]
            except Exception as error:
                if not out_of_memory(error):
                    raise
                return each, f"{number} rows: out of memory"
            if not own.lacks(taken[-1]):
                taken.append(setup.timed(lambda number=number: forward(number))[1])
            each[number] = round(1000 * min(taken) / number, 4)
    return each, ""


def reach(each: Mapping[int, float]) -> int:
    """The most rows that a search may try after a ladder: two numbers beyond its last one, in which the search ends.

    >>> reach({2: 10.0, 4: 9.0}), reach({48: 10.0, 64: 9.0})
    (8, 64)
    """
    return LADDER[min(LADDER.index(max(each)) + 2, len(LADDER) - 1)]


def searching(each: Mapping[int, float], device: str) -> float:
    """Seconds that the batcher's search for the number of rows takes at most, within the `reach` of a ladder.

    With the forward of a first picture. On a processor the search counts the seconds that the process was given, of
    which a ladder knows nothing, so each number is taken to be tried as often as can be.

    Args:
        each: milliseconds a row by the number of rows. Beyond the last number the search is taken to go on.
        device: the type.

    >>> searching({2: 1000.0, 4: 1000.0, 6: 1000.0, 8: 1000.0}, "cuda")  # three forwards of 2, 4 and 6 rows: no gain
    42.0
    >>> searching({2: 1000.0}, "cuda")  # the same numbers of rows, which are all that are tried
    42.0
    >>> searching({2: 1000.0, 4: 1000.0}, "cpu")  # six forwards of 2, 4, 6 and 8 rows
    128.0
    """
    last, most = max(each), reach(each)
    taken = {number: number * each.get(number, each[last]) / 1000 for number in LADDER if number <= most}
    if device == "cpu":
        return TIMED * sum(taken.values()) + taken[most]
    tried: list[float] = []

    def seconds(number: int) -> float:
        tried.append(taken[number])
        return taken[number] if number <= last else taken[number] * 0.5**number

    smallest_good(seconds, LADDER[0], most)
    # As in `ModelRunner.seconds`: three forwards, and up to six as long as they take less than a second together.
    return sum(max(3 * one, min(TIMED * one, 1 + one)) for one in tried) + max(tried)


def _speed(setup: Setup, budget: Budget, pipe: Any, side: int, steps: int) -> Numbers:
    shared = {"num_inference_steps": steps, "width": side, "height": side, "output_type": "pt"}

    def alone(number: int) -> None:
        pipe(calls.PROMPTS[number % 3], guidance_scale=7.5, generator=_seeded(number), **shared)

    def cell(_: int) -> None:
        seeds = [_seeded(seed) for seed in range(CELL)]
        pipe(calls.PROMPTS[0], guidance_scale=7.5, num_images_per_prompt=CELL, generator=seeds, **shared)

    found: Numbers = {"images": {}, "images a second": {}, "peak MB": {}, "left out": {}}

    def note(way: str, made: float, work: Callable[[], Any]) -> None:
        """Time a way of making so many images, if it fits: none is slower than one call an image."""
        if why := budget.lacks(made * image):
            found["left out"][way] = why
            return
        setup.tidy()
        try:
            _, seconds = setup.timed(work)
        except Exception as error:
            if not out_of_memory(error):
                raise
            found["left out"][way] = "out of memory"
            return
        write(way, made, seconds)

    def write(way: str, made: float, seconds: float) -> None:
        found["images"][way] = round(made, 2)
        found["images a second"][way] = round(made / seconds, 4)
        found["peak MB"][way] = setup.peak_megabytes()

    setup.tidy()
    alone(0)  # what libraries do once is done
    setup.tidy()
    _, image = setup.timed(lambda: alone(1))
    found["seconds an image"] = image
    few = max(1, min(8, int(setup.part_seconds / image)))
    many = max(2 * CELL, min(48, int(setup.part_seconds / image)))
    many = next((number for number in (many, 2 * CELL) if not budget.lacks(number * image)), CELL)
    if few == 1:
        write("one", 1, image)
    else:
        note("one", few, lambda: [alone(number) for number in range(few)])

    forward = calls.denoiser(setup, pipe, side)
    each, end = ladder(setup, budget, forward, setup.part_seconds)
    best = min(each, key=lambda number: each[number], default=LADDER[0])
    known: dict[str, int] = {}
    if why := budget.lacks(searching(each, setup.device.type) + many * image) if each else end:
        found["left out"]["search"] = f"the best rows of the ladder are taken, because {why}"
    else:
        find(setup, pipe, side, known, reach(each))
        best = max([best, *known.values()]) if end else best  # the ladder did not come so far

    def teststrip() -> None:
        batcher = setup.batcher(pipe, rows="auto" if known else best, known=known, **recording(setup))
        answers = [calls.done(answer) for answer in batcher.run([large_call(one, side, steps) for one in range(many)])]
        found["teststrip"] = {
            "rows": max(answer.rows or 0 for answer in answers),
            "fill": round(batcher.counts.fill, 3),
            "seconds in the denoiser": round(batcher.counts.seconds, 3),
            "halved": batcher.counts.halved,
        }

    note("teststrip", many, teststrip)
    forwards = max(1, 2 * steps * few // best)
    with torch.inference_mode():
        note("bare", forwards * best / (2 * steps), lambda: [forward(best) for _ in range(forwards)])
        cells = 2 if 2 * CELL * image < 2 * setup.part_seconds else 1
        note("cells", cells * CELL, lambda: [cell(number) for number in range(cells)])
    if end:
        found["left out"]["ladder"] = end
    pace = found["images a second"]
    found["best rows"] = best
    found["times"] = {
        way: round(pace["teststrip"] / pace[way], 3)
        for way in ("one", "cells", "bare")
        if {way, "teststrip"} <= pace.keys()
    }
    return found


def find(setup: Setup, pipe: Any, side: int, known: dict[str, int], most: int) -> None:
    """Let the rows be found as for a long study, up to its first picture.

    Args:
        setup: what is measured on.
        pipe: with a U-Net.
        side: pixels of an edge.
        known: what is found is written into it.
        most: no more rows are tried, because no more calls are there to fill them.
    """
    asked = [large_call(number, side, 1) for number in range(min(8 if setup.small else 64, most // 2))]
    # The length says that much is left to make, so that the whole ladder is worth its trials.
    long = [Call(one.key, one.kwargs, one.seed, length=100) for one in asked]
    batcher = setup.batcher(pipe, rows="auto", known=known, **recording(setup))
    answers = batcher.run(long)
    calls.done(next(answers))
    answers.close()
    known |= {shape: width for shape, width in batcher.counts.widths.items() if shape.startswith("unet")}


def recording(setup: Setup) -> dict[str, None]:
    """A reduced run records no forwards, which takes seconds and which a card never does."""
    return {"recording": None} if setup.small else {}


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def _forward(setup: Setup, budget: Budget, name: str) -> Numbers:
    """Of one and of two rows at 1024 px, in bfloat16."""
    weights = models.parameters(name)
    if setup.small:
        model, inputs = calls.pipeline(name, setup, "bfloat16").transformer, _tiny_inputs
    else:
        needed = 1.25 * 2 * weights  # the activations of two rows are less than a quarter of the weights
        free = torch.cuda.mem_get_info()[0] if setup.cuda else 0
        if free < needed:
            raise LeftOut(f"{needed / 1e9:.1f} GB of the card are needed, and {free / 1e9:.1f} are free")
        model, inputs = models.denoiser(name, setup), _inputs
    found: Numbers = {"parameters": weights, "seconds": {}}
    answers = {}
    with torch.inference_mode():
        for number in (1, 2):
            named = inputs(setup, name, number)
            _, first = setup.timed(lambda named=named: model(**named))
            budget.need(first * (1 if number == 2 else 5))  # the second forward, and with one row both of two rows
            answer, seconds = setup.timed(lambda named=named: model(**named))
            found["seconds"][number] = round(seconds, 4)
            answers[number] = answer[0]
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
