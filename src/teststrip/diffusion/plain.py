"""Shots made one after another, each by a plain call of the pipeline: what `batch = 1` asks for.

The batched way falls back on this one where a plain call has a remedy: memory to give back, or a decoder to run in
float32. Knows shots and one loaded pipeline; nothing of batches or of which models there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from teststrip.diffusion import caching, failures, loading, noted, schedulers, shooting, weighting
from teststrip.diffusion.heard import Ear
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.records import Failure, Fingerprint, Render, Shot


class PlainCalls:
    """Makes shots on one loaded pipeline, all with the same weights.

    Args:
        loaded: the pipeline, with the LoRAs of these shots on.
        pipeline: what its class's source says.
        fingerprint: of a shot.
        make_room: gives memory back that other pipelines hold.
    """

    def __init__(
        self,
        loaded: loading.Loaded,
        pipeline: PipelineClass,
        *,
        fingerprint: Callable[[Shot], Fingerprint],
        make_room: Callable[[], None],
    ) -> None:
        self._loaded = loaded
        self._pipeline = pipeline
        self._fingerprint = fingerprint
        self._make_room = make_room

    def render(self, shot: Shot) -> Render | Failure:
        """One shot, with one more try where memory ran out or a half-precision decoder overflowed."""
        ear = Ear()
        ear.forget_once()
        with loading.listening(ear):
            pipe = self._loaded.pipe
            answer = self._try(pipe, shot, ear, {})
            if isinstance(answer, Failure) and answer.reason == "oom":
                self._make_room()
                answer = self._try(pipe, shot, ear, {"retried": "oom"})
            half = self._loaded.dtype != "float32" and hasattr(pipe, "vae")
            if isinstance(answer, Failure) and answer.reason == "nan" and half:
                exact = shooting.with_exact_decoder(pipe)
                answer = self._try(exact, shot, ear, {"retried": "nan", "vae_dtype": "float32"})
            return answer

    def _caching(self, shot: Shot, pipe: Any) -> AbstractContextManager[None]:
        default = self._pipeline.knobs.get("num_inference_steps")
        steps = shot.settings.get("num_inference_steps") or (default.default if default else None) or 1
        return caching.enabled(pipe, self._loaded.parts.cache, int(steps))

    def _try(self, pipe: Any, shot: Shot, ear: Ear, facts: Mapping[str, object]) -> Render | Failure:
        started = time.perf_counter()
        try:
            scheduler = shooting.scheduler(self._loaded.pipe, shot.settings)
            call = weighting.embedded(self._loaded, shooting.arguments(self._pipeline, shot), shot.settings)
            prepare = shooting.prepared(self._pipeline, shot.settings)
            picture, rows = shooting.expose(pipe, call, shot.seed, scheduler, prepare, partial(self._caching, shot))
        except Exception as error:  # the engine's edge: whatever goes wrong in a pipeline ends this shot alone
            return failures.of(shot, error)
        return shooting.finish(
            shot,
            picture,
            seconds=time.perf_counter() - started,
            fingerprint=self._fingerprint(shot),
            facts={
                "denoiser_calls": rows,
                "backend": "torch",
                "device": self._loaded.device,
                "dtype": self._loaded.dtype,
                **schedulers.facts_of(scheduler),
                **noted.facts(self._loaded, self._pipeline, shot, ear.take()),
                **facts,
            },
            checked=getattr(self._loaded.pipe, "safety_checker", None) is not None,
        )
