"""The names under which Diffusers' pipelines keep the models at which calls meet.

Plain names, so that code which only reads a pipeline's source can ask for them without importing torch. To let calls
meet at a further model, add its name here.
"""

from __future__ import annotations

from typing import Final

DENOISERS: Final = ("unet", "transformer", "transformer_2")
"""Each takes a batch of latents and a timestep. `transformer_2` does the last steps of pipelines with two experts.

`prior` and `decoder` (unCLIP, Stable Cascade) are left out: combined pipelines call them inside a second pipeline,
which has no proxies.
"""

DECODER: Final = "vae"
"""Its `decode` turns latents into pictures."""
