"""Recorded forwards give the bytes of the model itself, and whatever cannot be recorded is left to the model."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from tests import tiny_pipelines
from tests.batching import further, loop, oracle

from teststrip.batching import Batcher, Done
from teststrip.batching.recording import Limits, Recorder

AT_ONCE = Limits(forwards=2, short_seconds=600.0)
"""Recorded as soon as can be; on a busy machine nothing is short."""


@cache
def built(family: str) -> Any:
    return oracle.pipeline(family) if family in tiny_pipelines.FAMILIES else further.build(family)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("family", tiny_pipelines.FAMILIES + further.MERGED)
def test_recorded_pictures_have_the_bytes_of_the_model_s_own(family: str, threads: int) -> None:
    ours = oracle if family in tiny_pipelines.FAMILIES else further
    pipe = built(family)
    calls = [ours.call(family, guidance, 6, 0, seed) for guidance in (1.0, 5.0) for seed in range(3)]
    recorded = Batcher(pipe, rows=4, threads=threads, recording=AT_ONCE)
    plain = Batcher(pipe, rows=4, threads=threads, recording=None)
    pictures, wanted = oracle.made(recorded, calls), oracle.made(plain, calls)
    assert recorded.counts.recorded
    assert not plain.counts.recorded
    assert all(torch.equal(pictures[key], wanted[key]) for key in wanted)


def ends(
    pipe: Any, settings: list[tuple[int, float]], threads: int = 2, recording: Limits | None = AT_ONCE
) -> tuple[Batcher, list[torch.Tensor]]:
    batcher = Batcher(pipe, rows=4, threads=threads, recording=recording)
    answers = sorted(batcher.run(loop.calls(settings)), key=lambda answer: answer.call.key)
    assert all(isinstance(answer, Done) for answer in answers), answers
    return batcher, [answer.output for answer in answers]


class Choosy(torch.nn.Module):
    """Decides by what it is given: a recording would always go one way."""

    def forward(self, sample: torch.Tensor, timestep: Any, return_dict: bool = True) -> tuple[torch.Tensor]:
        return (sample * 0.5 if timestep.max() > 900 else sample * 0.25,)


class Noisy(torch.nn.Module):
    """Answers by what happened before."""

    calls = 0

    def forward(self, sample: torch.Tensor, timestep: Any, return_dict: bool = True) -> tuple[torch.Tensor]:
        self.calls += 1
        # The same at first, so that its rows do not seem to change each other.
        return (sample * (1 + (self.calls > 3) * (self.calls % 2)),)


class Unspeakable(torch.nn.Module):
    """Leaves the tensors that can be traced."""

    def forward(self, sample: torch.Tensor, timestep: Any, return_dict: bool = True) -> tuple[torch.Tensor]:
        if torch.jit.is_tracing():
            raise RuntimeError("not while recording")
        return (sample * 0.5,)


@pytest.mark.parametrize("model", [Choosy, Noisy, Unspeakable])
def test_what_is_not_the_same_for_every_call_is_not_recorded(model: type[torch.nn.Module]) -> None:
    pipe = loop.Loop()
    pipe.unet = model()
    batcher, made = ends(pipe, [(14, 5.0)] * 6, threads=1)
    assert batcher.counts.forwards > AT_ONCE.forwards
    assert batcher.counts.recorded == 0
    assert not batcher.counts.alone
    if model is not Noisy:
        assert all(torch.equal(a, b) for a, b in zip(made, ends(pipe, [(14, 5.0)] * 6, recording=None)[1], strict=True))


def test_a_model_with_hooks_is_not_recorded() -> None:
    pipe, heard = loop.Loop(), []
    pipe.unet.register_forward_hook(lambda *_: heard.append(1))
    batcher, _ = ends(pipe, [(10, 5.0)] * 6)
    assert batcher.counts.recorded == 0
    assert len(heard) >= batcher.counts.forwards


def test_long_forwards_are_not_recorded() -> None:
    batcher, _ = ends(loop.Loop(), [(10, 5.0)] * 6, recording=Limits(forwards=2, short_seconds=0.0))
    assert batcher.counts.recorded == 0


def test_the_search_for_the_number_of_rows_times_what_will_run() -> None:
    only_in_the_search = Limits(forwards=10**9, short_seconds=600.0)
    batcher = Batcher(loop.Loop(), threads=2, recording=only_in_the_search)
    assert len(list(batcher.run(replace(call, length=1_000) for call in loop.calls([(2, 5.0)] * 3)))) == 3
    assert batcher.counts.recorded >= 2  # of each width that was tried


def test_a_recording_is_of_its_dtypes_and_of_its_other_arguments() -> None:
    asked: list[Any] = []

    class Listening(torch.nn.Module):
        def forward(self, sample: torch.Tensor, timestep: Any, mode: str = "a") -> tuple[torch.Tensor]:
            asked.append(mode)
            return (sample * (0.5 if mode == "a" else 0.25),)

    model = Listening()
    recorder = Recorder(model, lambda tree: model(**tree), AT_ONCE)
    ones, times = torch.ones(2, 3), torch.ones(2)
    assert recorder.record({"sample": ones, "timestep": times, "mode": "a"}) == 1
    known = len(asked)
    assert recorder.run({"sample": ones * 4, "timestep": times, "mode": "a"})[0].equal(ones * 2)
    assert len(asked) == known  # without Python
    assert recorder.run({"sample": ones * 4, "timestep": times, "mode": "b"})[0].equal(ones)
    assert recorder.run({"sample": ones.double() * 4, "timestep": times, "mode": "a"})[0].dtype == torch.float64
    assert len(asked) == known + 2
