"""However a run is cut into portions, the width of its forwards is searched for as if it were one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.batching import loop

from teststrip.batching import Batcher, Call, Done, Earlier, Work
from teststrip.batching.runner import TIMED
from teststrip.batching.width import HOPE, MOST_ON_CPU, worthwhile

CUTS = st.lists(st.integers(1, 20), min_size=1, max_size=8).filter(lambda sizes: sum(sizes) < 64)
LENGTHS = st.sampled_from([4, 20, 100, 1000])
QUICK = settings(max_examples=25, deadline=None)


class Counted(torch.nn.Module):
    """A denoiser that has a clock of its own: what a forward takes is a function of its rows."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        super().__init__()
        self.of_rows = seconds
        self.seconds = 0.0
        self.rows = 0

    def forward(self, sample: torch.Tensor, timestep: int, return_dict: bool = True) -> tuple[torch.Tensor]:
        self.seconds += self.of_rows(len(sample))
        self.rows += len(sample)
        return (sample * 0.5,)


def steady() -> Counted:
    """The widest forward that a search tries is the best."""
    return Counted(lambda rows: 1.0)


def batcher(model: Counted, **options: Any) -> Batcher:
    pipe = loop.Loop()
    pipe.unet = model
    return Batcher(pipe, recording=None, clock=lambda: model.seconds, **options)


def portions(sizes: list[int], length: int) -> list[list[Call]]:
    """Calls of two steps that say how long they are, in portions of these sizes."""
    keys = iter(range(sum(sizes)))
    return [
        [Call(next(keys), {"steps": 2, "guidance": 5.0}, seed=1, length=length) for _ in range(size)] for size in sizes
    ]


def width(batcher: Batcher, calls: list[Call]) -> int:
    """The width of the forwards that these calls took part in."""
    answers = list(batcher.run(calls))
    assert all(isinstance(answer, Done) for answer in answers), answers
    (rows,) = {answer.rows for answer in answers}
    return rows


@given(sizes=CUTS, length=LENGTHS)
@example(sizes=[10] * 6, length=20)
@QUICK
def test_a_portion_gets_the_width_of_all_that_was_asked_so_far(sizes, length):
    """As wide as its own calls, or those of a larger portion before, can fill."""
    model, earlier, known = steady(), Earlier(), {}
    widths = [width(batcher(model, known=known, earlier=earlier), calls) for calls in portions(sizes, length)]
    so_far = [sizes[: count + 1] for count in range(len(sizes))]
    assert widths == [
        worthwhile(2, MOST_ON_CPU, Work(max(asked), sum(asked) * length), forwards=TIMED) for asked in so_far
    ]
    assert known == ({"unet 4": MOST_ON_CPU} if widths[-1] == MOST_ON_CPU else {})


@given(sizes=CUTS, length=LENGTHS)
@example(sizes=[10] * 6, length=20)
@QUICK
def test_the_searches_of_all_portions_take_no_longer_than_one_search_may(sizes, length):
    model, earlier = steady(), Earlier()
    computed = 0
    for calls in portions(sizes, length):
        running = batcher(model, earlier=earlier)
        list(running.run(calls))
        computed += running.counts.rows + running.counts.fillers
        computed += sum(running.counts.widths.values())  # of the check that rows do not change each other
    assert model.rows - computed <= HOPE * sum(sizes) * length


@given(sizes=CUTS, length=LENGTHS)
@example(sizes=[30, 22, 8], length=20)
@QUICK
def test_a_portion_gets_the_width_of_the_whole_where_the_whole_is_known(sizes, length):
    one_run = width(batcher(steady()), [call for calls in portions(sizes, length) for call in calls])
    whole = Work(sum(sizes), sum(sizes) * length)
    # Each portion is made by a worker of its own, which has seen nothing before.
    assert {width(batcher(steady(), whole=whole), calls) for calls in portions(sizes, length)} == {one_run}


@pytest.mark.parametrize(("calls", "found"), [(4, {}), (8, {"unet 4": 2})])
def test_what_a_short_search_found_is_kept_where_a_longer_one_would_find_the_same(calls, found):
    """Here two wider forwards, of 4 and of 6 rows, were no better, and the search ended by itself."""
    known: dict[str, int] = {}
    width(batcher(Counted(lambda rows: rows**2), known=known), *portions([calls], 20))
    assert known == found


def test_a_width_at_which_memory_ran_out_is_tried_in_no_later_portion():
    def seconds(rows: int) -> float:
        if rows > 6 and model.poor:
            raise torch.OutOfMemoryError("out of memory")
        return 1.0

    model, earlier = Counted(seconds), Earlier()
    model.poor = False
    first, second, third = portions([20, 20, 20], 20)
    assert width(batcher(model, earlier=earlier), first) == 12
    model.poor = True
    assert width(batcher(model, earlier=earlier), second) == 6
    model.poor = False
    assert width(batcher(model, earlier=earlier), third) == 8


def test_the_width_that_another_process_found_first_is_used(tmp_path):
    """Two workers search at the same time, and one study has one number of rows."""
    from teststrip.diffusion.width_cache import WidthCache

    file = tmp_path / "widths.json"
    two, other = WidthCache("a model", file), WidthCache("a model", file)
    other["unet 4"] = 6
    other["unet 9"] = 4
    assert width(batcher(steady(), known=two), *portions([60], 1000)) == 6
    two["unet 2"] = 8
    assert dict(WidthCache("a model", file)) == {"unet 4": 6, "unet 9": 4, "unet 2": 8}
