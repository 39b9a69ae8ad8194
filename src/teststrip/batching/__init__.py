"""Continuous batching for Diffusers pipelines: many calls, one denoiser forward, nothing rewritten.

A hundred pictures that differ in prompt, seed, guidance, step count and scheduler are a hundred calls of a pipeline.
Made one after another they leave the hardware idle. Language-model servers merge such requests step by step
(continuous batching); pipelines cannot be merged that way, since schedulers keep their state inside and guidance is one
number for the whole call. So the calls are left as they are, and meet at the model:

- each call runs in a greenlet, on a shallow copy of the pipeline with its own scheduler and generator;
- in the copy, the denoiser is a *door*: to call it is to hand over the arguments and wait;
- the driver stacks the arguments of waiting calls, runs one forward, hands out the rows and starts the next calls.

Every scheduler and pipeline family works as its authors wrote it. The decoder is a door as well, so pictures are
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

**On a CPU forwards run in lanes** (`threads`): side by side, each on a thread of its own, which wait for nobody.
Short forwards are recorded after a while and run without Python (`recorded`), with the same bytes.

**What cannot be merged is made alone**, and `Done.alone` says why: models that take lists of pictures (Z-Image),
attention processors installed for one call (PAG), caches and offloading hooks, models whose rows change each other.

Needs torch and greenlet and nothing else. The global random numbers are kept apart for the CPU; a pipeline that draws
from the global generator of an accelerator is not reproducible, here as anywhere.
"""

from teststrip.batching.batcher import Batcher
from teststrip.batching.calls import Call, CannotMerge, Counts, Done, Failed, out_of_memory

__all__ = ["Batcher", "Call", "CannotMerge", "Counts", "Done", "Failed", "out_of_memory"]
