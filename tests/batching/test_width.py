"""How many rows a forward has, and that looking for the number is never dearer than what the number can save."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.batching import loop, oracle

from teststrip.batching import Batcher, Done
from teststrip.batching.earlier import Work
from teststrip.batching.width import HOPE, LADDER, smallest_good, worthwhile


@given(
    least=st.integers(1, 4),
    widest=st.sampled_from(LADDER),
    calls=st.integers(1, 400),
    length=st.integers(1, 400),
    forwards=st.integers(1, 200),
    fixed=st.floats(0, 10),
    each=st.floats(0.01, 10),
)
def test_a_search_never_takes_longer_than_it_can_save(least, widest, calls, length, forwards, fixed, each):
    work = Work(calls, calls * length)
    tried: list[int] = []

    def seconds(rows: int) -> float:
        tried.append(rows)
        return fixed + each * rows

    most = worthwhile(least, widest, work, forwards=forwards)
    found = smallest_good(seconds, least, most).rows
    spent = sum(forwards * (fixed + each * rows) for rows in tried)
    price = (fixed + each * least) / least
    assert spent <= HOPE * work.rows * price * (1 + 1e-9)
    assert least <= found <= max(least, min(widest, calls * least))


@given(least=st.integers(1, 4), widest=st.sampled_from(LADDER), length=st.integers(1, 10**6))
def test_a_single_call_searches_nothing(least, widest, length):
    asked: list[int] = []
    most = worthwhile(least, widest, Work(1, length), forwards=1)
    assert smallest_good(lambda rows: asked.append(rows) or 1.0, least, most).rows == least
    assert asked == []


def test_much_work_is_worth_the_whole_search():
    assert worthwhile(2, 64, Work(10_000, 10**6), forwards=200) == 64


@pytest.mark.parametrize(("calls", "found"), [(1, 2), (2, 4), (64, 16)])
def test_calls_left_bound_the_width(calls, found):
    """A model whose forward costs the same at any width: the widest that is tried is the best."""
    known: dict[str, int] = {}
    batcher = Batcher(loop.Loop(), known=known, recording=None)
    asked = [replace(call, length=100_000) for call in loop.calls([(2, 5.0)] * calls)]
    answers = list(batcher.run(asked))
    assert all(isinstance(answer, Done) for answer in answers)
    assert batcher.counts.widths["unet 4"] <= found
    assert set(known) == ({"unet 4"} if calls == 64 else set())


def test_calls_of_another_size_are_not_counted_as_work_of_this_one():
    sizes = [(32, 32), (48, 32), (32, 48), (64, 32), (32, 64), (64, 64)]
    calls = [
        replace(oracle.call("sdxl", 5.0, 2, 0, seed, width=width, height=height), key=seed, shape=(width, height))
        for seed, (width, height) in enumerate(sizes)
    ]
    batcher = Batcher(oracle.pipeline("sdxl"))
    pictures = oracle.made(batcher, [replace(call, length=100_000) for call in calls])
    assert len(pictures) == 6
    assert {rows for shape, rows in batcher.counts.widths.items() if shape.startswith("unet")} == {2}
    assert batcher.counts.recorded == 0


def test_few_pictures_of_many_sizes_cost_the_forwards_of_plain_calls():
    calls = loop.calls([(5, 5.0)] * 6)
    batcher = Batcher(loop.Loop())
    list(batcher.run(replace(call, shape=call.key) for call in calls))
    assert batcher.counts.forwards == 6 * 5
    assert batcher.counts.fillers == 0
