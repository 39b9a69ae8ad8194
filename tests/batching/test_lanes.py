"""A forward cut into lanes gives the pictures that it gives in one piece, and leaves no thread and no number behind."""

from __future__ import annotations

import threading

import pytest
import torch
from tests.batching import loop, oracle

from teststrip.batching import Batcher, Done
from teststrip.batching.lanes import Lanes


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux"])
def test_lanes_give_the_picture_of_the_plain_call(family: str) -> None:
    calls = [oracle.call(family, guidance, steps, 0, 7) for guidance in (1.0, 5.0) for steps in (2, 3, 5)]
    made = oracle.made(Batcher(oracle.pipeline(family), rows=6, threads=3), calls)
    assert max(oracle.levels(made[call.key], oracle.remembered(call)) for call in calls) <= 1


def test_in_lanes_too_a_picture_has_the_same_bytes_whatever_is_beside_it() -> None:
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


def test_a_lane_s_forward_has_as_many_rows_whatever_the_number_of_lanes() -> None:
    seen: list[int] = []

    class Counting(loop.Halve):
        def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
            seen.append(len(sample))
            return super().forward(sample, timestep)

    for threads in (1, 2, 5):
        pipe = loop.Loop()
        pipe.unet = Counting()
        answers = list(Batcher(pipe, rows=6, threads=threads).run(loop.calls([(n % 4 + 1, 5.0) for n in range(40)])))
        assert all(isinstance(answer, Done) for answer in answers)
    assert set(seen) == {6}


def test_what_a_picture_looks_like_does_not_depend_on_the_number_of_lanes() -> None:
    calls = [oracle.call("sd15", 5.0, steps, steps % 3, steps) for steps in (2, 3, 4, 5, 6)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the one lane computes here, and several threads may round otherwise than one
    try:
        one = oracle.made(Batcher(oracle.pipeline("sd15"), rows=4, threads=1), calls)
    finally:
        torch.set_num_threads(before)
    three = oracle.made(Batcher(oracle.pipeline("sd15"), rows=4, threads=3), calls)
    assert all(torch.equal(one[call.key], three[call.key]) for call in calls)


@pytest.mark.parametrize("threads", [2, 4])
def test_memory_that_runs_out_in_several_lanes_halves_the_width_once(threads: int) -> None:
    class Small(loop.Halve):
        def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
            if len(sample) > 4:
                raise RuntimeError("CUDA out of memory.")
            return super().forward(sample, timestep)

    pipe = loop.Loop()
    pipe.unet = Small()
    batcher = Batcher(pipe, rows=8, threads=threads)
    answers = list(batcher.run(loop.calls([(3, 5.0)] * 30)))
    assert sorted(answer.call.key for answer in answers) == list(range(30))
    assert all(isinstance(answer, Done) for answer in answers)
    assert batcher.counts.widths == {"unet 4": 4}
    assert len(batcher.counts.halved) == 1


def test_a_lane_that_raises_fails_its_own_calls_and_no_others() -> None:
    class Fussy(loop.Halve):
        def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
            if sample.isnan().any():
                raise ArithmeticError("planted")
            return super().forward(sample, timestep)

    class Loop(loop.Loop):
        def __call__(self, *, steps: int, guidance: float, generator: torch.Generator) -> tuple[torch.Tensor]:
            if steps == 5:
                self.unet(torch.full((1, 4), float("nan")), 0, return_dict=False)
            return super().__call__(steps=steps, guidance=guidance, generator=generator)

    pipe = Loop()
    pipe.unet = Fussy()
    answers = list(Batcher(pipe, rows=4, threads=3).run(loop.calls([(n % 6 + 1, 5.0) for n in range(36)])))
    failed = [answer.call.key for answer in answers if not isinstance(answer, Done)]
    assert sorted(failed) == [n for n in range(36) if n % 6 + 1 == 5]


def test_closing_the_answers_ends_what_is_in_the_lanes() -> None:
    answers = Batcher(loop.Loop(), rows=4, threads=3).run(loop.calls([(50, 5.0)] * 30))
    next(answers)
    answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]


def test_what_is_raised_in_a_lane_is_raised_where_the_result_is_asked_for() -> None:
    def fail() -> None:
        raise ArithmeticError("planted")

    for number in (1, 2):
        lanes = Lanes(number)
        with lanes.open(), pytest.raises(ArithmeticError, match="planted"):
            lanes.first_done([lanes.submit(fail)]).result()


def test_a_lane_has_its_next_forward_while_the_driver_is_busy_but_no_more_than_that() -> None:
    computed: list[int] = []

    class Counting(loop.Halve):
        def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
            computed.append(len(sample))
            return super().forward(sample, timestep)

    pipe = loop.Loop()
    pipe.unet = Counting()
    batcher = Batcher(pipe, rows=4, threads=2)
    answers = batcher.run(loop.calls([(6, 5.0)] * 24))
    next(answers)  # from here on the driver stands still: it runs only while the caller asks for the next answer
    batcher.wait_until_idle()
    checks = 1  # one forward looks whether rows are the same beside others
    assert 2 < len(computed) - checks - batcher.counts.forwards <= 4
    assert len(list(answers)) == 23


@pytest.mark.parametrize("threads", [2, 3])
def test_what_waits_behind_a_lane_is_full(threads: int) -> None:
    uneven = [(n % 17 + 1, 5.0 if n % 3 else 1.0) for n in range(80)]
    batcher = Batcher(loop.Loop(), rows=8, threads=threads)
    assert len(list(batcher.run(loop.calls(uneven)))) == 80
    assert batcher.counts.fill >= 0.95
