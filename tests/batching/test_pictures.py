"""A merged call makes the picture of the plain call, and the same bytes whatever shares its forwards."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.batching import loop, oracle
from tests.tiny_pipelines import FAMILIES

from teststrip.batching import Batcher, Done

NOISE_PREDICTORS = (None, "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler")
SAMPLERS = {
    "sd15": NOISE_PREDICTORS,
    "sd21": NOISE_PREDICTORS,
    "sdxl": NOISE_PREDICTORS,
    "sd3": (None, "FlowMatchHeunDiscreteScheduler"),
    "flux": (None,),  # it sets its own sigmas, which only its own scheduler takes
}
ROWS = 6


@st.composite
def plans(draw, family, least=1, most=7):
    one = st.tuples(
        st.sampled_from([1.0, 3.0, 7.5]),
        st.sampled_from([2, 3, 5]),
        st.sampled_from(range(len(oracle.PROMPTS))),
        st.sampled_from([0, 1, 2**32 - 1]),
        st.sampled_from(SAMPLERS[family]),
    )
    return [oracle.call(family, *key) for key in draw(st.lists(one, min_size=least, max_size=most, unique=True))]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6)
@given(data=st.data())
def test_a_merged_call_makes_the_picture_of_the_plain_call(family, data):
    plan = data.draw(plans(family))
    batcher = Batcher(oracle.pipeline(family), rows=data.draw(st.integers(1, 9)), window=data.draw(st.integers(1, 9)))
    pictures = oracle.made(batcher, plan)
    assert pictures.keys() == {call.key for call in plan}
    assert not batcher.counts.alone
    for call in plan:
        assert oracle.levels(pictures[call.key], oracle.remembered(call)) <= 1, call.key


_by_itself: dict[object, torch.Tensor] = {}


def without_neighbours(call):
    if call.key not in _by_itself:
        pictures = oracle.made(Batcher(oracle.pipeline(call.key[0]), rows=ROWS, decode_rows=3), [call])
        _by_itself[call.key] = pictures[call.key]
    return _by_itself[call.key]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6)
@given(data=st.data())
def test_a_picture_has_the_same_bytes_for_any_neighbours_order_and_interruption(family, data):
    plan = data.draw(plans(family, least=2))
    order = data.draw(st.permutations(plan))
    stop = data.draw(st.integers(0, len(plan)))
    batcher = Batcher(oracle.pipeline(family), rows=ROWS, decode_rows=3, window=data.draw(st.integers(1, 9)))

    interrupted = batcher.run(order)
    answers = list(itertools.islice(interrupted, stop))
    interrupted.close()
    finished = {answer.call.key for answer in answers}
    answers += batcher.run([call for call in plan if call.key not in finished])

    assert all(isinstance(answer, Done) and answer.rows == ROWS and answer.decode_rows == 3 for answer in answers)
    assert len(answers) == len(plan)
    for answer in answers:
        assert torch.equal(answer.output, without_neighbours(answer.call)), answer.call.key


def test_pictures_of_two_sizes_share_a_run_but_no_forward():
    calls = [
        oracle.call("sd15", 5.0, 3, 0, seed, height=side, width=64) for side in (64, 128) for seed in (side, side + 1)
    ]
    batcher = Batcher(oracle.pipeline("sd15"), rows=4)
    pictures = oracle.made(batcher, calls)
    assert set(batcher.counts.widths) == {"unet 4x8x8", "unet 4x16x8", "vae 4x8x8", "vae 4x16x8"}
    for call in calls:
        assert oracle.levels(pictures[call.key], oracle.remembered(call)) <= 1


def test_the_width_that_was_found_is_remembered_and_used():
    known: dict[str, int] = {}
    # Nine calls that are said to be long: enough work for a search through all widths.
    calls = [replace(call, length=1_000) for call in loop.calls([(2, 5.0)] * 9)]
    first = list(Batcher(loop.Loop(), known=known).run(calls))
    assert known["unet 4"] >= 2
    assert {answer.rows for answer in first} == set(known.values())
    known["unet 4"] = 5
    assert {answer.rows for answer in Batcher(loop.Loop(), known=known).run(calls)} == {5}


def test_latents_can_be_asked_for_in_place_of_pictures():
    call = oracle.call("sd15", 5.0, 3, 0, 7, output_type="latent")
    (answer,) = Batcher(oracle.pipeline("sd15"), rows=4).run([call])
    assert answer.output.shape == (1, 4, 8, 8)
    assert answer.decode_rows is None


def test_no_guidance_brings_one_row_a_step():
    with_guidance, without = oracle.call("sd15", 5.0, 4, 0, 0), oracle.call("sd15", 1.0, 4, 0, 0)
    answers = {
        answer.call.key: answer for answer in Batcher(oracle.pipeline("sd15"), rows=3).run([with_guidance, without])
    }
    assert answers[with_guidance.key].denoiser_calls == 8
    assert answers[without.key].denoiser_calls == 4
    assert answers[without.key].forwards == 4


@pytest.mark.parametrize(
    ("sampler", "forwards"), [("PNDMScheduler", 15), ("HeunDiscreteScheduler", 11), ("DDIMScheduler", 6)]
)
def test_denoiser_calls_are_counted_and_not_guessed(sampler, forwards):
    call = oracle.call("sd15", 5.0, 6, 0, 0, sampler)
    batcher = Batcher(oracle.pipeline("sd15"), rows=2)
    (merged,), alone = batcher.run([call]), batcher.run_alone(call)
    assert (
        (merged.forwards, merged.denoiser_calls) == (alone.forwards, alone.denoiser_calls) == (forwards, 2 * forwards)
    )
