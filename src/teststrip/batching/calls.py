"""What goes in and what comes out: a call, a call that is done, a call that failed.

Plain records, without torch. To report a further fact of a call, add it to `Done` and let `Pending.ended` fill it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the pipeline, to be made whenever there is room; it can be made again from the start.

    Attributes:
        key: the caller's own name for the call; it comes back with the answer.
        kwargs: what the pipeline's `__call__` gets, without `generator`. `num_images_per_prompt` stays 1, because one
            picture a call is what makes the picture independent of its neighbours.
        seed: of the call's own CPU generator; None = no generator. The global generator, as this call sees it, has a
            seed derived from this one (`streams`).
        scheduler: makes the call's scheduler; None = a copy of the pipeline's. Build it from the configuration of
            `pipeline.scheduler`, which the pipeline's constructor may have rewritten, never from the bare class.
        length: denoiser rows expected; the longest calls start first. 0 = unknown.
        prepare: takes the call's own copy of the pipeline, when its scheduler and what stands for its models are in
            place, and gives what is called: the copy, changed, or something else; None = the copy as it is.
        shape: equal for calls whose pictures have one size, as far as the caller knows; None = all alike.
    """

    key: Hashable
    kwargs: Mapping[str, Any]
    seed: int | None = None
    scheduler: Callable[[], Any] | None = None
    length: float = 0
    shape: Hashable = None
    prepare: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A call that returned an output.

    Attributes:
        call: what was asked.
        output: the pipeline's first output: its images, or its latents.
        seconds: of the call's own steps, and its rows' share of the forwards that it took part in. Filler rows are not
            charged to any call, so this does not depend on the neighbours.
        forwards: denoiser forwards that the call took part in.
        denoiser_calls: denoiser rows that the call brought, summed over its steps; guidance brings two a step in most
            pipelines.
        rows: the width of those forwards, fillers included; None when the call ran alone. With machine, versions,
            threads, dtype and backend equal, this number decides the bytes of the output.
        decode_rows: the width of the decoder's forwards; None when the pipeline decoded by itself.
        alone: why the call could not be merged with others; "" when it could.
    """

    call: Call
    output: Any
    seconds: float
    forwards: int
    denoiser_calls: int
    rows: int | None = None
    decode_rows: int | None = None
    alone: str = ""


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that has no output: it raised, ran out of memory by itself, or ended in values that are not finite.

    Attributes:
        call: what was asked.
        reason: the class of the failure, for tables.
        error: what the call raised; for "nan" an ArithmeticError that says so.
    """

    call: Call
    reason: Literal["error", "oom", "nan"]
    error: Exception


@dataclass(slots=True)
class Counts:
    """What the models did, for reports.

    Attributes:
        forwards: merged forwards of the denoiser.
        rows: real rows in those forwards.
        fillers: filler rows in those forwards.
        seconds: inside those forwards.
        decode_forwards: merged forwards of the decoder.
        decode_seconds: inside the decoder's forwards.
        widths: what the search found or halving left, for each shape of row.
        halved: one line for each time memory ran out.
        recorded: kinds of forward that run without Python by now.
        alone: number of calls that ran alone, by reason.
        same_bytes: False when a forward gave a row other bits beside other neighbours (seen on some accelerators).
    """

    forwards: int = 0
    rows: int = 0
    fillers: int = 0
    seconds: float = 0.0
    decode_forwards: int = 0
    decode_seconds: float = 0.0
    widths: dict[str, int] = field(default_factory=dict)
    halved: list[str] = field(default_factory=list)
    recorded: int = 0
    alone: dict[str, int] = field(default_factory=dict)
    same_bytes: bool = True

    @property
    def fill(self) -> float:
        """Real rows among all rows of the denoiser's forwards, 0..1; 1 when there was no forward."""
        return self.rows / (self.rows + self.fillers) if self.rows else 1.0


class CannotMerge(Exception):
    """A call uses the model in a way that has no meaning for a batch. The text says why."""


NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "_status_alloc_failed",  # cuBLAS, cuDNN, cuSOLVER and others
    "device_allocation_failed",  # cuDNN 9
)
"""What errors say of memory that ran out, in lower case."""


def forget_frames(error: BaseException | None) -> None:
    """Free what the frames of an exception hold: where a forward ran out of memory, that is all it had computed so far.

    An exception refers to its frames, and what stores the exception is often a local of one of them. Without this the
    memory of a failed forward would come back when Python next looks for circles, long after the narrower one began.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device.

    >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("CUDA out of memory.")), out_of_memory(ValueError())
    (True, True, False)
    """
    text = str(error).lower()
    # torch.OutOfMemoryError is a RuntimeError whose text says so; the MPS and CPU allocators and cuBLAS raise plain
    # RuntimeErrors. A weight file that cannot be mapped is an OSError.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(words in text for words in NO_MEMORY)
    )
