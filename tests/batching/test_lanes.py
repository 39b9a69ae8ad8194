"""A forward cut into lanes gives the pictures that it gives in one piece, and leaves no thread and no number behind."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.batching import loop, oracle

from teststrip.batching import Batcher, Done
from teststrip.batching.lanes import Lanes
from teststrip.batching.stacking import cut


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux"])
def test_lanes_give_the_picture_of_the_plain_call(family: str) -> None:
    calls = [oracle.call(family, guidance, steps, 0, 7) for guidance in (1.0, 5.0) for steps in (2, 3, 5)]
    made = oracle.made(Batcher(oracle.pipeline(family), rows=6, threads=3), calls)
    assert max(oracle.levels(made[call.key], oracle.remembered(call)) for call in calls) <= 1


def test_in_lanes_too_a_picture_has_the_same_bytes_whoever_is_beside_it() -> None:
    calls = [oracle.call("sd15", 5.0, steps, steps % 3, steps) for steps in (2, 3, 4, 5, 6)]
    together = oracle.made(Batcher(oracle.pipeline("sd15"), rows=4, threads=2), calls)
    for call in calls:
        alone = oracle.made(Batcher(oracle.pipeline("sd15"), rows=4, threads=2), [call])
        assert torch.equal(alone[call.key], together[call.key])


def test_afterwards_no_lane_s_thread_is_left_and_the_process_has_its_number_of_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        list(Batcher(loop.Loop(), rows=8, threads=4).run(loop.calls([(3, 5.0)] * 9)))
        assert torch.get_num_threads() == 3
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
    finally:
        torch.set_num_threads(before)


def test_lanes_of_nothing_but_fillers_are_not_computed() -> None:
    seen: list[int] = []

    class Counting(loop.Halve):
        def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
            seen.append(len(sample))
            return super().forward(sample, timestep)

    pipe = loop.Loop()
    pipe.unet = Counting()
    answers = list(Batcher(pipe, rows=8, threads=4).run(loop.calls([(2, 5.0)])))
    assert all(isinstance(answer, Done) for answer in answers)
    assert seen == [2, 2]


def test_what_one_lane_raises_is_raised_after_all_have_ended() -> None:
    ended: list[int] = []

    def fail() -> None:
        raise ArithmeticError("one lane")

    lanes = Lanes(2)
    with lanes.open(), pytest.raises(ArithmeticError, match="one lane"):
        lanes.run(2, [fail, lambda: ended.append(1)])
    assert ended == [1]


@settings(max_examples=200)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 6))
def test_cutting_keeps_every_row_once_and_in_order(sizes: list[int], rows: int) -> None:
    parts = cut([(name, 10, 10 + size) for name, size in enumerate(sizes)], rows)  # type: ignore[arg-type]
    assert [sum(stop - start for _, start, stop in part) for part in parts[:-1]] == [rows] * (len(parts) - 1)
    flat = [(name, row) for part in parts for name, start, stop in part for row in range(start, stop)]
    assert flat == [(name, 10 + row) for name, size in enumerate(sizes) for row in range(size)]
