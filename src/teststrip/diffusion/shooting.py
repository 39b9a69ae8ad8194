"""One shot on a loaded pipeline: the arguments of its call, its scheduler, the plain call, the finished picture.

Both ways of running share these steps. `expose` makes one plain call a shot; batched calls must give the same picture.
Imports torch when called. Knows shots and pictures; nothing of files, studies or batches.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from teststrip.batching import DENOISERS
from teststrip.diffusion import additions, given_pictures, guiders, scheduler_options, step_lists, tasks, windows
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.pictures import digest_of_pixels, encode_png, is_blank, small
from teststrip.records import Failure, Fingerprint, Render, Shot, Value
from teststrip.stacks import STACKED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOT_ARGUMENTS: Final = frozenset(
    {"seed", "scheduler", "model", "revision", "lora_scale", "schedule", "prompt_weighting"}
    | {windows.START, windows.STOP, *STACKED, *tasks.NAMES, *additions.NAMES}
)
"""Settings of a shot that its pipeline's call does not take."""

COUNTED: Final = (*DENOISERS, "prior", "prior_prior", "decoder")
"""Components whose rows are the cost of a plain call: also the denoisers at which batched calls do not meet."""


def arguments(pipeline: PipelineClass, shot: Shot) -> dict[str, Any]:
    """The arguments of the call, without generator; pictures come back as floats, so that NaN can be seen.

    Raises:
        PictureError: a picture that the shot gives is gone or has changed.
    """
    settings = shot.settings
    given: dict[str, Any] = pipeline.given({name: v for name, v in settings.items() if name not in NOT_ARGUMENTS})
    if steps := step_lists.asked(settings, pipeline.name):
        given[steps.argument] = list(steps.values)
    return given | given_pictures.arguments(pipeline, shot) | {"output_type": "np"}


def scheduler(pipe: Any, settings: Mapping[str, Value]) -> Any:
    """A fresh scheduler as settings ask for it: the class `scheduler` or the model's own, and `scheduler.shift = 3`.

    Made from the configuration of the loaded one, which the pipeline's constructor may have corrected.
    """
    import diffusers

    name = settings.get("scheduler")
    kind = getattr(diffusers, str(name)) if name else type(pipe.scheduler)
    return kind.from_config(pipe.scheduler.config, **scheduler_options.asked(settings))


def prepared(pipeline: PipelineClass, settings: Mapping[str, Value]) -> Callable[[Any], Any] | None:
    """What settings make of a call's own copy of the pipeline before it is called; None = nothing."""
    return guiders.around(pipeline, settings) or windows.around(pipeline, settings)


def expose(
    pipe: Any,
    call: Mapping[str, Any],
    seed: int,
    scheduler: Any,
    prepare: Callable[[Any], Any] | None = None,
    within: Callable[[Any], AbstractContextManager[None]] = nullcontext,
) -> tuple[NDArray[np.float32], int]:
    """One plain call of the pipeline.

    Args:
        pipe: not changed.
        call: from `arguments`.
        seed: of the one generator that the pipeline is given, on the CPU; what draws without a generator draws from a
            stream of its own (`batching.streams`).
        scheduler: of this picture alone; None where a pipeline has none.
        prepare: takes the copy of the pipeline and gives what is called (`prepared`); None = the copy as it is.
        within: the call takes place in what this makes of what is called.

    Returns:
        the picture [H, W, 3], 0..1, not finite where the model failed; and the rows that its denoisers were given.
    """
    import numpy as np
    import torch

    from teststrip.batching.pipeline import decoder_kept
    from teststrip.batching.streams import GlobalStream

    alone = copy.copy(pipe)
    if scheduler is not None:
        alone.scheduler = scheduler
    if prepare is not None:
        alone = prepare(alone)
    stream = GlobalStream(seed, getattr(pipe, "_execution_device", None))
    with stream.current(), decoder_kept(pipe), counted(pipe) as rows, within(alone):
        output = alone(**call, generator=torch.Generator("cpu").manual_seed(seed))
    return np.asarray(output.images[0], dtype=np.float32), sum(rows)


@contextmanager
def counted(pipe: Any) -> Iterator[list[int]]:
    """Collect the number of rows of every call of the denoisers."""
    rows: list[int] = []

    def count(_: Any, positional: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        given = (*positional, *named.values())
        first = next((v for v in given if isinstance(v, list) or (hasattr(v, "ndim") and v.ndim > 1)), None)
        rows.append(1 if first is None else len(first))  # a list of pictures, or their batch

    models = [model for name in COUNTED if (model := getattr(pipe, name, None)) is not None]
    hooks = [model.register_forward_pre_hook(count, with_kwargs=True) for model in models]
    try:
        yield rows
    finally:
        for hook in hooks:
            hook.remove()


def with_exact_decoder(pipe: Any) -> Any:
    """A copy of the pipeline whose autoencoder works in float32, where values overflow in half precision."""
    import torch

    alone = copy.copy(pipe)
    exact = copy.deepcopy(pipe.vae).to(torch.float32)
    decode = exact.decode
    exact.decode = lambda latents, *rest, **named: decode(latents.float(), *rest, **named)
    alone.vae = exact
    return alone


def finish(
    shot: Shot,
    picture: NDArray[np.float32],
    *,
    seconds: float,
    fingerprint: Fingerprint,
    facts: Mapping[str, object],
    checked: bool,
) -> Render | Failure:
    """The encoded picture, or why there is none.

    Args:
        shot: what was asked.
        picture: [H, W, 3], 0..1, before rounding.
        seconds: as in Render.
        fingerprint: as in Render.
        facts: as in Render.
        checked: whether a safety checker looked at the picture; it blackens what it refuses.
    """
    import numpy as np

    if picture.ndim != 3 or picture.shape[2] != 3:
        return Failure(shot, "error", f"the pipeline gave no picture but an array {list(picture.shape)}")
    if not np.isfinite(picture).all():
        return Failure(shot, "nan", "the picture holds values that are not finite", retryable=False)
    # As Diffusers' own numpy_to_pil, so that the pixels are those of a plain call.
    pixels = (picture * 255).round().astype(np.uint8)
    if checked and not pixels.any():
        return Failure(shot, "refused", "the model's safety checker blackened the picture", retryable=False)
    if is_blank(pixels):
        return Failure(shot, "blank", "the picture has one colour", retryable=False)
    height, width = pixels.shape[:2]
    return Render(
        shot=shot,
        data=encode_png(pixels),
        format="png",
        width=width,
        height=height,
        seconds=seconds,
        fingerprint=fingerprint,
        facts={**facts, "pixels": digest_of_pixels(pixels)},
        small=small(pixels),
    )
