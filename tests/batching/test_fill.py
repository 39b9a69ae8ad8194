"""How full the forwards are: what continuous batching is for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.batching import loop

from teststrip.batching import Batcher, Done


def uneven(count):
    draw = random.Random(1)
    return [(draw.randint(1, 40), draw.choice([1.0, 5.0])) for _ in range(count)]


@pytest.mark.parametrize("rows", [8, 12, 16, 32])
def test_the_seeds_study_fills_its_forwards(rows):
    assert loop.fill(loop.seeds_study(scale=0.1), rows) >= 0.97


@pytest.mark.parametrize("rows", [8, 12, 16])
def test_a_hundred_random_step_counts_fill_their_forwards(rows):
    assert loop.fill(uneven(100), rows) >= 0.95


def test_the_longest_first_fill_more_than_first_come_first_served():
    assert loop.fill(uneven(100), 16) > loop.fill(uneven(100), 16, window=1)


@settings(max_examples=40)
@given(
    asked=st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1.0, 5.0])), max_size=20),
    rows=st.integers(1, 9),
    window=st.integers(1, 25),
)
def test_every_call_is_answered_once_with_its_own_count_of_rows(asked, rows, window):
    batcher = Batcher(loop.Loop(), rows=rows, window=window)
    answers = list(batcher.run(loop.calls(asked)))
    assert sorted(answer.call.key for answer in answers) == list(range(len(asked)))
    for answer in answers:
        steps, guidance = asked[answer.call.key]
        assert isinstance(answer, Done)
        assert (answer.forwards, answer.denoiser_calls) == (steps, steps * (2 if guidance > 1 else 1))
    total = sum(steps * (2 if guidance > 1 else 1) for steps, guidance in asked)
    assert batcher.counts.rows == total
    assert (total + batcher.counts.fillers) == batcher.counts.forwards * rows
