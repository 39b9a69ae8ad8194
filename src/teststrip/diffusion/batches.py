"""Many shots on one loaded pipeline: batched at the denoiser, decoded in batches, encoded in threads beside it.

Joins `teststrip.batching`, which knows calls, with shots and pictures. Imports torch when called. A shot whose call
fails here might succeed by itself, so it is handed back as a `BatchFailure` and the engine may make it the plain way.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from teststrip.batching import Call, CannotMerge, Counts, Done, FailedCall
from teststrip.diffusion import loading, noted, scheduler_options, schedulers, shooting, weighting
from teststrip.diffusion.backends import IN_LANES, OTHER_PICTURES
from teststrip.diffusion.experience import Experience
from teststrip.diffusion.heard import Ear
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.width_cache import WidthCache
from teststrip.errors import EngineError, PictureError
from teststrip.records import Failure, Fingerprint, Render, Shot, Value, canonical_json

if TYPE_CHECKING:
    from teststrip.batching import Batcher

WRITERS: Final = 1
"""Threads that encode. zlib releases Python's lock; one thread keeps up with every denoiser measured so far."""

WAITING: Final = 16
"""Pictures being encoded, at most: a slow disk slows the denoiser and fills no memory."""


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """A shot that has no picture yet, because its call failed in the batch; a plain call may still make it.

    Attributes:
        shot: what was asked.
        reason: the class of the failure.
        error: what the call raised.
    """

    shot: Shot
    reason: Literal["error", "oom", "nan"]
    error: Exception


