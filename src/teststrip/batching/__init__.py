"""Continuous batching for Diffusers pipelines: many calls, one denoiser forward, nothing rewritten.

A hundred pictures that differ in prompt, seed, guidance, step count and scheduler are a hundred calls of a pipeline.
Made one after another they leave the hardware idle. Language-model servers merge such requests step by step
(continuous batching); pipelines cannot be merged that way, since schedulers keep their state inside and guidance is one
number for the whole call. So the calls are left as they are, and meet at the model:

- each call runs in a greenlet, on a shallow copy of the pipeline with its own scheduler and generator;
- in the copy, the denoiser is a *proxy*: to call it is to hand over the arguments and wait;
- the driver chooses waiting calls, stacks their arguments, dispatches one forward, and collects and hands out its rows.

Every scheduler and pipeline family works as its authors wrote it. The decoder has a proxy as well, so pictures are
decoded in batches too; prompts are encoded once.

    >>> from teststrip.batching import Batcher, Call
    >>> calls = [Call(key=(g, s), kwargs=dict(prompt="an owl", guidance_scale=g), seed=s, length=50)
    ...          for g in (1, 3, 7) for s in range(8)]
    >>> for done in Batcher(pipeline).run(calls):          # doctest: +SKIP
    ...     done.output[0].save(f"{done.call.key}.png")

**Fixed rows.** Every forward has the same number of rows; what is missing is filled with copies. At a fixed shape a
row's result does not depend on its neighbours or its place (checked once for each kind of forward, reported in
`Counts.same_bytes`), so a picture has the same bytes whatever else is asked for, in any order, after any interruption.
Another width gives the same picture up to rounding (at most one level of 255, seldom).

**On a CPU forwards run in lanes** (`threads`). A lane is a worker thread that computes whole forwards, beside the other
lanes and without waiting for them. Short forwards are recorded after a while and run without Python (`recording`), with
the same bytes.

**What cannot be merged runs alone**, and `Done.alone` says why: attention processors installed for one call (PAG),
caches and offloading hooks, models whose rows change each other.

    calls         what goes in, what comes out                  width         how many rows a forward has
    batcher       the driver: choose, dispatch, collect         runner        computes a forward
    pending       a call in the middle, waiting for a model     lanes         the threads that forwards run on
    pipeline      one pipeline entered many times at once       recording     forwards without Python
    stacking      arguments of several calls as one             interference  whether rows change each other
    listed        lists with one entry a row                    answers       what a model answered, row by row
    components    names of denoisers and decoder                streams       random numbers from elsewhere
    earlier       what runs tell later ones of widths           texts         models that cut rows to their texts

Needs torch and greenlet and nothing else. Each call sees global random numbers of its own, on the CPU and on a CUDA
device; a pipeline that draws from the global generator of another accelerator is not reproducible, here as anywhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from teststrip.batching.calls import Call, CannotMerge, Counts, Done, FailedCall, out_of_memory
from teststrip.batching.components import DENOISERS
from teststrip.batching.earlier import Earlier, Work

if TYPE_CHECKING:
    from teststrip.batching.batcher import Batcher

__all__ = [
    "DENOISERS",
    "Batcher",
    "Call",
    "CannotMerge",
    "Counts",
    "Done",
    "Earlier",
    "FailedCall",
    "Work",
    "out_of_memory",
]


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that records and names can be imported where torch must not be.
    if name != "Batcher":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("teststrip.batching.batcher").Batcher