class Batches:
    """Makes shots on one loaded pipeline, all with the same weights.

    Args:
        loaded: the pipeline, with the LoRAs of these shots on.
        pipeline: what its class's source says.
        rows: of every forward; "auto" finds the number, and keeps it for this model on this machine.
        backend: resolved name of what computes the forwards.
        forwards: what the backend gives to call in place of the models, by component name.
        fingerprint: of a shot.
        length: denoiser calls to expect of a shot; the longest shots are started first.
        experience: what is kept for later shots on these or other weights; None = nothing.
    """

    def __init__(
        self,
        loaded: loading.Loaded,
        pipeline: PipelineClass,
        *,
        rows: int | Literal["auto"],
        backend: str,
        forwards: Mapping[str, Callable[..., Any]],
        fingerprint: Callable[[Shot], Fingerprint],
        length: Callable[[Shot], int],
        experience: Experience | None = None,
    ) -> None:
        self._loaded = loaded
        self._pipeline = pipeline
        self._rows = rows
        self._backend = backend
        self._forwards = forwards
        self._fingerprint = fingerprint
        self._length = length
        self._experience = experience or Experience()
        self._batcher: Batcher | None = None
        self._ear = Ear()
        self._schedulers: dict[object, dict[str, object]] = {}

    @property
    def batcher(self) -> Batcher | None:
        """The batcher of the last `render`; None before the first one."""
        return self._batcher

    @property
    def counts(self) -> Counts | None:
        """What the last `render` has done so far, for reports."""
        return self._batcher.counts if self._batcher else None

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure | BatchFailure]:
        """One answer a shot, in the order in which the pictures are done; pulls shots lazily."""
        import torch

        from teststrip.batching import Batcher
        from teststrip.batching.pending import key_of_call

        machine = canonical_json(self._machine())
        self._batcher = batcher = Batcher(
            self._loaded.pipe,
            rows=self._rows,
            known=WidthCache(machine),
            earlier=self._experience.of(machine),
            whole=self._experience.whole,
            forwards=self._forwards,
            fallback=self._backend not in OTHER_PICTURES,
            threads=torch.get_num_threads() if self._loaded.device == "cpu" and self._backend in IN_LANES else 1,
        )
        self._ear = ear = Ear(key_of_call)
        under_way: dict[str, Shot] = {}
        unasked: deque[BatchFailure] = deque()
        answers = batcher.run(self._calls(shots, under_way, unasked))
        encoding: deque[Future[Render | Failure]] = deque()
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="png") as writers:
            while True:
                with loading.listening(ear):
                    answer = next(answers, None)
                while unasked:
                    yield unasked.popleft()
                if answer is None:
                    break
                shot = under_way.pop(cast("str", answer.call.key))
                if isinstance(answer, FailedCall):
                    yield BatchFailure(shot, answer.reason, self._explained(answer.error))
                    continue
                encoding.append(writers.submit(self._finish, shot, answer, batcher.counts))
                while encoding and (encoding[0].done() or len(encoding) > WAITING):
                    yield encoding.popleft().result()
            while encoding:
                yield encoding.popleft().result()

    def stop(self) -> None:
        """Start no further shot; those under way are answered."""
        if self._batcher is not None:
            self._batcher.stop()

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, CannotMerge):
            return error
        return EngineError(f"backend {self._backend!r} cannot make this (write backend = 'torch'): {error}")

    def _calls(self, shots: Iterable[Shot], under_way: dict[str, Shot], unasked: deque[BatchFailure]) -> Iterator[Call]:
        """The call of each shot; a shot whose pictures cannot be opened is answered without one."""
        for shot in shots:
            try:
                call = self._call(shot)
            except PictureError as error:
                unasked.append(BatchFailure(shot, "error", error))
                continue
            under_way[shot.id] = shot
            yield call

    def _call(self, shot: Shot) -> Call:
        noted.reading_of(self._loaded, self._pipeline, shot)

        def scheduler() -> Any:  # is made when the call begins
            self._ear.forget_once()
            return shooting.scheduler(self._loaded.pipe, shot.settings)

        return Call(
            key=shot.id,
            kwargs=weighting.embedded(self._loaded, shooting.arguments(self._pipeline, shot), shot.settings),
            seed=shot.seed,
            scheduler=scheduler,
            length=self._length(shot),
            shape=(shot.settings.get("width"), shot.settings.get("height")),
            prepare=shooting.prepared(self._pipeline, shot.settings),
        )

    def _finish(self, shot: Shot, done: Done, counts: Counts) -> Render | Failure:
        facts = {
            "denoiser_calls": done.denoiser_calls,
            "forwards": done.forwards,
            "rows": done.rows,
            "decode_rows": done.decode_rows,
            "fill": round(counts.fill, 3),
            "backend": "torch" if done.alone else self._backend,
            "device": self._loaded.device,
            "dtype": self._loaded.dtype,
            **self._of_scheduler(shot.settings),
            **noted.facts(self._loaded, self._pipeline, shot, (*self._ear.take(shot.id), *self._ear.common())),
        }
        if done.alone:
            facts["alone"] = done.alone
        if counts.halved:
            facts["halved"] = counts.halved[-1]
        return shooting.finish(
            shot,
            done.output[0],
            seconds=done.seconds,
            fingerprint=self._fingerprint(shot),
            facts=facts,
            checked=getattr(self._loaded.pipe, "safety_checker", None) is not None,
        )

    def _of_scheduler(self, settings: Mapping[str, Value]) -> dict[str, object]:
        key = (settings.get("scheduler"), *scheduler_options.asked(settings).items())
        if key not in self._schedulers:
            self._schedulers[key] = schedulers.facts_of(shooting.scheduler(self._loaded.pipe, settings))
        return self._schedulers[key]

    def _machine(self) -> dict[str, object]:
        """All that the best width depends on."""
        import diffusers
        import torch

        loaded = self._loaded
        cuda = torch.cuda.get_device_name() if loaded.device == "cuda" else None
        return {
            "model": loaded.model.name,
            "dtype": loaded.dtype,
            **loaded.parts.facts,
            "backend": self._backend,
            "device": cuda or f"{loaded.device} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "forwards": "recorded, in free lanes",
            "versions": [torch.__version__, diffusers.__version__],
        }
